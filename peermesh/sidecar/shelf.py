"""The jobs of this host, as their directories tell: read when they changed, checked, and cleaned.

What stands there came from processes, and a directory may be broken or made to deceive. One that is not as it must
be is left out, with one line in the log.
"""

from __future__ import annotations

import math
import os
import re
import shlex
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from peermesh.core.clean import clean, line
from peermesh.core.jobs import ENDED, LOST, RUNNING
from peermesh.core.words import BRANCH_LIMIT, NAME_LIMIT, REPO_LIMIT, PeerId, is_peer_id
from peermesh.jobs import files, record
from peermesh.jobs.record import EndRecord, JobRecord, Listener

# What a file of each name may be, and how large; "control" is a socket.
JOB_SIZE, END_SIZE, PROGRESS_SIZE = 1_000_000, 200_000, 10_000  # bytes
_SIZES = {files.JOB: JOB_SIZE, files.END: END_SIZE, files.PROGRESS: PROGRESS_SIZE}
_REGULAR = {*_SIZES, files.LOCK, files.LOG, files.OLDER, files.BASE, files.TOLD}
# What others read of a job.
LINE_LIMIT = 200  # characters of one line of its output, and of its command
TAIL = 20  # lines
LISTENERS = 200
PID_LIMIT = 2**31 - 1

_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\x07\x1b\n]{0,2000}(?:\x07|\x1b\\)?|[ -/]*[0-~]?)"
)

Signs = dict[str, tuple[int, int, int]]


def plain(text: str) -> str:
    """Output of a process without escape sequences and what else a reader cannot see."""
    return clean(_ESCAPE.sub("", text) if "\x1b" in text else text)


def one_line(text: str, limit: int = LINE_LIMIT) -> str:
    """The same as one line of at most *limit* characters."""
    return line(plain(text[: 20 * limit]), limit)


@dataclass(frozen=True, slots=True)
class Kept:
    """A job of this host."""

    job: JobRecord
    directory: str
    end: EndRecord | None = None
    told: bool = False  # of its end
    signs: Signs = field(default_factory=dict, repr=False, compare=False)

    @property
    def state(self) -> str:
        """In a word."""
        if self.end is None:
            return RUNNING
        return LOST if self.end.why in (record.DIED, record.RESTARTED) else ENDED

    @property
    def settled(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.end is not None and self.told

    @property
    def cmd(self) -> str:
        """Its command as one line, as a shell would read it."""
        return one_line(shlex.join(self.job.argv))

    def line(self) -> str:
        """How far it is, or the last thing it said."""
        if self.end is not None:
            _, lines = self.end.last_words()
            return one_line(lines[-1]) if lines else ""
        return one_line(record.progress(self.directory)) if files.PROGRESS in self.signs else ""

    def seconds(self, now: float) -> float:
        """For how long it ran, or runs."""
        return max(0.0, now - self.job.started) if self.end is None else self.end.seconds


class Shelf:
    """All jobs of this host.

    Args:
        root: the state directory.
        log: leaves a line in the sidecar's log.
    """

    def __init__(self, root: str, log: Callable[[str], None]) -> None:
        self._root, self._log = root, log
        self._jobs: dict[str, Kept] = {}
        self._wrong: set[tuple[str, str]] = set()  # what the log has been told

    def look(self) -> list[Kept]:
        """All that can be read, in the order in which they began. What nothing changes in is not read again."""
        seen: dict[str, Kept] = {}
        for directory in record.directories(self._root):
            name = os.path.basename(directory)
            before = self._jobs.get(name)
            kept = before if before is not None and before.settled else self._read(name, directory, before)
            if kept is not None:
                seen[name] = kept
        self._jobs = seen
        return sorted(seen.values(), key=lambda one: (one.job.started, one.job.id))

    def get(self, name: str) -> Kept | None:
        """The job *name*, as it was when ``look`` was called last."""
        return self._jobs.get(name)

    def _read(self, name: str, directory: str, before: Kept | None) -> Kept | None:
        try:
            signs = _signs(directory)
            if before is not None and before.signs == signs:
                return before
            job = before.job if before and _same(before.signs, signs, files.JOB) else _job(name, directory)
            end = _end(directory) if files.END in signs else None
        except FileNotFoundError:
            return None  # it is removed just now
        except (OSError, ValueError, TypeError, RecursionError) as wrong:
            self._skip(name, str(wrong))
            return None
        return Kept(job, directory, end, files.TOLD in signs, signs)

    def _skip(self, name: str, why: str) -> None:
        if (name, why) not in self._wrong:
            self._wrong.add((name, why))
            self._log(f"the job {name} is left out: {one_line(why)}")


def _same(before: Signs, now: Signs, name: str) -> bool:
    return before.get(name) == now.get(name)


def _signs(directory: str) -> Signs:
    """What tells that a file of the job has changed, by name.

    Raises:
        ValueError: something there is not what it must be.
    """
    info = os.lstat(directory)
    if not stat.S_ISDIR(info.st_mode):
        raise ValueError("it is no directory")
    if info.st_uid != os.getuid():
        raise ValueError("it belongs to another user")
    signs: Signs = {}
    with os.scandir(directory) as entries:
        for one in entries:
            if one.name in _REGULAR or one.name == files.CONTROL:
                signs[one.name] = _sign(one.name, one.stat(follow_symlinks=False))
    if files.JOB not in signs:
        raise ValueError(f"there is no {files.JOB}")
    return signs


def _sign(name: str, info: os.stat_result) -> tuple[int, int, int]:
    right = stat.S_ISSOCK if name == files.CONTROL else stat.S_ISREG
    if not right(info.st_mode) or info.st_uid != os.getuid():
        raise ValueError(f"{name} is no file of ours")
    if info.st_size > _SIZES.get(name, math.inf):
        raise ValueError(f"{name} is too large")
    if name in _SIZES:
        return info.st_ino, info.st_mtime_ns, info.st_size
    return info.st_ino, 0, 0  # a log that grows is no change


# ---------------------------------------------------------------- what was written, made harmless


def _job(name: str, directory: str) -> JobRecord:
    job = record.read_job(directory)
    if job is None or job.id != name:
        raise ValueError(f"{files.JOB} cannot be read")
    texts = (job.kind, job.name, job.cwd, job.repo_key, job.repo, job.branch, job.owner, job.owner_name)
    sound = all(isinstance(one, str) for one in (*texts, job.start_time, job.boot))
    if not sound or job.kind not in (record.RUN, record.WATCH) or not is_peer_id(job.owner):
        raise ValueError(f"{files.JOB} is none of ours")
    pid = int(_number(job.pid))
    if not int(job.kind == record.WATCH) <= pid <= PID_LIMIT:
        raise ValueError(f"{files.JOB} names no process")
    return replace(
        job,
        name=one_line(job.name, NAME_LIMIT) or name,
        argv=tuple(one_line(one) for one in job.argv[:LINE_LIMIT]),
        repo=one_line(job.repo, REPO_LIMIT),
        branch=one_line(job.branch, BRANCH_LIMIT),
        owner_name=one_line(job.owner_name, NAME_LIMIT),
        tell=tuple(_listener(one) for one in job.tell[:LISTENERS]),
        started=_number(job.started),
        pid=pid,
        detached=bool(job.detached),
        here=bool(job.here),
    )


def _listener(one: Listener) -> Listener:
    if not (isinstance(one.id, str) and is_peer_id(one.id) and isinstance(one.host_key, str)):
        raise ValueError(f"{files.JOB} names nobody to tell")
    return replace(one, name=one_line(str(one.name), 2 * NAME_LIMIT + 1))


def _end(directory: str) -> EndRecord:
    end = record.read_end(directory)
    if end is None or not isinstance(end.why, str) or not isinstance(end.signal, str):
        raise ValueError(f"{files.END} cannot be read")
    if end.code is not None and type(end.code) is not int:
        raise ValueError(f"{files.END} has an exit code that is none")
    return replace(
        end,
        signal=one_line(end.signal, NAME_LIMIT),
        why=one_line(end.why),
        ended=_number(end.ended),
        seconds=_number(end.seconds),
        stderr=tuple(one_line(one) for one in end.stderr[-TAIL:]),
        stdout=tuple(one_line(one) for one in end.stdout[-TAIL:]),
        left=tuple(int(one) for one in end.left[:TAIL]),
    )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:  # nor NaN
        raise ValueError("a number that is none")
    return value


def of_owner(jobs: list[Kept], owner: PeerId) -> list[Kept]:
    """The jobs of *jobs* that *owner* began."""
    return [one for one in jobs if one.job.owner == owner]
