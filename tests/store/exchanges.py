"""Hosts in a box: each with a real log and a real exchange, and a network between them that can do all the bad things.

What they say to each other goes through the real codec. A network of links that lose nothing and keep the order is
what ZeroMQ gives; here frames may be lost, repeated and late, too.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from peermesh.core.checked import checked
from peermesh.core.words import PeerId
from peermesh.mesh.hosts.wire import Events, Have, HostFrame, decode, encode
from peermesh.sidecar.exchange import Exchange
from peermesh.store.log import LogStore
from tests.store.boxes import CLOCK
from tests.store.logs import REPO, counted, draft

PEERS_OF_A_HOST = 2


class Time:
    """One time that passes for all, and clocks on the walls that differ by hours."""

    def __init__(self) -> None:
        self.now = 0.0

    def pass_by(self, seconds: float) -> None:
        """Let it pass."""
        self.now += seconds


class Clock:
    """What one host knows of the time."""

    def __init__(self, time: Time, offset: float) -> None:
        self._time, self.offset = time, offset

    def wall(self) -> float:
        """Seconds since 1970, as this host has it."""
        return CLOCK + self._time.now + self.offset

    def running(self) -> float:
        """Seconds since something."""
        return self._time.now


class Lane:
    """One direction of one link: frames that are under way."""

    def __init__(self, key: str) -> None:
        self.key = key  # of the host to which it leads
        self.frames: deque[bytes] = deque()
        self.cut = False
        self.full = False

    def send(self, frame: HostFrame) -> bool:
        """Put a frame on its way."""
        if self.cut or self.full:
            return False
        self.frames.append(encode(frame))
        return True


class Node:
    """One host.

    Args:
        root: its state directory.
        number: which host.
        time: the time.
    """

    def __init__(self, root: Path, number: int, time: Time) -> None:
        self.number, self.root = number, root
        self.key = f"{number:064x}"
        self.peers = [f"{number}{place}" + "a" * 6 for place in range(PEERS_OF_A_HOST)]
        self.clock = Clock(time, 3_600.0 * number)
        self.world: World | None = None
        self.new_id = counted(number << 32)
        self.lines: list[str] = []
        self.wrong: list[str] = []
        self.pokes = 0
        self.when_said: Callable[[], None] = lambda: None
        root.mkdir()
        self.open()

    def open(self) -> None:
        """Begin, as after a start."""
        self.store = LogStore(str(self.root), self.new_id)
        self.store._db.execute("PRAGMA synchronous=OFF")
        self.exchange = Exchange(self.store, self, self.clock)

    def close(self) -> None:
        """End."""
        self.store.close()

    # ------------------------------------------------------------ what an exchange needs

    def host_of(self, peer: PeerId) -> str | None:
        """The key of the other host that *peer* is on."""
        return self.world.homes.get(peer) if self.world and peer not in self.peers else None

    def ours(self) -> Collection[PeerId]:
        """The peers of this host."""
        return self.peers

    def away(self, peer: PeerId) -> bool:
        """Whether nobody runs as *peer*."""
        return self.world is None or peer in self.world.dead

    def said(self) -> None:
        """The log changed."""
        self.pokes += 1
        self.when_said()

    def strange(self, words: str) -> None:
        """Another host sent what it may not."""
        self.wrong.append(words)

    def log(self, words: str) -> None:
        """Leave a line in the log."""
        self.lines.append(words)


class World:
    """All hosts, and the links between each two of them.

    Args:
        root: a directory.
        count: how many hosts.
    """

    def __init__(self, root: Path, count: int) -> None:
        self.root, self.time = root, Time()
        self.dead: set[PeerId] = set()
        self.nodes: list[Node] = []
        self.by_key: dict[str, Node] = {}
        self.homes: dict[PeerId, str] = {}
        self.lanes: dict[tuple[str, str], Lane] = {}
        for number in range(1, count + 1):
            self.add(root / f"host{number}")
        self.heal()

    def add(self, root: Path) -> Node:
        """One more host, without links."""
        node = Node(root, len(self.nodes) + 1, self.time)
        node.world = self
        self.nodes.append(node)
        self.by_key[node.key] = node
        self.homes.update(dict.fromkeys(node.peers, node.key))
        return node

    def pairs(self) -> Iterable[tuple[Node, Node]]:
        """Each two of the hosts, once."""
        return [(one, other) for one in self.nodes for other in self.nodes if one.number < other.number]

    def close(self) -> None:
        """End."""
        for one in self.nodes:
            one.close()

    # ------------------------------------------------------------ links

    def join(self, one: Node, other: Node) -> None:
        """A link comes up, in place of the one that was."""
        self.cut(one, other)
        for source, target in ((one, other), (other, one)):
            self.lanes[source.key, target.key] = Lane(target.key)
        for source in (one, other):
            self.tick(source)

    def cut(self, one: Node, other: Node) -> None:
        """It breaks, with what is under way."""
        for ends in ((one.key, other.key), (other.key, one.key)):
            lane = self.lanes.pop(ends, None)
            if lane is not None:
                lane.cut = True

    def split(self, node: Node) -> None:
        """A host is alone."""
        for other in self.nodes:
            if other is not node:
                self.cut(node, other)

    def joined(self, one: Node, other: Node) -> bool:
        """Whether there is a link."""
        return (one.key, other.key) in self.lanes

    def heal(self) -> None:
        """All links that were cut come up."""
        for one, other in self.pairs():
            if not self.joined(one, other):
                self.join(one, other)

    def tick(self, node: Node) -> None:
        """What a gate does twice a second, and when it is nudged."""
        node.exchange.tell([lane for (source, _), lane in self.lanes.items() if source == node.key])

    def ready(self) -> list[tuple[str, str]]:
        """The directions in which something is under way."""
        return [ends for ends, lane in self.lanes.items() if lane.frames]

    def deliver(self, ends: tuple[str, str]) -> HostFrame:
        """The oldest frame of a direction arrives."""
        frame = decode(self.lanes[ends].frames.popleft())
        node, back = self.by_key[ends[1]], self.lanes[ends[1], ends[0]]
        if isinstance(frame, Have):
            node.exchange.have(back, frame)
        else:
            assert isinstance(frame, Events)
            node.exchange.events(back, frame)
        return frame

    def settle(self, most: int = 100_000) -> int:
        """All that is under way arrives, and what is said to it; how many frames that were."""
        count = 0
        for one in self.nodes:
            self.tick(one)
        while ready := self.ready():
            self.deliver(ready[count % len(ready)])
            count += 1
            assert count < most, "they never come to an end"
        return count

    # ------------------------------------------------------------ files

    def restart(self, node: Node, before: Callable[[], None] = lambda: None) -> None:
        """A host ends and begins again; its links are cut."""
        self.split(node)
        node.close()
        before()
        node.open()

    def copy(self, node: Node) -> Path:
        """A copy of a host's log as it is now."""
        path = self.root / f"copy{node.number}"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as copy:
            node.store._db.backup(copy)
        copy.close()
        return path

    def put_back(self, node: Node, copy: Path | None) -> None:
        """A host's log is replaced by an older copy, or lost."""

        def replace() -> None:
            # Its mark too, as with a copy of the whole directory: now only others can find it out.
            for path in (*node.root.glob("log.db*"), *node.root.glob("log.mark")):
                path.unlink()
            if copy is not None:
                shutil.copy(copy, node.root / "log.db")

        self.restart(node, replace)


def say(node: Node, kind: str = "note", *, place: int = 0, repo: str = REPO, **data: object) -> None:
    """A peer of a host says something."""
    node.store.say(draft(kind, repo, node.peers[place], **data), node.clock.wall())


def known(node: Node, repo: str = REPO) -> set[tuple[object, ...]]:
    """What a host knows of a repo, without what differs from host to host."""
    told = [checked(one) for _, one in node.store.since(repo, 0)]
    return {(one.id, one.stamp, one.by, one.name, one.kind, str(dict(one.data))) for one in told}
