"""Three to five peers in a box, and every order of events that hypothesis can think of: nothing is lost,
nothing is shown twice, the sender is told the truth.

``PEER_TEST=long`` lets it think for minutes.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from typing import cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from peermesh.core import incoming
from peermesh.core.budget import Budget
from peermesh.core.frames import Frame, Hello, Mail, Request
from peermesh.core.script import (
    Asked,
    Gone,
    HookAsked,
    Input,
    NewClient,
    ReadAsked,
    Retire,
    Say,
    SayAnswer,
    Show,
    Shown,
    Tick,
    Token,
    Turn,
    WaiterCame,
)
from peermesh.core.turns import BATCH, PROMPT, STOP
from peermesh.core.words import MessageId, PeerId, State, further
from peermesh.mesh.box import Box, Lane
from peermesh.mesh.boxed import Node
from peermesh.mesh.wire import decode, encode
from tests.core.people import card

# The real limits; some runs have smaller ones.
INBOX_LIMIT, INBOX_SIZE = incoming.INBOX_LIMIT, incoming.INBOX_SIZE
LONG = os.environ.get("PEER_TEST") == "long"
PEERS = ("aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd", "eeeeeeee")

numbers = st.integers(min_value=0, max_value=7)
# After which the network calms down, stands still, or the peer dies in the middle: after the commit and so
# many things said. Mostly calm: a peer that always dies says little.
CALM, STILL = -2, -1
fates = st.sampled_from([CALM] * 5 + [STILL] * 4 + [0, 0, 1, 2])
# What becomes of what was handed out: written and noted, held on to, dropped unwritten, or written while the
# peer or the hook died before it was noted.
SHOWN, LATER, DROPPED, PEER_DIED, HOOK_DIED = range(5)
ends = st.sampled_from([SHOWN] * 6 + [LATER] * 2 + [DROPPED, PEER_DIED, HOOK_DIED])
mishaps = st.sampled_from(["", "", "", "lose", "lose", "repeat", "reorder", "delay"])
seconds = st.sampled_from([0.01, 0.04, 0.3, 1.0, 2.5, 6.0, 16.0, 61.0])


class Peers(RuleBasedStateMachine):
    """The box, and beside it what an onlooker who sees everything knows."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Box()
        self.tokens = 0
        self.narrow = False
        self.urgent: set[MessageId] = set()
        self.displayed: Counter[MessageId] = Counter()
        self.excused: Counter[MessageId] = Counter()  # displayed, and the record of it was lost in a crash
        self.first_handed: dict[PeerId, list[MessageId]] = defaultdict(list)
        self.picked: set[MessageId] = set()  # read out of turn, by its id
        self.read_answers: dict[PeerId, int] = defaultdict(int)
        self.waiting: dict[PeerId, set[Token]] = defaultdict(set)
        self.kinds: dict[Token, str] = {}  # how what a hook was given comes before the model
        self.with_prompt: set[MessageId] = set()  # shown with a person's prompt, which may be taken back
        self.shaky: set[MessageId] = set()  # shown before a restart, without a sign since that it stuck
        self.open: dict[PeerId, set[Token]] = defaultdict(set)  # questions without an answer

    @initialize(
        count=st.integers(min_value=3, max_value=5),
        people=st.integers(min_value=0, max_value=1),
        room=st.sampled_from([(INBOX_LIMIT, INBOX_SIZE)] * 4 + [(2, INBOX_SIZE), (INBOX_LIMIT, 9)]),
    )
    def begin(self, count: int, people: int, room: tuple[int, int]) -> None:
        """Sessions, and perhaps a person's shell; their inboxes may be so small that mail is refused."""
        incoming.INBOX_LIMIT, incoming.INBOX_SIZE = room
        self.narrow = room != (INBOX_LIMIT, INBOX_SIZE)
        for place, peer in enumerate(PEERS[:count]):
            person = place < people
            # A small budget, so that mail is held back often.
            self.box.add(card(peer, name=peer[0], person=person), None if person else partial(Budget, 2, 1))

    # ------------------------------------------------------------ choosing

    def node(self, number: int) -> Node:
        """One of the peers."""
        nodes = list(self.box.nodes.values())
        return nodes[number % len(nodes)]

    def lane(self, number: int) -> Lane | None:
        """One of the lanes on which something may arrive."""
        ready = self.box.ready()
        return ready[number % len(ready)] if ready else None

    def token(self) -> Token:
        """A question that was never asked before."""
        self.tokens += 1
        return self.tokens

    def handle(self, node: Node, *inputs: Input, fate: int = STILL) -> None:
        """Tell *node*, whose door starts it if need be; a crash takes its waiters and callers along."""
        if node.engine is None:
            self.revive(node)
        self.expect_take_back(node, inputs)
        self.open[node.card.id] |= {
            one.token for one in inputs if isinstance(one, (Say, HookAsked, ReadAsked))
        }
        node.handle(*inputs, crash=fate if fate >= 0 else None)
        self.note(node)
        if fate == CALM:
            self.calm()

    def revive(self, node: Node) -> None:
        """Start a dead peer: what was written out before its death has no sign that it stuck."""
        self.shaken(node)
        node.start()
        self.note(node)

    def shaken(self, node: Node) -> None:
        """The engine is made anew, from what the mailbox holds."""
        self.shaky |= {one for one, row in node.mailbox.inbox.items() if row.state is State.HANDED}

    def expect_take_back(self, node: Node, inputs: Collection[Input]) -> None:
        """A new prompt without a sign in between, or a new client: what was shown may have been lost."""
        if node.mailbox.full:
            self.shaken(node)
        new = any(isinstance(one, NewClient) for one in inputs)
        typed = any(isinstance(one, HookAsked) and one.typed for one in inputs)
        unproven = [one for one, row in node.mailbox.inbox.items() if row.state is State.HANDED]
        lost = [one for one in unproven if new or (typed and one in self.with_prompt | self.shaky)]
        self.excused.update(lost)

    def calm(self) -> None:
        """All that is on its way arrives."""
        self.box.settle()
        for node in self.box.nodes.values():
            self.note(node)

    def note(self, node: Node) -> None:
        """Look at what *node* answered."""
        peer = node.card.id
        if node.engine is None:
            self.waiting[peer].clear()
            self.open[peer].clear()
        fresh, self.read_answers[peer] = node.answers[self.read_answers[peer] :], len(node.answers)
        for answer in fresh:
            self.open[peer].discard(answer.token)
            if isinstance(answer, SayAnswer):
                for one, to, state, _ in answer.messages:
                    if state is State.REFUSED:
                        continue
                    assert not further(state, self.truth(one, to)), f"{one}: the sender was told {state}"
            elif isinstance(answer, Show):
                self.note_hand(peer, answer)
            elif isinstance(answer, Retire):
                assert answer.token in self.waiting[peer] or node.engine is None
                self.waiting[peer].discard(answer.token)

    def note_hand(self, peer: PeerId, show: Show) -> None:
        """Remember the order in which messages were handed out for the first time."""
        if show.wake:
            self.waiting[peer].discard(show.token)
        for one in show.ids:
            if one not in self.first_handed[peer] and one not in self.picked:
                self.first_handed[peer].append(one)

    def truth(self, one: MessageId, to: PeerId) -> State:
        """How far a message really got."""
        if one not in self.box.nodes[to].mailbox.inbox:
            return State.QUEUED
        return State.SHOWN if self.displayed[one] else State.HELD

    # ------------------------------------------------------------ the door

    @rule(
        a=numbers,
        b=numbers,
        count=st.sampled_from([1, 1, 2, 4]),
        urgent=st.booleans(),
        wait=st.sampled_from([State.QUEUED, State.SAFE, State.SHOWN]),
        timeout=seconds,
        answer=st.sampled_from([False, False, False, True]),
        mishap=mishaps,
        fate=fates,
    )
    def say(self, *, a: int, b: int, count: int, mishap: str, fate: int, **more: object) -> None:
        """Somebody says something to one other, perhaps several things, and the first frame has bad luck."""
        node, other = self.node(a), self.node(b)
        if node is other:
            return
        for left in range(count, 0, -1):
            self._say(node, [other], fate if left == 1 and fate >= 0 else STILL, **more)
        for lane in self.box.ready():
            if (lane.source, lane.target, lane.upward) == (node.card.id, other.card.id, True):
                self.befall(lane, mishap)
        if fate == CALM:
            self.calm()

    @rule(a=numbers, fate=fates)
    def say_to_all(self, a: int, fate: int) -> None:
        """Somebody says something to all others."""
        node = self.node(a)
        self._say(node, [one for one in self.box.nodes.values() if one is not node], fate)

    @rule(a=numbers, which=numbers, fate=fates)
    def reply(self, a: int, which: int, fate: int) -> None:
        """Somebody answers what was shown to it."""
        node = self.node(a)
        shown = [one for one in node.mailbox.inbox if self.displayed[one]]
        if shown:
            one = shown[which % len(shown)]
            self._say(node, [self.box.nodes[one.peer]], fate, reply_to=one)

    def _say(self, node: Node, others: list[Node], fate: int, **more: object) -> None:
        known = set(node.mailbox.outbox)
        token = self.token()
        body = "x" * (1 + token % 7)  # of many lengths, so that what is counted by length can go wrong
        say = Say(token=token, to=tuple(one.card for one in others), kind="message", body=body, said_at=0.0)
        self.handle(node, replace(say, **more), fate=fate)
        if more.get("urgent"):
            self.urgent |= {MessageId(node.card.id, n) for n in set(node.mailbox.outbox) - known}

    @rule(a=numbers, event=st.sampled_from([PROMPT, STOP, BATCH]), typed=st.booleans(), end=ends, fate=fates)
    def hook(self, a: int, event: str, typed: bool, end: int, fate: int) -> None:
        """A hook asks what to show."""
        node, token = self.node(a), self.token()
        if typed and event == PROMPT:
            self.kinds[token] = PROMPT
        self.handle(node, HookAsked(token, event, typed=typed and event == PROMPT), fate=fate)
        self.end(node, end)

    @rule(a=numbers, most=st.integers(min_value=1, max_value=3), end=ends, fate=fates)
    def read(self, a: int, most: int, end: int, fate: int) -> None:
        """Somebody reads what is there."""
        node = self.node(a)
        self.handle(node, ReadAsked(self.token(), most), fate=fate)
        self.end(node, end)

    @rule(a=numbers, which=numbers, end=ends)
    def read_one(self, a: int, which: int, end: int) -> None:
        """Somebody reads one message, out of turn."""
        node = self.node(a)
        if node.engine is not None and node.engine.incoming.due:
            due = list(node.engine.incoming.due)
            one = due[which % len(due)]
            self.picked.add(one)
            self.handle(node, ReadAsked(self.token(), 1, only=one))
            self.end(node, end)

    @rule(a=numbers)
    def waiter(self, a: int) -> None:
        """The background hook comes."""
        node, token = self.node(a), self.token()
        self.handle(node)
        self.waiting[node.card.id].add(token)
        self.handle(node, WaiterCame(token))

    @rule(a=numbers)
    def waiter_dies(self, a: int) -> None:
        """The background hook ends without a word."""
        node = self.node(a)
        for token in list(self.waiting[node.card.id]):
            self.waiting[node.card.id].discard(token)
            self.handle(node, Gone(token))

    @rule(a=numbers, busy=st.booleans(), typed=st.booleans(), sign=st.booleans())
    def turn(self, a: int, busy: bool, typed: bool, sign: bool) -> None:
        """The hooks' first step noted a turn's begin or end, or the client's own file says so."""
        self.handle(self.node(a), Turn(busy=busy, typed=typed and busy, sign=sign))

    @rule(a=numbers)
    def new_client(self, a: int) -> None:
        """The session was resumed in another process."""
        self.handle(self.node(a), NewClient())

    @rule(which=numbers, end=ends, fate=fates)
    def show(self, which: int, end: int, fate: int) -> None:
        """Who was handed something a while ago comes to an end with it."""
        holders = [one for one in self.box.nodes.values() if one.hands()]
        if holders:
            self.end(holders[which % len(holders)], end, fate)

    def end(self, node: Node, end: int, fate: int = STILL) -> None:
        """Who was handed something writes it out, or does not, and says so, or does not."""
        hands = node.hands()
        if not hands or end == LATER:
            return
        hand = hands[-1]
        if end == DROPPED:
            self.handle(node, Gone(hand.token))
            return
        self.displayed.update(hand.ids)
        if self.kinds.get(hand.token) == PROMPT:
            self.with_prompt.update(hand.ids)
        if end != SHOWN or node.mailbox.full:
            self.excused.update(hand.ids)
        if end == PEER_DIED:
            node.kill()
            self.note(node)
        else:
            self.handle(node, Shown(hand.token) if end == SHOWN else Gone(hand.token), fate=fate)

    # ------------------------------------------------------------ the network

    @rule(which=numbers, count=st.sampled_from([1, 2, 4, 20]), fate=fates)
    def deliver(self, which: int, count: int, fate: int) -> None:
        """Frames arrive; over the last one the recipient may die."""
        for left in range(count, 0, -1):
            lane = self.lane(which)
            if lane is not None:
                self.box.deliver(lane, crash=fate if left == 1 and fate >= 0 else None)
                self.note(self.box.nodes[lane.target])

    @rule(a=numbers, count=numbers, event=st.sampled_from([PROMPT, STOP, BATCH]), fate=fates)
    def batch(self, a: int, count: int, event: str, fate: int) -> None:
        """Much comes at once to one peer, and is one commit: frames, a hook, somebody who reads."""
        node = self.node(a)
        inputs: list[Input] = [Tick(), HookAsked(self.token(), event), ReadAsked(self.token(), 1)]
        for _ in range(count):
            here = [one for one in self.box.ready() if one.target == node.card.id]
            inputs += [self.box.take(here[0])] if here else []
        self.handle(node, *inputs, fate=fate)

    @rule(which=numbers, mishap=mishaps)
    def disturb(self, which: int, mishap: str) -> None:
        """A frame is lost, comes twice, is overtaken, or is late."""
        lane = self.lane(which)
        if lane is not None:
            self.befall(lane, mishap)

    def befall(self, lane: Lane, mishap: str) -> None:
        """Let that happen to the oldest frame on *lane*."""
        if mishap == "delay":
            self.box.delay(lane, 1.0)
        elif mishap:
            {"lose": self.box.lose, "repeat": self.box.repeat, "reorder": self.box.reorder}[mishap](lane)

    @rule(a=numbers, which=numbers, end=ends)
    def echo(self, a: int, which: int, end: int) -> None:
        """All that one other ever said comes again on a link of its own, and then a hook asks."""
        node = self.node(a)
        senders = sorted({one.peer for one in node.mailbox.inbox})
        if senders:
            self.say_again(node, senders[which % len(senders)])
            self.hook(a, event=PROMPT, typed=False, end=end, fate=CALM)

    def say_again(self, node: Node, sender: PeerId) -> None:
        """Every message of *sender*'s that *node* has arrives once more."""
        frames: list[Frame] = [Hello(sender, node.card.id)]
        frames += [Mail(row.message, 0) for one, row in node.mailbox.inbox.items() if one.peer == sender]
        for frame in frames:
            self.handle(node, Asked(b"echo", cast(Request, decode(encode(frame)))))

    @rule(a=numbers, b=numbers)
    def cut(self, a: int, b: int) -> None:
        """A link breaks."""
        self.box.cut(self.node(a).card.id, self.node(b).card.id)

    @rule(size=st.integers(min_value=1, max_value=2))
    def split(self, size: int) -> None:
        """The network falls apart."""
        peers = list(self.box.nodes)
        self.box.split(peers[:size], peers[size:])

    @rule()
    def heal(self) -> None:
        """It is one again."""
        self.box.heal()

    @rule(a=numbers)
    def kill(self, a: int) -> None:
        """A peer dies."""
        node = self.node(a)
        node.kill()
        self.note(node)

    @rule(a=numbers)
    def restart(self, a: int) -> None:
        """A dead peer comes back."""
        self.handle(self.node(a), fate=CALM)

    @precondition(lambda self: self.box.nodes)
    @rule(a=numbers, full=st.sampled_from([False, False, True]))
    def disk(self, a: int, full: bool) -> None:
        """A disk is full, or has room again."""
        self.node(a).mailbox.full = full

    @rule(seconds=seconds, calm=st.booleans())
    def time_passes(self, seconds: float, calm: bool) -> None:
        """With a network that works meanwhile, or with one where all that is sent still stands."""
        if calm:
            self.box.run(seconds)
        else:
            self.box.skip(seconds)
        for node in self.box.nodes.values():
            self.note(node)

    # ------------------------------------------------------------ what always holds

    def sent(self) -> Iterator[tuple[MessageId, PeerId, State]]:
        """Every message that is on its sender's disk, and how far the sender believes it got."""
        for peer, node in self.box.nodes.items():
            for n, row in node.mailbox.outbox.items():
                yield MessageId(peer, n), row.message.to, row.state

    @invariant()
    def the_sender_knows_the_truth(self) -> None:
        """No message is on its sender's disk in a state further than the truth."""
        for one, to, state in self.sent():
            if state is State.REFUSED:
                assert self.narrow, f"{one} was refused, and nobody would"
                assert one not in self.box.nodes[to].mailbox.inbox, f"{one} was refused, and is there"
            else:
                assert not further(state, self.truth(one, to)), f"{one} is {state} for its sender"

    @invariant()
    def nothing_is_shown_twice(self) -> None:
        """Only a crash between writing out and noting it shows a message again."""
        for one, times in self.displayed.items():
            assert times <= 1 + self.excused[one], f"{one} was shown {times} times"

    @invariant()
    def sizes_are_sums(self) -> None:
        """What is counted as it comes and goes is what there is, after a restart too."""
        for node in self.box.nodes.values():
            if node.engine is None:
                continue
            due = node.engine.incoming.due
            assert due.characters == sum(one.size for one in due.values())
            for other in node.engine.outgoing.others.values():
                assert other.pending_size == sum(size for _, size in other.pending)

    @invariant()
    def order_is_kept(self) -> None:
        """Between two peers messages arrive and are handed out in the order in which they were said."""
        for peer, node in self.box.nodes.items():
            for said in (list(node.mailbox.inbox), self.first_handed[peer]):
                by: dict[PeerId, int] = {}
                for one in said:
                    if said is self.first_handed[peer] and (one in self.urgent or one in self.picked):
                        continue
                    assert one.n > by.get(one.peer, 0), f"{one} came after {one.peer}-{by[one.peer]}"
                    by[one.peer] = one.n

    @invariant()
    def one_waiter_at_most(self) -> None:
        """The newest waiter retired the others, and the engine knows who waits."""
        for peer, node in self.box.nodes.items():
            waiting = self.waiting[peer]
            assert len(waiting) <= 1
            if node.engine is not None and node.engine.turns is not None and node.pause is None:
                assert node.engine.turns.waiter == next(iter(waiting), None)

    # ------------------------------------------------------------ what comes true in the end

    def teardown(self) -> None:
        """With a fair network and time, all that was queued is safe; read, it is shown; then there is rest."""
        try:
            if self.box.nodes:
                self.come_to_rest()
        finally:
            incoming.INBOX_LIMIT, incoming.INBOX_SIZE = INBOX_LIMIT, INBOX_SIZE

    def come_to_rest(self) -> None:
        """What ``teardown`` promises."""
        self.box.heal()
        for node in self.box.nodes.values():
            node.mailbox.full = False
            if node.engine is None:
                self.revive(node)
        self.box.run(200.0)
        for node in self.box.nodes.values():
            self.note(node)
            assert not self.open[node.card.id], "somebody at the door was never answered"
        self.one_waiter_at_most()
        for one, to, state in self.sent():
            assert state is not State.QUEUED, f"{one} is still queued"
            assert state is State.REFUSED or one in self.box.nodes[to].mailbox.inbox, f"{one} is gone"
        self._read_all()
        self.box.run(200.0)
        for one, _, state in self.sent():
            assert state in (State.SHOWN, State.REFUSED), f"{one} is {state} for its sender, and was shown"
        for node in self.box.nodes.values():
            for sender in {one.peer for one in node.mailbox.inbox}:
                self.say_again(node, sender)
            assert node.engine is not None
            assert node.engine.at_rest
            assert node.engine.next_alarm(self.box.now) is None, "a link is still open"
            left = node.mailbox.snapshot(self.box.now, self.box.clock)
            assert (left.queued, left.unshown, left.handed, left.receipts) == ((), (), (), ())
        self.the_sender_knows_the_truth()
        self.nothing_is_shown_twice()

    def _read_all(self) -> None:
        for node in self.box.nodes.values():
            self.handle(node, Turn(busy=False, sign=True))
            for hand in node.hands():
                self._end(node, hand)
            for _ in range(1_000):
                if node.engine is None or not node.engine.incoming.due:
                    break
                self.handle(node, HookAsked(self.token(), PROMPT, typed=True), ReadAsked(self.token(), 1))
                hands = node.hands()
                assert hands, "there is something due, and nobody is given it"
                for hand in hands:
                    self._end(node, hand)
            assert node.engine is not None
            assert not node.engine.incoming.due, "the same is due again and again"

    def _end(self, node: Node, hand: Show) -> None:
        self.displayed.update(hand.ids)
        self.handle(node, Shown(hand.token))
        self.handle(node, Turn(busy=False, sign=True))


Peers.TestCase.settings = settings(
    max_examples=int(os.environ.get("PEER_TEST_EXAMPLES", "3000")) if LONG else 700,
    stateful_step_count=120 if LONG else 60,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    print_blob=True,
)
TestPeers = Peers.TestCase
