"""Who lives: a peer's lock is held by the one process that is its sidecar, or stands in for it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import sys
from collections.abc import Callable
from typing import Any

# Where the system cannot tell of a process's end, look this often.
LOOK = 1.0  # seconds


def take_lock(path: str) -> int | None:
    """The lock *path* as an open file, or ``None`` while another process holds it.

    The kernel frees it when the holder ends, however it ends.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
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
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def alive(pid: int) -> bool:
    """Whether the process *pid* exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Watch:
    """Calls back once when the process *pid* ends: by pidfd on Linux, kqueue on macOS, else by looking.

    Args:
        pid: any process, not only a child.
        ended: called in the running loop.
    """

    def __init__(self, pid: int, ended: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._pid, self._ended = pid, ended
        self._fd = -1
        self._queue: Any = None
        self._timer: asyncio.TimerHandle | None = None
        try:
            self._start()
        except ProcessLookupError:
            self._loop.call_soon(self._over)
        except OSError:
            self._look()

    def _start(self) -> None:
        if sys.platform == "linux":
            self._fd = os.pidfd_open(self._pid)
        elif sys.platform == "darwin":
            queue = select.kqueue()
            event = select.kevent(self._pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
            queue.control([event], 0)
            self._queue, self._fd = queue, queue.fileno()
        else:
            self._look()
            return
        self._loop.add_reader(self._fd, self._over)

    def _look(self) -> None:
        if alive(self._pid):
            self._timer = self._loop.call_later(LOOK, self._look)
        else:
            self._loop.call_soon(self._over)

    def _over(self) -> None:
        self.stop()
        self._ended()

    def stop(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            if self._queue is not None:
                self._queue.close()
            else:
                os.close(self._fd)
            self._fd = -1
