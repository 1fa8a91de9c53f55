"""What is known of a job: its record and its end, as they stand in its directory.

``job.json`` is written at the start and once more when its process is known, ``end.json`` when it ended. A job of
kind ``run`` has a supervisor, which holds the job's lock while it lives. Of kind ``watch`` are processes that
peer did not start.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from peermesh.core.words import PEER_ID_ALPHABET, PeerId
from peermesh.jobs import files
from peermesh.jobs.files import boot_id, start_time
from peermesh.locks import is_locked

ID_LENGTH = 6  # letters of 5 bits
# A job whose supervisor has not taken its lock by then has none.
GRACE = 15.0  # seconds

RUN, WATCH = "run", "watch"
DIED = "its supervisor died"
RESTARTED = "the machine was restarted"
UNSEEN = "ended while nobody looked: the exit code cannot be known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Somebody who is told of a job's end."""

    id: PeerId
    name: str
    host_key: str = ""  # of another host, in hex; "" is this one


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as it began."""

    id: str
    kind: str = RUN
    name: str = ""
    argv: tuple[str, ...] = ()  # for people: what was no text in it is replaced
    cwd: str = ""
    repo_key: str = ""
    repo: str = ""
    branch: str = ""
    owner: PeerId = ""
    owner_name: str = ""
    tell: tuple[Listener, ...] = ()
    started: float = 0.0  # wall clock, seconds
    pid: int = 0  # 0 until it is known
    start_time: str = ""  # of `start_time`: tells pid from a later process of that number
    boot: str = ""  # of `boot_id`
    detached: bool = False
    here: bool = False  # said to this host only


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRecord:
    """How a job ended."""

    code: int | None = None  # its exit code; None if a signal ended it, or if it cannot be known
    signal: str = ""  # such as SIGSEGV
    ended: float = 0.0  # wall clock, seconds
    seconds: float = 0.0  # how long it ran
    stderr: tuple[str, ...] = ()  # its last lines, clean
    stdout: tuple[str, ...] = ()  # the same; all its lines when both went to one terminal
    bytes: int = 0  # of output
    left: tuple[int, ...] = ()  # processes it left behind
    why: str = ""  # what a person must know beside: why the code is unknown, that the log is cut

    def last_words(self) -> tuple[str, tuple[str, ...]]:
        """The lines that say most about this end, and of which stream: stderr's, else stdout's."""
        return ("stderr", self.stderr) if self.stderr else ("stdout", self.stdout)


def new_id() -> str:
    """A new job's id, at random."""
    return "".join(PEER_ID_ALPHABET[byte & 31] for byte in os.urandom(ID_LENGTH))


def is_job_id(text: str) -> bool:
    """Whether *text* has the form of a job's id: only such a text becomes a path."""
    return len(text) == ID_LENGTH and all(letter in PEER_ID_ALPHABET for letter in text)


def jobs_dir(root: str) -> str:
    """Where the jobs of the state directory *root* are."""
    return os.path.join(root, "jobs")


def job_dir(root: str, job: str) -> str:
    """The directory of the job *job*, which has the form of an id."""
    return os.path.join(jobs_dir(root), job)


def create(root: str, job: JobRecord) -> tuple[JobRecord, str]:
    """Make the directory of a new job and write its record.

    Args:
        root: the state directory.
        job: the record; its id is replaced by a free one.

    Returns: the record with its id, and its directory.

    Raises:
        OSError: it cannot be written.
    """
    os.makedirs(jobs_dir(root), mode=0o700, exist_ok=True)
    while True:
        made = replace(job, id=new_id())
        directory = job_dir(root, made.id)
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            continue
        break
    try:
        write_job(directory, made)
    except OSError:
        remove(directory)
        raise
    return made, directory


def write_job(directory: str, job: JobRecord) -> None:
    """Write the record *job*; ``OSError`` if it cannot be written."""
    files.write_json(directory, files.JOB, {"v": files.VERSION, **asdict(job)})


def read_job(directory: str) -> JobRecord | None:
    """The record in *directory*; None if there is none that can be read."""
    found = _read(directory, files.JOB)
    if found is None:
        return None
    try:
        found["tell"] = tuple(Listener(**_known(Listener, one)) for one in found.get("tell", ()))
        found["argv"] = tuple(map(str, found.get("argv", ())))
        return JobRecord(**_known(JobRecord, found))
    except (TypeError, ValueError, AttributeError):
        return None


def write_end(directory: str, end: EndRecord) -> None:
    """Write how the job ended, fully synced. Who does that pokes everybody after it (``files.poke``).

    Raises:
        OSError: it cannot be written.
    """
    files.write_end(directory, {"v": files.VERSION, **asdict(end)})
    files.sync_end(directory)


def read_end(directory: str) -> EndRecord | None:
    """How the job in *directory* ended; None while it runs, or if nobody wrote it."""
    found = _read(directory, files.END)
    if found is None:
        return None
    try:
        for name in ("stderr", "stdout"):
            found[name] = tuple(map(str, found.get(name, ())))
        found["left"] = tuple(map(int, found.get("left", ())))
        return EndRecord(**_known(EndRecord, found))
    except (TypeError, ValueError, AttributeError, OverflowError):
        return None


def _read(directory: str, name: str) -> dict[str, Any] | None:
    try:
        return files.read_json(directory, name)
    except (OSError, ValueError, RecursionError):
        return None


def _known(kind: type[Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What a *kind* has a field for: a later version's file may say more."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in found.items() if name in names}


def directories(root: str) -> list[str]:
    """The directories of all jobs there are, in no order."""
    try:
        names = os.listdir(jobs_dir(root))
    except OSError:
        return []
    return [job_dir(root, name) for name in names if is_job_id(name)]


def is_supervised(directory: str) -> bool:
    """Whether the job's supervisor lives. Never keeps it from taking its lock for long."""
    try:
        return is_locked(os.path.join(directory, files.LOCK))
    except OSError:  # not a file of ours
        return False


def is_lost(directory: str, job: JobRecord, now: float) -> bool:
    """Whether the job has no end written, and nobody who will write one.

    Args:
        directory: the job's.
        job: its record.
        now: the wall clock, in seconds. A job that was begun just now may not have its supervisor yet.
    """
    if job.kind == WATCH:
        gone = bool(job.pid) and not is_alive(job)
    else:
        gone = not 0 <= now - job.started < GRACE and not is_supervised(directory)
    # The end is looked for last: it may have been written since.
    return gone and read_end(directory) is None


def is_alive(job: JobRecord) -> bool:
    """Whether the job's process runs, and is not another one that was given its number."""
    if (job.boot and job.boot != boot_id()) or files.has_ended(job.pid):
        return False
    return not job.start_time or start_time(job.pid) == job.start_time


def lost_end(job: JobRecord, now: float) -> EndRecord:
    """The end of a job that ``is_lost``, with what can be said of it.

    Args:
        job: its record.
        now: the wall clock, in seconds.
    """
    why = UNSEEN if job.kind == WATCH else DIED
    if job.boot and job.boot != boot_id():
        why = RESTARTED
    left = (job.pid,) if job.kind == RUN and job.pid and is_alive(job) else ()
    return EndRecord(ended=now, seconds=max(0.0, now - job.started), left=left, why=why)


def is_told(directory: str) -> bool:
    """Whether the job's end was told."""
    return os.path.exists(os.path.join(directory, files.TOLD))


def mark_told(directory: str) -> None:
    """The job's end was told; ``OSError`` if that cannot be noted."""
    os.close(os.open(os.path.join(directory, files.TOLD), os.O_WRONLY | os.O_CREAT, 0o600))


def progress(directory: str) -> str:
    """The job's last line, as it was a second ago; "" if there is none."""
    try:
        with open(os.path.join(directory, files.PROGRESS), encoding="utf-8", errors="replace") as file:
            return file.read(400)
    except OSError:
        return ""


def control(directory: str, word: str) -> bool:
    """Say *word* to the job's supervisor: ``stop``, ``kill``, or a signal's name such as ``INT``.

    Returns: whether somebody heard it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as near:
        near.settimeout(1.0)
        try:
            near.sendto(word.encode("ascii"), os.path.join(directory, files.CONTROL))
        except OSError:
            return False
    return True


def remove(directory: str) -> None:
    """Forget the job."""
    files.forget(directory)
