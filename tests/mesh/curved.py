"""A listener and those who dial it, on loopback, with a context of their own; and strangers with plain sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import zmq

from peermesh.mesh.hosts.curve import Dialler, Limits, Listener, new_keys
from peermesh.mesh.links import end_context, make_context

# ZMTP 3.1's greeting of a client that speaks CURVE.
SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
GREETING = SIGNATURE + b"\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)

PATIENCE = 5.0


class Link:
    """One who dials, and what became of it."""

    def __init__(self, stage: Stage, keys: tuple[bytes, bytes], server: bytes, endpoint: str) -> None:
        self.key = keys[0]
        self.frames: list[bytes] = []
        self.lost: list[str] = []
        self.dialler = Dialler(
            stage.context,
            keys,
            server=server,
            endpoint=endpoint,
            received=self.frames.append,
            lost=self.lost.append,
        )


class Stage:
    """A host that listens, and what it heard as (route, key, data)."""

    def __init__(self) -> None:
        self.context = make_context()
        self.keys = new_keys()
        self.known: set[bytes] = set()
        self.heard: list[tuple[bytes, bytes, bytes]] = []
        self.judge: Callable[[bytes], bool] = self.known.__contains__
        self._open: list[Listener | Link | zmq.Socket[bytes] | socket.socket] = []
        self._listeners: list[Listener] = []
        self.listener: Listener

    def listen(
        self,
        limits: Limits | None = None,
        ports: Sequence[int] = (0,),
        addresses: Sequence[str] = ("127.0.0.1",),
    ) -> Listener:
        """Open a listener; it is `listener` from now on."""
        self.listener = Listener(
            self.context,
            self.keys,
            addresses=addresses,
            ports=ports,
            judge=lambda key: self.judge(key),  # noqa: PLW0108 - tests change it
            received=lambda *frame: self.heard.append(frame),
            limits=limits or Limits(),
        )
        self._listeners.append(self.listener)
        return self.listener

    @property
    def endpoint(self) -> str:
        """Where the listener is."""
        return f"tcp://127.0.0.1:{self.listener.port}"

    def host(self) -> tuple[bytes, bytes]:
        """The keys of a new host that is known."""
        keys = new_keys()
        self.known.add(keys[0])
        return keys

    def dial(
        self,
        keys: tuple[bytes, bytes] | None = None,
        *,
        server: bytes | None = None,
        endpoint: str | None = None,
    ) -> Link:
        """Dial the listener, as a new host that is known unless *keys* are given."""
        link = Link(self, keys or self.host(), server or self.keys[0], endpoint or self.endpoint)
        self._open.append(link)
        return link

    async def linked(self) -> Link:
        """A link of a host that is known, which has said something."""
        link = self.dial()
        link.dialler.send(b"hello")
        await self.until(lambda: any(key == link.key for _, key, _ in self.heard))
        return link

    def raw(self, keys: tuple[bytes, bytes] | None = None, **options: Any) -> zmq.Socket[bytes]:
        """A plain ZeroMQ socket with *options*, to be connected to `endpoint`; CURVE if it gets *keys*."""
        made = self.context.socket(zmq.DEALER)
        made.set(zmq.LINGER, 0)
        if keys is not None:
            options |= {
                "CURVE_PUBLICKEY": keys[0],
                "CURVE_SECRETKEY": keys[1],
                "CURVE_SERVERKEY": self.keys[0],
            }
        for name, value in options.items():
            made.set(getattr(zmq, name), value)
        self._open.append(made)
        return made

    def stranger(self, data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
        """A connection that says *data* and no more."""
        made = socket.create_connection(("127.0.0.1", self.listener.port), 5, source_address=(source, 0))
        made.setblocking(False)
        self._open.append(made)
        if data:
            with contextlib.suppress(ConnectionError):  # it was shown the door already
                made.send(data)
        return made

    async def until(self, true: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until something is so; looking, as the owner does, now and then."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not true():
            assert loop.time() < end, f"not within {seconds} s"
            await asyncio.sleep(0.005)

    async def end(self) -> None:
        """Close everything."""
        for one in self._open:
            (one.dialler if isinstance(one, Link) else one).close()
        for listener in self._listeners:
            listener.close()
        await self.until(lambda: not any(one.links or one.strangers for one in self._listeners))
        end_context(self.context)


def live(test: Callable[[Stage], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a coroutine that wants a stage."""

    async def on_stage() -> None:
        stage, wrong = Stage(), list[dict[str, Any]]()
        asyncio.get_running_loop().set_exception_handler(lambda _, what: wrong.append(what))
        try:
            await test(stage)
        finally:
            await stage.end()
        assert wrong == []  # what went wrong in a callback of ours

    def run() -> None:
        asyncio.run(on_stage())

    run.__doc__ = test.__doc__
    return run
