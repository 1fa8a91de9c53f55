"""Two terminals made one: the person's, and the one that a job's program is given."""

from __future__ import annotations

import fcntl
import os
import termios
import tty
from collections.abc import Sequence
from typing import Any

KEYS = 0  # where a person types
CC = 6  # where the special characters are in what `tcgetattr` gives
BLOCK = 4096  # bytes that are typed at once


class Terminal:
    """The program's terminal, which looks like the person's.

    Args:
        shown: the person's terminal, where output goes.
        keys: whether what is typed goes to the program, every key of it.
    """

    def __init__(self, shown: int, *, keys: bool) -> None:
        self._shown, self._keys = shown, keys
        self.master, self.slave = os.openpty()
        self._usual = termios.tcgetattr(shown)
        termios.tcsetattr(self.slave, termios.TCSANOW, self._usual)
        self._raw = False
        self._typed = b""
        self.interrupted = False  # whether Ctrl-C was typed
        self.resize()
        if keys:
            # Nobody else reads of it but when there is something; and who types more than the program reads is
            # not to keep us from showing what it prints.
            os.set_blocking(self.master, False)

    def resize(self) -> None:
        """The person's terminal has another size: the program's gets it too, and the program a signal."""
        size = fcntl.ioctl(self._shown, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def enter(self) -> None:
        """Have every key go to the program, unless we are in the background."""
        if not self._keys or self._raw or not self._in_front():
            return
        self._usual = termios.tcgetattr(KEYS)
        tty.setraw(KEYS, termios.TCSADRAIN)
        self._raw = True

    def leave(self) -> None:
        """The person's terminal is as it was."""
        if self._raw:
            self._raw = False
            if self._in_front():
                termios.tcsetattr(KEYS, termios.TCSADRAIN, self._usual)

    @staticmethod
    def _in_front() -> bool:
        try:
            return os.tcgetpgrp(KEYS) == os.getpgrp()
        except OSError:
            return False  # it is gone, or not ours

    def reads(self) -> list[int]:
        """What to wait for: keys, unless there are more than the program wants."""
        return [KEYS] if self._raw and not self._typed else []

    def writes(self) -> list[int]:
        """Where to wait for room."""
        return [self.master] if self._typed else []

    def pass_on(self, able: Sequence[Any], writable: Sequence[Any]) -> None:
        """Take what was typed, and give it to the program."""
        if self._raw and KEYS in able:
            try:
                self._typed = os.read(KEYS, BLOCK)
            except OSError:
                self._typed = b""
            if not self._typed:
                self._raw = self._keys = False  # the terminal is gone
            self.interrupted = self.interrupted or self._usual[CC][termios.VINTR] in self._typed
        if self._typed and (self.master in writable or KEYS in able):
            try:
                self._typed = self._typed[os.write(self.master, self._typed) :]
            except BlockingIOError:
                return
            except OSError:
                self._typed = b""  # the program is gone
