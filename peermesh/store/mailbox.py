"""One peer's mailbox: its inbox and outbox on disk, with one writer at a time, who holds the lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from peermesh.core.script import Keep, KeepIn, KeepOut, MoveIn, MoveOut, Snapshot, Told
from peermesh.core.words import PEER_ID_ALPHABET, Envelope, Message, MessageId, State
from peermesh.store import evidence, journal, questions
from peermesh.store.host import CARD
from peermesh.store.rows import UNSHOWN, fields, message, unshown
from peermesh.store.sqlite import CUT, GONE, note, open_file, reading, transaction, translated, translated_os

# Every mailbox's numbers start at its birth's own thousand million: one that had to be made anew
# never uses a number again that others have heard.
NUMBERS_A_BIRTH = 1_000_000_000

# Settled messages are kept for reading back, and then make room.
KEEP_SETTLED = 14 * 86_400.0  # seconds
# A file of which more than half is free, and so many pages (16 MB), is made smaller: a flood is over some day.
SHRINK_AT = 4_000

STEPS = [
    """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY,
    peer TEXT NOT NULL, n INTEGER NOT NULL,
    kind TEXT NOT NULL, body TEXT NOT NULL, fields TEXT NOT NULL,
    state TEXT NOT NULL, told INTEGER NOT NULL DEFAULT 1,
    size INTEGER NOT NULL, urgent INTEGER NOT NULL,
    came_at REAL NOT NULL, shown_at REAL,
    UNIQUE (peer, n)
);
CREATE INDEX inbox_unshown ON inbox (seq) WHERE state IN ('safe', 'held', 'handed');
CREATE INDEX inbox_untold ON inbox (seq) WHERE told = 0;
CREATE TABLE heard (peer TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox (
    n INTEGER PRIMARY KEY,
    peer TEXT NOT NULL,
    kind TEXT NOT NULL, body TEXT NOT NULL, fields TEXT NOT NULL,
    state TEXT NOT NULL, why TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL,
    said_at REAL NOT NULL, safe_at REAL, held_at REAL, shown_at REAL
);
CREATE INDEX outbox_queued ON outbox (n) WHERE state = 'queued'
""",
    questions.STEP,
]

# How a message for us moves to a state: of some its sender is to be told.
_MOVES_IN = {
    State.SAFE: "UPDATE inbox SET state = 'safe' WHERE peer = :peer AND n = :n AND state = 'handed'",
    State.HELD: "UPDATE inbox SET state = 'held', told = 0 WHERE peer = :peer AND n = :n AND state = 'safe'",
    State.HANDED: "UPDATE inbox SET state = 'handed'"
    " WHERE peer = :peer AND n = :n AND state IN ('safe', 'held')",
    State.SHOWN: "UPDATE inbox SET state = 'shown', told = 0, shown_at = :clock"
    " WHERE peer = :peer AND n = :n AND state IN ('safe', 'held', 'handed')",
}

# How a message of ours moves to a state, and from which it may.
_MOVES = {
    State.SAFE: "UPDATE outbox SET state = 'safe', safe_at = :clock WHERE n = :n AND :by IN ('', peer) AND state = 'queued'",
    State.HELD: "UPDATE outbox SET state = 'held', held_at = :clock, safe_at = coalesce(safe_at, :clock)"
    " WHERE n = :n AND :by IN ('', peer) AND state IN ('queued', 'safe')",
    State.SHOWN: "UPDATE outbox SET state = 'shown', shown_at = :clock, safe_at = coalesce(safe_at, :clock)"
    " WHERE n = :n AND :by IN ('', peer) AND state IN ('queued', 'safe', 'held')",
    State.REFUSED: "UPDATE outbox SET state = 'refused', why = :why WHERE n = :n AND :by IN ('', peer) AND state = 'queued'",
}


class Mailbox:
    """The file ``mail.db`` of one peer.

    Args:
        directory: the peer's directory; whoever opens this holds its lock.
        peer: the peer's id.
        birth: counts one more mailbox of this peer and tells how many-th it is; called if a file is made.

    Raises:
        StoreNewer, StoreBroken, DiskFull, ReadOnly: see store/sqlite.py.
    """

    def __init__(self, directory: str, peer: str, birth: Callable[[], int]) -> None:
        self.path = os.path.join(directory, "mail.db")
        self.peer = peer
        is_there, made = os.path.exists(self.path), os.path.exists(os.path.join(directory, CARD))
        gone, needed = evidence.gather(self.path, made=made, frames=journal.frames(self.path))
        self._db, self.set_aside = open_file(self.path, STEPS)
        self.questions = questions.Questions(lambda: self._db, self.path, peer)
        try:
            cut = self._was_cut(needed)
            if not cut:
                evidence.is_whole(self.path)
            self.born = self._begin(birth)
            if gone or (not is_there and self._base()):  # this is not the first one of this peer
                self.set_aside = note(self.path, GONE)
            elif self.set_aside is None and cut:
                self._count_anew(birth)
                self.set_aside = note(self.path, CUT)
            with translated_os(self.path):
                evidence.settle(self.path)
        except BaseException:
            self._db.close()
            raise

    def _begin(self, birth: Callable[[], int]) -> bool:
        """Note where a new file's numbers begin; who died just before that left one without."""
        with translated(self.path):
            if self._db.execute("SELECT 1 FROM meta WHERE key = 'base'").fetchone():
                return False
        start = (birth() - 1) * NUMBERS_A_BIRTH
        with transaction(self._db, self.path):
            self._db.execute("INSERT INTO meta VALUES ('base', ?)", (str(start),))
        return True

    def _was_cut(self, needed: int) -> bool:
        with translated(self.path):
            return journal.was_cut(self._db, needed)

    def _count_anew(self, birth: Callable[[], int]) -> None:
        """What was said last is forgotten: its numbers are not to be used for something else."""
        start = (birth() - 1) * NUMBERS_A_BIRTH
        with transaction(self._db, self.path):
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'base'", (str(start),))
        self.born = True

    def _base(self) -> int:
        """Behind which number this mailbox began to count."""
        return int(self._db.execute("SELECT value FROM meta WHERE key = 'base'").fetchone()[0])

    def close(self) -> None:
        """Close the file; the lock is the caller's."""
        self._db.close()

    # ------------------------------------------------------------ for the engine

    def snapshot(self, now: float, clock: float, *, reader: bool = True) -> Snapshot:
        """What an engine needs to carry on.

        Args:
            now: monotonic seconds.
            clock: the wall clock's.
            reader: whether somebody is shown what waits; else it is only counted.
        """
        with reading(self.path):
            waiting, size = (0, 0) if reader else self._unread()
            return Snapshot(
                next_n=self._next_n(),
                heard=dict(self._db.execute("SELECT peer, last FROM heard")),
                queued=tuple(
                    self._db.execute("SELECT peer, n, size FROM outbox WHERE state = 'queued' ORDER BY n")
                ),
                unshown=tuple(self._envelopes(now, clock, "safe", "held")) if reader else (),
                waiting=waiting,
                waiting_size=size,
                handed=tuple(self._envelopes(now, clock, "handed", "handed")),
                receipts=tuple(
                    (MessageId(peer, n), State(state))
                    for peer, n, state in self._db.execute(
                        "SELECT peer, n, state FROM inbox WHERE told = 0 AND state IN ('held', 'shown') ORDER BY seq"
                    )
                ),
            )

    def _unread(self) -> tuple[int, int]:
        """How many messages nobody was shown, and how many characters they have."""
        count, size = self._db.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM inbox"
            " WHERE state IN ('safe', 'held') AND state IN ('safe', 'held', 'handed')"  # the index's own words
        ).fetchone()
        return int(count), int(size)

    def _next_n(self) -> int:
        base = self._base()
        used = self._db.execute("SELECT value FROM meta WHERE key = 'used'").fetchone()
        last = self._db.execute("SELECT max(n) FROM outbox").fetchone()[0]
        return max(base, last or 0, int(used[0]) if used else 0) + 1

    def _envelopes(self, now: float, clock: float, *states: str) -> Iterator[Envelope]:
        rows = self._db.execute(
            f"SELECT came_at, {UNSHOWN} FROM inbox"  # noqa: S608 - the words are ours
            " WHERE state IN (?, ?) AND state IN ('safe', 'held', 'handed') ORDER BY seq",
            states,
        )
        arrived = float("-inf")
        for came_at, *row in rows:
            # The wall clock may have been set back in between: the order of arrival stays.
            arrived = max(arrived, now - max(0.0, clock - came_at))
            yield unshown(row, arrived)

    def keep(self, changes: Iterable[Keep], clock: float) -> None:
        """Write *changes* in one transaction, fully synced; *clock* is the wall's time in seconds.

        Raises:
            DiskFull, ReadOnly, StoreBroken: nothing was written.
        """
        with transaction(self._db, self.path):
            for change in changes:
                self._keep(change, clock)

    def _keep(self, change: Keep, clock: float) -> None:
        run = self._db.execute
        match change:  # without places, see Post._speak
            case KeepOut():
                m = change.message
                run(
                    "INSERT INTO outbox (n, peer, kind, body, fields, state, size, said_at)"
                    " VALUES (?, ?, ?, ?, ?, 'queued', ?, ?)",
                    (m.id.n, m.to, m.kind, m.body, fields(m), len(m.body), m.said_at),
                )
            case KeepIn():
                m = change.message
                run(
                    "INSERT OR IGNORE INTO inbox (peer, n, kind, body, fields, state, size, urgent, came_at)"
                    " VALUES (?, ?, ?, ?, ?, 'safe', ?, ?, ?)",
                    (m.id.peer, m.id.n, m.kind, m.body, fields(m), len(m.body), m.urgent, clock),
                )
                self._heard(m.id.peer, m.id.n)
            case MoveOut():
                self._move_out(change, clock)
            case MoveIn():
                rows = [{"peer": i.peer, "n": i.n, "clock": clock} for i in change.ids]
                self._db.executemany(_MOVES_IN[change.state], rows)
            case Told():
                for n, state in change.states:
                    run(
                        "UPDATE inbox SET told = 1 WHERE peer = ? AND n = ? AND state = ?",
                        (change.peer, n, state.value),
                    )

    def _heard(self, peer: str, n: int) -> None:
        self._db.execute(
            "INSERT INTO heard VALUES (?, ?) ON CONFLICT (peer) DO UPDATE SET last = max(last, excluded.last)",
            (peer, n),
        )

    def _move_out(self, move: MoveOut, clock: float) -> None:
        """Forward only: a receipt that comes late never takes a later state back."""
        statement = _MOVES.get(move.state)
        if statement is not None:
            same = {"why": move.why, "by": move.by, "clock": clock}
            self._db.executemany(statement, [{"n": n, **same} for n in move.ns])

    # ------------------------------------------------------------ for readers

    def outgoing(self, n: int) -> Message:
        """Message *n* of the outbox."""
        with reading(self.path):
            row = self._db.execute("SELECT n, kind, body, fields FROM outbox WHERE n = ?", (n,)).fetchone()
            return message(self.peer, *row)

    def incoming(self, one: MessageId) -> tuple[Message, float] | None:
        """A message of the inbox, and when it came (wall clock, seconds)."""
        with reading(self.path):
            row = self._db.execute(
                "SELECT n, kind, body, fields, came_at FROM inbox WHERE peer = ? AND n = ?", (one.peer, one.n)
            ).fetchone()
            return (message(one.peer, *row[:4]), row[4]) if row else None

    def find(self, text: str) -> list[MessageId]:
        """The inbox's and outbox's ids that *text* spells, or ends: "17", "ab-17", the whole id."""
        peer, _, n = text.rpartition("-")
        if not (n.isascii() and n.isdigit() and len(n) <= 18 and set(peer) <= set(PEER_ID_ALPHABET)):
            return []
        with translated(self.path):
            rows = self._db.execute(
                "SELECT peer, n FROM inbox WHERE n = ? AND peer LIKE ?",
                (int(n), f"%{peer}"),
            ).fetchall()
            if self.peer.endswith(peer):
                mine = self._db.execute("SELECT n FROM outbox WHERE n = ?", (int(n),)).fetchall()
                rows += [(self.peer, one) for (one,) in mine]
        return [MessageId(*row) for row in rows]

    def inbox(self, most: int) -> list[tuple[Message, str, float, float | None]]:
        """The newest *most* messages, oldest first: message, state, came at, shown at."""
        with reading(self.path):
            rows = self._db.execute(
                "SELECT peer, n, kind, body, fields, state, came_at, shown_at FROM inbox"
                " ORDER BY seq DESC LIMIT ?",
                (most,),
            ).fetchall()
            return [(message(*row[:5]), *row[5:]) for row in reversed(rows)]

    def sent(self, most: int, *, own: bool = False) -> list[tuple[Message, dict[str, Any]]]:
        """The newest *most* messages of ours to others, oldest first, each with its state and times; *own*: also those
        to oneself.
        """
        keys = ("state", "why", "said_at", "safe_at", "held_at", "shown_at")
        with reading(self.path):
            rows = self._db.execute(
                "SELECT n, kind, body, fields, state, why, said_at, safe_at, held_at, shown_at FROM outbox"
                " WHERE peer <> ? ORDER BY n DESC LIMIT ?",
                ("" if own else self.peer, most),
            ).fetchall()
            return [
                (message(self.peer, *row[:4]), dict(zip(keys, row[4:], strict=True)))
                for row in reversed(rows)
            ]

    def counts(self) -> dict[str, int]:
        """How many messages are unread, queued, and still to be told of."""
        one = self._db.execute
        with translated(self.path):
            return {
                "unread": self._unread()[0],
                "queued": one("SELECT count(*) FROM outbox WHERE state = 'queued'").fetchone()[0],
                "untold": one("SELECT count(*) FROM inbox WHERE told = 0").fetchone()[0],
            }

    def tidy(self, clock: float) -> None:
        """Let go of what was settled long ago; numbers that were used stay used."""
        old = clock - KEEP_SETTLED
        with reading(self.path), transaction(self._db, self.path):
            run = self._db.execute
            run("INSERT OR REPLACE INTO meta VALUES ('used', ?)", (str(self._next_n() - 1),))
            run("DELETE FROM inbox WHERE state = 'shown' AND told = 1 AND shown_at < ?", (old,))
            run("DELETE FROM outbox WHERE state IN ('shown', 'refused') AND said_at < ?", (old,))
        self._shrink()

    def _shrink(self) -> None:
        with translated(self.path):
            free, pages = (
                int(self._db.execute(f"PRAGMA {what}").fetchone()[0])
                for what in ("freelist_count", "page_count")
            )
            if free >= SHRINK_AT and 2 * free > pages:
                self._db.execute("VACUUM")
