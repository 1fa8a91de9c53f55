"""One connection's way from the network to ZeroMQ and back: bytes in both directions, little before READY."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol, Self

# ZMTP's first ten bytes, which either side sends unasked: FF, eight of any kind, 7F.
SIGNATURE = 10
# Its greeting, before the frames.
GREETING = 64
# A client's part of a CURVE handshake: greeting, HELLO (202 bytes), INITIATE (about 400).
HANDSHAKE_LIMIT = 4_096
CHUNK = 64 * 1024


class Host(Protocol):
    """Who is told how a bridge fares."""

    def may_begin(self) -> bool:
        """Whether one more handshake may begin."""

    def admitted(self, bridge: Bridge) -> None:
        """The handshake succeeded."""

    def over(self, bridge: Bridge, *, failed: bool) -> None:
        """The bridge was closed."""


class End:
    """One of the two sockets, and what waits to be sent on it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.waiting = bytearray()
        self.other: End = self

    @classmethod
    def pair(cls, one: socket.socket, two: socket.socket) -> tuple[Self, Self]:
        """Two ends of one bridge."""
        ends = cls(one), cls(two)
        ends[0].other, ends[1].other = ends[1], ends[0]
        return ends


class Bridge:
    """A connection that was taken.

    Args:
        host: is told.
        outside: the connection; closed with the bridge.
        inside: path of the Unix socket to which it leads, dialled when the other has begun to speak ZMTP.
        seconds: for the handshake.
    """

    def __init__(self, host: Host, outside: socket.socket, inside: str, seconds: float) -> None:
        self._host, self._outside, self._path = host, outside, inside
        self._loop = asyncio.get_running_loop()
        self._ends: tuple[End, End] | None = None  # outside and inside
        self._heard = bytearray()  # from outside, before there is an inside
        self._heard_bytes = 0
        self._said = bytearray()  # by ZeroMQ, before READY
        self._authenticated = self._refused = self._closed = False
        self._timer = self._loop.call_later(seconds, self.close)
        outside.setblocking(False)
        self._loop.add_reader(outside, self._begin)

    # ------------------------------------------------------------ the handshake

    def _begin(self) -> None:
        """Wait for ZMTP's signature: who is silent or speaks something else never gets to ZeroMQ."""
        try:
            data = self._outside.recv(HANDSHAKE_LIMIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self._heard += data
        start = self._heard[:SIGNATURE]
        if not data or start[0] != 0xFF or (len(start) == SIGNATURE and start[-1] != 0x7F):
            self.close()
        elif len(start) == SIGNATURE:
            self._lead_in()

    def _lead_in(self) -> None:
        if not self._host.may_begin():
            self._refused = True
            self.close()
            return
        inside = None
        try:
            inside = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            inside.setblocking(False)
            inside.connect(self._path)
        except OSError:  # no descriptors, or too many before it
            if inside is not None:
                inside.close()
            self.close()
            return
        self._ends = out, into = End.pair(self._outside, inside)
        self._read(out)
        self._read(into)
        heard, self._heard = bytes(self._heard), bytearray()
        if self._in_order(out, heard):
            self._pass_on(into, heard)

    def _in_order(self, source: End, data: bytes) -> bool:
        """Follow the handshake; False: the bridge was closed."""
        if self._authenticated or self._ends is None:
            return not self._closed
        if source is self._ends[0]:
            self._heard_bytes += len(data)
            if self._heard_bytes > HANDSHAKE_LIMIT:
                self.close()
                return False
            return True
        self._said += data
        word = last_word(self._said)
        if word == b"READY":
            self._authenticated = True
            self._said.clear()
            self._timer.cancel()
            self._host.admitted(self)
        elif word == b"ERROR":
            self._refused = True
        return True

    # ------------------------------------------------------------ bytes

    def _read(self, source: End) -> None:
        self._loop.add_reader(source.sock, self._readable, source)

    def _readable(self, source: End) -> None:
        try:
            data = source.sock.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()  # nothing waits for the other end: this one would not have been read
        elif self._in_order(source, data):
            self._pass_on(source.other, data)

    def _pass_on(self, target: End, data: bytes) -> None:
        """Send, and read no more for it until all of it was taken."""
        sent = self._send(target, data)
        if sent is not None and sent < len(data):
            target.waiting += data[sent:]
            self._loop.remove_reader(target.other.sock)
            self._loop.add_writer(target.sock, self._flush, target)

    def _flush(self, target: End) -> None:
        sent = self._send(target, target.waiting)
        if sent is None:
            return
        del target.waiting[:sent]
        if target.waiting:
            return
        self._loop.remove_writer(target.sock)
        self._read(target.other)

    def _send(self, target: End, data: bytes | bytearray) -> int | None:
        """How many bytes were taken; None: the bridge was closed."""
        try:
            return target.sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.close()
            return None

    def close(self) -> None:
        """Cut it, at once."""
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        for sock in [end.sock for end in self._ends] if self._ends else [self._outside]:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            sock.close()
        self._host.over(self, failed=not (self._authenticated or self._refused))


def last_word(said: bytes | bytearray) -> bytes:
    """The name of the last whole-headed command that a ZMTP server has *said*, READY and ERROR being final."""
    at, word = GREETING, b""
    while len(said) >= at + 2:
        long = said[at] & 2
        body = at + (9 if long else 2)
        if len(said) < body + 1:
            break
        size = int.from_bytes(said[at + 1 : body], "big")
        word = bytes(said[body + 1 : body + 1 + said[body]])
        if word in {b"READY", b"ERROR"}:
            break
        at = body + size
    return word
