"""The door's verbs: what each question means to the engine, and how its answers look as JSON."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from peermesh import __version__
from peermesh.core.incoming import PREVIEW
from peermesh.core.script import (
    Answer,
    Fail,
    Gone,
    ReadAsked,
    Retire,
    Say,
    SayAnswer,
    Show,
    Shown,
    Token,
)
from peermesh.core.words import BODY_LIMIT, Card, Kind, MessageId, PeerId, State
from peermesh.door.server import Caller
from peermesh.errors import BadRequest, NoSidecar, PeerError, by_code
from peermesh.hooks import text
from peermesh.sidecar import ask, roster, view
from peermesh.sidecar.hookdesk import HookDesk
from peermesh.sidecar.lan import LanDesk
from peermesh.sidecar.post import Post
from peermesh.sidecar.where import look

if TYPE_CHECKING:
    from peermesh.sidecar.process import Sidecar

# A command lists at most so many messages; the rest by --most.
MOST = 500


Verb = Callable[[Caller, int, dict[str, Any]], dict[str, Any] | None]


@dataclass(slots=True)
class Question:
    """One request that the engine has not answered yet, or whose answer is not yet shown."""

    caller: Caller
    number: int
    show: Callable[[Show], dict[str, Any]]
    gone: Callable[[], None]  # called when the caller hangs up
    told: Callable[[], object] = lambda: None  # called when the answer has been written out


class Desk:
    """Answers what comes through the door of one sidecar.

    Args:
        sidecar: whose door it is.
    """

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._tokens = itertools.count(1)
        self._questions: dict[Token, Question] = {}
        self._closed = False
        self._post: Post
        self._lan = LanDesk(sidecar)
        self._verbs: dict[str, Verb] = {
            "shown": self._shown,
            "send": self._send,
            "inbox": self._inbox,
            "read": self._read,
            "sent": self._sent,
            "list": self._list,
            "alive": self._alive,
            "name": self._name,
            "role": self._role,
            "focus": self._focus,
            "scope": self._scope,
            "status": self._status,
            "down": self._down,
            **self._lan.verbs,
            **HookDesk(sidecar, self._open, self._when_told).verbs,
        }

    def attach(self, post: Post) -> None:
        """This sidecar's own post."""
        self._post = post

    def asked(self, caller: Caller, number: int, do: str, fields: dict[str, Any]) -> None:
        """One request.

        Raises:
            PeerError: for the caller; unknown verbs get an error and never silence.
        """
        if self._closed:
            raise NoSidecar("the sidecar is ending; try again")
        verb = self._verbs.get(do)
        if verb is None:
            raise BadRequest(f"there is no verb {do[:40]!r}")
        try:
            ok = verb(caller, number, fields)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as wrong:
            raise BadRequest(
                f"the request {do!r} has wrong fields ({type(wrong).__name__}: {wrong})"
            ) from wrong
        except OSError as wrong:
            raise PeerError(f"the request {do!r} failed ({wrong.strerror})") from wrong
        if ok is not None:
            caller.answer(number, ok)

    def serve(self, *verbs: Mapping[str, Verb]) -> None:
        """Answer these too."""
        for some in verbs:
            self._verbs.update(some)

    def _open(self, caller: Caller, number: int, show: Callable[[Show], dict[str, Any]]) -> Token:
        token = next(self._tokens)
        question = Question(caller, number, show, lambda: self._caller_gone(token))
        self._questions[token] = question
        caller.gone.add(question.gone)
        return token

    def _close(self, token: Token) -> None:
        """That question is answered: one door may stay open for a hundred thousand of them."""
        question = self._questions.pop(token)
        question.caller.gone.discard(question.gone)

    def _when_told(self, token: Token, then: Callable[[], object]) -> None:
        self._questions[token].told = then

    def _caller_gone(self, token: Token) -> None:
        if self._questions.pop(token, None) is not None:
            self._post.put(Gone(token))

    def answered(self, answer: Answer) -> None:
        """The engine's answer to a question."""
        question = self._questions.get(answer.token)
        if question is None:
            return
        if isinstance(answer, Show):
            said = question.show(answer)
            question.caller.answer(question.number, said)
            if not said.get("hand"):
                self._close(answer.token)
            return
        self._close(answer.token)
        if isinstance(answer, SayAnswer):
            question.caller.answer(question.number, self._said(answer))
        elif isinstance(answer, Retire):
            question.caller.answer(question.number, {"retire": True})
        elif isinstance(answer, Fail):
            question.caller.fail(question.number, by_code(answer.code, answer.why))

    # ------------------------------------------------------------ what was handed out

    def _shown(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        token = int(fields["hand"])
        question = self._questions.get(token)
        if question is None or question.caller is not caller:
            raise BadRequest("nothing was handed to you")
        self._close(token)
        self._post.before()  # what the hooks' first step wrote up to now is no sign of this
        if self._sidecar.session is not None:
            self._sidecar.session.handing()
        self._post.put(Shown(token))
        try:
            question.told()
        except PeerError as wrong:  # it is told once more
            self._sidecar.log(f"what was told is not kept: {wrong}")
        return {}

    # ------------------------------------------------------------ messages

    def _send(self, caller: Caller, number: int, fields: dict[str, Any]) -> None:
        request = ask.Send.read(fields)
        me = self._post.engine.card
        if me.person and request.cwd:  # a shell belongs to the repo in which the command is run
            me = replace(me, repo_key=look(request.cwd).key)
        reply_to = self._found(request.reply_to) if request.reply_to else None
        if request.to:
            to = roster.addressed(request.to, self._sidecar.cards(), me, self._sidecar.recent)
        elif reply_to is not None:
            to = [self._sender(reply_to)]
        else:
            raise BadRequest("a message to nobody")
        if fields.get("lan") is False:
            to = self._lan.here_only(to)
        token = self._open(caller, number, self._answers)
        self._post.put(
            Say(
                token,
                tuple(to),
                request.kind or self._kind_of_reply(reply_to),
                request.body,
                time.time(),
                urgent=request.urgent,
                reply_to=reply_to,
                group=request.to if request.to.startswith("@") else "",
                wait=request.wait,
                timeout=request.timeout,
                answer=request.answer,
            )
        )

    def _found(self, spelled: str) -> MessageId:
        return ask.one_message(self._post.mailbox.find(spelled), spelled)

    def _sender(self, message: MessageId) -> Card:
        """Whom a reply goes to: who said it, or, on a message of one's own, who was told."""
        peer = message.peer
        if peer == self._post.engine.card.id:
            peer = self._post.mailbox.outgoing(message.n).to
        return roster.by_id(peer, self._sidecar.cards())

    def _kind_of_reply(self, message: MessageId | None) -> str:
        if message is None or message.peer == self._post.engine.card.id:
            return Kind.MESSAGE
        known = self._post.mailbox.incoming(message)
        return Kind.ANSWER if known and known[0].kind == Kind.QUESTION else Kind.MESSAGE

    def _unread(self) -> int:
        """How many messages wait for a person to look; a session is told by its hooks."""
        return len(self._post.engine.incoming.due) if self._sidecar.card.person else 0

    def _said(self, answer: SayAnswer) -> dict[str, Any]:
        rows = [
            {"id": str(one), "peer": peer, "state": state.value, "why": why, **self._known_of(peer)}
            for one, peer, state, why in answer.messages
        ]
        return {"messages": rows, "reached": answer.reached, "unread": self._unread()}

    def _known_of(self, peer: PeerId) -> dict[str, Any]:
        """What is told of a recipient. The message is on disk, whether or not that can be read just now."""
        to: dict[str, Any] = {"to": peer, "here": False, "waits_for": ""}
        try:
            card = self._sidecar.card_of(peer)
            if card is not None:
                to["to"] = card.address if card.host_key else card.name
                to["waits_for"] = self._lan.waits_for(card.host_key) if card.host_key else ""
            to["here"] = self._sidecar.is_live(peer)
        except PeerError as wrong:
            self._sidecar.log(f"{peer}: {wrong}")
        return {**to, "answers": self._post.engine.outgoing.other(peer).link.answers}

    def _answers(self, show: Show) -> dict[str, Any]:
        return {**self._handed(show.ids, show), "answered": True}

    def _handed(self, ids: Sequence[MessageId], show: Show, preview: int = PREVIEW) -> dict[str, Any]:
        """Messages as values, and for a session as the text that its model reads."""
        now, found = time.time(), [self._post.mailbox.incoming(one) for one in ids]
        known = list(filter(None, found))
        said: dict[str, Any] = {"messages": [view.message(*one) for one in known], "more": show.more}
        if self._sidecar.session is not None and known:
            aged = [(m, max(0.0, now - came)) for m, came in known]
            said["text"] = text.messages(aged, show.more, preview=preview)
        return {**said, "hand": show.token} if show.ids else said

    def _inbox(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any] | None:
        most = self._most(fields)
        if fields.get("all") or fields.get("peek"):
            rows = self._post.mailbox.inbox(most)
            unread = (State.SAFE, State.HELD)
            wanted = [row for row in rows if fields.get("all") or row[1] in unread]
            kept = view.newest([view.received(*row) for row in wanted])
            return {"messages": kept, "more": len(wanted) - len(kept)}
        token = self._open(caller, number, lambda show: self._handed(show.ids, show))
        sizes = [one.size for one in itertools.islice(self._post.engine.incoming.due.fair(), most)]
        self._post.put(ReadAsked(token, min(most, view.how_many(sizes))))
        return None

    @staticmethod
    def _most(fields: dict[str, Any]) -> int:
        return max(1, min(int(fields.get("most", 20)), MOST))

    def _read(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any] | None:
        one = self._found(str(fields["message"]))
        mailbox = self._post.mailbox
        if one.peer == self._post.engine.card.id and mailbox.incoming(one) is None:
            return {"messages": [view.message(mailbox.outgoing(one.n), None)]}
        token = self._open(caller, number, lambda show: self._handed([one], show, preview=BODY_LIMIT))
        self._post.put(ReadAsked(token, 1, only=one))
        return None

    def _sent(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        rows = self._post.mailbox.sent(self._most(fields))
        return {"messages": view.newest([view.sent(*row) for row in rows])}

    # ------------------------------------------------------------ who is who

    def _list(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        me = self._post.engine.card
        self._sidecar.refresh()
        rows = [self._row(card) for card in self._sidecar.cards()]
        key = look(str(fields["cwd"])).key if fields.get("cwd") else me.repo_key
        return {
            "me": me.id,
            "name": me.name,
            "host": me.host,
            "repo_key": key,
            "peers": rows,
            "unread": self._unread(),
            "meeting": self._lan.meeting(),
        }

    def _row(self, card: Card) -> dict[str, Any]:
        """What is told of a peer, with the files that it edited lately."""
        return {**roster.row(self._sidecar, card), "files": self._sidecar.commons.files(card)}

    def _alive(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        return self._row(self._sidecar.commons.find_peer(str(fields["to"])))

    def _name(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        if fields.get("name") is not None:
            self._sidecar.rename(ask.name(str(fields["name"])))
            if self._sidecar.session is not None and fields.get("told"):
                self._sidecar.session.told_name = self._sidecar.card.name
        return {"name": self._sidecar.card.name, "host": self._sidecar.card.host, "id": self._sidecar.card.id}

    def _role(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        if fields.get("roles") is not None:
            self._sidecar.set_roles(ask.roles(fields["roles"]))
        return {"name": self._sidecar.card.name, "roles": list(self._sidecar.card.roles)}

    def _focus(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        if fields.get("focus") is not None:
            self._sidecar.set_focus(ask.focus(str(fields["focus"])))
        return {"name": self._sidecar.card.name, "focus": self._sidecar.card.focus}

    def _scope(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        return self._sidecar.switch(str(fields["cwd"]), off=bool(fields["off"]))

    # ------------------------------------------------------------ health

    def _status(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        sidecar, engine = self._sidecar, self._post.engine
        return {
            "version": __version__,
            "pid": os.getpid(),
            "id": sidecar.card.id,
            "name": sidecar.card.name,
            "host": sidecar.card.host,
            "person": sidecar.card.person,
            "since": sidecar.started,
            "home": sidecar.root,
            "mail": self._post.mailbox.counts(),
            "links": {p: o.link.phase.value for p, o in engine.outgoing.others.items()},
            "waiter": bool(engine.turns and engine.turns.waiter is not None),
            "wakes": engine.turns.budget.spent if engine.turns else 0,
            "keeper": sidecar.keeper.holds,
            "lan": sidecar.keeper.lan_state(),
            "hosts": self._lan.up(),
            "rumours": sidecar.keeper.rumours(),
            "bad_frames": self._post.bad_frames,
            "bad_requests": sidecar.door.bad_requests,
            "trouble": sidecar.trouble,
        }

    def _down(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        self._sidecar.leave()
        return {"pid": os.getpid()}

    def close(self) -> None:
        """Send the waiter home: a sidecar that ends by intention is not started again by it. Who waits to hear of a
        message is told how far it got.
        """
        self._closed = True
        self._post.run()  # what was asked until now
        for answer in self._post.hurried():
            self.answered(answer)
        for question in list(self._questions.values()):
            question.caller.answer(question.number, {"retire": True})
        self._questions.clear()
