"""Scale by simulation: the engines of up to 10,000 peers, with mailboxes and links in memory, and simulated time.

The engines are the product's, and so are the order of what they do and the batches; what is left out is the disk, the
sockets and the processes. Prints tables. Takes half a minute up to 3,000 peers, which is what runs by default, and two to
six up to 10,000, which also draws docs/scale.svg: BENCH_PEERS=100,300,1000,3000,10000.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from curves import Curve, draw
from simulated_hosts import Told, tell_events

from peermesh.core.engine import Engine
from peermesh.core.frames import Mail, Request
from peermesh.core.script import (
    Asked,
    Dial,
    Effect,
    HangUp,
    Heard,
    Input,
    Keep,
    KeepOut,
    ReadAsked,
    Reply,
    Say,
    Show,
    Shown,
    Speak,
    Tell,
    Tick,
    Transmit,
)
from peermesh.core.words import Card, Kind, PeerId, State
from peermesh.mesh.memory import MemoryMailbox
from peermesh.mesh.wire import encode

PEERS = [int(one) for one in os.environ.get("BENCH_PEERS", "100,300,1000,3000").split(",")]
PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "scale.svg")
FULL = 10_000
OTHERS = 5  # with whom each peer talks
TIMES = 3  # messages to each of them
BODY = "x" * 200
SEED = 7
QUIET = 70.0  # seconds after which links have been closed
LOOKS = 1_000  # alarms until all must be at rest
LOOKED_AT = 40  # engines whose memory is counted


class Peer:
    """One engine with its mailbox, run as the sidecar runs it: a batch, one commit, the network, the alarm."""

    def __init__(self, world: World, card: Card) -> None:
        self._world, self.card = world, card
        self.mailbox = MemoryMailbox(card.id)
        self.engine = Engine(card, self.mailbox.snapshot(world.now, world.now))
        self.inputs: list[Input] = []
        self.alarm: float | None = None

    def put(self, what: Input) -> None:
        """Handle it with the next batch."""
        if not self.inputs:
            self._world.ready.append(self)
        self.inputs.append(what)

    def run(self) -> None:
        """Handle a batch."""
        inputs, self.inputs = self.inputs, []
        now = self._world.now
        effects = [effect for one in inputs for effect in self.engine.handle(one, now)]
        self._perform(effects)
        self.alarm = self.engine.next_alarm(now)

    def _perform(self, effects: list[Effect]) -> None:
        keeps: list[Keep] = [one for one in effects if isinstance(one, Keep)]
        self._world.said += sum(isinstance(one, KeepOut) for one in keeps)
        self.engine.outgoing.unsettled()
        if keeps:
            self.mailbox.keep(keeps, self._world.now)
            self._world.commits += 1
        for one in effects:
            if isinstance(one, Speak):
                self._speak(one)
        for one in effects:
            if isinstance(one, Show) and one.ids:
                self.put(Shown(one.token))

    def _speak(self, what: Speak) -> None:
        world, me = self._world, self.card.id
        match what:
            case Dial(peer):
                world.dial(me, peer)
            case HangUp(peer):
                world.hang_up(me, peer)
            case Tell(peer, frame):
                world.tell(me, peer, frame)
            case Transmit(peer, n, prev):
                world.tell(me, peer, Mail(self.mailbox.outgoing(n), prev))
            case Reply(route, frame):
                world.carried(encode(frame))
                world.peers[route.decode()].put(Heard(me, frame))


class World:
    """So many peers, and the links between them.

    Args:
        count: of peers.
    """

    def __init__(self, count: int) -> None:
        self.now = 0.0  # seconds
        self.said = self.commits = self.frames = self.bytes = 0
        self.links: set[tuple[PeerId, PeerId]] = set()
        self.most_links = 0
        self.ready: deque[Peer] = deque()
        cards = [Card(id=f"p{number:07}", name=f"p{number}", host="h") for number in range(count)]
        self.peers = {card.id: Peer(self, card) for card in cards}

    def dial(self, source: PeerId, target: PeerId) -> None:
        """Open a link."""
        self.links.add((source, target))
        self.most_links = max(self.most_links, len(self.links))

    def hang_up(self, source: PeerId, target: PeerId) -> None:
        """Close one."""
        self.links.discard((source, target))

    def tell(self, source: PeerId, target: PeerId, frame: Request) -> None:
        """Say something on the link that *source* dialled."""
        self.carried(encode(frame))
        self.peers[target].put(Asked(source.encode(), frame))

    def carried(self, data: bytes) -> None:
        """Count a frame."""
        self.frames += 1
        self.bytes += len(data)

    def settle(self) -> None:
        """Until nobody has anything to do."""
        while self.ready:
            self.ready.popleft().run()

    def come_to_rest(self) -> float:
        """Let time pass until all is delivered and told; how much that was.

        Raises:
            RuntimeError: it never is.
        """
        began = self.now
        for _ in range(LOOKS):
            if not any(peer.engine.outgoing.unsettled() for peer in self.peers.values()):
                return self.now - began
            alarms = [peer.alarm for peer in self.peers.values() if peer.alarm is not None]
            self.pass_time(max(0.0, min(alarms) - self.now))
        raise RuntimeError("the engines do not come to rest")

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass, and do what is due."""
        self.now += seconds
        for peer in self.peers.values():
            if peer.alarm is not None and peer.alarm <= self.now:
                peer.put(Tick())
        self.settle()


# ---------------------------------------------------------------- patterns


def everyone_talks(world: World) -> None:
    """Each says something to a few others, several times; all of it is read."""
    choose, everybody = random.Random(SEED), list(world.peers.values())
    for peer in everybody:
        others = [one for one in choose.sample(everybody, OTHERS + 1) if one is not peer][:OTHERS]
        for other in others * TIMES:
            peer.put(Say(0, (other.card,), Kind.MESSAGE, BODY, 0.0))
    world.settle()
    for peer in everybody:
        peer.put(ReadAsked(1, OTHERS * TIMES * 10))
    world.settle()


def one_tells_all(world: World) -> None:
    """One says something to everybody and waits until it is safe; all read it."""
    first, *others = world.peers.values()
    cards = tuple(one.card for one in others)
    first.put(Say(1, cards, Kind.MESSAGE, BODY, 0.0, group="@all", wait=State.SAFE, timeout=60.0))
    world.settle()
    for peer in others:
        peer.put(ReadAsked(2, 10))
    world.settle()


@dataclass(frozen=True, slots=True)
class Found:
    """What one simulation showed."""

    peers: int
    messages: int
    frames: int
    bytes: int
    commits: int
    links: int  # at once, of all
    left: int  # a minute later
    engine: float  # KB of memory, the median
    largest: float
    rest: float  # simulated seconds until the last was delivered, and its sender told
    seconds: float  # of this processor, for all of it


def simulate(count: int, talk: Callable[[World], None]) -> Found:
    """Let *count* peers talk."""
    world = World(count)
    gc.collect()
    gc.disable()
    began = time.process_time()
    talk(world)
    rest = world.come_to_rest()
    took = time.process_time() - began
    gc.enable()
    everybody = list(world.peers.values())
    some = {id(one): one for one in (everybody[0], *random.Random(SEED).sample(everybody, LOOKED_AT))}
    sizes = [size(one.engine, one.card) for one in some.values()]
    links = world.most_links
    frames, data, commits = world.frames, world.bytes, world.commits
    world.pass_time(QUIET)
    return Found(
        peers=count,
        messages=world.said,
        frames=frames,
        bytes=data,
        commits=commits,
        links=links,
        left=len(world.links),
        engine=statistics.median(sizes) / 1024,
        largest=max(sizes) / 1024,
        rest=rest,
        seconds=took,
    )


def size(of: object, without: object) -> int:
    """Bytes of all that an object holds, but for what is not its own: types, functions, and *without*."""
    seen, todo, found = {id(without)}, [of], 0
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen.add(id(one))
        found += sys.getsizeof(one)
        todo.extend(gc.get_referents(one))
    return found


# ---------------------------------------------------------------- what is shown


def show(title: str, found: Iterable[Found]) -> None:
    """Print one table."""
    print(
        f"\n{title}\n\n| peers | messages | frames | of each message | KB | commits | links at once "
        "| a minute later | all told after s | memory of an engine KB, the largest | CPU s | of each message µs |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for one in found:
        print(
            f"| {one.peers:,} | {one.messages:,} | {one.frames:,} | {one.frames / one.messages:.1f} "
            f"| {one.bytes / 1024:,.0f} | {one.commits:,} | {one.links:,} | {one.left:,} "
            f"| {one.rest:.1f} | {one.engine:.1f}, {one.largest:,.0f} | {one.seconds:.1f} | {one.seconds / one.messages * 1e6:,.0f} |"
        )


def show_events(found: Iterable[Told]) -> None:
    """Print the table of the exchange."""
    print(
        "\nAll share the events of one repo; one event is said on each host, one after the other, and then 100 on "
        "one host at once\n\n| hosts, sessions on each | links | frames for an event | KB | commits | pokes to "
        "sidecars | CPU ms, of all gates | of one gate | for each of 100 at once: frames | commits | pokes | CPU ms |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for one in found:
        print(
            f"| {one.hosts}, {one.each} | {one.links:,} | {one.frames:,.0f} | {one.kilobytes:,.1f} "
            f"| {one.commits:,.0f} | {one.pokes:,.0f} | {one.cpu_ms:,.1f} | {one.cpu_ms / one.hosts:.1f} "
            f"| {one.burst_frames:,.1f} | {one.burst_commits:,.1f} | {one.burst_pokes:,.0f} | {one.burst_cpu_ms:,.1f} |"
        )


def main() -> None:
    """Print the tables and draw the curves."""
    talked = [simulate(count, everyone_talks) for count in PEERS]
    show(f"Everyone says {TIMES} messages to each of {OTHERS} others, and reads", talked)
    told = [simulate(count, one_tells_all) for count in PEERS]
    show("One tells all, and all read", told)
    shared = [tell_events(count) for count in PEERS]
    show_events(shared)
    if max(PEERS) < FULL:
        return  # the page keeps the curves of the long form
    draw(
        PAGE,
        [
            Curve(
                "everyone talks with 5: CPU for a message, µs",
                [(f.peers, f.seconds / f.messages * 1e6) for f in talked],
            ),
            Curve(
                "one tells all: CPU for a message, µs",
                [(f.peers, f.seconds / f.messages * 1e6) for f in told],
            ),
            Curve("everyone talks with 5: links of a peer", [(f.peers, f.links / f.peers) for f in talked]),
            Curve("one tells all: links of that one", [(f.peers, f.links / 2) for f in told]),
            Curve(
                "an event of a repo: frames between hosts",
                [(t.hosts * t.each, t.frames) for t in shared if t.frames],
            ),
            Curve("an event of a repo: sidecars that look", [(t.hosts * t.each, t.pokes) for t in shared]),
        ],
    )


if __name__ == "__main__":
    main()
