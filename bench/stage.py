"""What the benchmarks share: a throw-away state directory, stand-in clients, sidecars, and honest statistics."""

from __future__ import annotations

import os
import select
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from peermesh import config
from peermesh.door.client import Door, knock, session_spec, start

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Stage:
    """A state directory in which sidecars run; all of them end with it.

    Args:
        home: the directory.
    """

    def __init__(self, home: str) -> None:
        self.home = home
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PEER_", "CLAUDE"))},
            "PEER_HOME": home,
            "PEER_LAN": "off",
            "CLAUDE_CODE_ENTRYPOINT": "cli",
        }
        for name in os.environ.keys() - self.env.keys():
            del os.environ[name]
        os.environ.update(self.env)
        self._clients: dict[str, subprocess.Popen[bytes]] = {}

    def session(self, name: str, cwd: str = "") -> str:
        """Start the sidecar of a session in *cwd*; its id. Returns when its door is open."""
        self.client(name)
        start(
            self.home,
            config.session_link(self.home, name),
            session_spec(name, self._clients[name].pid, cwd or self.home),
        )
        until(lambda: self.door(name) is not None)
        return name

    def client(self, name: str) -> None:
        """A stand-in client of a session whose sidecar its own hook starts."""
        self._clients[name] = subprocess.Popen(["/bin/sh", "-c", "read line"], stdin=subprocess.PIPE)

    def door(self, name: str) -> Door | None:
        """The door of a session."""
        return knock(config.session_link(self.home, name))

    def open(self, name: str) -> Door:
        """The same, which must be there."""
        door = self.door(name)
        if door is None:
            raise RuntimeError(f"the sidecar of {name} is not there")
        return door

    def pid(self, name: str) -> int:
        """The process of a session's sidecar."""
        with open(os.path.join(config.session_link(self.home, name), "pid"), encoding="ascii") as file:
            return int(file.read())

    def environment(self, name: str) -> dict[str, str]:
        """What a hook of the session has in its environment."""
        return {**self.env, "CLAUDE_CODE_SESSION_ID": name, "CLAUDE_PID": str(self._clients[name].pid)}

    def close(self, name: str) -> None:
        """The session is closed; its sidecar follows in a moment."""
        client = self._clients.pop(name)
        client.kill()
        client.communicate()

    def end(self) -> None:
        """End every client, and with them the sidecars."""
        for client in self._clients.values():
            client.kill()
            client.communicate()
        folder = os.path.join(self.home, "peers")
        until(lambda: not any(os.path.exists(os.path.join(folder, p, "pid")) for p in os.listdir(folder)))


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage that is gone afterwards."""
    home = tempfile.mkdtemp(prefix="peer-bench-", dir="/tmp")
    here = Stage(home)
    try:
        yield here
    finally:
        here.end()
        shutil.rmtree(home, ignore_errors=True)


def until(true: Callable[[], object], patience: float = 30.0) -> None:
    """Wait until *true*, at most *patience* seconds."""
    deadline = time.monotonic() + patience
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("the benchmark waited too long")
        time.sleep(0.002)


def called(
    words: Sequence[str], env: Mapping[str, str], said: bytes, timeout: float = 60.0, *, check: bool = True
) -> bytes:
    """What a program prints that is given *said* on its standard input: with as little of our own as there can be.

    ``subprocess.run`` takes 0.2 ms more, which is a fifth of what a shell takes that does nothing.

    Args:
        words: its path, and what it is called with.
        env: its environment.
        said: at most what a pipe holds at once, 64 KB.
        timeout: seconds, after which it is killed.
        check: whether its exit code is to be 0.

    Raises:
        TimeoutError: it took longer.
        subprocess.CalledProcessError: its exit code was not 0.
    """
    near, far = os.pipe()
    os.write(far, said)
    os.close(far)
    out, into = os.pipe()
    moves = [(os.POSIX_SPAWN_DUP2, near, 0), (os.POSIX_SPAWN_DUP2, into, 1)]
    quiet = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
    pid = os.posix_spawn(words[0], words, env, file_actions=[*moves, quiet])
    os.close(near)
    os.close(into)
    last, printed, more = time.monotonic() + timeout, b"", b"-"
    while more:
        if not select.select([out], [], [], max(0.0, last - time.monotonic()))[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(out)
            raise TimeoutError(f"{words} took more than {timeout} s")
        more = os.read(out, 65536)
        printed += more
    os.close(out)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if check and code:
        raise subprocess.CalledProcessError(code, list(words), printed)
    return printed


def timed(act: Callable[[], object]) -> float:
    """Seconds that *act* takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def interleaved(acts: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each act, one of each in every round: what drifts, drifts for all."""
    found: dict[str, list[float]] = {name: [] for name in acts}
    for act in acts.values():
        act()
    for _ in range(rounds):
        for name, act in acts.items():
            found[name].append(timed(act))
    return found


def ms(seconds: Sequence[float]) -> str:
    """Median and 90th percentile in milliseconds."""
    ordered = sorted(seconds)
    return f"{statistics.median(ordered) * 1000:.2f} | {ordered[int(len(ordered) * 0.9)] * 1000:.2f}"


def ratio(of: Sequence[float], to: Sequence[float]) -> float:
    """The median of the ratios, round by round."""
    return statistics.median(a / b for a, b in zip(of, to, strict=False))  # as many rounds as both have
