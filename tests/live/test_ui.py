"""The panel before real sidecars: what sessions do is seen in it, and what is done in it reaches them."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

from peermesh.cli import link
from peermesh.ui.app import PeerApp

from .actors import Person, Session
from .home import PATIENCE, Home, until

Sessions = Callable[..., Session]


class Seat:
    """Somebody before the panel."""

    def __init__(self, app: PeerApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def sees(self, *texts: str) -> None:
        """Wait until all *texts* stand there."""
        end = time.monotonic() + PATIENCE
        while missing := [text for text in texts if text not in self.text]:
            assert time.monotonic() < end, f"{missing} is not to be seen:\n{self.text}"
            await self.pilot.pause(0.05)

    async def type(self, text: str) -> None:
        """Type letters."""
        await self.pilot.press(*(("space" if letter == " " else letter) for letter in text))

    async def does(self, act: Callable[[], object]) -> None:
        """Let somebody else act meanwhile."""
        await asyncio.to_thread(act)


@pytest.fixture
def panel(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Opens the panel of the person, in this process."""
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("CLAUDE_CODE_SESSION_ID", "CLAUDE_PID"):
        monkeypatch.delenv(name, raising=False)

    @asynccontextmanager
    async def opened(cwd: str) -> AsyncIterator[Seat]:
        app = PeerApp(link.door, link.running, {"cwd": cwd})
        async with app.run_test(size=(160, 50), notifications=True) as pilot:
            yield Seat(app, pilot)
        app._watch.stop(PATIENCE)

    return opened


def test_all_of_it(home: Home, session: Sessions, panel: Callable[..., object]) -> None:
    """Sessions, messages, notes, claims and tasks come as they happen; answers, claims and takings go out."""
    repo = home.repo("shop")
    one, two = session("one", cwd=repo), session("two", cwd=repo)
    person = Person(home)

    async def scene() -> None:
        async with panel(str(repo)) as seat:  # type: ignore[attr-defined]
            await seat.sees("● live", "one", "two", "shop")
            await seat.does(functools.partial(one.ok, "focus", "new dashboard"))
            await seat.does(functools.partial(one.ok, "note", "the [b]database[/b] is away"))
            await seat.does(functools.partial(two.ok, "claim", "src/", "--why", "v2"))
            await seat.does(functools.partial(two.ok, "task", "add", "move the API"))
            await seat.sees("new dashboard", "the [b]database[/b] is away", "■ two", "○ open", "move the API")
            me = person.status["name"]
            await seat.does(functools.partial(one.ok, "send", me, "May I merge?", "--kind", "question"))
            await seat.sees("? question", "May I merge?", "1 unread")
            await seat.pilot.press("2", "enter")
            await seat.sees("kind      question")
            await seat.pilot.press("r")
            await seat.type("yes")
            await seat.pilot.press("enter")
            await seat.sees("✓ safe with one")
            await seat.pilot.press("4", "t")
            await seat.sees("taken")
            await seat.pilot.press("3", "c")
            await seat.type("docs/")
            await seat.pilot.press("enter", "enter")
            await seat.sees("✓ docs/ is yours", "■ you")
            await seat.pilot.press("home", "x")
            await seat.sees("✓ docs/ is free")

    asyncio.run(scene())
    assert "yes" in until(one.turn, "the answer")
    assert one.sent()  # the question, which the person has read
    until(lambda: {row["state"] for row in one.sent().values()} == {"shown"}, "the receipt")
    assert [row["mine"] for row in person.ask("tasks", cwd=str(repo))["tasks"]] == [True]


def test_its_sidecar_is_killed(home: Home, session: Sessions, panel: Callable[..., object]) -> None:
    """It says that it reconnects, starts the sidecar again, and has missed nothing of what was said meanwhile."""
    repo = home.repo("shop")
    one, person = session("one", cwd=repo), Person(home)

    async def scene() -> None:
        async with panel(str(repo)) as seat:  # type: ignore[attr-defined]
            await seat.does(functools.partial(one.ok, "note", "before"))
            await seat.sees("● live", "before")
            said: list[str] = []
            take = seat.app.panel.take
            seat.app.panel.take = lambda told: (take(told), said.append(seat.text))
            await seat.does(person.kill_sidecar)
            await seat.does(functools.partial(one.ok, "note", "meanwhile"))
            await seat.sees("● live", "before", "meanwhile")
            assert any("◌ reconnecting" in text for text in said)
            await seat.does(functools.partial(one.ok, "note", "afterwards"))
            await seat.sees("afterwards")
            notes = [item.text for item in seat.app.panel.model.items if item.kind == "note"]
            assert notes == ["before", "meanwhile", "afterwards"]

    asyncio.run(scene())


def test_its_sidecar_is_ended(home: Home, session: Sessions, panel: Callable[..., object]) -> None:
    """After `peer down` nothing starts it again but the next command, and then the panel is back."""
    repo = home.repo("shop")
    session("one", cwd=repo)
    person = Person(home)

    async def scene() -> None:
        async with panel(str(repo)) as seat:  # type: ignore[attr-defined]
            await seat.sees("● live", "one")
            await asyncio.sleep(1.0)  # the panel follows, and is not just reading the lists
            await seat.does(functools.partial(person.ok, "down"))
            await seat.sees("◌ reconnecting", "one")
            await asyncio.sleep(1.5)
            assert person.pid == 0
            await seat.does(functools.partial(person.ok, "up"))
            await seat.sees("● live")

    asyncio.run(scene())
