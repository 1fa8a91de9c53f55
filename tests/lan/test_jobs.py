"""Jobs of another machine: seen with how far they are and how they ended; and the death of a session there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from peermesh.jobs import files, record
from peermesh.jobs.record import EndRecord

from .hosts import Host, until
from .machines import sharing

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

Two = tuple[Host, Host]

# How far a job is, is told to other machines every 15 s.
PACE = 15.0
SOON = 10.0


@pytest.fixture
def two() -> Iterator[Two]:
    """Two hosts that trust each other, each with a session in a clone of the same repo."""
    with sharing() as hosts:
        yield hosts


def begin(host: Host, session: str, **fields: Any) -> str:
    """A job begins, with a process that stands for its own; its directory."""
    said = host.ask(session, "job_begin", cwd=str(host.work), argv=["make", "all"], **fields)
    place = str(said["dir"])
    pid = host.clients[session].pid
    known = {**files.read_json(place, files.JOB), "pid": pid, "start_time": files.start_time(pid)}
    files.write_json(place, files.JOB, known)
    # A supervisor's lock: this process holds it until the test ends, as nobody else is to take the job for lost.
    files.take_lock(place)
    files.poke(str(host.home / "p"))
    return place


def until_said(host: Host, session: str, words: str) -> None:
    """Wait until a session is told something with these words."""
    until(lambda: any(words in body for body in host.inbox(session)), words, SOON)


def jobs(host: Host, session: str) -> dict[str, dict[str, Any]]:
    """The jobs of the repo as *host* lists them, by name."""
    return {row["name"]: row for row in host.ask(session, "jobs", cwd=str(host.work)).get("jobs", [])}


def test_a_job_of_the_other_machine(two: Two) -> None:
    """It is seen there while it runs and when it ended, and whom it named is told there; one that is kept here is not."""
    desk, lap = two
    began = time.monotonic()
    place = begin(desk, "build", name="build", tell=["me", "front@lap"])
    kept = begin(desk, "build", name="secret", lan=False)
    row = until(lambda: jobs(lap, "front").get("build"), "the job", SOON)
    print(f"a job was seen on the other machine after {time.monotonic() - began:.2f} s")
    wanted = {
        "state": "running",
        "by": "build",
        "host": "desk",
        "cmd": "make all",
        "branch": "main",
        "here": False,
    }
    assert {key: row[key] for key in wanted} == wanted
    files.note(place, files.PROGRESS, "half of it \x1b[31mred\x1b[0m")
    until(lambda: jobs(lap, "front")["build"]["line"] == "half of it red", "how far it is", PACE + SOON)
    assert jobs(lap, "front")["build"]["seconds"] > PACE - 5.0
    now = time.time()
    for one in (place, kept):
        record.write_end(one, EndRecord(code=2, ended=now, seconds=20.0, stderr=("it broke",)))
    files.poke(str(desk.home / "p"))
    ended = until(
        lambda: jobs(lap, "front")["build"]["state"] == "ended" and jobs(lap, "front"), "its end", SOON
    )
    assert (ended["build"]["code"], ended["build"]["line"]) == (2, "it broke")
    assert "secret" not in ended
    for host, session in ((desk, "build"), (lap, "front")):
        until_said(host, session, "build ended with exit code 2")
    ident = os.path.basename(place)
    assert lap.ask("front", "job_log", cwd=str(lap.work), job=ident)["host"] == "desk"
    assert lap.ask("front", "jobs", cwd=str(lap.work), job="build")["jobs"][0]["id"] == ident
    with pytest.raises(Exception, match="is on desk"):
        lap.ask("front", "job_stop", cwd=str(lap.work), job=ident)


def test_a_session_of_the_other_machine_dies(two: Two) -> None:
    """Who watches it is told."""
    desk, lap = two
    assert desk.ask("build", "watch_peer", name="front") == {"name": "front@lap", "here": True}
    began = time.monotonic()
    lap.clients["front"].kill()
    lap.clients["front"].wait()
    until_said(desk, "build", "The session front@lap ended without a goodbye")
    print(f"a death was told of on the other machine after {time.monotonic() - began:.2f} s")
