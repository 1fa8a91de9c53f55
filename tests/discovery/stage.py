"""A stage for a Voice: a wire that only takes notes, and a clock that leaps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from ipaddress import ip_address, ip_interface
from types import SimpleNamespace
from typing import Any

import pytest

from peermesh.discovery import pace, voice
from peermesh.discovery.hearing import Hearing
from peermesh.discovery.interfaces import Adapter, Attachment
from peermesh.discovery.record import Address, Instance, encode_text, full_name
from peermesh.discovery.rumours import LONGEST_LIFE
from peermesh.discovery.voice import Voice

from .leaping import LeapingLoop

HOST = f"peer-{'1' * 16}.local."


class Notes:
    """A Wire that writes down what it is told to say and when, and can be made to hear."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.times: list[float] = []
        self.at = attached("10.0.0.1/24")
        self.joins = False
        self.fails: Exception | None = None
        self.ear: Hearing
        self.told: Callable[[], None]

    def look(self) -> Attachment:
        """What the test has set."""
        return self.at

    async def open(self, attached_to: Attachment, ear: Hearing, told: Callable[[], None]) -> None:
        """Fail, if the test wants it to."""
        if self.fails is not None:
            raise self.fails
        self.ear, self.told = ear, told

    async def announce(self, instance: Instance, host: str, addresses: Sequence[Address]) -> Awaitable[None]:
        """Note it."""
        self._note("announce", instance.name, instance.port, *map(str, addresses))
        return asyncio.sleep(0)

    def withdraw(self, name: str) -> None:
        """Note it."""
        self._note("withdraw", name)

    def goodbye(self, names: Collection[str]) -> None:
        """Note it."""
        self._note("goodbye", *names)

    def ask(self, known: Sequence[tuple[str, float]]) -> None:
        """Note it."""
        self._note("ask", *(name for name, _ in known))

    async def follow(self, attached_to: Attachment, new: Collection[str]) -> bool:
        """Note it, and say what the test has set."""
        self._note("follow", *sorted(new))
        return self.joins

    async def close(self) -> None:
        """Note it."""
        self._note("close")

    def hear(self, name: str, port: int = 1, ttl: float = LONGEST_LIFE, address: str = "10.0.0.9") -> None:
        """An announcement, complete."""
        at = now()
        self.ear.pointer(full_name(name), ttl, at)
        self.ear.service(full_name(name), HOST, port, at)
        self.ear.text(full_name(name), encode_text(1), at)
        self.ear.address(HOST, ip_address(address).packed, 0, False, at)
        self.told()

    def since(self, kind: str) -> list[tuple[Any, ...]]:
        """What was said of that kind; and all that was said until now is forgotten."""
        said, self.said, self.times = self.said, [], []
        return [line for line in said if line[0] == kind]

    def _note(self, *line: Any) -> None:
        self.said.append(line)
        self.times.append(now())


def now() -> float:
    """The time by the loop's clock."""
    return asyncio.get_running_loop().time()


def attached(*addresses: str, index: int = 1) -> Attachment:
    """One interface with *addresses*."""
    return Attachment((Adapter("eth0", index, True, tuple(ip_interface(text) for text in addresses)),))


def names(speaker: Voice) -> list[str]:
    """The instances that are rumours."""
    return [rumour.instance for rumour in speaker.rumours()]


class Play:
    """Runs a story with a started voice and its wire by a leaping clock, and ends both."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.wall_ahead = 0.0

    def __call__(self, story: Callable[[Voice, Notes], Coroutine[Any, Any, None]]) -> None:
        """Run *story* with a voice that was started and will be closed."""

        async def whole() -> None:
            wire = Notes()
            speaker = Voice(wire)
            await speaker.start()
            try:
                await story(speaker, wire)
            finally:
                await speaker.close()
            assert len(asyncio.all_tasks()) == 1

        self.alone(whole())

    def alone(self, story: Coroutine[Any, Any, None]) -> None:
        """Run *story*, which makes its own voice."""
        with asyncio.Runner(loop_factory=LeapingLoop) as runner:
            loop = runner.get_loop()
            clock = SimpleNamespace(monotonic=loop.time, time=lambda: loop.time() + self.wall_ahead)
            self._monkeypatch.setattr(voice, "time", clock)
            self._monkeypatch.setattr(pace, "time", clock)
            runner.run(story)
