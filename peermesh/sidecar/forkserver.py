"""The fork server: a process that has loaded everything, and forks a sidecar in a few milliseconds when asked.

The first sidecar that is started on a host leaves it behind, and it ends with the last sidecar that it forked.
Sidecars share with it the memory that they do not write to: half of what each would weigh. It holds no thread,
no store and no ZeroMQ while it lives, and answers only who is like itself, see ``_alike``. Whoever gets no answer
starts a sidecar without it, so nothing depends on it. Linux only: elsewhere a fork without exec is not safe.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys

gc.disable()  # what is collected while modules load leaves holes, which are written to by each sidecar

import json  # noqa: E402 - after the line above, as all that follows
import select  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import struct  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Mapping  # noqa: E402
from typing import Any, NoReturn  # noqa: E402

from peermesh import config  # noqa: E402
from peermesh.door.client import PACKAGE, SPEC, detach  # noqa: E402
from peermesh.door.forking import YES, fork_path, running  # noqa: E402
from peermesh.errors import PeerError  # noqa: E402
from peermesh.locks import free_lock, take_lock  # noqa: E402
from peermesh.sidecar.__main__ import main as be_sidecar  # noqa: E402
from peermesh.sidecar.heap import arrange  # noqa: E402
from peermesh.sidecar.presence import call_process  # noqa: E402

# Requests that wait: as many sessions may start at once.
BACKLOG = 128
# A request comes whole or not at all. Less than others wait for their answer (BLINK).
PATIENCE = 0.1  # seconds
# An environment may be that long.
REQUEST_LIMIT = 4 * 1024 * 1024  # bytes
# What the interpreter and its libraries read of the environment once, as they start.
READ_ONCE = ("LC_", "LANG", "LD_", "MALLOC_", "GLIBC_", "TZ")
# What a process has from its starter, below /proc/PID, and the lines of its status.
SPACES = ("root", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/user", "ns/uts")
STATUS = ("Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:", "Seccomp:", "Cpus_allowed:")
# The soft limit of open files, in its line of the limits: clients raise it, and so does each sidecar.
OPEN_FILES, SOFT_FROM, SOFT_TO = "Max open files", 26, 47


def main() -> int:
    """Run the sidecar whose spec stands in the environment, and leave a fork server behind if there is none."""
    spec = os.environ.pop(SPEC)
    server = _serving()
    arrange()
    gc.freeze()
    if server is None:
        gc.enable()
        return be_sidecar(spec)
    server.fork({"spec": json.loads(spec), "env": dict(os.environ), "delay": 0.0})
    server.serve()
    return 0


def _serving() -> ForkServer | None:
    """The fork server, if this process is to be it."""
    if sys.platform != "linux":
        return None
    os.umask(0o077)
    try:
        root = config.make_home()
        lock = take_lock(f"{fork_path(root)}.lock")
        return ForkServer(root, lock) if lock is not None else None
    except (PeerError, OSError):
        return None  # a sidecar can do without; what keeps it too from starting is for it to tell


class ForkServer:
    """Forks sidecars for one state directory.

    Args:
        root: the state directory.
        lock: that of the server's socket, held.

    Raises:
        OSError: it cannot listen.
    """

    def __init__(self, root: str, lock: int) -> None:
        self._root, self._lock = root, lock
        self._loaded = _signs()
        self._self = _nature("self")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fork_path(root))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(fork_path(root))
            self._listener.listen(BACKLOG)
            self._inode = os.stat(fork_path(root)).st_ino
        except BaseException:
            self._listener.close()
            free_lock(lock)
            raise
        self._woken, self._wake = socket.socketpair()

    # ------------------------------------------------------------ its life

    def serve(self) -> None:
        """Fork for who asks, until no sidecar of ours lives, or the program was replaced."""
        call_process("peer forkserver")
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while _children():
            ready, _, _ = select.select([self._listener, self._woken], [], [])
            if self._woken in ready:
                self._woken.recv(4096)
            if self._listener in ready:
                if _signs() != self._loaded:
                    break  # another version is on the disk: the next start is that one's, and leaves its own server
                self._answer()
        self._vanish()

    def _vanish(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            # Somebody may have removed the directory, and made it anew with another server.
            if os.stat(fork_path(self._root)).st_ino == self._inode:
                os.unlink(fork_path(self._root))
        self._listener.close()  # who asked just now is hung up on
        free_lock(self._lock)

    def _answer(self) -> None:
        """Take one request. Who asks need not wait for the fork itself."""
        caller, _ = self._listener.accept()
        with caller:
            asked = self._granted(caller)
        if asked is not None:
            self.fork(asked)

    def _granted(self, caller: socket.socket) -> dict[str, Any] | None:
        """What *caller* asks for, and has been told that it gets; ``None`` if it does not."""
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
            caller.settimeout(PATIENCE)
            asked = _request(caller)
            if self._alike(caller, asked) and not _hung_up(caller):
                caller.sendall(YES)
                return asked
        return None

    def _alike(self, caller: socket.socket, asked: dict[str, Any]) -> bool:
        """Whether a sidecar that *caller* starts itself would be like one that we fork.

        The kernel is asked, and not the caller: who sits in a sandbox gets nothing done outside of it.
        """
        cred = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, _, _ = struct.unpack("3i", cred)
        same = asked["run"] == running(PACKAGE) and _read_once(asked["env"]) == _read_once(os.environ)
        return same and _nature(str(pid)) == self._self

    # ------------------------------------------------------------ a sidecar's birth

    def fork(self, asked: dict[str, Any]) -> None:
        """Fork a sidecar as *asked*.

        Raises:
            OSError: there can be no more processes.
        """
        if not os.fork():
            self._born(asked)

    def _born(self, asked: dict[str, Any]) -> NoReturn:
        """In the child: be as one that was started afresh, and then the sidecar."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in (self._listener, self._woken, self._wake):
                one.close()
            free_lock(self._lock)
            os.setsid()
            os.environ.clear()
            os.environ.update({**asked["env"], "PEER_HOME": self._root})
            detach(self._root)
            time.sleep(asked["delay"])
            os.chdir("/")
            gc.enable()
            code = be_sidecar(json.dumps(asked["spec"]))
        except BaseException:  # noqa: BLE001 - as where an interpreter ends: nothing is left to raise it to
            traceback.print_exc()
        finally:
            os._exit(code)


def _children() -> bool:
    """Whether a sidecar of ours lives; those that ended are let go."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def _request(caller: socket.socket) -> dict[str, Any]:
    """What is asked.

    Raises:
        OSError, LookupError, ValueError, RecursionError: it did not come in time, or is none.
    """
    said = b""
    while not said.endswith(b"\n"):
        more = caller.recv(65536)
        said += more
        if not more or len(said) > REQUEST_LIMIT:
            raise ValueError("half a request")
    asked = json.loads(said)
    if not isinstance(asked, dict) or not isinstance(asked["env"], dict):
        raise ValueError("no request")
    return asked


def _hung_up(caller: socket.socket) -> bool:
    """Whether the caller waits no more, and starts a sidecar itself: we stood still."""
    caller.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return not caller.recv(1, socket.MSG_PEEK)
    return False


def _read_once(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(READ_ONCE)}


def _nature(process: str) -> list[str]:
    """What the kernel says of a process that those which it starts have from it.

    Args:
        process: its number, or "self".

    Raises:
        OSError: it is not ours to know, or has ended.
    """
    found = [os.readlink(f"/proc/{process}/{name}") for name in SPACES]
    found += [one for one in _lines(process, "status") if one.startswith(STATUS)]
    for line in _lines(process, "limits"):
        found.append(line[:SOFT_FROM] + line[SOFT_TO:] if line.startswith(OPEN_FILES) else line)
    with contextlib.suppress(OSError):  # where no security module is at work
        found += _lines(process, "attr/current")
    number = 0 if process == "self" else int(process)
    return [*found, str(os.getpriority(os.PRIO_PROCESS, number))]


def _lines(process: str, name: str) -> list[str]:
    with open(f"/proc/{process}/{name}", encoding="utf-8", errors="surrogateescape") as file:
        return file.read().splitlines()


def _signs() -> dict[str, tuple[int, int, int]]:
    """The files of all modules that are loaded, and by what it is seen that one was replaced."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return {file: _sign(file) for file in files if file}


def _sign(file: str) -> tuple[int, int, int]:
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino


if __name__ == "__main__":
    sys.exit(main())
