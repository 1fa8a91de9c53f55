"""How often the others may wake a session before its person is heard again."""

from __future__ import annotations

from collections import deque

# Wakes since the person last typed. Two models that thank each other stop here.
WAKES = 20
# And within a minute: a person can still read along.
WAKES_A_MINUTE = 6
MINUTE = 60.0


class Budget:
    """Counts wakes. Times are seconds of the caller's monotonic clock."""

    def __init__(self, wakes: int = WAKES, a_minute: int = WAKES_A_MINUTE) -> None:
        self.wakes = wakes
        self.a_minute = a_minute
        self.spent = 0
        self._recent: deque[float] = deque(maxlen=max(a_minute, 1))

    def typed(self) -> None:
        """The person typed: all is allowed again."""
        self.spent = 0
        self._recent.clear()

    def spend(self, now: float) -> None:
        """One wake, or one turn made longer."""
        self.spent += 1
        self._recent.append(now)

    def used_up(self) -> bool:
        """Whether only the person can allow more."""
        return self.spent >= self.wakes or self.a_minute <= 0

    def free_at(self, now: float) -> float | None:
        """When the next wake is allowed: *now*, later, or ``None`` (when the person has typed)."""
        if self.used_up():
            return None
        if len(self._recent) < self.a_minute:
            return now
        return max(now, self._recent[0] + MINUTE)
