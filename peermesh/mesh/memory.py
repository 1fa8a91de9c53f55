"""A mailbox without a disk: applies what is to be kept just as store/mailbox.py does, for the network in a box."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from peermesh.core.script import Keep, KeepIn, KeepOut, MoveIn, MoveOut, Snapshot, Told
from peermesh.core.words import Envelope, Message, MessageId, PeerId, State, envelope
from peermesh.errors import DiskFull

# What a message may have been before it got so far: states go forward only.
BEFORE_OUT: dict[State, frozenset[State]] = {
    State.SAFE: frozenset({State.QUEUED}),
    State.HELD: frozenset({State.QUEUED, State.SAFE}),
    State.SHOWN: frozenset({State.QUEUED, State.SAFE, State.HELD}),
    State.REFUSED: frozenset({State.QUEUED}),
}
BEFORE_IN: dict[State, frozenset[State]] = {
    State.SAFE: frozenset({State.HANDED}),
    State.HELD: frozenset({State.SAFE}),
    State.HANDED: frozenset({State.SAFE, State.HELD}),
    State.SHOWN: frozenset({State.SAFE, State.HELD, State.HANDED}),
}
# Of these its sender is told.
TOLD = frozenset({State.HELD, State.SHOWN})


@dataclass(slots=True)
class Sent:
    """A row of the outbox."""

    message: Message
    state: State = State.QUEUED
    why: str = ""


@dataclass(slots=True)
class Received:
    """A row of the inbox."""

    message: Message
    came_at: float  # wall clock, seconds
    state: State = State.SAFE
    told: bool = True


class MemoryMailbox:
    """One peer's mailbox in memory. It outlives the engine, as the file does.

    Args:
        peer: whose it is.
        base: the number before its first one.
    """

    def __init__(self, peer: PeerId, base: int = 0) -> None:
        self.peer, self._used = peer, base
        self.outbox: dict[int, Sent] = {}
        self.inbox: dict[MessageId, Received] = {}
        self.heard: dict[PeerId, int] = {}
        self.full = False  # as a disk that takes nothing more

    def keep(self, changes: Iterable[Keep], clock: float) -> None:
        """Apply *changes*, all or none; *clock* is the wall's time in seconds.

        Raises:
            DiskFull: nothing was kept.
        """
        if self.full:
            raise DiskFull
        for change in changes:
            self._keep(change, clock)

    def _keep(self, change: Keep, clock: float) -> None:
        match change:
            case KeepOut(message):
                self.outbox[message.id.n] = Sent(message)
                self._used = max(self._used, message.id.n)
            case KeepIn(message):
                self.inbox.setdefault(message.id, Received(message, clock))
                self._hear(message.id.peer, message.id.n)
            case MoveOut():
                self._move_out(change)
            case MoveIn(ids, state):
                self._move_in(ids, state)
            case Told(peer, states):
                self._told(peer, states)

    def _hear(self, peer: PeerId, n: int) -> None:
        self.heard[peer] = max(self.heard.get(peer, 0), n)

    def _move_out(self, move: MoveOut) -> None:
        for row in (self.outbox[n] for n in move.ns if n in self.outbox):
            if row.state in BEFORE_OUT.get(move.state, frozenset()) and move.by in ("", row.message.to):
                row.state, row.why = move.state, move.why

    def _move_in(self, ids: tuple[MessageId, ...], state: State) -> None:
        for row in (self.inbox[one] for one in ids if one in self.inbox):
            if row.state in BEFORE_IN.get(state, frozenset()):
                row.state = state
                row.told = row.told and state not in TOLD

    def _told(self, peer: PeerId, states: tuple[tuple[int, State], ...]) -> None:
        for n, state in states:
            row = self.inbox.get(MessageId(peer, n))
            if row is not None and row.state is state:
                row.told = True

    # ------------------------------------------------------------ reading

    def snapshot(self, now: float, clock: float) -> Snapshot:
        """What an engine needs to carry on; *now* is monotonic, *clock* the wall's, both seconds."""
        queued = sorted(n for n, row in self.outbox.items() if row.state is State.QUEUED)
        return Snapshot(
            next_n=self._used + 1,
            heard=dict(self.heard),
            queued=tuple((self.outbox[n].message.to, n, len(self.outbox[n].message.body)) for n in queued),
            unshown=tuple(self._unshown(now, clock, State.SAFE, State.HELD)),
            handed=tuple(self._unshown(now, clock, State.HANDED)),
            receipts=tuple(
                (one, row.state) for one, row in self.inbox.items() if not row.told and row.state in TOLD
            ),
        )

    def _unshown(self, now: float, clock: float, *states: State) -> Iterable[Envelope]:
        arrived = float("-inf")
        for row in self.inbox.values():
            if row.state in states:
                # The wall clock may have been set back in between: the order of arrival stays.
                arrived = max(arrived, now - max(0.0, clock - row.came_at))
                one = envelope(row.message, arrived)
                yield one.keep_back() if row.state is State.HELD else one

    def outgoing(self, n: int) -> Message:
        """Message *n* of the outbox."""
        return self.outbox[n].message
