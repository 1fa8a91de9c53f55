"""Shrinking finds the few steps that matter, in a bounded number of runs, and nothing that does not fail."""

from __future__ import annotations

import pytest

from .making import make
from .plan import Plan, Step
from .shrink import Shrinker


def _needs(*wanted: Step) -> tuple[list[Plan], Shrinker]:
    """A shrinker whose plans fail if all of *wanted* are in them, and what it played."""
    played: list[Plan] = []

    def fails(plan: Plan) -> bool:
        played.append(plan)
        return set(map(str, wanted)) <= set(map(str, plan.steps))

    return played, Shrinker(fails, 200)


@pytest.mark.parametrize("seed", range(10))
def test_what_matters_is_left(seed: int) -> None:
    """A fault and two acts that fail together are found among some hundred steps."""
    plan = make(seed, 40)
    faults = [one for one in plan.steps if one.who == "world"]
    acts = [one for one in plan.steps if one.who != "world" and "kill_after" not in one.args]
    wanted = faults[len(faults) // 2], acts[len(acts) // 3], acts[-1]
    played, shrinker = _needs(*wanted)
    found = shrinker.shrink(plan)
    assert sorted(map(str, found.steps)) == sorted(map(str, wanted))
    assert len(plan.steps) > 100
    assert len(played) < 200


def test_a_command_that_need_not_be_killed_is_not() -> None:
    """Its kill is a fault like any other: it goes, and the command stays."""
    plan = make(3, 40)
    killed = next(one for one in plan.steps if "kill_after" in one.args)
    _, shrinker = _needs()
    assert shrinker.shrink(plan).steps == ()
    token = killed.args.get("token", killed.at)

    def fails(plan: Plan) -> bool:
        return any(one.args.get("token", one.at) == token for one in plan.steps)

    (left,) = Shrinker(fails, 200).shrink(plan).steps
    assert "kill_after" not in left.args


def test_it_ends_soon_after_its_last_step() -> None:
    """A shorter plan takes less time."""
    plan = make(5, 60)
    first = plan.steps[0]
    _, shrinker = _needs(first)
    assert shrinker.shrink(plan).seconds < first.at + 30 < plan.seconds


def test_no_more_runs_than_it_was_given() -> None:
    """And what it gives back then has failed, or is the whole."""
    plan, played = make(1, 40), []

    def fails(one: Plan) -> bool:
        played.append(one)
        return len(one.steps) > len(plan.steps) // 2

    found = Shrinker(fails, 7).shrink(plan)
    assert len(played) == 7
    assert found in [plan, *played]
    assert len(found.steps) > len(plan.steps) // 2
