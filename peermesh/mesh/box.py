"""A network in a box: carries frames between engines in memory, and loses, repeats, reorders, delays and
cuts as it is told. Every frame goes through the real codec. Nothing here touches the world.

Time is a number that the caller moves on; nothing is random. Which frame suffers what is the caller's
choice, so a test that fails once fails always.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import cast

from peermesh.core.budget import Budget
from peermesh.core.frames import Request, Response
from peermesh.core.script import Asked, Heard, Input, LinkLost, Route
from peermesh.core.words import Card, PeerId
from peermesh.mesh.boxed import Node
from peermesh.mesh.wire import decode, encode

# What the wall clock shows when the box's own time is 0, in seconds since 1970.
EPOCH = 1_700_000_000.0
# More frames and alarms than this in one run are two engines that never come to rest.
STEPS = 100_000


@dataclass(slots=True, eq=False)
class Lane:
    """One direction of a link, and the frames on it, the oldest first. ``None`` is the cut."""

    source: PeerId
    target: PeerId
    route: Route
    upward: bool  # from who dialled to who was dialled
    frames: deque[tuple[int, bytes | None]] = field(default_factory=deque)  # (how many-th in the box, frame)
    until: float = 0.0  # nothing arrives before


class Box:
    """The network, and the peers on it."""

    def __init__(self) -> None:
        self.now = 0.0  # seconds, as every peer's monotonic clock
        self.nodes: dict[PeerId, Node] = {}
        self._dialled: dict[tuple[PeerId, PeerId], tuple[Lane, Lane]] = {}
        self._lanes: list[Lane] = []
        self._frames = self._routes = 0
        self._side: dict[PeerId, int] = {}

    @property
    def clock(self) -> float:
        """The wall's time in seconds, the same for everybody."""
        return EPOCH + self.now

    def add(self, card: Card, budget: Callable[[], Budget] | None = None) -> Node:
        """A new peer, living. *budget* makes a session's; a person's shell has none."""
        node = self.nodes[card.id] = Node(self, card, budget)
        node.start()
        return node

    def knows(self, peer: PeerId) -> bool:
        """Whether *peer* ever was in the box."""
        return peer in self.nodes

    # ------------------------------------------------------------ what nodes do

    def dial(self, source: PeerId, target: PeerId) -> None:
        """Open a link; what is said on it waits until *target* lives and can be reached."""
        self.hang_up(source, target)
        self._routes += 1
        route = self._routes.to_bytes(4, "big")
        up, down = Lane(source, target, route, True), Lane(target, source, route, False)
        self._dialled[source, target] = up, down
        self._lanes += [up, down]

    def hang_up(self, source: PeerId, target: PeerId) -> None:
        """Close a link from the end that dialled it; what was said on it may still arrive."""
        _, down = self._dialled.pop((source, target), (None, None))
        if down is not None:
            self._lanes.remove(down)

    def tell(self, source: PeerId, target: PeerId, frame: Request) -> None:
        """Put a frame on the link that *source* dialled."""
        up, _ = self._dialled.get((source, target), (None, None))
        if up is not None:
            self._put(up, encode(frame))

    def reply(self, source: PeerId, route: Route, frame: Response) -> None:
        """Put a frame on the way back of a link; dropped if that is gone."""
        for _, down in self._dialled.values():
            if down.route == route and down.source == source:
                self._put(down, encode(frame))

    def _put(self, lane: Lane, frame: bytes | None) -> None:
        self._frames += 1
        lane.frames.append((self._frames, frame))

    # ------------------------------------------------------------ what befalls them

    def cut(self, source: PeerId, target: PeerId) -> None:
        """Cut the link that *source* dialled: what is on it is lost, and *source* notices."""
        up, down = self._dialled.get((source, target), (None, None))
        if up is not None and down is not None:
            up.frames.clear()
            down.frames.clear()
            self._put(down, None)

    def died(self, peer: PeerId) -> None:
        """*peer* is dead: its links are gone, and who dialled it notices."""
        for source, target in list(self._dialled):
            if source == peer:
                self.hang_up(source, target)
            elif target == peer:
                self.cut(source, target)

    def split(self, *sides: Collection[PeerId]) -> None:
        """Nothing passes between *sides*; it waits. Who is in none of them is with the first."""
        self._side = {peer: number for number, side in enumerate(sides) for peer in side}

    def heal(self) -> None:
        """One network again, without delays."""
        self._side = {}
        for lane in self._lanes:
            lane.until = 0.0

    def apart(self, one: PeerId, other: PeerId) -> bool:
        """Whether a split is between the two."""
        return self._side.get(one, 0) != self._side.get(other, 0)

    def ready(self) -> list[Lane]:
        """The lanes on which something may arrive now, the longest waiting first."""
        self._lanes = [one for one in self._lanes if one.frames or self._open(one)]
        there = (one for one in self._lanes if one.frames and one.until <= self.now and self._passes(one))
        return sorted(there, key=lambda one: one.frames[0][0])

    def _open(self, lane: Lane) -> bool:
        ends = (lane.source, lane.target) if lane.upward else (lane.target, lane.source)
        return lane in self._dialled.get(ends, ())

    def _passes(self, lane: Lane) -> bool:
        living = self.nodes[lane.target].engine is not None
        return living and (lane.frames[0][1] is None or not self.apart(lane.source, lane.target))

    def take(self, lane: Lane) -> Input:
        """Take the oldest frame off *lane*: what its recipient is to be told."""
        _, data = lane.frames.popleft()
        if data is None:
            return LinkLost(lane.source)
        frame = decode(data)
        if lane.upward:
            return Asked(lane.route, cast(Request, frame))
        return Heard(lane.source, cast(Response, frame))

    def deliver(self, lane: Lane, crash: int | None = None) -> None:
        """The oldest frame on *lane* arrives; its recipient may *crash* over it, see ``Node.handle``."""
        self.nodes[lane.target].handle(self.take(lane), crash=crash)

    def lose(self, lane: Lane) -> None:
        """The oldest frame on *lane* is lost; a cut is always noticed."""
        if lane.frames[0][1] is not None:
            lane.frames.popleft()

    def repeat(self, lane: Lane) -> None:
        """The oldest frame on *lane* will arrive twice."""
        lane.frames.appendleft(lane.frames[0])

    def reorder(self, lane: Lane) -> None:
        """The oldest frame on *lane* is overtaken by all others there."""
        lane.frames.rotate(-1)

    def delay(self, lane: Lane, seconds: float) -> None:
        """Nothing arrives on *lane* for so long."""
        lane.until = self.now + seconds

    # ------------------------------------------------------------ time

    def settle(self) -> None:
        """Deliver, in order, until nothing is on its way.

        Raises:
            RuntimeError: that never happens.
        """
        for _ in range(STEPS):
            ready = self.ready()
            if not ready:
                return
            self.deliver(ready[0])
        raise RuntimeError("the engines in the box do not come to rest")

    def run(self, seconds: float) -> None:
        """Let so much time pass, with a network that loses nothing and takes no time.

        Raises:
            RuntimeError: some engine is never at rest.
        """
        end = self.now + seconds
        for _ in range(STEPS):
            self.settle()
            at = self.alarm()
            if at is None or at > end:
                self.now = end
                return
            self.now = max(self.now, at)
            self.tick()
        raise RuntimeError("the engines in the box do not come to rest")

    def skip(self, seconds: float) -> None:
        """Let so much time pass at once, with nothing delivered, and then do what is due."""
        self.now += seconds
        self.tick()

    def alarm(self) -> float | None:
        """When something is due next: an engine's alarm, or the end of a delay."""
        times = [node.alarm() for node in self.nodes.values()]
        times += [lane.until for lane in self._lanes if lane.frames and lane.until > self.now]
        return min((at for at in times if at is not None), default=None)

    def tick(self) -> None:
        """Let every peer do what is due."""
        for node in self.nodes.values():
            at = node.alarm()
            if at is not None and at <= self.now:
                node.wake()
