"""What the panel shows of what the door tells, and how one finds one's way in it."""

from __future__ import annotations

import pytest

from bench.invented import World
from peermesh.ui.panes import Pane

from .stage import Seat, played


def test_sessions() -> None:
    """Name, status, branch, focus and files of each; who waits for the person comes first."""

    async def play(seat: Seat) -> None:
        await seat.sees(
            "dashboard", "◆ waiting", "restyle", "edits src/admin/users.tsx 1 min", "build@desktop"
        )
        rows = [line.split()[0] for line in seat.text.splitlines() if "@" in line or "· away" in line]
        assert rows == ["build@desktop", "docs@desktop", "migration"]
        await seat.sees("5 sessions here", "1 waiting for you", "1 unread", "● live")
        seat.world.peers[0]["status"] = "idle"
        await seat.until(lambda: "○ idle 3 min" in seat.text, "the new status")

    played(play)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("2", ["» message", "checkout → pat", "? question", "dashboard → pat", "~ edit", "- left"]),
        ("3", ["src/admin/", "■ dashboard", "15 min", "new dashboard"]),
        ("4", ["7kq2", "● taken", "… after 7kq2", "remove the v1 endpoints", "✓ done"]),
        ("5", ["k3m9x2", "▶ running", "✗ exit 1", "✗ SIGKILL", "412 of 1,250 passed"]),
    ],
)
def test_other_lists(key: str, words: list[str]) -> None:
    """A number opens a list; marks and words say what colours say."""

    async def play(seat: Seat) -> None:
        await seat.press(key)
        await seat.sees(*words)

    played(play)


def test_the_footer_shows_the_keys_that_are_good() -> None:
    """Each list has its own, and all fit into 80 columns."""

    async def play(seat: Seat) -> None:
        wanted = {
            "1": "Read Send Only All Claim",
            "2": "Read Reply Send Claim",
            "3": "Read Ask Claim",
            "4": "Read Done New Put back Claim",
            "5": "Read Log Stop Claim",
        }
        for key, words in wanted.items():
            await seat.press(key)
            await seat.sees(*words.split(), "Filter", "Search", "Keys", "Quit")
            foot = seat.text.splitlines()[-1]
            assert all(word in foot for word in [*words.split(), "Quit"]), foot
            assert not {"Release", "Take"} & set(foot.split()), foot
        await seat.press("question_mark")
        await seat.sees("Everywhere", "Put back", "search in all lists")

    played(play)


@pytest.mark.parametrize(
    ("key", "down", "good", "bad"),
    [
        ("4", 3, ["Take", "Done", "New"], ["Put back"]),  # open
        ("4", 5, ["New", "Put back"], ["Take", "Done"]),  # done
        ("5", 2, ["Log"], ["Stop"]),  # ended
    ],
)
def test_the_footer_follows_what_is_chosen(key: str, down: int, good: list[str], bad: list[str]) -> None:
    """What cannot be done with a value is not offered for it, in the list or where it is read in full."""

    async def play(seat: Seat) -> None:
        def offered() -> bool:
            foot = seat.text.splitlines()[-1]
            return all(word in foot for word in good) and not any(word in foot for word in bad)

        await seat.press(key, *("down",) * down)
        await seat.until(offered, f"{good} and not {bad}")
        good.remove("New") if "New" in good else None
        await seat.press("enter")
        await seat.until(lambda: "Back" in seat.text and offered(), "the same of what is read")

    played(play)


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_tab(size: tuple[int, int]) -> None:
    """Tab goes through the lists, also where one is seen at a time; from the search it comes back."""

    async def play(seat: Seat) -> None:
        panel = seat.app.panel
        seen = []
        for key in (*("tab",) * 5, *("shift+tab",) * 2):
            await seat.press(key)
            assert panel.focused is panel.pane()
            seen.append(panel.pane().WORD)
        assert seen == ["Feed", "Claims", "Tasks", "Jobs", "Sessions", "Jobs", "Tasks"]
        await seat.press("slash", "tab")
        assert panel.focused is panel.pane()
        assert panel.pane().WORD == "Tasks"

    played(play, size=size)


def test_jobs_in_the_feed_say_how_they_ended() -> None:
    """The result comes first, and the mark tells fine from failed."""

    async def play(seat: Seat) -> None:
        await seat.press("2")
        seat.world.happens(
            "job", "checkout", text="done after 2 min: npm test", state="ended", what="fine", id="r4d8hm"
        )
        await seat.sees("✓ job", "done after 2 min: npm test", "✗ job", "exit 1 after 38 s: unit")
        await seat.sees("▶ job", "started nightly (make test-slow)")

    played(play)


def test_what_happens_comes_at_once() -> None:
    """An item stands in the feed a moment after it happened, and the cursor stays at the end with it."""

    async def play(seat: Seat) -> None:
        await seat.press("2")
        seat.world.happens("note", "docs@desktop", text="the docs are out")
        await seat.sees("# note", "the docs are out")
        assert seat.app.panel.pane().value.text == "the docs are out"
        await seat.press("up")
        seat.world.happens("note", "docs@desktop", text="and a second time")
        await seat.sees("and a second time")
        assert seat.app.panel.pane().value.path == "src/pay/card.ts"

    played(play)


def test_receipts_stand_at_their_message() -> None:
    """What became of a message of mine is a mark at it, and no line of its own."""

    async def play(seat: Seat) -> None:
        await seat.press("2")
        ident = seat.world.happens(
            "message", "pat", to="docs", what="message", text="are you there", state="queued"
        )
        await seat.sees("… are you there")
        seat.world.happens("receipt", "pat", to="docs", what="message", state="shown", id=ident)
        await seat.sees("✓✓ are you there")
        assert "receipt" not in seat.text

    played(play)


def test_filter_by_session_and_kind() -> None:
    """`f` chooses whose, and once more which kind; esc shows all again."""

    async def play(seat: Seat) -> None:
        await seat.press("2", "f")
        await seat.sees("● everybody", "○ checkout")
        await seat.press("down", "down", "enter")
        await seat.sees("only: checkout")
        panel = seat.app.panel
        shown = panel.pane("feed").values
        assert {"checkout"} <= {one.who for one in shown}
        assert all("checkout" in (one.who, one.to) for one in shown)
        assert [one.path for one in panel.pane("claims").values] == ["src/pay/"]
        panel.narrow(who="")
        await seat.press("f")
        options = seat.app.screen.query_one("#choices")
        options.highlighted = options.get_option_index("kind:edit")  # type: ignore[attr-defined]
        await seat.press("enter")
        await seat.sees("only: edit")
        assert {one.kind for one in panel.pane("feed").values} == {"edit"}
        await seat.press("escape")
        assert len(panel.pane("feed").values) == 18

    played(play)


def test_only_whom_is_chosen() -> None:
    """`o` on a session leaves what concerns it, and `o` again shows all."""

    async def play(seat: Seat) -> None:
        await seat.press("o")
        await seat.sees("only: dashboard")
        assert [one.owner for one in seat.app.panel.pane("tasks").values] == ["dashboard"]
        await seat.press("o")
        assert len(seat.app.panel.pane("tasks").values) == 6

    played(play)


def test_search() -> None:
    """`/` looks through all lists while one types; letters are letters there, and no keys."""

    async def play(seat: Seat) -> None:
        await seat.press("slash")
        await seat.type("q mondays")
        assert seat.app.is_running
        await seat.press(*("home", "delete", "delete"))
        await seat.press("enter")
        await seat.sees("only: “mondays”", "flaky-login")
        panel = seat.app.panel
        assert [one.name for one in panel.pane("sessions").values] == ["flaky-login"]
        assert [one.id for one in panel.pane("tasks").values] == ["p0d4"]
        assert panel.focused is panel.pane()
        await seat.press("slash")
        await seat.type("zzz")
        await seat.sees("Nothing of that. esc shows all.")
        await seat.press("escape")
        assert len(panel.pane("sessions").values) == 6

    played(play)


def test_all_projects() -> None:
    """Sessions of other projects are shown on demand."""
    world = World()
    world.peers[1].update(repo="blog", repo_key="remote:blog")

    async def play(seat: Seat) -> None:
        await seat.sees("checkout")
        assert "dashboard" not in seat.text
        await seat.press("a")
        await seat.sees("dashboard", "in blog")

    played(play, world)


def test_what_the_sidecar_does_not_know_is_not_available() -> None:
    """An older sidecar's verbs are missed without harm: the lists say so, and the others go on."""
    world = World(unknown=("feed", "jobs"))

    async def play(seat: Seat) -> None:
        await seat.sees("checkout", "● live")
        for key in ("2", "5"):
            await seat.press(key)
            await seat.sees("not available: this sidecar does not know it")
        await seat.press("4")
        world.tasks[3]["title"] = "write all the changelogs"
        await seat.sees("write all the changelogs")

    played(play, world)


def test_keys_move_and_stay_in_bounds() -> None:
    """Arrows, letters and pages move the cursor, which stays in sight and on its value when lists change."""

    async def play(seat: Seat) -> None:
        for n in range(60):
            seat.world.happens("edit", "checkout", path=f"src/{n}.ts")
        panel = seat.app.panel
        await seat.press("2")
        feed: Pane = panel.pane()
        await seat.until(lambda: len(feed.values) == 78, "all of them")
        for key, wanted in (
            ("g", 0),
            ("up", 0),
            ("j", 1),
            ("pagedown", 20),
            ("pageup", 1),
            ("G", 77),
            ("k", 76),
        ):
            await seat.press(key)
            assert feed._cursor == wanted, key
        assert "src/59.ts" in seat.text
        value = feed.value
        panel.narrow(kind="edit")
        assert feed.value == value

    played(play)


def test_mouse() -> None:
    """Tabs, rows and the footer's keys are clicked; a double click reads."""

    async def play(seat: Seat) -> None:
        await seat.sees("4 Tasks 6")
        await seat.pilot.pause()
        await seat.pilot.click("#tab-tasks")
        await seat.sees("● taken")
        tasks = seat.app.panel.pane()
        assert tasks.id == "tasks"
        await seat.pilot.click("#tasks", offset=(10, 3))
        assert tasks._cursor == 2
        await seat.pilot.hover("#tasks", offset=(10, 1))
        await seat.pilot.click("#tasks", offset=(10, 3), times=2)
        await seat.sees("history")
        await seat.pilot.press("escape")
        await seat.pilot.click("#tasks", offset=(10, 15))  # below the last row: nothing
        assert tasks._cursor == 2
        row = seat.text.splitlines()[-1]
        await seat.pilot.click(offset=(row.index("Filter"), 23))
        await seat.sees("Show only")

    played(play)
