"""How the C library hands out memory, so that a sidecar gives back what a talk took, and does not grow while it lasts.

ZeroMQ keeps what waits on a link in pieces of 16 KB, of which a link has four at once, and fills them as frames go
through, 64 bytes each. Cut from the heap they lie anywhere, so each new page that is written to stays, and when a link is
closed its neighbours keep the heap from shrinking. As mappings of their own they begin with a page, in which the first
63 frames find room, and go back to the kernel with the link.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys

# From <malloc.h> of the GNU C library, where alone these have a meaning.
_TOP_PAD, _MMAP_THRESHOLD = -2, -3
# What is as large as a piece of ZeroMQ's, 16,400 bytes, has a mapping of its own, if no free piece of the heap fits. Setting this also keeps the C library
# from raising it, as it would at the first large buffer.
OWN_MAPPING = 16 * 1024  # bytes
# The heap grows in smaller steps than that, or those pieces would be cut from what is left over at its end.
STEP = 8 * 1024  # bytes


def _c_library() -> ctypes.CDLL | None:
    """That of this process, if it is GNU's."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(AttributeError, OSError):  # another one has no such functions
        library = ctypes.CDLL(None)
        for name in ("mallopt", "malloc_trim"):
            getattr(library, name)
        return library
    return None


# Looked up before the fork server forks, so that its sidecars share it.
_library = _c_library()


def arrange() -> bool:
    """For this process, and those that it forks. Whether that can be done here: with the GNU C library."""
    if _library is None:
        return False
    return bool(_library.mallopt(_MMAP_THRESHOLD, OWN_MAPPING) and _library.mallopt(_TOP_PAD, STEP))


def tighten() -> None:
    """Before links are dialled: what is free in the heap goes back, or their queues would be cut from it.

    Takes 25 to 90 µs, and a millisecond once after a burst; a link takes a millisecond.
    """
    if _library is not None:
        _library.malloc_trim(ctypes.c_size_t(STEP))
