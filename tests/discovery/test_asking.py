"""When a host asks who is there and whom it lists, and what it does when its networks change."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from peermesh.discovery.pace import LONGEST_PAUSE
from peermesh.discovery.record import Instance
from peermesh.discovery.rumours import DOUBT, LONGEST_LIFE
from peermesh.discovery.voice import Voice

from .stage import Notes, Play, attached, names, now

A, B, C = "a" * 16, "b" * 16, "c" * 16


def test_questions_come_in_growing_pauses(play: Play) -> None:
    """It is asked at once, a second later, then after twice the pause each time, a quarter of an hour at most."""

    async def story(speaker: Voice, wire: Notes) -> None:
        began = now()
        await asyncio.sleep(4000)
        first, *_ = wire.times
        assert 0.02 <= first - began <= 0.13
        pauses = [later - sooner for sooner, later in zip(wire.times, wire.times[1:], strict=False)]
        expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, *[LONGEST_PAUSE] * 3]
        assert pauses == pytest.approx(expected, abs=0.01)

    play(story)


def test_a_rumour_that_is_answered_for_lives_on(play: Play) -> None:
    """Questions leave out the half-old, so whoever lives is heard again in time, and the dead end."""

    async def story(speaker: Voice, wire: Notes) -> None:
        plain = wire.ask

        def answered(known: Sequence[tuple[str, float]]) -> None:
            plain(known)
            if A not in [name for name, _ in known]:
                wire.hear(A)

        wire.ask = answered  # type: ignore[method-assign]
        wire.hear(A)
        wire.hear(B)
        for _ in range(20):
            await asyncio.sleep(LONGEST_LIFE / 10)
            assert A in names(speaker)
        assert names(speaker) == [A]

    play(story)


def test_a_question_lists_us_and_whom_we_know(play: Play) -> None:
    """Whoever is known need not answer, and that is also ourselves, who hear the question."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 1, 1)])
        wire.hear(B)
        await asyncio.sleep(0.2)
        assert wire.since("ask") == [("ask", A, B)]

    play(story)


def test_a_question_lists_no_more_than_it_can(play: Play) -> None:
    """However many are known, a question lists our own and at most 300 in all."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(C, 1, 1)])
        for number in range(400):
            wire.hear(f"{number:016x}")
        await asyncio.sleep(0.2)
        [question] = wire.since("ask")
        assert len(question) == 1 + 300
        assert question[1] == C

    play(story)


def test_many_doubts_are_one_question(play: Play) -> None:
    """Many doubts at once ask once, a second after the last question, and do not list the doubted."""

    async def story(speaker: Voice, wire: Notes) -> None:
        wire.hear(A)
        wire.hear(B)
        await asyncio.sleep(0.2)
        assert wire.since("ask") == [("ask", A, B)]
        for _ in range(20):
            speaker.doubt(A)
        await asyncio.sleep(0.5)
        assert wire.since("ask") == []
        await asyncio.sleep(0.5)
        assert wire.since("ask") == [("ask", B)]
        await asyncio.sleep(DOUBT)
        assert names(speaker) == [B]

    play(story)


def test_nothing_is_done_when_nothing_moved(play: Play) -> None:
    """A look at interfaces that are the same announces nothing, asks nothing and doubts nobody."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 1, 1)])
        wire.hear(B)
        await asyncio.sleep(0.2)
        wire.since("announce")
        await speaker.follow_interfaces()
        await asyncio.sleep(0.2)
        assert wire.said == [("follow",)]
        await asyncio.sleep(DOUBT)
        assert names(speaker) == [B]

    play(story)


def test_a_new_address_is_announced_and_all_are_doubted(play: Play) -> None:
    """When the addresses moved, ours are announced with the new ones and the others must speak up."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 1, 1)])
        wire.hear(B)
        wire.hear(C)
        await asyncio.sleep(100)
        wire.since("announce")
        wire.at = attached("10.0.0.1/24", "10.0.0.2/24")
        await speaker.follow_interfaces()
        assert wire.said == [("follow", "10.0.0.2"), ("announce", A, 1, "10.0.0.1", "10.0.0.2")]
        await asyncio.sleep(0.2)
        assert wire.since("ask") == [("ask", A)]
        wire.hear(C)
        await asyncio.sleep(DOUBT)
        assert names(speaker) == [C]

    play(story)


def test_a_place_that_was_added_is_not_announced_to_twice(play: Play) -> None:
    """Where the wire has announced everything itself, it is not said again."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 1, 1)])
        wire.since("announce")
        wire.at, wire.joins = attached("10.0.0.1/24", index=2), True
        await speaker.follow_interfaces()
        assert wire.said == [("follow", "10.0.0.1")]
        await asyncio.sleep(1.5)
        assert wire.since("ask")[0] == ("ask", A)

    play(story)


def test_after_a_sleep_it_is_all_said_and_asked_again(play: Play) -> None:
    """When the wall clock jumped, the machine slept: others may have forgotten us, and we missed them."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 1, 1)])
        await asyncio.sleep(600)
        wire.since("announce")
        play.wall_ahead += 3600
        await speaker.follow_interfaces()
        await speaker.follow_interfaces()
        await asyncio.sleep(0.2)
        assert wire.said == [("follow",), ("announce", A, 1, "10.0.0.1"), ("follow",), ("ask", A)]

    play(story)
