"""Who appears in the tests of the core, and a script in which one engine's story is told."""

from __future__ import annotations

import itertools
from typing import Any, Self

from peermesh.core.budget import Budget
from peermesh.core.engine import Engine
from peermesh.core.frames import Ack, Hello, Mail, Welcome
from peermesh.core.script import (
    Asked,
    Dial,
    Effect,
    Heard,
    Input,
    KeepIn,
    KeepOut,
    MoveOut,
    Reply,
    Say,
    SayAnswer,
    Show,
    Snapshot,
    Tell,
    Transmit,
)
from peermesh.core.words import Card, Message, MessageId, PeerId, State

ANN, BOB, CLEO = "aaaaaaaa", "bbbbbbbb", "cccccccc"
NAMES = {ANN: "ann", BOB: "bob", CLEO: "cleo"}
ROAD = b"\0road"  # the way back on the link that bob dialled to ann

_tokens = itertools.count(1_000)


def card(peer: PeerId, **more: Any) -> Card:
    """A session's card."""
    fields = {"name": NAMES.get(peer, peer), "host": "desk", "repo": "app", "repo_key": "example.org/app"}
    return Card(id=peer, **{**fields, **more})


def message(n: int, by: PeerId = BOB, to: PeerId = ANN, body: str = "hi", **more: Any) -> Message:
    """A message, from bob to ann unless it says otherwise."""
    fields = {"kind": "message", "by": NAMES.get(by, by), "to_name": NAMES.get(to, to)}
    return Message(id=MessageId(by, n), to=to, body=body, **{**fields, **more})


def say(*to: PeerId, body: str = "hi", **more: Any) -> Say:
    """Somebody at the door wants something said."""
    fields = {"token": next(_tokens), "kind": "message", "said_at": 0.0, "body": body}
    return Say(to=tuple(card(one) for one in to), **{**fields, **more})


class Story:
    """One engine, ann's, and what it answered. Nothing may follow that the story does not name.

    Args:
        budget: of a session; ``None`` for a person's shell.
        snapshot: what the mailbox holds at the start.
    """

    def __init__(self, budget: Budget | None = None, snapshot: Snapshot | None = None) -> None:
        self.engine = Engine(card(ANN), snapshot or Snapshot(), budget)
        self.now = 0.0
        self.effects: list[Effect] = []

    def at(self, now: float) -> Self:
        """The story goes on at *now*."""
        assert now >= self.now, "a story does not go back in time"
        self.now = now
        return self

    def when(self, *inputs: Input) -> Self:
        """These happen; whatever followed before was named."""
        assert self.effects == [], "the story did not say so"
        for one in inputs:
            self.effects += self.engine.handle(one, self.now)
        return self

    def then(self, *effects: Effect) -> Self:
        """Just these follow."""
        assert self.effects == list(effects)
        self.effects = []
        return self

    def then_some(self, *kinds: type) -> list[Any]:
        """Effects of just these kinds follow, in this order; here they are."""
        assert [type(one) for one in self.effects] == list(kinds), self.effects
        effects, self.effects = self.effects, []
        return effects

    def whatever(self) -> Self:
        """What followed belongs to another test."""
        self.effects = []
        return self

    # ------------------------------------------------------------ beginnings

    def greeted(self, by: PeerId = BOB, road: bytes = ROAD) -> Self:
        """*by* dialled and was welcomed."""
        return self.when(Asked(road, Hello(by, ANN))).then(
            Reply(road, Welcome(ANN, self.engine.incoming.last.get(by, 0)))
        )

    def got(self, n: int, by: PeerId = BOB, road: bytes = ROAD, **more: Any) -> Self:
        """Message *n* of *by* arrived, and was kept and acknowledged."""
        one = message(n, by, **more)
        self.when(Asked(road, Mail(one, 0)))
        assert KeepIn(one) in self.effects
        assert Reply(road, Ack(n)) in self.effects
        return self.whatever()

    def linked(self, to: PeerId = BOB) -> Self:
        """Ann said message 1 to *to*, who welcomed her and acknowledged it."""
        self.when(say(to)).then_some(KeepOut, Dial, Tell, SayAnswer)
        self.when(Heard(to, Welcome(to, 0))).then(Transmit(to, 1, 0))
        self.when(Heard(to, Ack(1))).then_some(MoveOut)
        return self

    def shows(self) -> list[Show]:
        """What was handed out just now."""
        return [one for one in self.effects if isinstance(one, Show)]

    def state_of(self, token: int) -> list[State] | None:
        """The states in the answer to *token*, if there was one."""
        found = [one for one in self.effects if isinstance(one, SayAnswer) and one.token == token]
        return [state for _, _, state, _ in found[0].messages] if found else None


def ids(*numbers: int, by: PeerId = BOB) -> tuple[MessageId, ...]:
    """The ids of *by*'s messages of these numbers."""
    return tuple(MessageId(by, n) for n in numbers)


def session(**budget: int) -> Story:
    """Ann as a session, which can be woken."""
    return Story(Budget(**budget))
