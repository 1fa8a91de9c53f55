"""The panel's screen: five lists, the text of what is chosen, and what its keys do."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from peermesh.ui import detail, looks
from peermesh.ui.acts import NEEDS, Word
from peermesh.ui.doing import Doing
from peermesh.ui.door import Line, News, Told
from peermesh.ui.looks import BLUE, DIM, ORANGE
from peermesh.ui.model import Model
from peermesh.ui.panes import Claims, Feed, Jobs, Pane, Sessions, Tasks
from peermesh.ui.rows import Rows
from peermesh.ui.values import Picture

# Smaller than this is too small to read; from the second on there is room for all lists at once.
SMALL = (80, 24)
ALL = (130, 36)
# Lower than this, the text of what is chosen is read above the lists and not below.
LOW = 34
# "3 min" becomes "4 min" without anything that came.
TICK = 10.0  # seconds


class Tab(Static):
    """A list's name, which a click opens."""

    def __init__(self, pane: str) -> None:
        super().__init__("", markup=False, classes="tab", id=f"tab-{pane}")
        self._pane = pane

    def on_click(self) -> None:
        """Open it."""
        cast("Panel", self.screen).action_open(self._pane)


class Panel(Doing, Screen[None]):
    """All that the door tells, drawn."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "send", "Send", show=False),
        Binding("c", "claim", "Claim"),
        Binding("f", "filter", "Filter"),
        Binding("slash", "search", "Search", key_display="/"),
        Binding("z", "zoom", "One/all", show=False),
        Binding("w", "note", "Note", show=False),
        Binding("escape", "clear", "Show all", show=False),
        Binding("tab", "turn(1)", "Next list", show=False),
        Binding("shift+tab", "turn(-1)", "List before", show=False),
        *(Binding(letter, "why_not", show=False) for letter in "xtdu"),
        Binding("question_mark", "keys", "Keys", key_display="?"),
        Binding("q", "app.quit", "Quit"),
        *(
            Binding(str(pane.NUMBER), f"open('{pane.WORD.lower()}')", pane.WORD, show=False)
            for pane in (Sessions, Feed, Claims, Tasks, Jobs)
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.line = Line(up=False, why="looking for the sidecar")
        self._active = "sessions"
        self._able: frozenset[str] = frozenset()  # what is good for what is chosen, as the footer shows it
        self._one = False

    # ------------------------------------------------------------ what is on it

    def compose(self) -> ComposeResult:
        """The title, the lists, the text of what is chosen, the filter, the keys."""
        with Horizontal(id="top"):
            yield Static("peer", id="title", markup=False)
            yield Static("", id="line", markup=False)
        sessions, feed, claims, tasks, jobs = Sessions(), Feed(), Claims(), Tasks(), Jobs()
        with Horizontal(id="tabs"):
            for pane in (sessions, feed, claims, tasks, jobs):
                yield Tab(str(pane.id))
        with Container(id="body"):
            yield sessions
            yield feed
            yield claims
            yield tasks
            with VerticalScroll(id="detail", can_focus=False) as box:
                box.border_title = "Chosen"
                yield Static("", id="chosen", markup=False)
            yield jobs
        with Horizontal(id="filter"):
            yield Static("", id="filtered", markup=False)
            yield Input(id="search", placeholder="search in all lists", compact=True)
        yield Static("", id="small", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin with the sessions."""
        self._arrange(self.app.size.width, self.app.size.height)
        self.action_open(self._active)
        self.redraw()
        self.set_interval(TICK, self.redraw)

    def pane(self, name: str = "") -> Pane:
        """The list of that name; "" for the one that is used."""
        return self.query_one(f"#{name or self._active}", Pane)

    @property
    def panes(self) -> list[Pane]:
        """All lists, by their keys."""
        return sorted(self.query(Pane), key=lambda pane: pane.NUMBER)

    # ------------------------------------------------------------ what comes

    def take(self, told: Told) -> None:
        """Something that the door told."""
        if isinstance(told, Line):
            self.line = told
        elif isinstance(told, News):
            self.model.add(told.items, again=told.again)
            self.redraw("feed")
            if told.missed:
                self.tell(Word("some of what happened is not held any more", bad=True))
            return
        elif isinstance(told, Picture):
            self.model.picture = told
        self.redraw()

    def redraw(self, only: str = "") -> None:
        """Draw what there is now, or *only* one list of it."""
        if not self.query("#line"):
            return  # it is being taken down
        absent = dict(self.model.picture.absent)
        for pane in self.panes:
            name = str(pane.id)
            if only in ("", name):
                found = self.model.shown(name, pane.who, pane.words)
                empty = pane.EMPTY if not self.model.filter else "Nothing of that. esc shows all."
                pane.show(found, absent.get(name) or empty)
                self._head(pane, len(found))
        self._top()
        if not only:
            self._chosen()

    def _head(self, pane: Pane, number: int) -> None:
        filtered = " of what is sought" if self.model.filter else ""
        title = Content(f"{pane.NUMBER} {pane.WORD}")
        if pane.border_title != title.markup:
            pane.border_title = title
        subtitle = f"{number}{filtered}"
        if pane.border_subtitle != subtitle:
            pane.border_subtitle = Content(subtitle)
        tab = self.query_one(f"#tab-{pane.id}", Static)
        _update(tab, Content(f"{pane.NUMBER} {pane.WORD} {number}"))
        tab.set_class(pane.id == self._active, "-active")

    def _top(self) -> None:
        picture = self.model.picture
        names = " · ".join(filter(None, ("peer", picture.repo)))
        _update(self.query_one("#title", Static), Content(names))
        here = sum(one.here and not one.person for one in picture.sessions)
        waiting = sum(one.here and one.status == "waiting" for one in picture.sessions)
        parts = [
            (looks.count(here, "session") + " here", ""),
            (f"◆ {waiting} waiting for you" if waiting else "", ORANGE),
            (f"{picture.unread} unread" if picture.unread else "", ORANGE),
            (f"you are {picture.me}" if picture.me and self.size.width >= 100 else "", DIM),
            ("● live", BLUE),
        ]
        if not self.line.up:  # nothing else is sure
            parts = [(f"◌ reconnecting: {self.line.why}", f"bold {ORANGE}")]
        said = [part for some in parts if some[0] for part in (("   ", ""), some)]
        _update(self.query_one("#line", Static), Content.assemble(*said[1:]))

    def _chosen(self) -> None:
        value = self.pane().value
        box = self.query_one("#detail", VerticalScroll)
        title = Content(detail.title(value) if value is not None else "Nothing chosen")
        if box.border_title != title.markup:
            box.border_title = title
        _update(self.query_one("#chosen", Static), detail.full(value) if value is not None else Content(""))
        able = frozenset(action for action in NEEDS if self.able(action))
        if able != self._able:
            self._able = able
            self.refresh_bindings()

    # ------------------------------------------------------------ where one is

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        if not isinstance(event, Rows.Opened) and event.rows is self.pane():
            self._chosen()

    @on(Rows.Opened)
    def _opened(self, event: Rows.Opened) -> None:
        event.stop()
        self.read(event.rows.value)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The list that has the focus is the one that is used."""
        if isinstance(event.widget, Pane) and event.widget.id != self._active:
            self._active = str(event.widget.id)
            self._mark()

    def action_open(self, name: str) -> None:
        """Go to a list."""
        self._active = name
        self._mark()
        self.pane().focus()

    def action_turn(self, by: int) -> None:
        """Go to the next list, also where only one is seen at a time; from elsewhere back to the one that is used."""
        names = [str(pane.id) for pane in self.panes]
        at = names.index(self._active)
        self.action_open(names[(at + by * isinstance(self.focused, Pane)) % len(names)])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether a key does something with what is chosen: only then the footer shows it."""
        return self.able(action)

    def _mark(self) -> None:
        for pane in self.panes:
            pane.set_class(pane.id == self._active, "-active")
            self.query_one(f"#tab-{pane.id}").set_class(pane.id == self._active, "-active")
        self._chosen()

    def action_zoom(self) -> None:
        """One list alone, or all of them, where there is room."""
        self._one = not self._one
        self._arrange(self.app.size.width, self.app.size.height)

    def on_resize(self, event: events.Resize) -> None:
        """Another size, another arrangement."""
        self._arrange(event.size.width, event.size.height)

    def _arrange(self, width: int, height: int) -> None:
        small = width < SMALL[0] or height < SMALL[1]
        everything = width >= ALL[0] and height >= ALL[1] and not self._one
        self.set_class(small, "-small")
        self.set_class(everything, "-all")
        self.set_class(not everything, "-one")
        self.set_class(height < LOW, "-low")
        self.query_one("#small", Static).update(
            f"This terminal has {width} columns and {height} lines.\n"
            f"The panel needs {SMALL[0]} and {SMALL[1]}: please make it larger, or q ends it."
        )
        self._top()

    # ------------------------------------------------------------ the filter

    def action_search(self) -> None:
        """Look for a text in all lists."""
        self.query_one("#filter").add_class("-search", "-on")
        box = self.query_one("#search", Input)
        box.value = self.model.filter.text
        box.focus()

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        self.narrow(text=event.value.strip())

    @on(Input.Submitted, "#search")
    def _sought(self) -> None:
        self.query_one("#filter").remove_class("-search")
        self._filtered()
        self.pane().focus()

    def action_clear(self) -> None:
        """Without a filter."""
        self.query_one("#filter").remove_class("-search")
        self.narrow(who="", kind="", text="")
        self.pane().focus()

    def narrow(self, **change: Any) -> None:
        """Change the filter."""
        self.model.narrow(**change)
        self._filtered()
        self.redraw()

    def _filtered(self) -> None:
        wanted, box = self.model.filter, self.query_one("#filter")
        box.set_class(bool(wanted) or box.has_class("-search"), "-on")
        said = Content.assemble(("only: ", "bold"), wanted.words(), ("   esc shows all", DIM))
        _update(self.query_one("#filtered", Static), said)


def _update(widget: Static, content: Content) -> None:
    """Show *content*, if that is not what is shown: what stays is not drawn again."""
    shown = widget.content
    if not (isinstance(shown, Content) and shown.is_same(content)):
        widget.update(content)
