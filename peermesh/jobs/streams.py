"""One stream of a job's program, on its way to the log and to whoever follows it."""

from __future__ import annotations

import fcntl
import os
import time

from peermesh.jobs.output import Log, Tail

# What a pipe holds that nobody made wider, and what one is made to hold through which much comes. Few are: a person's
# programs share what the system lends for that.
USUAL, WIDE = 64 * 1024, 1024 * 1024  # bytes
# So much waits, at most, for a follower that reads slowly when the program has ended: what a pipe may hold.
WAITING = 2 * 1024 * 1024


class Stream:
    """Reads what the program prints, and hands it on. A slow follower slows the program down, as a pipe does.

    Args:
        name: ``stdout`` or ``stderr``.
        source: where the program's output comes from.
        follower: where it is handed on to; -1 for nowhere.
        log: where it is kept.
    """

    def __init__(self, name: str, source: int, follower: int, log: Log) -> None:
        self.name, self.source, self.follower = name, source, follower
        self.tail = Tail()
        self.at = 0.0  # when something came last (monotonic)
        self.waiting = b""
        self._log, self._block = log, USUAL
        if follower >= 0:
            os.set_blocking(follower, False)

    def wants(self, *, ended: bool) -> bool:
        """Whether to read on; *ended*: the program has ended, so that nothing can be slowed down any more."""
        return self.source >= 0 and len(self.waiting) < (WAITING if ended else 1)

    def read(self) -> None:
        """Something can be read, or the stream has ended."""
        try:
            data = os.read(self.source, self._block)
        except BlockingIOError:
            return
        except OSError:  # a terminal that nobody holds any more says EIO
            data = b""
        if not data:
            self.close_source()
            return
        if len(data) == USUAL:
            self._widen()
        self.at = time.monotonic()
        self.tail.add(data)
        if self.follower >= 0:
            self.waiting = self.waiting + data if self.waiting else data
            self.write()
        self._log.write(data)

    def _widen(self) -> None:
        """Much comes: have fewer and larger steps, where the system knows of that."""
        self._block = WIDE
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            for fd in (self.source, self.follower):
                try:
                    fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, WIDE)
                except (OSError, ValueError):
                    continue  # no pipe, or more than the person may have: it works as it is

    def write(self) -> None:
        """Hand on what waits, as much as is taken now."""
        try:
            self.waiting = self.waiting[os.write(self.follower, self.waiting) :]
        except BlockingIOError:
            return
        except OSError:
            self.unfollow()

    def finish(self) -> None:
        """Nothing more is read. The follower hears that when it has what waits."""
        self.close_source()
        if not self.waiting:
            self.unfollow()

    def close_source(self) -> None:
        """Read no more: who still prints is told so by a signal, as of any pipe."""
        if self.source >= 0:
            os.close(self.source)
            self.source = -1

    def unfollow(self) -> None:
        """Nobody follows any more."""
        self.waiting = b""
        if self.follower >= 0:
            os.close(self.follower)
            self.follower = -1
