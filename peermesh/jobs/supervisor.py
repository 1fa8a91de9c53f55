"""A job's supervisor: a process that owns the job's program and outlives whoever asked for it.

It keeps what the program prints, hands it on to the command in the foreground while there is one, passes signals on,
and writes down the end. It ends at most a second after the program, whatever that left behind.

Standard library only, and light: one starts with each `peer run`.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time

from peermesh.jobs import child, ending, files
from peermesh.jobs.output import Log
from peermesh.jobs.setting import Setting
from peermesh.jobs.streams import Stream
from peermesh.jobs.talk import Talk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# From being asked to end to being made to.
PATIENCE = 5.0  # seconds
# For what the program left in its pipes, when others hold them too.
LINGER = 0.5
# The last line is written down so often.
PACE = 1.0
# While the program's children are given time to end, they are looked at so often.
LOOK = 0.1


class Supervisor:
    """One job, from its start to its end.

    Args:
        near: to the command that started us.
        setting: what the program is run with.
    """

    def __init__(self, near: Talk, setting: Setting) -> None:
        self._near, self._dir, self._root = near, setting.directory, setting.root
        self._wake = child.woken_by_signals()
        self._lock = files.take_lock(self._dir)
        self._log = Log(self._dir)
        files.make_room(self._dir)
        self._control = _listen(os.path.join(self._dir, files.CONTROL))
        child.adopt()
        self._began = time.monotonic()
        self._pid, sources = setting.start()
        self._slave = setting.slave
        self._streams = [Stream(*one, self._log) for one in sources]
        self._status: int | None = None
        self._ended = self._until = 0.0
        self._stopping, self._kill_at = False, 0.0
        self._line, self._line_at = "", self._began + PACE

    def settle(self) -> None:
        """The program runs: write that down, say it, and hold nothing that others wait for."""
        signal.signal(signal.SIGTERM, lambda *_: self._stop())  # as when the machine goes down
        self._note_process()
        os.chdir("/")
        self._let_go()
        self._near.say(started=self._pid)
        files.poke(self._root)

    def _note_process(self) -> None:
        try:
            known = files.read_json(self._dir, files.JOB)
            known |= {"pid": self._pid, "start_time": files.start_time(self._pid)}
            files.write_json(self._dir, files.JOB, known)
        except (OSError, ValueError):
            return  # a full disk: that there is the job is known, its process is not

    def _let_go(self) -> None:
        """Close what came with the start: somebody may wait for the end of a pipe among it."""
        null = os.open(os.devnull, os.O_RDWR)
        try:
            noted = os.path.join(self._root, "sidecar.log")
            log = os.open(noted, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError:
            log = null
        for number, fd in enumerate((null, null, log)):
            os.dup2(fd, number)
        ours = {fd for one in self._streams for fd in (one.source, one.follower)}
        ours |= {self._lock, self._log.fileno(), *self._wake, self._slave}
        ours |= {self._near.fileno(), self._control.fileno()}
        for fd in set(range(3, 256)) - ours:
            try:
                os.close(fd)
            except OSError:
                continue  # there was none of that number

    # ------------------------------------------------------------ while it runs

    def run(self) -> None:
        """Look after the program until its end is written down and told."""
        while not self._is_over():
            self._turn()
        left = self._remaining()
        if self._stopping:
            child.signal_all(left, signal.SIGKILL)
            left = []
        for one in self._streams:
            one.finish()
        self._finish(left)
        while any(one.waiting for one in self._streams):
            self._turn()
            for one in self._streams:
                one.finish()
        files.unlink(self._dir, files.CONTROL)

    def _is_over(self) -> bool:
        """Whether the program has ended, and nothing of it is to be waited for."""
        if self._status is None:
            return False
        now = time.monotonic()
        if self._stopping and now < self._kill_at and self._remaining():
            self._until = now + LINGER
            return False
        return now > self._until or all(one.source < 0 for one in self._streams)

    def _remaining(self) -> list[int]:
        """What came of the program and lives on."""
        if sys.platform == "linux":
            try:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return []  # who has no children has no orphans either
        return child.descendants(os.getpid(), self._pid)

    def _turn(self) -> None:
        """Wait for the next thing to happen, and see to it."""
        ended = self._status is not None
        reads: list[Any] = [self._control, self._wake[0], *([] if self._near.over else [self._near])]
        reads += [one.source for one in self._streams if one.wants(ended=ended)]
        writes = [one.follower for one in self._streams if one.waiting]
        able, writable, _ = select.select(reads, writes, [], self._timeout())
        for one in self._streams:
            if one.follower >= 0 and one.follower in writable:
                one.write()
            if one.source >= 0 and one.source in able:
                one.read()
        if self._near in able:
            self._hear()
        if self._control in able:
            self._obey(self._control.recv(16))
        if self._wake[0] in able:
            os.read(self._wake[0], 4096)
            self._reap()
        self._keep_time()

    def _timeout(self) -> float | None:
        now, due = time.monotonic(), list[float]()
        if self._status is None:
            due += [self._kill_at] if self._kill_at else []
            due += [self._line_at] if any(one.at > self._line_at - PACE for one in self._streams) else []
        elif self._stopping and now < self._kill_at:
            due.append(now + LOOK)
        elif any(one.source >= 0 for one in self._streams):
            due.append(self._until)
        return max(0.0, min(due) - now) if due else None

    def _keep_time(self) -> None:
        now = time.monotonic()
        if self._kill_at and now >= self._kill_at and self._status is None:
            self._kill()
        if now >= self._line_at and self._streams:
            self._tell_line(now)

    def _tell_line(self, now: float) -> None:
        newest = max(self._streams, key=lambda one: one.at)
        if newest.at <= self._line_at - PACE:
            return  # nothing came since
        self._line_at = now + PACE
        line = newest.tail.last()
        if line != self._line:
            self._line = line
            files.note(self._dir, files.PROGRESS, line)

    def _hear(self) -> None:
        """The command in the foreground says something, or is gone: then nobody follows any more."""
        self._near.hear()
        while self._near.heard:
            said = self._near.heard.pop(0)
            if "signal" in said:
                self._signal(signal.Signals[f"SIG{said['signal']}"])
            for one in self._streams:
                if said.get("broken") == one.name:
                    one.unfollow()
                    one.close_source()  # whoever read it does not want more: the program is to know
        if self._near.over:
            for one in self._streams:
                one.unfollow()

    def _obey(self, word: bytes) -> None:
        """A word that came to the job's socket: ``stop``, ``kill`` or a signal's name."""
        if word == b"stop":
            self._stop()
        elif word == b"kill":
            self._stopping = True
            self._kill()
        else:
            sign = getattr(signal, f"SIG{word.decode('ascii', 'replace')}", None)
            if isinstance(sign, signal.Signals):
                self._signal(sign)

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping, self._kill_at = True, time.monotonic() + PATIENCE
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)

    def _kill(self) -> None:
        self._kill_at = 0.0
        self._signal(signal.SIGKILL)
        child.signal_all(self._remaining(), signal.SIGKILL)

    def _signal(self, sign: signal.Signals) -> None:
        if self._status is None:
            child.signal_group(self._pid, sign)

    def _reap(self) -> None:
        """Processes changed: our program, or orphans that came to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._pid and os.WIFSTOPPED(status):
                self._near.say(stopped=os.WSTOPSIG(status))
            elif pid == self._pid:
                self._status, self._ended = status, time.monotonic()
                self._until = self._ended + LINGER
                self._leave_terminal()

    def _leave_terminal(self) -> None:
        if self._slave >= 0:
            child.take_foreground(self._slave)
            os.close(self._slave)
            self._slave = -1

    # ------------------------------------------------------------ the end

    def _finish(self, left: list[int]) -> None:
        """Write the end down, and tell the foreground: in this order, if the disk has room for it."""
        assert self._status is not None
        tails = {one.name: one.tail for one in self._streams}
        why = f"its log is cut: {self._log.trouble}" if self._log.trouble else ""
        end = ending.end(self._status, self._ended - self._began, tails, left, why)
        self._log.close()
        written = ending.write(self._dir, end, self._log)
        if written:
            files.poke(self._root)
        sign = os.WTERMSIG(self._status) if os.WIFSIGNALED(self._status) else 0
        self._near.say(ended=ending.exit_code(self._status), sign=sign)
        if not written:
            ending.insist(self._dir, end)
            files.poke(self._root)
        files.sync_end(self._dir)


def _listen(path: str) -> socket.socket:
    near = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    near.setblocking(False)
    near.bind(path)
    return near


def main() -> int:
    """Wait for what is to be run, and see it to its end. The first argument is the socket to whoever wants it."""
    near = Talk(socket.socket(fileno=int(sys.argv[1])))
    os.set_inheritable(near.fileno(), False)
    said = near.next()
    if said is None:
        return 0  # whoever wanted it has changed its mind
    setting = Setting(said, near.given)
    try:
        one = Supervisor(near, setting)
    except OSError as wrong:
        files.forget(setting.directory)
        near.say(failed=wrong.errno or 0, why=wrong.strerror or str(wrong))
        return 1
    one.settle()
    one.run()
    return 0
