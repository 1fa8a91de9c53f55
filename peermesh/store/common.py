"""A file that all sidecars of a host share: opened one at a time, followed when it was set aside or lost."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from peermesh.errors import StoreBroken
from peermesh.store import evidence
from peermesh.store.sqlite import CUT, GONE, note, open_file, translated, translated_os

# A journal that was written to longer ago than this shows the next write by its time: file systems' clocks are coarse.
COARSE = 2.0  # seconds


class CommonFile:
    """Opens such a file, and opens it again when another took its place.

    Args:
        path: the file.
        steps: its schema, see store/sqlite.py.

    Raises:
        StoreNewer, StoreBroken, DiskFull, ReadOnly: see store/sqlite.py.
    """

    def __init__(self, path: str, steps: Sequence[str]) -> None:
        self.path, self._steps = path, steps
        self.set_aside: str | None = None
        self._openings = 0
        self._opened: sqlite3.Connection | None = None
        self._closed = False
        self._open()

    @property
    def _db(self) -> sqlite3.Connection:
        """The open file; one that was lost and could not be opened again is tried at each use."""
        if self._closed:
            raise StoreBroken(f"{self.path} is closed")
        if self._opened is None:
            self._open()
            assert self._opened is not None
        return self._opened

    def _open(self) -> None:
        # One at a time: a file that another process is just making must not be taken for a damaged one.
        with self._lock() as lock:
            was_made = os.fstat(lock).st_size > 0
            gone, lacked = evidence.gather(self.path, made=was_made)
            self._opened, aside = open_file(self.path, self._steps)
            try:
                older = self._begin() or lacked > 0
                if gone:
                    aside = note(self.path, GONE)
                elif older and aside is None:
                    aside = note(self.path, CUT)
                if not was_made:
                    self._note_made(lock)
                with translated_os(self.path):
                    evidence.settle(self.path)
            except BaseException:
                self._lose()
                raise
        self.set_aside = aside or self.set_aside
        self._inode = os.stat(self.path).st_ino
        self._openings += 1

    def _begin(self) -> bool:
        """Whatever a file that was just opened needs; nobody else opens it meanwhile. Whether it lacks something that
        it held before, of which a sign is left before that is mended, see store/evidence.py.
        """
        return False

    def _note_made(self, lock: int) -> None:
        """From now on, a file that is not there was deleted."""
        with translated_os(self.path):
            os.write(lock, b"made\n")

    @contextmanager
    def _lock(self) -> Iterator[int]:
        path = f"{self.path.removesuffix('.db')}.lock"
        with translated_os(path):
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield fd
        finally:
            os.close(fd)

    def close(self) -> None:
        """Close the file, for good."""
        self._lose()
        self._closed = True

    def _lose(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def openings(self) -> int:
        """How often this process opened the file: again when it was lost, or set aside by another."""
        return self._openings

    def sign(self) -> object:
        """What differs when anybody wrote, or put another file here; ``None`` if just that cannot be told.

        For who looks again and again at a file that is seldom written: costs a look at the times of two files, half
        of what SQLite's own word does, and no lock.
        """
        try:
            file, journal = os.stat(self.path), os.stat(f"{self.path}-wal")
        except FileNotFoundError:
            return None
        if time.time() - journal.st_mtime <= COARSE:
            return None
        return file.st_ino, journal.st_ino, journal.st_size, journal.st_mtime_ns

    def _version(self) -> int:
        """What changes when another process wrote; follows a file that was set aside."""
        try:
            lost = os.stat(self.path).st_ino != self._inode
        except FileNotFoundError:
            lost = True
        if lost and not self._closed:
            self._lose()
        with translated(self.path):
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])
