"""A job's end: what is said of it, and written down even where the disk is full.

Standard library only, and light: a supervisor starts with each `peer run`.
"""

from __future__ import annotations

import os
import signal
import time

from peermesh.jobs import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from peermesh.jobs.output import Log, Tail

# An end that cannot be written is tried again so often, for so long.
RETRY, GIVE_UP = 2.0, 3_600.0  # seconds
# Others read what fits into the room that was set aside; a number for each of so many processes is enough.
LEFT_LIMIT = 100


def end(
    status: int, seconds: float, tails: Mapping[str, Tail], left: Sequence[int], why: str
) -> dict[str, Any]:
    """What ``end.json`` holds.

    Args:
        status: the program's, as ``os.waitpid`` gave it.
        seconds: how long it ran.
        tails: what its streams ended with, by name.
        left: processes that it left behind.
        why: what a person must know beside.
    """
    sign = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    lines = {name: tails[name].lines() if name in tails else [] for name in ("stderr", "stdout")}
    said = {
        "v": files.VERSION,
        "code": None if sign else os.WEXITSTATUS(status),
        "signal": _name(sign) if sign else "",
        "ended": time.time(),
        "seconds": round(seconds, 3),
        **lines,
        "bytes": sum(tail.count for tail in tails.values()),
        "left": list(left[:LEFT_LIMIT]),
        "why": why,
    }
    for name in ("stdout", "stderr"):
        while lines[name] and len(files.dumped(said)) > files.END_ROOM:
            del lines[name][0]
    return said


def exit_code(status: int) -> int:
    """What a shell says of *status*: the exit code, or 128 and the signal's number."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _name(sign: int) -> str:
    try:
        return signal.Signals(sign).name
    except ValueError:
        return f"signal {sign}"  # a real-time one


def write(directory: str, said: dict[str, Any], log: Log) -> bool:
    """Write the end down; whether that worked. Where there is no room, the log gives way."""
    try:
        files.write_end(directory, said)
    except OSError:
        log.give_room()
        said["why"] = said["why"] or "its log is cut: there was no room for it"
        try:
            files.write_end(directory, said)
        except OSError:
            return False
    return True


def insist(directory: str, said: Mapping[str, Any]) -> None:
    """Try again until the end is written, or for an hour; or until nobody wants it: the job was forgotten."""
    last = time.monotonic() + GIVE_UP
    while time.monotonic() < last and os.path.isdir(directory):
        try:
            files.write_end(directory, said)
        except OSError:
            time.sleep(RETRY)
        else:
            return
