"""One stream of what happened, numbered, with those who wait for more of it.

A number is the moment of what it stands for, in milliseconds, or one more than the number before it. So a follower
goes on where it was, with a stream that was made anew too, in this process or the next.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from peermesh.core.events import EventId
from peermesh.core.happenings import Telling

if TYPE_CHECKING:
    import asyncio

    from peermesh.core.words import Card, PeerId
    from peermesh.door.server import Caller

# Items of one stream; each has at most some hundred letters.
ITEMS = 2_000
# Events that are known again, should a log give them a second time.
EVENTS = 20_000


@dataclass(slots=True, eq=False)
class Waiter:
    """A question that is answered when something comes, or its time is over."""

    caller: Caller
    number: int
    after: int | None
    most: int
    alarm: asyncio.TimerHandle | None = None
    gone: Callable[[], None] = lambda: None  # called when the caller hangs up


class Stream:
    """What happened of one repo and to one mailbox, the oldest first."""

    def __init__(self) -> None:
        self.people: Mapping[PeerId, Card] = {}  # who is here, as was seen last
        self.telling = Telling()
        self.seq, self.openings = 0, 0  # of the last event that was looked at, in which file
        self.asked = 0.0  # when somebody asked last, in monotonic seconds
        self.woke = 0.0  # when somebody who waited was answered last
        self.alarm: asyncio.TimerHandle | None = None  # by which those who wait are answered
        self.waiters: list[Waiter] = []
        self._items: deque[dict[str, Any]] = deque()
        self._last, self._lost = 0, 0  # the newest number, and the newest that is not held any more
        self._order: deque[EventId] = deque()
        self._events: set[EventId] = set()

    def add(self, item: Mapping[str, Any]) -> None:
        """Number one more item; of more than are held the oldest goes."""
        self._last = max(self._last + 1, int(min(item["at"], time.time()) * 1_000))
        self._items.append({"n": self._last, **item})
        if len(self._items) > ITEMS:
            self._lost = self._items.popleft()["n"]

    def is_new(self, event: EventId) -> bool:
        """Whether *event* was not heard of: a log that began anew, or was put back, gives some a second time."""
        if event in self._events:
            return False
        self._events.add(event)
        self._order.append(event)
        if len(self._order) > EVENTS:
            self._events.discard(self._order.popleft())
        return True

    def answer(self, after: int | None, most: int) -> dict[str, Any]:
        """The newest *most* items, or the first *most* of those behind the number *after*."""
        if after is None:
            items = list(self._items)[-most:]
            return {"items": items, "after": self._last, "missed": False}
        # A number of the future is of a clock that was set back since.
        after = min(after, max(self._last, int(time.time() * 1_000)))
        items = self._behind(after)[:most]
        missed = 0 < after < self._lost
        return {"items": items, "after": items[-1]["n"] if items else after, "missed": missed}

    def _behind(self, after: int) -> list[dict[str, Any]]:
        found = []
        for item in reversed(self._items):
            if item["n"] <= after:
                break
            found.append(item)
        return found[::-1]
