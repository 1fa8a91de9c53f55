"""The command that asked for a job, in the foreground: passes on what is typed, printed and signalled.

Whatever ends it, the job goes on: all that it holds is its end of what its supervisor hands over.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peermesh import config
from peermesh.jobs.setting import NULL, OWN, PIPE, SAME, TERMINAL, environment
from peermesh.jobs.talk import Talk
from peermesh.jobs.terminal import Terminal

# The directory that holds the package, and what is run in a supervisor's interpreter.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(config.__file__)))
_RUN = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from peermesh.jobs.supervisor import main; sys.exit(main())"
)
BLOCK = 1024 * 1024  # bytes that are shown at once
# What a shell sends to whom it runs in the foreground, and people to what they started. All others end us only.
_PASSED = (signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP)
_LEAVING = (signal.SIGTERM, signal.SIGHUP)
_HANDLED = (*_PASSED, *_LEAVING)
IN, OUT, ERR = 0, 1, 2


class CannotRunError(Exception):
    """The program cannot be run."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number = number


class SupervisorDiedError(Exception):
    """The job's supervisor is gone, and with it the exit code."""


class LeftError(Exception):
    """We were told to end; the job goes on."""

    def __init__(self, sign: int) -> None:
        super().__init__()
        self.sign = sign


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be run."""

    directory: str  # the job's
    root: str  # the state directory
    path: str  # the program's file
    argv: Sequence[str]


def summon() -> Talk:
    """Start a supervisor, in a session of its own; it waits to be told what to run, and ends if it is not."""
    _fill_streams()
    near, far = socket.socketpair()
    child = os.fork()
    if child:
        far.close()
        os.waitpid(child, 0)  # the one in between ends at once
        return Talk(near)
    try:
        if os.fork():
            os._exit(0)
        os.setsid()
        far.set_inheritable(True)
        words = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _RUN, _PACKAGE, str(far.fileno())]
        os.execve(words[0], words, environment())
    finally:
        os._exit(127)


def _fill_streams() -> None:
    """Where a standard stream was closed, what is opened next must not be taken for it."""
    for number in (IN, OUT, ERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def detach(near: Talk, wanted: Wanted) -> int:
    """Have *wanted* run by itself; its process.

    Raises:
        CannotRunError: it cannot.
        SupervisorDiedError: nobody knows.
    """
    _order(near, wanted, [NULL, PIPE, PIPE], [])
    return _started(near)


def _order(near: Talk, wanted: Wanted, streams: list[str], given: Sequence[int]) -> None:
    near.say(
        given,
        dir=wanted.directory,
        root=wanted.root,
        path=_bytes(wanted.path),
        argv=[_bytes(word) for word in wanted.argv],
        streams=streams,
    )


def _bytes(text: str) -> str:
    """*text* byte by byte: the supervisor may read names by another encoding."""
    return os.fsencode(text).decode("latin-1")


def _started(near: Talk) -> int:
    said = near.next()
    if said is None:
        raise SupervisorDiedError
    if "failed" in said:
        raise CannotRunError(int(said["failed"]), str(said["why"]))
    return int(said["started"])


class Foreground:
    """One job that is followed to its end.

    Args:
        near: to its supervisor.
    """

    def __init__(self, near: Talk) -> None:
        self._near = near
        self._terminal: Terminal | None = None
        self._followed: dict[int, tuple[str, int]] = {}  # from where: the stream's name, and to where
        self._code: int | None = None
        self.sign = 0  # the signal that ended it
        self.lost = ""  # why something of the output could not be shown

    def run(self, wanted: Wanted) -> int:
        """Run *wanted* and follow it to its end; what a shell would say of that: 0 to 255.

        Raises:
            CannotRunError: it cannot be run.
            SupervisorDiedError: nobody knows how it ended.
            LeftError: we are to end before it does.
        """
        streams = _streams()
        given, ours = list[int](), list[int]()
        if TERMINAL in streams:
            self._terminal = Terminal(OUT if streams[OUT] == TERMINAL else ERR, keys=streams[IN] == TERMINAL)
            given += [self._terminal.master, self._terminal.slave]
            ours.append(self._terminal.slave)
        for number, kind in enumerate(streams):
            shown = TERMINAL in streams[1:number]  # both on one terminal are one stream
            if number != IN and kind in (PIPE, TERMINAL) and not (kind == TERMINAL and shown):
                source, sink = os.pipe()
                self._followed[source] = ("stdout" if number == OUT else "stderr", number)
                given.append(sink)
                ours.append(sink)
        if sys.stdout is not None:  # as it is where it was closed
            sys.stdout.flush()
        # A signal that comes before the program runs is passed on when it does.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        kept: dict[signal.Signals, Any] = {}
        try:
            _order(self._near, wanted, streams, given)
            for fd in ours:
                os.close(fd)
            _started(self._near)
            kept = self._listen()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        return self._follow(kept)

    def _follow(self, kept: dict[signal.Signals, Any]) -> int:
        try:
            if self._terminal is not None:
                self._terminal.enter()
            self._attend()
            while self._code is None or self._followed:
                if self._near.over and self._code is None and not self._followed:
                    raise SupervisorDiedError
                self._turn()
        finally:
            for sign in _LEAVING:
                signal.signal(sign, signal.SIG_IGN)  # the screen is put in order whatever comes
            if self._terminal is not None:
                self._terminal.leave()
            for sign, before in kept.items():
                signal.signal(sign, before)
        return self._code

    def _listen(self) -> dict[signal.Signals, Any]:
        """Pass signals on; how they were handled before."""
        wanted: dict[signal.Signals, Any] = dict.fromkeys(_PASSED, self._pass)
        wanted |= dict.fromkeys(_LEAVING, _leave)
        wanted[signal.SIGCONT] = self._go_on
        if self._terminal is not None:
            wanted[signal.SIGWINCH] = self._resize
        kept = {sign: signal.getsignal(sign) for sign in wanted}
        for sign, handler in wanted.items():
            if kept[sign] is not signal.SIG_IGN:  # as with nohup, or in the background of a script
                signal.signal(sign, handler)
        return kept

    def _pass(self, number: int, frame: object) -> None:
        self._near.say(signal=signal.Signals(number).name.removeprefix("SIG"))

    def _go_on(self, number: int, frame: object) -> None:
        if self._terminal is not None:
            self._terminal.enter()
        self._near.say(signal="CONT")

    def _resize(self, number: int, frame: object) -> None:
        if self._terminal is not None:
            self._terminal.resize()

    def _turn(self) -> None:
        reads: list[Any] = [*self._followed, *([] if self._near.over else [self._near])]
        writes = list[int]()
        if self._terminal is not None:
            reads += self._terminal.reads()
            writes += self._terminal.writes()
        able, writable, _ = select.select(reads, writes, [])
        for fd in [fd for fd in self._followed if fd in able]:
            self._show(fd)
        if self._near in able:
            self._near.hear()
            self._attend()
        if self._terminal is not None:
            self._terminal.pass_on(able, writable)

    def _attend(self) -> None:
        while self._near.heard:
            said = self._near.heard.pop(0)
            if "ended" in said:
                self._code, self.sign = int(said["ended"]), int(said["sign"])
            elif "stopped" in said:
                self._stop(int(said["stopped"]))

    def _stop(self, sign: int) -> None:
        """The program was stopped, from the keyboard or else, so we are, by the same signal: the shell takes over
        until we go on. Where there is no shell that could, nothing stops us, and the program goes on at once.
        """
        if self._terminal is not None:
            self._terminal.leave()
        before = signal.signal(sign, signal.SIG_DFL) if sign != signal.SIGSTOP else None
        os.kill(os.getpid(), sign)
        if before is not None:
            signal.signal(sign, before)
        self._go_on(signal.SIGCONT, None)

    def die(self) -> None:
        """End by the signal that ended the program, so that a shell's loop ends too; returns if that cannot be.

        Where Ctrl-C was typed all of our process group gets it, as they would if the terminal were not ours:
        a script waits for its own.
        """
        typed = self._terminal is not None and self._terminal.interrupted
        if self.sign != signal.SIGKILL:
            signal.signal(self.sign, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what is to be seen in a core is the program's
        os.kill(0 if typed and self.sign == signal.SIGINT else os.getpid(), self.sign)

    def _show(self, source: int) -> None:
        data = os.read(source, BLOCK)
        name, sink = self._followed[source]
        try:
            _write(sink, data)
        except BrokenPipeError:  # who reads wants no more, so the program is to know
            self._near.say(broken=name)
            data = b""
        except OSError as wrong:  # a full disk, a terminal that is gone: the program runs on all the same
            self.lost = wrong.strerror or str(wrong)
        if not data:
            os.close(source)
            del self._followed[source]


def _leave(number: int, _frame: object) -> None:
    raise LeftError(number)


def _write(sink: int, data: bytes) -> None:
    """Write all of *data*, also to a file that somebody told not to block."""
    while data:
        try:
            data = data[os.write(sink, data) :]
        except BlockingIOError:
            select.select([], [sink], [])


def _streams() -> list[str]:
    """What the program's streams are to be, by what ours are: a terminal where ours is one, so that colours and
    widths stay; one pipe for both where ours are one file, so that the order of lines stays.
    """
    shown = [os.isatty(number) for number in (IN, OUT, ERR)]
    streams = [
        # Where only what is typed is a terminal's, as in `peer run -- make | less`, others may want the keys.
        TERMINAL if shown[IN] and shown[OUT] else OWN,
        TERMINAL if shown[OUT] else PIPE,
        TERMINAL if shown[ERR] else PIPE,
    ]
    out, err = os.fstat(OUT), os.fstat(ERR)
    if streams[1:] == [PIPE, PIPE] and (out.st_dev, out.st_ino) == (err.st_dev, err.st_ino):
        streams[ERR] = SAME
    return streams
