"""The end of a process that is none of ours: noticed at once, and with its exit code where the system tells it.

On Linux that is so while the process waits for its parent to take note of it, and from Linux 6.15 on also later.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
from collections.abc import Callable
from typing import NamedTuple

from peermesh.jobs.files import start_time
from peermesh.sidecar.presence import Watch

# Linux's PIDFD_GET_INFO: _IOWR(0xFF, 11, struct pidfd_info), of which the first version has 64 bytes.
_INFO_SIZE = 64
_GET_INFO = 0xC0000000 | _INFO_SIZE << 16 | 0xFF << 8 | 11
_EXIT = 1 << 3  # in its mask: the status is known
_STATUS_AT = 60  # where in it the status is


class Exit(NamedTuple):
    """How a process ended: its exit code, or the signal that ended it; neither if that cannot be known."""

    code: int | None = None
    signal: str = ""

    @property
    def known(self) -> bool:
        """Whether the system told it."""
        return self != Exit()


class Ending:
    """Calls back once when the process *pid* ends.

    Args:
        pid: any process.
        started: its start time as the kernel counts, by which a later process of that number is told from it.
        ended: called in the running loop.
    """

    def __init__(self, pid: int, started: str, ended: Callable[[Exit], None]) -> None:
        self._pid, self._started, self._ended = pid, started, ended
        self._fd = _pidfd(pid)
        self._watch = Watch(pid, self._over)

    def _over(self) -> None:
        how = of_zombie(self._pid, self._started)
        if not how.known:
            how = _of_reaped(self._fd)
        self.stop()
        self._ended(how)

    def stop(self) -> None:
        """Watch no longer."""
        self._watch.stop()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _pidfd(pid: int) -> int:
    if sys.platform != "linux":
        return -1
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def of_zombie(pid: int, started: str) -> Exit:
    """How a process ended whose parent has not asked for that yet; not known if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        ours = os.geteuid() in (0, os.stat(f"/proc/{pid}").st_uid)  # to others the system says 0
    except OSError:
        return Exit()
    if not ours or len(fields) < 50 or fields[0] != b"Z" or start_time(pid) != started:
        return Exit()
    return _exit(int(fields[49]))


def _of_reaped(fd: int) -> Exit:
    """What the system remembers for whoever holds the process open; not known if it does not."""
    if fd < 0:
        return Exit()
    info = bytearray(_INFO_SIZE)
    struct.pack_into("=Q", info, 0, _EXIT)
    try:
        fcntl.ioctl(fd, _GET_INFO, info)
    except OSError:
        return Exit()
    (mask,) = struct.unpack_from("=Q", info, 0)
    return _exit(struct.unpack_from("=i", info, _STATUS_AT)[0]) if mask & _EXIT else Exit()


def _exit(status: int) -> Exit:
    if os.WIFEXITED(status):
        return Exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    try:
        return Exit(signal=signal.Signals(number).name)
    except ValueError:
        return Exit(signal=f"signal {number}")
