"""Pairing by a code, among those who mean ill: one guess at an offer, whatever strangers send."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peermesh.errors import NotReached, PairingFailed
from peermesh.mesh.pairing import handshake
from peermesh.mesh.pairing.guess import Guess
from peermesh.mesh.pairing.handshake import AT_ONCE, IN_ALL, answer
from peermesh.mesh.pairing.introductions import LENGTH_BYTES, MESSAGE_LIMIT, frame
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
    pair,
    played,
    proof,
    until,
    works,
)

# ---------------------------------------------------------------- guessing at an offer


@played
async def test_a_guesser_is_told_nothing() -> None:
    """It gets the offerer's half, which is of no use, and after its proof a "no"."""
    async with offering() as (offer, port):
        stranger, guess, share = await begin(port, WRONG)
        channel = guess.finish(share)
        stranger.say(frame("proof", channel.proof()))
        assert await stranger.hear() == ("no", ["wrong"])
        assert await stranger.hear() == ("end", [])
        with pytest.raises(PairingFailed, match="wrong code"):
            await offer.result(5)
        await stranger.go()


@played
async def test_the_offerer_does_not_prove_first() -> None:
    """A guesser who waits for the offerer's proof waits in vain, and nothing is spent."""
    async with offering() as (offer, port):
        stranger, _, _ = await begin(port, WRONG)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stranger.hear(), 0.3)
        await stranger.go()
        assert await works(offer, port)


@pytest.mark.parametrize("first", [0, 6])
@played
async def test_guesses_at_the_same_time_are_one(first: int) -> None:
    """Eight are given the offerer's half; the first proof counts, and the right one after it does not."""
    async with offering() as (offer, port):
        guessers = [await begin(port, WRONG) for _ in range(7)] + [await begin(port, CODE)]
        proofs = [proof(guess, share) for _, guess, share in guessers]
        guessers.insert(0, guessers.pop(first))
        proofs.insert(0, proofs.pop(first))
        for (stranger, _, _), said in zip(guessers, proofs, strict=True):
            stranger.say(said)
        heard = [kind for stranger, _, _ in guessers for kind in await stranger.hear_all()]
        assert set(heard) <= {"no"}
        with pytest.raises(PairingFailed, match="wrong code"):
            await offer.result(5)
        assert offer.counts.guesses == 1
        for stranger, _, _ in guessers:
            await stranger.go()


@played
async def test_a_half_is_one_for_all() -> None:
    """What cannot be finished twice cannot be guessed at twice."""
    async with offering() as (offer, port):
        one, two = await begin(port), await begin(port)
        assert one[2] == two[2]
        await one[0].go()
        await two[0].go()
    guess = Guess(CODE, answers=True)
    guess.finish(Guess(CODE, answers=False).share)
    with pytest.raises(PairingFailed, match="used already"):
        guess.finish(Guess(CODE, answers=False).share)
    assert offer.counts.guesses == 0


@played
async def test_offers_have_halves_of_their_own() -> None:
    """Also those with the same code: nothing of one fits another."""
    assert Guess(CODE, answers=False).share != Guess(CODE, answers=False).share


@played
async def test_a_stranger_who_stalls_holds_nobody_up() -> None:
    """With the offerer's half in hand it may wait as long as it likes."""
    async with offering() as (offer, port):
        strangers = [await begin(port) for _ in range(AT_ONCE - 1)]
        begun = time.monotonic()
        assert await works(offer, port)
        assert time.monotonic() - begun < 2
        late, guess, share = strangers[0]
        late.say(proof(guess, share))
        assert "proof" not in await late.hear_all()
        for stranger, _, _ in strangers:
            await stranger.go()


@pytest.mark.parametrize("point", NO_HALVES)
@played
async def test_halves_that_are_none(point: bytes) -> None:
    """A half from which the key could be foretold is not taken; proving with it spends the code."""
    async with offering() as (offer, port):
        stranger = await Stranger.dial(port)
        stranger.say(frame("begin", CODE.nameplate, b"A" + point))
        assert (await stranger.hear())[0] == "reply"
        stranger.say(frame("proof", b"m" * 32))
        assert "proof" not in await stranger.hear_all()
        with pytest.raises(PairingFailed):
            await offer.result(5)
        await stranger.go()


@played
async def test_the_offerers_own_half_sent_back() -> None:
    """A mirror learns nothing, under either side's letter."""
    for letter in (b"A", b"B"):
        async with offering() as (offer, port):
            looking, _, share = await begin(port)
            await looking.go()
            mirror = await Stranger.dial(port)
            mirror.say(frame("begin", CODE.nameplate, letter + share[1:]))
            await mirror.hear()
            mirror.say(frame("proof", b"m" * 32))
            assert "proof" not in await mirror.hear_all()
            assert offer.counts.guesses == 1
            await mirror.go()


@played
async def test_a_replay_is_a_wrong_guess() -> None:
    """What was recorded of a good exchange is refused by a new offer, also one with the same code."""
    async with offering() as (offer, port):
        cable = Cable(port)
        async with cable.plugged() as end:
            assert await pair(offer, end) == (LAP, (DESK, HERE))
    async with offering() as (offer, port):
        stranger = await Stranger.dial(port)
        stranger.say(b"".join(cable.up))
        assert await stranger.hear_all() in (["reply", "no"], ["reply"])
        with pytest.raises(PairingFailed, match="wrong code"):
            await offer.result(5)
        await stranger.go()

    async def replay(stranger: Stranger) -> None:
        stranger.say(b"".join(cable.down))
        await stranger.hear_all()

    async with impostor(replay) as port:
        with pytest.raises(PairingFailed):
            await answer(CODE, LAP, [(HERE, port)], 5)


@played
async def test_late_is_too_late() -> None:
    """Who was inside when the offer ended is hung up on, and its right proof is not looked at."""
    async with offering() as (offer, port):
        stranger, guess, share = await begin(port)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await offer.result(0.05)
        assert time.monotonic() - begun < 2
        stranger.say(proof(guess, share))
        assert await stranger.hear_all() == []
        assert offer.counts.guesses == 0
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await Stranger.dial(port)
        await stranger.go()


# ---------------------------------------------------------------- what is no attempt


def junk() -> list[bytes]:
    """What is no first message: other protocols, lengths that lie, messages out of turn, other versions."""
    good = frame("begin", CODE.nameplate, b"A" + b"x" * 32)
    return [
        *(b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\0" * 64, b"\0\0", b"\xff" * 4096),
        *(frame("proof", b"m" * 32), frame("no", "x"), frame("sealed", b"s"), frame("reply", b"B" * 33)),
        *(
            good.replace(b"\x94\x01", b"\x94\x02"),
            good[:-1] + b"",
            (MESSAGE_LIMIT + 1).to_bytes(2, "big") + good,
        ),
    ]


@pytest.mark.parametrize("data", junk(), ids=range(len(junk())))
@played
async def test_junk_spends_nothing(data: bytes) -> None:
    """It is dropped, and the code works after it."""
    async with offering() as (offer, port):
        stranger = await Stranger.dial(port)
        stranger.say(data)
        stranger.half_close()
        assert await stranger.hear_all() in ([], ["no"])
        assert (offer.counts.dropped, offer.counts.guesses) == (1, 0)
        await stranger.go()
        assert await works(offer, port)


@played
async def test_a_message_cut_anywhere_spends_nothing() -> None:
    """Each beginning of a good first message, and of a good proof."""
    async with offering() as (offer, port):
        good = frame("begin", CODE.nameplate, Guess(CODE, answers=True).share)
        for cut in range(len(good)):
            stranger = await Stranger.dial(port)
            stranger.say(good[:cut])
            await stranger.go()
        for cut in range(0, 2 + 42, 4):
            stranger, guess, share = await begin(port)
            stranger.say(proof(guess, share)[:cut])
            await stranger.go()
        assert await works(offer, port)
        assert offer.counts.guesses == 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=6), st.booleans())
def test_any_bytes_spend_nothing(pieces: list[bytes], in_frames: bool) -> None:
    """Whatever strangers say, in frames or not, the code works after it."""

    @played
    async def scene() -> None:
        async with offering() as (offer, port):
            for piece in pieces:
                stranger = await Stranger.dial(port)
                stranger.say(len(piece).to_bytes(LENGTH_BYTES, "big") + piece if in_frames else piece)
                await stranger.go()
            assert await works(offer, port)

    scene()


@played
async def test_a_flood_is_cut_short() -> None:
    """Who never stops talking is hung up on after the first bytes."""
    async with offering() as (offer, port):
        stranger, taken = await Stranger.dial(port), 0
        with contextlib.suppress(ConnectionError):
            while taken < 50_000_000:
                await stranger.press(b"\xff" * 65_536)
                taken += 65_536
        assert taken < 20_000_000
        await stranger.go()
        assert await works(offer, port)


@pytest.mark.parametrize("wait", [0.0, 0.02])
@played
async def test_the_slow_and_the_silent_are_dropped(wait: float) -> None:
    """A connection has so many seconds, whatever trickles in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handshake, "CONNECTION_LIMIT", 0.3)
        async with offering() as (offer, port):
            stranger = await Stranger.dial(port)
            begun = time.monotonic()

            async def trickle() -> None:
                for byte in frame("begin", CODE.nameplate, b"A" + b"x" * 32):
                    stranger.say(bytes([byte]))
                    await asyncio.sleep(wait)

            talking = asyncio.create_task(trickle()) if wait else None
            assert await stranger.hear_all() == []
            assert 0.25 < time.monotonic() - begun < 2
            if talking:
                talking.cancel()
            await stranger.go()
            assert (offer.counts.dropped, offer.counts.guesses) == (1, 0)
            assert await works(offer, port)


@played
async def test_so_many_at_once() -> None:
    """The seventeenth is told that it is too much; when the others are gone there is room again."""
    async with offering() as (offer, port):
        strangers = [await Stranger.dial(port) for _ in range(AT_ONCE)]
        await until(lambda: offer.counts.served == AT_ONCE)
        with pytest.raises(NotReached, match=r"is busy|hung up"):
            await answer(CODE, LAP, [(HERE, port)], 5)
        assert offer.counts.refused == 1
        for stranger in strangers:
            await stranger.go()
        await until(lambda: offer.counts.dropped == AT_ONCE)
        assert await works(offer, port)


@played
async def test_so_many_in_all() -> None:
    """After two hundred the offer is closed, and says why."""
    async with offering() as (offer, port):
        for n in range(1, IN_ALL + 1):
            await (await Stranger.dial(port)).go()
            await until(lambda n=n: offer.counts.dropped == n)
        assert (offer.counts.served, offer.counts.refused) == (IN_ALL, 0)
        assert not offer._settled.is_set()
        await (await Stranger.dial(port)).go()
        with pytest.raises(PairingFailed, match="too many strangers"):
            await offer.result(5)
        assert offer.counts.guesses == 0
