"""Frames between this host's peers and those of other hosts. The gate carries; nothing is kept here.

Outward: a local peer's post dials the gate's socket as if it were the other peer's; what it says goes to the
other host inside an ``ask``, and comes back inside an ``answer``. Inward: for each pair of peers the gate dials
the local peer's own socket. If a way is cut anywhere, the peer that asked is told ``bye`` and begins anew: the
engines at both ends resend and drop repeats, so a relay may forget everything at any moment.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from peermesh import config
from peermesh.core.frames import Bye, Denied, Frame, Hello, Mail, Ping, Receipts
from peermesh.core.words import PeerId
from peermesh.errors import BadFrame
from peermesh.mesh import wire
from peermesh.mesh.hosts.wire import Answer, Ask, Part
from peermesh.mesh.links import Dealers, Router
from peermesh.sidecar.post import Busy

if TYPE_CHECKING:
    from peermesh.core.script import Route
    from peermesh.mesh.links import Context
    from peermesh.sidecar.ways import Way

Pair = tuple[PeerId, PeerId]  # who asks, and whom

# Frames above this size are mail: they need not be looked into on their way out.
SMALL = 512  # bytes
# Pairs of peers that one host may have open at a time; the one unused longest is closed for a new one.
CHANNELS = 300
# A pair that fell silent: engines say bye after a minute.
IDLE = 180.0  # seconds
# Local peers that are told at once that a host is back, and the pause before the next ones (seconds).
POKES, POKE_PAUSE = 20, 0.1
# A peer that cannot be stood in for just now is tried again, until its sender gives up greeting.
BUSY_TRIES, BUSY_PAUSE = 15, 0.12
# Local peers that wait for a host to come back.
WANTING = 10_000


class Around(Protocol):
    """What relays need of the gate."""

    def way(self, me: PeerId, you: PeerId) -> Way | None:
        """The way from *me*, of this host, to the host of *you*, if it is up now."""

    def reach(self, peer: PeerId) -> str | None:
        """Where *peer*, of this host, listens; ``None`` if it is not one of ours."""

    def is_live(self, peer: PeerId) -> bool:
        """Whether the sidecar of *peer*, of this host, runs."""

    def host_of(self, peer: PeerId) -> str | None:
        """The key of the other host that *peer* is on."""

    def name_of(self, key: str) -> str:
        """What the host with *key* is called here."""

    def strange(self, words: str) -> None:
        """Another host sent what it may not."""


@dataclass(slots=True)
class _Outward:
    """A pair whose asking peer is on this host."""

    way: Way
    pair: Pair
    used: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class _Inward:
    """A pair whose asking peer is on another host."""

    way: Way
    pair: Pair
    used: float = field(default_factory=time.monotonic)


class Relays:
    """See the top of this file.

    Args:
        context: this process's.
        root: the state directory.
        around: the gate.
    """

    def __init__(self, context: Context, root: str, around: Around) -> None:
        self._around = around
        self._loop = asyncio.get_running_loop()
        self._router = Router(context, config.gate_link(root), self._from_here)
        self._dealers: Dealers[tuple[int, Pair]] = Dealers(context, self._back, self._cut)
        self._out: dict[Route, _Outward] = {}
        self._routes: dict[tuple[int, Pair], Route] = {}
        self._in: dict[tuple[int, Pair], _Inward] = {}
        self._wanting: dict[Pair, None] = {}
        self._pokes = 0

    # ------------------------------------------------------------ outward

    def _from_here(self, route: Route, data: bytes) -> None:
        frame = _small(data)
        if isinstance(frame, Hello):
            self._greeted(route, frame, data)
            return
        known = self._out.get(route)
        if known is None:
            if not isinstance(frame, Bye):
                self._router.send(route, wire.encode(Denied("hello-first")))
            return
        known.used = time.monotonic()
        if not known.way.send(Ask(*known.pair, data)):
            self._hang_up(route)
        elif isinstance(frame, Bye):
            self._forget(route)

    def _greeted(self, route: Route, hello: Hello, data: bytes) -> None:
        self._forget(route)
        pair = (hello.me, hello.you)
        way = self._around.way(*pair)
        if way is None or not way.send(Ask(*pair, data)):
            self._want(pair)
            self._router.send(route, wire.encode(Denied("unreachable")))
            return
        before = self._routes.get((id(way), pair))
        if before is not None:
            self._forget(before)
        self._out[route] = _Outward(way, pair)
        self._routes[(id(way), pair)] = route

    def _want(self, pair: Pair) -> None:
        self._wanting.pop(pair, None)
        self._wanting[pair] = None
        if len(self._wanting) > WANTING:
            del self._wanting[next(iter(self._wanting))]

    def _hang_up(self, route: Route) -> None:
        known = self._out.get(route)
        if known is not None:
            self._want(known.pair)
        self._forget(route)
        self._router.send(route, wire.encode(Bye()))

    def _forget(self, route: Route) -> None:
        known = self._out.pop(route, None)
        if known is not None:
            self._routes.pop((id(known.way), known.pair), None)

    def answered(self, way: Way, answer: Answer) -> None:
        """What a peer there said back."""
        route = self._routes.get((id(way), (answer.me, answer.you)))
        if route is not None:
            self._out[route].used = time.monotonic()
            self._router.send(route, answer.frame)

    def parted(self, way: Way, part: Part) -> None:
        """The peer there cannot be reached just now."""
        route = self._routes.get((id(way), (part.me, part.you)))
        if route is not None:
            self._hang_up(route)

    # ------------------------------------------------------------ inward

    def asked(self, way: Way, ask: Ask) -> None:
        """A peer there says something to one here."""
        pair, key = (ask.me, ask.you), (id(way), (ask.me, ask.you))
        try:
            frame = wire.decode(ask.frame)
        except BadFrame as wrong:
            self._around.strange(str(wrong))
            return
        if self._around.host_of(ask.me) != way.key:
            self._around.strange(f"a frame of {ask.me}, who is not on that host")
            way.send(Part(*pair))
        elif isinstance(frame, Hello):
            self._dial(way, pair, frame)
        elif key not in self._in:
            way.send(Part(*pair))
        else:
            self._pass_on(way, key, frame)

    def _dial(self, way: Way, pair: Pair, hello: Hello, tries: int = BUSY_TRIES) -> None:
        try:
            path = self._around.reach(pair[1]) if (hello.me, hello.you) == pair else None
        except Busy:
            if tries and not (self._dealers.closed or way.broken):
                self._loop.call_later(BUSY_PAUSE, self._dial, way, pair, hello, tries - 1)
                return
            path = None
        if path is None:
            way.send(Part(*pair))
            return
        key = (id(way), pair)
        self._in.pop(key, None)
        if len(self._in) >= CHANNELS:
            oldest = min(self._in, key=lambda one: self._in[one].used)
            self._close(oldest, tell=True)
        self._in[key] = _Inward(way, pair)
        self._dealers.dial(key, path)
        self._dealers.send(key, wire.encode(hello))

    def _pass_on(self, way: Way, key: tuple[int, Pair], frame: Frame) -> None:
        self._in[key].used = time.monotonic()
        if isinstance(frame, Mail):
            # Which host it comes from is what its key says, never the frame.
            message = replace(frame.message, host=self._around.name_of(way.key))
            self._dealers.send(key, wire.encode(replace(frame, message=message)))
        elif isinstance(frame, Bye):
            self._dealers.send(key, wire.encode(frame))
            self._close(key)
        elif isinstance(frame, Receipts | Ping):
            self._dealers.send(key, wire.encode(frame))
        else:
            self._around.strange(f"a {type(frame).__name__} where a peer asks")

    def _back(self, key: tuple[int, Pair], data: bytes) -> None:
        inward = self._in.get(key)
        if inward is not None:
            inward.used = time.monotonic()
            if not inward.way.send(Answer(*inward.pair, data)):
                self._close(key)

    def _cut(self, key: tuple[int, Pair]) -> None:
        self._close(key, tell=True)

    def _close(self, key: tuple[int, Pair], *, tell: bool = False) -> None:
        inward = self._in.pop(key, None)
        self._dealers.hang_up(key)
        if inward is not None and tell:
            inward.way.send(Part(*inward.pair))

    # ------------------------------------------------------------ hosts that come and go

    def lost(self, way: Way) -> None:
        """A way to another host is cut."""
        for route, outward in list(self._out.items()):
            if outward.way is way:
                self._hang_up(route)
        for key, inward in list(self._in.items()):
            if inward.way is way:
                self._close(key)

    def up(self, key: str) -> None:
        """The host with *key* can be reached: those here who tried are told that they may dial again."""
        mine = [pair for pair in self._wanting if self._around.host_of(pair[1]) == key]
        for pair in mine:
            del self._wanting[pair]
        live = [pair for pair in mine if self._around.is_live(pair[0])]
        for number, pair in enumerate(live):
            # Not all at once: each takes a socket for a moment.
            self._loop.call_later(number // POKES * POKE_PAUSE, self._poke, *pair)

    def _poke(self, me: PeerId, you: PeerId) -> None:
        """A hello from *you*, by which the engine of *me* sees that it is there."""
        try:
            path = None if self._dealers.closed else self._around.reach(me)
        except Busy:
            return
        if path is None:
            return
        self._pokes += 1
        key = (-self._pokes, (you, me))
        self._dealers.dial(key, path)
        self._dealers.send(key, wire.encode(Hello(you, me)))
        self._dealers.send(key, wire.encode(Bye()))
        self._dealers.hang_up(key)

    def look(self) -> None:
        """Now and then: drain what may have come unnoticed, and close what fell silent."""
        self._router.look()
        self._dealers.look()
        old = time.monotonic() - IDLE
        for key in [key for key, inward in self._in.items() if inward.used < old]:
            self._close(key, tell=True)
        for route in [route for route, outward in self._out.items() if outward.used < old]:
            self._hang_up(route)  # its post ended without a word

    def close(self) -> None:
        """Everybody begins anew, with the next gate."""
        for route in list(self._out):
            self._hang_up(route)
        self._dealers.close()
        self._router.close()


def _small(data: bytes) -> Frame | None:
    """The frame in *data*, if it is a short one."""
    if len(data) > SMALL:
        return None
    try:
        return wire.decode(data)
    except BadFrame:
        return None
