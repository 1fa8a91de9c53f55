"""How fast a session may say what every other one of its repo is woken for."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from peermesh.core.pace import MINUTE, Pace
from peermesh.errors import TooMany

if TYPE_CHECKING:
    from collections.abc import Callable

    from peermesh.door.server import Caller

    Verb = Callable[[Caller, int, dict[str, Any]], dict[str, Any] | None]

# Each of these costs every sidecar of the repo 1 to 2 ms of processor, and a host with 200 of them is full at seven a
# second. Notes are read by people and models, and one a second is more than those can. A plan may be put on the board
# by a script, and files be claimed one by one, so of those there may be more. Several paths in one claim count as one.
NOTES, CHANGES = 60, 240  # a minute
# By verb: how many, what they are called, and what else can be done.
_RULES = {
    "note": (NOTES, "notes", "gather the rest into one note"),
    "task": (CHANGES, "changes of tasks", "put what belongs together into one task"),
    "claim": (CHANGES, "claims", "claim several paths at once, a directory or a glob"),
    "release": (CHANGES, "releases", "release several paths at once, or --all"),
}


class Pacing:
    """Counts what one sidecar was told to say."""

    def __init__(self) -> None:
        self._paces = {name: Pace(most) for name, (most, _, _) in _RULES.items()}

    def paced(self, name: str, verb: Verb) -> Verb:
        """*verb*, which raises ``TooMany`` with what to do if it is asked for too often; others as they are."""
        pace = self._paces.get(name)
        if pace is None:
            return verb

        def asked(caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any] | None:
            wait = pace.take(time.monotonic())
            if wait:
                raise _too_many(name, wait)
            return verb(caller, number, fields)

        return asked


def _too_many(name: str, wait: float) -> TooMany:
    most, what, instead = _RULES[name]
    seconds = math.ceil(wait)
    return TooMany(
        f"{most} {what} in {MINUTE:.0f} s are as many as one session may make; go on in {seconds} s, or {instead}",
        wait=seconds,
    )
