"""Links between hosts: CURVE over TCP. Here is the ROUTER that takes them; who dials is in dialler.py.

Everybody is known by a public key. The network's side of the listener is in acceptor.py, and who may come in
is answered in zap.py. Sockets are drained as in links.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import cast

import zmq

from peermesh.mesh.hosts.acceptor import Acceptor, Counts, Limits
from peermesh.mesh.hosts.dialler import Dialler
from peermesh.mesh.hosts.sealed import (
    AT_ONCE,
    KEY_SIZE,
    LINGER_MS,
    SIZE_LIMIT,
    Context,
    new_keys,
    public_of,
    push,
    sealed,
)
from peermesh.mesh.hosts.sockets import Inside, listen, raise_descriptors
from peermesh.mesh.hosts.zap import DOMAIN, Judge, Zap, judged

__all__ = [
    "SIZE_LIMIT",
    "Counts",
    "Dialler",
    "Judge",
    "Limits",
    "Listener",
    "new_keys",
    "public_of",
    "raise_descriptors",
]

Received = Callable[[bytes, bytes, bytes], None]


class Listener:
    """Takes authenticated links on one TCP port, bounded against strangers.

    Args:
        context: this process's; only one Listener of a context may be open.
        keys: of this host, public and secret.
        addresses: of interfaces, e.g. ``10.0.0.1`` or ``fe80::1%lan0``; ``*`` is all, IPv6 and IPv4.
        ports: tried in order; 0 is any.
        judge: is this public key admitted now? Asked at each handshake and for each frame.
        received: is given route, public key and data of each frame. Who is no longer admitted still has
            a route until it hangs up: forget the route with the key, and send nothing to it.
        limits: what strangers may take.
        inside: path of a Unix socket, in a directory that only this user may enter, by which acceptor and
            ZeroMQ are joined; without one it is in a new directory for temporary files.

    Raises:
        CannotListen: on none of the ports, or another Listener is open.
    """

    def __init__(  # noqa: PLR0913 - each is one of the things a listener cannot do without
        self,
        context: Context,
        keys: tuple[bytes, bytes],
        *,
        addresses: Sequence[str],
        ports: Sequence[int],
        judge: Judge,
        received: Received,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        inside: str | None = None,
    ) -> None:
        self._judge, self._received = judge, received
        self._loop = asyncio.get_running_loop()
        self._look_at = False
        self.counts = Counts()
        self.closed = False
        with contextlib.ExitStack() as undo:
            self._zap = Zap(context, judge, self._refused)
            undo.callback(self._zap.close)
            listening = listen(addresses, ports)
            for one in listening:
                undo.callback(one.close)
            self.port = int(listening[0].getsockname()[1])
            self._inside = Inside(inside)
            undo.callback(self._inside.close)
            self._router = sealed(context, zmq.ROUTER, keys, limits.handshake_seconds)
            undo.callback(self._router.close)
            self._bind()
            self._acceptor = Acceptor(listening, self._inside.path, limits, self.counts)
            undo.pop_all()
        self._loop.add_reader(cast(int, self._router.get(zmq.FD)), self._drain)
        self._loop.call_soon(self._drain)

    def _bind(self) -> None:
        self._router.set(zmq.CURVE_SERVER, 1)
        self._router.set(zmq.ZAP_DOMAIN, DOMAIN)
        # Without a handler nobody gets in, instead of everybody.
        self._router.set(zmq.ZAP_ENFORCE_DOMAIN, 1)
        self._router.set(zmq.ROUTER_MANDATORY, 1)
        self._router.set(zmq.USE_FD, self._inside.sock.fileno())
        self._router.bind(f"ipc://{self._inside.path}")
        self._inside.sock.detach()  # ZeroMQ closes it

    def _refused(self) -> None:
        self.counts.refused += 1

    @property
    def links(self) -> int:
        """How many authenticated links there are."""
        return self._acceptor.links

    @property
    def strangers(self) -> int:
        """How many connections are in handshake."""
        return self._acceptor.strangers

    def send(self, route: bytes, data: bytes) -> bool:
        """Send *data* on the link of *route*; False: it is gone, or too much waits in it.

        Raises:
            ValueError: more than SIZE_LIMIT bytes.
        """
        if self.closed or not push(self._router, [route, data]):
            return False
        if not self._look_at:
            self._look_at = True
            self._loop.call_soon(self.look)
        return True

    def look(self) -> None:
        """Drain what may have come unnoticed; to be called each second."""
        self._look_at = False
        if not self.closed:
            self._zap.look()
            self._drain()

    def _drain(self) -> None:
        for _ in range(AT_ONCE):
            if self.closed:
                return
            try:
                frames = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            key = _sender(frames[-1])
            if len(frames) == 2 and key is not None and judged(self._judge, key):
                self._received(frames[0].bytes, key, frames[1].bytes)
            else:
                self.counts.dropped += 1
        self._loop.call_soon(self._drain)

    def close(self) -> None:
        """Stop listening: the port is free at once. What was said last may still leave, then the links end."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(cast(int, self._router.get(zmq.FD)))
        self._zap.close()
        self._router.close()
        self._inside.close()
        self._acceptor.close(LINGER_MS / 1_000)


def _sender(frame: zmq.Frame) -> bytes | None:
    """The public key of who sent *frame*, as our handler wrote it."""
    try:
        key = bytes.fromhex(cast(str, frame.get("User-Id")))
    except (zmq.ZMQError, ValueError):
        return None
    return key if len(key) == KEY_SIZE else None
