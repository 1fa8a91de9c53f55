"""Many sidecars on hosts in network namespaces, all paired, and what they weigh, talk and cost together."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stage import until
from weight import memory, threads_cpu

from peermesh import config
from peermesh.door.client import Door, knock
from peermesh.mesh.hosts.keys import host_keys
from peermesh.store.trust import TrustStore
from tests.lan.hosts import ROOT, Host
from tests.lan.machines import clone
from tests.netns import Network, _enter

# Sidecars that start at a time: more only wait for each other on two cores.
STARTS = 8
PATIENCE = 120.0  # seconds
MDNS = 5353
GATE = 7337
ETH_P_ALL = 3
# From linux/if_packet.h: have the bridge hand up also what is for one host only.
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1
# Starts sidecars as hooks and commands do, in a host's namespace.
STARTER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from peermesh import config
from peermesh.door.client import start
for line in sys.stdin:
    spec = json.loads(line)
    start(config.home(), config.session_link(config.home(), spec["session"]), spec)
"""
ESTABLISHED = "01"  # of a TCP socket in /proc/net/tcp
CONNECTED = "03"  # of a Unix socket in /proc/net/unix


@dataclass(frozen=True, slots=True)
class Member:
    """One session whose sidecar runs."""

    host: Host
    session: str
    peer: str
    pid: int
    door: Door

    @property
    def directory(self) -> str:
        """Its own."""
        return os.path.join(root(self.host), "peers", self.peer)


def root(host: Host) -> str:
    """The state directory of *host*."""
    return str(host.home / "p")


class Crowd:
    """So many hosts, all of which trust each other, in clones of one repo.

    Args:
        lan: their network.
    """

    def __init__(self, lan: Network) -> None:
        self.lan = lan
        self.hosts = [Host(lan, name) for name in lan.hosts]
        self.members: list[Member] = []
        self._pair()
        self._starters: dict[str, subprocess.Popen[str]] = {}
        for host in self.hosts:
            clone(host)
            command = [sys.executable, "-I", "-c", STARTER, str(ROOT)]
            self._starters[host.name] = lan.popen(
                host.name, command, env=host.environment(), stdin=subprocess.PIPE, text=True
            )

    def _pair(self) -> None:
        """Write what pairing would have written."""
        keys = {}
        for host in self.hosts:
            os.makedirs(root(host), mode=0o700)
            keys[host.name] = host_keys(root(host))[0].hex()
        for host in self.hosts:
            trust = TrustStore(root(host), host.name)
            for other in self.hosts:
                if other is not host:
                    trust.add(keys[other.name], other.name, (f"{self.lan.address(other.name)}:{GATE}",))

    # ------------------------------------------------------------ growth

    def grow(self, each: int, but: int = 0) -> None:
        """Have *each* sidecars on every host (*but* so many fewer on the first), who all know of each other."""
        wanted = [
            (host, f"{host.name}-{number}")
            for number in range(each)
            for host in self.hosts
            if len(host.clients) <= number < each - (but if host is self.hosts[0] else 0)
        ]
        for at in range(0, len(wanted), STARTS):
            some = wanted[at : at + STARTS]
            for host, session in some:
                self._start(host, session)
            self.members += [self._member(host, session) for host, session in some]
        count = len(self.members)
        for host in self.hosts:
            first = next(one for one in self.members if one.host is host)
            until(lambda first=first: self.known(first) == count, PATIENCE)  # type: ignore[misc]

    def _start(self, host: Host, session: str) -> None:
        client = host._client(session).pid  # noqa: SLF001 - a stand-in for the client, which it ends
        stream = self._starters[host.name].stdin
        if stream is None:
            raise RuntimeError("the starter has no input")
        stream.write(json.dumps({"session": session, "client": client, "cwd": str(host.work)}) + "\n")
        stream.flush()

    @staticmethod
    def _member(host: Host, session: str) -> Member:
        link = config.session_link(root(host), session)
        found: list[Door] = []

        def is_open() -> bool:
            door = knock(link)
            if door is not None:
                found.append(door)
            return bool(found)

        until(is_open, PATIENCE)
        said = found[0].ask("status", timeout=PATIENCE)
        return Member(host, session, said["id"], said["pid"], found[0])

    @staticmethod
    def known(one: Member) -> int:
        """How many sessions are here in its view."""
        return sum(p["here"] and not p["person"] for p in one.door.ask("list", timeout=PATIENCE)["peers"])

    def come(self) -> Member:
        """One more session, on the first host."""
        host = self.hosts[0]
        session = f"{host.name}-{len(host.clients)}"
        self._start(host, session)
        one = self._member(host, session)
        self.members.append(one)
        return one

    def newcomer(self) -> tuple[float, float]:
        """One more session, on the first host: seconds from its open door until the last other one told us that
        it is here, and seconds of asking them all once more.
        """
        others = list(self.members)
        one = self.come()
        began = time.perf_counter()
        for other in self.hosts[1:]:
            until(lambda other=other: _in_file(other, one.peer), PATIENCE)  # type: ignore[misc]
        _all_see(others, one.peer)
        took = time.perf_counter() - began
        again = time.perf_counter()
        _all_see(others, one.peer)
        return took, time.perf_counter() - again

    # ------------------------------------------------------------ what it costs

    def cpu(self, some: int | None = None) -> float:
        """Seconds of processor that all, or the first *some*, have used together."""
        return sum(threads_cpu(one.pid) for one in self.members[:some])

    def memory(self) -> tuple[float, float]:
        """MB of PSS of all, and the median of each."""
        weights = [memory(one.pid)["pss"] for one in self.members]
        return sum(weights), statistics.median(weights)

    def descriptors(self) -> tuple[float, int]:
        """The median of all, and the most that one has."""
        counts = [len(os.listdir(f"/proc/{one.pid}/fd")) for one in self.members]
        return statistics.median(counts), max(counts)

    def connections(self) -> tuple[int, int]:
        """ZeroMQ connections between peers of one host, and TCP connections at gates; of all hosts."""
        local = remote = 0
        for host in self.hosts:
            pid = next(one.pid for one in self.members if one.host is host)
            with open(f"/proc/{pid}/net/unix", encoding="ascii", errors="replace") as file:
                rows = [row.split() for row in file]
            mine = os.path.join(root(host), "peers")
            local += sum(
                len(row) == 8 and row[5] == CONNECTED and row[7].startswith(mine) and row[7].endswith("/link")
                for row in rows
            )
            for name in ("tcp", "tcp6"):
                with open(f"/proc/{pid}/net/{name}", encoding="ascii") as file:
                    rows = [row.split() for row in file][1:]
                remote += sum(
                    row[3] == ESTABLISHED and int(row[1].rpartition(":")[2], 16) == GATE for row in rows
                )
        return local, remote

    # ------------------------------------------------------------ talk

    def broadcast(self, by: Member, body: str) -> float:
        """Seconds from one message to all until the last is *safe*."""
        began = time.perf_counter()
        said = by.door.ask("send", timeout=PATIENCE, to="@all", body=body, wait="safe", within=PATIENCE)
        took = time.perf_counter() - began
        states = {one["state"] for one in said["messages"]}
        if len(said["messages"]) != len(self.members) - 1 or states != {"safe"}:
            raise RuntimeError(f"{len(said['messages'])} messages, {states}")
        return took

    def claim(self, by: Member, path: str) -> float:
        """Seconds from a claim until the hook before an edit is armed in every other session; then it is released."""
        cwd = str(by.host.work)
        marks = [os.path.join(one.directory, "due", "PreToolUse") for one in self.members if one is not by]
        began = time.perf_counter()
        by.door.ask("claim", timeout=PATIENCE, cwd=cwd, paths=[path], lease=None, why="")
        until(lambda: all(map(os.path.exists, marks)), PATIENCE)
        took = time.perf_counter() - began
        by.door.ask("release", timeout=PATIENCE, cwd=cwd, paths=[], all=True)
        until(lambda: not any(map(os.path.exists, marks)), PATIENCE)
        return took

    def close(self) -> None:
        """End all."""
        for starter in self._starters.values():
            if starter.stdin is not None:
                starter.stdin.close()
            starter.wait(PATIENCE)
        for one in self.members:
            one.door.close()
        for host in self.hosts:
            for client in host.clients.values():
                client.kill()
        for host in self.hosts:
            until(lambda host=host: not host.leftovers(), PATIENCE)  # type: ignore[misc]
            host.close()


def _all_see(members: list[Member], peer: str) -> None:
    """Ask all at once whether *peer* is here, and those again who say no."""
    left = members
    while left:
        for member in left:
            member.door.write("alive", 1, {"to": peer})
        left = [member for member in left if not member.door.read().get("ok", {}).get("here")]


def _in_file(host: Host, peer: str) -> bool:
    """Whether the keeper of *host* has written down *peer*, which is on another one."""
    with sqlite3.connect(f"file:{root(host)}/host.db?mode=ro", uri=True) as db:
        found = db.execute("SELECT 1 FROM remotes WHERE id = ?", (peer,)).fetchone() is not None
    db.close()
    return found


@contextmanager
def crowd(*names: str) -> Iterator[Crowd]:
    """A crowd that is gone afterwards."""
    with Network(*names) as lan:
        here = Crowd(lan)
        try:
            yield here
        finally:
            here.close()


class Listener:
    """Counts the mDNS packets that cross the bridge between the hosts.

    Args:
        lan: the network.
    """

    def __init__(self, lan: Network) -> None:
        self.packets, self._going = 0, True
        self._socket = inside(lan._hub, self._open)  # noqa: SLF001 - the bridge is in a namespace without a name
        self._socket.settimeout(0.2)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def _open() -> socket.socket:
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        one.bind(("bridge0", 0))
        index = socket.if_nametoindex("bridge0")
        one.setsockopt(
            SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack("iHH8s", index, PACKET_MR_PROMISC, 0, b"")
        )
        return one

    def _run(self) -> None:
        while self._going:
            try:
                packet = self._socket.recv(2048)
            except TimeoutError:
                continue
            if is_mdns(packet):
                self.packets += 1
        self._socket.close()

    def close(self) -> None:
        """Listen no longer."""
        self._going = False
        self._thread.join()


def is_mdns(packet: bytes) -> bool:
    """Whether an Ethernet frame is UDP to or from the port of mDNS."""
    kind = packet[12:14]
    if kind == b"\x08\x00" and packet[23] == socket.IPPROTO_UDP:
        at = 14 + (packet[14] & 15) * 4
    elif kind == b"\x86\xdd" and packet[20] == socket.IPPROTO_UDP:
        at = 54
    else:
        return False
    return MDNS in struct.unpack("!HH", packet[at : at + 4])


def inside(namespace: str, make: Callable[[], Any]) -> Any:
    """What *make* returns when it is called in *namespace*."""
    made: list[Any] = []

    def run() -> None:
        _enter(namespace)
        made.append(make())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return made[0]
