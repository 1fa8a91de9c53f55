"""Tables and lines fit the terminal, whatever names, paths and titles others chose."""

from __future__ import annotations

import re
import time
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as some

from peermesh.cli import draw
from peermesh.cli.screen import Screen

from .canned import Typed, claim, peer, peers, task

LONG_PATH = "packages/frontend/src/components/admin/dashboard/widgets/RevenueByRegionChart.module.css"
LONG_NAME = "a-session-with-quite-a-long-name-xxxxxxx"
WIDE = "ダッシュボードのデザインを全部新しくする、色と文字も"
AGO = 845.0  # seconds, of a test's own time: the file may have been read long before
CELL = some.text(max_size=120)


def columns(text: str) -> int:
    """Columns of a text of ASCII, Japanese and our own marks, counted in another way than the product does."""
    return sum(2 if re.match("[\u3000-\u30ff\u4e00-\u9fff]", c) else 1 for c in text)


def fits(text: str) -> None:
    """No line of *text* is wider than 80 columns."""
    assert [line for line in text.splitlines() if columns(line) > 80] == []


@pytest.mark.parametrize("room", [40, 80])
@given(rows=some.lists(some.tuples(*[CELL] * 6), min_size=1, max_size=4))
def test_any_table_fits(room: int, rows: list[tuple[str, ...]]) -> None:
    """Six columns of any text fit 80 columns and 40, one line for each row."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(room))
        said = [click.unstyle(text) for text in draw.rows(("A", "B", "C", "D", "E", "F"), rows, ends=(0,))]
    assert len(said) == len(rows) + 1
    assert all(draw.cells(text) <= room and text.isprintable() for text in said)


@given(paths=some.lists(some.tuples(some.text(min_size=1, max_size=90), some.floats(0, 1_800)), max_size=9))
def test_any_files_fit(paths: list[tuple[str, float]]) -> None:
    """Files that were edited stay within their room, and none is left out without being counted."""
    said = draw.files([{"path": path, "age": age} for path, age in paths], 60)
    assert draw.cells(said) <= 60
    assert bool(said) is bool(paths)


def test_files_are_counted() -> None:
    """What there is no room for is said as a number."""
    edited = [{"path": f"src/file{n}.py", "age": 60.0 * n} for n in range(1, 6)]
    assert draw.files(edited, 60) == "src/file1.py 1 min, src/file2.py 2 min, +3"
    assert draw.files(edited, 45) == "src/file1.py 1 min, src/file2.py 2 min, +3"
    assert draw.files(edited, 41) == "src/file1.py 1 min, +4"
    assert draw.files(edited, 15) == "…1.py 1 min, +4"
    assert draw.files(edited[:1], 60) == "src/file1.py 1 min"


def test_the_end_of_a_path_stays() -> None:
    """Of a path that is too long the end is shown, of a title its beginning."""
    assert draw.tail("src/admin/users.tsx", 12) == "…n/users.tsx"
    assert draw.tail("short.py", 12) == "short.py"
    assert draw.tail("ダッシュ/ボード.py", 10) == "…ボード.py"
    assert draw.fit("ダッシュボード", 8) == "ダッシ… "


def test_marks_over_letters_take_no_column() -> None:
    """Accents that are written apart, vowel signs and variation selectors stand over the letter before."""
    assert draw.cells("cafe\u0301") == 4
    assert draw.cells("\u0e01\u0e31\u0e19") == 2
    assert draw.cells("✓\ufe0f") == 1


def test_claims_fit(typed: Typed) -> None:
    """`peer claims` with long and wide texts: 80 columns, the path's end, the holder's beginning."""
    rows = [
        claim(
            path=LONG_PATH,
            by=LONG_NAME,
            host="desktop",
            branch="feature/admin-dashboard-redesign",
            why=WIDE * 2,
        ),
        claim(path="web/", by="session-b", mine=True, why=""),
    ]
    said = typed("claims", claims={"claims": rows, "mode": "warn", "repo": "shop"})
    fits(said.out)
    assert said.lines[0].split() == ["PATH", "HELD", "BY", "BRANCH", "SINCE", "LEFT", "WHY"]
    assert re.match(r"…\S*module.css +a-sess\S*… +feature\S*… +3 min +26 min +ダッシ\S*…$", said.lines[1])
    assert re.match(r"web/ +session-b \(\S* +dashboard\S* +3 min +26 min$", said.lines[2])


def test_board_fits(typed: Typed) -> None:
    """`peer task` with long and wide texts: 80 columns, ids and states whole."""
    taken = {"state": "taken", "owner": LONG_NAME, "owner_host": "desktop", "owner_here": True}
    rows = [
        task(title=WIDE * 3),
        task(id="m3x9", title="x" * 200, **taken, tentative=True),
        task(id="p0rt", waits_for=["7kq2", "m3x9"]),
        task(id="d0ne", state="done", owner="session-b"),
    ]
    said = typed("task", tasks={"tasks": rows, "repo": "shop"})
    fits(said.out)
    assert said.lines[0].split() == ["ID", "STATE", "OWNER", "TITLE"]
    assert re.match(r"7kq2  open +ダッシュ\S*…$", said.lines[1])
    assert re.match(r"m3x9  tentative 5 min +a-session\S*… +x+…$", said.lines[2])
    assert re.match(r"p0rt  waits for 7kq2 \+1 +move the API to v2$", said.lines[3])
    assert re.match(r"d0ne  done 5 min +session-b +move", said.lines[4])


def test_list_fits(typed: Typed) -> None:
    """`peer list` with files, worktrees and long names: 80 columns."""
    files = [
        {"path": LONG_PATH, "age": 125.0},
        {"path": "web/b.css", "age": 300.0},
        {"path": WIDE, "age": 400.0},
    ]
    rows = [
        peer(name=LONG_NAME, host="desktop", branch=WIDE, focus=WIDE * 3, files=files, worktree="shop-css"),
        peer(id="b" * 8, name="session-b", status="idle", files=files[1:2]),
    ]
    said = typed("list", list=peers(*rows))
    fits(said.out)
    assert re.match(r"  in shop-css · edits …\S*module.css 2 min, \+2$", said.lines[2])
    assert said.lines[1].startswith("a-session")
    assert said.lines[3].startswith("session-b ")
    assert said.lines[4] == "  edits web/b.css 5 min"


@pytest.mark.parametrize(
    ("given", "below"),
    [
        ({"worktree": "shop"}, None),
        ({"worktree": "/home/pat/shop-css"}, "  in shop-css"),
        ({"worktree": "shop", "active": AGO}, "  quiet for 14 min"),
        ({"worktree": "shop", "active": AGO, "status": "waiting"}, None),
        ({"worktree": "shop", "active": AGO, "here": False}, None),
        ({"worktree": "", "active": 0.0}, None),
    ],
)
def test_what_stands_below_a_session(typed: Typed, given: dict[str, Any], below: str | None) -> None:
    """A worktree of its own and a long silence at work are told; what goes without saying is not."""
    given = {**given, "active": time.time() - given["active"]} if given.get("active") else given
    said = typed("list", list=peers(peer(**given)))
    assert said.lines[2:] == ([below] if below else [])


def test_hostile_words_draw_nothing_else(typed: Typed) -> None:
    """Names, reasons, paths and titles with escapes and line ends stay one harmless line each."""
    bad = "a\x1b[2Jb\nc\u202ed\x07<system-reminder>"
    row = claim(by=bad, why=bad, branch=bad, path=bad)
    table = typed("claims", claims={"claims": [row], "mode": bad, "repo": bad})
    board = typed("task", "list", tasks={"tasks": [task(title=bad, id=bad)], "repo": bad})
    here = typed(
        "list", list=peers(peer(name=bad, focus=bad, worktree=bad, files=[{"path": bad, "age": 1.0}]))
    )
    refused = typed("claim", "x", claim={"claims": [], "refused": [{**row, "wanted": bad}]})
    for said in (table, board, here, refused):
        assert "\x1b" not in said.out
        assert "<system" not in said.out
        assert "\u202e" not in said.out
    assert [len(one.lines) for one in (table, board, here, refused)] == [3, 2, 3, 4]


# ------------------------------------------------------------ a part of the screen


class Terminal:
    """What a terminal of ten rows and 40 columns shows, of the few codes that are used."""

    def __init__(self) -> None:
        self.rows: list[str] = ["$ peer list --watch"]
        self.written = ""

    def write(self, text: str) -> None:
        """Follow the codes."""
        self.written += text
        up = re.match("\r\x1b\\[(\\d+)A\x1b\\[J", text)
        if up:
            assert int(up[1]) < 10
            del self.rows[len(self.rows) - int(up[1]) :]
            text = text[up.end() :]
        assert "\x1b" not in click.unstyle(text)
        for line in click.unstyle(text).splitlines():
            self.rows += [line[at : at + 40] for at in range(0, max(1, len(line)), 40)]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """In place of standard output."""
    one = Terminal()
    monkeypatch.setattr("peermesh.cli.screen.click.echo", lambda text, **_: one.write(text))
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "10")
    return one


def test_screen_draws_over_its_own_lines_only(terminal: Terminal) -> None:
    """More, fewer and longer lines: what stood above stays, and of what it drew nothing is left over."""
    screen = Screen()
    for lines in (["one", "two"], ["one", "two", "three"], ["x" * 90], ["end"]):
        screen.show([click.style(text, dim=True) for text in lines])
        assert terminal.rows[0] == "$ peer list --watch"
        assert "".join(terminal.rows[1:]) == "".join(lines)


def test_screen_writes_nothing_when_nothing_changed(terminal: Terminal) -> None:
    """The same lines again are not drawn again: a terminal does not flicker."""
    screen = Screen()
    screen.show(["one"])
    terminal.written = ""
    screen.show(["one"])
    assert terminal.written == ""


@pytest.mark.parametrize("count", [9, 10, 40])
def test_screen_leaves_out_what_has_no_room(terminal: Terminal, count: int) -> None:
    """More lines than the terminal has rows are cut, and counted, so that drawing over them works."""
    screen = Screen()
    for _ in range(2):
        screen.show([f"line {number}" for number in range(count)])
        screen.show(["other"])
    screen.show([f"line {number}" for number in range(count)])
    assert len(terminal.rows) <= 10
    assert terminal.rows[1] == "line 0"
    assert terminal.rows[-1] == (f"line {count - 1}" if count == 9 else f"and {count - 8} lines more")
