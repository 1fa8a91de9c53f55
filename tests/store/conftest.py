"""Places to keep files in, and some in which that goes wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)

# Room for an empty store and its journal, and for little more.
SMALL = 256 * 1024  # bytes


class Mount:
    """A tiny disk of its own, in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read_only(self, *, on: bool) -> None:
        """Make it so that nothing can be written, or can again."""
        options = f"remount,{'ro' if on else 'rw'},size={SMALL}"
        subprocess.run(["mount", "-o", options, str(self.path)], check=True, capture_output=True)

    def fill(self) -> Path:
        """Leave no room; the file that takes it all."""
        hog = self.path / "hog"
        file = os.open(hog, os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(file, b"x" * 4096)
        except OSError as wrong:
            if wrong.errno != errno.ENOSPC:
                raise
        finally:
            os.close(file)
        return hog


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mount]:
    """A tiny disk; needs the right to mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=0700", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        yield Mount(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True, capture_output=True)
