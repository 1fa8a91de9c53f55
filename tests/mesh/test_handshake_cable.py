"""Pairing by a code, among those who mean ill: impostors who offer, and hands on the cable between the two."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable

import pytest

from peermesh.errors import BadFrame, NotReached, PairingFailed
from peermesh.mesh.pairing import handshake
from peermesh.mesh.pairing.codes import Code
from peermesh.mesh.pairing.guess import Channel, Guess
from peermesh.mesh.pairing.handshake import Introduction, Offer, answer
from peermesh.mesh.pairing.introductions import frame
from tests.mesh.pairing import (
    CODE,
    DESK,
    HERE,
    LAP,
    NO_HALVES,
    WRONG,
    Cable,
    Stranger,
    begin,
    impostor,
    offering,
    played,
    proof,
    works,
)

# ---------------------------------------------------------------- guessing at an answerer


@played
async def test_an_impostor_has_one_guess() -> None:
    """The answerer stops at the first who took its proof, and the right offer is not asked any more."""
    async with offering(WRONG) as (_, impostors), offering() as (offer, port):
        with pytest.raises(PairingFailed, match="the code is not right"):
            await answer(CODE, LAP, [(HERE, impostors), (HERE, port)], 5)
        assert offer.counts.served == 0


Script = Callable[[Stranger], Awaitable[None]]


async def take(stranger: Stranger, then: bytes, *, stay: bool) -> None:
    """Give a half, take the proof, say *then*."""
    await stranger.hear()
    stranger.say(frame("reply", Guess(WRONG, answers=False).share))
    assert (await stranger.hear())[0] == "proof"
    stranger.say(then)
    if stay:
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("then", "stay"),
    [
        *((b"", False), (b"", True), (b"\xff\xff", True), (frame("proof", b"m" * 32), True)),
        *((frame("no", "busy"), False), (frame("no", "other"), False), (frame("sealed", b"s" * 64), True)),
    ],
)
@played
async def test_an_impostor_who_got_the_proof(then: bytes, stay: bool) -> None:
    """Whatever it does then, nobody else is tried, and it is told nothing more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handshake, "CONNECTION_LIMIT", 0.5)
        async with (
            impostor(functools.partial(take, then=then, stay=stay)) as bad,
            offering() as (offer, port),
        ):
            begun = time.monotonic()
            with pytest.raises(PairingFailed):
                await answer(CODE, LAP, [(HERE, bad), (HERE, port)], 10)
            assert time.monotonic() - begun < 3
            assert offer.counts.served == 0


@played
async def test_the_time_is_up_after_the_proof() -> None:
    """That is no "nobody was there": the code is spent."""
    async with impostor(functools.partial(take, then=b"", stay=True)) as bad:
        with pytest.raises(PairingFailed, match="broke off"):
            await answer(CODE, LAP, [(HERE, bad)], 0.3)


@pytest.mark.parametrize("point", [*NO_HALVES, None])
@played
async def test_an_impostors_half_that_is_none(point: bytes | None) -> None:
    """No half at all, or the answerer's own: it gets no proof for it."""
    heard: list[str] = []

    async def script(stranger: Stranger) -> None:
        _, fields = await stranger.hear()
        stranger.say(frame("reply", b"B" + (point or fields[1][1:])))
        heard.extend(await stranger.hear_all())

    async with impostor(script) as bad:
        with pytest.raises(PairingFailed):
            await answer(CODE, LAP, [(HERE, bad)], 5)
    assert heard == []


# ---------------------------------------------------------------- on the cable between the two

MESSAGES = [(True, 0), (True, 1), (True, 2), (True, 3), (False, 0), (False, 1), (False, 2)]


@pytest.mark.parametrize(("up", "at"), MESSAGES)
@pytest.mark.parametrize("byte", [-1, -20])
@played
async def test_a_changed_message(up: bool, at: int, byte: int) -> None:
    """A bit changed in any message: no side takes it, and none learns anything wrong."""

    def meddle(message: bytes, way: bool, n: int) -> bytes:
        if (way, n) != (up, at):
            return message
        return bytes(b ^ (i == len(message) + byte) for i, b in enumerate(message))

    async with offering() as (offer, port), Cable(port, meddle).plugged() as end:
        lap = (await asyncio.gather(answer(CODE, LAP, [(HERE, end)], 5), return_exceptions=True))[0]
        # Whose last message is changed or lost cannot know it: the lap has paired then, the desk has not.
        last = (up, at) == (True, 3)
        assert lap == (DESK, HERE) if last else isinstance(lap, PairingFailed)
        if (up, at) == (False, 0) and offer.counts.guesses == 0:
            return  # the changed half was no half any more (15 of 16 are none), so there was no proof for it
        with pytest.raises(PairingFailed):
            await offer.result(5)
        assert offer.counts.guesses == 1


@pytest.mark.parametrize(("up", "at"), MESSAGES)
@played
async def test_a_cut_cable(up: bool, at: int) -> None:
    """Cut before the proof, the code is still good; cut after it, both are told that it broke off."""
    async with offering() as (offer, port):
        cable = Cable(port, lambda message, way, n: None if (way, n) == (up, at) else message)
        async with cable.plugged() as end:
            lap = (await asyncio.gather(answer(CODE, LAP, [(HERE, end)], 5), return_exceptions=True))[0]
        before_proof = (up, at) in ((True, 0), (True, 1), (False, 0))
        if (up, at) in ((True, 0), (False, 0)):
            assert isinstance(lap, NotReached)
        elif (up, at) == (True, 3):
            assert lap == (DESK, HERE)
        else:
            assert isinstance(lap, PairingFailed)
        if before_proof:
            assert await works(offer, port)
        else:
            with pytest.raises(PairingFailed, match="broke off"):
                await offer.result(5)


def channels() -> tuple[Channel, Channel]:
    """Both ends after a good exchange: the answerer's, the offerer's."""
    answerer, offerer = Guess(CODE, answers=True), Guess(CODE, answers=False)
    return answerer.finish(offerer.share), offerer.finish(answerer.share)


def test_proofs_are_of_one_way() -> None:
    """A proof sent back proves nothing."""
    answerer, offerer = channels()
    assert offerer.proves(answerer.proof())
    assert answerer.proves(offerer.proof())
    assert not answerer.proves(answerer.proof())
    assert not offerer.proves(offerer.proof())


def test_the_number_is_bound() -> None:
    """The same words under another number are another code."""
    answerer, offerer = Guess(CODE, answers=True), Guess(Code(8, CODE.words), answers=False)
    ends = answerer.finish(offerer.share), offerer.finish(answerer.share)
    assert not ends[1].proves(ends[0].proof())


def test_seals_are_of_one_way_and_in_order() -> None:
    """What was sealed is opened once, by the other side, in its turn."""
    answerer, offerer = channels()
    first, second = answerer.seal(b"1"), answerer.seal(b"2")
    assert (offerer.open(first), offerer.open(second)) == (b"1", b"2")
    for sealed in (first, second):
        with pytest.raises(BadFrame, match="seal"):
            offerer.open(sealed)
    answerer, offerer = channels()
    answerer.seal(b"1")
    with pytest.raises(BadFrame, match="seal"):
        offerer.open(answerer.seal(b"2"))
    mirrored, _ = channels()
    with pytest.raises(BadFrame, match="seal"):
        mirrored.open(mirrored.seal(b"1"))
    with pytest.raises(BadFrame, match="seal"):
        answerer.open(answerer.seal(b"3"))
    with pytest.raises(BadFrame, match="seal"):
        offerer.open(b"")


@played
async def test_an_introduction_that_is_none() -> None:
    """Who knows the code but introduces itself with rubbish is not taken."""
    async with offering() as (offer, port):
        stranger, guess, share = await begin(port)
        channel = guess.finish(share)
        stranger.say(frame("proof", channel.proof()) + frame("sealed", channel.seal(b"rubbish")))
        assert await stranger.hear_all() == ["proof"]
        with pytest.raises(PairingFailed, match="broke off"):
            await offer.result(5)
        await stranger.go()


@played
async def test_silence_after_the_proof() -> None:
    """Who knows the code and then says nothing is not waited for without end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handshake, "CONNECTION_LIMIT", 0.3)
        async with offering() as (offer, port):
            stranger, guess, share = await begin(port)
            stranger.say(proof(guess, share))
            with pytest.raises(PairingFailed, match="broke off"):
                await offer.result(5)
            assert await stranger.hear_all() == ["proof"]
            await stranger.go()


@played
async def test_the_offerers_introduction_is_given_last() -> None:
    """It goes to who has introduced itself, and to nobody before."""
    async with offering() as (_, port):
        stranger, guess, share = await begin(port)
        channel = guess.finish(share)
        stranger.say(frame("proof", channel.proof()))
        assert channel.proves(*(await stranger.hear())[1])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stranger.hear(), 0.2)
        stranger.say(frame("sealed", channel.seal(LAP.pack())))
        assert Introduction.unpack(channel.open(*(await stranger.hear())[1])) == DESK
        await stranger.go()


@played
async def test_a_result_that_is_no_longer_waited_for() -> None:
    """Who stops waiting can still take the offer back."""
    offer = Offer(CODE, DESK)
    await offer.open([HERE])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(offer.result(10), 0.05)
    await offer.close()
    with pytest.raises(PairingFailed, match="taken back"):
        await offer.result(1)
