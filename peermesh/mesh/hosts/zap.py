"""Who may open a CURVE link: the handler that ZeroMQ asks at each handshake (ZAP, RFC 27). It fails closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import zmq

from peermesh.errors import CannotListen
from peermesh.mesh.hosts.sealed import KEY_SIZE

ENDPOINT = "inproc://zeromq.zap.01"
VERSION = b"1.0"
DOMAIN = b"peer"
# Frames before the credentials: version, request, domain, address, routing id, mechanism.
BEFORE_KEY = 6
# Asked for at once; others get their turn between.
AT_ONCE = 64

Judge = Callable[[bytes], bool]


def judged(judge: Judge, key: bytes) -> bool:
    """Whether *judge* admits *key*; one that raises or answers anything but True does not."""
    try:
        return judge(key) is True
    except Exception:  # noqa: BLE001 - whatever is wrong with the judge, nobody gets in by it
        return False


class Zap:
    """The one handler of a context.

    Args:
        context: whose handshakes are judged.
        judge: is this public key (32 bytes) admitted now?
        refused: is called for each handshake that was answered with no.

    Raises:
        CannotListen: the context has a handler already.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], judge: Judge, refused: Callable[[], None]
    ) -> None:
        self._judge, self._refused = judge, refused
        self._loop = asyncio.get_running_loop()
        self._socket = context.socket(zmq.ROUTER)
        self._socket.set(zmq.LINGER, 0)
        try:
            self._socket.bind(ENDPOINT)
        except zmq.ZMQError as wrong:
            self._socket.close()
            raise CannotListen("this process listens for other hosts already") from wrong
        self._loop.add_reader(cast(int, self._socket.get(zmq.FD)), self.look)
        self._loop.call_soon(self.look)

    def look(self) -> None:
        """Answer what was asked."""
        for _ in range(AT_ONCE):
            if self._socket.closed:
                return
            try:
                self._answer(self._socket.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
        self._loop.call_soon(self.look)

    def _answer(self, parts: list[bytes]) -> None:
        if b"" not in parts[1:]:
            return  # nobody to answer: ZeroMQ gives the handshake up when its time is over
        start = parts.index(b"", 1) + 1
        back, request = parts[:start], parts[start:]
        number = request[1] if len(request) > 1 else b""
        key = _key(request)
        if key is not None and judged(self._judge, key):
            answer = [b"200", b"OK", key.hex().encode(), b""]
        else:
            # Never 300: that says "try again", which a client does without end.
            answer = [b"400", b"not known here", b"", b""]
            self._refused()
        self._socket.send_multipart([*back, VERSION, number, *answer], zmq.NOBLOCK)

    def close(self) -> None:
        """Make room for another handler in this context, at once."""
        if self._socket.closed:
            return
        self._loop.remove_reader(cast(int, self._socket.get(zmq.FD)))
        # Closing alone frees the name only some time later, in another thread.
        self._socket.unbind(ENDPOINT)
        self._socket.close()


def _key(request: list[bytes]) -> bytes | None:
    """The public key in a well-formed CURVE request for our domain."""
    if len(request) != BEFORE_KEY + 1:
        return None
    version, _, domain, _, _, mechanism, key = request
    fits = (version, domain, mechanism, len(key)) == (VERSION, DOMAIN, b"CURVE", KEY_SIZE)
    return key if fits else None
