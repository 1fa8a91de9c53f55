"""Files that several processes share: who leaves does not take the journal away under the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
