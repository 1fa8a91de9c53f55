"""One peer in the network in a box: its mailbox in memory and, while it lives, its engine, whose effects it
performs in the sidecar's order: commit, speak, answer. It can die at any point in between.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Protocol, cast

from peermesh.core.budget import Budget
from peermesh.core.engine import Engine
from peermesh.core.frames import Mail, Request, Response
from peermesh.core.script import (
    Answer,
    Dial,
    Effect,
    Fail,
    HangUp,
    Input,
    Keep,
    NoSuchPeer,
    Reply,
    Retire,
    Route,
    Say,
    SayAnswer,
    Show,
    Speak,
    Tell,
    Tick,
    Token,
    Transmit,
    WaiterCame,
)
from peermesh.core.words import Card, PeerId
from peermesh.errors import PeerError
from peermesh.mesh.memory import MemoryMailbox

# After a commit that failed a peer says nothing for so long, as the sidecar does.
PAUSE = 1.0  # seconds


class Network(Protocol):
    """What a node needs of the box around it."""

    now: float  # monotonic, seconds

    @property
    def clock(self) -> float:
        """The wall's time in seconds."""

    def knows(self, peer: PeerId) -> bool:
        """Whether *peer* ever was in the box."""

    def dial(self, source: PeerId, target: PeerId) -> None:
        """Open a link."""

    def hang_up(self, source: PeerId, target: PeerId) -> None:
        """Close it from the end that dialled."""

    def tell(self, source: PeerId, target: PeerId, frame: Request) -> None:
        """Say something on a link that *source* dialled."""

    def reply(self, source: PeerId, route: Route, frame: Response) -> None:
        """Answer on a link that another dialled."""

    def died(self, peer: PeerId) -> None:
        """*peer* is dead."""


class Node:
    """One peer in the box: its mailbox, and, while it lives, its engine.

    Args:
        network: where it lives.
        card: who it is.
        budget: makes a session's wake budget; ``None`` for a person's shell.
    """

    def __init__(self, network: Network, card: Card, budget: Callable[[], Budget] | None) -> None:
        self.network, self.card, self._budget = network, card, budget
        self.mailbox = MemoryMailbox(card.id)
        self.engine: Engine | None = None
        self.answers: list[Answer] = []
        self.pause: tuple[float, tuple[Token, ...]] | None = None  # until when, and whose waiters come again

    def start(self) -> None:
        """Live (again): an engine made from what the mailbox holds."""
        budget = self._budget() if self._budget else None
        self.engine = Engine(self.card, self.mailbox.snapshot(self.network.now, self.network.clock), budget)
        self._perform((), self.engine.start(self.network.now), None)

    def kill(self) -> None:
        """Die at once; only the mailbox stays."""
        self.engine = self.pause = None
        self.network.died(self.card.id)

    def handle(self, *inputs: Input, crash: int | None = None) -> None:
        """Do what the engine decides about *inputs*, as one batch: commit, speak, answer.

        Args:
            inputs: what happened. A dead peer notices nothing.
            crash: die after the commit and so many things said; 0 is between commit and speak.
        """
        if self.engine is None:
            return
        effects = [effect for one in inputs for effect in self.engine.handle(one, self.network.now)]
        self._perform(inputs, effects, crash)

    def _perform(self, inputs: Collection[Input], effects: list[Effect], crash: int | None) -> None:
        keeps: list[Keep] = [one for one in effects if isinstance(one, Keep)]
        try:
            if keeps:
                self.mailbox.keep(keeps, self.network.clock)
        except PeerError as wrong:
            self._recover(inputs, effects, wrong)
            return
        spoken: list[Speak] = [one for one in effects if isinstance(one, Speak)]
        absent = [peer for one in spoken[:crash] for peer in self._speak(one)]
        if crash is not None:
            self.kill()
            return
        self.answers += [one for one in effects if isinstance(one, Answer)]
        if absent:
            self.handle(*(NoSuchPeer(peer) for peer in absent))

    def _speak(self, what: Speak) -> Iterable[PeerId]:
        match what:
            case Dial(peer):
                if not self.network.knows(peer):
                    return [peer]
                self.network.dial(self.card.id, peer)
            case HangUp(peer):
                self.network.hang_up(self.card.id, peer)
            case Tell(peer, frame):
                self.network.tell(self.card.id, peer, frame)
            case Transmit(peer, n, prev):
                self.network.tell(self.card.id, peer, Mail(self.mailbox.outgoing(n), prev))
            case Reply(route, frame):
                self.network.reply(self.card.id, route, frame)
        return []

    def _recover(self, inputs: Collection[Input], effects: list[Effect], wrong: PeerError) -> None:
        """Nothing of the batch was kept: say nothing of it, and go back to what the mailbox holds."""
        old = cast(Engine, self.engine)
        for peer in list(old.outgoing.others):
            self.network.hang_up(self.card.id, peer)
        lost = [one for one in effects if isinstance(one, (SayAnswer, Show))]
        waiters = {one.token for one in lost if isinstance(one, Show) and one.wake}
        asked = {one.token for one in lost} | {one.token for one in inputs if isinstance(one, Say)}
        snapshot = self.mailbox.snapshot(self.network.now, self.network.clock)
        self.engine = Engine(old.card, snapshot, old.turns.budget if old.turns else None)
        self.engine.inherit(old, asked)
        self.answers += [one for one in effects if isinstance(one, (Retire, Fail))]
        self.answers += [Fail(token, wrong.code, str(wrong)) for token in sorted(asked - waiters)]
        self.pause = (self.network.now + PAUSE, tuple(sorted(waiters)))

    def alarm(self) -> float | None:
        """When this peer has something to do, if nothing happens before."""
        if self.engine is None:
            return None
        times = (self.engine.next_alarm(self.network.now), self.pause[0] if self.pause else None)
        return min((at for at in times if at is not None), default=None)

    def wake(self) -> None:
        """Do what is due."""
        if self.engine is not None and self.pause and self.pause[0] <= self.network.now:
            waiters, self.pause = self.pause[1], None
            self._perform((), self.engine.start(self.network.now), None)
            self.handle(*(WaiterCame(token) for token in waiters))
        self.handle(Tick())

    def hands(self) -> list[Show]:
        """What was handed out and not yet shown, nor taken back."""
        held = self.engine.incoming.handed if self.engine else {}
        return [one for one in self.answers if isinstance(one, Show) and one.ids and one.token in held]
