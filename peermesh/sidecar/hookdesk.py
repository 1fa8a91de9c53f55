"""What the hooks of a session ask at the door: who it is, what others said, what changed, what others hold."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from peermesh.core.script import HookAsked, Show, Token, Turn, WaiterCame
from peermesh.core.words import Card
from peermesh.door.server import Caller
from peermesh.errors import BadRequest, PeerError
from peermesh.hooks import payload, recap, text
from peermesh.sidecar.post import Post

if TYPE_CHECKING:
    from peermesh.sidecar.awareness import Awareness
    from peermesh.sidecar.process import Sidecar
    from peermesh.sidecar.session import Session

Opens = Callable[[Caller, int, Callable[[Show], dict[str, Any]]], Token]


class HookDesk:
    """Answers the hooks of one session.

    Args:
        sidecar: the session's.
        opens: notes a question that the engine will answer; the answer is made by the function that is given.
        when_told: has a function called when the answer to such a question has been written out.
    """

    def __init__(
        self, sidecar: Sidecar, opens: Opens, when_told: Callable[[Token, Callable[[], object]], None]
    ) -> None:
        self._sidecar, self._open, self._when_told = sidecar, opens, when_told
        self.verbs: dict[str, Callable[[Caller, int, dict[str, Any]], dict[str, Any] | None]] = {
            "hook": self._hook,
            "wait": self._wait,
        }

    @property
    def _post(self) -> Post:
        return self._sidecar.post

    def _hook(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any] | None:
        event, session = str(fields["event"]), self._sidecar.session
        if session is None:
            raise BadRequest("a hook at the door of a person's shell")
        if event == payload.END:
            if fields["reason"] != "clear":
                self._sidecar.leave_soon()
            return {}
        if event == payload.START:
            if self._sidecar.runs_elsewhere(int(fields["client"])):
                return {"elsewhere": True}
            self._sidecar.adopt(str(fields["session"]), int(fields["client"]))
            session.briefed = False
        elif self._sidecar.runs_elsewhere(int(fields["client"])):
            return {}  # another window on the same session: what waits is for the first one
        if event in (payload.BEFORE_EDIT, payload.AFTER_EDIT):
            return self._edit(caller, number, event, str(fields.get("path") or ""), str(fields["cwd"]))
        return self._turn(caller, number, session, event, fields)

    def _edit(self, caller: Caller, number: int, event: str, path: str, cwd: str) -> dict[str, Any]:
        claiming = self._sidecar.commons.claiming
        if event == payload.AFTER_EDIT:
            if path:
                claiming.after_edit(path, cwd)
            return {}
        word = claiming.before_edit(path, cwd) if path else None
        if word is None:
            return {}
        token = self._open(caller, number, lambda _: {})
        self._when_told(token, word.said)
        return {word.how: word.text, "hand": token}

    def _turn(
        self, caller: Caller, number: int, session: Session, event: str, fields: dict[str, Any]
    ) -> dict[str, Any] | None:
        self._sidecar.refresh()
        self._sidecar.commons.company.look()
        session.batches += event in (payload.BATCH, payload.PROMPT, payload.STOP)
        typed = event == payload.PROMPT and not str(fields["prompt"]).startswith(payload.NOTIFICATION)
        if event == payload.PROMPT and session.queued(str(fields.get("prompt_id", ""))) and typed:
            self._post.put(Turn(busy=True, typed=True))
            return {}  # it may be taken back: what there is to say comes at the turn's end
        token = self._open(caller, number, lambda show: self._hook_text(event, show))
        self._post.put(HookAsked(token, event, typed=typed))
        return None

    def _hook_text(self, event: str, show: Show) -> dict[str, Any]:
        parts = self._told_of_itself(event, show.token)
        if show.ids:
            carry_on = event in (payload.STOP, payload.BATCH)
            parts.append(self.block(show, carry_on=carry_on))
        return {"text": "\n\n".join(parts), "hand": show.token} if parts else {}

    def _told_of_itself(self, event: str, token: Token) -> list[str]:
        """Who it is, if the model does not know, and what changed around it since its last turn."""
        session, awareness = self._sidecar.session, self._sidecar.commons.awareness
        if session is None or awareness is None:
            return []
        parts: list[str] = []
        then: list[Callable[[], object]] = [self._sidecar.told]
        try:
            if event in session.news_at():
                parts += self._who_it_is(session, awareness)
            if event == payload.PROMPT:
                words, told = awareness.text()
                parts.append(words)
                then.append(told)
        except PeerError as wrong:  # a log that cannot be read just now
            self._sidecar.log(f"nothing is told of the shared picture: {wrong}")
        except Exception:  # noqa: BLE001 - whatever is wrong with the log, or with us: others' messages are shown
            self._sidecar.log(f"nothing is told of the shared picture: {traceback.format_exc()}")
        said = "\n".join(filter(None, parts))
        if said:
            self._when_told(token, lambda: [one() for one in then])
        return [said] if said else []

    def _who_it_is(self, session: Session, awareness: Awareness) -> list[str]:
        me = self._post.engine.card
        if session.briefed:
            return [text.renamed(me)]
        briefing = text.briefing(me, self._company(), awareness.held())
        kept = awareness.kept(min(recap.ROOM, recap.START_ROOM - len(briefing)))
        awareness.knows()
        return [briefing, kept]

    def block(self, show: Show, *, carry_on: bool) -> str:
        """The messages of *show* as the model reads them."""
        now = time.time()
        items = [self._post.mailbox.incoming(one) for one in show.ids]
        known = [(m, max(0.0, now - came)) for m, came in filter(None, items)]
        return text.messages(known, show.more, carry_on=carry_on)

    def _company(self) -> list[Card]:
        """Who else is here now, this repo's sessions first."""
        me = self._post.engine.card
        others = self._sidecar.commons.company.look().values()
        return sorted(others, key=lambda c: (c.repo_key != me.repo_key, c.name))

    def _wait(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any] | None:
        token = self._open(caller, number, self._wake_text)
        self._post.put(WaiterCame(token))
        return None

    def _wake_text(self, show: Show) -> dict[str, Any]:
        return {"text": self.block(show, carry_on=False), "hand": show.token}
