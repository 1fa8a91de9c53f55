"""What opens above the lists: a text in full, a form, a choice, a question, the keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Button, Footer, Input, Label, OptionList, Static, TextArea
from textual.widgets.option_list import Option


class Reading(ModalScreen[str]):
    """A text in full. Ends with the letter of what is to be done next, or "".

    Args:
        title: what it is.
        text: what is known at once.
        keys: letters and words of what can be done with it.
        refill: asks for the text anew, every second; for what grows.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave('')", "Back"),
        Binding("down,j", "scroll(1)", "Scroll", show=False),
        Binding("up,k", "scroll(-1)", "Scroll", show=False),
        Binding("pagedown,space", "scroll(15)", "Scroll", show=False),
        Binding("pageup", "scroll(-15)", "Scroll", show=False),
        Binding("home,g", "scroll(-1000000)", "Begin", show=False),
        Binding("end,G", "scroll(1000000)", "End", show=False),
    ]

    def __init__(
        self,
        title: str,
        text: Content,
        keys: Sequence[tuple[str, str]] = (),
        refill: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self._title, self._text, self._keys, self._refill = title, text, keys, refill
        for letter, word in keys:
            self._bindings.bind(letter, f"leave({letter!r})", word)

    def compose(self) -> ComposeResult:
        """The text, and the keys below."""
        with VerticalScroll(id="paper") as paper:
            paper.border_title = Content(self._title)
            yield Static(self._text, id="text", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """The text is what keys move."""
        paper = self.query_one("#paper", VerticalScroll)
        paper.focus()
        if self._refill is not None:
            self.set_interval(1.0, self._refill)

    def fill(self, text: Content, *, end: bool = False) -> None:
        """Show *text* instead; at its *end*, if that is where one was."""
        paper = self.query_one("#paper", VerticalScroll)
        was_end = end and paper.scroll_offset.y >= paper.max_scroll_y
        self.query_one("#text", Static).update(text)
        if was_end:
            paper.scroll_end(animate=False)

    def action_scroll(self, by: int) -> None:
        """Move the text by so many lines."""
        self.query_one("#paper", VerticalScroll).scroll_relative(y=by, animate=False)

    def action_leave(self, letter: str) -> None:
        """Close it."""
        self.dismiss(letter)


@dataclass(frozen=True, slots=True)
class Blank:
    """A line, or a text, of a form.

    Args:
        name: under which it is answered.
        label: what stands before it.
        value: what is in it at first.
        hint: what is shown while it is empty.
        large: several lines.
        known: words that are completed.
        needed: it may not stay empty.
    """

    name: str
    label: str
    value: str = ""
    hint: str = ""
    large: bool = False
    known: tuple[str, ...] = ()
    needed: bool = True


class Letter(TextArea):
    """A text of several lines, which Enter sends."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.send", "Send", priority=True),
        Binding("ctrl+j", "new_line", "New line", priority=True),
    ]

    def action_new_line(self) -> None:
        """Begin another line."""
        self.insert("\n")


class Line(Input):
    """A text of one line.

    Args:
        blank: what it is for.
        then: the word for what Enter does.
    """

    def __init__(self, blank: Blank, then: str) -> None:
        known = SuggestFromList(blank.known, case_sensitive=False) if blank.known else None
        super().__init__(
            blank.value,
            blank.hint,
            id=blank.name,
            suggester=known,
            compact=True,
            select_on_focus=False,
        )
        self._bindings.key_to_bindings.pop("enter", None)
        self._bindings.bind("enter", "submit", then)


class Form(ModalScreen[dict[str, str] | None]):
    """Blanks to fill in; ends with what was filled in, or nothing.

    Args:
        title: what it is for.
        blanks: what is asked.
        verb: the word on the button.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("ctrl+s", "send", "Send", show=False),
    ]

    def __init__(self, title: str, blanks: Sequence[Blank], verb: str) -> None:
        super().__init__()
        self._title, self._blanks, self._verb = title, blanks, verb

    def compose(self) -> ComposeResult:
        """A box with the blanks."""
        with Vertical(id="box") as box:
            box.border_title = Content(self._title)
            for blank in self._blanks:
                then = self._verb if blank is self._blanks[-1] else "Next"
                yield Label(blank.label if blank.large else f"{blank.label}   (enter: {then})", markup=False)
                if blank.large:
                    yield Letter(blank.value, id=blank.name, placeholder=blank.hint, compact=True)
                else:
                    yield Line(blank, then)
            with Horizontal(id="buttons"):
                yield Button(self._verb, id="yes", variant="primary", compact=True)
                yield Button("Cancel", id="no", compact=True)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """The first blank that is empty is where one writes."""
        first = next((blank for blank in self._blanks if not blank.value), self._blanks[-1])
        self.query_one(f"#{first.name}").focus()

    @on(Input.Submitted)
    def _next(self, event: Input.Submitted) -> None:
        """Enter goes on to the next blank, and sends from the last one."""
        names = [blank.name for blank in self._blanks]
        at = names.index(str(event.input.id))
        if at == len(names) - 1:
            self.action_send()
        else:
            self.query_one(f"#{names[at + 1]}").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self.action_send()
        else:
            self.dismiss(None)

    def action_send(self) -> None:
        """What was filled in, if it is enough."""
        said = {blank.name: self._written(blank).strip() for blank in self._blanks}
        for blank in self._blanks:
            if blank.needed and not said[blank.name]:
                self.query_one(f"#{blank.name}").focus()
                return
        self.dismiss(said)

    def _written(self, blank: Blank) -> str:
        if blank.large:
            return self.query_one(f"#{blank.name}", TextArea).text
        return self.query_one(f"#{blank.name}", Input).value


class Choices(OptionList):
    """Choices, with keys that the footer shows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Choose"),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
    ]


class Picker(ModalScreen[str | None]):
    """One of several; ends with its key.

    Args:
        title: what is chosen.
        groups: for each group its title and its choices, each a key and what is said of it.
        chosen: the keys that hold now; they carry a mark.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f", "dismiss(None)", "Back")]

    def __init__(
        self, title: str, groups: Sequence[tuple[str, Sequence[tuple[str, str]]]], chosen: Sequence[str]
    ) -> None:
        super().__init__()
        self._title, self._groups, self._chosen = title, groups, chosen

    def compose(self) -> ComposeResult:
        """The choices in groups."""
        options: list[Option | None] = []
        for head, choices in self._groups:
            options += [None] if options else []
            options.append(Option(Content.styled(head, "bold"), disabled=True))
            options += [
                Option(Content(f"{'●' if key in self._chosen else '○'} {said}"), id=key)
                for key, said in choices
            ]
        with Vertical(id="box") as box:
            box.border_title = Content(self._title)
            yield Choices(*options, id="choices", markup=False, compact=True)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """The choices are what keys move in."""
        self.query_one(Choices).focus()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)


class Sure(ModalScreen[bool]):
    """A question that is answered with yes or no.

    Args:
        text: the question.
        verb: the word on the button of yes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Yes"),
        Binding("n,escape", "dismiss(False)", "No"),
    ]

    def __init__(self, text: str, verb: str) -> None:
        super().__init__()
        self._text, self._verb = text, verb

    def compose(self) -> ComposeResult:
        """The question and two buttons."""
        with Vertical(id="box"):
            yield Static(Content(self._text), markup=False)
            with Horizontal(id="buttons"):
                yield Button(f"{self._verb} (y)", id="yes", variant="primary", compact=True)
                yield Button("No (n)", id="no", compact=True)
        yield Footer(show_command_palette=False)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class Keys(ModalScreen[None]):
    """All keys.

    Args:
        groups: for each place its name and its keys with what they do.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss", "Back")]

    def __init__(self, groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        """Three columns of keys and words."""
        with Vertical(id="box") as box:
            box.border_title = "Keys"
            with Horizontal(id="columns"):
                for some in (self._groups[:1], self._groups[1:4], self._groups[4:]):
                    yield Static(_keys(some), markup=False)
        yield Footer(show_command_palette=False)

    def on_click(self, event: events.Click) -> None:
        """A click closes it."""
        event.stop()
        self.dismiss()


def _keys(groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> Content:
    parts: list[str | tuple[str, str]] = []
    for head, keys in groups:
        parts.append((f"{head}\n", "bold"))
        wide = max(len(letter) for letter, _ in keys) + 2
        for letter, word in keys:
            parts += [(f"  {letter:<{wide}}", "$accent"), f"{word}\n"]
    return Content.assemble(*parts)
