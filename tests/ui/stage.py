"""A panel before an invented door, and what can be read on its screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot

from bench.invented import World
from peermesh.ui.app import PeerApp

# What is waited for comes within tenths of a second; a loaded machine may need longer.
PATIENCE = 15.0  # seconds


class Seat:
    """Somebody before the panel."""

    def __init__(self, app: PeerApp, pilot: Pilot[None], world: World) -> None:
        self.app, self.pilot, self.world = app, pilot, world

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type letters."""
        await self.press(*(("space" if letter == " " else letter) for letter in text))

    async def until(self, check: Callable[[], object], what: str) -> None:
        """Wait until *check* is true."""
        end = time.monotonic() + PATIENCE
        while not check():
            assert time.monotonic() < end, f"not in time: {what}\n{self.text}"
            await self.pilot.pause(0.02)

    async def sees(self, *texts: str) -> None:
        """Wait until all *texts* stand on the screen."""
        for text in texts:
            await self.until(lambda text=text: text in self.text, f"{text!r} on the screen")  # type: ignore[misc]

    async def asked(self, do: str) -> dict[str, Any]:
        """Wait until the door was asked *do*; the fields of the last time."""
        await self.until(lambda: any(one == do for one, _ in self.world.asked), f"the question {do!r}")
        return next(fields for one, fields in reversed(self.world.asked) if one == do)


@asynccontextmanager
async def seated(world: World, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Seat]:
    """A panel of *size*, with what the door tells already on it."""
    app = PeerApp(world.connect, world.knock, {"cwd": "/w/shop"})
    async with app.run_test(size=size, notifications=True) as pilot:
        seat = Seat(app, pilot, world)
        await seat.until(lambda: not world.up or app.panel.line.up, "the first answer")
        await seat.until(lambda: app.panel.model.items or "feed" in world.unknown or not world.up, "the feed")
        yield seat
    app._watch.stop(PATIENCE)


def played(
    play: Callable[[Seat], Coroutine[Any, Any, None]],
    world: World | None = None,
    size: tuple[int, int] = (80, 24),
) -> World:
    """Let *play* act before a panel; the world after it."""

    async def scene() -> None:
        async with seated(world, size) as seat:
            await play(seat)

    world = world or World()
    asyncio.run(scene())
    return world
