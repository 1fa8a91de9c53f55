"""What the panel asks the door for: acts, and texts that are read in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import work
from textual.content import Content
from textual.screen import Screen

from peermesh.errors import PeerError
from peermesh.ui import acts, detail, values
from peermesh.ui.acts import Act, Word, good
from peermesh.ui.dialogs import Reading
from peermesh.ui.panes import Pane
from peermesh.ui.values import Claim, Item, Job, Task

if TYPE_CHECKING:
    from peermesh.ui.app import PeerApp
    from peermesh.ui.model import Model

STOP = (("x", "Stop"),)


class Asks(Screen[None]):
    """The part of the panel's screen that asks and reads."""

    model: Model
    NAMES: ClassVar[dict[str, str]] = {
        "r": "reply",
        "s": "send",
        "x": "stop",
        "l": "log",
        "t": "take",
        "d": "done",
        "u": "reopen",
    }

    def pane(self, name: str = "") -> Pane:
        """The list of that name."""
        raise NotImplementedError

    @property
    def _peer(self) -> PeerApp:
        return cast("PeerApp", self.app)

    # ------------------------------------------------------------ asking

    @work(thread=True, group="act")
    def act(self, act: Act) -> None:
        """Ask it, and tell what became of it."""
        try:
            word = acts.said(act, self._peer.ask(act.do, act.fields))
        except PeerError as wrong:
            word = Word(f"✗ {values.short(wrong)}", bad=True)
        self.app.call_from_thread(self.tell, word)

    def tell(self, word: Word) -> None:
        """Say it at the edge of the screen."""
        self.notify(
            word.text,
            severity="warning" if word.bad else "information",
            timeout=8 if word.bad else 4,
            markup=False,
        )

    @work(thread=True, group="read")
    def look(
        self,
        page: Reading,
        do: str,
        fields: Mapping[str, Any],
        show: Callable[[Mapping[str, Any]], Content],
        *,
        end: bool = False,
    ) -> None:
        """Ask for what is read, and put it on the page."""
        try:
            text = show(self._peer.ask(do, fields, shown=self.model.picture.person))
        except PeerError as wrong:
            text = Content.assemble(("✗ ", "$accent"), values.short(wrong))
        self.app.call_from_thread(_fill, page, text, end=end)

    # ------------------------------------------------------------ reading

    def read(self, value: Any) -> None:
        """Show a value in full; what the panel does not have of it is asked for."""
        if value is None:
            return
        keys = self._keys(value)
        page = Reading(detail.title(value), detail.full(value), keys)
        self.app.push_screen(page, self._next)
        if isinstance(value, Item) and value.message:
            self.look(page, "read", {"message": value.id}, detail.message)
        elif isinstance(value, Item) and value.kind in ("note", "discovery"):
            self.look(page, "notes", {"most": 1_000}, lambda answer: detail.note(value, answer))
        elif isinstance(value, Task):
            fields = {"task": value.id, "all": True}
            self.look(page, "tasks", fields, lambda answer: detail.history(value, answer))
        elif isinstance(value, Job):
            self.look(page, "jobs", {"job": value.id}, lambda answer: detail.tails(value, answer))

    @staticmethod
    def _keys(value: Any) -> Sequence[tuple[str, str]]:
        """What can be done with a value that is read."""
        if isinstance(value, Item) and value.message:
            return (("r", "Reply"),)
        if isinstance(value, Task):
            keys = (("t", "Take", "take"), ("d", "Done", "done"), ("u", "Put back", "reopen"))
            return [(letter, word) for letter, word, act in keys if good(act, value)]
        if isinstance(value, Job):
            return (("l", "Log"), *STOP) if good("stop", value) else (("l", "Log"),)
        if isinstance(value, Claim):
            return (("x", "Release"),) if value.mine else (("s", "Ask"),)
        return (("s", "Send"),)

    def _next(self, letter: str | None) -> None:
        name = self.NAMES.get(letter or "")
        if isinstance(self.pane().value, Claim):
            name = {"stop": "release", "send": "ask"}.get(name or "", name)
        if name:
            getattr(self, f"action_{name}")()

    def action_log(self) -> None:
        """Read what the chosen job wrote, as it grows."""
        value = self.pane().value
        if not isinstance(value, Job):
            return

        def fill() -> None:
            self.look(page, "job_log", {"job": value.id, "after": None}, _log, end=True)

        keys = STOP if good("stop", value) else ()
        page = Reading(f"log of {value.id} {value.name}", Content("…"), keys, fill)
        self.app.push_screen(page, self._next)
        fill()


def _log(answer: Mapping[str, Any]) -> Content:
    host = values.short(answer.get("host"))
    if host:
        return Content(f"its log is on {host}")
    return Content(values.long(answer.get("text")) or ("no output" if answer.get("ended") else "nothing yet"))


def _fill(page: Reading, text: Content, *, end: bool) -> None:
    if page.is_attached:
        page.fill(text, end=end)
