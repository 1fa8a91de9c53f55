"""Hosts that exchange their logs, by simulation: the product's exchange and files, with links in memory."""

from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from collections.abc import Collection

from peermesh.core.events import Draft, What
from peermesh.core.words import PeerId
from peermesh.mesh.hosts.wire import Events, Have, HostFrame, decode, encode
from peermesh.sidecar.exchange import Exchange
from peermesh.store.log import LogStore

MOST = 200  # sessions on a host
FEW = 2  # hosts at least
BURST = 100  # events
REPO = "remote:example.invalid/acme/shop"
START = 1_700_000_000.0  # wall clock, seconds


class Clock:
    """The time of all: it passes only when it is told to."""

    now = 0.0

    @classmethod
    def wall(cls) -> float:
        """Seconds since 1970."""
        return START + cls.now

    @classmethod
    def running(cls) -> float:
        """Seconds since the start."""
        return cls.now


class Lane:
    """One direction of the link between two gates."""

    def __init__(self, net: Net, source: Gate, target: Gate) -> None:
        self.key, self._net, self._source, self._target = target.key, net, source, target

    def send(self, frame: HostFrame) -> bool:
        """Put a frame on its way."""
        self._net.under_way.append((self._source, self._target, encode(frame)))
        return True


class Gate:
    """One host's exchange and log.

    Args:
        net: all of them.
        number: which it is.
    """

    def __init__(self, net: Net, number: int) -> None:
        self._net, self.key = net, f"{number:064x}"
        self.peers = [f"{number:04x}{place:04x}" for place in range(net.each)]
        self.store = LogStore(f"{net.folder}/{number}")
        self.store._db.execute("PRAGMA synchronous=OFF")  # noqa: SLF001 - the disk is not what is looked at
        self.exchange = Exchange(self.store, self, Clock())  # type: ignore[arg-type]
        self.lanes: dict[str, Lane] = {}

    def say(self, number: int) -> None:
        """A session of this host says an event."""
        data = {"path": f"src/{number}.py", "branch": "main"}
        draft = Draft(by=self.peers[number % self._net.each], name="s", repo=REPO, kind=What.EDIT, data=data)
        self.store.say(draft, Clock.wall())
        self._net.commits += 1
        self._net.pokes += self._net.each - 1

    def hear(self, source: Gate, data: bytes) -> None:
        """A frame comes."""
        frame, link = decode(data), self.lanes[source.key]
        if isinstance(frame, Have):
            self.exchange.have(link, frame)
        elif isinstance(frame, Events):
            self._net.commits += 1
            self.exchange.events(link, frame)

    def tell(self) -> None:
        """What the gate does when it is nudged."""
        self.exchange.tell(self.lanes.values())

    # ------------------------------------------------------------ what the exchange asks

    def host_of(self, peer: PeerId) -> str | None:
        """The key of the other host that *peer* is on."""
        home = f"{int(peer[:4], 16):064x}"
        return home if home != self.key else None

    def ours(self) -> Collection[PeerId]:
        """The peers of this host."""
        return self.peers

    @staticmethod
    def away(_: PeerId) -> bool:
        """Whether nobody runs as a peer."""
        return False

    def said(self) -> None:
        """The log changed: the sidecars of this host are poked."""
        self._net.pokes += self._net.each - 1

    @staticmethod
    def strange(words: str) -> None:
        """Another host sent what it may not."""
        raise RuntimeError(words)

    log = strange


class Net:
    """So many hosts, each linked with each.

    Args:
        folder: for their logs.
        count: of hosts.
        each: sessions on each.
    """

    def __init__(self, folder: str, count: int, each: int) -> None:
        self.folder, self.each = folder, each
        self.under_way: deque[tuple[Gate, Gate, bytes]] = deque()
        self.frames = self.bytes = self.commits = self.pokes = 0
        for number in range(count):
            os.mkdir(f"{folder}/{number}")
        self.gates = [Gate(self, number) for number in range(count)]
        for gate in self.gates:
            gate.lanes = {other.key: Lane(self, gate, other) for other in self.gates if other is not gate}

    def settle(self) -> None:
        """Until nothing is under way."""
        while self.under_way:
            source, target, data = self.under_way.popleft()
            self.frames += 1
            self.bytes += len(data)
            target.hear(source, data)

    def begin(self) -> None:
        """Count from here on; and a minute of talk may be had again."""
        Clock.now += 30
        self.frames = self.bytes = self.commits = self.pokes = 0

    def close(self) -> None:
        """Close all logs."""
        for gate in self.gates:
            gate.store.close()


class Told:
    """What one event costs with so many hosts."""

    def __init__(self, peers: int) -> None:
        self.hosts = max(FEW, peers // MOST)
        self.each = peers // self.hosts
        self.links = self.hosts * (self.hosts - 1) // 2
        with tempfile.TemporaryDirectory(prefix="pb", dir="/tmp") as folder:
            net = Net(folder, self.hosts, self.each)
            for gate in net.gates:
                gate.tell()
            net.settle()
            self._one_after_the_other(net)
            self._at_once(net)
            net.close()

    def _one_after_the_other(self, net: Net) -> None:
        net.begin()
        began = time.process_time()
        for number, gate in enumerate(net.gates):
            gate.say(number)
            gate.tell()
            net.settle()
        self.cpu_ms = (time.process_time() - began) * 1e3 / self.hosts
        self.frames, self.commits = net.frames / self.hosts, net.commits / self.hosts
        self.pokes, self.kilobytes = net.pokes / self.hosts, net.bytes / self.hosts / 1024

    def _at_once(self, net: Net) -> None:
        net.begin()
        began = time.process_time()
        for number in range(BURST):
            net.gates[0].say(number)
        net.gates[0].tell()
        net.settle()
        self.burst_cpu_ms = (time.process_time() - began) * 1e3 / BURST
        self.burst_frames, self.burst_commits = net.frames / BURST, net.commits / BURST
        self.burst_pokes = net.pokes / BURST


def tell_events(peers: int) -> Told:
    """So many peers on hosts of 200 share a repo."""
    return Told(peers)
