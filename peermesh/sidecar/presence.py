"""The life of processes: whether one lives, being told when it does no more, and what it is called in `ps`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
from collections.abc import Callable
from typing import Any

# Where the system cannot tell of a process's end, look this often.
LOOK = 1.0  # seconds


def alive(pid: int) -> bool:
    """Whether the process *pid* exists."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # the second: no system has such a number
        return False
    except PermissionError:
        return True
    return True


def call_process(name: str) -> None:
    """Have `ps` and `top` show this process as *name*, of which Linux keeps 15 bytes: a command line stays the same
    over a fork. Elsewhere nothing happens.
    """
    with contextlib.suppress(OSError), open("/proc/self/comm", "wb", buffering=0) as file:
        file.write(name.encode())


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
