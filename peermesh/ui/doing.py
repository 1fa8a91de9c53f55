"""What the keys of the panel do: forms are opened, acts are asked, texts are read in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import work
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen

from peermesh.errors import PeerError
from peermesh.ui import acts, detail, values
from peermesh.ui.acts import Act, Word
from peermesh.ui.dialogs import Blank, Form, Keys, Picker, Reading, Sure
from peermesh.ui.panes import Pane
from peermesh.ui.values import Claim, Item, Job, Session, Task

if TYPE_CHECKING:
    from peermesh.ui.app import PeerApp
    from peermesh.ui.model import Model

GROUPS = ("@repo", "@all")

EVERYWHERE = (
    ("1-5, tab", "go to a list"),
    ("↑ ↓ j k", "move"),
    ("g G", "first, last"),
    ("enter", "read in full"),
    ("f", "filter: who, what"),
    ("/", "search in all lists"),
    ("esc", "show all again"),
    ("s", "send to whom is chosen"),
    ("c", "claim a path"),
    ("w", "write a note for all"),
    ("z", "one list, or all"),
    ("q", "quit"),
)


class Doing(Screen[None]):
    """The part of the panel's screen that acts."""

    model: Model
    NAMES: ClassVar[dict[str, str]] = {
        "r": "reply",
        "s": "send",
        "x": "stop",
        "l": "log",
        "t": "take",
        "d": "done",
    }

    def pane(self, name: str = "") -> Pane:
        """The list of that name."""
        raise NotImplementedError

    def narrow(self, **change: Any) -> None:
        """Change the filter."""
        raise NotImplementedError

    @property
    def panes(self) -> list[Pane]:
        """All lists."""
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
            return (("t", "Take"), ("d", "Done"))
        if isinstance(value, Job):
            return (("l", "Log"), ("x", "Stop"))
        if isinstance(value, Claim):
            return (("x", "Release"),) if value.mine else (("s", "Ask"),)
        return (("s", "Send"),)

    def _next(self, letter: str | None) -> None:
        name = self.NAMES.get(letter or "")
        if name == "stop" and isinstance(self.pane().value, Claim):
            name = "release"
        if name:
            getattr(self, f"action_{name}")()

    # ------------------------------------------------------------ saying

    def _send(self, title: str, to: str, then: Callable[[dict[str, str]], Act]) -> None:
        known = (*self.model.people(), *GROUPS)
        blanks = [
            Blank("to", "To", to, "a session, or @repo for all of this project", known=known),
            Blank("text", "Text   (ctrl+j: new line)", hint="enter sends it", large=True),
        ]
        self._form(Form(title, blanks, "Send"), then)

    def _form(self, form: Form, then: Callable[[dict[str, str]], Act]) -> None:
        def ended(said: dict[str, str] | None) -> None:
            if said is not None:
                self.act(then(said))

        self.app.push_screen(form, ended)

    def action_send(self) -> None:
        """Say something to whom is chosen."""
        pane = self.pane()
        value = pane.value
        who = pane.who(value) if value is not None else ""
        mine = getattr(value, "mine", False) or who == self.model.picture.me
        self._send("Send", "" if mine else who, lambda said: acts.send(said["to"], said["text"]))

    def action_reply(self) -> None:
        """Answer what is chosen; what is no message is answered by one."""
        value = self.pane().value
        if not isinstance(value, Item) or not value.message:
            self.action_send()
            return
        blanks = [Blank("text", "Text   (ctrl+j: new line)", hint="enter sends it", large=True)]
        title = f"Reply to {value.who}: {value.text.partition(chr(10))[0][:44]}"
        self._form(Form(title, blanks, "Reply"), lambda said: acts.reply(value.id, said["text"]))

    def action_note(self) -> None:
        """Write what everybody should know."""
        blanks = [Blank("text", "For all who work on this project", hint="enter notes it", large=True)]
        self._form(Form("Note", blanks, "Note it"), lambda said: acts.note(said["text"]))

    # ------------------------------------------------------------ claims, tasks, jobs

    def action_claim(self) -> None:
        """Hold a path: the one that is chosen, or another."""
        value = self.pane().value
        path = value.path if isinstance(value, Item) else ""
        if isinstance(value, Session) and value.files:
            path = value.files[0][0]
        blanks = [
            Blank("path", "Path, from the project's directory", path, "src/admin/ or web/**/*.css"),
            Blank("why", "Why", hint="what you do there; others read it", needed=False),
        ]
        self._form(Form("Claim", blanks, "Claim"), lambda said: acts.claim(said["path"], said["why"]))

    def action_release(self) -> None:
        """Let go the claim that is chosen."""
        value = self.pane().value
        if isinstance(value, Claim) and not value.mine:
            self.tell(Word(f"{value.path} is held by {value.by}; s asks for it", bad=True))
        elif isinstance(value, Claim):
            self.act(acts.release(value.path))

    def action_take(self) -> None:
        """Make the chosen task mine."""
        self._move_task("take")

    def action_reopen(self) -> None:
        """Put the chosen task back on the board."""
        self._move_task("reopen")

    def _move_task(self, act: str) -> None:
        value = self.pane().value
        if isinstance(value, Task):
            self.act(acts.task(act, value.id))

    def action_done(self) -> None:
        """The chosen task is finished."""
        self._close("done", "Done")

    def action_drop(self) -> None:
        """The chosen task is not to be done any more."""
        self._close("drop", "Drop")

    def _close(self, act: str, verb: str) -> None:
        value = self.pane().value
        if isinstance(value, Task):
            blanks = [Blank("why", "A word about it", hint="merged as 4f1c2aa", needed=False)]
            form = Form(f"{verb}: {value.id} {value.title}", blanks, verb)
            self._form(form, lambda said: acts.task(act, value.id, said["why"]))

    def action_new_task(self) -> None:
        """Put a task on the board."""
        blanks = [Blank("title", "What is to be done")]
        self._form(Form("New task", blanks, "Add"), lambda said: acts.new_task(said["title"]))

    def action_stop(self) -> None:
        """End the chosen job, after a question."""
        value = self.pane().value
        if not isinstance(value, Job):
            return
        if value.state != "running":
            self.tell(Word(f"{value.id} has ended", bad=True))
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.act(acts.stop(value.id))

        self.app.push_screen(Sure(f"Stop {value.name or value.id}?\n{value.command}", "Stop"), answered)

    def action_log(self) -> None:
        """Read what the chosen job wrote, as it grows."""
        value = self.pane().value
        if not isinstance(value, Job):
            return

        def fill() -> None:
            self.look(page, "job_log", {"job": value.id, "after": None}, _log, end=True)

        page = Reading(f"log of {value.id} {value.name}", Content("…"), (("x", "Stop"),), fill)
        self.app.push_screen(page, self._next)
        fill()

    # ------------------------------------------------------------ choosing

    def action_only(self) -> None:
        """Only what concerns whom is chosen; once more: all."""
        pane = self.pane()
        who = pane.who(pane.value) if pane.value is not None else ""
        self.narrow(who="" if who == self.model.filter.who else who)

    def action_everywhere(self) -> None:
        """Sessions of all projects, or of this one."""
        self.narrow(everywhere=not self.model.filter.everywhere)

    def action_filter(self) -> None:
        """Choose whose, and what kind, is shown."""
        wanted = self.model.filter
        groups = [
            ("Who", [("who:", "everybody"), *((f"who:{who}", who) for who in self.model.people())]),
            (
                "What, in the feed",
                [("kind:", "all"), *((f"kind:{kind}", kind) for kind in self.model.kinds())],
            ),
        ]
        picker = Picker("Show only", groups, (f"who:{wanted.who}", f"kind:{wanted.kind}"))
        self.app.push_screen(picker, self._picked)

    def _picked(self, key: str | None) -> None:
        if key is not None:
            what, _, value = key.partition(":")
            self.narrow(**{what: value})

    def action_keys(self) -> None:
        """All keys."""
        own = [(pane.WORD, _bound(pane)) for pane in self.panes]
        self.app.push_screen(Keys([("Everywhere", EVERYWHERE), *own]))


def _bound(pane: Pane) -> list[tuple[str, str]]:
    """The keys of a list and what they do."""
    return [(one.key, one.tooltip or one.description) for one in pane.BINDINGS if isinstance(one, Binding)]


def _log(answer: Mapping[str, Any]) -> Content:
    host = values.short(answer.get("host"))
    if host:
        return Content(f"its log is on {host}")
    return Content(values.long(answer.get("text")) or "nothing yet")


def _fill(page: Reading, text: Content, *, end: bool) -> None:
    if page.is_attached:
        page.fill(text, end=end)
