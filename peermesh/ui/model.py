"""What the panel holds and which of it is shown: bounded, and without a screen."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from peermesh.ui.detail import Value
from peermesh.ui.panes import order
from peermesh.ui.values import Item, Picture, Session

# As many as the sidecar keeps; older ones are in `peer log` and `peer notes`.
FEED = 2_000
# The sign of what became of a message.
RECEIPT = "receipt"
# So much earlier than what came before it, something stands at its time and not at the end.
LATE = 60.0  # seconds
# Sessions that went away longer ago than this are not shown.
LATELY = 86_400.0  # seconds
# Of tasks and jobs that are over so many are shown.
OVER = 100


@dataclass(frozen=True, slots=True)
class Filter:
    """What is wanted of all that there is; "" for all of it."""

    who: str = ""
    kind: str = ""
    text: str = ""
    everywhere: bool = False

    def __bool__(self) -> bool:
        return bool(self.who or self.kind or self.text)

    def words(self) -> str:
        """What it leaves, for a person."""
        text = f"“{self.text}”" if self.text else ""
        return " · ".join(filter(None, (self.who, self.kind, text)))


class Model:
    """The values that came, and those that are to be shown."""

    def __init__(self) -> None:
        self.picture = Picture()
        self.filter = Filter()
        self.items: deque[Item] = deque(maxlen=FEED)

    def add(self, items: Sequence[Item], *, again: bool = False) -> None:
        """Take what happened; of what is told *again*, after a sidecar's restart, only what was not there."""
        said = [item for item in items if item.kind != RECEIPT]
        states = {item.id: item.state for item in items if item.kind == RECEIPT}
        if again and self.items:
            known = {item.gist for item in self.items}
            said = [item for item in said if item.gist not in known]
        late = bool(said and self.items and said[0].at < self.items[-1].at - LATE)
        self.items.extend(said)
        if late:  # something was missed in between
            self.items = deque(sorted(self.items, key=lambda item: item.at), maxlen=FEED)
        if states:
            self._receipts(states)

    def _receipts(self, states: dict[str, str]) -> None:
        """What became of messages stands at them, and not in lines of its own."""
        for at, item in enumerate(self.items):
            if item.message and states.get(item.id, item.state) != item.state:
                self.items[at] = replace(item, state=states[item.id])

    def narrow(self, **change: Any) -> None:
        """Change the filter."""
        self.filter = replace(self.filter, **change)

    def shown(self, what: str, who: Callable[[Any], str], words: Callable[[Any], str]) -> list[Value]:
        """The values of a list that pass the filter, in order.

        Args:
            what: ``sessions``, ``feed``, ``claims``, ``tasks`` or ``jobs``.
            who: whose a value is.
            words: what a search looks through.
        """
        some: Iterable[Value] = self._all(what)
        wanted = self.filter
        sought = wanted.text.casefold()
        if wanted.who:
            some = (one for one in some if who(one) == wanted.who or getattr(one, "to", "") == wanted.who)
        if what == "feed" and wanted.kind:
            some = (one for one in some if getattr(one, "kind", "") == wanted.kind)
        if sought:
            some = (one for one in some if sought in words(one).casefold())
        found = list(some) if what == "feed" else sorted(some, key=order)
        return _without_old(found) if what in ("tasks", "jobs") else found

    def _all(self, what: str) -> Iterable[Value]:
        some: dict[str, Callable[[], Iterable[Value]]] = {
            "sessions": self._around,
            "feed": lambda: self.items,
            "claims": lambda: self.picture.claims,
            "tasks": lambda: self.picture.tasks,
            "jobs": lambda: self.picture.jobs,
        }
        return some[what]()

    def _around(self) -> list[Session]:
        """The sessions that are near enough, and were here lately enough; without any, those of all projects."""
        lately = time.time() - LATELY
        known = [
            one
            for one in self.picture.sessions
            if one.here or (not one.person and one.since > lately)
            if not (one.person and one.mine)
        ]
        near = [one for one in known if one.near or (one.person and one.host)]
        return known if self.filter.everywhere or not any(not one.person for one in near) else near

    def kinds(self) -> list[str]:
        """The kinds that are in the feed."""
        return sorted({item.kind for item in self.items})

    def people(self) -> list[str]:
        """Who can be chosen: those who are known, and those whom the feed speaks of."""
        near = [one.address for one in sorted(self.picture.sessions, key=order) if not one.mine]
        return list(
            dict.fromkeys([*near, *sorted({item.who for item in self.items if item.who and not item.mine})])
        )


def _without_old(found: list[Value]) -> list[Value]:
    over = [one for one in found if getattr(one, "state", "") not in ("open", "taken", "running")]
    gone = set(map(id, over[OVER:]))
    return [one for one in found if id(one) not in gone] if gone else found
