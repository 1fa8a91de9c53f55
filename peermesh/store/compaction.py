"""Deleting what nobody needs of the own log, a few rows at a time: a sidecar's loop serves others in between.

The oldest go first. So what is left at any moment is all that is needed and the later part of the rest, in which an
end may stand without its beginning, and never a beginning without its end: who makes a picture of it meanwhile, or
after a death in the middle, sees the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from peermesh.core.events import EventId
from peermesh.store import log_rows
from peermesh.store.log_rows import KINDS

if TYPE_CHECKING:
    import sqlite3

    from peermesh.store.log_writer import Writer

# Rows that one step looks at, and deletes in one transaction.
ROWS = 500


class Compaction:
    """One repo's events in the own log.

    Args:
        db: gives the connection.
        writing: opens a transaction.
        own: the name of the own log.
        repo: which.
        needed: the events that the picture of all up to *upto_seq* stands on.
        upto_seq: what came later is left alone.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a deletion is bounded by
        self,
        db: Callable[[], sqlite3.Connection],
        writing: Callable[[], AbstractContextManager[Writer]],
        own: str,
        repo: str,
        needed: Collection[EventId],
        upto_seq: int,
    ) -> None:
        self._db, self._writing, self._own, self._repo = db, writing, own, repo
        self._needed, self._upto = frozenset(needed), upto_seq
        self._bound = log_rows.Bound(db(), own, repo)
        self._after = 0  # what stands up to here was looked at
        self._told = False  # whether other hosts know something that is deleted now
        self.deleted = 0

    def step(self, rows: int = ROWS) -> bool:
        """Look at the next *rows* events; whether there may be more."""
        found = (
            self._db()
            .execute(
                f"SELECT {log_rows.COLUMNS}, told FROM events"  # noqa: S608 - the words are ours
                " WHERE repo = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                (self._repo, self._after, self._upto, rows),
            )
            .fetchall()
        )
        doomed = [row for row in found if self._is_doomed(row)]
        if doomed:
            with self._writing() as writer:
                writer.delete([row[0] for row in doomed])
        self.deleted += len(doomed)
        self._told = self._told or any(row[-1] for row in doomed)
        if found:
            self._after = found[-1][0]
        return len(found) == rows

    def _is_doomed(self, row: tuple[Any, ...]) -> bool:
        mine = row[1] == self._own and row[7] in KINDS
        return mine and EventId(row[1], row[2]) not in self._needed and not self._bound.holds(row)

    def finish(self) -> int:
        """Have the other sidecars make their pictures anew, and other hosts hear of it; how many are gone.

        After a death before this, pictures hold what is not needed, and so do other hosts, until the next compaction.
        """
        if self.deleted:
            with self._writing() as writer:
                writer.deleted(told=self._told)
        return self.deleted
