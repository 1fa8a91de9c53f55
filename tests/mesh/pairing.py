"""A stage for pairing: hosts, a stranger who is driven by hand, and a cable that records and cuts."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ParamSpec, Self

from peermesh.mesh.pairing.codes import Code
from peermesh.mesh.pairing.guess import Guess
from peermesh.mesh.pairing.handshake import Introduction, Offer, answer
from peermesh.mesh.pairing.introductions import LENGTH_BYTES, decode, frame

CODE = Code.parse("7-guitar-ocean")
WRONG = Code.parse("7-guitar-tiger")
OTHER = Code.parse("8-guitar-ocean")
DESK = Introduction(b"D" * 32, "the-desk", 7337, ("10.83.0.1", "fe80::1%eth0"))
LAP = Introduction(b"L" * 32, "the-lap", 0, ())
HERE = "127.0.0.1"

# The curve's neutral point, a point of order two, and bytes that are no point: none is anybody's half.
NO_HALVES = [(1).to_bytes(32, "little"), (2**255 - 20).to_bytes(32, "little"), b"\x02" + b"\0" * 31]

Given = ParamSpec("Given")
# A message on its way, whether it goes to the offerer, and its number there: what is delivered of it.
# None cuts the cable.
Meddler = Callable[[bytes, bool, int], bytes | None]


def played(scene: Callable[Given, Awaitable[None]]) -> Callable[Given, None]:
    """A test that is a coroutine, run within 30 seconds."""

    @functools.wraps(scene)
    def test(*args: Given.args, **kwargs: Given.kwargs) -> None:
        async def run() -> None:
            async with asyncio.timeout(30):
                await scene(*args, **kwargs)

        asyncio.run(run())

    return test


@contextlib.asynccontextmanager
async def offering(code: Code = CODE, address: str = HERE) -> AsyncIterator[tuple[Offer, int]]:
    """The desk offers *code*: the offer and its port."""
    offer = Offer(code, DESK)
    port = await offer.open([address])
    try:
        yield offer, port
    finally:
        await offer.close()


async def pair(offer: Offer, port: int, code: Code = CODE, address: str = HERE) -> tuple[Any, Any]:
    """What the desk and the lap come to: each an introduction (the lap with an address), or an error."""
    desk, lap = await asyncio.gather(
        offer.result(10), answer(code, LAP, [(address, port)], 10), return_exceptions=True
    )
    return desk, lap


async def works(offer: Offer, port: int) -> bool:
    """Whether the code is still good: it is used up by this."""
    return await pair(offer, port) == (LAP, (DESK, HERE))


async def until(true: Callable[[], bool]) -> None:
    """Wait for it; the scene's own limit ends it."""
    while not true():  # noqa: ASYNC110 - counts have no event
        await asyncio.sleep(0.001)


def unused_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server((HERE, 0)) as one:
        taken: int = one.getsockname()[1]
        return taken


class Stranger:
    """A connection to the offer that says whatever it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def dial(cls, port: int) -> Self:
        """Connect."""
        return cls(*await asyncio.open_connection(HERE, port))

    def say(self, data: bytes) -> None:
        """Send *data* as it is."""
        self._writer.write(data)

    async def press(self, data: bytes) -> None:
        """Send *data*, and wait until it is nearly taken."""
        self._writer.write(data)
        await self._writer.drain()

    async def hear(self) -> tuple[str, list[Any]]:
        """The next message; ("end", []) when there is none."""
        try:
            size = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES), "big")
            return decode(await self._reader.readexactly(size))
        except (EOFError, ConnectionError):
            return "end", []

    async def hear_all(self) -> list[str]:
        """The kinds of all messages up to the end."""
        kinds: list[str] = []
        while (said := (await self.hear())[0]) != "end":
            kinds.append(said)
        return kinds

    def half_close(self) -> None:
        """Say that nothing more will be said."""
        self._writer.write_eof()

    async def go(self) -> None:
        """Hang up."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def begin(port: int, code: Code = CODE) -> tuple[Stranger, Guess, bytes]:
    """Somebody who guesses at *code*, and has got the offerer's half."""
    stranger, guess = await Stranger.dial(port), Guess(code, answers=True)
    stranger.say(frame("begin", CODE.nameplate, guess.share))
    kind, (share,) = await stranger.hear()
    assert kind == "reply"
    return stranger, guess, share


def proof(guess: Guess, share: bytes) -> bytes:
    """The message by which *guess* is held against the offerer's half."""
    return frame("proof", guess.finish(share).proof())


class Cable:
    """Stands between answerer and offerer: hands on each message as *meddle* has it, and keeps them."""

    def __init__(self, port: int, meddle: Meddler = lambda message, up, n: message) -> None:
        self._port, self._meddle = port, meddle
        self.up: list[bytes] = []  # what the answerer said
        self.down: list[bytes] = []
        self.connections = 0

    @contextlib.asynccontextmanager
    async def plugged(self) -> AsyncIterator[int]:
        """The port at which this end of the cable is."""
        server = await asyncio.start_server(self._carry, HERE, 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there = await asyncio.open_connection(HERE, self._port)
        try:
            await asyncio.gather(
                self._one_way(reader, there[1], up=True), self._one_way(there[0], writer, up=False)
            )
        finally:
            for one in (writer, there[1]):
                one.close()

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        kept = self.up if up else self.down
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                head = await reader.readexactly(LENGTH_BYTES)
                message = head + await reader.readexactly(int.from_bytes(head, "big"))
                kept.append(message)
                given = self._meddle(message, up, len(kept) - 1)
                if given is None:
                    break
                writer.write(given)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def impostor(script: Callable[[Stranger], Awaitable[None]]) -> AsyncIterator[int]:
    """Listens, and plays *script* to each who connects: its port."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(Stranger(reader, writer))
        finally:
            writer.close()

    server = await asyncio.start_server(serve, HERE, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
