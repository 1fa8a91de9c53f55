"""One peer's judgement: ``handle(input, now) -> effects``. Whoever runs it performs the effects.

The same engine runs in a session's sidecar, for a person's shell, and, while a peer is away, in
whichever sidecar of its host has mail for it or finds some that it left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import singledispatchmethod
from itertools import islice

from peermesh.core.budget import Budget
from peermesh.core.frames import Hello
from peermesh.core.incoming import EVERY_WAY, Incoming, Way
from peermesh.core.outgoing import Outgoing
from peermesh.core.script import (
    Asked,
    Effect,
    Fail,
    Gone,
    Heard,
    HookAsked,
    Input,
    KeepIn,
    KeepOut,
    LinkLost,
    MoveIn,
    MoveOut,
    NewClient,
    NoSuchPeer,
    NotNow,
    ReadAsked,
    Renamed,
    Retire,
    Say,
    SayAnswer,
    Show,
    Shown,
    Snapshot,
    Tick,
    Token,
    Turn,
    WaiterCame,
)
from peermesh.core.turns import BATCH, PROMPT, STOP, Turns
from peermesh.core.waiting import Waiting, place
from peermesh.core.watches import Watch, Watches
from peermesh.core.words import (
    CHAIN_LIMIT,
    QUEUE_LIMIT,
    QUEUE_SIZE,
    Card,
    Envelope,
    Message,
    MessageId,
    PeerId,
    State,
    mebi,
)

# The client begins a woken turn, and notes what woke it a moment later: one that is killed in between
# does not know of it when it comes back. (Killed 0.2 s after the waking, it did.)
SETTLING = 0.5  # seconds


class Engine:
    """All that is decided about one peer's messages. Times are monotonic seconds.

    Args:
        card: who this peer is.
        snapshot: what its mailbox holds.
        budget: how often it may be woken; only a session has one.
        reader: whether somebody is shown its messages here. Who stands in for it only takes them in.
    """

    def __init__(
        self, card: Card, snapshot: Snapshot, budget: Budget | None = None, *, reader: bool = True
    ) -> None:
        self.card = card
        self.incoming = Incoming(card.id, reader=reader)
        self.outgoing = Outgoing(card.id)
        self.turns = Turns(budget) if budget else None
        self._next_n = snapshot.next_n
        self._settles_at: float | None = None  # when what woke the session has stuck
        self._watches = Watches(card.id)
        self._restore(snapshot)

    def _restore(self, snapshot: Snapshot) -> None:
        self.incoming.last = dict(snapshot.heard)
        self.incoming.due = Waiting(snapshot.unshown)
        self.incoming.unread, self.incoming.unread_size = snapshot.waiting, snapshot.waiting_size
        self.incoming.unproven = {one.id: (one, Way.PROMPT) for one in snapshot.handed}
        for to, n, size in snapshot.queued:
            self.outgoing.other(to).add(n, size)
        for message, state in snapshot.receipts:
            self.outgoing.other(message.peer).receipts[message.n] = state

    def start(self, now: float) -> list[Effect]:
        """Take up what the mailbox left undone."""
        return [e for peer in list(self.outgoing.others) for e in self.outgoing.push(peer, now)]

    def handle(self, what: Input, now: float) -> list[Effect]:
        """What to do about *what*, which happens at *now*."""
        effects: list[Effect] = []
        for effect in self._handle(what, now):
            effects.append(effect)
            effects.extend(self._followed_by(effect))
        effects.extend(self._watches.late(now))
        effects.extend(self._wake(now))
        return effects

    @singledispatchmethod
    def _handle(self, what: Input, now: float) -> Iterator[Effect]:
        raise TypeError(f"no such input: {what!r}")

    def inherit(self, old: Engine, failed: Collection[Token]) -> None:
        """Carry on for *old*, whose last batch was not kept: who waits at the door still waits.

        Args:
            old: the engine before.
            failed: the questions whose answers were in that batch: they are answered otherwise, and what was
                to be handed to them waits again.
        """
        self.turns = old.turns
        self._watches = old._watches.without(failed)
        for token, handed in old.incoming.handed.items():
            if token in failed:
                continue
            held = [one for one in handed.ids if one.id in self.incoming.due]
            self.incoming.hand(token, held, handed.how)

    # ------------------------------------------------------------ saying

    @_handle.register
    def _say(self, say: Say, now: float) -> Iterator[Effect]:
        chain = self._chain()
        if len(chain) > CHAIN_LIMIT:
            why = (
                f"sessions have answered each other {CHAIN_LIMIT} times since a person spoke; ask the person"
            )
            yield Fail(say.token, "chain", f"{why} whether to go on")
            return
        full = next(filter(None, map(self._full, say.to)), None)
        if full is not None:
            yield Fail(say.token, "full", full)
            return
        messages = [self._message(say, to, chain) for to in say.to]
        for message in messages:
            yield KeepOut(message)
            yield from self.outgoing.enqueue(message.to, message.id.n, len(message.body), now)
        states = {m.id.n: (m.to, State.QUEUED, "") for m in messages}
        yield from self._watches.add(Watch(say.token, say.wait, now + say.timeout, say.answer, states))

    def _full(self, to: Card) -> str:
        """Why nothing more may be queued for *to*; "" if it may."""
        if self.outgoing.queued_for(to.id) >= QUEUE_LIMIT:
            return f"{QUEUE_LIMIT} messages to {to.name} are still queued; wait"
        if self.outgoing.queued_size_for(to.id) >= QUEUE_SIZE:
            return f"{mebi(QUEUE_SIZE)} to {to.name} are still queued; wait"
        return ""

    def _chain(self) -> tuple[PeerId, ...]:
        return (*self.turns.chain, self.card.id) if self.turns else ()

    def _message(self, say: Say, to: Card, chain: tuple[PeerId, ...]) -> Message:
        n, self._next_n = self._next_n, self._next_n + 1
        return Message(
            id=MessageId(self.card.id, n),
            to=to.id,
            to_name=to.address if to.host_key else to.name,
            kind=say.kind,
            body=say.body,
            by=self.card.name,
            host=self.card.host,
            repo=self.card.repo,
            branch=self.card.branch,
            group=say.group,
            reply_to=say.reply_to,
            urgent=say.urgent,
            chain=chain,
            said_at=say.said_at,
        )

    def _followed_by(self, effect: Effect) -> Iterator[Effect]:
        """What else a kept change means: somebody may wait for just that."""
        if isinstance(effect, MoveOut):
            yield from self._watches.moved(effect)
        elif isinstance(effect, KeepIn) and effect.message.reply_to is not None:
            asked = self._watches.answered(effect.message.reply_to)
            if asked is not None:
                yield self._printed(asked.token, [self.incoming.due[effect.message.id]], asked)

    def hurried(self) -> list[SayAnswer]:
        """Whoever waits to hear of messages of ours is answered now, with how far they got: this peer leaves."""
        return list(self._watches.late(float("inf")))

    # ------------------------------------------------------------ links

    @_handle.register
    def _asked(self, asked: Asked, now: float) -> Iterator[Effect]:
        yield from self.incoming.asked(asked.route, asked.frame, now)
        if isinstance(asked.frame, Hello):
            self.outgoing.hint(asked.frame.me, now)

    @_handle.register
    def _heard(self, heard: Heard, now: float) -> Iterator[Effect]:
        yield from self.outgoing.heard(heard.peer, heard.frame, now)

    @_handle.register
    def _link_lost(self, lost: LinkLost, now: float) -> Iterator[Effect]:
        yield from self.outgoing.lost(lost.peer, now)

    @_handle.register
    def _not_now(self, busy: NotNow, now: float) -> Iterator[Effect]:
        self.outgoing.not_now(busy.peer, now)
        yield from ()

    @_handle.register
    def _no_such_peer(self, gone: NoSuchPeer, now: float) -> Iterator[Effect]:
        yield from self.outgoing.vanished(gone.peer)

    @_handle.register
    def _tick(self, _: Tick, now: float) -> Iterator[Effect]:
        yield from self.outgoing.tick(now)
        if self._settles_at is not None and self._settles_at <= now:
            self._settles_at = None
            yield from self._stuck((Way.HOOK,), now)

    # ------------------------------------------------------------ showing

    @_handle.register
    def _hook(self, hook: HookAsked, now: float) -> Iterator[Effect]:
        turns = self.turns
        if turns is None:
            yield Show(hook.token, ())
        elif hook.event == PROMPT:
            turns.busy, turns.woken_at = True, None
            if hook.typed:
                yield from self._stuck((Way.HOOK,), now)
                turns.typed()
                yield from self._take_back()
            elif self.incoming.unproven:
                self._settles_at = now + SETTLING
            yield self._show(hook.token, Way.PROMPT if hook.typed else Way.HOOK)
        elif hook.event == STOP:
            yield from self._stuck(EVERY_WAY, now)
            may = turns.budget.free_at(now) == now
            show = self._show(hook.token) if may else self._nothing(hook.token)
            turns.busy = bool(show.ids)
            if show.ids:
                turns.budget.spend(now)
                turns.prolonging = hook.token
            else:
                turns.chain = ()  # the turn is over; what wakes the next one brings its own chain
            yield show
        else:
            if hook.event == BATCH:
                yield from self._stuck(EVERY_WAY, now)
            urgent = hook.event == BATCH and self.incoming.due.urgent
            yield self._show(hook.token, urgent=True) if urgent else self._nothing(hook.token)

    def _show(self, token: Token, how: Way = Way.HOOK, *, urgent: bool = False, wake: bool = False) -> Show:
        chosen = self.incoming.choose(lambda one: one.urgent or not urgent)
        ids = self.incoming.hand(token, chosen, how)
        return Show(token, ids, more=len(self.incoming.due), wake=wake)

    def _nothing(self, token: Token) -> Show:
        return Show(token, (), more=len(self.incoming.due))

    def _printed(self, token: Token, envelopes: Iterable[Envelope], asked: SayAnswer | None = None) -> Show:
        ids = self.incoming.hand(token, envelopes, Way.PRINTED)
        return Show(token, ids, more=len(self.incoming.due), asked=asked)

    def _stuck(self, ways: Collection[Way], now: float) -> Iterator[Effect]:
        """A sign of the client's: what was written out before is in the model's context."""
        yield from self._reached(self.incoming.prove(ways), State.SHOWN, now)

    def _take_back(self) -> Iterator[Effect]:
        """What was written out did not stick: it is to be shown again."""
        lost = self.incoming.take_back()
        if lost:
            yield MoveIn(tuple(one.id for one in lost), State.SAFE)

    @_handle.register
    def _read(self, read: ReadAsked, now: float) -> Iterator[Effect]:
        due = self.incoming.due
        if read.only is None:
            # What a hook has in hand may come back, if nobody hears it any more: nothing overtakes it meanwhile.
            some = sorted(islice(due.fair(self.incoming.overtakes_nothing()), read.most), key=place)
        else:
            some = [due[read.only]] if read.only in due else []
        yield self._printed(read.token, some)

    @_handle.register
    def _shown(self, shown: Shown, now: float) -> Iterator[Effect]:
        written = self.incoming.written(shown.token)
        if self.turns:
            self.turns.read(written.ids)
        if written.how is Way.PRINTED:
            yield from self._reached(written.ids, State.SHOWN, now)
        else:
            yield MoveIn(tuple(one.id for one in written.ids), State.HANDED)

    def _reached(self, envelopes: Iterable[Envelope], state: State, now: float) -> Iterator[Effect]:
        ids = tuple(one.id for one in envelopes)
        if ids:
            yield MoveIn(ids, state)
            for one in ids:
                yield from self.outgoing.owe(one, state, now)

    @_handle.register
    def _gone(self, gone: Gone, now: float) -> Iterator[Effect]:
        self._watches.drop(gone.token)
        back = self.incoming.back(gone.token)
        if self.turns and self.turns.waiter == gone.token:
            self.turns.waiter = None
        if self.turns and self.turns.prolonging == gone.token and back:
            self.turns.busy = False  # the turn ended after all: its Stop hook said nothing
        if self.turns and back:
            self.turns.woken_at = None  # nobody was woken with them
        yield from ()

    @_handle.register
    def _waiter(self, waiter: WaiterCame, now: float) -> Iterator[Effect]:
        if self.turns is None:
            yield Retire(waiter.token)
            return
        if self.turns.waiter is not None:
            yield Retire(self.turns.waiter)
        self.turns.waiter = waiter.token

    @_handle.register
    def _turn(self, turn: Turn, now: float) -> Iterator[Effect]:
        woken = False
        if self.turns:
            self.turns.busy = turn.busy
            if turn.typed:
                self.turns.typed()
            if turn.sign:
                woken, self.turns.woken_at = self.turns.woken_at is not None, None
            if turn.sign and not turn.busy:
                self.turns.chain = ()
        if woken and turn.busy and not turn.typed:
            self._settles_at = now + SETTLING
        elif turn.sign:
            # A typed prompt of which only the hooks' first step knew: there was nothing to take back.
            yield from self._stuck((Way.HOOK,) if turn.typed else EVERY_WAY, now)

    @_handle.register
    def _new_client(self, _: NewClient, now: float) -> Iterator[Effect]:
        yield from self._take_back()

    @_handle.register
    def _renamed(self, renamed: Renamed, now: float) -> Iterator[Effect]:
        self.card = renamed.card
        yield from ()

    def _wake(self, now: float) -> Iterator[Effect]:
        turns = self.turns
        if turns is None or turns.busy or turns.waiter is None or not self.incoming.due:
            return
        if turns.budget.free_at(now) != now:
            yield from self._hold(now)
            return
        at = turns.wake_at(self.incoming.due, now)
        if at is not None and at <= now:
            waiter = turns.waiter
            turns.woken(now)
            yield self._show(waiter, wake=True)

    def _hold(self, now: float) -> Iterator[Effect]:
        """The budget is spent: keep the messages back, and let their senders see it."""
        yield from self._reached(self.incoming.due.hold(), State.HELD, now)

    # ------------------------------------------------------------ for whoever runs it

    def next_alarm(self, now: float) -> float | None:
        """When to come back with a ``Tick``, if nothing happens before."""
        times = [self.outgoing.alarm(), self._watches.deadline(), self._settles_at]
        if self.turns:
            times += [self.turns.wake_at(self.incoming.due, now), self.turns.look_at(now)]
        return min((at for at in times if at is not None), default=None)

    def occasions(self, now: float) -> frozenset[str]:
        """The hook events at which there is something to say: the lane is skipped at the others."""
        turns, due = self.turns, self.incoming.due
        if turns is None:
            return frozenset()
        # After a wake the lane looks at the prompts: only a person's own refills the budget. The first one is most
        # often the client's own, which the hooks' first step knows by itself.
        looks = (self.incoming.unproven or turns.budget.spent) and turns.woken_at is None
        some = {PROMPT} if due or looks else set()
        if due and turns.budget.free_at(now) == now:
            some.add(STOP)
        if due.urgent:
            some.add(BATCH)
        return frozenset(some)

    @property
    def waking(self) -> bool:
        """Whether a client was given what wakes it and has not begun its turn, or only just: it may die without it."""
        return self._settles_at is not None or (self.turns is not None and self.turns.woken_at is not None)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is to be delivered, told, shown or answered just now."""
        return not (self.outgoing.unsettled() or self._watches or self.incoming.handed)
