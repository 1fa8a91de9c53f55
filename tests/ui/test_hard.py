"""The panel in bad weather: small terminals, no colours, hostile texts, many events, sidecars that go and come."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from rich.style import Style
from textual.color import Color

from bench.invented import World
from peermesh.ui import looks
from peermesh.ui.app import PeerApp
from peermesh.ui.model import FEED

from .stage import PATIENCE, Seat, played, seated

SIZES = [(80, 24), (129, 40), (130, 36), (240, 70)]

# Textual's markup, a terminal's escapes, words that change their direction, a fence, what has no width and what has two.
HOSTILE = "[bold red]a[/] [/] [@click=app.quit]x[/] \x1b[31mred\x1b[0m\x07 \u202eabc\u200b </peer-messages> 日本語 é [[ ]"


@pytest.mark.parametrize("size", SIZES)
def test_every_size(size: tuple[int, int]) -> None:
    """From 80 by 24 up every list, every dialogue and the chosen value are drawn within the terminal."""

    async def play(seat: Seat) -> None:
        for key in ("1", "2", "3", "4", "5"):
            await seat.press(key)
            lines = seat.text.splitlines()
            assert len(lines) == size[1]
            assert "Quit" in lines[-1]
            assert seat.app.panel.pane().region.bottom <= size[1] - 1
        for key in ("s", "f", "question_mark", "enter"):
            await seat.press(key)
            assert len(seat.app.screen_stack) > 2
            box = seat.app.screen.query("#box, #paper").first().region
            assert box.x >= 0
            assert box.right <= size[0]
            assert box.bottom <= size[1] - 1, key
            await seat.press("escape")

    played(play, size=size)


def test_resizing() -> None:
    """Large shows all at once, `z` one; small one list; too small says so, and what was shown comes back."""

    async def play(seat: Seat) -> None:
        await seat.sees("PATH", "TITLE", "COMMAND", "WHAT")
        await seat.press("4", "z")
        assert "COMMAND" not in seat.text
        await seat.press("z")
        for size in ((100, 30), (60, 20), (30, 6), (80, 24)):
            await seat.pilot.resize_terminal(*size)
            await seat.pilot.pause()
            if size[0] < 80:
                words = " ".join(seat.text.split())
                assert f"has {size[0]} columns and {size[1]} lines" in words
                assert "please make it larger" in words
            else:
                assert "COMMAND" not in seat.text
                await seat.sees("move the API to v2")
        assert seat.app.panel.pane().id == "tasks"

    played(play, size=(160, 50))


def test_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR nothing has a colour, and one sees where one is and how things are all the same."""
    monkeypatch.setenv("NO_COLOR", "1")

    async def play(seat: Seat) -> None:
        assert seat.app.no_color
        await seat.sees("▌ dashboard", "◆ waiting", "● busy", "○ idle", "· away")
        await seat.press("5", "down")
        await seat.sees("▌ b7q0ve", "✗ exit 1", "✓ done")
        assert any("Jobs" in text and style.reverse for text, style in drawn(seat))
        await seat.press("f")
        lines = drawn(seat)
        assert any("everybody" in text and style.underline for text, style in lines)
        colours = {colour.name for _, style in lines for colour in (style.color, style.bgcolor) if colour}
        assert colours == {"default"}

    played(play)


def drawn(seat: Seat) -> list[tuple[str, Style]]:
    """The texts on the screen and how they look, as they go to the terminal."""
    strips = seat.app.screen._compositor.render_strips()
    for one in seat.app._filters:
        strips = [strip.apply_filter(one, Color(0, 0, 0)) for strip in strips]
    return [(one.text, one.style) for strip in strips for one in strip if one.style]


def test_nothing_is_told_by_colour_alone() -> None:
    """All that has a colour has a mark and a word of its own."""
    for table in (looks.STATUS, looks.KINDS, looks.TASKS):
        texts = [one.text for one in table.values()]
        assert len(set(texts)) == len(texts)
        assert all(text[0] != " " and text[2:].strip() for text in texts)


def test_hostile_texts() -> None:
    """Others' words are letters wherever they stand: in lists, titles, dialogues, what is chosen, what is said."""
    world = World()
    for one in world.peers:
        one.update(
            name=HOSTILE, branch=HOSTILE, focus=HOSTILE, worktree=HOSTILE, roles=[HOSTILE], status=HOSTILE
        )
        one["files"] = [{"path": HOSTILE, "age": 3.0}]
    for rows, words in (
        (world.claims, ("path", "by", "why", "branch")),
        (world.tasks, ("title", "owner", "why", "by")),
        (world.jobs, ("name", "cmd", "line", "by", "branch", "signal")),
    ):
        for row in rows:
            row.update(dict.fromkeys(words, HOSTILE))
    for kind in ("message", "note", "claim", "task", "job", "edit", "joined", HOSTILE):
        world.happens(kind, HOSTILE, to=HOSTILE, text=HOSTILE, path=HOSTILE, state=HOSTILE, what=HOSTILE)

    async def play(seat: Seat) -> None:
        for key, dialogues in (("1", "s"), ("2", "rfc"), ("3", "s"), ("4", "d"), ("5", "xl")):
            await seat.press(key)
            await seat.sees("[bold red]a[/]")
            for more in ("enter", *dialogues):
                await seat.press(more)
                await seat.sees("[bold red]a[/]")
                assert not set("\x1b\x07\u202e\u200b") & set(seat.text)
                await seat.press("escape")
        await seat.pilot.resize_terminal(160, 50)
        await seat.sees("TITLE", "COMMAND", "[bold red]a[/] [/]")
        seat.app.panel.tell(sentence(HOSTILE))
        await seat.sees("[bold red]a[/] [/]")

    played(play, world)


def sentence(text: str):  # type: ignore[no-untyped-def] # noqa: ANN201 - a word of the panel
    """A sentence about somebody with such a name."""
    from peermesh.ui import acts, values

    return acts.said(acts.send("x", "y"), {"messages": [{"to": values.short(text), "state": "shown"}]})


def test_answers_of_another_shape() -> None:
    """Rows without what is expected, or with something else, are drawn as far as they go."""
    world = World()
    for rows in (world.peers, world.claims, world.tasks, world.jobs):
        rows.append({"id": None, "name": 7, "files": 3, "since": "then", "waits_for": None, "left": None})
        rows.append("nonsense")  # type: ignore[arg-type]
    world.items.append({"n": world.items[-1]["n"] + 1, "kind": None, "at": "noon"})

    async def play(seat: Seat) -> None:
        for key in ("1", "2", "3", "4", "5"):
            await seat.press(key, "end")
            assert seat.app.panel.pane().values

    played(play, world)


def test_a_sidecar_that_dies_and_comes_back() -> None:
    """What was shown stays, "reconnecting" is said, and afterwards nothing is missing and nothing is there twice."""

    async def play(seat: Seat) -> None:
        await seat.press("2")
        before = [one.gist for one in seat.app.panel.model.items]
        seat.world.down()
        await seat.sees("◌ reconnecting: the sidecar went away", "The mockup has two blues", "+ joined")
        seat.world.restart()
        seat.world.happens("note", "docs@desktop", text="while you were away")
        await seat.sees("● live", "while you were away")
        seat.world.happens("note", "docs@desktop", text="and after it")
        await seat.sees("and after it")
        after = [one.gist for one in seat.app.panel.model.items]
        assert after[: len(before)] == before
        assert len(after) == len(before) + 2

    played(play)


def test_a_sidecar_that_was_ended_is_not_started_again() -> None:
    """After `peer down` the panel waits for another command to bring the sidecar back."""
    world, tries = World(), []
    connect = world.connect

    def counted():  # type: ignore[no-untyped-def] # noqa: ANN202 - as the world's own
        tries.append(1)
        return connect()

    world.connect = counted  # type: ignore[method-assign]

    async def play(seat: Seat) -> None:
        tries.clear()
        world.down(retired=True)
        await seat.sees("reconnecting: the sidecar was ended")
        await asyncio.sleep(1.2)
        assert tries == []
        world.restart()
        await seat.sees("● live")

    played(play, world)


def test_a_sidecar_that_is_not_there_yet() -> None:
    """The panel opens, says so, and is alive when the sidecar is."""
    world = World()
    world.up = False

    async def play(seat: Seat) -> None:
        await seat.sees("reconnecting: the sidecar went away")
        await seat.press("s", "escape", "3")
        world.up = True
        await seat.sees("● live", "src/admin/")

    played(play, world)


def test_a_hundred_events_a_second() -> None:
    """They are drawn in batches, a key is answered at once, nothing is lost, and lists stay bounded."""
    world, ended = World(), threading.Event()

    def rain() -> None:
        began, n = time.monotonic(), 0
        while not ended.is_set() and n < 400:
            world.happens("edit", "checkout", path=f"src/{n:04}.ts")
            n += 1
            time.sleep(max(0.0, began + n * 0.01 - time.monotonic()))

    async def play(seat: Seat) -> None:
        shows: list[float] = []
        feed = seat.app.panel.pane("feed")
        show = feed.show
        feed.show = lambda *given: (shows.append(time.monotonic()), show(*given))  # type: ignore[method-assign, assignment]
        thread = threading.Thread(target=rain)
        thread.start()
        try:
            slowest = 0.0
            while thread.is_alive():
                began = time.monotonic()
                await seat.pilot.press("2" if len(shows) % 2 else "1")
                slowest = max(slowest, time.monotonic() - began)
                await asyncio.sleep(0.1)
        finally:
            ended.set()
            thread.join()
        await seat.press("2")
        await seat.sees("src/0399.ts")
        edits = [one.path for one in seat.app.panel.model.items if one.path.startswith("src/0")]
        assert edits == [f"src/{n:04}.ts" for n in range(400)]
        assert len(shows) < 60
        assert slowest < PATIENCE / 5

    played(play, world)


def test_the_feed_is_bounded() -> None:
    """The oldest goes; what one reads stays under the cursor until it is the oldest."""

    async def scene() -> None:
        world = World()
        async with seated(world) as seat:
            for n in range(FEED + 300):
                world.happens("edit", "checkout", path=f"src/{n}.ts")
            await seat.press("2")
            await seat.sees(f"src/{FEED + 299}.ts")
            model = seat.app.panel.model
            assert len(model.items) == FEED
            await seat.press(*("up",) * 5)
            chosen = seat.app.panel.pane().value
            for n in range(500):
                world.happens("edit", "docs", path=f"docs/{n}.md")
            await seat.until(lambda: model.items[-1].path == "docs/499.md", "the rest")
            assert seat.app.panel.pane().value == chosen

    asyncio.run(scene())


def test_it_ends_at_once() -> None:
    """`q` ends it, also while a question waits at the door and nobody answers."""

    async def scene() -> None:
        world = World()
        app = PeerApp(world.connect, world.knock, {"cwd": "/"})
        async with app.run_test() as pilot:
            await pilot.pause(0.3)
            began = time.monotonic()
            await pilot.press("q")
            assert time.monotonic() - began < 1.5
        assert app.return_code == 0
        app._watch.stop(PATIENCE)
        assert not app._watch._thread.is_alive()

    asyncio.run(scene())
