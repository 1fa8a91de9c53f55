"""ZeroMQ on one host: a ROUTER bound for what others ask, a DEALER for each one that is dialled, over ipc.

Sockets are drained from the event loop by their file descriptor, which is edge-triggered: drain until
there is nothing, look again after the last send, and once a second to be safe. What goes over TCP to other
hosts is in curve.py; these two files are the only ones that import zmq.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, cast

import zmq
from zmq.utils.monitor import recv_monitor_message

from peermesh.core.frames import Frame, Request, Response
from peermesh.core.script import Asked, Heard, Input, LinkLost, Route
from peermesh.core.words import PeerId
from peermesh.errors import BadFrame
from peermesh.mesh.wire import FRAME_LIMIT, decode, encode

# Dials waiting to be accepted: 400 at once take 50 ms with this, and 1.1 s with ZeroMQ's 100.
BACKLOG = 1024
# Frames read before others get their turn; what was read is one commit.
AT_ONCE = 512
# A socket that is not bound yet is tried again soon.
RECONNECT_MS = 20
RECONNECT_MAX_MS = 1_000
# What was said last may still leave when a link is closed.
LINGER_MS = 200
# Frames that may wait in one socket: above the engine's window of messages.
HIGH_WATER = 1_000

Key = TypeVar("Key", bound=Hashable)
Context = zmq.Context[zmq.Socket[bytes]]
# What sockets raise, for instance when there are no descriptors left.
LinkError = zmq.ZMQError


def make_context() -> Context:
    """The one context of this process."""
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 4_096)
    return context


def end_context(context: Context) -> None:
    """Close what is left; bounded by the linger of each socket."""
    context.destroy(linger=LINGER_MS)


# As plain numbers, which the enumerations of pyzmq are slow to combine: each sidecar asks once a second.
EVENTS, READABLE = int(zmq.EVENTS), int(zmq.POLLIN)


def _readable(socket: zmq.Socket[bytes]) -> bool:
    return bool(cast(int, socket.get(EVENTS)) & READABLE)


def _socket(context: Context, kind: int) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    socket.set(zmq.MAXMSGSIZE, FRAME_LIMIT)
    socket.set(zmq.LINGER, LINGER_MS)
    socket.set(zmq.SNDHWM, HIGH_WATER)
    socket.set(zmq.RCVHWM, HIGH_WATER)
    return socket


class _Drained:
    """What sockets that are drained by their file descriptor have in common."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._look_at = False
        self.closed = False

    def _watch(self, socket: zmq.Socket[bytes], drain: Callable[[], None]) -> None:
        self._loop.add_reader(cast(int, socket.get(zmq.FD)), drain)
        self._loop.call_soon(drain)

    def _unwatch(self, socket: zmq.Socket[bytes]) -> None:
        self._loop.remove_reader(cast(int, socket.get(zmq.FD)))

    def _look_soon(self) -> None:
        if not self._look_at:
            self._look_at = True
            self._loop.call_soon(self.look)

    def look(self) -> None:
        """Drain what may have come unnoticed: a send takes the file descriptor's sign away."""
        self._look_at = False
        if not self.closed:
            self._drain_all()

    def _drain_all(self) -> None:
        raise NotImplementedError


class Router(_Drained):
    """A ROUTER that listens at *path*, a file in the 0700 directory; *received* is given what comes."""

    def __init__(
        self,
        context: Context,
        path: str,
        received: Callable[[Route, bytes], None],
    ) -> None:
        super().__init__(context)
        self._received = received
        self._router = _socket(context, zmq.ROUTER)
        self._router.set(zmq.BACKLOG, BACKLOG)
        self._router.bind(f"ipc://{path}")
        self._watch(self._router, self._drain)

    def send(self, route: Route, data: bytes) -> None:
        """Answer on a link that somebody dialled; if it is gone, it will ask again."""
        try:
            self._router.send_multipart([route, data], zmq.NOBLOCK)
            self._look_soon()
        except zmq.Again:
            return

    def _drain_all(self) -> None:
        if _readable(self._router):
            self._drain()

    def _drain(self) -> None:
        for _ in range(AT_ONCE):
            if self._router.closed:
                return
            try:
                parts = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(parts) == 2:
                self._received(parts[0], parts[1])
        self._loop.call_soon(self._drain)

    def close(self) -> None:
        """Listen no longer."""
        if not self.closed:
            self.closed = True
            self._unwatch(self._router)
            self._router.close()


class Dealers(_Drained, Generic[Key]):
    """DEALERs that were dialled, each by a key of the owner's choice.

    *heard* is given what comes back; *lost* is told once when a link is cut, which stays dialled.
    """

    def __init__(
        self,
        context: Context,
        heard: Callable[[Key, bytes], None],
        lost: Callable[[Key], None],
    ) -> None:
        super().__init__(context)
        self._heard, self._lost = heard, lost
        self._dialled: dict[Key, tuple[zmq.Socket[bytes], zmq.Socket[bytes]]] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._dialled

    def __len__(self) -> int:
        return len(self._dialled)

    def dial(self, key: Key, path: str) -> None:
        """Open a link to whoever listens, or will, at *path*."""
        self.hang_up(key)
        dealer = _socket(self._context, zmq.DEALER)
        dealer.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        dealer.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        monitor = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        dealer.connect(f"ipc://{path}")
        self._dialled[key] = (dealer, monitor)
        self._watch(dealer, lambda: self._drain_dealer(key, dealer))
        self._watch(monitor, lambda: self._drain_monitor(key, monitor))

    def hang_up(self, key: Key) -> None:
        """Close a link; what was said on it may still arrive."""
        pair = self._dialled.pop(key, None)
        if pair is None:
            return
        dealer, monitor = pair
        self._unwatch(dealer)
        self._unwatch(monitor)
        dealer.disable_monitor()
        monitor.close(linger=0)
        dealer.close()

    def send(self, key: Key, data: bytes) -> None:
        """Say something on a link that was dialled; if it takes no more, it counts as lost."""
        pair = self._dialled.get(key)
        if pair is None:
            return
        try:
            pair[0].send(data, zmq.NOBLOCK)
            self._look_soon()
        except zmq.Again:
            self._lost(key)

    def _drain_all(self) -> None:
        for key, (dealer, monitor) in list(self._dialled.items()):
            if not dealer.closed and _readable(dealer):
                self._drain_dealer(key, dealer)
            self._drain_monitor(key, monitor)

    def _drain_dealer(self, key: Key, dealer: zmq.Socket[bytes]) -> None:
        for _ in range(AT_ONCE):
            if dealer.closed:
                return
            try:
                parts = dealer.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(parts) == 1:
                self._heard(key, parts[0])
        self._loop.call_soon(self._drain_dealer, key, dealer)

    def _drain_monitor(self, key: Key, monitor: zmq.Socket[bytes]) -> None:
        while not monitor.closed and _readable(monitor):
            event = recv_monitor_message(monitor)
            if event["event"] == zmq.EVENT_DISCONNECTED:
                self._lost(key)

    def close(self) -> None:
        """Close all of them."""
        self.closed = True
        for key in list(self._dialled):
            self.hang_up(key)


class Links:
    """One peer's sockets, speaking the frames of wire.py.

    Args:
        context: this process's.
        path: where its ROUTER listens.
        tell: is given what comes in.
        bad: is told of frames that cannot be read; who sends them is not answered.
    """

    def __init__(
        self,
        context: Context,
        path: str,
        tell: Callable[[Input], None],
        bad: Callable[[BadFrame], None],
    ) -> None:
        self._tell, self._bad = tell, bad
        self._router = Router(context, path, self._asked)
        self._dealers: Dealers[PeerId] = Dealers(context, self._heard, lambda peer: tell(LinkLost(peer)))

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._router.closed

    @property
    def dialled(self) -> int:
        """How many links were dialled, and not hung up since."""
        return len(self._dealers)

    def dial(self, peer: PeerId, path: str) -> None:
        """Open a link to *peer*, whose ROUTER listens, or will, at *path*."""
        self._dealers.dial(peer, path)

    def hang_up(self, peer: PeerId) -> None:
        """Close the link to *peer*; what was said on it may still arrive."""
        self._dealers.hang_up(peer)

    def tell(self, peer: PeerId, frame: Request) -> None:
        """Say something on the link that was dialled to *peer*."""
        self._dealers.send(peer, encode(frame))

    def reply(self, route: Route, frame: Response) -> None:
        """Answer on a link that another peer dialled; if it is gone, it will ask again."""
        self._router.send(route, encode(frame))

    def look(self) -> None:
        """Drain what may have come unnoticed."""
        self._router.look()
        self._dealers.look()

    def _asked(self, route: Route, data: bytes) -> None:
        frame = self._decode(data)
        if frame is not None:
            self._tell(Asked(route, cast(Request, frame)))

    def _heard(self, peer: PeerId, data: bytes) -> None:
        frame = self._decode(data)
        if frame is not None:
            self._tell(Heard(peer, cast(Response, frame)))

    def _decode(self, data: bytes) -> Frame | None:
        try:
            return decode(data)
        except BadFrame as wrong:
            self._bad(wrong)
            return None

    def close(self) -> None:
        """Close all sockets of this peer."""
        self._dealers.close()
        self._router.close()
