"""Questions of one peer that are still open: those it asked, and those it was asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from peermesh.core.words import Message
from peermesh.store.rows import message
from peermesh.store.sqlite import reading

# A question is open for so long; after that nobody waits for its answer any more.
OPEN = 2 * 86_400.0  # seconds

STEP = """
CREATE INDEX outbox_questions ON outbox (n) WHERE kind = 'question';
CREATE INDEX inbox_questions ON inbox (seq) WHERE kind = 'question';
CREATE INDEX outbox_replies ON outbox (json_extract(fields, '$.reply')) WHERE json_extract(fields, '$.reply') IS NOT NULL;
CREATE INDEX inbox_replies ON inbox (json_extract(fields, '$.reply')) WHERE json_extract(fields, '$.reply') IS NOT NULL
"""

_ASKED = """
SELECT n, kind, body, fields, state, shown_at FROM outbox AS o
WHERE kind = 'question' AND state != 'refused' AND said_at > :since AND NOT EXISTS (
    SELECT 1 FROM inbox WHERE json_extract(fields, '$.reply') = :peer || '-' || o.n AND (kind != 'notice' OR :told)
) AND NOT (:told AND EXISTS (  -- on its way to ourselves: whoever said so may have died before it came
    SELECT 1 FROM outbox AS r WHERE json_extract(fields, '$.reply') = :peer || '-' || o.n AND r.kind = 'notice'
)) ORDER BY n DESC LIMIT :most
"""
_OWED = """
SELECT peer, n, kind, body, fields FROM inbox AS i
WHERE kind = 'question' AND state = 'shown' AND came_at > :since AND NOT EXISTS (
    SELECT 1 FROM outbox WHERE json_extract(fields, '$.reply') = i.peer || '-' || i.n AND state != 'refused'
) ORDER BY seq DESC LIMIT :most
"""


@dataclass(frozen=True, slots=True)
class Open:
    """A question that waits for its answer."""

    message: Message
    state: str
    shown_at: float  # wall clock, seconds; 0: not yet


class Questions:
    """Reads them from a mailbox.

    Args:
        db: the mailbox's connection.
        path: its file, for errors.
        peer: whose it is.
    """

    def __init__(self, db: Callable[[], sqlite3.Connection], path: str, peer: str) -> None:
        self._db, self._path, self._peer = db, path, peer

    def asked(self, clock: float, most: int, *, untold: bool = False) -> list[Open]:
        """Questions that this peer asked and that have no answer, the newest first.

        Args:
            clock: wall time, seconds.
            most: so many.
            untold: only those of which it was not told yet that nobody answers.
        """
        named = {"since": clock - OPEN, "peer": self._peer, "most": most, "told": untold}
        with reading(self._path):
            rows = self._db().execute(_ASKED, named).fetchall()
            return [Open(message(self._peer, *row[:4]), row[4], row[5] or 0.0) for row in rows]

    def owed(self, clock: float, most: int) -> list[Message]:
        """Questions that this peer has read and not answered, the newest first."""
        with reading(self._path):
            rows = self._db().execute(_OWED, {"since": clock - OPEN, "most": most}).fetchall()
            return [message(*row) for row in rows]
