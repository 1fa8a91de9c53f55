"""Pairing by a code, between those who mean well: who finds whom, and what each is told."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest

from peermesh.errors import CannotListen, NotReached, PairingFailed
from peermesh.mesh.hosts.sockets import listen
from peermesh.mesh.pairing import handshake
from peermesh.mesh.pairing.codes import Code, new_code
from peermesh.mesh.pairing.handshake import Offer, answer
from peermesh.mesh.pairing.introductions import frame
from tests.mesh.pairing import (
    CODE,
    DESK,
    HERE,
    LAP,
    OTHER,
    WRONG,
    Cable,
    Stranger,
    impostor,
    offering,
    pair,
    played,
    unused_port,
    works,
)


@pytest.mark.parametrize("address", [HERE, "::1"])
@played
async def test_two_hosts_meet(address: str) -> None:
    """Each learns the other's introduction, the answerer also where the offerer was."""
    async with offering(address=address) as (offer, port):
        assert await pair(offer, port, address=address) == (LAP, (DESK, address))
        assert (offer.counts.served, offer.counts.guesses, offer.counts.dropped) == (1, 1, 0)
        assert await offer.result(0.1) == LAP


@played
async def test_a_new_code_works() -> None:
    """Not only the code that the tests use."""
    code = new_code()
    async with offering(code) as (offer, port):
        assert await pair(offer, port, Code.parse(str(code).upper())) == (LAP, (DESK, HERE))


@played
async def test_it_is_quick() -> None:
    """An exchange takes milliseconds, of both sides in one process."""
    async with offering() as (offer, port):
        begun = time.perf_counter()
        assert await works(offer, port)
        took = time.perf_counter() - begun
    print(f"\npaired in {took * 1000:.1f} ms")
    assert took < 1.0


@played
async def test_a_wrong_word_spends_the_code() -> None:
    """Both are told, and the right words come too late."""
    async with offering() as (offer, port):
        desk, lap = await pair(offer, port, WRONG)
        assert isinstance(desk, PairingFailed)
        assert str(desk) == "someone tried a wrong code; make a new one with peer pair"
        assert isinstance(lap, PairingFailed)
        assert "the code is not right" in str(lap)
        with pytest.raises(NotReached):
            await answer(CODE, LAP, [(HERE, port)], 5)
        with pytest.raises(PairingFailed, match="wrong code"):
            await offer.result(5)
        assert offer.counts.guesses == 1


@played
async def test_another_number_spends_nothing() -> None:
    """Two people who pair at the same time do not spoil each other's codes."""
    async with offering() as (offer, port):
        with pytest.raises(NotReached, match="offers another code"):
            await answer(OTHER, LAP, [(HERE, port)], 5)
        assert (offer.counts.dropped, offer.counts.guesses) == (1, 0)
        assert await works(offer, port)


async def mute(stranger: Stranger) -> None:
    """Says nothing, for ever."""
    await asyncio.Event().wait()


async def web(stranger: Stranger) -> None:
    """Is something else altogether."""
    stranger.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await asyncio.sleep(0.2)


async def rude(stranger: Stranger) -> None:
    """Hangs up."""


async def newer(stranger: Stranger) -> None:
    """Speaks a later version, and does not know ours."""
    stranger.say(frame("no", "unreadable"))
    await stranger.hear()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (mute, "says nothing"),
        (web, "is something else"),
        (rude, "hung up"),
        (newer, "speaks another version"),
    ],
)
@played
async def test_who_is_no_offerer_is_passed_over(script: object, words: str) -> None:
    """Up to the offerer's half nothing was given away, so the next address is tried."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handshake, "DIAL_LIMIT", 0.3)
        async with impostor(script) as stranger, offering() as (offer, port):  # type: ignore[arg-type]
            assert await answer(CODE, LAP, [(HERE, stranger), ("localhost", port)], 5) == (DESK, "localhost")
            assert await offer.result(5) == LAP
        async with impostor(script) as stranger:  # type: ignore[arg-type]
            with pytest.raises(NotReached, match=f"{HERE} port {stranger} {words}"):
                await answer(CODE, LAP, [(HERE, stranger)], 5)


@played
async def test_addresses_that_are_none() -> None:
    """Nobody there, no such name, no such port: they are passed over and named."""
    bad = [(HERE, unused_port()), ("no such name", 1), ("a" * 300, 1), ("nul\0", 1), (HERE, 70_000), ("", -1)]
    with pytest.raises(NotReached) as error:
        await answer(CODE, LAP, bad, 5)
    assert str(error.value).count("does not answer") == len(bad)
    async with offering() as (_, port):
        assert await answer(CODE, LAP, [*bad, (HERE, port)], 5) == (DESK, HERE)


@played
async def test_no_address_at_all() -> None:
    """Nobody was heard of."""
    with pytest.raises(NotReached, match="none was heard of"):
        await answer(CODE, LAP, [], 5)


@played
async def test_the_answerers_time_is_up() -> None:
    """What is still to be tried then is not."""
    async with impostor(mute) as stranger, offering() as (offer, port):
        begun = time.monotonic()
        with pytest.raises(NotReached, match="no time to try more"):
            await answer(CODE, LAP, [(HERE, stranger), (HERE, port)], 0.3)
        assert time.monotonic() - begun < 2
        assert offer.counts.served == 0


@played
async def test_the_offers_time_is_up() -> None:
    """After that nobody gets in."""
    async with offering() as (offer, port):
        with pytest.raises(TimeoutError):
            await offer.result(0.05)
        with pytest.raises(NotReached):
            await answer(CODE, LAP, [(HERE, port)], 5)
        with pytest.raises(PairingFailed, match="taken back"):
            await offer.result(5)


@played
async def test_an_offer_is_taken_back() -> None:
    """Who waits for it hears of it, and the port is free again."""
    async with offering() as (offer, port):
        waiting = asyncio.create_task(offer.result(10))
        await asyncio.sleep(0)
        await offer.close()
        with pytest.raises(PairingFailed, match="taken back"):
            await waiting
        socket.create_server((HERE, port)).close()


@played
async def test_a_code_is_good_for_one_offer() -> None:
    """Opened again, it would be good for another guess."""
    async with offering() as (offer, _):
        with pytest.raises(PairingFailed, match="used already"):
            await offer.open([HERE])
    with pytest.raises(PairingFailed, match="used already"):
        await offer.open([HERE])


@played
async def test_a_host_does_not_pair_with_itself() -> None:
    """Both ends say what is the matter."""
    async with offering() as (offer, port):
        desk, lap = await asyncio.gather(
            offer.result(5), answer(CODE, DESK, [(HERE, port)], 5), return_exceptions=True
        )
        assert all(isinstance(one, PairingFailed) and "this host's own" in str(one) for one in (desk, lap))


@played
async def test_one_port_at_several_addresses() -> None:
    """The port that was found for the first holds for all."""
    offer = Offer(CODE, DESK)
    port = await offer.open([HERE, "::1"])
    async with closing(offer):
        assert await answer(CODE, LAP, [("::1", port)], 5) == (DESK, "::1")
    offer = Offer(CODE, DESK)
    port = await offer.open([HERE, "::1"])
    async with closing(offer):
        assert await answer(CODE, LAP, [(HERE, port)], 5) == (DESK, HERE)


@played
async def test_a_port_that_is_taken() -> None:
    """That leaves nothing open, and the code is still good."""
    free, taken = listen([HERE, "::1"], [0])
    free.close()
    with taken:
        port = taken.getsockname()[1]
        offer = Offer(CODE, DESK)
        with pytest.raises(CannotListen, match="in use"):
            await offer.open([HERE, "::1"], [port])
        socket.create_server((HERE, port)).close()
        with pytest.raises(CannotListen, match="no address"):
            await offer.open([])
        other = await offer.open([HERE])
        async with closing(offer):
            assert await works(offer, other)


@contextlib.asynccontextmanager
async def closing(offer: Offer) -> AsyncIterator[None]:
    """Takes *offer* back in the end."""
    try:
        yield
    finally:
        await offer.close()


@played
async def test_nothing_of_the_hosts_is_on_the_wire() -> None:
    """A listener sees neither keys nor names nor addresses, nor the words."""
    async with offering() as (offer, port):
        cable = Cable(port)
        async with cable.plugged() as end:
            assert await pair(offer, end) == (LAP, (DESK, HERE))
    seen = b"".join(cable.up + cable.down)
    for secret in (DESK.key[:8], LAP.key[:8], b"the-desk", b"the-lap", b"10.83.0.1", b"guitar", b"ocean"):
        assert secret not in seen
    assert [len(cable.up), len(cable.down)] == [4, 3]


WITHOUT = """
import asyncio, sys
from peermesh.mesh.pairing import handshake
from peermesh.mesh.pairing.codes import new_code
assert not {"spake2", "cryptography"} & set(sys.modules)
sys.modules["spake2"] = None
me = handshake.Introduction(b"k" * 32, "desk", 0, ())
for asked in (handshake.Offer(new_code(), me).open(["127.0.0.1"]), handshake.answer(new_code(), me, [], 1)):
    try:
        asyncio.run(asked)
    except Exception as wrong:
        print(type(wrong).__name__, wrong)
"""


def test_without_the_extra() -> None:
    """The module can be imported and loads nothing heavy; used, it says what to install."""
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(re.match(r"NoPairing .*pip install 'peermesh\[pair\]'", line) for line in lines)
