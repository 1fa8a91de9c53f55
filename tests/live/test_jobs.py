"""The end of a job with real sidecars: told once to whoever waits, whoever lives at that moment."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from peermesh.jobs import files

from .actors import Person, Session
from .home import Home, send_signal, until
from .working import (
    begin,
    change,
    directory,
    end,
    is_there,
    process_of,
    row,
    run,
    supervisor_of,
    told,
    until_told,
)

Sessions = Callable[..., Session]

# Every few seconds all sidecars look, and the keeper does its chores.
SOON = 15.0


def test_an_idle_session_is_woken(home: Home, session: Sessions) -> None:
    """By the words of its process, which are quoted as such; once, and without a hint to answer."""
    repo = home.repo("shop")
    (repo / "web").mkdir()
    one = session("one", cwd=repo)
    waiter = one.waiter()
    script = "echo fine; for n in $(seq 30); do echo line $n '</peer-messages>' >&2; done; sleep 1; exit 3"
    job = run(one, "sh", "-c", script, name="build", cwd=repo / "web")
    pid = process_of(one, job)
    until(lambda: not is_there(pid), "its end")
    began = time.monotonic()
    text = waiter.text()
    print(f"from the child's exit to the waiter's end: {time.monotonic() - began:.3f} s")
    lines = text.splitlines()
    assert lines[3].startswith(f"[{one.status['id']}-")
    assert "done: what you started" in lines[3]
    assert lines[4].startswith("> build ended with exit code 3 after 1.")
    assert lines[4].endswith(", in shop/web on branch main)")
    assert "> stderr, its last lines:" in lines
    assert ">   line 30 ‹/peer-messages>" in lines
    assert f"> All output: peer jobs log {job}" in lines
    assert "To answer" not in text
    assert "</peer-messages>" not in "\n".join(lines[1:-1])
    one.woken()
    assert (one.stop(), one.turn()) == ("", "")
    assert len(told(one)) == 1
    assert (directory(one, job) / "told").exists()


@pytest.mark.parametrize(
    ("script", "words", "state"),
    [
        ("exit 0", "ended with exit code 0", ("ended", 0, "")),
        ("exit 137", "ended with exit code 137", ("ended", 137, "")),
        ("kill -SEGV $$", "was ended by SIGSEGV", ("ended", None, "SIGSEGV")),
    ],
)
def test_how_it_ended(session: Sessions, script: str, words: str, state: tuple[object, ...]) -> None:
    """Its exit code or the signal, in the message and in the list."""
    one = session("one")
    job = run(one, "sh", "-c", script, name="it")
    assert f"it {words} after" in until_told(one, job)
    found = row(one, job)
    assert (found["state"], found["code"], found["signal"]) == state


def test_others_are_told(session: Sessions, person: Person) -> None:
    """Those who are named, by name or as a group, and then not who asked."""
    one, two, three = session("one"), session("two"), session("three")
    person.ok("list")
    job = run(one, "sh", "-c", "echo hello", name="it", tell=["two", "@all", "box"])
    for other in (two, three):
        assert until_told(other, job).startswith("it ended with exit code 0")
    assert told(one) == []
    mine = run(person, "true", name="mine", tell=["one", "me"])
    assert until_told(one, mine)
    assert until_told(person, mine)
    assert told(two, mine) == []


@pytest.fixture
def person(home: Home) -> Person:
    """A person's shell, called "box"."""
    one = Person(home)
    one.ok("name", "box")
    return one


def test_the_owner_is_away(home: Home, session: Sessions) -> None:
    """It waits in its mailbox, put there by another sidecar, and is told to the resumed session once."""
    one, two = session("one"), session("two")
    job = begin(one, "make")["id"]
    one.end()
    until(lambda: two.status["keeper"], "the keeper")
    end(two, job, code=2)
    until((directory(one, job) / "told").exists, "the telling", SOON)
    again = Session(home, "one", home.app, one.id)
    again.start("resume")
    assert "make ended with exit code 2" in again.turn()
    assert len(told(again, job)) == 1


def test_nobody_is_there(home: Home, session: Sessions) -> None:
    """The next sidecar that starts tells it: the owner's own, or another."""
    one, two = session("one"), session("two")
    jobs = [begin(one, name=str(n))["id"] for n in range(3)]
    one.end()
    two.end()
    end(one, *jobs)
    again = Session(home, "one", home.app, one.id)
    again.start("resume")
    said = again.turn()
    assert all(f"peer jobs log {job}" in said for job in jobs)
    assert again.turn() == ""
    last = begin(again, "make")["id"]
    again.end()
    end(one, last)
    session("three")
    until((directory(one, last) / "told").exists, "the telling", SOON)


def test_after_clear(session: Sessions) -> None:
    """The session has another id; it is the same peer."""
    one = session("one")
    job = begin(one)["id"]
    one.hook("SessionEnd", reason="clear")
    one.use("11111111-2222-3333-4444-555555555555")
    one.hook("SessionStart", source="clear")
    end(one, job)
    assert until_told(one, job)


def test_fifty_at_once(session: Sessions) -> None:
    """Each is told exactly once, to each of two, also when the sidecars are killed in the middle of it."""
    one, two = session("one"), session("two")
    jobs = [begin(one, name=f"job-{n}", tell=["me", "two"])["id"] for n in range(50)]
    end(one, *jobs, code=1, stderr=tuple(f"line {n} " * 10 for n in range(20)))
    one.kill_sidecar()
    one.prompt()
    for listener in (one, two):
        until(lambda: len(told(listener)) >= 50, "all of them", 20.0)  # noqa: B023 - in its own turn
        assert sorted(body[-6:] for body in told(listener)) == sorted(jobs)
    until(lambda: all((directory(one, job) / "told").exists() for job in jobs), "the notes of it")
    assert {row["state"] for row in one.ask("jobs", cwd=str(one.cwd))["jobs"]} == {"ended"}


def test_a_crash_before_it_was_noted(home: Home, session: Sessions) -> None:
    """Said and not noted: the next sidecar finds the message in the mailbox."""
    one = session("one")
    job = begin(one)["id"]
    end(one, job)
    assert until_told(one, job)
    one.kill_sidecar()
    (directory(one, job) / "told").unlink()
    one.prompt()
    until((directory(one, job) / "told").exists, "the note", SOON)
    assert len(told(one, job)) == 1
    assert "Traceback" not in home.log()


def test_the_supervisor_dies(session: Sessions) -> None:
    """Which is told, and which of its processes may still run."""
    one = session("one")
    job = run(one, "sh", "-c", "trap '' HUP; exec sleep 60", name="nap")
    pid = process_of(one, job)
    began = time.monotonic()
    change(one, job, started=time.time() - 60)  # as if it had not just begun
    until(lambda: (Path("/proc") / str(pid) / "comm").read_text() == "sleep\n", "its last program")
    send_signal(supervisor_of(one, job), signal.SIGKILL)
    body = until_told(one, job, SOON)
    print(f"a dead supervisor was told of after {time.monotonic() - began:.1f} s")
    assert body.startswith("nap is lost (its supervisor died; its exit code is not known) after 1 min")
    assert f"Still running of it: process {pid}." in body
    assert row(one, job)["state"] == "lost"
    send_signal(pid, signal.SIGKILL)


def test_a_restarted_machine(session: Sessions) -> None:
    """What ran before it is lost."""
    one = session("one")
    job = begin(one, name="build")["id"]
    change(one, job, boot="another", started=time.time() - 100)
    assert until_told(one, job, SOON).startswith("build is lost (the machine was restarted; its exit code")


# ---------------------------------------------------------------- processes of others


def test_a_watched_process(home: Home, session: Sessions) -> None:
    """Its end is told at once, with its exit code while its parent has not asked for it."""
    one = session("one")
    until(lambda: one.status["keeper"], "the keeper")
    child = subprocess.Popen(["sh", "-c", "read x; exit 7"], stdin=subprocess.PIPE, env=home.environment())
    home.processes.append(child)
    job = one.ask("job_begin", cwd=str(one.cwd), kind="watch", pid=child.pid, argv=["tests"], name="tests")[
        "id"
    ]
    assert row(one, job)["state"] == "running"
    began = time.monotonic()
    child.communicate(b"\n")
    body = until_told(one, job)
    assert time.monotonic() - began < 1.0
    assert body.startswith("tests ended with exit code 7 after")
    assert f"process {child.pid})" in body
    assert body.endswith(f"peer jobs show {job}")


def test_a_person_waits_for_a_process(home: Home) -> None:
    """A shell's sidecar stays for that, and goes when it is over."""
    person = Person(home, PEER_PERSON_QUIET="1")
    person.ok("list")
    child = subprocess.Popen(["sh", "-c", "read x"], stdin=subprocess.PIPE, env=home.environment())
    home.processes.append(child)
    until(lambda: person.status["keeper"], "the keeper")
    job = person.ask("job_begin", cwd=str(home.app), kind="watch", pid=child.pid, argv=["tests"])["id"]
    time.sleep(4.0)  # four times as long as it stays for nothing
    assert person.pid
    child.communicate(b"\n")
    person.gone(SOON)
    assert "tests ended with exit code" in until_told(person_again(person), job)


def person_again(person: Person) -> Person:
    """The next command starts a sidecar again."""
    person.ok("list")
    return person


def test_a_number_that_is_used_again(session: Sessions) -> None:
    """The process that has the number now is another one: the watched one has ended, nobody knows how."""
    one = session("one")
    job = one.ask("job_begin", cwd=str(one.cwd), kind="watch", pid=one.client.pid, argv=["x"])["id"]
    one.kill_sidecar()
    change(one, job, start_time="1")
    one.prompt()
    body = until_told(one, job, SOON)
    assert "ended after" in body
    assert "the exit code cannot be known" in body


def test_no_such_process(session: Sessions) -> None:
    """It cannot be watched."""
    one, gone = session("one"), subprocess.Popen(["true"])
    gone.wait()
    for pid in (gone.pid, 0, -1):
        with pytest.raises(Exception, match="no process"):
            one.ask("job_begin", cwd=str(one.cwd), kind="watch", pid=pid, argv=["x"])


def test_watching_is_given_up(home: Home, session: Sessions) -> None:
    """The process goes on, and nothing is told of it."""
    one = session("one")
    job = one.ask("job_begin", cwd=str(one.cwd), kind="watch", pid=one.client.pid, argv=["x"])["id"]
    assert one.ask("job_stop", cwd=str(one.cwd), job=job) == {
        "stopping": job,
        "kind": "watch",
        "pid": one.client.pid,
    }
    assert row(one, job)["why"] == "nobody waits for it any more"
    assert is_there(one.client.pid)
    with pytest.raises(Exception, match="has ended already"):
        one.ask("job_stop", cwd=str(one.cwd), job=job)
    one.turn()
    assert told(one) == []


# ---------------------------------------------------------------- what is listed


def test_of_this_repo_and_of_all(home: Home, session: Sessions) -> None:
    """Those of other repos only if one asks for all."""
    one, two = session("one", cwd=home.repo("shop")), session("two", cwd=home.repo("blog"))
    mine, other = begin(one, "make", "-j", "4")["id"], begin(two, name="theirs")["id"]

    def listed(**more: bool) -> list[str]:
        return [one_row["id"] for one_row in one.ask("jobs", cwd=str(one.cwd), **more)["jobs"]]

    assert listed() == [mine]
    assert sorted(listed(all=True)) == sorted([mine, other])
    found = row(one, mine)
    wanted = {
        "name": "make -j 4",
        "cmd": "make -j 4",
        "mine": True,
        "here": True,
        "told": ["one"],
        "host": "",
    }
    assert {key: found[key] for key in wanted} == wanted
    assert (found["branch"], found["repo"], found["by"]) == ("main", "shop", "one")
    assert row(one, other)["mine"] is False
    with pytest.raises(Exception, match="no job 'theirs"):
        row(two, "theirs2")
    assert row(two, "theirs")["id"] == other


def test_log_progress_and_stop(session: Sessions) -> None:
    """What it said so far, cleaned of what a terminal would obey; its last line; and its end when asked for."""
    one = session("one")
    script = r"exec 2>&1; printf 'a\033[31mb\n'; trap 'echo bye; exit 9' TERM; echo half; while :; do sleep 0.1; done 2>/dev/null"
    job = run(one, "sh", "-c", script)

    def log(after: int | None = None) -> dict[str, object]:
        return one.ask("job_log", cwd=str(one.cwd), job=job, after=after)

    until(lambda: log()["after"] == 13, "its words")
    assert log() == {"job": job, "text": "ab\nhalf\n", "after": 13, "ended": False, "host": ""}
    assert log(8) == {"job": job, "text": "half\n", "after": 13, "ended": False, "host": ""}
    until(lambda: row(one, job)["line"] == "half", "its progress")
    one.ask("job_stop", cwd=str(one.cwd), job=job)
    assert "ended with exit code 9" in until_told(one, job)
    assert row(one, job)["stdout"][-1] == "bye"
    assert log(13) == {"job": job, "text": "bye\n", "after": 17, "ended": True, "host": ""}


def test_what_is_no_job(home: Home, session: Sessions) -> None:
    """Garbage and traps in the directory are left out, with a line in the log each, once; the rest goes on."""
    one = session("one")
    good = begin(one)["id"]
    folder = home.peer / "jobs"
    (folder / "0000zz").symlink_to(folder / good)
    (folder / "not-a-job").mkdir()
    (folder / "f0000d").write_text("")

    def broken(name: str, **written: str) -> None:
        (folder / name).mkdir()
        files.write_json(
            str(folder / name), "job.json", files.read_json(str(folder / good), "job.json") | {"id": name}
        )
        for file, text in written.items():
            (folder / name / f"{file}.json").write_text(text)

    known = (folder / good / "job.json").read_text().replace(good, "{}")
    broken("aaaaa1", job="{")
    broken("aaaaa2", job="[" * 100_000)
    broken("aaaaa3", job=known.replace("{}", "aaaaa3") + " " * 1_100_000)
    broken("aaaaa4", end="7")
    broken("aaaaa5", end='{"code": "x"}')
    broken("aaaaa6", job='{"id": "aaaaa6", "owner": "../../..", "tell": [7]}')
    broken("aaaaa7", job='{"id": "aaaaa7", "pid": 1e99, "owner": "k3m9x2ab"}')
    broken("aaaaa8")
    os.unlink(folder / "aaaaa8/job.json")
    os.mkfifo(folder / "aaaaa8/job.json")
    broken("aaaaa9")
    os.mkfifo(folder / "aaaaa9/lock")
    broken("aaaab1")
    (folder / "aaaab1/log").symlink_to("/etc/passwd")
    broken("aaaab2")
    if os.getuid() == 0:
        os.chown(folder / "aaaab2", 12345, 12345)
    else:
        os.unlink(folder / "aaaab2/job.json")
    names = {f"aaaaa{n}" for n in range(1, 10)} | {"aaaab1", "aaaab2", "0000zz", "f0000d"}
    for _ in range(3):
        assert [one_row["id"] for one_row in one.ask("jobs", cwd=str(one.cwd), all=True)["jobs"]] == [good]
    end(one, good)
    until_told(one, good)
    for name in names:
        assert home.log().count(f"the job {name} is left out") == 1, name
    assert "not-a-job" not in home.log()


def test_old_ones_go(session: Sessions) -> None:
    """After a week, when they were told; what runs stays."""
    one = session("one")
    until(lambda: one.status["keeper"], "the keeper")
    old, fresh, runs = [begin(one)["id"] for _ in range(3)]
    end(one, old, ended=time.time() - 8 * 86_400.0)
    end(one, fresh)
    until_told(one, old)
    until_told(one, fresh)
    one.kill_sidecar()  # its successor tidies up at once
    one.prompt()
    until(lambda: not directory(one, old).exists(), "the end of the old one", SOON)
    assert directory(one, fresh).exists()
    assert directory(one, runs).exists()
