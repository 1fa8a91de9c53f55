"""Jobs of sessions in tests: begun at the door, run by a real supervisor, or ended by hand."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peermesh.jobs import files, record
from peermesh.jobs.record import EndRecord

from .actors import Actor
from .actors import run as start
from .home import PYTHON, until


def begin(one: Actor, *argv: str, cwd: Path | None = None, **fields: Any) -> dict[str, Any]:
    """A job begins at the door, and nobody runs it yet; what the door answers."""
    return one.ask("job_begin", cwd=str(cwd or one.cwd), argv=list(argv) or ["make"], **fields)


def run(one: Actor, *argv: str, cwd: Path | None = None, name: str = "", tell: Sequence[str] = ()) -> str:
    """A job that runs by itself, by `peer run --detach`; its id."""
    words = ["run", "--detach", "--json", *(["--name", name] if name else [])]
    words += [word for listener in tell for word in ("--tell", listener)]
    command = [str(Path(PYTHON).with_name("peer")), *words, "--", *argv]
    done = start(command, one.env, cwd or one.cwd)
    assert done.code == 0, done
    return str(done.json["id"])


def directory(one: Actor, job: str) -> Path:
    """Where a job is kept."""
    return one.home.peer / "jobs" / job


def end(one: Actor, *jobs: str, **fields: Any) -> None:
    """These jobs have ended, as a supervisor says it; all at once."""
    now = time.time()
    for job in jobs:
        known = {"code": 0, "ended": now, "seconds": 1.0, **fields}
        record.write_end(str(directory(one, job)), EndRecord(**known))
    files.poke(str(one.home.peer))


def change(one: Actor, job: str, **fields: Any) -> None:
    """Write other things into a job's record."""
    place = str(directory(one, job))
    files.write_json(place, files.JOB, {**files.read_json(place, files.JOB), **fields})


def told(one: Actor, job: str = "") -> list[str]:
    """What a session or a person was told of jobs that ended, of one job only if it is given."""
    rows = one.ask("inbox", all=True, most=500)["messages"]
    return [row["body"] for row in rows if row["kind"] == "done" and row["body"].endswith(job)]


def row(one: Actor, job: str) -> dict[str, Any]:
    """A job as it is listed."""
    found: dict[str, Any] = one.ask("jobs", cwd=str(one.cwd), job=job)["jobs"][0]
    return found


def until_told(one: Actor, job: str, timeout: float = 12.0) -> str:
    """Wait for the message about a job, which must be one."""
    until(lambda: told(one, job), f"the end of {job}", timeout)
    (body,) = told(one, job)
    return body


def process_of(one: Actor, job: str) -> int:
    """The process of a job that runs."""
    return int(until(lambda: row(one, job)["pid"], "its process"))


def supervisor_of(one: Actor, job: str) -> int:
    """The parent of the job's process."""
    stat = Path(f"/proc/{process_of(one, job)}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def is_there(pid: int) -> bool:
    """Whether a process exists."""
    return os.path.exists(f"/proc/{pid}")
