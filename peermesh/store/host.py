"""The host's shared file: who is known, by which name, and which session each one is. Seldom written."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from peermesh.core.names import key, unique
from peermesh.core.words import Card, PeerId
from peermesh.errors import NameTaken, StoreBroken
from peermesh.store import changes, evidence, remotes
from peermesh.store.common import CommonFile
from peermesh.store.sqlite import reading, texts, transaction, translated

STEPS = [
    """
CREATE TABLE peers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL, name_key TEXT NOT NULL UNIQUE, named INTEGER NOT NULL,
    person INTEGER NOT NULL, oneshot INTEGER NOT NULL,
    repo TEXT NOT NULL, repo_key TEXT NOT NULL, branch TEXT NOT NULL, cwd TEXT NOT NULL,
    roles TEXT NOT NULL, focus TEXT NOT NULL,
    births INTEGER NOT NULL DEFAULT 0,
    seen_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE sessions (session TEXT PRIMARY KEY, peer TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE off (repo_key TEXT PRIMARY KEY, repo TEXT NOT NULL) WITHOUT ROWID
""",
    remotes.STEP,
    f"""
ALTER TABLE peers ADD COLUMN worktree TEXT NOT NULL DEFAULT '';
{remotes.STEP_ACTIVE};
ALTER TABLE off ADD COLUMN of TEXT NOT NULL DEFAULT ''
""",
    changes.STEP,
]

_COLUMNS = "id, name, person, oneshot, repo, repo_key, branch, cwd, roles, focus, worktree"

# What reading a card that was cut off or damaged may raise; a full disk is not among it.
_BAD_CARD = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)

# A copy of who a peer is, in its directory since it had its first mailbox.
CARD = "card.json"
# Mailboxes of one peer, of which each has a thousand million numbers below 10**18.
MOST_BIRTHS = 10**8

IsLive = Callable[[PeerId], bool]


class HostStore(CommonFile):
    """The file ``host.db``.

    Args:
        root: the state directory.
        host: this host's name, put on every card.

    Raises:
        StoreNewer, StoreBroken, DiskFull, ReadOnly: see store/sqlite.py.
    """

    def __init__(self, root: str, host: str) -> None:
        self._root, self._host = root, host
        super().__init__(os.path.join(root, "host.db"), STEPS)
        self.remotes = remotes.Remotes(lambda: self._db, self.path)
        self.changes = changes.Changes(lambda: self._db, self.path)

    def _begin(self) -> bool:
        return self._adopt_missing()

    def _adopt_missing(self) -> bool:
        """Take in whoever left a card in a directory and is not known: the file is a new one, or one in place of a
        damaged one, or its journal was cut. Who died in the middle of this left the rest to the next one.
        """
        with translated(self.path):
            known = {peer for (peer,) in self._db.execute("SELECT id FROM peers")}
        folder = os.path.join(self._root, "peers")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        cards = [os.path.join(folder, name, CARD) for name in sorted(names) if name not in known]
        cards = [one for one in cards if os.path.exists(one)]
        return bool(cards) and self._adopt(cards) > 0

    def _adopt(self, cards: list[str]) -> int:
        """How many of *cards* were taken in."""
        taken = 0
        with transaction(self._db, self.path):
            for path in cards:
                self._db.execute("SAVEPOINT card")
                try:
                    self._take_in(path)
                    taken += 1
                except _BAD_CARD:  # cut off, or damaged: its peer is made anew when its session comes
                    self._db.execute("ROLLBACK TO card")
                self._db.execute("RELEASE card")
            if taken:
                evidence.lacks(self.path)
        return taken

    def _take_in(self, path: str) -> None:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        sessions, births = texts(record.pop("sessions")), record.pop("births")
        if type(births) is not int or not 0 <= births <= MOST_BIRTHS:
            raise ValueError("no count of mailboxes")
        card = remotes.card_of(record)
        if card.id != os.path.basename(os.path.dirname(path)):
            raise ValueError("the card of another peer")
        taken = {k for (k,) in self._db.execute("SELECT name_key FROM peers")}
        self._insert(replace(card, name=unique(card.name, taken)), os.path.getmtime(path), births)
        for session in sessions:
            self._bind(session, card.id)

    def revision(self) -> tuple[int, int]:
        """What changes when another process wrote; also follows a file that was set aside."""
        version = self._version()
        return self._openings, version

    # ------------------------------------------------------------ reading

    def cards(self) -> list[Card]:
        """Everybody known on this host, by name."""
        with reading(self.path):
            rows = self._db.execute(f"SELECT {_COLUMNS} FROM peers ORDER BY name_key").fetchall()  # noqa: S608
            return [self._card(row) for row in rows]

    def card(self, peer: PeerId) -> Card | None:
        """The card of *peer*."""
        with reading(self.path):
            row = self._db.execute(f"SELECT {_COLUMNS} FROM peers WHERE id = ?", (peer,)).fetchone()  # noqa: S608
            return self._card(row) if row else None

    def known(self, only: Iterable[PeerId] | None = None) -> dict[PeerId, tuple[Card, float]]:
        """The cards of this host's peers, and when the sidecar of each last came or went (wall clock, seconds).

        Args:
            only: of these, as far as they are known here; ``None``: of all.
        """
        ask = f"SELECT seen_at, {_COLUMNS} FROM peers"  # noqa: S608 - the columns are ours
        with reading(self.path):
            if only is None:
                rows = self._db.execute(ask).fetchall()
            else:
                found = (self._db.execute(f"{ask} WHERE id = ?", (peer,)).fetchone() for peer in only)
                rows = [row for row in found if row]
            return {card.id: (card, seen) for seen, *row in rows for card in [self._card(tuple(row))]}

    def _card(self, row: tuple[Any, ...]) -> Card:
        peer, name, person, oneshot, repo, repo_key, branch, cwd, roles, focus, worktree = row
        return Card(
            id=peer,
            name=name,
            host=self._host,
            person=bool(person),
            oneshot=bool(oneshot),
            repo=repo,
            repo_key=repo_key,
            branch=branch,
            cwd=cwd,
            roles=texts(json.loads(roles)),
            focus=focus,
            worktree=worktree,
        )

    def by_session(self, session: str) -> PeerId | None:
        """The peer that the Claude Code session *session* is."""
        with translated(self.path):
            row = self._db.execute(
                "SELECT peer FROM sessions JOIN peers ON peer = id WHERE session = ?", (session,)
            ).fetchone()
        return str(row[0]) if row else None

    def person(self) -> PeerId | None:
        """The peer of the person's shells."""
        with translated(self.path):
            row = self._db.execute("SELECT id FROM peers WHERE person = 1").fetchone()
        return str(row[0]) if row else None

    def named(self, peer: PeerId) -> bool:
        """Whether a person gave *peer* its name."""
        with translated(self.path):
            row = self._db.execute("SELECT named FROM peers WHERE id = ?", (peer,)).fetchone()
        return bool(row and row[0])

    def seen(self) -> dict[PeerId, float]:
        """When each peer's sidecar last came or went (wall clock, seconds)."""
        with translated(self.path):
            return dict(self._db.execute("SELECT id, seen_at FROM peers"))

    def switched_off(self, repo_key: str, here: str = "") -> bool:
        """Whether ``peer off`` took that repo out, by its key or by its place on this host, see ``switch``."""
        with translated(self.path):
            row = self._db.execute("SELECT 1 FROM off WHERE repo_key IN (?, ?)", (repo_key, here)).fetchone()
        return bool(row)

    # ------------------------------------------------------------ writing

    def register(
        self,
        wish: Card,
        *,
        session: str | None,
        is_live: IsLive,
        clock: float,
        fresh: bool = False,
    ) -> Card:
        """The card of a session or of the person's shells, made or brought up to date.

        Args:
            wish: the card as this process sees itself; its id counts only if the peer is new.
            session: the Claude Code session's id; ``None`` for the person.
            is_live: whether a peer's sidecar runs; a name belongs to the living.
            clock: the wall's time in seconds.
            fresh: make a new peer, though the session was one: that one runs elsewhere.
        """
        with transaction(self._db, self.path):
            known = None if fresh else (self.by_session(session) if session else self.person())
            if known is None:
                name = self._make_room(wish.name, wish.id, is_live)
                self._insert(replace(wish, name=name), clock)
                known = wish.id
            else:
                self._refresh(known, wish, clock)
            if session:
                self._bind(session, known)
        card = self.card(known)
        if card is None:
            raise StoreBroken(f"{self.path} forgot a peer that was just written")
        return card

    def _insert(self, card: Card, clock: float, births: int = 0) -> None:
        self._db.execute(
            "INSERT INTO peers (id, name, name_key, named, person, oneshot, repo, repo_key, branch, cwd,"
            " roles, focus, worktree, births, seen_at) VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                card.id,
                card.name,
                key(card.name),
                card.person,
                card.oneshot,
                card.repo,
                card.repo_key,
                card.branch,
                card.cwd,
                json.dumps(card.roles),
                card.focus,
                card.worktree,
                births,
                clock,
            ),
        )

    def _refresh(self, peer: PeerId, wish: Card, clock: float) -> None:
        self._db.execute(
            "UPDATE peers SET repo = ?, repo_key = ?, branch = ?, cwd = ?, worktree = ?, oneshot = ?, seen_at = ?"
            " WHERE id = ?",
            (wish.repo, wish.repo_key, wish.branch, wish.cwd, wish.worktree, wish.oneshot, clock, peer),
        )

    def _make_room(self, name: str, peer: PeerId, is_live: IsLive) -> str:
        """*name*, taken over from a peer that is away, or with a number if its holder is here."""
        holders = dict(self._db.execute("SELECT name_key, id FROM peers WHERE id != ?", (peer,)))
        holder = holders.get(key(name))
        if holder is None or is_live(holder):
            return unique(name, holders)
        held = self._db.execute("SELECT name FROM peers WHERE id = ?", (holder,)).fetchone()[0]
        mine = self._db.execute("SELECT name_key FROM peers WHERE id = ?", (peer,)).fetchone()
        other = unique(held, [*holders, *(mine or ())])
        self._db.execute("UPDATE peers SET name = ?, name_key = ? WHERE id = ?", (other, key(other), holder))
        return name

    def rename(self, peer: PeerId, name: str, *, given: bool, is_live: IsLive) -> str:
        """Call *peer* so, or nearly so; the name it has now.

        Args:
            peer: whom.
            name: a tidy name.
            given: a person asked for just this name: no number is put behind it.
            is_live: whether a peer's sidecar runs.

        Raises:
            NameTaken: *given*, and another that is here has the name.
        """
        with transaction(self._db, self.path):
            got = self._make_room(name, peer, is_live)
            if given and key(got) != key(name):
                raise NameTaken(f"a session that is running is called {name!r} already; choose another name")
            self._db.execute(
                "UPDATE peers SET name = ?, name_key = ?, named = ? WHERE id = ?",
                (got, key(got), given, peer),
            )
        return got

    def update(self, card: Card) -> None:
        """Write what may change of a card: repo, branch, directory, worktree, roles, focus."""
        with transaction(self._db, self.path):
            self._db.execute(
                "UPDATE peers SET repo = ?, repo_key = ?, branch = ?, cwd = ?, worktree = ?, roles = ?, focus = ?"
                " WHERE id = ?",
                (
                    card.repo,
                    card.repo_key,
                    card.branch,
                    card.cwd,
                    card.worktree,
                    json.dumps(card.roles),
                    card.focus,
                    card.id,
                ),
            )

    def bind(self, session: str, peer: PeerId) -> None:
        """From now on *session* is *peer*: ``/clear`` gave it a new id."""
        with transaction(self._db, self.path):
            self._bind(session, peer)

    def _bind(self, session: str, peer: PeerId) -> None:
        self._db.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?)", (session, peer))

    def birth(self, peer: PeerId) -> int:
        """Count one more mailbox of *peer*; how many-th it is, from 1."""
        with transaction(self._db, self.path):
            self._db.execute(
                "UPDATE peers SET births = max(births, ?) + 1 WHERE id = ?", (self._births_told(peer), peer)
            )
            row = self._db.execute("SELECT births FROM peers WHERE id = ?", (peer,)).fetchone()
        return int(row[0]) if row else 1

    def _births_told(self, peer: PeerId) -> int:
        """How many its card says it had: more than we know of, if our journal was cut."""
        try:
            with open(os.path.join(self._root, "peers", peer, CARD), encoding="utf-8") as file:
                births = json.load(file)["births"]
        except _BAD_CARD:
            return 0
        return births if type(births) is int and 0 <= births <= MOST_BIRTHS else 0

    def births(self, peer: PeerId) -> int:
        """How many mailboxes *peer* has had."""
        with translated(self.path):
            row = self._db.execute("SELECT births FROM peers WHERE id = ?", (peer,)).fetchone()
        return int(row[0]) if row else 0

    def sessions(self, peer: PeerId) -> list[str]:
        """The Claude Code sessions that *peer* was."""
        with translated(self.path):
            return [s for (s,) in self._db.execute("SELECT session FROM sessions WHERE peer = ?", (peer,))]

    def saw(self, peer: PeerId, clock: float) -> None:
        """*peer* came or went at *clock* (wall, seconds)."""
        with transaction(self._db, self.path):
            self._db.execute("UPDATE peers SET seen_at = ? WHERE id = ?", (clock, peer))

    def forget(self, peer: PeerId) -> None:
        """*peer* will not come back, and nothing waits for it."""
        with transaction(self._db, self.path):
            self._db.execute("DELETE FROM sessions WHERE peer = ?", (peer,))
            self._db.execute("DELETE FROM peers WHERE id = ?", (peer,))

    def switch(self, repo_key: str, repo: str, *, off: bool, here: str = "") -> None:
        """Take a repo out of peer, or let it in again.

        Args:
            repo_key: its key, by which all clones are meant.
            repo: its name.
            off: take it out.
            here: its place on this host, which stays the same when it gets a first commit or another remote and
                with that another key: it stays out.
        """
        with transaction(self._db, self.path):
            if off:
                rows = [
                    (repo_key, repo, ""),
                    *([(here, repo, repo_key)] if here not in ("", repo_key) else []),
                ]
                self._db.executemany("INSERT OR REPLACE INTO off VALUES (?, ?, ?)", rows)
            else:
                keys = (repo_key, here or repo_key)
                self._db.execute("DELETE FROM off WHERE repo_key IN (?, ?) OR of IN (?, ?)", keys * 2)
