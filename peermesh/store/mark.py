"""How far a file that many share had got, beside it: by that it is seen when it comes back older than it was.

SQLite ends a journal at the first frame that is not whole: one that was cut or spoiled while nobody used it gives the
file as it was some commits ago, without an error; so does an older copy that was put back. The mark is written after
each commit and not synced: it may be behind the file, and never before it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """What only grows, of the log called *log*."""

    log: str
    last: int  # the largest number that was used
    count: int  # of all that ever came and went


def write(path: str, mark: Mark) -> None:
    """Leave it at *path*. If it cannot be written, an older file may not be noticed."""
    # Of one length, and written over: nobody ever reads half of one, and a full disk has room for it.
    line = f"{mark.log} {mark.last:020} {mark.count:020}\n".encode()
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)


def read(path: str) -> Mark | None:
    """What was left at *path*; ``None`` if nothing was, or nothing that makes sense."""
    try:
        with open(path, encoding="ascii") as file:
            log, last, count = file.read(200).split()
            return Mark(log, int(last), int(count))
    except (OSError, ValueError):
        return None
