"""The five lists: their columns, how a value becomes a row, and the keys that are good there."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from peermesh.core.clean import called
from peermesh.ui import looks
from peermesh.ui.detail import Value
from peermesh.ui.looks import cell
from peermesh.ui.rows import Column, Row, Rows
from peermesh.ui.values import Claim, Item, Job, Session, Task


class Pane(Rows[Any]):
    """One of them.

    ``WORD`` is its name, ``NUMBER`` its key, ``EMPTY`` what is said when it holds nothing.
    """

    WORD: ClassVar[str]
    NUMBER: ClassVar[int]
    EMPTY: ClassVar[str]

    @staticmethod
    def who(value: Any) -> str:
        """Whose *value* is, for the filter and for answering."""
        raise NotImplementedError

    @staticmethod
    def words(value: Any) -> str:
        """What a search looks through."""
        raise NotImplementedError


class Sessions(Pane):
    """Who is here, and what they work on."""

    WORD, NUMBER = "Sessions", 1
    EMPTY = "No session is here. Start Claude Code in this project."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "screen.send", "Send"),
        Binding("o", "screen.only", "Only", tooltip="only its own"),
        Binding("a", "screen.everywhere", "All", tooltip="all projects"),
    ]

    def __init__(self) -> None:
        columns = [
            Column("NAME", 22, wide=28),
            Column("STATUS", 14, wide=22),
            Column("BRANCH", 14, above=64, wide=24),
            Column("FOCUS"),
        ]
        super().__init__(columns, self._row, lambda one: one.id, tall=2, id="sessions")

    @staticmethod
    def _row(one: Session) -> Row:
        name = one.address + (" (you)" if one.mine else "")
        where = "" if one.near else f"in {one.repo} "
        lately = ", ".join(f"{path} {looks.since(when)}" for path, when in one.files[:3])
        more = f", +{len(one.files) - 3}" if len(one.files) > 3 else ""
        tree = f"in {one.worktree} · " if one.near and one.worktree not in ("", one.repo) else ""
        below = f"{where}{tree}" + (
            f"edits {lately}{more}" if lately else "no edits lately" if one.here else ""
        )
        focus = one.focus or " ".join(f"@role:{role}" for role in one.roles)
        return Row(
            (
                cell(name, "strong" if one.here else "dim"),
                looks.status(one),
                cell(one.branch or ("a person" if one.person else ""), "dim" if not one.here else "plain"),
                cell(focus, "plain" if one.here else "dim"),
            ),
            cell(below, "dim"),
        )

    @staticmethod
    def who(value: Session) -> str:
        """Itself."""
        return value.address

    @staticmethod
    def words(value: Session) -> str:
        """Names, branch, focus, files."""
        files = " ".join(path for path, _ in value.files)
        return f"{value.address} {value.status} {value.repo} {value.branch} {value.focus} {files}"


class Feed(Pane):
    """What happens, as it happens."""

    WORD, NUMBER = "Feed", 2
    EMPTY = "Nothing has happened yet."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "screen.reply", "Reply"),
        Binding("s", "screen.send", "Send"),
        Binding("o", "screen.only", "Only", tooltip="only its own", show=False),
    ]

    def __init__(self) -> None:
        columns = [
            Column("TIME", 5, wide=9),
            Column("WHAT", 11),
            Column("WHO", 20, wide=34),
            Column("TEXT"),
        ]
        super().__init__(columns, self._row, _same, follow=True, id="feed")

    @staticmethod
    def _row(one: Item) -> Row:
        kind = looks.kind(one)
        by = "you" if one.mine else one.who
        who = f"{by} → {one.to}" if one.to else by
        text = cell(looks.happened(one), _look(one))
        return Row((cell(looks.clock(one.at), "dim"), kind, cell(who, "strong"), text))

    @staticmethod
    def who(value: Item) -> str:
        """Whoever did it."""
        return value.who

    @staticmethod
    def words(value: Item) -> str:
        """All its texts."""
        return f"{value.kind} {value.who} {value.to} {value.path} {value.text} {value.state} {value.id}"


def _same(one: Item) -> object:
    return one.at, one.gist


def _look(one: Item) -> str:
    return "dim" if one.kind in ("edit", "joined", "left", "release") else "plain"


class Claims(Pane):
    """Who holds what."""

    WORD, NUMBER = "Claims", 3
    EMPTY = "Nobody holds anything here. c claims a path."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "screen.release", "Release"),
        Binding("s", "screen.ask", "Ask"),
    ]

    def __init__(self) -> None:
        columns = [
            Column("PATH", 26, end=True, wide=40),
            Column("HELD BY", 18, wide=28),
            Column("BRANCH", 14, above=100, wide=24),
            Column("LEFT", 6, wide=8),
            Column("WHY"),
        ]
        super().__init__(columns, self._row, lambda one: (one.path, one.by), id="claims")

    @staticmethod
    def _row(one: Claim) -> Row:
        holder = cell("■ you", "blue") if one.mine else cell(f"■ {one.by}", "orange")
        path = "** (the whole project)" if one.path == "**" else one.path
        left = cell(looks.left(one), "dim")
        return Row((cell(path, "strong"), holder, cell(one.branch), left, cell(one.why)))

    @staticmethod
    def who(value: Claim) -> str:
        """Its holder."""
        return value.by

    @staticmethod
    def words(value: Claim) -> str:
        """Path, holder, reason."""
        return f"{value.path} {value.by} {value.branch} {value.why}"


class Tasks(Pane):
    """The board."""

    WORD, NUMBER = "Tasks", 4
    EMPTY = "Nothing to do. n puts a task on the board."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "screen.take", "Take"),
        Binding("d", "screen.done", "Done"),
        Binding("n", "screen.new_task", "New"),
        Binding("u", "screen.reopen", "Put back"),
        Binding("x", "screen.drop", "Drop", show=False),
    ]

    def __init__(self) -> None:
        columns = [
            Column("ID", 5),
            Column("STATE", 13, wide=16),
            Column("OWNER", 16, above=50, wide=28),
            Column("TITLE"),
        ]
        super().__init__(columns, self._row, lambda one: one.id, id="tasks")

    @staticmethod
    def _row(one: Task) -> Row:
        closed = one.state in ("done", "dropped")
        away = " (away)" if one.state == "taken" and not one.owner_here and not one.mine else ""
        owner = cell("you", "blue") if one.mine and one.owner else cell(one.owner + away)
        title = cell(one.title, "dim" if closed or one.waits_for else "strong")
        return Row((cell(one.id, "dim"), looks.task(one), owner, title))

    @staticmethod
    def who(value: Task) -> str:
        """Its owner."""
        return value.owner

    @staticmethod
    def words(value: Task) -> str:
        """Title, owner, state."""
        return f"{value.id} {value.title} {value.owner} {value.state} {value.why}"


class Jobs(Pane):
    """What runs, and how it ended."""

    WORD, NUMBER = "Jobs", 5
    EMPTY = "No jobs. Start one in a shell: peer run -- make test"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "screen.log", "Log"),
        Binding("x", "screen.stop", "Stop"),
    ]

    def __init__(self) -> None:
        columns = [
            Column("ID", 6),
            Column("STATE", 11, wide=14),
            Column("TIME", 6, wide=8),
            Column("BY", 14, above=64, wide=28),
            Column("NAME, COMMAND"),
        ]
        super().__init__(columns, self._row, lambda one: one.id, tall=2, id="jobs")

    @staticmethod
    def _row(one: Job) -> Row:
        by = "you" if one.mine else f"{one.by}@{one.host}" if one.host else one.by
        what = called(one.name, one.command)
        state = looks.job(one)
        cells = (cell(one.id, "dim"), state, cell(looks.took(one), "dim"), cell(by), cell(what, "strong"))
        return Row(cells, cell(one.line, "dim"))

    @staticmethod
    def who(value: Job) -> str:
        """Whose it is."""
        return f"{value.by}@{value.host}" if value.host else value.by

    @staticmethod
    def words(value: Job) -> str:
        """Name, command, last line."""
        return f"{value.id} {value.name} {value.command} {value.by} {value.state} {value.line}"


def order(value: Value) -> tuple[Any, ...]:
    """Where a value stands in its list: what matters now comes first."""
    if isinstance(value, Session):
        calm = value.status != "waiting"
        name = value.name.casefold()
        return not value.here, not value.near, value.person, calm, value.host, name, value.id
    if isinstance(value, Task):
        ranks = {"taken": 0, "open": 1, "done": 3, "dropped": 4}
        return ranks.get(value.state, 2) + (value.state == "open" and bool(value.waits_for)), -value.changed
    if isinstance(value, Job):
        return value.state != "running", -value.at
    if isinstance(value, Claim):
        return not value.mine, value.path
    return (value.at,)
