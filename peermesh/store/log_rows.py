"""The tables of the log of events, and what is read from them and told of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from sys import intern
from typing import Any

from peermesh.core.events import Event, EventId, What, task_id
from peermesh.store.sqlite import texts

# A log keeps its name, which is in the ids of its events, as long as its file lives. Its epoch changes when
# others are found to know more of it than it does: they begin again with it, and the ids stay what they are.
STEP = """
CREATE TABLE own (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    log TEXT NOT NULL, epoch TEXT NOT NULL, past TEXT NOT NULL,
    last INTEGER NOT NULL, due INTEGER NOT NULL, cut INTEGER NOT NULL,
    stamp INTEGER NOT NULL, generation INTEGER NOT NULL
);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    log TEXT NOT NULL, n INTEGER NOT NULL, stamp INTEGER NOT NULL,
    by TEXT NOT NULL, name TEXT NOT NULL, repo TEXT NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL,
    at REAL NOT NULL, here INTEGER NOT NULL, told INTEGER NOT NULL,
    UNIQUE (log, n)
);
CREATE INDEX events_of ON events (repo, seq);
CREATE INDEX events_told ON events (n) WHERE told;
CREATE TABLE logs (
    host_key TEXT PRIMARY KEY, log TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL,
    upto INTEGER NOT NULL, stale INTEGER NOT NULL, past TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE sent (host_key TEXT PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID
"""

COLUMNS = "seq, log, n, stamp, by, name, repo, kind, data, at, here"

# An address of a repo that is longer is not told to others, nor heard.
KEY_LIMIT = 1_000  # characters
# Nor are data that are longer: they would not go into one frame.
EVENT_LIMIT = 256 * 1024  # bytes

# What goes first of a host's log that is too long: nothing is said of these later.
FLEETING = frozenset({What.EDIT.value, What.NOTE.value})
KINDS = frozenset(kind.value for kind in What)
_END = 2**62  # SQLite's integers end at 2**63
_OF_TASKS = frozenset({What.TAKE, What.DONE, What.DROP, What.REOPEN, What.GONE})


@dataclass(slots=True)
class Own:
    """What is known of the own log besides its events."""

    log: str  # its name
    epoch: str
    past: list[str]  # epochs that are over, or were never known here; the newest last
    last: int  # the largest number that was used
    due: int  # the largest number of which others are to hear
    cut: int  # the number that the last deletion was given
    stamp: int  # the largest that was ever seen
    generation: int


@dataclass(frozen=True, slots=True)
class Part:
    """What one host tells another of its log: all events that remain of those in (after, upto]."""

    log: str
    epoch: str
    after: int
    upto: int
    events: tuple[Event, ...] = ()
    more: bool = False
    kept: tuple[int, ...] | None = None  # all that remain of those up to *after*; None: as told before
    cut: int = 0  # the teller's: the deletion that is told with this


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a part of another host's log."""

    epoch: str  # what is known of that log now
    upto: int
    events: tuple[Event, ...] = ()  # those that are new here
    deleted: int = 0
    strange: int = 0  # events that were passed over
    refused: str = ""  # why nothing was taken, and no answer is due

    @property
    def changed(self) -> bool:
        """Whether something was added or deleted."""
        return bool(self.events or self.deleted)


def read_own(db: sqlite3.Connection) -> Own:
    """The row of the own log.

    Raises:
        ValueError, TypeError: it makes no sense, or is not there.
    """
    log, epoch, past, *numbers = db.execute(
        "SELECT log, epoch, past, last, due, cut, stamp, generation FROM own"
    ).fetchone()
    if not all(0 <= one < _END for one in numbers):
        raise ValueError("a number that no log reaches")
    return Own(log, epoch, [*texts(json.loads(past))], *numbers)


def count_all(db: sqlite3.Connection) -> int:
    """How much ever came and went, of all logs: that only grows."""
    last, generation = db.execute("SELECT last, generation FROM own").fetchone()
    arrived = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return int(last) + int(generation) + (int(arrived[0]) if arrived else 0)


def write_own(db: sqlite3.Connection, own: Own) -> None:
    """Write it back."""
    db.execute(
        "UPDATE own SET epoch = ?, past = ?, last = ?, due = ?, cut = ?, stamp = ?, generation = ?",
        (own.epoch, json.dumps(own.past), own.last, own.due, own.cut, own.stamp, own.generation),
    )


def insert(db: sqlite3.Connection, event: Event, data: str, *, told: bool) -> bool:
    """Add *event*, whose data are *data* as text; false if it is there already."""
    done = db.execute(
        "INSERT OR IGNORE INTO events (log, n, stamp, by, name, repo, kind, data, at, here, told)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(event.id.log, event.id.n, event.stamp, event.by, event.name, event.repo, event.kind, data),
            *(event.at, event.here, told),
        ),
    )
    return done.rowcount > 0


def delete_other(db: sqlite3.Connection, event: Event, data: str) -> int:
    """Delete what stands under the id of *event* and says something else; whether there was such, as 0 or 1."""
    same = (event.stamp, event.by, event.name, event.repo, event.kind, data)
    done = db.execute(
        "DELETE FROM events WHERE log = ? AND n = ? AND (stamp, by, name, repo, kind, data) != (?, ?, ?, ?, ?, ?)",
        (event.id.log, event.id.n, *same),
    )
    return int(done.rowcount)


def event(row: tuple[Any, ...], hosts: Mapping[str, str]) -> Event:
    """The event of a row, with the host of each log."""
    _, log, n, stamp, by, name, repo, kind, said, at, here = row
    data = json.loads(said)
    if not isinstance(data, dict):
        raise ValueError("an event without data")
    # SQLite and JSON make new texts for each row; thousands of events in a picture have the same few.
    return Event(
        id=EventId(intern(log), n),
        stamp=stamp,
        by=intern(by),
        name=intern(name),
        repo=intern(repo),
        kind=intern(kind),
        data={intern(key): value for key, value in data.items()},
        at=at,
        host_key=hosts[log],
        here=bool(here),
    )


def since(
    db: sqlite3.Connection, own: str, repo: str, seq: int, kinds: Collection[str] = ()
) -> Iterator[tuple[int, Event]]:
    """What came of *repo* behind *seq*, in order of arrival, one at a time; *own* is the name of the own log."""
    only = f"AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
    rows = db.execute(
        f"SELECT {COLUMNS} FROM events WHERE repo = ? AND seq > ? {only} ORDER BY seq",  # noqa: S608 - our words
        (repo, seq, *kinds),
    )
    return _events(db, own, rows)


def page(db: sqlite3.Connection, own: str, repo: str, seq: int, rows: int) -> tuple[bool, int, list[Event]]:
    """The next *rows* of what came of *repo* behind *seq*: whether there were any, the place of the last, and they."""
    found = db.execute(
        f"SELECT {COLUMNS} FROM events WHERE repo = ? AND seq > ? ORDER BY seq LIMIT ?",  # noqa: S608 - our words
        (repo, seq, rows),
    ).fetchall()
    return bool(found), found[-1][0] if found else seq, [one for _, one in _events(db, own, iter(found))]


def _events(db: sqlite3.Connection, own: str, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[int, Event]]:
    """The events of *rows*, which are taken one at a time: a row is nearly as large as its event."""
    first = next(rows, None)
    if first is None:
        return
    hosts = {**dict(db.execute("SELECT log, host_key FROM logs")), own: ""}
    for row in chain((first,), rows):
        if row[1] in hosts:  # not of a host just forgotten
            yield row[0], event(row, hosts)


class Bound:
    """What was said in the own log of tasks of other hosts that are still on the board.

    Args:
        db: the connection.
        own: the name of the own log.
        repo: which.
    """

    def __init__(self, db: sqlite3.Connection, own: str, repo: str) -> None:
        made = db.execute(
            "SELECT log, n FROM events WHERE repo = ? AND kind = ? AND log != ?", (repo, What.TASK, own)
        )
        self._tasks = {task_id(EventId(*one)) for one in made}
        self._takers: set[str] = set()
        if self._tasks:
            takes = db.execute(
                "SELECT data FROM events WHERE repo = ? AND kind IN (?, ?)", (repo, What.TAKE, What.VERDICT)
            )
            said = [json.loads(data) for (data,) in takes]
            self._takers = {one["to"] for one in said if one.get("task") in self._tasks and "to" in one}

    def holds(self, row: tuple[Any, ...]) -> bool:
        """Whether the event of a row of ours is among them, or the end of somebody who took one."""
        by, kind = row[4], row[7]
        if not self._tasks or kind not in _OF_TASKS:
            return False
        return by in self._takers if kind == What.GONE else json.loads(row[8]).get("task") in self._tasks


def as_text(data: Mapping[str, Any]) -> str:
    """An event's data as they are kept.

    Raises:
        ValueError, TypeError: they are not what JSON can say.
    """
    return json.dumps(dict(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
