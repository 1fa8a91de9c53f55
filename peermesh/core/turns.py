"""A session's turns: when the model may be told something, and when an idle one is woken."""

from __future__ import annotations

from peermesh.core.budget import Budget
from peermesh.core.script import Token
from peermesh.core.waiting import Waiting
from peermesh.core.words import Envelope, PeerId

# Messages that come this close together are one waking; a single one waits no longer than this. Those of one
# open door are less than a millisecond apart; commands of a script are further apart than anybody should wait.
GATHER_QUIET = 0.002  # seconds
# And a burst no longer than this, counted from its first message.
GATHER_LONGEST = 0.3  # seconds

# A woken client begins its turn 10 to 100 ms later, of which only a small file tells.
LOOK = 0.1  # seconds
LOOKED_FOR = 3.0  # seconds

PROMPT = "UserPromptSubmit"
STOP = "Stop"
BATCH = "PostToolBatch"


class Turns:
    """What one session is doing. A person's shell has none of this: it is never woken."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.busy = False
        self.waiter: Token | None = None
        self.woken_at: float | None = None  # since when the client has what wakes it, and no turn began
        self.prolonging: Token | None = None  # the Stop hook that was handed something last
        self.chain: tuple[PeerId, ...] = ()  # sessions this turn goes back to

    def typed(self) -> None:
        """A person's own words began a turn: whatever follows goes back to them."""
        self.budget.typed()
        self.chain = ()

    def woken(self, now: float) -> None:
        """The waiter was given what it wakes the session with."""
        self.waiter, self.woken_at = None, now
        self.budget.spend(now)

    def look_at(self, now: float) -> float | None:
        """When to look whether a woken client began its turn; ``None`` when not sooner than at any other time."""
        if self.woken_at is None or now - self.woken_at > LOOKED_FOR:
            return None
        return now + LOOK

    def read(self, envelopes: tuple[Envelope, ...]) -> None:
        """These are now in the model's context: what it says next may be because of them."""
        for one in envelopes:
            if len(one.chain) > len(self.chain):
                self.chain = one.chain

    def wake_at(self, due: Waiting, now: float) -> float | None:
        """When to wake the session for what is *due*; ``None`` when not at all."""
        if self.busy or self.waiter is None:
            return None
        span = due.span()
        free = self.budget.free_at(now)
        if free is None or span is None:
            return None
        first, last = span
        gathered = min(last + GATHER_QUIET, first + GATHER_LONGEST)
        return max(gathered, free)
