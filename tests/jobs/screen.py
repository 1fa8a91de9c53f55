"""A terminal with a person in front of it, for commands that are run in one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.live.home import PATIENCE, send_signal


class Screen:
    """Runs *words* in a terminal of its own, as its session's leader.

    Args:
        words: the program.
        env: its environment.
        cwd: where it runs.
        size: rows and columns.
        redirected: numbers of streams, and files that they go to in place of the terminal.
    """

    def __init__(
        self,
        words: list[str],
        env: Mapping[str, str],
        cwd: Path,
        size: tuple[int, int] = (33, 101),
        redirected: Mapping[int, int] | None = None,
    ) -> None:
        self.master, self._slave = os.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self._slave)
        self.shown = b""
        self._code: int | None = None
        self.pid = os.fork()
        if not self.pid:
            try:
                os.setsid()
                fcntl.ioctl(self._slave, termios.TIOCSCTTY, 0)
                for number in range(3):
                    os.dup2((redirected or {}).get(number, self._slave), number)
                os.chdir(cwd)
                os.execvpe(words[0], words, dict(env))
            finally:
                os._exit(127)

    def resize(self, rows: int, columns: int) -> None:
        """Its window is made larger or smaller."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Somebody types."""
        os.write(self.master, keys)

    def until(self, words: bytes, timeout: float = PATIENCE) -> None:
        """Wait until *words* are shown."""
        self._wait(lambda: words in self.shown, repr(words), timeout)

    def end(self, timeout: float = PATIENCE) -> int:
        """Its exit code, when it ends; minus the signal's number if one ended it."""
        self._wait(self._ended, "its end", timeout)
        while self._read(0.05):
            pass
        assert self._code is not None
        return self._code

    def _wait(self, check: Callable[[], bool], what: str, timeout: float) -> None:
        end = time.monotonic() + timeout
        while not check():
            assert time.monotonic() < end, f"not within {timeout} s: {what}; but {self.shown!r}"
            self._read(0.05)

    def _read(self, timeout: float) -> bool:
        if self.master < 0:
            time.sleep(timeout)
            return False
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        with contextlib.suppress(OSError):
            self.shown += os.read(self.master, 65_536)
            return True
        return False

    def _ended(self) -> bool:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code is not None

    @property
    def in_order(self) -> bool:
        """Whether the terminal is as it was before."""
        return bool(termios.tcgetattr(self._slave) == self.before)

    def hang_up(self) -> None:
        """The window is closed."""
        os.close(self._slave)
        os.close(self.master)
        self.master = self._slave = -1

    def close(self) -> None:
        """Away with it."""
        if not self._ended():
            send_signal(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for fd in (self.master, self._slave):
            if fd >= 0:
                os.close(fd)
