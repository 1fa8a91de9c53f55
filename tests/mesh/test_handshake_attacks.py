"""Pairing by a code, among those who mean ill: one guess a code, for either side, whatever they send."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peermesh.errors import BadFrame, NotReached, PairingFailed
from peermesh.mesh import handshake
from peermesh.mesh.codes import Code
from peermesh.mesh.guess import Channel, Guess
from peermesh.mesh.handshake import AT_ONCE, IN_ALL, Introduction, Offer, answer
from peermesh.mesh.introductions import LENGTH_BYTES, MESSAGE_LIMIT, frame
from tests.mesh.pairing import (
    CODE,
    DESK,
    HERE,
    LAP,
    WRONG,
    Cable,
    Stranger,
    impostor,
    offering,
    pair,
    played,
    until,
    works,
)

# The curve's neutral point, a point of order two, and bytes that are no point: none is anybody's half.
NO_HALVES = [(1).to_bytes(32, "little"), (2**255 - 20).to_bytes(32, "little"), b"\x02" + b"\0" * 31]


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
        with pytest.raises(TimeoutError):
            await offer.result(0.05)
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
            with pytest.raises(PairingFailed):
                await answer(CODE, LAP, [(HERE, bad), (HERE, port)], 5)
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
