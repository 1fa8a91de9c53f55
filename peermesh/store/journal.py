"""Whether a journal was cut while nobody used it. SQLite cannot tell: it takes one that was cut for one that ends there.

The memory that the users of a file share (``-shm``) survives a kill -9, and says how many frames the journal (``-wal``)
had. Who opens the file next compares; who closes it last removes both.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct

# From SQLite's file format: the header of the shared memory, twice, and how much of the journal is in the file already.
_HEADER = struct.Struct("=I4xIBBHII8s8s8s")
_VERSION = 3_007_000
# The journal's own header, and where its salt stands in it: another one whenever it begins anew.
_JOURNAL, _SALT = 32, 16


def frames(path: str) -> int:
    """How many frames of the journal of *path* are needed; 0 if none are, or if that is not known.

    To be asked before the file is opened, by who alone may open it.
    """
    memory = _read(f"{path}-shm", 2 * _HEADER.size + 4)
    if (
        len(memory) < 2 * _HEADER.size + 4
        or memory[: _HEADER.size] != memory[_HEADER.size : 2 * _HEADER.size]
    ):
        return 0
    version, _, ready, _, _, count, _, _, salt, _ = _HEADER.unpack_from(memory)
    (done,) = struct.unpack_from("=I", memory, 2 * _HEADER.size)
    if version != _VERSION or not ready or done >= count:
        return 0
    journal = _read(f"{path}-wal", _JOURNAL)
    if _sound(journal) and journal[_SALT : _SALT + len(salt)] != salt:
        return 0  # the memory is older than the journal, as after a power failure
    return int(count)


def _sound(journal: bytes) -> bool:
    """Whether *journal* begins as one does: with a header whose checksum is right."""
    if len(journal) < _JOURNAL:
        return False
    order = ">" if journal[3] & 1 else "<"
    words = struct.unpack_from(f"{order}6I", journal)
    one = other = 0
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + other) & 0xFFFF_FFFF
        other = (other + second + one) & 0xFFFF_FFFF
    return bool(struct.unpack_from(">2I", journal, 24) == (one, other))


def was_cut(db: sqlite3.Connection, needed: int) -> bool:
    """Whether the journal of *db*, which was just opened, lacks some of the frames that were *needed*."""
    if not needed:
        return False
    _, found, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(found) < needed


def _read(path: str, most: int) -> bytes:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(most)
    return b""
