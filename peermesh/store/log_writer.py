"""What is written to the log in one transaction: own events, parts of other hosts' logs, deletions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

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
    def generation(self) -> int:
        """How often events were deleted, with what was just deleted."""
        return self._own.generation

    def since(self, repo: str, seq: int) -> list[tuple[int, Event]]:
        """What came of *repo* behind *seq*, in order of arrival, each with its place in it."""
        return log_rows.since(self._db, self._own.log, repo, seq)

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

    def delete(self, doomed: Collection[tuple[int, bool]]) -> None:
        """Delete events by their place in the order of arrival; the flag says whether others were told of it.

        That something of ours was deleted takes a number, as an event does: so the others hear of it.
        """
        self._db.executemany("DELETE FROM events WHERE seq = ?", [(seq,) for seq, _ in doomed])
        self._own.generation += bool(doomed)
        if any(told for _, told in doomed):
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
        log, epoch, upto, past = self._known(host_key)
        if self._is_anothers(part.log, host_key) or (part.epoch == epoch and part.log != log):
            return Taken(epoch, upto, refused=f"it tells the log {part.log[:8]}, which is another's")
        if part.epoch in past:
            return Taken(epoch, upto)  # said before it began anew, and late
        anew = part.epoch != epoch
        if part.after > (0 if anew else upto):
            return Taken(epoch, upto)  # what is between is missing
        deleted = self._begin_log(host_key, log, epoch, part) if anew else 0
        upto = 0 if anew else upto
        deleted += self._mirror(part, upto)
        events, strange = self._add(part, upto, host_key)
        deleted += self._shorten(part.log) if events else 0
        self._own.generation += bool(deleted)
        if anew or part.upto > upto:
            self._db.execute("UPDATE logs SET upto = ? WHERE host_key = ?", (max(upto, part.upto), host_key))
        changed = bool(events or deleted)
        return Taken(part.epoch, max(upto, part.upto), tuple(events), changed, strange)

    def _known(self, host_key: str) -> tuple[str, str, int, list[str]]:
        row = self._db.execute(
            "SELECT log, epoch, upto, past FROM logs WHERE host_key = ?", (host_key,)
        ).fetchone()
        return (*row[:3], json.loads(row[3])) if row else ("", "", 0, [])

    def _is_anothers(self, log: str, host_key: str) -> bool:
        if log == self._own.log:
            return True
        row = self._db.execute("SELECT host_key FROM logs WHERE log = ?", (log,)).fetchone()
        return bool(row and row[0] != host_key)

    def _begin_log(self, host_key: str, log: str, epoch: str, part: Part) -> int:
        """Forget what is known of that host's log; how many events that were."""
        past = [*self._known(host_key)[3], *([epoch] if epoch else [])][-PAST:]
        self._db.execute(
            "INSERT OR REPLACE INTO logs VALUES (?, ?, ?, 0, ?)",
            (host_key, part.log, part.epoch, json.dumps(past)),
        )
        return int(self._db.execute("DELETE FROM events WHERE log = ?", (log,)).rowcount)

    def _mirror(self, part: Part, upto: int) -> int:
        """Delete what its own host has deleted: all that *part* speaks of and does not name; how many."""
        first = 1 if part.kept is not None else part.after + 1
        last = min(upto, part.upto)
        if first > last:
            return 0
        alive = {*(part.kept or ()), *(one.id.n for one in part.events)}
        rows = self._db.execute(
            "SELECT n FROM events WHERE log = ? AND n BETWEEN ? AND ?", (part.log, first, last)
        )
        gone = [(part.log, n) for (n,) in rows.fetchall() if n not in alive]
        self._db.executemany("DELETE FROM events WHERE log = ? AND n = ?", gone)
        return len(gone)

    def _add(self, part: Part, upto: int, host_key: str) -> tuple[list[Event], int]:
        added, strange = [], 0
        for event in part.events:
            if event.id.n <= upto:
                continue
            try:
                data = log_rows.as_text(event.data)
            except (TypeError, ValueError, RecursionError):
                data = ""
            if not data or event.stamp > self._own.stamp + STAMP_LEAP:
                strange += 1
                continue
            self._own.stamp = max(self._own.stamp, event.stamp)
            if log_rows.insert(self._db, event, data, told=False):
                added.append(replace(event, host_key=host_key))
        return added, strange

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
            log = self._known(key)[0]
            self._db.execute("DELETE FROM events WHERE log = ?", (log,))
            self._db.execute("DELETE FROM logs WHERE host_key = ?", (key,))
            self._own.generation += 1
