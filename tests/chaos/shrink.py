"""A shorter plan that still fails: delta debugging, with a bounded number of runs. Pure but for the runs it asks for.

Faults are taken out first, then what people and models do. A run is not the same twice: a shorter plan that happens
not to fail is passed over, so what is found is not the shortest, but has failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from .plan import Plan, Step

# Done after the last step, so that what it began can go wrong.
AFTER = 2.0  # seconds

T = TypeVar("T")
Fails = Callable[[Plan], bool]


class Shrinker:
    """Makes plans shorter.

    Args:
        fails: plays a plan, and says whether it fails in the same way.
        runs: so many plans are played at most.
    """

    def __init__(self, fails: Fails, runs: int) -> None:
        self._fails, self.runs = fails, runs

    def shrink(self, plan: Plan) -> Plan:
        """The shortest plan that was found to fail; *plan* itself if there was none."""
        plan = self._without(plan, [one for one in plan.steps if _faulty(one)], _healed)
        return self._without(plan, [one for one in plan.steps if one.who != "world"], lambda _: None)

    def _without(self, plan: Plan, some: list[Step], less: Callable[[Step], Step | None]) -> Plan:
        """*plan* with as few as can be of *some* of its steps; of the others *less* is left."""
        others = [one for one in plan.steps if one not in some]

        def made(kept: Sequence[Step]) -> Plan:
            rest = [less(one) for one in some if one not in kept]
            steps = [*others, *kept, *(one for one in rest if one is not None)]
            steps.sort(key=lambda one: (one.at, one.who))
            last = max((one.at + float(one.args.get("seconds", 0.0)) for one in steps), default=0.0)
            return replace(plan, steps=tuple(steps), seconds=min(plan.seconds, last + AFTER))

        kept = self._fewer(some, lambda few: self._fails(made(few)))
        return plan if kept == some else made(kept)

    def _fewer(self, items: list[T], fails: Callable[[list[T]], bool]) -> list[T]:
        """Some of *items* that fail; parts are taken out, larger ones first."""
        parts = 1
        while items and self.runs > 0:
            size = -(-len(items) // parts)
            for begin in range(0, len(items), size):
                left = items[:begin] + items[begin + size :]
                if self._tried(left, fails):
                    items, parts = left, max(parts - 1, 1)
                    break
            else:
                if size == 1:
                    break
                parts = min(2 * parts, len(items))
        return items

    def _tried(self, items: list[T], fails: Callable[[list[T]], bool]) -> bool:
        if self.runs <= 0:
            return False
        self.runs -= 1
        return fails(items)


def _faulty(step: Step) -> bool:
    return step.who == "world" or "kill_after" in step.args


def _healed(step: Step) -> Step | None:
    """What is left of a step without its fault: a command that is not killed, and of the others nothing."""
    if step.who == "world":
        return None
    return replace(step, args={key: value for key, value in step.args.items() if key != "kill_after"})
