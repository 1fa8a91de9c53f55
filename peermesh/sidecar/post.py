"""One peer's engine with its mailbox and its links: performs what the engine decides.

A sidecar has one for itself, and one more for a while for each peer that is away and has mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable
from typing import Protocol, cast

from peermesh.core.budget import Budget
from peermesh.core.engine import Engine
from peermesh.core.frames import Ack, Mail
from peermesh.core.script import (
    Answer,
    Dial,
    Effect,
    Fail,
    Gone,
    HangUp,
    Input,
    Keep,
    KeepOut,
    LinkLost,
    NoSuchPeer,
    NotNow,
    Reply,
    Retire,
    Route,
    Say,
    SayAnswer,
    Show,
    Shown,
    Snapshot,
    Speak,
    Tell,
    Tick,
    Token,
    Transmit,
    WaiterCame,
)
from peermesh.core.words import Card, Message, PeerId, State
from peermesh.errors import PeerError
from peermesh.mesh.links import LinkError, Links
from peermesh.sidecar.heap import tighten
from peermesh.store.mailbox import Mailbox
from peermesh.store.sqlite import translated_os

# After a commit that failed the network is left alone for this long: a full disk stays full.
PAUSE = 1.0  # seconds

# Links that one peer has dialled at a time; each takes four descriptors, of which a process has 4,096. Who has more to
# speak with closes those on which all is said, so many at once.
LINKS, SPARED = 500, 64
# Where none could be closed, the next one looks for such after this.
FULL = 0.05  # seconds

# The mark of undelivered mail is taken away after so long a rest.
MARK_QUIET = 1.0  # seconds


class Busy(Exception):
    """Not now: whoever asked is to try again in a moment."""


class Surroundings(Protocol):
    """What a post needs of the sidecar around it."""

    def reach(self, peer: PeerId) -> str | None:
        """Where *peer* listens, now that somebody does; ``None`` if nobody ever will."""

    def log(self, words: str) -> None:
        """Leave a line in the sidecar's log."""

    def open_links(self, path: str, post: Post) -> Links:
        """The sockets of a post that listens at *path*."""


class Post:
    """Runs one peer.

    Args:
        around: the sidecar.
        card: the peer.
        directory: its directory; the caller holds its lock.
        mailbox: its mailbox, open.
        budget: its wake budget, if it is a session of this process.
        answer: is given what the engine answers to questions at the door; ``None`` if it has no door, and
            nobody is shown its messages here.
    """

    def __init__(  # noqa: PLR0913 - what a peer is made of
        self,
        around: Surroundings,
        card: Card,
        directory: str,
        mailbox: Mailbox,
        *,
        budget: Budget | None = None,
        answer: Callable[[Answer], None] | None = None,
    ) -> None:
        self._around, self.directory, self.mailbox = around, directory, mailbox
        self._budget, self._answer = budget, answer
        self._loop = asyncio.get_running_loop()
        self._inputs: list[Input] = []
        self._scheduled = False
        self._halted = False  # the engine is ahead of the disk, and the disk cannot be read: what comes waits
        self._timer: asyncio.TimerHandle | None = None
        self._fresh: dict[int, Message] = {}  # said in this batch: need not be read from disk
        self._marked = os.path.exists(self._mark)
        self.before: Callable[[], None] = lambda: None  # called before each batch
        self.after: Callable[[], None] = lambda: None  # and after it
        self.kept: list[Callable[[list[Keep], float], None]] = []  # told what was written, and when
        self._full_until = 0.0
        self.used = time.monotonic()
        self.heard = False  # whether anything came yet
        self.bad_frames = 0
        self.engine = Engine(card, self._snapshot(), budget, reader=answer is not None)
        self.links = around.open_links(os.path.join(directory, "link"), self)
        self._perform(self.engine.start(time.monotonic()))
        self._set_alarm()

    def _snapshot(self) -> Snapshot:
        return self.mailbox.snapshot(time.monotonic(), time.time(), reader=self._answer is not None)

    @property
    def _mark(self) -> str:
        return os.path.join(self.directory, "pending")

    # ------------------------------------------------------------ a batch

    def put(self, what: Input) -> None:
        """Tell the engine, together with all else that comes before the loop's next turn."""
        self._inputs.append(what)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.run)

    def put_first(self, what: Input) -> None:
        """From ``before``: tell the engine this ahead of the batch, but behind what a hook says that it has shown:
        the client goes on when that is answered, and what it does next is a sign of just this.
        """
        told = [place for place, one in enumerate(self._inputs) if isinstance(one, Shown)]
        self._inputs.insert(told[-1] + 1 if told else 0, what)

    def run(self) -> None:
        """Handle what came: one commit, then the network, then the answers."""
        self._scheduled = False
        if self.links.closed or self._halted:
            return
        self.before()
        inputs, self._inputs = self._inputs, []
        now = time.monotonic()
        if inputs:
            self.used, self.heard = now, True
        effects = [effect for one in inputs for effect in self.engine.handle(one, now)]
        try:
            self._perform(effects)
        except PeerError as wrong:
            self._recover(inputs, effects, wrong)
        finally:
            self._set_alarm()
        self.after()

    def _perform(self, effects: list[Effect]) -> None:
        keeps: list[Keep] = [e for e in effects if isinstance(e, Keep)]
        self._fresh = {e.message.id.n: e.message for e in keeps if isinstance(e, KeepOut)}
        if self.engine.outgoing.unsettled():
            self._set_mark()
        clock = time.time()
        if keeps:
            self.mailbox.keep(keeps, clock)
        if any(isinstance(e, Dial) for e in effects):
            tighten()
        for spoken in _coalesced([e for e in effects if isinstance(e, Speak)]):
            try:
                self._speak(spoken)
            except PeerError as wrong:  # the batch is kept all the same
                self._unspoken(spoken, wrong)
        self._hand_out([e for e in effects if isinstance(e, Answer)])
        for told in self.kept if keeps else ():
            try:
                told(keeps, clock)
            except PeerError as wrong:
                self._around.log(f"{self.engine.card.name}: {wrong}")
        self._fresh = {}

    def _set_mark(self) -> None:
        """Leave a sign for the host's other sidecars, before the commit, that this mailbox has
        something to deliver: if this process dies, one of them takes it up.
        """
        if not self._marked:
            with translated_os(self._mark):
                os.close(os.open(self._mark, os.O_WRONLY | os.O_CREAT, 0o600))
            self._marked = True

    def look(self) -> None:
        """Now and then: drain sockets whose sign was missed, and take the mark away when all is settled.

        Not with each message: two changes of a directory cost more than the message does.
        """
        self.links.look()
        if time.monotonic() - self.used > MARK_QUIET:
            self._clear_mark()

    def _clear_mark(self) -> None:
        if self._marked and not self.engine.outgoing.unsettled():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._mark)
            self._marked = False

    def _speak(self, what: Speak) -> None:
        # Patterns without places: Python 3.11 looks up "__match_args__" for one with, by a new text each time, of which
        # its cache of attributes keeps up to 4,096. That took each sidecar 0.26 MB within its first talk.
        match what:
            case Dial():
                self._dial(what.peer)
            case HangUp():
                self.links.hang_up(what.peer)
            case Tell():
                self.links.tell(what.peer, what.frame)
            case Transmit():
                message = self._fresh.get(what.n) or self.mailbox.outgoing(what.n)
                self.links.tell(what.peer, Mail(message, what.prev))
            case Reply():
                self.links.reply(what.route, what.frame)

    def _unspoken(self, what: Speak, wrong: PeerError) -> None:
        """What is to be said, or to whom, cannot be read just now: it is tried again, after a pause."""
        self._around.log(f"{self.engine.card.name}: {wrong}")
        if not isinstance(what, Reply):  # who waits for one asks again
            self.put(LinkLost(what.peer))

    def _dial(self, peer: PeerId) -> None:
        try:
            self._make_room()
            path = self._around.reach(peer)
            if path is not None:
                self.links.dial(peer, path)
        except Busy:
            self.put(NotNow(peer))
            return
        except (OSError, LinkError) as wrong:
            self._around.log(f"{self.engine.card.name}: {peer} cannot be dialled: {wrong}")
            self.put(LinkLost(peer))  # it is tried again, after a pause
            return
        if path is None:
            self.put(NoSuchPeer(peer))

    def _make_room(self) -> None:
        """For one more link.

        Raises:
            Busy: there is none yet.
        """
        if self.links.dialled < LINKS:
            return
        if time.monotonic() < self._full_until:
            raise Busy
        for spoken in self.engine.outgoing.spare(SPARED, time.monotonic()):
            self._speak(cast(Speak, spoken))
        if self.links.dialled >= LINKS:
            self._full_until = time.monotonic() + FULL
            raise Busy

    def _recover(self, inputs: list[Input], effects: list[Effect], wrong: PeerError) -> None:
        """Nothing of the batch was kept: say nothing of it, and go back to what the disk holds."""
        if self.links.closed:
            return
        self._around.log(f"{self.engine.card.name}: nothing was kept: {wrong}")
        old = self.engine
        said = {one.token for one in inputs if isinstance(one, Say)}
        # What was said before this batch is on disk, and so far that is all.
        older = [one for one in effects if isinstance(one, SayAnswer) and one.token not in said]
        lost = [one for one in effects if isinstance(one, Show)]
        waiters = {one.token for one in lost if one.wake}
        asked = said | {one.token for one in lost}
        answers: list[Answer] = [_queued(one) for one in older]
        answers += [_instead(one, wrong) for one in lost if not one.wake and one.token not in said]
        answers += [Fail(token, wrong.code, str(wrong)) for token in sorted(said)]
        try:
            snapshot = self._snapshot()
        except PeerError as worse:
            self._around.log(f"{old.card.name}: the mailbox cannot be read either: {worse}")
            self._halted = True
            self._hand_out(answers)
            self._loop.call_later(PAUSE, self._recover, inputs, effects, wrong)
            return
        for peer in list(old.outgoing.others):
            self.links.hang_up(peer)
        self.engine = Engine(old.card, snapshot, self._budget, reader=self._answer is not None)
        self.engine.inherit(old, asked)
        self._halted = False
        self._hand_out([one for one in effects if isinstance(one, Retire | Fail)])
        self._hand_out(answers)
        self._loop.call_later(PAUSE, self._restart, sorted(waiters))

    def _restart(self, waiters: list[Token]) -> None:
        """Try again: take up what the mailbox holds; whoever waited to wake the session still does."""
        if self.links.closed:
            return
        effects = self.engine.start(time.monotonic())
        try:
            self._perform(effects)
        except PeerError as wrong:
            self._recover([], effects, wrong)
        for token in waiters:
            self.put(WaiterCame(token))
        self._loop.call_soon(self.run)  # what came while it was halted
        self._set_alarm()

    def hurried(self) -> list[SayAnswer]:
        """This peer leaves: whoever waits to hear of messages is told how far they got, and of what was not said."""
        said = [one.token for one in self._inputs if isinstance(one, Say)]
        self._hand_out([Fail(token, "no-sidecar", "the sidecar is ending; try again") for token in said])
        return self.engine.hurried()

    def _hand_out(self, answers: Iterable[Answer]) -> None:
        give = self._answer
        if give is None:
            return
        for answer in answers:
            try:
                give(answer)
            except PeerError as wrong:  # what was to be shown cannot be read just now: it waits again
                self._around.log(f"{self.engine.card.name}: {wrong}")
                self.put(Gone(answer.token))
                give(_instead(answer, wrong))

    # ------------------------------------------------------------ time

    def _set_alarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        at = self.engine.next_alarm(now)
        if at is not None:
            self._timer = self._loop.call_later(max(0.001, at - now), self.put, Tick())

    @staticmethod
    def loop_time() -> float:
        """The clock by which the engine is run: monotonic, in seconds."""
        return time.monotonic()

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way."""
        return self.engine.at_rest and not self._inputs

    def close(self) -> None:
        """Close sockets and mailbox; the lock is the caller's."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.links.close()
        self._clear_mark()
        self.mailbox.close()


def _instead(answer: Answer, wrong: PeerError) -> Answer:
    """What is answered if that cannot be. Who asked a question is not told that nothing was sent: it was."""
    if isinstance(answer, Show) and answer.asked is not None:
        return _queued(answer.asked)
    return Fail(answer.token, wrong.code, str(wrong))


def _queued(answer: SayAnswer) -> SayAnswer:
    """The same answer where nothing of what its messages reached could be kept."""
    rows = tuple((one, peer, State.QUEUED, "") for one, peer, _, _ in answer.messages)
    return SayAnswer(answer.token, rows, reached=False)


def _coalesced(spoken: list[Speak]) -> list[Speak]:
    """Of several acknowledgements on one way back, the last says all."""
    last: dict[Route, int] = {}
    for place, one in enumerate(spoken):
        if isinstance(one, Reply) and isinstance(one.frame, Ack):
            last[one.route] = place
    return [
        one
        for place, one in enumerate(spoken)
        if not (isinstance(one, Reply) and isinstance(one.frame, Ack)) or last[one.route] == place
    ]
