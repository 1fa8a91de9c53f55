"""Who lives, told by the kernel: a lock is held by one process, and is free when that ends, however it ends.

Standard library only: a job's supervisor starts with each `peer run`.
"""

from __future__ import annotations

import fcntl
import os
import time

# How often a lock is tried that somebody holds for a moment.
POLL = 0.005  # seconds


def take_lock(path: str, patience: float = 0.0) -> int | None:
    """The lock *path* as an open file, or ``None`` while another process holds it.

    Args:
        path: a file, made if it is not there.
        patience: seconds to try again: whoever looks by ``is_locked`` holds it for an instant.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    last = time.monotonic() + patience
    while not _locked(fd, fcntl.LOCK_EX):
        if time.monotonic() >= last:
            os.close(fd)
            return None
        time.sleep(POLL)
    return fd


def free_lock(fd: int) -> None:
    """Let the lock go."""
    os.close(fd)


def is_locked(path: str) -> bool:
    """Whether some process holds the lock *path*. Never keeps anybody from taking it for long."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _locked(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _locked(fd: int, how: int) -> bool:
    """Try to lock the open file; whether that succeeded."""
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
