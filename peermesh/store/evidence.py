"""What a file lacked when somebody began to open it, kept beside it until that is told.

SQLite makes a file that is not there, and takes a journal that was cut for one that ends there: once it is opened,
nothing shows any more what was lost. Who opens it may die before he has told, or his disk may fail him: the next one
would go on without a word, and with numbers that were used.
"""

from __future__ import annotations

import contextlib
import os


def gather(path: str, *, made: bool, frames: int = 0) -> tuple[bool, int]:
    """What is known of the file at *path* before it is opened, by this process or one that did not come to an end.

    Args:
        path: the file; nobody else opens it meanwhile.
        made: whether there was such a file before.
        frames: how many frames of its journal are needed, see store/journal.py.

    Returns:
        Whether it was deleted, and how many frames are needed.
    """
    gone, needed = _read(path)
    gone, needed = gone or (made and not os.path.exists(path)), max(needed, frames)
    if gone or needed:
        _write(path, gone, needed)
    return gone, needed


def lacks(path: str) -> None:
    """The file was found to lack something, which is about to be mended."""
    gone, needed = _read(path)
    _write(path, gone, max(1, needed))


def is_whole(path: str) -> None:
    """Its journal was looked at, and nothing of it lacks: whoever closes it now may do away with the journal."""
    gone, needed = _read(path)
    if needed:
        _write(path, gone, 0)


def settle(path: str) -> None:
    """The file is open, and all that it lacks is told."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_sign(path))


def _sign(path: str) -> str:
    return f"{path}.opening"


def _write(path: str, gone: bool, needed: int) -> None:
    # A link, since its words need no room on a disk that is full. Where there is none even for that, or nothing
    # may be written, it is known to this process only.
    if _read(path) == (gone, needed):
        return
    with contextlib.suppress(OSError):
        fresh = f"{_sign(path)}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)
        os.symlink(f"{int(gone)}-{needed}", fresh)
        os.replace(fresh, _sign(path))


def _read(path: str) -> tuple[bool, int]:
    try:
        gone, _, needed = os.readlink(_sign(path)).partition("-")
        return gone == "1", int(needed)
    except (OSError, ValueError):
        return False, 0
