"""A list that draws only the lines that are seen: thousands of rows cost as much as twenty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from peermesh.ui.looks import LOOKS, Cell, fit, tail

V = TypeVar("V")
NOTHING = Cell("")
# Before each row, for the cursor's mark.
GUTTER = 2  # columns


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list.

    Args:
        head: its word.
        width: in columns; 0 for all that is left.
        above: it is left out where the list is not wider than that.
        end: of a longer text the end is shown.
        wide: its width in a list of 110 columns and more, 0 for the same.
    """

    head: str
    width: int = 0
    above: int = 0
    end: bool = False
    wide: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A value, drawn: a cell for each column, and perhaps a line below."""

    cells: tuple[Cell, ...]
    below: Cell = NOTHING


class Rows(ScrollView, Generic[V], can_focus=True):
    """A list of values with a cursor.

    Args:
        columns: what is shown of each.
        draw: a value as a row.
        key: what makes a value the same when it comes again.
        tall: lines for each row: 1, or 2 with the line below.
        follow: stay at the end when the cursor is there and more comes.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"rows--{look}" for look in LOOKS} | {
        "rows--head",
        "rows--cursor",
        "rows--cursor-away",
        "rows--hover",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "move(-1000000)", "First", show=False),
        Binding("end,G", "move(1000000)", "Last", show=False),
        Binding("enter", "open", "Read"),
    ]

    class Moved(Message):
        """The cursor stands on another value."""

        def __init__(self, rows: Rows[V]) -> None:
            super().__init__()
            self.rows = rows

    class Opened(Moved):
        """A value is to be read in full."""

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        columns: Sequence[Column],
        draw: Callable[[V], Row],
        key: Callable[[V], object],
        *,
        tall: int = 1,
        follow: bool = False,
        id: str | None = None,  # noqa: A002 - Textual's own word for it
    ) -> None:
        super().__init__(id=id)
        self._columns, self._draw, self._key = tuple(columns), draw, key
        self._tall, self._follow = tall, follow
        self._values: list[V] = []
        self._cursor = 0
        self._hover = -1
        self._empty = ""
        self._seen: object = None
        self._styles_now: dict[str, Style] = {}

    # ------------------------------------------------------------ what it holds

    @property
    def values(self) -> Sequence[V]:
        """All values, in order."""
        return self._values

    @property
    def value(self) -> V | None:
        """The one under the cursor."""
        return self._values[self._cursor] if self._values else None

    def show(self, values: list[V], empty: str) -> None:
        """Show these, with the cursor on the value where it was; *empty* is said if there are none."""
        before = self.value
        at_end = self._follow and self._cursor >= len(self._values) - 1
        self._values, self._empty = values, empty
        self._cursor = self._found(before, at_end=at_end)
        self.virtual_size = Size(self.scrollable_content_region.width, len(values) * self._tall + 1)
        self._into_view()
        if self._changed():
            self.refresh()
        if (before is None) != (self.value is None) or (
            before is not None and self.value is not None and before != self.value
        ):
            self.post_message(self.Moved(self))

    def _changed(self) -> bool:
        """Whether what is seen looks otherwise than when this was asked last."""
        first = self.scroll_offset.y // self._tall
        rows = [self._draw(one) for one in self._values[first : first + self.size.height]]
        seen = (self._cursor, self.scroll_offset.y, len(self._values), self._empty, rows)
        before, self._seen = self._seen, seen
        return seen != before

    def _found(self, before: V | None, *, at_end: bool) -> int:
        last = max(0, len(self._values) - 1)
        if at_end or before is None:
            return last if self._follow else 0
        wanted = self._key(before)
        start = min(self._cursor, last)
        # It moves by a few places at most, so it is looked for from where it was.
        for away in range(len(self._values)):
            for at in (start - away, start + away):
                if 0 <= at <= last and self._key(self._values[at]) == wanted:
                    return at
        return start

    # ------------------------------------------------------------ moving

    def go(self, at: int) -> None:
        """Put the cursor on the row *at*, or the nearest that there is."""
        at = max(0, min(at, len(self._values) - 1))
        if at != self._cursor:
            self._cursor = at
            self._into_view()
            self.refresh()
            self.post_message(self.Moved(self))

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        self.go(self._cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by so many screens."""
        self.go(self._cursor + by * max(1, (self.size.height - 1) // self._tall - 1))

    def action_open(self) -> None:
        """Read the value under the cursor."""
        if self.value is not None:
            self.post_message(self.Opened(self))

    def _into_view(self) -> None:
        room = max(1, self.size.height - 1)  # below the head
        top, bottom = self._cursor * self._tall, (self._cursor + 1) * self._tall
        y = self.scroll_offset.y
        wanted = top if top < y else max(0, bottom - room) if bottom > y + room else y
        if wanted != y:
            self.scroll_to(y=wanted, animate=False)

    def on_resize(self) -> None:
        """The cursor stays in sight."""
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._values) * self._tall + 1)
        self._into_view()

    def _row_at(self, event: events.MouseEvent) -> int:
        at = event.get_content_offset_capture(self)
        if at.y < 1:
            return -1
        row = (at.y - 1 + self.scroll_offset.y) // self._tall
        return row if row < len(self._values) else -1

    def on_click(self, event: events.Click) -> None:
        """A click chooses, a second one reads."""
        row = self._row_at(event)
        if row < 0:
            return
        chosen = row == self._cursor
        self.go(row)
        if event.chain > 1 and chosen:
            self.action_open()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The row below the pointer is told apart."""
        self._hovers(self._row_at(event))

    def on_leave(self) -> None:
        """The pointer is elsewhere."""
        self._hovers(-1)

    def _hovers(self, row: int) -> None:
        if row != self._hover:
            self._hover = row
            self.refresh()

    # ------------------------------------------------------------ drawing

    def notify_style_update(self) -> None:
        """Colours are looked up anew."""
        self._styles_now = {}
        super().notify_style_update()

    def _style(self, name: str) -> Style:
        found = self._styles_now.get(name)
        if found is None:
            found = self._styles_now[name] = self.get_component_rich_style(f"rows--{name}", partial=True)
        return found

    def _fitted(self, width: int) -> list[int]:
        """A width for each column, 0 for those that are left out."""
        room = width - GUTTER
        wide = width >= 110
        widths = [
            0 if width <= one.above else (one.wide if wide and one.wide else one.width)
            for one in self._columns
        ]
        used = sum(w + 2 for w in widths if w)
        return [
            max(4, room - used) if one.width == 0 else w for one, w in zip(self._columns, widths, strict=True)
        ]

    def render_line(self, y: int) -> Strip:
        """The line *y* of what is seen."""
        width = self.scrollable_content_region.width
        ground = self.rich_style
        if y == 0:
            return self._strip([Cell(one.head, "head") for one in self._columns], width, ground, "  ")
        number, part = divmod(y - 1 + self.scroll_offset.y, self._tall)
        if not self._values and y == 2:
            return Strip([Segment(fit(f"  {self._empty}", width), ground + self._style("dim"))], width)
        if number >= len(self._values):
            return Strip.blank(width, ground)
        if number == self._cursor:
            ground += self._style("cursor" if self.has_focus else "cursor-away")
        elif number == self._hover:
            ground += self._style("hover")
        mark = self._cursor_mark() if number == self._cursor else "  "
        row = self._draw(self._values[number])
        if part:
            text = fit(f"  {row.below.text}", width - GUTTER)
            return Strip(
                [self._mark(mark, ground), Segment(text, ground + self._style(row.below.look))], width
            )
        return self._strip(list(row.cells), width, ground, mark)

    def _cursor_mark(self) -> str:
        """By which the cursor is seen without colours too; a list that is not used has none."""
        return "▌ " if self.has_focus else "│ " if self.has_class("-active") else "  "

    def _mark(self, mark: str, ground: Style) -> Segment:
        return Segment(mark, ground + self._style("orange"))

    def _strip(self, cells: list[Cell], width: int, ground: Style, mark: str) -> Strip:
        said, used = [self._mark(mark, ground)], GUTTER
        for column, cell, room in zip(self._columns, cells, self._fitted(width), strict=True):
            if room:
                text = tail(cell.text, room) if column.end else cell.text
                said.append(Segment(fit(text, room) + "  ", ground + self._style(cell.look)))
                used += room + 2
        return Strip(said, used).adjust_cell_length(width, ground)
