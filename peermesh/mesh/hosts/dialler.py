"""The dialling end of a link between hosts: one DEALER that knows the other's key, and says when it is lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

import zmq
from zmq.utils.monitor import recv_monitor_message

from peermesh.mesh.hosts.sealed import AT_ONCE, Context, push, sealed

CONNECT_SECONDS = 5.0
HANDSHAKE_SECONDS = 5.0
# Never again by itself: a link that broke has state at its ends, which the owner settles first. With -1,
# ZeroMQ's own word for never, it throws away what came before the end; this is eleven days.
NEVER_MS = 1_000_000_000


class Dialler:
    """One authenticated link to a host whose public key is known. It is dialled once.

    Args:
        context: this process's.
        keys: of this host, public and secret.
        server: the other host's public key.
        endpoint: where it listens, ``tcp://10.0.0.2:7337`` or ``tcp://[fe80::1%lan0]:7337``; no host names.
        received: is given the data of each frame.
        lost: is told, once, why there is no link or no longer one. Nothing is received after that, and the
            dialler is closed; it is not called because of close().
    """

    def __init__(  # noqa: PLR0913 - each is one of the things a link cannot do without
        self,
        context: Context,
        keys: tuple[bytes, bytes],
        *,
        server: bytes,
        endpoint: str,
        received: Callable[[bytes], None],
        lost: Callable[[str], None],
    ) -> None:
        self._received, self._lost = received, lost
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._look_at = False
        self._end: str | None = None
        self.up = self.closed = False
        self._dealer = sealed(context, zmq.DEALER, keys, HANDSHAKE_SECONDS)
        self._dealer.set(zmq.CURVE_SERVERKEY, server)
        self._dealer.set(zmq.CONNECT_TIMEOUT, round(CONNECT_SECONDS * 1_000))
        self._dealer.set(zmq.RECONNECT_IVL, NEVER_MS)
        self._dealer.set(zmq.IPV6, int("[" in endpoint))
        self._monitor = self._dealer.get_monitor_socket(zmq.EVENT_ALL)
        for one in (self._dealer, self._monitor):
            self._loop.add_reader(cast(int, one.get(zmq.FD)), self.look)
        # ZeroMQ says nothing about some attempts that fail.
        self._deadline = self._loop.call_later(
            CONNECT_SECONDS + HANDSHAKE_SECONDS + 1, self._lose, "no answer"
        )
        try:
            _check(endpoint)
            self._dealer.connect(endpoint)
        except (OSError, ValueError, zmq.ZMQError) as wrong:
            self._loop.call_soon(self._lose, f"{endpoint} is no address here: {wrong}")
        self._loop.call_soon(self.look)

    def send(self, data: bytes) -> bool:
        """Send *data*, as soon as there is a link; False: too much waits already, or it is closed.

        Raises:
            ValueError: more than SIZE_LIMIT bytes.
        """
        if self.closed or not push(self._dealer, [data]):
            return False
        if not self._look_at:
            self._look_at = True
            self._loop.call_soon(self.look)
        return True

    def look(self) -> None:
        """Drain what may have come unnoticed; to be called each second."""
        self._look_at = False
        if self._end is None:
            self._end = self._read_monitor()
        # What came before the end is here when the end is known, and is taken before it is told.
        if self._drain() and self._end is not None:
            self._lose(self._end)

    def _drain(self) -> bool:
        """Take what came; False: there is more, or it is closed."""
        for _ in range(AT_ONCE):
            if self.closed:
                return False
            try:
                parts = self._dealer.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return True
            if len(parts) == 1:
                self._received(parts[0])
        self._loop.call_soon(self.look)
        return False

    def _read_monitor(self) -> str | None:
        """Why the link ended, if it did."""
        while not self.closed and cast(int, self._monitor.get(zmq.EVENTS)) & zmq.POLLIN:
            event = recv_monitor_message(self._monitor)
            if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.up = True
                self._deadline.cancel()
            elif (why := self._why(event["event"], event["value"])) is not None:
                return why
        return None

    def _why(self, event: int, value: int) -> str | None:
        """What an event says about the end of the link, if it says that."""
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return f"refused: it does not trust this machine ({value})"
        if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            return f"refused: what listens there does not speak as peer does ({value:#x})"
        if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            if value == zmq.EAGAIN:
                return f"no handshake within {HANDSHAKE_SECONDS:.0f} s"
            return "the handshake was broken off: another host listens there, or it takes no more links"
        if event == zmq.EVENT_DISCONNECTED:
            return "the link broke"
        if event in {zmq.EVENT_CLOSED, zmq.EVENT_CONNECT_RETRIED}:
            if self._loop.time() - self._began > CONNECT_SECONDS - 0.5:
                return f"no answer within {CONNECT_SECONDS:.0f} s"
            return "connection refused, or no way there"
        return None

    def _lose(self, why: str) -> None:
        if not self.closed:
            self.close()
            self._lost(why)

    def close(self) -> None:
        """End the link; what was said on it may still arrive."""
        if self.closed:
            return
        self.closed = True
        self._deadline.cancel()
        for one in (self._dealer, self._monitor):
            self._loop.remove_reader(cast(int, one.get(zmq.FD)))
        self._dealer.disable_monitor()
        self._monitor.close(linger=0)
        self._dealer.close()


def _check(endpoint: str) -> None:
    """Raise OSError or ValueError unless *endpoint* is numeric and its interface is there."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=numeric)
