"""An event loop that all targets of one process share, and stand-ins for connections."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

T = TypeVar("T")

PATIENCE = 10.0  # seconds: nothing here waits for anybody
_LOOP: list[asyncio.AbstractEventLoop] = []
_WRONG: list[dict[str, Any]] = []


def loop() -> asyncio.AbstractEventLoop:
    """The loop; what goes wrong in a callback is raised by ``run``."""
    if not _LOOP:
        made = asyncio.new_event_loop()
        made.set_exception_handler(lambda _, context: _WRONG.append(context))
        _LOOP.append(made)
    return _LOOP[0]


def run(what: Coroutine[Any, Any, T]) -> T:
    """Run *what* to its end, and raise what went wrong beside it."""
    _WRONG.clear()
    found = loop().run_until_complete(asyncio.wait_for(what, PATIENCE))
    for context in _WRONG:
        raise context.get("exception") or AssertionError(context.get("message"))
    return found


def close() -> None:
    """End the loop."""
    while _LOOP:
        _LOOP.pop().close()


def scratch(prefix: str) -> str:
    """A new directory, in memory where that is possible: syncing to a disk is not what is tested."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.mkdtemp(prefix=f"peer-fuzz-{prefix}-", dir=where)


class Inside:
    """A Unix socket that listens, as ZeroMQ would, behind the bridge."""

    _shared: ClassVar[list[Inside]] = []

    def __init__(self) -> None:
        self._folder = scratch("gate")
        self.path = os.path.join(self._folder, "in")
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self.path)
        self._listening.listen(8)
        self._listening.setblocking(False)

    @classmethod
    def shared(cls) -> Inside:
        """The one of this process."""
        if not cls._shared:
            cls._shared.append(cls())
        return cls._shared[0]

    @classmethod
    def end(cls) -> None:
        """Close it."""
        while cls._shared:
            one = cls._shared.pop()
            one._listening.close()
            shutil.rmtree(one._folder, ignore_errors=True)

    @contextmanager
    def one(self) -> Iterator[Callable[[], socket.socket | None]]:
        """Gives the connection that came, when one has."""
        came: list[socket.socket] = []

        def taken() -> socket.socket | None:
            if not came:
                try:
                    near, _ = self._listening.accept()
                except BlockingIOError:
                    return None
                near.setblocking(False)
                came.append(near)
            return came[0]

        try:
            yield taken
        finally:
            taken()
            for near in came:
                near.close()

    @staticmethod
    async def turn() -> None:
        """Some turns of the loop, in which whatever can be read is read."""
        for _ in range(4):
            await asyncio.sleep(0)


class _Transport(asyncio.Transport):
    """Takes all that is written."""

    def __init__(self) -> None:
        super().__init__()
        self.said, self.closed = bytearray(), False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.said += data

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def close(self) -> None:
        """Close it."""
        self.closed = True

    def abort(self) -> None:
        """Close it."""
        self.closed = True


class Pipe:
    """A connection whose other side has said *said* and hung up.

    ``said`` on the writer's side is in ``answers``.
    """

    def __init__(self, said: bytes, limit: int = 1 << 16) -> None:
        self._transport = _Transport()
        self.reader = asyncio.StreamReader(limit=limit, loop=loop())
        self.reader.feed_data(said)
        self.reader.feed_eof()
        protocol = asyncio.StreamReaderProtocol(self.reader, loop=loop())
        protocol._closed.set_result(None)  # type: ignore[attr-defined]
        self.writer = asyncio.StreamWriter(self._transport, protocol, self.reader, loop())

    @property
    def closed(self) -> bool:
        """Whether our side has hung up."""
        return self._transport.closed

    @property
    def answers(self) -> bytes:
        """What our side said."""
        return bytes(self._transport.said)
