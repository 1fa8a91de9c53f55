"""Where strangers wait: TCP connections are taken here, few at a time, and their bytes passed on to ZeroMQ.

ZeroMQ takes every connection there is, and cannot stop without cutting those it has: a session ends with
the listener that took it. So it listens on a Unix socket of ours instead, and who comes over the network
is counted, timed and held to the few bytes of a CURVE handshake before it may say more. What passes is
encrypted; only ZMTP's framing is looked at, to see the server say READY or ERROR.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from peermesh.mesh.hosts.bridge import Bridge

# Taken in one turn, and the rest after a full turn: at most 1,600 a second, whatever comes.
AT_ONCE = 32
REST_SECONDS = 0.02
# Without descriptors or memory there is no hurry.
SHORT_OF_SECONDS = 1.0
# Addresses whose rate is remembered.
ADDRESSES = 1_024
# How long a link may be silent before the kernel asks whether the other host is still there. Only here:
# nobody else would ever free what a host that was switched off has left.
IDLE_SECONDS, ASK_SECONDS, ASK_TIMES = 120, 30, 4
# Closing at once, without a goodbye that the kernel remembers for a minute.
ABRUPT = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Limits:
    """What strangers may take.

    Args:
        unauthenticated: connections in handshake at once; one more ends the oldest.
        from_one: of these, from one address; one more is turned away.
        handshakes_per_second: begun with ZeroMQ, each costs about a millisecond of a core.
        share_of_one: the part of these that one address may begin.
        handshake_seconds: from being taken to being authenticated.
        links: authenticated at once; above, everybody is turned away.
    """

    unauthenticated: int = 64
    from_one: int = 16
    handshakes_per_second: float = 100
    share_of_one: float = 0.25
    handshake_seconds: float = 2.0
    links: int = 256


@dataclass
class Counts:
    """What happened at a listener since it began."""

    taken: int = 0  # TCP connections
    accepted: int = 0  # handshakes that succeeded
    refused: int = 0  # handshakes of keys that are not admitted
    failed: int = 0  # handshakes that broke off, were junk or took too long
    turned_away: int = 0  # closed because of a limit, before a handshake
    paused: int = 0  # rests in which no connection was taken
    dropped: int = 0  # frames of who is no longer admitted, or of a wrong shape


class Rate:
    """So many a second, and as many at once."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._left, self._at = rate, max(rate, 1.0), now

    def take(self, now: float) -> bool:
        """Whether one more may be."""
        self._left = min(max(self._rate, 1.0), self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Acceptor:
    """Takes connections, and passes on those that are within the limits.

    Args:
        listening: bound TCP sockets; closed with the acceptor.
        inside: path of the Unix socket on which ZeroMQ listens.
        limits: what strangers may take.
        counts: is kept up to date.
    """

    def __init__(
        self, listening: Sequence[socket.socket], inside: str, limits: Limits, counts: Counts
    ) -> None:
        self._listening, self._inside, self._limits, self._counts = listening, inside, limits, counts
        self._loop = asyncio.get_running_loop()
        self._strangers: dict[Bridge, str] = {}  # in handshake, the oldest first, with their addresses
        self._from: Counter[str] = Counter()
        self._links: set[Bridge] = set()
        self._rate = Rate(limits.handshakes_per_second, self._loop.time())
        self._rates: dict[str, Rate] = {}
        self._rest_over: asyncio.TimerHandle | None = None
        self._watch()

    @property
    def links(self) -> int:
        """How many authenticated links there are."""
        return len(self._links)

    @property
    def strangers(self) -> int:
        """How many connections are in handshake."""
        return len(self._strangers)

    # ------------------------------------------------------------ taking

    def _watch(self) -> None:
        self._rest_over = None
        for one in self._listening:
            self._loop.add_reader(one, self._take, one)

    def _rest(self, seconds: float) -> None:
        """Take none for a moment; they wait in the kernel's short queue."""
        self._counts.paused += 1
        for one in self._listening:
            self._loop.remove_reader(one)
        self._rest_over = self._rest_over or self._loop.call_later(seconds, self._watch)

    def _take(self, one: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                taken, address = one.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._rest(SHORT_OF_SECONDS)
                return
            self._counts.taken += 1
            self._receive(taken, str(address[0]))
        self._rest(REST_SECONDS)

    def _receive(self, taken: socket.socket, address: str) -> None:
        full = len(self._links) >= self._limits.links or self._from[address] >= self._limits.from_one
        if full or not self._rate_of(address).take(self._loop.time()):
            self._counts.turned_away += 1
            with contextlib.suppress(OSError):
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
            taken.close()
            return
        if len(self._strangers) >= self._limits.unauthenticated:
            next(iter(self._strangers)).close()
        bridge = Bridge(self, taken, self._inside, self._limits.handshake_seconds)
        self._strangers[bridge] = address
        self._from[address] += 1
        _tune(taken)

    def _rate_of(self, address: str) -> Rate:
        rate = self._rates.pop(address, None)
        if rate is None:
            share = self._limits.handshakes_per_second * self._limits.share_of_one
            rate = Rate(share, self._loop.time())
        self._rates[address] = rate  # now the last of them
        if len(self._rates) > ADDRESSES:
            del self._rates[next(iter(self._rates))]
        return rate

    # ------------------------------------------------------------ told by bridges

    def may_begin(self) -> bool:
        """Whether one more handshake may begin."""
        if self._rate.take(self._loop.time()):
            return True
        self._counts.turned_away += 1
        return False

    def admitted(self, bridge: Bridge) -> None:
        """The handshake of *bridge* succeeded."""
        self._forget(bridge)
        self._links.add(bridge)
        self._counts.accepted += 1

    def over(self, bridge: Bridge, *, failed: bool) -> None:
        """*bridge* was closed; *failed*: in a handshake that was neither refused nor turned away."""
        self._links.discard(bridge)
        if self._forget(bridge) and failed:
            self._counts.failed += 1

    def _forget(self, bridge: Bridge) -> bool:
        address = self._strangers.pop(bridge, None)
        if address is None:
            return False
        self._from[address] -= 1
        if not self._from[address]:
            del self._from[address]
        return True

    def close(self, linger: float) -> None:
        """Stop listening at once, and cut within *linger* seconds the links that ZeroMQ does not end."""
        if self._rest_over is not None:
            self._rest_over.cancel()
        for one in self._listening:
            self._loop.remove_reader(one)
            one.close()
        for bridge in list(self._strangers):
            bridge.close()
        if self._links:
            self._loop.call_later(linger, self._cut)

    def _cut(self) -> None:
        for bridge in list(self._links):
            bridge.close()


def _tune(taken: socket.socket) -> None:
    """No waiting for more to send; ask whether the other is there."""
    idle = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))
    with contextlib.suppress(OSError):  # it may be gone already
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if idle is not None:
            taken.setsockopt(socket.IPPROTO_TCP, idle, IDLE_SECONDS)
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASK_SECONDS)
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, ASK_TIMES)
