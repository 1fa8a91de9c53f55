"""A throw-away PEER_HOME, and proof that nothing lives on in it when a test has ended."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import peermesh.errors
from peermesh.door.client import Door, knock

T = TypeVar("T")

# Nothing tells a test that a file appeared or a state was reached, so they are looked at this often.
LOOK = 0.01  # seconds
# Everything here happens in a second; a machine that runs other tests beside may need longer.
PATIENCE = 12.0
# A sidecar ends so soon after its client.
END = 6.0

PR_SET_CHILD_SUBREAPER = 36  # Linux's number for it

ROOT = Path(peermesh.__file__).parent.parent
PYTHON = sys.executable


def until(check: Callable[[], T], what: str, timeout: float = PATIENCE) -> T:
    """The first true value of *check*; AssertionError naming *what* after *timeout* seconds."""
    end = time.monotonic() + timeout
    while not (found := check()):
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(LOOK)
    return found


def send_signal(pid: int, number: signal.Signals) -> None:
    """Signal *pid*; that it is gone already is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def state_of(pid: int) -> str:
    """The kernel's letter for what the process *pid* does; "" when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def adopt_orphans() -> None:
    """Become the parent of sidecars whose starter has ended: some inits reap only once in a while."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def reap(pid: int) -> bool:
    """Let the ended process *pid* go, if it is an orphan that we adopted; whether it has gone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not state_of(pid)


class Home:
    """The directory: `path` is HOME, `peer` is PEER_HOME, `app` where sessions work."""

    def __init__(self) -> None:
        # Right under /tmp and short: PEER_HOME holds sockets, whose paths have 103 bytes at most.
        self.path = Path(tempfile.mkdtemp(prefix="pl", dir="/tmp")).resolve()
        self.peer = self.path / "p"
        self.app = self.path / "app"
        self.app.mkdir()
        self.processes: list[subprocess.Popen[Any]] = []  # clients and waiters, which are our children
        self.traces_expected = False  # a test that breaks things on purpose says so
        self.hook = self.path / "hook.sh"
        text = (ROOT / "peermesh/hooks/files/hook.sh").read_text()
        for mark, value in (("@PYTHON@", PYTHON), ("@ROOT@", str(ROOT))):
            text = text.replace(f'"{mark}"', shlex.quote(value)).replace(mark, shlex.quote(value))
        self.hook.write_text(text)

    def environment(self, **extra: str) -> dict[str, str]:
        """All that a process is given; nothing else of ours leaks into it."""
        return {
            "HOME": str(self.path),
            "PATH": os.pathsep.join([str(Path(PYTHON).parent), os.environ["PATH"]]),
            "LANG": "C.UTF-8",
            "USER": "pat",
            "PEER_HOME": str(self.peer),
            "PEER_HOST": "box",
            "PEER_LAN": "off",
            **extra,
        }

    def repo(self, name: str) -> Path:
        """A new git repository with one commit."""
        path = self.path / name
        path.mkdir()
        self.git(path, "init", "-q", "-b", "main")
        self.git(path, "commit", "-q", "--allow-empty", "-m", f"First of {name}")
        return path

    def git(self, path: Path, *words: str) -> None:
        """Run git in *path*."""
        who = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false"]
        env = {**self.environment(), "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(["git", "-C", str(path), *who, *words], check=True, capture_output=True, env=env)

    def log(self, name: str = "sidecar.log") -> str:
        """What was noted so far."""
        try:
            return (self.peer / name).read_text(errors="replace")
        except OSError:
            return ""

    def sidecars(self) -> list[int]:
        """The sidecars that noted their process, whether they still live or not."""
        return [int(f.read_text() or 0) for f in self.peer.glob("peers/*/pid")]

    # ------------------------------------------------------------ the end

    def leftovers(self) -> list[int]:
        """Processes with this PEER_HOME in their environment, those that stand still too."""
        mark = f"\0PEER_HOME={self.peer}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                inside = mark in b"\0" + entry.read_bytes()
            except OSError:  # ended meanwhile
                continue
            if inside:
                found.append(int(entry.parent.name))
        return found

    def servers(self) -> list[int]:
        """The fork servers among them."""
        named = {pid: Path(f"/proc/{pid}/comm") for pid in self.leftovers()}
        return [
            pid for pid, comm in named.items() if comm.exists() and comm.read_text() == "peer forkserver\n"
        ]

    @staticmethod
    def zombies(parents: list[int]) -> list[int]:
        """Children of *parents* that ended and that nobody waited for."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent = entry.read_text().rpartition(")")[2].split()[:2]
            except OSError:  # ended meanwhile
                continue
            if state == "Z" and int(parent) in parents:
                found.append(int(entry.parent.name))
        return found

    def _reap(self) -> None:
        for pid in self.zombies([os.getpid()]):
            if pid not in [process.pid for process in self.processes]:
                reap(pid)

    def close(self) -> None:
        """End the clients; every sidecar must follow by itself, without a trace in its log."""
        try:
            until(lambda: not self.zombies(self.leftovers()), "everybody to wait for their children", END)
            for process in self.processes:
                send_signal(process.pid, signal.SIGCONT)
                process.kill()
                process.communicate()
            down(self.peer / "person")
            until(lambda: not self.leftovers(), "the end of all sidecars", END)
            traces = "Traceback" in self.log() or "never retrieved" in self.log()
            assert self.traces_expected or not traces, self.log()
        finally:
            for pid in self.leftovers():
                send_signal(pid, signal.SIGKILL)
            until(lambda: not self.leftovers(), "the end of what was killed")
            self._reap()
            shutil.rmtree(self.path, ignore_errors=True)


def down(link: Path) -> None:
    """End the sidecar behind *link*, if one runs."""
    door = knock(str(link))
    if door is None:
        return
    try:
        door.ask("down", timeout=5.0)
    except (OSError, peermesh.errors.PeerError):
        return  # it ends already
    finally:
        door.close()


def ask(link: Path, do: str, **fields: Any) -> dict[str, Any]:
    """One question at the door behind *link*, without a command in between: for looking, not for testing."""
    door: Door | None = until(lambda: knock(str(link)), f"the door of {link.name}")
    assert door is not None
    try:
        return door.ask(do, timeout=PATIENCE, **fields)
    finally:
        door.close()


def parsed(text: str) -> Any:
    """JSON, as a command printed it."""
    return json.loads(text)


__all__ = ["Door", "Home", "ask", "down", "parsed", "send_signal", "state_of", "until"]
