"""`peer run`, `peer watch` and `peer jobs` with real sidecars: whoever should know is told."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from peermesh.jobs import record

from .actors import Actor, Person
from .actors import run as start
from .conftest import Sessions
from .home import PYTHON, Home, send_signal, state_of, until

SUPERVISOR = b"peermesh.jobs.supervisor"


@pytest.fixture(autouse=True)
def _no_job_is_left(home: Home) -> Iterator[None]:
    """Jobs that a test left running are ended before its sidecars are."""
    yield
    for directory in record.directories(str(home.peer)):
        record.control(directory, "kill")
    until(
        lambda: not any(record.is_supervised(one) for one in record.directories(str(home.peer))), "their end"
    )


def told(who: Actor) -> list[dict[str, Any]]:
    """The ends of jobs that *who* was told and has not read."""
    messages = who.ask("inbox", peek=True, most=500)["messages"]
    return [one for one in messages if one["kind"] == "done"]


def one_told(who: Actor) -> dict[str, Any]:
    """The one end that *who* is told."""
    return until(lambda: told(who), "the word of an end")[0]


def jobs(who: Actor) -> list[dict[str, Any]]:
    """What `peer jobs` lists."""
    found: list[dict[str, Any]] = who.peer("jobs", "--json").json
    return found


def test_the_session_is_told(session: Sessions) -> None:
    """Output and exit code come through; the session is told once, with the last lines of stderr."""
    one = session("a")
    done = one.peer("run", "--name", "build", "--", "sh", "-c", "echo out; echo wrong >&2; exit 3")
    assert (done.code, done.out, done.err) == (3, "out\n", "wrong\n")
    message = one_told(one)
    assert "build ended with exit code 3" in message["body"]
    assert "wrong" in message["body"]
    job = jobs(one)[0]
    assert (job["name"], job["state"], job["code"], job["mine"]) == ("build", "ended", 3, True)
    assert f"peer jobs log {job['id']}" in message["body"]
    time.sleep(1.5)
    assert len(told(one)) == 1


def test_who_is_named_is_told(session: Sessions, person: Person) -> None:
    """--tell: those who are named, and nobody else."""
    a, b = session("a"), session("b")
    assert person.peer("run", "--tell", "b", "--tell", "@repo", "--", "true").code == 0
    assert "exit code 0" in one_told(b)["body"]
    assert len(told(b)) == 1
    until(lambda: told(a) or a.cwd != b.cwd, "the group to be told too")
    assert not told(person)
    assert person.peer("run", "--tell", "nobody", "--", "true").code == 3


def test_an_idle_session_wakes(session: Sessions) -> None:
    """A detached job that ends wakes the session that started it."""
    one = session("a")
    answer = one.peer("run", "--detach", "--json", "--", "sh", "-c", "sleep 0.5; echo end >&2; exit 1").json
    one.hook("Stop")
    assert "exit code 1" in one.waiter().text()
    assert record.read_end(answer["dir"]) is not None


def test_it_outlives_the_session(session: Sessions, home: Home) -> None:
    """A build whose session is killed goes on; the session is told when it is resumed."""
    one = session("a")
    answer = one.peer("run", "-d", "--json", "--name", "build", "--", "sh", "-c", "sleep 2; exit 4").json
    one.kill_client()
    one.gone()
    until(lambda: record.read_end(answer["dir"]), "the end of the build")
    again = session("a", ident=one.id, brief=False)
    assert "build ended with exit code 4" in one_told(again)["body"]


def test_the_tool_kills_the_command(session: Sessions) -> None:
    """A time limit ends the whole group of `peer run`, and the job goes on to be told."""
    one = session("a")
    process = subprocess.Popen(
        ["peer", "run", "--", "sh", "-c", "echo here; sleep 1.5; exit 6"],
        env=one.env, cwd=one.cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    one.home.processes.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout.read() == b""
    process.wait()
    assert "exit code 6" in one_told(one)["body"]


def test_told_to_end_the_command_says_where_the_job_is(person: Person) -> None:
    """SIGTERM ends `peer run` with a word, and nothing else."""
    process = person.start_peer("run", "--", "sh", "-c", "echo here; sleep 1; exit 5")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    job = jobs(person)[0]
    assert (process.returncode, err.decode()) == (143, f"peer: the job goes on; peer jobs show {job['id']}\n")
    assert "exit code 5" in one_told(person)["body"]


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["nosuch"], 127, "peer: nosuch: command not found"),
        (["--", "/etc/passwd"], 126, "peer: /etc/passwd: Permission denied"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_run(person: Person, words: list[str], code: int, why: str) -> None:
    """A clear word, the exit code of a shell, and no job."""
    done = person.peer("run", *words)
    assert done.code == code
    assert why in done.err
    assert jobs(person) == []


def test_the_command_dies_of_the_same_signal(person: Person) -> None:
    """So that whoever started it sees what its command died of; an exit code above 128 is none."""
    assert person.peer("run", "--", "sh", "-c", "kill -TERM $$").code == -signal.SIGTERM
    assert person.peer("run", "--", "sh", "-c", "exit 143").code == 143


def test_words_of_the_command_are_its_own(person: Person) -> None:
    """Options behind the command are the command's, with and without --."""
    assert person.peer("run", "echo", "--detach", "-x").out == "--detach -x\n"
    assert person.peer("run", "--", "echo", "--", "--json").out == "-- --json\n"


def test_jobs_show_log_stop(person: Person) -> None:
    """A job that runs is listed with its last line, followed, stopped and told."""
    answer = person.peer(
        "run", "-d", "--json", "--name", "slow", "--", "sh", "-c", "echo begun; exec sleep 130"
    ).json
    job = answer["id"]
    until(lambda: jobs(person)[0]["line"] == "begun", "its last line")
    assert "runs" in person.ok("jobs")
    assert "begun" in person.ok("jobs", "show", job)
    assert person.ok("jobs", "log", job) == "begun\n"
    follower = person.start_peer("jobs", "log", "-f", job)
    assert person.ok("jobs", "stop", job) == f"✓ {job} is told to end\n"
    out, err = follower.communicate(timeout=10)
    assert (follower.returncode, out) == (0, b"begun\n")
    assert err.startswith(b"slow: SIGTERM after ")
    assert "SIGTERM" in one_told(person)["body"]
    assert "SIGTERM" in person.ok("jobs")
    shown = person.peer("jobs", "show", job, "--json").json
    assert (shown["signal"], shown["stdout"], shown["name"]) == ("SIGTERM", ["begun"], "slow")
    assert person.peer("jobs", "log", job, "--json").json["text"] == "begun\n"
    assert person.peer("jobs", "show", "zzzzzz").code == 3


def test_jobs_by_name_and_by_first_letters(person: Person) -> None:
    """Two that run under one name are told apart before one is stopped; an id goes by its first letters."""
    ids = [
        person.peer("run", "-d", "--json", "--name", "dev", "--", "sh", "-c", "echo it; exec sleep 133").json[
            "id"
        ]
        for _ in range(2)
    ]
    until(lambda: [one["line"] for one in jobs(person)] == ["it", "it"], "both")
    refused = person.peer("jobs", "stop", "dev")
    assert refused.code == 3
    assert all(f"{one} (dev)" in refused.err for one in ids)
    assert [one["state"] for one in jobs(person)] == ["running", "running"]
    assert person.peer("jobs", "log", "dev", "--json").json["job"] == ids[1]
    assert person.peer("jobs", "show", ids[0][:5], "--json").json["id"] == ids[0]
    person.ok("jobs", "stop", ids[0][:5])
    until(lambda: len(told(person)) == 1, "its end")
    assert person.ok("jobs", "stop", "dev") == f"✓ {ids[1]} is told to end\n"


def test_a_command_is_shown_as_it_is_typed(person: Person) -> None:
    """With its quoting, wherever it is shown as text; its result stands before it."""
    assert person.peer("run", "--", "sh", "-c", "echo hi; exit 2").code == 2
    message = one_told(person)
    assert "sh -c 'echo hi; exit 2' ended with exit code 2" in message["body"]
    assert "command  sh -c 'echo hi; exit 2'" in person.ok("jobs", "show", jobs(person)[0]["id"])
    until(lambda: "✗ exit 2 after" in person.ok("log"), "the line of its end")
    assert "s: sh -c 'echo hi; exit 2'" in person.ok("log")


def test_what_one_told_oneself_is_opened(person: Person, session: Sessions) -> None:
    """The end of a job of one's own stands in both boxes: it is read, counted as read, and answered."""
    for one in (person, session("a")):
        assert one.peer("run", "--name", "build", "--", "true").code == 0
        ident = one_told(one)["id"]
        assert "build ended with exit code 0" in one.ok("read", ident)
        assert told(one) == []
        assert "build ended with exit code 0" in one.ok("read", ident)
        assert one.peer("reply", ident, "well done").code == 0


def test_input_of_a_detached_job(person: Person) -> None:
    """What is piped into it is not given to it, which is said."""
    command = [str(Path(PYTHON).with_name("peer")), "run", "-d", "--", "cat"]
    done = start(command, person.env, person.cwd, b"hello\n")
    assert (done.code, done.err.count("\n")) == (0, 1)
    assert "standard input is not given to a detached job" in done.err
    assert start(command, person.env, person.cwd).err == ""


def test_a_supervisor_that_dies_is_told(person: Person) -> None:
    """Killed with -9: its job's end is told, with what is known."""
    answer = person.peer("run", "-d", "--json", "--name", "build", "--", "sleep", "131").json
    directory = answer["dir"]
    until(lambda: (known := record.read_job(directory)) is not None and known.pid, "its process")
    for pid in person.home.leftovers():
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if SUPERVISOR in file.read():
                send_signal(pid, signal.SIGKILL)
    until(lambda: not record.is_supervised(directory), "its end")
    message = until(lambda: told(person), "the word of it", record.GRACE + 12.0)[0]
    assert record.DIED in message["body"]
    assert jobs(person)[0]["state"] == "lost"


def test_watch(person: Person, session: Sessions) -> None:
    """A process that peer did not start is told of when it ends; one that is not there is refused."""
    one = session("a")
    process = subprocess.Popen(["sleep", "132"])
    answer = person.peer("watch", str(process.pid), "--name", "dev server", "--tell", "a", "--json").json
    assert answer["tell"] == ["a"]
    assert jobs(person)[0]["state"] == "running"
    process.kill()
    process.wait()
    assert "dev server" in one_told(one)["body"]
    other = subprocess.Popen(["sleep", "134"])
    job = person.peer("watch", str(other.pid), "--json").json["id"]
    assert person.ok("jobs", "stop", job) == f"✓ {job}: process {other.pid} is no longer watched\n"
    assert other.poll() is None
    other.kill()
    other.wait()
    gone = person.peer("watch", str(process.pid))
    assert gone.code == 2
    assert "no process" in gone.err


def test_a_detached_job_holds_nothing(person: Person) -> None:
    """`peer run --detach` in a pipeline returns at once, and so does who reads it."""
    began = time.monotonic()
    done = person.peer("run", "--detach", "--", "sleep", "3")
    assert done.out.endswith(" is told how it ends\n")
    assert time.monotonic() - began < 3.0
    pid = until(lambda: jobs(person)[0]["pid"], "its process")
    assert state_of(pid) == "S"
