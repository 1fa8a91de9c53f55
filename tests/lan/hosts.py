"""Hosts of a LAN in network namespaces, each with a state directory of its own, sessions and commands."""

from __future__ import annotations

import contextlib
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

import peermesh
from peermesh import config
from peermesh.door.client import Door, knock
from peermesh.errors import NoSidecar, PeerError
from peermesh.sidecar.keeper import living
from tests.netns import Network

PATIENCE = 20.0  # seconds; a machine that runs other tests beside is slow
LOOK = 0.02
ROOT = Path(peermesh.__file__).parent.parent
# A sidecar of this very checkout, whatever is installed.
RUN = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from peermesh.sidecar.__main__ import main; sys.exit(main(sys.argv[1]))"
)

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
        self.clients: dict[str, subprocess.Popen[bytes]] = {}  # stand for Claude Code; by session
        self.sidecars: dict[str, subprocess.Popen[Any]] = {}  # those that we started ourselves
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
            "PYTHONPATH": str(ROOT),
            **self.extra,
            **extra,
        }

    # ------------------------------------------------------------ what runs there

    def start(self, session: str, name: str = "", cwd: str = "", *, wait: bool = True) -> None:
        """Start the sidecar of a session, called *name*; with *wait*, come back when its door is open."""
        spec = {"session": session, "client": self._client(session).pid, "cwd": cwd or str(self.work)}
        (self.home / "p").mkdir(mode=0o700, exist_ok=True)
        with (self.home / "p" / "sidecar.log").open("ab") as log:
            self.sidecars[session] = self.lan.popen(
                self.name,
                [sys.executable, "-I", "-c", RUN, str(ROOT), json.dumps(spec)],
                env=self.environment(),
                stderr=log,
            )
        if wait or name:
            until(lambda: self.ask(session, "status"), f"the sidecar of {session} on {self.name}")
        if name:
            self.ask(session, "name", name=name)

    def _client(self, session: str) -> subprocess.Popen[bytes]:
        one = self.clients.get(session)
        if one is None or one.poll() is not None:
            one = self.clients[session] = subprocess.Popen(["sleep", "1000"])
        return one

    def end(self, *sessions: str) -> None:
        """The sessions are closed; comes back when their sidecars have gone, "" for the person's."""
        for session in sessions:
            if session:
                self.clients[session].kill()
                self.clients[session].wait()
            else:
                self.ask("", "down")
        for session in sessions:
            until(lambda: not self.ask(session, "status"), f"the end of {session!r} on {self.name}")  # noqa: B023
            if session in self.sidecars:
                self.sidecars[session].wait(PATIENCE)

    def kill(self, session: str) -> None:
        """Kill -9 of a sidecar that we started."""
        self.sidecars[session].kill()
        self.sidecars[session].wait()

    def ask(self, session: str, do: str, **fields: Any) -> dict[str, Any]:
        """One question at a session's door ("" is the person's); {} while nobody answers."""
        root = str(self.home / "p")
        door: Door | None = knock(config.session_link(root, session) if session else config.person_link(root))
        if door is None:
            return {}
        try:
            return door.ask(do, timeout=10, **fields)
        except (OSError, NoSidecar):  # it is gone, or says that it goes
            return {}
        finally:
            door.close()

    def run(self, *words: str, session: str = "", check: bool = True, timeout: float = 60) -> Any:
        """A `peer` command on this host, as a shell or from a session would; its JSON.

        With *check* its exit code must be 0; else the CompletedProcess is given.
        """
        env = self.environment(**self._inside(session))
        command = [sys.executable, "-m", "peermesh.cli", *words, *(["--json"] if check else [])]
        done = self.lan.run(self.name, command, env=env, cwd=self.work, timeout=timeout)
        if not check:
            return done
        assert done.returncode == 0, f"peer {' '.join(words)} on {self.name}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def _inside(self, session: str) -> dict[str, str]:
        """What a program has in its environment that runs in a session."""
        if not session:
            return {}
        return {"CLAUDE_CODE_SESSION_ID": session, "CLAUDE_PID": str(self._client(session).pid)}

    def hook(self, session: str, event: str, **given: str) -> str:
        """A hook of a session, as the client runs it; what it puts before the model, "" for nothing."""
        script = self.home / "hook.sh"
        text = (ROOT / "peermesh/hooks/files/hook.sh").read_text()
        for mark, value in (("@PYTHON@", sys.executable), ("@ROOT@", str(ROOT))):
            text = text.replace(mark, shlex.quote(value))
        script.write_text(text)
        said = {"session_id": session, "cwd": str(self.work), "hook_event_name": event, **given}
        done = self.lan.run(
            self.name,
            ["/bin/sh", str(script), event],
            env=self.environment(CLAUDE_CODE_ENTRYPOINT="cli", **self._inside(session)),
            input=json.dumps(said),
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        return str(json.loads(done.stdout)["hookSpecificOutput"]["additionalContext"]) if done.stdout else ""

    def say(self, session: str, to: str, *bodies: str) -> list[str]:
        """Say all *bodies* in one go through the session's open door; the ids, without waiting for *safe*."""
        door = knock(config.session_link(str(self.home / "p"), session))
        assert door is not None, f"{session} on {self.name} has no door"
        try:
            return [str(door.ask("send", timeout=10, to=to, body=b)["messages"][0]["id"]) for b in bodies]
        finally:
            door.close()

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

    def sent(self, session: str, most: int = 500) -> dict[str, str]:
        """How far each message of a session's got, by id, oldest first."""
        return {m["id"]: m["state"] for m in self.ask(session, "sent", most=most).get("messages", [])}

    def here(self, name: str, host: str | None = None) -> bool:
        """Whether *name*, of *host*, is here in this host's view; false also if nobody knows it."""
        return bool(self.peers(host).get(name, {}).get("here"))

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
        _signal_all(pids, signal.SIGCONT)

    def link(self, state: str) -> None:
        """Set the cable ``up`` or ``down``."""
        done = self.lan.run(self.name, ["ip", "link", "set", self.lan.interface, state])
        assert done.returncode == 0, done.stderr

    def cut(self) -> None:
        """Part it from the others at the far end of its cable: its own interface stays up and shows nothing."""
        self._plug("nomaster")

    def mend(self) -> None:
        """Undo ``cut``."""
        self._plug("master bridge0")

    def _plug(self, words: str) -> None:
        port = f"port{self.lan.hosts.index(self.name) + 1}"
        command = ["ip", "-n", self.lan._hub, "link", "set", port, *words.split()]
        subprocess.run(command, check=True, capture_output=True, timeout=10)

    def address(self, old: str, new: str) -> None:
        """Have another address, as from a DHCP server with other ideas."""
        for words in (["del", f"{old}/24"], ["add", f"{new}/24", "brd", "+"]):
            done = self.lan.run(self.name, ["ip", "address", *words, "dev", self.lan.interface])
            assert done.returncode == 0, done.stderr

    # ------------------------------------------------------------ the end

    def leftovers(self) -> list[int]:
        """Processes that have this host's state directory in their environment."""
        mark = f"\0PEER_HOME={self.home / 'p'}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # ended meanwhile
                if mark in b"\0" + entry.read_bytes():
                    found.append(int(entry.parent.name))
        return found

    def close(self) -> None:
        """End the clients, and with them the sidecars; what does not end by itself is killed, and an error."""
        _signal_all(self.leftovers(), signal.SIGCONT)
        for client in self.clients.values():
            client.kill()
            client.wait()
        try:
            with contextlib.suppress(PeerError):
                self.ask("", "down")
            until(lambda: not self.leftovers(), f"the sidecars of {self.name} to end")
        finally:
            _signal_all(self.leftovers(), signal.SIGKILL)
            shutil.rmtree(self.home, ignore_errors=True)


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(
            ProcessLookupError
        ):  # ended meanwhile; the others must not be forgotten for that
            os.kill(pid, number)


def pair(one: Host, other: Host) -> None:
    """Let *other* in on *one*."""
    token = one.run("invite")["token"]
    other.run("join", token)
