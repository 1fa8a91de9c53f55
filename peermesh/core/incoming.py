"""What others said to one peer: taken in order, once, and handed out to be shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from peermesh.core.frames import (
    Ack,
    Bye,
    Denied,
    Gap,
    Hello,
    Mail,
    Noted,
    Ping,
    Pong,
    Receipts,
    Refused,
    Request,
    Welcome,
)
from peermesh.core.script import Effect, KeepIn, MoveOut, Reply, Route, Token
from peermesh.core.waiting import Waiting, place
from peermesh.core.words import (
    CHAIN_LIMIT,
    QUEUE_SIZE,
    Envelope,
    Message,
    MessageId,
    PeerId,
    envelope,
    mebi,
)

# Unshown messages that a mailbox takes; the sender of the next one is told.
INBOX_LIMIT = 200_000
# And characters of those: when there are so many, the next message is refused, so one body more may be there.
INBOX_SIZE = QUEUE_SIZE
# Links that others may hold open to one peer; the one unused longest is forgotten first.
ROUTES_LIMIT = 4_096
# Characters of one body that a model is shown at once; the rest by `peer read ID`.
PREVIEW = 2_000
# Characters that go around a body: fence, sender, id, how to answer.
AROUND = 260
# Characters of one hook's output. The client replaces what is above 10,000 by a pointer to a file.
BLOCK = 8_500


class Way(StrEnum):
    """How messages come before a reader."""

    PRINTED = "printed"  # by a command: nothing can take it back
    PROMPT = "prompt"  # with a person's prompt, which may be taken back together with them
    HOOK = "hook"  # by any other hook: it stays, but for the death of the client


EVERY_WAY = frozenset(Way)


@dataclass(frozen=True, slots=True)
class Handed:
    """Messages that somebody at the door holds and has not yet shown; *how* he will show them."""

    ids: tuple[Envelope, ...]
    how: Way


class Incoming:
    """Accepts the mail of others and knows what is still to be shown.

    Args:
        me: whose mail it is.
        reader: whether somebody is shown it here; else it is only taken in, and counted.
    """

    def __init__(self, me: PeerId, *, reader: bool = True) -> None:
        self.me, self._reader = me, reader
        self.last: dict[PeerId, int] = {}
        self.due = Waiting()
        self.unread = self.unread_size = (
            0  # what waits besides, where there is no reader: messages, characters
        )
        self.handed: dict[Token, Handed] = {}
        self.unproven: dict[MessageId, tuple[Envelope, Way]] = {}  # written out, no sign yet that it stuck
        self._routes: dict[Route, PeerId] = {}
        self._gaps: dict[Route, int] = {}  # what each link was last told to send again

    # ------------------------------------------------------------ from the network

    def asked(self, route: Route, frame: Request, now: float) -> Iterator[Effect]:
        """A frame came in on a link that another peer dialled."""
        if isinstance(frame, Hello):
            yield from self._hello(route, frame)
            return
        sender = self._routes.get(route)
        if isinstance(frame, Bye):
            self._forget(route)
        elif sender is None:
            yield Reply(route, Denied("hello-first"))
        elif isinstance(frame, Mail):
            yield from self._mail(route, sender, frame, now)
        elif isinstance(frame, Receipts):
            for n, state in frame.states:
                yield MoveOut((n,), state, by=sender)
            yield Reply(route, Noted(frame.states))
        elif isinstance(frame, Ping):
            yield Reply(route, Pong())

    def _hello(self, route: Route, hello: Hello) -> Iterator[Effect]:
        if hello.you != self.me:
            yield Reply(route, Denied("not-me"))
            return
        self._forget(route)
        while len(self._routes) >= ROUTES_LIMIT:
            self._forget(next(iter(self._routes)))
        self._routes[route] = hello.me
        yield Reply(route, Welcome(self.me, self.last.get(hello.me, 0)))

    def _forget(self, route: Route) -> None:
        self._routes.pop(route, None)
        self._gaps.pop(route, None)

    def _mail(self, route: Route, sender: PeerId, mail: Mail, now: float) -> Iterator[Effect]:
        message, last = mail.message, self.last.get(sender, 0)
        n = message.id.n
        if message.id.peer != sender or message.to != self.me:
            yield Reply(route, Denied("not-yours"))
        elif n <= last:
            yield Reply(route, Ack(last))
        elif mail.prev > last:
            # Once for each place: every frame behind a lost one shows the same gap.
            if self._gaps.get(route) != last:
                self._gaps[route] = last
                yield Reply(route, Gap(last))
        elif refusal := self._refusal(message):
            # Not counted as heard: if this answer is lost, it is asked for and refused again.
            self._gaps.pop(route, None)
            yield Reply(route, Refused(n, *refusal))
        else:
            self.last[sender] = n
            if self._reader:
                self.due.add(envelope(message, now))
            else:
                self.unread += 1
                self.unread_size += len(message.body)
            yield KeepIn(message)
            yield Reply(route, Ack(n))

    def _refusal(self, message: Message) -> tuple[str, str] | None:
        if len(message.chain) > CHAIN_LIMIT:
            return "chain", f"it passed through {len(message.chain)} sessions since a person spoke"
        if len(self.due) + self.unread >= INBOX_LIMIT:
            return "full", f"{INBOX_LIMIT} messages wait there unread; say it again when some are read"
        if self.due.characters + self.unread_size >= INBOX_SIZE:
            return "full", f"{mebi(INBOX_SIZE)} wait there unread; say it again when some are read"
        return None

    # ------------------------------------------------------------ to whoever shows it

    def choose(self, fits: Callable[[Envelope], bool]) -> tuple[Envelope, ...]:
        """Waiting messages that *fits* lets through, as many as one hook's output can hold: of each sender the
        oldest, and of all senders some, however much one of them said.
        """
        chosen: list[Envelope] = []
        room = BLOCK
        for one in self.due.fair(fits):
            room -= min(one.size, PREVIEW) + AROUND
            if chosen and room < 0:
                break
            chosen.append(one)
        return tuple(sorted(chosen, key=place))

    def hand(self, token: Token, envelopes: Iterable[Envelope], how: Way) -> tuple[MessageId, ...]:
        """Give *envelopes* to *token*, to be shown in that way; nobody else is given them meanwhile."""
        held = tuple(envelopes)
        if held:
            self.handed[token] = Handed(held, how)
        for one in held:
            self.due.take(one)
        return tuple(one.id for one in held)

    def overtakes_nothing(self) -> Callable[[Envelope], bool]:
        """Whether a message may be read now: none that its sender said before it is in the hand of a hook, which comes
        to an end in a moment. A command, whose output may stand in a pager, is not waited for.
        """
        first: dict[PeerId, int] = {}
        for handed in self.handed.values():
            for one in handed.ids if handed.how is not Way.PRINTED else ():
                first[one.id.peer] = min(one.id.n, first.get(one.id.peer, one.id.n))
        return lambda one: one.urgent or one.id.n < first.get(one.id.peer, one.id.n + 1)

    def written(self, token: Token) -> Handed:
        """What *token* held has been written out and flushed."""
        handed = self.handed.pop(token, None) or Handed((), Way.PRINTED)
        if handed.how is not Way.PRINTED:
            self.unproven.update({one.id: (one, handed.how) for one in handed.ids})
        return handed

    def prove(self, ways: Collection[Way]) -> tuple[Envelope, ...]:
        """The client gave a sign: what was written out in those ways has stuck."""
        stuck = tuple(one for one, how in self.unproven.values() if how in ways)
        for one in stuck:
            del self.unproven[one.id]
        return stuck

    def take_back(self) -> tuple[Envelope, ...]:
        """What has no sign did not stick: it waits again, in its old place."""
        lost = tuple(one for one, _ in self.unproven.values())
        self.unproven.clear()
        self.due.put_back(lost)
        return lost

    def back(self, token: Token) -> bool:
        """*token* went away with messages in hand: they wait again, in their old place."""
        handed = self.handed.pop(token, None)
        if handed is None:
            return False
        self.due.put_back(handed.ids)
        return True
