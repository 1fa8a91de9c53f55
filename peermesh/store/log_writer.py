"""What is written to the log in one transaction: own events, parts of other hosts' logs, deletions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from peermesh.core.events import STAMP_LEAP, STAMP_LIMIT, Draft, Event, EventId
from peermesh.store import log_rows
from peermesh.store.log_rows import EVENT_LIMIT, FLEETING, KEY_LIMIT, KINDS, Part, Taken

# Events of one other host that are kept. Its own host keeps a few thousand after a compaction.
EVENTS_OF_A_HOST = 20_000
# What is forgotten of a host that goes beyond, so that not each part of its log is cut again.
CUT_TO = 0.9
# Epochs of a log that are remembered as over.
PAST = 16
OWN_PAST = 64
# Numbers may be passed over for what others know of ours, but not all of them.
LEAP = 2**32


@dataclass(slots=True)
class _Copy:
    """What is known of another host's log besides its events."""

    log: str
    epoch: str
    upto: int
    stale: int  # events up to here are of an earlier epoch, if they are behind *upto*
    past: list[str]  # epochs that are over


class Writer:
    """Writes, and reads what was written up to now; nobody else writes meanwhile.

    Args:
        db: the connection, in a transaction.
        new_id: makes 16 hex digits that were never used.
    """

    def __init__(self, db: sqlite3.Connection, new_id: Callable[[], str]) -> None:
        self._db, self._new_id = db, new_id
        self._own = log_rows.read_own(db)
        self._was = replace(self._own, past=list(self._own.past))

    def finish(self) -> None:
        """Write what changed besides the events."""
        if self._own != self._was:
            log_rows.write_own(self._db, self._own)

    # ------------------------------------------------------------ own events

    @property
    def last(self) -> int:
        """The largest number that was used."""
        return self._own.last

    @property
    def generation(self) -> int:
        """How often events were deleted, with what was just deleted."""
        return self._own.generation

    def each(self, repo: str, seq: int, kinds: Collection[str] = ()) -> Iterator[tuple[int, Event]]:
        """What came of *repo* behind *seq*, in order of arrival, each with its place in it; read one at a time.

        Args:
            repo: which.
            seq: the place of the last that is known; 0 for all.
            kinds: only these; all if there are none.
        """
        return log_rows.since(self._db, self._own.log, repo, seq, kinds)

    def repos_with(self, kind: str) -> list[str]:
        """The repos of which there are events of a kind."""
        return [
            repo for (repo,) in self._db.execute("SELECT DISTINCT repo FROM events WHERE kind = ?", (kind,))
        ]

    def say(self, draft: Draft, at: float) -> Event:
        """One more event of this host, said at *at* (wall clock, seconds).

        Raises:
            ValueError, TypeError: its data are not what JSON can say.
        """
        own = self._own
        own.last += 1
        own.stamp = min(own.stamp + 1, STAMP_LIMIT)
        event = Event(
            id=EventId(own.log, own.last),
            stamp=own.stamp,
            by=draft.by,
            name=draft.name,
            repo=draft.repo,
            kind=str(draft.kind),
            data=draft.data,
            at=at,
            here=draft.here,
        )
        data = log_rows.as_text(draft.data)
        local = draft.here or draft.repo.startswith("dir:")
        told = not local and len(draft.repo) <= KEY_LIMIT and len(data.encode()) <= EVENT_LIMIT
        log_rows.insert(self._db, event, data, told=told)
        if told:
            own.due = own.last
        return event

    def rekey(self, repo: str, new: str) -> None:
        """All events of *repo* are of *new* from now on. What others were told keeps its old key with them."""
        changed = self._db.execute("UPDATE events SET repo = ? WHERE repo = ?", (new, repo)).rowcount
        self._db.execute("UPDATE OR IGNORE modes SET repo = ? WHERE repo = ?", (new, repo))
        self._own.generation += bool(changed)

    def delete(self, doomed: Iterable[int]) -> None:
        """Delete events by their place in the order of arrival; ``deleted`` says so when it was the last of many."""
        self._db.executemany("DELETE FROM events WHERE seq = ?", [(seq,) for seq in doomed])

    def deleted(self, *, told: bool) -> None:
        """Events of ours were deleted; *told*: other hosts know some of them.

        That takes a number, as an event does: so the others hear of it.
        """
        self._own.generation += 1
        if told:
            self._own.last += 1
            self._own.cut = self._own.due = self._own.last

    def begin_anew(self, epoch: str, upto: int) -> None:
        """The own log begins another epoch: another host knows it up to *upto* in *epoch*, which we do not.

        Numbers that were used then are not used again, as far as is known. An epoch begins with a deletion, so
        that there is something to tell.
        """
        own = self._own
        own.past = [*own.past, own.epoch, *({epoch} - {own.epoch, *own.past})][-OWN_PAST:]
        own.epoch = self._new_id()
        own.last = min(max(own.last, upto), own.last + LEAP) + 1
        own.cut = own.due = own.last
        self._db.execute("DELETE FROM sent")

    def sending(self, marks: Iterable[tuple[str, int]]) -> None:
        """Hosts are about to be told of our log up to a number each."""
        self._db.executemany(
            "INSERT INTO sent VALUES (?, ?) ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto)", marks
        )

    # ------------------------------------------------------------ others' logs

    def take_in(self, host_key: str, part: Part) -> Taken:
        """The host *host_key* told *part* of its log, whose events are checked and in order of their numbers."""
        copy = self._copy(host_key)
        if self._is_anothers(part.log, host_key) or (part.epoch == copy.epoch and part.log != copy.log):
            return Taken(
                copy.epoch, copy.upto, refused=f"it tells the log {part.log[:8]}, which is another's"
            )
        if part.epoch in copy.past:
            return Taken(copy.epoch, copy.upto)  # said before it began anew, and late
        anew = part.epoch != copy.epoch
        if part.after > (0 if anew else copy.upto):
            return Taken(copy.epoch, copy.upto)  # what is between is missing
        deleted = self._begin_copy(copy, part) if anew else 0
        deleted += self._mirror(copy, part)
        events, replaced, strange = self._add(copy, part, host_key)
        deleted += replaced + (self._shorten(part.log) if events else 0)
        self._own.generation += bool(deleted)
        known = max(copy.upto, part.upto)
        stale = copy.stale if part.more and copy.stale > known else 0
        if anew or (known, stale) != (copy.upto, copy.stale):
            row = (host_key, part.log, part.epoch, known, stale, json.dumps(copy.past))
            self._db.execute("INSERT OR REPLACE INTO logs VALUES (?, ?, ?, ?, ?, ?)", row)
        return Taken(part.epoch, known, tuple(events), deleted, strange)

    def _copy(self, host_key: str) -> _Copy:
        row = self._db.execute(
            "SELECT log, epoch, upto, stale, past FROM logs WHERE host_key = ?", (host_key,)
        ).fetchone()
        log, epoch, upto, stale, past = row or ("", "", 0, 0, "[]")
        return _Copy(log, epoch, upto, stale, json.loads(past))

    def _is_anothers(self, log: str, host_key: str) -> bool:
        if log == self._own.log:
            return True
        row = self._db.execute("SELECT host_key FROM logs WHERE log = ?", (log,)).fetchone()
        return bool(row and row[0] != host_key)

    def _begin_copy(self, copy: _Copy, part: Part) -> int:
        """That host begins its log anew; how many events are forgotten at once.

        Those of an earlier epoch stay until it is told whether they still count: then what was heard long ago is
        not heard again as new.
        """
        copy.past = [*copy.past, *([copy.epoch] if copy.epoch else [])][-PAST:]
        copy.stale, copy.upto = max(copy.upto, copy.stale), 0
        if copy.log in {"", part.log}:
            return 0
        copy.stale = 0
        return int(self._db.execute("DELETE FROM events WHERE log = ?", (copy.log,)).rowcount)

    def _mirror(self, copy: _Copy, part: Part) -> int:
        """Delete what its own host has deleted: all that *part* speaks of and does not name; how many."""
        held = max(copy.upto, copy.stale)
        first = 1 if part.kept is not None else part.after + 1
        alive = {*(part.kept or ()), *(one.id.n for one in part.events)}
        gone = [n for n in self._numbers(part.log, first, min(held, part.upto)) if n not in alive]
        if not part.more and copy.stale:
            gone += self._numbers(part.log, max(copy.upto, part.upto) + 1, copy.stale)
        self._db.executemany("DELETE FROM events WHERE log = ? AND n = ?", [(part.log, n) for n in gone])
        return len(gone)

    def _numbers(self, log: str, first: int, last: int) -> list[int]:
        if first > last:
            return []
        rows = self._db.execute(
            "SELECT n FROM events WHERE log = ? AND n BETWEEN ? AND ?", (log, first, last)
        )
        return [n for (n,) in rows]

    def _add(self, copy: _Copy, part: Part, host_key: str) -> tuple[list[Event], int, int]:
        """Those of its events that are new here, how many took the place of others, and how many are strange."""
        added, replaced, strange = [], 0, 0
        for event in part.events:
            if event.id.n <= copy.upto:
                continue
            try:
                data = log_rows.as_text(event.data)
            except (TypeError, ValueError, RecursionError):
                data = ""
            if not data or event.stamp > self._own.stamp + STAMP_LEAP:
                strange += 1
                continue
            self._own.stamp = max(self._own.stamp, event.stamp)
            if event.id.n <= copy.stale:
                replaced += log_rows.delete_other(self._db, event, data)
            if log_rows.insert(self._db, event, data, told=False):
                added.append(replace(event, host_key=host_key))
        return added, replaced, strange

    def _shorten(self, log: str) -> int:
        """Keep a log of another host within bounds: its oldest events go, the fleeting first; how many."""
        row = self._db.execute("SELECT count(*) FROM events WHERE log = ?", (log,)).fetchone()
        count = int(row[0])
        if count <= EVENTS_OF_A_HOST:
            return 0
        left = surplus = count - int(EVENTS_OF_A_HOST * CUT_TO)
        lasting = sorted(KINDS - FLEETING)
        marks = ", ".join("?" * len(lasting))
        for which, names in ((f"AND kind NOT IN ({marks})", lasting), ("", [])):
            done = self._db.execute(
                f"DELETE FROM events WHERE seq IN"  # noqa: S608 - the words are ours
                f" (SELECT seq FROM events WHERE log = ? {which} ORDER BY n LIMIT ?)",
                (log, *names, left),
            )
            left -= int(done.rowcount)
        return surplus - left

    def forget(self, host_keys: Iterable[str]) -> None:
        """Forget the logs of these hosts. How far ours was told to them is remembered: they may be met again."""
        for key in host_keys:
            log = self._copy(key).log
            self._db.execute("DELETE FROM events WHERE log = ?", (log,))
            self._db.execute("DELETE FROM logs WHERE host_key = ?", (key,))
            self._own.generation += 1
