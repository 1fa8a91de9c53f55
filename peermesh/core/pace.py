"""How often one peer may say something that everybody must hear."""

from __future__ import annotations

from collections import deque

MINUTE = 60.0  # seconds


class Pace:
    """At most *most* in any minute. Times are seconds of the caller's monotonic clock."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._recent: deque[float] = deque(maxlen=most)

    def take(self, now: float) -> float:
        """Count one more, at *now*; 0.0. If that would be too many it is not counted: the seconds until it may be."""
        if len(self._recent) == self.most and now < self._recent[0] + MINUTE:
            return self._recent[0] + MINUTE - now
        self._recent.append(now)
        return 0.0
