"""One link's life, as a table: when to dial, when to believe, when to give up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# A greeting on one host takes a millisecond; two seconds without one is a peer that
# hangs or has not bound its socket yet.
GREETING = 2.0
# Something is outstanding and nothing was heard for this long: ask whether it lives.
SILENCE = 5.0
# No answer to that either. Together twelve seconds, below the fifteen that are promised.
PATIENCE = 7.0
# A link that nobody used for a minute is closed: cost follows the conversation.
QUIET = 60.0
# One that brought so many frames is closed at the first second in which nothing is said, and dialled again when there
# is more: so many, with a greeting and a goodbye, find room in the first page of each of ZeroMQ's queues for a link
# (sidecar/heap.py), which take 16 KB each when 250 went through, and 32 when 500 did, as long as it is up.
MANY = 56  # frames
PAUSE = 1.0
# The first retry is quick, since a peer that just died is reached through its mailbox at once.
BACKOFF_FIRST = 0.05
BACKOFF_LAST = 15.0
# Nobody was dialled, because too much is under way here: that says nothing of the peer, and does not count.
BUSY = 0.1


class Phase(StrEnum):
    """Where a link is."""

    IDLE = "idle"  # closed, and nothing to say
    GREETING = "greeting"  # dialled, hello sent
    UP = "up"  # welcomed
    WAITING = "waiting"  # closed, to be dialled again at a time


class Move(StrEnum):
    """What can happen to a link."""

    WANT = "want"
    WELCOME = "welcome"
    LOST = "lost"
    BUSY = "busy"
    DUE = "due"
    REST = "rest"


# (phase, what happened) -> phase. What is not in the table changes nothing.
TABLE: dict[tuple[Phase, Move], Phase] = {
    (Phase.IDLE, Move.WANT): Phase.GREETING,
    (Phase.GREETING, Move.WELCOME): Phase.UP,
    (Phase.GREETING, Move.LOST): Phase.WAITING,
    (Phase.GREETING, Move.DUE): Phase.WAITING,  # no welcome in time
    (Phase.GREETING, Move.BUSY): Phase.WAITING,  # not dialled yet
    (Phase.UP, Move.LOST): Phase.WAITING,
    (Phase.UP, Move.DUE): Phase.IDLE,  # quiet
    (Phase.WAITING, Move.DUE): Phase.GREETING,
    (Phase.WAITING, Move.REST): Phase.IDLE,  # nothing is to be said any more
}


@dataclass(slots=True)
class Link:
    """The link to one peer. Times are seconds of the caller's monotonic clock."""

    phase: Phase = Phase.IDLE
    due: float | None = None  # when something has to be done about it
    heard: float = 0.0  # last frame from there
    frames: int = 0  # that came on it
    pinged: bool = False
    failures: int = 0  # dials in a row that ended without a welcome

    def move(self, what: Move, now: float) -> bool:
        """Go where the table says; whether the phase changed."""
        phase = TABLE.get((self.phase, what))
        if phase is None:
            return False
        self.phase, self.pinged = phase, False
        if phase is Phase.GREETING:
            self.due = now + GREETING
        elif phase is Phase.UP:
            self.failures, self.heard, self.frames, self.due = 0, now, 0, now + QUIET
        elif what is Move.BUSY:
            self.due = now + BUSY
        elif phase is Phase.WAITING:
            self.due = now + min(BACKOFF_LAST, BACKOFF_FIRST * 4**self.failures)
            self.failures = min(self.failures + 1, 10)
        else:
            self.due = None
        return True

    def sign_of_life(self, now: float, *, outstanding: bool) -> None:
        """A frame came: wait anew, for silence if something is *outstanding*, else for quiet."""
        if self.phase is Phase.UP:
            self.heard, self.pinged = now, False
            self.frames += 1
            quiet = QUIET if self.frames < MANY else PAUSE
            self.due = now + (SILENCE if outstanding else quiet)

    def expect(self, now: float) -> None:
        """Something was sent that wants an answer."""
        if self.phase is Phase.UP and not self.pinged:
            soon = max(self.heard, now) + SILENCE
            self.due = soon if self.due is None else min(self.due, soon)

    @property
    def answers(self) -> bool:
        """False once two dials in a row met silence: the peer hangs, or cannot be reached."""
        return self.failures < 2
