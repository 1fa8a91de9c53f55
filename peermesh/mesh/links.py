"""ZeroMQ: one ROUTER bound for what others ask, one DEALER for each peer that is dialled. The one file
that imports zmq.

Sockets are drained from the event loop by their file descriptor, which is edge-triggered: drain until
there is nothing, look again after the last send, and once a second to be safe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

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


def make_context() -> zmq.Context[zmq.Socket[bytes]]:
    """The one context of this process."""
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 4_096)
    return context


def end_context(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    """Close what is left; bounded by the linger of each socket."""
    context.destroy(linger=LINGER_MS)


def _readable(socket: zmq.Socket[bytes]) -> bool:
    return bool(cast(int, socket.get(zmq.EVENTS)) & zmq.POLLIN)


class Links:
    """One peer's sockets.

    Args:
        context: this process's.
        path: where its ROUTER listens; a file in the 0700 directory.
        tell: is given what comes in.
        bad: is told of frames that cannot be read; who sends them is not answered.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        path: str,
        tell: Callable[[Input], None],
        bad: Callable[[BadFrame], None],
    ) -> None:
        self._context, self._tell, self._bad = context, tell, bad
        self._loop = asyncio.get_running_loop()
        self._dialled: dict[PeerId, tuple[zmq.Socket[bytes], zmq.Socket[bytes]]] = {}
        self._look_at = False
        self._router = self._socket(zmq.ROUTER)
        self._router.set(zmq.BACKLOG, BACKLOG)
        self._router.bind(f"ipc://{path}")
        self._watch(self._router, self._drain_router)
        self.closed = False

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.set(zmq.MAXMSGSIZE, FRAME_LIMIT)
        socket.set(zmq.LINGER, LINGER_MS)
        socket.set(zmq.SNDHWM, HIGH_WATER)
        socket.set(zmq.RCVHWM, HIGH_WATER)
        return socket

    def _watch(self, socket: zmq.Socket[bytes], drain: Callable[[], None]) -> None:
        self._loop.add_reader(cast(int, socket.get(zmq.FD)), drain)
        self._loop.call_soon(drain)

    def _unwatch(self, socket: zmq.Socket[bytes]) -> None:
        self._loop.remove_reader(cast(int, socket.get(zmq.FD)))

    # ------------------------------------------------------------ dialling

    def dial(self, peer: PeerId, path: str) -> None:
        """Open a link to *peer*, whose ROUTER listens, or will, at *path*."""
        self.hang_up(peer)
        dealer = self._socket(zmq.DEALER)
        dealer.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        dealer.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        monitor = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        dealer.connect(f"ipc://{path}")
        self._dialled[peer] = (dealer, monitor)
        self._watch(dealer, lambda: self._drain_dealer(peer, dealer))
        self._watch(monitor, lambda: self._drain_monitor(peer, monitor))

    def hang_up(self, peer: PeerId) -> None:
        """Close the link to *peer*; what was said on it may still arrive."""
        pair = self._dialled.pop(peer, None)
        if pair is None:
            return
        dealer, monitor = pair
        self._unwatch(dealer)
        self._unwatch(monitor)
        dealer.disable_monitor()
        monitor.close(linger=0)
        dealer.close()

    def tell(self, peer: PeerId, frame: Request) -> None:
        """Say something on the link that was dialled to *peer*."""
        pair = self._dialled.get(peer)
        if pair is None:
            return
        try:
            pair[0].send(encode(frame), zmq.NOBLOCK)
            self._look_soon()
        except zmq.Again:
            self._tell(LinkLost(peer))

    def reply(self, route: Route, frame: Response) -> None:
        """Answer on a link that another peer dialled; if it is gone, it will ask again."""
        try:
            self._router.send_multipart([route, encode(frame)], zmq.NOBLOCK)
            self._look_soon()
        except zmq.Again:
            return

    # ------------------------------------------------------------ draining

    def look(self) -> None:
        """Drain what may have come unnoticed: a send takes the file descriptor's sign away."""
        self._look_at = False
        if self.closed:
            return
        if _readable(self._router):
            self._drain_router()
        for peer, (dealer, monitor) in list(self._dialled.items()):
            if _readable(dealer):
                self._drain_dealer(peer, dealer)
            self._drain_monitor(peer, monitor)

    def _look_soon(self) -> None:
        if not self._look_at:
            self._look_at = True
            self._loop.call_soon(self.look)

    def _drain_router(self) -> None:
        for _ in range(AT_ONCE):
            if self._router.closed:
                return
            try:
                parts = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(parts) == 2 and (frame := self._decode(parts[1])) is not None:
                self._tell(Asked(parts[0], cast(Request, frame)))
        self._loop.call_soon(self._drain_router)

    def _drain_dealer(self, peer: PeerId, dealer: zmq.Socket[bytes]) -> None:
        for _ in range(AT_ONCE):
            if dealer.closed:
                return
            try:
                parts = dealer.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(parts) == 1 and (frame := self._decode(parts[0])) is not None:
                self._tell(Heard(peer, cast(Response, frame)))
        self._loop.call_soon(self._drain_dealer, peer, dealer)

    def _drain_monitor(self, peer: PeerId, monitor: zmq.Socket[bytes]) -> None:
        while not monitor.closed and _readable(monitor):
            event = recv_monitor_message(monitor)
            if event["event"] == zmq.EVENT_DISCONNECTED:
                self._tell(LinkLost(peer))

    def _decode(self, data: bytes) -> Frame | None:
        try:
            return decode(data)
        except BadFrame as wrong:
            self._bad(wrong)
            return None

    def close(self) -> None:
        """Close all sockets of this peer."""
        if self.closed:
            return
        self.closed = True
        for peer in list(self._dialled):
            self.hang_up(peer)
        self._unwatch(self._router)
        self._router.close()
