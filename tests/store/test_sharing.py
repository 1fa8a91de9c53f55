"""Files that several processes share: who leaves does not take the journal away under the others."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from peermesh.errors import PeerError
from peermesh.store.host import HostStore
from peermesh.store.log import LogStore

ROOT = Path(__file__).parents[2]
LEAVE = """
import sys; sys.path.insert(0, sys.argv[1])
from peermesh.store.host import HostStore
from peermesh.store.log import LogStore
(HostStore(sys.argv[2], "desk") if sys.argv[3] == "host.db" else LogStore(sys.argv[2])).close()
"""


@pytest.mark.parametrize("name", ["host.db", "log.db"])
def test_who_leaves_takes_no_journal_away(tmp_path: Path, name: str) -> None:
    """SQLite deletes the journal with the last one who has the file open, by locks that any close() of it ends."""
    root = str(tmp_path)
    made: HostStore | LogStore
    for _ in range(2):  # one that was there already is looked at more closely
        made = HostStore(root, "desk") if name == "host.db" else LogStore(root)
        journal = os.stat(tmp_path / f"{name}-wal").st_ino
        subprocess.run([sys.executable, "-c", LEAVE, str(ROOT), root, name], check=True, timeout=60)
        assert os.stat(tmp_path / f"{name}-wal").st_ino == journal
        made.close()


class Failing:
    """A connection on which statements with some word in them fail, as on a broken disk."""

    def __init__(self, real: Any, word: str) -> None:
        self._real, self._word = real, word

    def execute(self, statement: str, *words: Any) -> Any:
        """As the real one, or not at all."""
        if self._word in statement:
            raise sqlite3.OperationalError("disk I/O error")
        return self._real.execute(statement, *words)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize("word", ["COMMIT", "SELECT"])
def test_a_look_that_fails_leaves_nothing_open(tmp_path: Path, word: str) -> None:
    """What is told to other hosts is read as of one moment: that moment ends, also when it cannot be read."""
    log = LogStore(str(tmp_path))
    real = log._db
    log._opened = Failing(real, word)  # type: ignore[assignment]
    with contextlib.suppress(PeerError):
        log.tell(0)
    assert not real.in_transaction
    log._opened = real
    log.tell(0)
    log.close()
