"""What each session keeps for itself, and what a person set for a repo: small tables beside the log."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from peermesh.core.words import PeerId
from peermesh.store.sqlite import reading, transaction, translated

STEP = """
CREATE TABLE state (
    peer TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (peer, key)
) WITHOUT ROWID;
CREATE TABLE told (peer TEXT PRIMARY KEY, seq INTEGER NOT NULL, known TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE places (place TEXT PRIMARY KEY, repo TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE modes (repo TEXT PRIMARY KEY, mode TEXT NOT NULL) WITHOUT ROWID
"""


class Notebook:
    """Reads and writes those tables.

    Args:
        db: gives the connection, which changes when the file is opened anew.
        path: the file, for errors.
    """

    def __init__(self, db: Callable[[], sqlite3.Connection], path: str) -> None:
        self._db, self._path = db, path

    # ------------------------------------------------------------ a session's state

    def state_set(self, peer: PeerId, key: str, text: str, at: float) -> None:
        """*peer* keeps *text* under *key*, since *at* (wall clock, seconds)."""
        with transaction(self._db(), self._path):
            self._db().execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)", (peer, key, text, at))

    def state_get(self, peer: PeerId, key: str) -> str | None:
        """What *peer* keeps under *key*."""
        with translated(self._path):
            row = (
                self._db()
                .execute("SELECT text FROM state WHERE peer = ? AND key = ?", (peer, key))
                .fetchone()
            )
        return str(row[0]) if row else None

    def state_all(self, peer: PeerId) -> list[tuple[str, str, float]]:
        """What *peer* keeps: key, text, and since when, by key."""
        with translated(self._path):
            rows = self._db().execute("SELECT key, text, at FROM state WHERE peer = ? ORDER BY key", (peer,))
            return rows.fetchall()

    def state_clear(self, peer: PeerId, key: str | None = None) -> None:
        """*peer* keeps nothing any more under *key*, or at all."""
        with transaction(self._db(), self._path):
            self._db().execute("DELETE FROM state WHERE peer = ? AND ? IN (key, '')", (peer, key or ""))

    # ------------------------------------------------------------ what a session was told

    def told(self, peer: PeerId) -> tuple[int, dict[str, Any]] | None:
        """Up to which event, in order of arrival, *peer* was told, and what it knew then; ``None`` if it never was."""
        with reading(self._path):
            row = self._db().execute("SELECT seq, known FROM told WHERE peer = ?", (peer,)).fetchone()
            return (int(row[0]), dict(json.loads(row[1]))) if row else None

    def set_told(self, peer: PeerId, seq: int, known: Mapping[str, Any]) -> None:
        """*peer* was told up to *seq*, and knows that."""
        with transaction(self._db(), self._path):
            self._db().execute("INSERT OR REPLACE INTO told VALUES (?, ?, ?)", (peer, seq, json.dumps(known)))

    def forget(self, peer: PeerId) -> None:
        """*peer* will not come back."""
        with transaction(self._db(), self._path):
            self._db().execute("DELETE FROM state WHERE peer = ?", (peer,))
            self._db().execute("DELETE FROM told WHERE peer = ?", (peer,))

    # ------------------------------------------------------------ where repos are

    def repo_at(self, place: str) -> str:
        """The key of the repo that was at *place*, what stays the same of it on this host; "" if none was."""
        with translated(self._path):
            row = self._db().execute("SELECT repo FROM places WHERE place = ?", (place,)).fetchone()
        return str(row[0]) if row else ""

    def set_repo_at(self, place: str, repo: str) -> None:
        """The repo at *place* has this key."""
        with transaction(self._db(), self._path):
            self._db().execute("INSERT OR REPLACE INTO places VALUES (?, ?)", (place, repo))

    # ------------------------------------------------------------ a repo's settings

    def mode(self, repo: str) -> str:
        """How claims of *repo* warn, as a person set it; "" if nobody did."""
        with translated(self._path):
            row = self._db().execute("SELECT mode FROM modes WHERE repo = ?", (repo,)).fetchone()
        return str(row[0]) if row else ""

    def set_mode(self, repo: str, mode: str) -> None:
        """Set it; "" takes that back."""
        with transaction(self._db(), self._path):
            if mode:
                self._db().execute("INSERT OR REPLACE INTO modes VALUES (?, ?)", (repo, mode))
            else:
                self._db().execute("DELETE FROM modes WHERE repo = ?", (repo,))
