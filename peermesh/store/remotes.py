"""What is known of other hosts and their peers: tables of the host's shared file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from peermesh.core.rosters import PEERS_LIMIT, Entry, Update
from peermesh.core.words import Card, PeerId
from peermesh.store.sqlite import reading, texts, transaction, translated

STEP = """
CREATE TABLE hosts (key TEXT PRIMARY KEY, up INTEGER NOT NULL, seen_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE remotes (
    id TEXT PRIMARY KEY, host_key TEXT NOT NULL, card TEXT NOT NULL, status TEXT NOT NULL, since REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX remotes_of ON remotes (host_key)
"""
STEP_ACTIVE = "ALTER TABLE remotes ADD COLUMN active REAL NOT NULL DEFAULT 0"

# Cards that are not read again while they stay as they are.
KEPT = 2_000


@dataclass(frozen=True, slots=True)
class HostState:
    """Whether a link to a host is up, and when it was last (wall clock, seconds)."""

    up: bool
    seen_at: float


class Remotes:
    """Reads and writes those tables.

    Args:
        db: gives the connection, which changes when the file is opened anew.
        path: the file, for errors.
    """

    def __init__(self, db: Callable[[], sqlite3.Connection], path: str) -> None:
        self._db, self._path = db, path

    def hosts(self) -> dict[str, HostState]:
        """The hosts of which we ever had a whole roster, by their key."""
        with translated(self._path):
            rows = self._db().execute("SELECT key, up, seen_at FROM hosts").fetchall()
        return {key: HostState(bool(up), seen) for key, up, seen in rows}

    def entries(self, only: Iterable[PeerId] | None = None) -> list[Entry]:
        """The known peers of other hosts, or *only* these as far as they are such."""
        ask = "SELECT card, status, since, active FROM remotes"
        with reading(self._path):
            if only is None:
                rows = self._db().execute(ask).fetchall()
            else:
                found = (self._db().execute(f"{ask} WHERE id = ?", (peer,)).fetchone() for peer in only)
                rows = [row for row in found if row]
            return [Entry(_card(card), status, since, active) for card, status, since, active in rows]

    def host_of(self, peer: PeerId) -> str | None:
        """The key of the host that *peer* is on, if it is on another."""
        with translated(self._path):
            row = self._db().execute("SELECT host_key FROM remotes WHERE id = ?", (peer,)).fetchone()
        return str(row[0]) if row else None

    def learn(self, key: str, update: Update) -> list[PeerId]:
        """The host *key* told this of its peers, already tamed.

        Returns:
            The peers that it may not speak of: another host's, or ours. Nothing of them was written.
        """
        with transaction(self._db(), self._path):
            return self._learn(self._db(), key, update)

    @staticmethod
    def _learn(db: sqlite3.Connection, key: str, update: Update) -> list[PeerId]:
        if update.whole:
            db.execute("DELETE FROM remotes WHERE host_key = ?", (key,))
        for peer in update.gone:
            db.execute("DELETE FROM remotes WHERE id = ? AND host_key = ?", (peer, key))
        count = db.execute("SELECT count(*) FROM remotes WHERE host_key = ?", (key,)).fetchone()[0]
        strange = []
        for one in update.entries:
            held = db.execute("SELECT host_key FROM remotes WHERE id = ?", (one.card.id,)).fetchone()
            ours = db.execute("SELECT 1 FROM peers WHERE id = ?", (one.card.id,)).fetchone()
            if ours or (held and held[0] != key) or (held is None and count >= PEERS_LIMIT):
                strange.append(one.card.id)
                continue
            count += held is None
            db.execute(
                "INSERT OR REPLACE INTO remotes (id, host_key, card, status, since, active)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (one.card.id, key, json.dumps(asdict(one.card)), one.status, one.since, one.active),
            )
        return strange

    def link(self, key: str, *, up: bool, clock: float) -> None:
        """The link to the host *key* came up or broke at *clock* (wall, seconds)."""
        with transaction(self._db(), self._path):
            self._db().execute("INSERT OR REPLACE INTO hosts VALUES (?, ?, ?)", (key, up, clock))

    def nobody_is_up(self) -> None:
        """A new gate begins: whatever the last one left standing is not so any more."""
        with transaction(self._db(), self._path):
            self._db().execute("UPDATE hosts SET up = 0 WHERE up")

    def forget(self, keys: Iterable[str]) -> None:
        """Forget the hosts with *keys*, and their peers."""
        gone = self._known().intersection(keys)
        if not gone:
            return
        with transaction(self._db(), self._path):
            for key in gone:
                self._db().execute("DELETE FROM remotes WHERE host_key = ?", (key,))
                self._db().execute("DELETE FROM hosts WHERE key = ?", (key,))

    def _known(self) -> set[str]:
        with translated(self._path):
            rows = self._db().execute("SELECT key FROM hosts UNION SELECT host_key FROM remotes").fetchall()
        return {key for (key,) in rows}


# All are read again when the link to a host comes up or breaks, by every sidecar.
@lru_cache(maxsize=KEPT)
def _card(text: str) -> Card:
    return card_of(json.loads(text))


def card_of(record: dict[str, Any]) -> Card:
    """The card that *record* is, as ``asdict`` made it; it is used up.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is none.
    """
    roles, person, oneshot = texts(record.pop("roles")), record.pop("person"), record.pop("oneshot")
    texts([*record.values()])
    if not isinstance(person, bool) or not isinstance(oneshot, bool):
        raise ValueError("neither true nor false")
    return Card(roles=roles, person=person, oneshot=oneshot, **record)
