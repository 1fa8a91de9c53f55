"""What the keys of the panel do: forms are opened, acts are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.binding import Binding

from peermesh.ui import acts
from peermesh.ui.acts import NEEDS, Act, Word, good
from peermesh.ui.asking import Asks
from peermesh.ui.dialogs import Blank, Form, Keys, Picker, Sure
from peermesh.ui.panes import Pane
from peermesh.ui.values import Claim, Item, Job, Session, Task

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


class Doing(Asks):
    """The part of the panel's screen that acts."""

    def narrow(self, **change: Any) -> None:
        """Change the filter."""
        raise NotImplementedError

    @property
    def panes(self) -> list[Pane]:
        """All lists."""
        raise NotImplementedError

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

    def action_ask(self) -> None:
        """Ask whoever holds what is chosen."""
        value = self.pane().value
        if not isinstance(value, Claim) or value.mine:
            return
        blanks = [
            Blank("to", "To", value.by, "a session", known=tuple(self.model.people())),
            Blank("text", "Question   (ctrl+j: new line)", hint="enter asks it", large=True),
        ]
        form = Form(f"Ask about {value.path}", blanks, "Ask")
        self._form(form, lambda said: acts.ask(said["to"], said["text"]))

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
        if isinstance(value, Claim):
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
            hint = "merged as 4f1c2aa" if act == "done" else "the page is going away"
            blanks = [Blank("why", "A word about it", hint=hint, needed=False)]
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
        if not good("stop", value):  # it ended while its text was read
            self.action_why_not()
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.act(acts.stop(value.id))

        words = ("Watch", "no longer?", "No longer") if value.kind == "watch" else ("Stop", "?", "Stop")
        question = f"{words[0]} {value.name or value.id}{'' if words[1] == '?' else ' '}{words[1]}"
        self.app.push_screen(Sure(f"{question}\n{value.command}", words[2]), answered)

    def action_why_not(self) -> None:
        """A key that is not good for what is chosen."""
        value = self.pane().value
        if isinstance(value, Claim) and not value.mine:
            self.tell(Word(f"{value.path} is held by {value.by}; s asks for it", bad=True))
        elif isinstance(value, Task):
            self.tell(Word(f"{value.id} is {value.state}", bad=True))
        elif isinstance(value, Job) and value.state != "running":
            self.tell(Word(f"{value.id} has ended", bad=True))

    def able(self, action: str) -> bool:
        """Whether *action* is good for what is chosen."""
        return action not in NEEDS or good(action, self.pane().value)

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
