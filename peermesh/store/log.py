"""The log of this host's events, and its copies of other hosts' logs: the file ``log.db``.

Every sidecar of the host reads and writes it, under SQLite's own lock. Events are numbered in the order in which
they are said; each is stamped larger than all that were known then. A copy follows its origin: what its host
deletes is deleted here too, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from peermesh.core.events import LOG_ID_LENGTH, Draft, Event, EventId
from peermesh.core.words import PeerId
from peermesh.errors import PeerError
from peermesh.store import compaction, evidence, log_rows, mark, notebook, steady
from peermesh.store.common import CommonFile
from peermesh.store.log_rows import EVENT_LIMIT, Part, Taken
from peermesh.store.log_writer import EVENTS_OF_A_HOST, Writer
from peermesh.store.sqlite import reading, transaction

__all__ = [
    "EVENTS_AT_ONCE",
    "EVENTS_OF_A_HOST",
    "EVENT_LIMIT",
    "KEPT_AT_ONCE",
    "LogStore",
    "Part",
    "Taken",
    "Writer",
]

STEPS = [log_rows.STEP + ";\n" + notebook.STEP, steady.STEP]

# What one part holds at most: it is one frame, and one commit there.
EVENTS_AT_ONCE = 200
PART_SIZE = EVENT_LIMIT  # bytes
EVENT_SIZE = 160  # bytes of an event besides its texts
# Events that are named as kept; a host that has more tells of the newest.
KEPT_AT_ONCE = EVENTS_OF_A_HOST


def _new_id() -> str:
    return os.urandom(LOG_ID_LENGTH // 2).hex()


class LogStore(CommonFile):
    """The file ``log.db``.

    Args:
        root: the state directory.
        new_id: makes 16 hex digits that were never used.
        boot: what tells this run of the machine from others; "" if that is not known: then times do not follow the
            wall clock when it is set.

    Raises:
        StoreNewer, StoreBroken, DiskFull, ReadOnly: see store/sqlite.py. So does everything below.
    """

    def __init__(self, root: str, new_id: Callable[[], str] = _new_id, boot: str = "") -> None:
        self._new_id, self._boot = new_id, boot
        self._ahead = steady.UNKNOWN  # what the times of the file follow, as far as we know
        super().__init__(os.path.join(root, "log.db"), STEPS)
        self.notebook = notebook.Notebook(lambda: self._db, self.path)

    def _begin(self) -> bool:
        self._be_born()
        with reading(self.path):
            self._log = log_rows.read_own(self._db).log
        self._ahead = steady.UNKNOWN
        self._follow_clock()
        return self._is_older()

    def _be_born(self) -> None:
        with reading(self.path):
            if self._db.execute("SELECT 1 FROM own").fetchone():
                return
        with transaction(self._db, self.path):
            self._db.execute(
                "INSERT INTO own VALUES (1, ?, ?, '[]', 0, 0, 0, 0, 0)", (self._new_id(), self._new_id())
            )

    @property
    def _mark(self) -> str:
        return f"{self.path.removesuffix('.db')}.mark"

    def _is_older(self) -> bool:
        """Whether the file is older than it was. Then numbers that others may have heard are not used again."""
        was = mark.read(self._mark)  # before the file, which may be written to meanwhile
        with reading(self.path):
            own, count = log_rows.read_own(self._db), log_rows.count_all(self._db)
        if was is None or was.log != own.log or count >= was.count:
            return False
        evidence.lacks(self.path)
        self.reborn(own.epoch, was.last)
        return True

    # ------------------------------------------------------------ what changed

    @property
    def id(self) -> str:
        """The name of the own log."""
        return self._log

    def revision(self) -> object:
        """What changes when anything was written, by this or another process; follows a file that was set aside."""
        version = self._version()
        self._follow_clock()
        return self._openings, version, self._db.total_changes

    def sign(self) -> object:
        """As for any such file; and the times follow the wall clock meanwhile."""
        self._follow_clock()
        return super().sign()

    def _follow_clock(self) -> None:
        """If the wall clock was set, the times follow it. Where that cannot be written, it is tried again."""
        now = steady.ahead()
        if not self._boot or self._db.in_transaction or not steady.moved(now, self._ahead):
            return
        with suppress(PeerError), transaction(self._db, self.path):
            if steady.follow(self._db, self._boot, now):
                self._db.execute("UPDATE own SET generation = generation + 1")  # pictures are made anew
            self._ahead = now

    def generation(self) -> int:
        """What changes when events were deleted: pictures are to be made anew."""
        with reading(self.path):
            (deletions,) = self._db.execute("SELECT generation FROM own").fetchone()
        return (self._openings << 32) + int(deletions)

    # ------------------------------------------------------------ reading

    def since(self, repo: str, seq: int, kinds: Collection[str] = ()) -> list[tuple[int, Event]]:
        """What came of *repo* behind *seq*, in order of arrival, each with its place in it.

        Args:
            repo: which.
            seq: the place of the last that is known; 0 for all.
            kinds: only these; all if there are none.
        """
        return list(self.each(repo, seq, kinds))

    def each(self, repo: str, seq: int, kinds: Collection[str] = ()) -> Iterator[tuple[int, Event]]:
        """The same, read one at a time: for who does nothing else with the log meanwhile, and keeps few of them."""
        with reading(self.path):
            yield from log_rows.since(self._db, self._log, repo, seq, kinds)

    def pages(self, repo: str, rows: int = compaction.ROWS) -> Iterator[tuple[int, list[Event]]]:
        """All of *repo*, in order of arrival, so many *rows* at a time, each time with the place of the last."""
        seq, found = 0, True
        while found:
            with reading(self.path):
                found, seq, events = log_rows.page(self._db, self._log, repo, seq, rows)
            yield seq, events

    def count(self, repo: str) -> int:
        """How many events of *repo* there are."""
        with reading(self.path):
            row = self._db.execute("SELECT count(*) FROM events WHERE repo = ?", (repo,)).fetchone()
        return int(row[0])

    def counts(self) -> Mapping[str, int]:
        """How many events of each repo there are."""
        with reading(self.path):
            return dict(self._db.execute("SELECT repo, count(*) FROM events GROUP BY repo"))

    def keeps_here(self, peer: PeerId) -> bool:
        """Whether what *peer*, of this host, said last was for this host only."""
        with reading(self.path):
            row = self._db.execute(
                "SELECT here FROM events WHERE log = ? AND by = ? ORDER BY n DESC LIMIT 1", (self._log, peer)
            ).fetchone()
        return bool(row and row[0])

    def rekey(self, repo: str, new: str) -> None:
        """*repo* goes by another key now: all that was said of it on this host, and is known of others, too."""
        with self.writing() as writer:
            writer.rekey(repo, new)

    def last_seq(self) -> int:
        """The place of the last arrival, of any repo; 0 if there was none."""
        with reading(self.path):
            row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
            return int(row[0]) if row else 0

    # ------------------------------------------------------------ writing

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """One transaction: nobody else says anything between what is read in it and what is said."""
        self._follow_clock()  # or what is said now would be moved too
        with transaction(self._db, self.path):
            with reading(self.path):
                writer = Writer(self._db, self._new_id)
            yield writer
            writer.finish()
            with reading(self.path):
                reached = mark.Mark(self._log, writer.last, log_rows.count_all(self._db))
        mark.write(self._mark, reached)

    def say(self, draft: Draft, at: float) -> Event:
        """One more event of this host, said at *at* (wall clock, seconds), on disk when this returns."""
        with self.writing() as writer:
            return writer.say(draft, at)

    def compact(self, repo: str, needed: Collection[EventId], upto_seq: int) -> int:
        """Delete events of our log that are of *repo* and not *needed*; other hosts hear that they are gone.

        Copies of other hosts' logs stay as they are told: each host decides about its own. Else one that was away
        would bring back a task whose end we forgot. For the same reason what was said here of another host's
        task stays as long as that task does.

        Args:
            repo: which.
            needed: the events that the picture of all up to *upto_seq* stands on.
            upto_seq: what came later is left alone.

        Returns:
            How many are gone.
        """
        gone = 0
        for gone in self.compacting(repo, needed, upto_seq):  # noqa: B007 - the last is all
            pass
        return gone

    def compacting(
        self, repo: str, needed: Collection[EventId], upto_seq: int, rows: int = compaction.ROWS
    ) -> Iterator[int]:
        """The same in steps that look at so many *rows* each: how many are gone, after each step."""
        with reading(self.path):
            work = compaction.Compaction(lambda: self._db, self.writing, self._log, repo, needed, upto_seq)
        more = True
        while more:
            with reading(self.path):
                more = work.step(rows)
            yield work.deleted
        yield work.finish()

    # ------------------------------------------------------------ telling others

    def due(self) -> int:
        """The largest number of which other hosts are to hear."""
        with reading(self.path):
            return int(self._db.execute("SELECT due FROM own").fetchone()[0])

    def position(self, host_key: str, epoch: str, upto: int) -> int | None:
        """Behind which number to tell a host that holds our log up to *upto* in *epoch*.

        ``None``: it holds what we do not know that we told; the log is to begin anew.
        """
        with reading(self.path):
            own = log_rows.read_own(self._db)
            row = self._db.execute("SELECT upto FROM sent WHERE host_key = ?", (host_key,)).fetchone()
        if epoch == own.epoch:
            return upto if upto <= (row[0] if row else 0) else None
        return 0 if epoch in {"", *own.past} else None

    def reborn(self, epoch: str, upto: int) -> None:
        """Begin another epoch of our log: a host knows it up to *upto* in *epoch*, which we do not.

        That happens when an older copy of the file was put back. What was lost is forgotten by the others, too.
        """
        with self.writing() as writer:
            writer.begin_anew(epoch, upto)

    def tell(
        self, after: int, heard_cut: int = -1, most: int = EVENTS_AT_ONCE, size: int = PART_SIZE
    ) -> Part:
        """What others are to hear of our log behind the number *after*.

        Args:
            after: they know all up to it.
            heard_cut: the last deletion that they heard of, as an earlier part gave it.
            most: events.
            size: bytes of their texts, unless the first alone has more.
        """
        with reading(self.path):
            self._db.execute("BEGIN")  # all that follows as of one moment
            try:
                return self._tell(after, heard_cut, most, size)
            finally:  # nothing was written; and an error may have ended it
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _tell(self, after: int, heard_cut: int, most: int, size: int) -> Part:
        own = log_rows.read_own(self._db)
        kept = None
        if 0 < after < own.cut and heard_cut != own.cut:
            newest = "SELECT n FROM events WHERE told AND n <= ? ORDER BY n DESC LIMIT ?"
            kept = tuple(n for (n,) in self._db.execute(newest, (after, KEPT_AT_ONCE)))[::-1]
        rows = self._db.execute(
            f"SELECT {log_rows.COLUMNS} FROM events WHERE told AND n > ? ORDER BY n LIMIT ?",  # noqa: S608
            (after, most + 1),
        ).fetchall()
        fitting = self._fitting(rows[:most], size)
        more = fitting < len(rows)
        events = tuple(log_rows.event(row, {own.log: ""}) for row in rows[:fitting])
        upto = events[-1].id.n if more else max(after, own.due)
        return Part(own.log, own.epoch, after, upto, events, more, kept, own.cut)

    @staticmethod
    def _fitting(rows: list[tuple[object, ...]], size: int) -> int:
        """How many of *rows* go into so many bytes."""
        for number, row in enumerate(rows):
            size -= EVENT_SIZE + sum(len(cell.encode()) for cell in row if isinstance(cell, str))
            if size < 0:
                return max(1, number)
        return len(rows)

    def sending(self, marks: Mapping[str, int]) -> None:
        """Note up to which number each host is about to be told. On disk before it is told.

        By this a host is found out that holds more than we know of: see ``position``.
        """
        with self.writing() as writer:
            writer.sending(marks.items())

    # ------------------------------------------------------------ what others tell

    def known(self, host_key: str) -> tuple[str, int]:
        """Epoch and number up to which we hold a host's log; ("", 0) if nothing."""
        with reading(self.path):
            row = self._db.execute("SELECT epoch, upto FROM logs WHERE host_key = ?", (host_key,)).fetchone()
            return (str(row[0]), int(row[1])) if row else ("", 0)

    def take_in(self, host_key: str, part: Part) -> Taken:
        """The host *host_key* told *part* of its log, whose events are checked and in order of their numbers."""
        with self.writing() as writer:
            return writer.take_in(host_key, part)

    def forget(self, host_keys: Iterable[str]) -> None:
        """Forget the logs of these hosts."""
        with reading(self.path):
            known = {key for (key,) in self._db.execute("SELECT host_key FROM logs")}
        gone = known.intersection(host_keys)
        if gone:
            with self.writing() as writer:
                writer.forget(gone)
