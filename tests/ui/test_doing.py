"""What a person does in the panel, and what the door is asked for it."""

from __future__ import annotations

import pytest

from bench.invented import World
from peermesh.errors import PeerError

from .stage import Seat, played


def test_a_message_is_read_in_full() -> None:
    """Enter shows all of it, and its sender learns that a person saw it."""

    async def play(seat: Seat) -> None:
        await seat.press("2", *("up",) * 12)
        assert "lines 14 and 88" not in seat.text
        await seat.press("enter")
        await seat.sees("lines 14 and 88", "Reply", "Back")
        await seat.until(lambda: seat.world.shown == [7], "the receipt")
        await seat.press("escape")
        await seat.sees("Filter")

    played(play)


def test_a_session_that_looks_takes_nothing_away_from_itself() -> None:
    """In a session's own terminal the panel does not say shown: its model has not read it."""
    world = World()
    inner = world.connect

    async def play(seat: Seat) -> None:
        await seat.until(lambda: not seat.app.panel.model.picture.person, "whose panel it is")
        await seat.press("2", *("up",) * 12, "enter")
        await seat.sees("lines 14 and 88")
        await seat.asked("read")
        assert world.shown == []

    def connect() -> object:
        near = inner()
        listed = near._verbs["list"]
        near._verbs["list"] = lambda fields: _session(listed(fields))
        return near

    world.connect = connect  # type: ignore[method-assign, assignment]
    played(play, world)


def _session(answer: dict) -> dict:  # type: ignore[type-arg]
    return {**answer, "peers": [{**one, "person": False} for one in answer["peers"]]}


def test_reply() -> None:
    """`r` answers the message that is chosen; Enter sends, ctrl+j begins another line."""

    async def play(seat: Seat) -> None:
        await seat.press("2", "up", "r")
        await seat.sees("Reply to dashboard: The mockup has two blues")
        await seat.type("the dark")
        await seat.press("ctrl+j")
        await seat.type("one")
        await seat.press("enter")
        said = await seat.asked("send")
        assert (said["reply_to"], said["body"]) == ("zzzzzzzz-17", "the dark\none")
        await seat.sees("✓ safe with")

    played(play)


def test_reply_from_what_is_read() -> None:
    """The same from the text in full."""

    async def play(seat: Seat) -> None:
        await seat.press("2", "up", "enter", "r")
        await seat.type("yes")
        await seat.press("enter")
        assert (await seat.asked("send"))["reply_to"] == "zzzzzzzz-17"

    played(play)


def test_send() -> None:
    """`s` on a session asks for the text at once; whom it goes to can be changed, and esc leaves it."""

    async def play(seat: Seat) -> None:
        await seat.press("s", "escape")
        await seat.press("s")
        await seat.type("hello")
        await seat.press("enter")
        said = await seat.asked("send")
        assert (said["to"], said["body"], said["cwd"]) == ("dashboard", "hello", "/w/shop")
        assert len(seat.world.asked) == 1
        await seat.press("s", "shift+tab", "end", *("backspace",) * 9)
        await seat.type("@repo")
        await seat.press("enter")
        await seat.type("all of you")
        await seat.press("enter")
        await seat.until(lambda: len(seat.world.asked) == 2, "the second message")
        assert (await seat.asked("send"))["to"] == "@repo"

    played(play)


def test_nothing_is_sent_to_nobody() -> None:
    """A form whose needed blank is empty stays open, with the cursor there."""

    async def play(seat: Seat) -> None:
        await seat.press("s", "enter")
        await seat.sees("enter sends it")
        assert seat.world.asked == []
        await seat.pilot.click("#no")
        assert "enter sends it" not in seat.text

    played(play)


def test_claim_and_release() -> None:
    """`c` holds a path, `x` lets it go; the list follows."""

    async def play(seat: Seat) -> None:
        await seat.press("3", "c")
        await seat.type("src/api.ts")
        await seat.press("enter")
        await seat.type("v2")
        await seat.press("enter")
        said = await seat.asked("claim")
        assert (said["paths"], said["why"]) == (["src/api.ts"], "v2")
        await seat.sees("✓ src/api.ts is yours for 30 min", "■ you")
        await seat.press("home", "x")
        assert (await seat.asked("release"))["paths"] == ["src/api.ts"]
        await seat.until(lambda: "■ you" not in seat.text, "its end in the list")

    played(play)


def test_what_another_holds() -> None:
    """A claim that is refused says who holds it; another's cannot be released."""

    async def play(seat: Seat) -> None:
        await seat.press("3", "down", "x")
        await seat.sees("src/admin/ is held by dashboard; s asks for it")
        await seat.press("s")
        await seat.sees("Ask about src/admin/")
        await seat.type("may I?")
        await seat.press("enter")
        said = await seat.asked("send")
        assert (said["to"], said["body"], said["kind"]) == ("dashboard", "may I?", "question")
        await seat.press("c")
        await seat.type("src/admin/x.ts")
        await seat.press("enter", "enter")
        await seat.sees("is held by dashboard: new dashboard")

    played(play)


def test_tasks() -> None:
    """Take, done with a word about it, new, put back; what is refused is said."""

    async def play(seat: Seat) -> None:
        await seat.press("4", *("down",) * 3, "t")
        assert (await seat.asked("task")) == {"act": "take", "task": "w8hn", "why": "", "cwd": "/w/shop"}
        await seat.sees("✓ w8hn taken", "you")
        await seat.until(lambda: seat.app.panel.pane().value.id == "w8hn", "the cursor follows it")
        await seat.press("x")
        await seat.sees("Drop: w8hn write the changelog", "the page is going away")
        await seat.press("escape", "d")
        await seat.sees("Done: w8hn write the changelog", "merged as 4f1c2aa", "(enter: Done)")
        await seat.type("v2.0")
        await seat.press("enter")
        await seat.sees("✓ w8hn done")
        await seat.press("n")
        await seat.type("rest")
        await seat.press("enter")
        await seat.sees("n3w1", "on the board")
        panel = seat.app.panel
        waiting = next(at for at, one in enumerate(panel.pane().values) if one.waits_for)
        panel.pane().go(waiting)
        await seat.press("t")
        await seat.sees("✗ that task waits for 7kq2")

    played(play)


def test_a_tasks_history() -> None:
    """Enter tells all that happened to a task."""

    async def play(seat: Seat) -> None:
        await seat.press("4", "enter")
        await seat.sees("history", "added by checkout", "taken by flaky-login")

    played(play)


def test_jobs() -> None:
    """A job is stopped after a question only; its last lines and its log are read."""

    async def play(seat: Seat) -> None:
        await seat.press("5", "x")
        await seat.sees("Stop nightly?", "make test-slow")
        await seat.press("n")
        assert seat.world.asked == []
        await seat.press("x", "y")
        assert (await seat.asked("job_stop"))["job"] == "k3m9x2"
        await seat.sees("✓ k3m9x2 is being stopped")
        await seat.press("down", "down", "x")
        await seat.sees("r4d8hn has ended")
        await seat.press("enter")
        await seat.sees("stderr, its last lines", "expected 3, got 2")
        await seat.press("l")
        await seat.sees("log of r4d8hn unit", "test 59 passed")
        await seat.press("g")
        await seat.sees("test 0 passed")
        await seat.press("escape")
        panel = seat.app.panel
        panel.pane().go(next(at for at, one in enumerate(panel.pane().values) if one.name == "lint"))
        await seat.press("l")
        await seat.sees("no output")

    played(play)


def test_a_watch_is_no_job_to_stop() -> None:
    """A watched process is not said to end."""
    world = World()
    world.jobs[1] |= {"kind": "watch", "pid": 4711}
    inner = world.connect

    def connect() -> object:
        near = inner()
        near._verbs["job_stop"] = lambda fields: {"stopping": fields["job"], "kind": "watch", "pid": 4711}
        return near

    async def play(seat: Seat) -> None:
        await seat.press("5", "down", "x")
        await seat.sees("Watch dev no longer?")
        await seat.press("y")
        await seat.sees("✓ process 4711 is no longer watched")

    world.connect = connect  # type: ignore[method-assign, assignment]
    played(play, world)


def test_a_note() -> None:
    """`w` tells everybody."""

    async def play(seat: Seat) -> None:
        await seat.press("w")
        await seat.type("lunch")
        await seat.press("enter")
        assert (await seat.asked("note"))["text"] == "lunch"
        await seat.sees("✓ noted")

    played(play)


@pytest.mark.parametrize(
    "wrong", [PeerError("[bold]no[/] such peer"), ConnectionResetError(), TimeoutError()]
)
def test_what_goes_wrong_is_said(wrong: Exception) -> None:
    """An error of an act is a sentence at the edge of the screen, and the panel goes on."""

    async def play(seat: Seat) -> None:
        seat.world.connect = _raises(wrong)  # type: ignore[method-assign]
        seat.app._connect_door = seat.world.connect
        await seat.press("s")
        await seat.type("hi")
        await seat.press("enter")
        await seat.sees("✗ ")
        if isinstance(wrong, PeerError):
            await seat.sees("✗ [bold]no[/] such peer")
        assert seat.app.is_running

    played(play)


def _raises(wrong: Exception):  # type: ignore[no-untyped-def] # noqa: ANN202 - a function that never answers
    def connect() -> None:
        raise wrong

    return connect
