"""What changed in the host's shared file, numbered: who knows the file as of one number asks for what came after it.

Triggers write the numbers, so no writer can forget to, an older program that has the file open just now included.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from peermesh.core.words import PeerId
from peermesh.store.sqlite import translated

# Changes that are remembered: whoever slept through more reads all anew.
KEPT = 10_000

_NOTE = "INSERT OR REPLACE INTO changes (peer) VALUES"

# A peer stands there once, with the number of its last change; one that is in neither table any more was forgotten. A
# number is never given twice, not even that of a row which is replaced: that is what AUTOINCREMENT is for. How many
# mailboxes a peer had is nobody else's business.
STEP = f"""
CREATE TABLE changes (n INTEGER PRIMARY KEY AUTOINCREMENT, peer TEXT NOT NULL UNIQUE);
CREATE TRIGGER peers_new AFTER INSERT ON peers BEGIN {_NOTE} (new.id); END;
CREATE TRIGGER peers_other AFTER UPDATE OF name, person, oneshot, repo, repo_key, branch, cwd, roles, focus, worktree,
    seen_at ON peers BEGIN {_NOTE} (new.id); END;
CREATE TRIGGER peers_gone AFTER DELETE ON peers BEGIN {_NOTE} (old.id); END;
CREATE TRIGGER remotes_new AFTER INSERT ON remotes BEGIN {_NOTE} (new.id); END;
CREATE TRIGGER remotes_gone AFTER DELETE ON remotes BEGIN {_NOTE} (old.id); END;
CREATE TRIGGER changes_old AFTER INSERT ON changes BEGIN DELETE FROM changes WHERE n <= new.n - {KEPT}; END
"""  # noqa: S608 - all of these are our own words


class Changes:
    """Reads that table.

    Args:
        db: gives the connection, which changes when the file is opened anew.
        path: the file, for errors.
    """

    def __init__(self, db: Callable[[], sqlite3.Connection], path: str) -> None:
        self._db, self._path = db, path

    def since(self, known: int | None) -> tuple[int, list[PeerId] | None]:
        """Who changed, came or was forgotten since the change *known*, here and on other hosts.

        Args:
            known: what this returned the last time; ``None`` at the first time, and in a file that was opened anew.

        Returns:
            The number of the last change, and who; ``None`` instead if all are to be read.

        Raises:
            StoreBroken: it cannot be read.
        """
        with translated(self._path):
            first, last = self._db().execute("SELECT min(n), max(n) FROM changes").fetchone()
            if first is None:
                first, last = 1, 0
            # Those between what is known and the first that is still there changed again later, or were let go.
            if known is None or not first - 1 <= known <= last:
                return last, None
            rows = self._db().execute("SELECT peer FROM changes WHERE n > ?", (known,)).fetchall()
        return last, [peer for (peer,) in rows]
