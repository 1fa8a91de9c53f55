"""The times in a log follow the wall clock when somebody sets it: so leases and ages stay as long as they were.

Times are kept by the wall clock, because that goes on while the machine is off. Beside them stands by how much it is
ahead of the clock that counts since the machine was started, and is never set. If that has changed within one run of
the machine, the wall clock was set, and all times are moved with it.
"""

from __future__ import annotations

import sqlite3
import sys
import time

STEP = """
CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT NOT NULL, ahead REAL NOT NULL)
"""

# What is less is no setting: the two clocks are read one after the other, and not all are corrected alike.
# The shortest lease is ten seconds.
NOTHING = 2.0  # seconds
# By how much the wall clock was ahead, before that was looked up.
UNKNOWN = float("inf")


def _counting() -> int:
    """The clock that counts on while the machine sleeps, and is never set."""
    if sys.platform == "linux":
        return time.CLOCK_BOOTTIME
    # macOS: this one counts on in sleep; CLOCK_MONOTONIC does too, but is corrected with the wall clock.
    return time.CLOCK_MONOTONIC_RAW if sys.platform == "darwin" else time.CLOCK_MONOTONIC


_CLOCK = _counting()


def ahead() -> float:
    """By how many seconds the wall clock is ahead of the one that is never set."""
    return time.time() - time.clock_gettime(_CLOCK)


def moved(now: float, known: float) -> bool:
    """Whether the wall clock was set, if it is ahead by *now* and was by *known*; seconds."""
    return abs(now - known) > NOTHING


def follow(db: sqlite3.Connection, boot: str, now: float) -> float:
    """Inside a transaction: move all times of events as the wall clock was, since this was done last.

    Args:
        db: the connection.
        boot: what tells this run of the machine from others; not "".
        now: what ``ahead`` says.

    Returns:
        By how many seconds.
    """
    row = db.execute("SELECT boot, ahead FROM clock").fetchone()
    by = now - row[1] if row and row[0] == boot else 0.0
    if row and row[0] == boot and not moved(now, row[1]):
        return 0.0
    db.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?)", (boot, now))
    if by:
        db.execute("UPDATE events SET at = at + ?", (by,))
    return by
