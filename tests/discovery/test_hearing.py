"""What a host takes for a rumour, and when its caller is told."""

from __future__ import annotations

import asyncio

from peermesh.discovery.record import SERVICE, Instance, full_name
from peermesh.discovery.rumours import LONGEST_LIFE
from peermesh.discovery.voice import Voice

from .stage import Notes, Play, attached, names, now

A, B, C = "a" * 16, "b" * 16, "c" * 16


def test_our_own_are_never_rumours(play: Play) -> None:
    """We hear ourselves, and do not take it for another, not even just after an instance left."""

    async def story(speaker: Voice, wire: Notes) -> None:
        await speaker.publish([Instance(A, 1, 1)])
        wire.hear(A)
        wire.hear(B)
        assert names(speaker) == [B]
        await speaker.publish([])
        await asyncio.sleep(1)
        wire.hear(A)
        assert names(speaker) == [B]
        await asyncio.sleep(1)
        wire.hear(A)
        assert names(speaker) == [A, B]

    play(story)


def test_strangers_addresses_are_held_against_our_networks(play: Play) -> None:
    """A global address is a neighbour's only while we are in its network."""

    async def story(speaker: Voice, wire: Notes) -> None:
        wire.hear(A)
        wire.hear(A, address="8.8.8.8")
        assert speaker.rumours()[0].addresses == ("10.0.0.9",)
        wire.at = attached("8.8.8.1/24")
        await speaker.follow_interfaces()
        wire.hear(A, address="8.8.8.8")
        assert speaker.rumours()[0].addresses == ("10.0.0.9", "8.8.8.8")

    play(story)


def test_bad_records_are_counted(play: Play) -> None:
    """Names, targets and texts that are not of ours are counted, and what they were about is dropped."""

    async def story(speaker: Voice, wire: Notes) -> None:
        wire.hear(A)
        wire.hear(B)
        wire.ear.pointer(f"laptop of Alice.{SERVICE}", LONGEST_LIFE, now())
        wire.ear.text(full_name(A), b"", now())
        wire.ear.service(full_name(B), "laptop.local.", 1, now())
        assert speaker.health().bad == 3
        assert names(speaker) == []

    play(story)


def test_on_change_is_called_when_something_changed(play: Play) -> None:
    """The caller is told of a rumour that is new, other or gone, also by its time, and of nothing else."""

    async def story() -> None:
        wire = Notes()
        calls: list[int] = []
        speaker = Voice(wire, lambda: calls.append(len(speaker.rumours())))
        await speaker.start()
        for port, ttl in ((1, LONGEST_LIFE), (1, LONGEST_LIFE), (2, LONGEST_LIFE), (2, 0), (2, 0)):
            wire.hear(A, port, ttl)
            await asyncio.sleep(1)
        assert calls == [1, 1, 0]
        wire.hear(B, ttl=1125)
        await asyncio.sleep(1200)
        await speaker.follow_interfaces()
        assert calls == [1, 1, 0, 1, 0]
        await speaker.close()

    play.alone(story())


def test_on_change_is_not_called_too_often(play: Play) -> None:
    """However often something changes, the caller is told four times a second, and of the last change too."""

    async def story() -> None:
        wire = Notes()
        calls: list[int] = []
        speaker = Voice(wire, lambda: calls.append(len(speaker.rumours())))
        await speaker.start()
        for port in range(1000):
            wire.hear(A, port=port)
            await asyncio.sleep(0.001)
        wire.hear(B)
        assert len(calls) <= 5
        await asyncio.sleep(1)
        assert calls[-1] == 2
        assert len(calls) <= 6
        await speaker.close()

    play.alone(story())
