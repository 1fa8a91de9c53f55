"""What one peer has to say to the others: its queues, how far each message got, and the links."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from peermesh.core.frames import (
    Ack,
    Bye,
    Denied,
    Gap,
    Hello,
    Noted,
    Ping,
    Pong,
    Receipts,
    Refused,
    Response,
    Welcome,
)
from peermesh.core.links import PATIENCE, Link, Move, Phase
from peermesh.core.script import Dial, Effect, HangUp, MoveOut, Tell, Told, Transmit
from peermesh.core.words import MessageId, PeerId, State, further

# Messages and characters on their way to one peer before the first is acknowledged: enough to
# keep a local link busy for 5 ms, little enough to be held in memory twice.
WINDOW = 256
WINDOW_SIZE = 4 * 1024 * 1024
# Receipts in one frame; a peer that comes back to thousands sends several.
RECEIPTS_AT_ONCE = 500


@dataclass(slots=True)
class Correspondent:
    """One other peer, and what is on its way there."""

    link: Link = field(default_factory=Link)
    pending: deque[tuple[int, int]] = field(default_factory=deque)  # (n, size), not yet safe
    pending_size: int = 0  # characters of all those
    flying: int = 0  # how many of those were sent on this link
    flying_size: int = 0
    receipts: dict[int, State] = field(default_factory=dict)
    receipts_flying: bool = False

    @property
    def wanted(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.pending or self.receipts)

    @property
    def outstanding(self) -> bool:
        """Whether an answer is awaited."""
        return self.flying > 0 or self.receipts_flying

    def add(self, n: int, size: int) -> None:
        """Message *n* of *size* characters is to be said, behind all others."""
        self.pending.append((n, size))
        self.pending_size += size

    def shift(self) -> int:
        """The first message waits no longer; its number."""
        n, size = self.pending.popleft()
        self.pending_size -= size
        if self.flying:
            self.flying -= 1
            self.flying_size -= size
        return n

    def ground(self) -> None:
        """The link is gone, and so is all that was in the air."""
        self.flying = self.flying_size = 0
        self.receipts_flying = False


class Outgoing:
    """Sends each peer its messages in order, without gaps, until it says that they are safe."""

    def __init__(self, me: PeerId) -> None:
        self.me = me
        self.others: dict[PeerId, Correspondent] = {}

    def other(self, peer: PeerId) -> Correspondent:
        """The correspondent *peer*, new if need be."""
        return self.others.setdefault(peer, Correspondent())

    def enqueue(self, to: PeerId, n: int, size: int, now: float) -> Iterator[Effect]:
        """Message *n* of *size* characters is in the outbox; get it to *to*."""
        self.other(to).add(n, size)
        yield from self.push(to, now)

    def owe(self, message: MessageId, state: State, now: float) -> Iterator[Effect]:
        """The sender of *message* is to be told that it reached *state*."""
        self.other(message.peer).receipts[message.n] = state
        yield from self.push(message.peer, now)

    def push(self, peer: PeerId, now: float) -> Iterator[Effect]:
        """Dial *peer*, or send what the window allows."""
        other = self.other(peer)
        if other.link.phase is Phase.IDLE and other.wanted:
            yield from self._dial(peer, other, Move.WANT, now)
        elif other.link.phase is Phase.UP:
            yield from self._fill_window(peer, other)
            yield from self._send_receipts(peer, other)
            if other.outstanding:
                other.link.expect(now)

    def _dial(self, peer: PeerId, other: Correspondent, why: Move, now: float) -> Iterator[Effect]:
        other.link.move(why, now)
        other.ground()
        yield Dial(peer)
        yield Tell(peer, Hello(self.me, peer))

    def _fill_window(self, peer: PeerId, other: Correspondent) -> Iterator[Effect]:
        while other.flying < len(other.pending) and other.flying < WINDOW:
            n, size = other.pending[other.flying]
            if other.flying and other.flying_size + size > WINDOW_SIZE:
                return
            prev = other.pending[other.flying - 1][0] if other.flying else 0
            other.flying += 1
            other.flying_size += size
            yield Transmit(peer, n, prev)

    def _send_receipts(self, peer: PeerId, other: Correspondent) -> Iterator[Effect]:
        if other.receipts and not other.receipts_flying:
            other.receipts_flying = True
            some = tuple(islice(other.receipts.items(), RECEIPTS_AT_ONCE))
            yield Tell(peer, Receipts(some))

    def heard(self, peer: PeerId, frame: Response, now: float) -> Iterator[Effect]:
        """A frame came back from *peer*."""
        other = self.other(peer)
        match frame:  # without places, see Post._speak
            case Welcome() if frame.me == peer:
                if other.link.move(Move.WELCOME, now):
                    yield from self._landed(other, frame.last)
            case Ack():
                yield from self._landed(other, frame.last)
            case Gap():
                yield from self._landed(other, frame.last)
                other.ground()
            case Refused():
                yield from self._landed(other, frame.n - 1)
                # There is no room for those behind it either: they were not taken, and would each bring the whole
                # window on its way once more.
                count = max(1, other.flying) if frame.code == "full" else 1
                yield from self._refused(other, frame.n, f"{frame.code}: {frame.why}", count)
            case Noted():
                yield from self._noted(peer, other, frame.states)
            case Denied() | Bye() | Welcome():
                yield from self.lost(peer, now)
                return
            case Pong():
                # Links keep order: an answer that should have come before this one never will.
                other.ground()
        other.link.sign_of_life(now, outstanding=other.outstanding)
        yield from self.push(peer, now)

    def _landed(self, other: Correspondent, last: int) -> Iterator[Effect]:
        done: list[int] = []
        while other.pending and other.pending[0][0] <= last:
            done.append(other.shift())
        if done:
            yield MoveOut(tuple(done), State.SAFE)

    def _refused(self, other: Correspondent, n: int, why: str, count: int) -> Iterator[Effect]:
        if other.pending and other.pending[0][0] == n:
            yield MoveOut(tuple(other.shift() for _ in range(count)), State.REFUSED, why)

    @staticmethod
    def _noted(peer: PeerId, other: Correspondent, states: tuple[tuple[int, State], ...]) -> Iterator[Effect]:
        other.receipts_flying = False
        settled = tuple((n, s) for n, s in states if n in other.receipts)
        for n, state in settled:
            if not further(other.receipts[n], state):
                del other.receipts[n]
        if settled:
            yield Told(peer, settled)

    def lost(self, peer: PeerId, now: float, why: Move = Move.LOST) -> Iterator[Effect]:
        """The link to *peer* is cut, by either end, or was not welcomed in time."""
        other = self.other(peer)
        if other.link.move(why, now):
            other.ground()
            yield HangUp(peer)
        self._rest(other, now)

    def not_now(self, peer: PeerId, now: float) -> None:
        """*peer* was not dialled, for want of room here: come back to it soon, and as often as need be."""
        other = self.others.get(peer)
        if other is not None:
            other.link.move(Move.BUSY, now)
            self._rest(other, now)

    def vanished(self, peer: PeerId) -> Iterator[Effect]:
        """*peer* is gone for good: its queue is refused, its receipts are dropped."""
        other = self.others.pop(peer, None)
        if other is None:
            return
        yield HangUp(peer)
        if other.pending:
            yield MoveOut(
                tuple(n for n, _ in other.pending), State.REFUSED, "gone: that peer is not known any more"
            )
        if other.receipts:
            yield Told(peer, tuple(other.receipts.items()))

    @staticmethod
    def _rest(other: Correspondent, now: float) -> None:
        if not other.wanted:
            other.link.move(Move.REST, now)

    def hint(self, peer: PeerId, now: float) -> None:
        """*peer* spoke to us: it is there, so a dial that waits need not wait longer."""
        other = self.others.get(peer)
        if other is not None and other.link.phase is Phase.WAITING:
            other.link.due = now

    def tick(self, now: float) -> Iterator[Effect]:
        """Do what is due on any link."""
        for peer, other in list(self.others.items()):
            if other.link.due is not None and other.link.due <= now:
                yield from self._due(peer, other, now)

    def _due(self, peer: PeerId, other: Correspondent, now: float) -> Iterator[Effect]:
        link = other.link
        if link.phase is Phase.WAITING:
            self._rest(other, now)
            if other.wanted:
                yield from self._dial(peer, other, Move.DUE, now)
        elif link.phase is Phase.GREETING:
            yield from self.lost(peer, now, Move.DUE)
        elif other.outstanding and not link.pinged:
            link.pinged, link.due = True, now + PATIENCE
            yield Tell(peer, Ping())
        elif other.outstanding:
            link.failures = 2  # it took our connection and fell silent: it hangs
            yield from self.lost(peer, now)
        else:
            link.move(Move.DUE, now)
            yield Tell(peer, Bye())
            yield HangUp(peer)

    def spare(self, most: int, now: float) -> Iterator[Effect]:
        """Close up to *most* links on which all is said, those first that are quiet for longest: others need room."""
        quiet = [
            (other.link.heard, peer)
            for peer, other in self.others.items()
            if other.link.phase is Phase.UP and not other.wanted and not other.outstanding
        ]
        for _, peer in sorted(quiet)[:most]:
            self.others[peer].link.move(Move.DUE, now)
            yield Tell(peer, Bye())
            yield HangUp(peer)

    def alarm(self) -> float | None:
        """When ``tick`` has something to do next."""
        return min((o.link.due for o in self.others.values() if o.link.due is not None), default=None)

    def queued_for(self, peer: PeerId) -> int:
        """How many messages wait for *peer*."""
        other = self.others.get(peer)
        return len(other.pending) if other else 0

    def queued_size_for(self, peer: PeerId) -> int:
        """How many characters those have."""
        other = self.others.get(peer)
        return other.pending_size if other else 0

    def unsettled(self) -> bool:
        """Whether anything is still to be delivered or told."""
        return any(other.wanted for other in self.others.values())
