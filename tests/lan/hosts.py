"""Hosts of a LAN in network namespaces, each with a state directory of its own, sessions and commands."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import peermesh
from peermesh import config
from peermesh.door.client import Door, knock
from peermesh.errors import PeerError
from peermesh.sidecar.keeper import living
from tests.netns import Network

PATIENCE = 20.0  # seconds; a machine that runs other tests beside is slow
LOOK = 0.02
ROOT = Path(peermesh.__file__).parent.parent

T = TypeVar("T")


def until(check: Callable[[], T], what: str, timeout: float = PATIENCE) -> T:
    """The first true value of *check*; AssertionError naming *what* after *timeout* seconds."""
    end = time.monotonic() + timeout
    while not (found := check()):
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(LOOK)
    return found


class Host:
    """A host: *name* is its namespace and what it calls itself. Extra *environment* goes to all it runs."""

    def __init__(self, lan: Network, name: str, **environment: str) -> None:
        self.lan, self.name = lan, name
        self.home = Path(tempfile.mkdtemp(prefix="pn", dir="/tmp"))
        self.work = self.home / "work"
        self.work.mkdir()
        self.client = subprocess.Popen(["sleep", "1000"])
        self.extra = environment

    def environment(self, **extra: str) -> dict[str, str]:
        """All that a process of this host is given."""
        return {
            "HOME": str(self.home),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "LANG": "C.UTF-8",
            "USER": "pat",
            "PEER_HOME": str(self.home / "p"),
            "PEER_HOST": self.name,
            "PEER_LAN": "on",
            "PYTHONPATH": str(ROOT),
            **self.extra,
            **extra,
        }

    # ------------------------------------------------------------ what runs there

    def start(self, session: str, name: str = "", cwd: str = "") -> None:
        """Start the sidecar of a session, called *name*, and wait for its door."""
        spec = json.dumps({"session": session, "client": self.client.pid, "cwd": cwd or str(self.work)})
        (self.home / "p").mkdir(mode=0o700, exist_ok=True)
        self.lan.popen(
            self.name,
            [sys.executable, "-I", "-m", "peermesh.sidecar", spec],
            env=self.environment(),
            stderr=(self.home / "p" / "sidecar.log").open("ab"),
        )
        until(lambda: self.ask(session, "status"), f"the sidecar of {session} on {self.name}")
        if name:
            self.ask(session, "name", name=name)

    def ask(self, session: str, do: str, **fields: Any) -> dict[str, Any]:
        """One question at a session's door ("" is the person's); {} while nobody answers."""
        root = str(self.home / "p")
        door: Door | None = knock(config.session_link(root, session) if session else config.person_link(root))
        if door is None:
            return {}
        try:
            return door.ask(do, timeout=10, **fields)
        except OSError:
            return {}
        finally:
            door.close()

    def run(self, *words: str, session: str = "", check: bool = True, timeout: float = 60) -> Any:
        """A `peer` command on this host, as a shell or from a session would; its JSON.

        With *check* its exit code must be 0; else the CompletedProcess is given.
        """
        env = self.environment(**({"CLAUDE_CODE_SESSION_ID": session} if session else {}))
        command = [sys.executable, "-m", "peermesh.cli", *words, *(["--json"] if check else [])]
        done = self.lan.run(self.name, command, env=env, cwd=self.work, timeout=timeout)
        if not check:
            return done
        assert done.returncode == 0, f"peer {' '.join(words)} on {self.name}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    # ------------------------------------------------------------ what it sees

    def peers(self, host: str | None = None) -> dict[str, dict[str, Any]]:
        """Everybody that this host knows by name, of *host* only if given; asked at any sidecar's door."""
        for session in self.sessions():
            said = self.ask(session, "list")
            if said:
                return {p["name"]: p for p in said["peers"] if host in (None, p["host"])}
        return {}

    def sees(self, host: str, *names: str) -> bool:
        """Whether all *names* of *host* are here, from this host's view."""
        peers = self.peers(host)
        return all(peers.get(one, {}).get("here") for one in names)

    def sessions(self) -> list[str]:
        """The sessions ever started here, and "" for the person."""
        folder = self.home / "p" / "session"
        return [*(sorted(os.listdir(folder)) if folder.exists() else []), ""]

    def inbox(self, session: str) -> list[str]:
        """The bodies that a session has, seen or not, oldest first."""
        return [m["body"] for m in self.ask(session, "inbox", all=True, most=500).get("messages", [])]

    def keeper(self) -> str | None:
        """The session whose sidecar is this host's keeper."""
        return next((one for one in self.sessions() if self.ask(one, "status").get("keeper")), None)

    def pids(self) -> list[int]:
        """The sidecars that run here."""
        peers = self.home / "p" / "peers"
        found = []
        for one in living(str(self.home / "p")):
            try:
                found.append(int((peers / one / "pid").read_text()))
            except (OSError, ValueError):
                continue
        return found

    def log(self) -> str:
        """What its sidecars noted."""
        try:
            return (self.home / "p" / "sidecar.log").read_text(errors="replace")
        except OSError:
            return ""

    # ------------------------------------------------------------ what happens to it

    def freeze(self) -> list[int]:
        """The host sleeps: all its sidecars stand still."""
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return pids

    @staticmethod
    def thaw(pids: list[int]) -> None:
        """It wakes up."""
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def tc(self, *words: str) -> None:
        """Shape what leaves this host: ``tc("netem", "loss", "20%")``; ``tc()`` takes it away again."""
        device = ("dev", self.lan.interface, "root")
        self.lan.run(self.name, ["tc", "qdisc", "del", *device])
        if words:
            done = self.lan.run(self.name, ["tc", "qdisc", "add", *device, *words])
            assert done.returncode == 0, done.stderr

    def link(self, state: str) -> None:
        """Set the cable ``up`` or ``down``."""
        done = self.lan.run(self.name, ["ip", "link", "set", self.lan.interface, state])
        assert done.returncode == 0, done.stderr

    def close(self) -> None:
        """End the client, and with it the sidecars; nothing lives on."""
        root = str(self.home / "p")
        self.client.kill()
        self.client.wait()
        try:
            self.ask("", "down")
        except PeerError:
            pass
        try:
            until(lambda: not living(root), f"the sidecars of {self.name} to end")
        finally:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(self.home, ignore_errors=True)


def pair(one: Host, other: Host) -> None:
    """Let *other* in on *one*."""
    token = one.run("invite")["token"]
    other.run("join", token)
