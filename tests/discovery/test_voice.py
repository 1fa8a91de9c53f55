"""What a host says of its instances, on a wire that only takes notes."""

from __future__ import annotations

import asyncio

import pytest

from peermesh.discovery.errors import DiscoveryUnavailable
from peermesh.discovery.record import Instance
from peermesh.discovery.voice import Voice

from .stage import Notes, Play, now

A, B, C = "a" * 16, "b" * 16, "c" * 16


def test_publish_announces_what_is_new_or_changed(play: Play) -> None:
    """Each instance is announced once, and again only when it is different."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 0, 1), Instance(B, 2, 1)])
        assert wire.since("announce") == [("announce", A, 0, "10.0.0.1"), ("announce", B, 2, "10.0.0.1")]
        await speaker.publish([Instance(A, 5, 1), Instance(B, 2, 1)])
        assert wire.since("announce") == [("announce", A, 5, "10.0.0.1")]
        assert speaker.health().published == 2

    play(story)


def test_what_is_gone_says_goodbye_four_times(play: Play) -> None:
    """One who leaves is answered for no more, at once, and says goodbye also after the last late answer."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 1, 1), Instance(B, 2, 1)])
        left = now()
        await speaker.publish([Instance(B, 2, 1)])
        assert wire.since("withdraw") == [("withdraw", A)]
        await asyncio.sleep(5)
        goodbyes = [
            at - left for at, line in zip(wire.times, wire.said, strict=True) if line == ("goodbye", A)
        ]
        assert goodbyes == pytest.approx([0, 0.125, 0.25, 1.5], abs=0.01)

    play(story)


def test_one_who_returns_says_no_more_goodbyes(play: Play) -> None:
    """Published again while its goodbyes are said, an instance is not made to vanish by them."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 1, 1)])
        await speaker.publish([])
        await asyncio.sleep(0.2)
        assert len(wire.since("goodbye")) == 2
        await speaker.publish([Instance(A, 1, 1)])
        await asyncio.sleep(5)
        assert wire.since("goodbye") == []

    play(story)


def test_close_says_goodbye_for_all_in_one_go(play: Play) -> None:
    """At the end there are three goodbyes for all together, and the wire is closed, in a quarter of a second."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 1, 1), Instance(B, 2, 1)])
        wire.since("announce")
        began = now()
        await speaker.close()
        assert wire.said == [("withdraw", A), ("withdraw", B), *[("goodbye", A, B)] * 3, ("close",)]
        assert now() - began < 0.3
        await speaker.close()
        assert wire.since("close") == [("close",)]

    play(story)


def test_close_closes_also_when_words_fail(play: Play) -> None:
    """The wire is closed although saying goodbye raised."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 1, 1)])
        wire.goodbye = lambda names: 1 / 0  # type: ignore[assignment]
        with pytest.raises(ZeroDivisionError):
            await speaker.close()
        assert wire.said[-1] == ("close",)

    play(story)


def test_the_dead_are_buried_and_the_living_are_not(play: Play) -> None:
    """Goodbyes can be said for another's instances, but not for those published now."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 1, 1)])
        await speaker.bury([A, B])
        await asyncio.sleep(5)
        assert wire.since("goodbye") == [("goodbye", B)] * 4

    play(story)


def test_it_may_be_started_again_after_it_could_not(play: Play) -> None:
    """A start that failed leaves nothing, and the next one works."""

    async def story() -> None:
        wire = Notes()
        wire.fails = DiscoveryUnavailable("no cable")
        speaker = Voice(wire)
        with pytest.raises(DiscoveryUnavailable, match="no cable"):
            await speaker.start()
        speaker.doubt(A)
        assert speaker.rumours() == []
        await speaker.close()
        wire.fails = None
        await speaker.start()
        await speaker.start()
        await speaker.publish([Instance(A, 1, 1)])
        await speaker.close()
        assert wire.said[-1] == ("close",)

    play.alone(story())


def test_before_the_start_and_after_the_end_nothing_can_be_said(play: Play) -> None:
    """Publishing, burying and following are refused while it does not run."""

    async def refused(speaker: Voice) -> None:
        for call in (speaker.publish([]), speaker.bury([A]), speaker.follow_interfaces()):
            with pytest.raises(RuntimeError, match=r"start\(\) comes first"):
                await call

    async def story() -> None:
        speaker = Voice(Notes())
        await refused(speaker)
        await speaker.start()
        await speaker.close()
        await refused(speaker)

    play.alone(story())
