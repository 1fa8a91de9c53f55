"""The process of a job: started in a group of its own, signalled, and with all that came of it found.

Standard library only, and light: a supervisor starts with each `peer run`.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import struct
import sys
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Program = tuple[bytes, list[bytes], dict[bytes, bytes]]

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # Linux's numbers for them

# Signals with which Python ignores what a program expects to end it.
_PYTHONS = (signal.SIGPIPE, signal.SIGXFSZ)
# What our own processes have in their command line: a sidecar or another job's supervisor is nobody's leftover.
_OURS = (b"from peermesh.sidecar.forkserver import", b"from peermesh.jobs.supervisor import")


def adopt() -> None:
    """Become the parent of all orphans among our descendants, where the system knows of such a thing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def start(program: Program, streams: Sequence[int], terminal: int) -> int:
    """Start a program in a process group of its own; returns when it runs.

    Args:
        program: its file, its words (the first one its name), and its environment.
        streams: what becomes its standard input, output and error.
        terminal: its terminal, of which it becomes the foreground group; -1 for none.

    Returns: its process.

    Raises:
        OSError: it cannot be run.
    """
    told, tell = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        try:
            _become(program, streams, terminal, parent)
        except OSError as wrong:
            os.write(tell, struct.pack("i", wrong.errno or errno.EIO))
        finally:
            os._exit(127)
    os.close(tell)
    try:
        said = os.read(told, 4)  # nothing at all if it runs: its end of the pipe was closed by that
    finally:
        os.close(told)
    if said:
        os.waitpid(pid, 0)
        number = struct.unpack("i", said)[0]
        raise OSError(number, os.strerror(number))
    return pid


def _become(program: Program, streams: Sequence[int], terminal: int, parent: int) -> None:
    path, argv, env = program
    os.setpgid(0, 0)
    if terminal >= 0:
        # We are in the background of it until then, and who changes something from there is stopped.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        os.tcsetpgrp(terminal, os.getpid())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTTOU])
    # Copies above all others first: one of the streams may be the number of another.
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in streams]
    for number, fd in enumerate(high):
        os.dup2(fd, number)
    for sign in _PYTHONS:
        signal.signal(sign, signal.SIG_DFL)
    _end_with(parent)
    try:
        os.execve(path, argv, env)
    except OSError as wrong:
        if wrong.errno != errno.ENOEXEC:
            raise
        # A script without a first line that says what runs it: a shell does, as with all who start programs.
        os.execve(b"/bin/sh", [b"sh", path, *argv[1:]], env)


def _end_with(parent: int) -> None:
    """Be hung up when the supervisor is killed, as programs are whose terminal goes (Linux only).

    The pipes to it are broken by then. What goes on all the same, unseen, had better do so on purpose.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGHUP)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGHUP)


def woken_by_signals() -> tuple[int, int]:
    """A pipe in which each signal leaves a byte. What may come from a terminal ends nobody here."""
    near, far = os.pipe()
    os.set_blocking(far, False)
    signal.set_wakeup_fd(far, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for sign in (
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTSTP,
        signal.SIGTTIN,
        signal.SIGTTOU,
    ):
        # Ours is a function, which a program does not inherit; what was ignored already stays so for it.
        if signal.getsignal(sign) is not signal.SIG_IGN:
            signal.signal(sign, lambda *_: None)
    return near, far


def own_terminal(slave: int) -> None:
    """Make *slave* the terminal of this session, which we lead."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


def take_foreground(slave: int) -> None:
    """Become the terminal's foreground group again, so that its end hangs up nobody but us, who do not care."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        os.tcsetpgrp(slave, os.getpgrp())
    except OSError:
        return  # the terminal is gone already
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTTOU])


def signal_group(group: int, sign: int) -> None:
    """Signal the process group *group*; that it is gone already is fine."""
    try:
        os.killpg(group, sign)
    except (ProcessLookupError, PermissionError):
        return


def signal_all(pids: Sequence[int], sign: int) -> None:
    """Signal each of *pids*; that one is gone already is fine."""
    for pid in pids:
        try:
            os.kill(pid, sign)
        except (ProcessLookupError, PermissionError):
            continue


def descendants(root: int, group: int) -> list[int]:
    """The processes that came of *root* and live, without those of peer itself and what came of these.

    Args:
        root: a process that adopts orphans where the system knows of that.
        group: a process group of which all members count, for systems that do not.
    """
    table = _table()
    found, new = set[int](), {root}
    while new:
        new = {
            pid for pid, (parent, _) in table.items() if parent in new and pid not in found and not _ours(pid)
        }
        found |= new
    if sys.platform != "linux":
        found |= {pid for pid, (_, its) in table.items() if its == group}
    return sorted(found - {root})


def _table() -> dict[int, tuple[int, int]]:
    """Parent and process group of each process that has not ended."""
    if sys.platform != "linux":
        return _listed()
    found = dict[int, tuple[int, int]]()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent, group = file.read().rpartition(b")")[2].split()[:3]
        except (OSError, ValueError):
            continue  # ended meanwhile
        if state not in (b"Z", b"X"):
            found[int(name)] = int(parent), int(group)
    return found


def _listed() -> dict[int, tuple[int, int]]:
    import subprocess  # heavy, and not needed where there is /proc

    words = ["/bin/ps", "-axo", "pid=,ppid=,pgid=,stat="]
    try:
        rows = subprocess.run(
            words, capture_output=True, text=True, check=True, timeout=2.0
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return {}
    cells = [row.split() for row in rows]
    mine = str(os.getpid())  # whose child that ps was
    return {
        int(cell[0]): (int(cell[1]), int(cell[2]))
        for cell in cells
        if len(cell) > 3
        and not cell[3].startswith("Z")
        and not (cell[1] == mine and cell[2] == str(os.getpgrp()))
    }


def _ours(pid: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(4096)
    except OSError:
        return False
    return any(mark in words for mark in _OURS)
