"""Two hosts prove to each other that they know one short code, and then introduce themselves: SPAKE2 over TCP.

    answerer                              offerer (shows the code, listens)
    begin(nameplate, X)   ─────────►
                          ◄─────────      reply(Y)
    proof                 ─────────►      wrong: the code is spent, and nothing was said
                          ◄─────────      proof
    sealed(introduction)  ─────────►
                          ◄─────────      sealed(introduction)
    sealed(got it)        ─────────►

A code has 16 secret bits, so everything hangs on one guess a code:

- X and Y tell nothing about the code. Only a proof can be held against guesses, and then against exactly the
  one that its maker put into its own half. The answerer proves first, so a guesser hears nothing but "no".
- Each side makes its half once for its code, before it speaks, and finishes the exchange once. However many
  connections come, also at the same time, all are given the same Y, and the first proof decides. What is
  done with the code before that takes no time that a guesser could measure. The same on the other side: the
  same X goes to each address, and the first Y decides.
- Y is new for each offer, so what was recorded of another exchange is a wrong guess.

What comes after the proofs is encrypted, for a host's public key is known to trusted hosts only.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peermesh.errors import BadFrame, NotReached, PairingFailed
from peermesh.mesh.hosts.sockets import listen
from peermesh.mesh.pairing.codes import Code
from peermesh.mesh.pairing.guess import USED, Guess
from peermesh.mesh.pairing.introductions import (
    LENGTH_BYTES,
    MESSAGE_LIMIT,
    Introduction,
    decode,
    frame,
    length,
)

__all__ = ["Counts", "Introduction", "Offer", "answer"]

CONNECTION_LIMIT = 10.0  # seconds for one connection, from its first byte to its last
DIAL_LIMIT = 3.0  # seconds until an address has to answer, and again until it has to speak
AT_ONCE = 16  # connections; in a house there is one, and a mistaken one
IN_ALL = 200  # connections, then somebody is playing

DONE = b"got it"

WRONG_CODE = "someone tried a wrong code; make a new one with peer pair"
NOT_THE_CODE = "the code is not right, and it is spent now; have a new one made with peer pair"
BROKE_OFF = "the connection broke off while pairing, and the code is spent; make a new one with peer pair"
ITSELF = "that code is this host's own; type it on the other host"
CLOSED = "the offer was taken back"
TOO_MANY = "too many strangers connected, so the offer was closed; make a new code with peer pair"

# Why somebody is passed over who said "no", by the reason said.
PASSED_OVER = {"other": "offers another code", "unreadable": "speaks another version", "busy": "is busy"}


@dataclass(slots=True)
class Counts:
    """How often it came to what at an offer."""

    served: int = 0  # connections that were listened to
    refused: int = 0  # those that were not: too many at once, or too late
    dropped: int = 0  # those that said nothing, rubbish, or another number
    guesses: int = 0  # 0 or 1


class _Declined(Exception):
    """The other side said no."""


class _Link:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def say(self, kind: str, *fields: int | bytes | str) -> None:
        self._writer.write(frame(kind, *fields))
        await self._writer.drain()

    async def hear(self, kind: str) -> list[Any]:
        """The fields of the next message, which has to be of *kind*."""
        size = length(await self._reader.readexactly(LENGTH_BYTES))
        said, fields = decode(await self._reader.readexactly(size))
        if said == "no":
            raise _Declined(fields[0])
        if said != kind:
            raise BadFrame(f"a message {said} instead of {kind}")
        return fields

    def cut(self) -> None:
        """End it: who waits for a message hears EOFError."""
        self._writer.transport.abort()

    async def hang_up(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):  # it is gone either way
            await self._writer.wait_closed()


# ---------------------------------------------------------------- the side that shows the code


class Offer:
    """Waits for one host that knows *code*, a fresh one, and tells it *me*."""

    def __init__(self, code: Code, me: Introduction) -> None:
        self._code, self._me = code, me
        self._guess: Guess | None = None
        self._servers: list[asyncio.Server] = []
        self._serving: dict[asyncio.Task[Any], _Link] = {}
        self._outcome: Introduction | PairingFailed | None = None
        self._settled = asyncio.Event()
        self.counts = Counts()

    async def open(self, addresses: Sequence[str] = ("*",), ports: Sequence[int] = (0,)) -> int:
        """Listen on the first of *ports* that is free (0: any) of *addresses* (``*``: all), and say which it is.

        Raises:
            NoPairing: the extra is not installed.
            PairingFailed: it was open already, and a code is good for one offer.
            CannotListen: not there; it may be tried elsewhere.
        """
        if self._guess is not None or self._outcome is not None:
            raise PairingFailed(USED)
        # A thread, for the import would hold up whatever else this process does by a tenth of a second.
        guess = await asyncio.to_thread(Guess, self._code, answers=False)
        sockets = listen(addresses, ports)
        self._guess = guess
        for one in sockets:
            server = await asyncio.start_server(self._serve, sock=one, limit=MESSAGE_LIMIT, backlog=AT_ONCE)
            self._servers.append(server)
        taken: int = sockets[0].getsockname()[1]
        return taken

    async def result(self, timeout: float) -> Introduction:  # noqa: ASYNC109 - its end closes the offer
        """The other host, waited for up to *timeout* seconds.

        Raises:
            PairingFailed: the one guess was wrong, or it broke off. The code is spent.
            TimeoutError: nobody came. The offer is closed.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._settled.wait()
        except TimeoutError:
            await self.close()
            raise
        if isinstance(self._outcome, Introduction):
            return self._outcome
        raise self._outcome or PairingFailed(CLOSED)

    async def close(self) -> None:
        """Listen no longer, and hang up on who is inside."""
        self._settle(PairingFailed(CLOSED))
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _settle(self, outcome: Introduction | PairingFailed) -> None:
        if self._outcome is not None:
            return
        self._outcome = outcome
        for server in self._servers:
            server.close()
        for task, link in self._serving.items():
            if task is not asyncio.current_task():
                link.cut()  # not cancelled: of that asyncio's server would complain
        self._settled.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link, task = _Link(reader, writer), asyncio.current_task()
        assert task is not None
        if not self._admits():
            self.counts.refused += 1
            writer.write(frame("no", "busy"))
            writer.close()
            return
        self._serving[task] = link
        self.counts.served += 1
        try:
            async with asyncio.timeout(CONNECTION_LIMIT):
                await self._exchange(link)
        except (OSError, EOFError, _Declined, BadFrame):
            self.counts.dropped += 1
        finally:
            await link.hang_up()
            del self._serving[task]

    def _admits(self) -> bool:
        """Whether one more connection is listened to. Who comes too often spends the code as well."""
        if self._outcome is not None or self._guess is None or self._guess.spent:
            return False
        if self.counts.served >= IN_ALL:
            self._settle(PairingFailed(TOO_MANY))
            return False
        return len(self._serving) < AT_ONCE

    async def _exchange(self, link: _Link) -> None:
        guess = self._guess
        assert guess is not None
        try:
            nameplate, share = await link.hear("begin")
        except BadFrame:
            await link.say("no", "unreadable")
            raise
        if nameplate != self._code.nameplate:
            await link.say("no", "other")
            raise BadFrame("it was meant for another offer")
        await link.say("reply", guess.share)
        (proof,) = await link.hear("proof")
        if guess.spent:
            await link.say("no", "used")
            raise BadFrame("another one was first")
        await self._use(guess, link, share, proof)

    async def _use(self, guess: Guess, link: _Link, share: bytes, proof: bytes) -> None:
        """The one guess. Between the look whether it is spent and ``finish``, nothing is waited for."""
        self.counts.guesses += 1
        outcome: Introduction | PairingFailed = PairingFailed(WRONG_CODE)
        try:
            channel = guess.finish(share)
            if not channel.proves(proof):
                await link.say("no", "wrong")
                return
            outcome = PairingFailed(BROKE_OFF)
            await link.say("proof", channel.proof())
            theirs = Introduction.unpack(channel.open(*await link.hear("sealed")))
            await link.say("sealed", channel.seal(self._me.pack()))
            if channel.open(*await link.hear("sealed")) == DONE:
                outcome = theirs if theirs.key != self._me.key else PairingFailed(ITSELF)
        finally:
            self._settle(outcome)


# ---------------------------------------------------------------- the side that types it


async def answer(
    code: Code,
    me: Introduction,
    endpoints: Sequence[tuple[str, int]],
    timeout: float,  # noqa: ASYNC109 - what it means depends on how far it came
) -> tuple[Introduction, str]:
    """The host that offers *code*, and at which of the *endpoints* (address, port) it is; it is told *me*.

    They are tried one after the other, for *timeout* seconds in all, up to the first that takes the guess.

    Raises:
        NoPairing: the extra is not installed.
        PairingFailed: the code is not right, or it broke off. The code is spent.
        NotReached: none of them offers that code. Nothing was lost.
    """
    guess = await asyncio.to_thread(Guess, code, answers=True)
    passed: list[str] = []
    try:
        async with asyncio.timeout(timeout):
            for host, port in endpoints:
                try:
                    return await _try(guess, code, me, host, port), host
                except _Passed as why:
                    passed.append(f"{host} port {port} {why}")
    except TimeoutError:
        if guess.spent:
            raise PairingFailed(BROKE_OFF) from None
        passed.append("there was no time to try more")
    raise NotReached(f"no host was found that offers that code ({'; '.join(passed) or 'none was heard of'})")


class _Passed(Exception):
    """Here is nobody who offers the code."""


async def _try(guess: Guess, code: Code, me: Introduction, host: str, port: int) -> Introduction:
    try:
        async with asyncio.timeout(DIAL_LIMIT):
            link = _Link(*await asyncio.open_connection(host, port, limit=MESSAGE_LIMIT))
    except (OSError, ValueError, OverflowError) as wrong:  # the last two: no host's name, no port
        raise _Passed("does not answer") from wrong
    try:
        share = await _begin(guess, code, link)
        return await _prove(guess, me, link, share)
    finally:
        await link.hang_up()


async def _begin(guess: Guess, code: Code, link: _Link) -> bytes:
    """The offerer's half. Up to here nothing was given away, and the next address may be tried."""
    try:
        async with asyncio.timeout(DIAL_LIMIT):
            await link.say("begin", code.nameplate, guess.share)
            share: bytes = (await link.hear("reply"))[0]
    except _Declined as no:
        raise _Passed(PASSED_OVER.get(str(no), "does not want to")) from no
    except TimeoutError as late:
        raise _Passed("says nothing") from late
    except (OSError, EOFError) as gone:
        raise _Passed("hung up") from gone
    except BadFrame as wrong:
        raise _Passed("is something else") from wrong
    return share


async def _prove(guess: Guess, me: Introduction, link: _Link, share: bytes) -> Introduction:
    """The rest. Our proof can be held against one guess, so whatever goes wrong from here is the end."""
    try:
        async with asyncio.timeout(CONNECTION_LIMIT):
            channel = guess.finish(share)
            await link.say("proof", channel.proof())
            if not channel.proves(*await link.hear("proof")):
                raise PairingFailed(NOT_THE_CODE)
            await link.say("sealed", channel.seal(me.pack()))
            theirs = Introduction.unpack(channel.open(*await link.hear("sealed")))
            await link.say("sealed", channel.seal(DONE))
    except _Declined as no:
        raise PairingFailed(USED if str(no) == "used" else NOT_THE_CODE) from no
    except (OSError, EOFError, BadFrame) as wrong:
        raise PairingFailed(BROKE_OFF) from wrong
    if theirs.key == me.key:
        raise PairingFailed(ITSELF)
    return theirs
