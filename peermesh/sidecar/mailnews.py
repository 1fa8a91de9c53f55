"""What there is to tell of one mailbox: messages that came and went, and how far ours got."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from peermesh.core.happenings import Happening, reached, said
from peermesh.core.script import Keep, KeepIn, KeepOut, MoveOut
from peermesh.core.words import Message, PeerId, State, further
from peermesh.errors import PeerError

if TYPE_CHECKING:
    from peermesh.sidecar.post import Post

# Messages of each direction of which the past is told, and ours whose way is remembered.
PAST, REMEMBERED = 200, 2_000

# The times that the outbox keeps of a message.
_TIMES = {"safe_at": State.SAFE, "held_at": State.HELD, "shown_at": State.SHOWN}


class MailNews:
    """Puts what a mailbox writes into words. What peer says to its own session is told once: as it came.

    Args:
        post: whose mailbox it is.
        me: its peer.
    """

    def __init__(self, post: Callable[[], Post], me: Callable[[], PeerId]) -> None:
        self._post, self._me = post, me
        self._sent: dict[int, tuple[Message, State]] = {}  # without bodies

    def past(self) -> Iterator[Happening]:
        """What the mailbox knows of, in no order."""
        mailbox = self._post().mailbox
        for message, state, came_at, _ in mailbox.inbox(PAST):
            yield said(message, came_at, state)
        for message, known in mailbox.sent(PAST):
            if message.to == self._me():
                continue
            refused = known["state"] == State.REFUSED
            yield said(message, message.said_at, State.REFUSED if refused else State.QUEUED)
            for key, reached_state in _TIMES.items():
                if known[key] is not None:
                    yield reached(message, known[key], reached_state)

    def of(self, keep: Keep, clock: float) -> Iterator[Happening]:
        """What there is to tell of *keep*, which was written at *clock* (wall clock, seconds)."""
        match keep:
            case KeepIn(message):
                yield said(message, clock, State.SAFE)
            case KeepOut(message) if message.to != self._me():
                self._remember(message, State.QUEUED)
                yield said(message, message.said_at, State.QUEUED)
            case MoveOut(ns, state, why, by):
                for n in ns:
                    ours, before = self._known(n)
                    if ours is not None and by in ("", ours.to) and further(state, before):
                        self._remember(ours, state)
                        yield reached(ours, clock, state, why)

    def _remember(self, message: Message, state: State) -> None:
        self._sent.pop(message.id.n, None)
        self._sent[message.id.n] = replace(message, body=""), state
        while len(self._sent) > REMEMBERED:
            del self._sent[next(iter(self._sent))]

    def _known(self, n: int) -> tuple[Message | None, State]:
        """Message *n* of ours, and the state that was told last."""
        if n in self._sent:
            return self._sent[n]
        try:
            message = self._post().mailbox.outgoing(n)
        except PeerError:
            return None, State.QUEUED  # what the mailbox does not give just now cannot be told of
        return (message if message.to != self._me() else None), State.QUEUED
