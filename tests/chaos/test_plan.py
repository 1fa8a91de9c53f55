"""Plans: the same for the same seed, written and read again, and with every kind of fault somewhere."""

from __future__ import annotations

import pytest

from . import faults
from .making import make
from .plan import FAULTS, Plan


def test_the_same_seed_gives_the_same_plan() -> None:
    """And another seed another one."""
    assert make(7, 60) == make(7, 60)
    assert make(7, 60) != make(8, 60)


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_can_be_written_and_read_again(seed: int) -> None:
    """Also when lines were taken out of it."""
    plan = make(seed, 30, hosts=4, sessions=3)
    assert Plan.load(plan.dump()) == plan
    head, first, *_ = plan.dump().splitlines()
    assert Plan.load(f"{head}\n{first}\n").steps == plan.steps[:1]


def test_a_long_plan_has_every_kind_of_fault() -> None:
    """None is forgotten, and none but those that were asked for is in it."""
    assert make(1, 600).kinds() == set(FAULTS)
    assert make(1, 600, faults=["cut", "clock"]).kinds() == {"cut", "clock"}


def test_every_fault_can_be_posed() -> None:
    """Each kind has a function, but for those that are in the actors' own steps."""
    assert set(FAULTS) - {"kill-hook", "kill-cli"} <= set(faults.DO)


def test_every_text_is_said_once() -> None:
    """A text names who said it and which one it is: else the checker could not tell two apart."""
    steps = make(3, 300).steps
    tokens = [one.args["token"] for one in steps if "token" in one.args]
    tokens += [token for one in steps for token in one.args.get("tokens", [])]
    assert len(tokens) == len(set(tokens)) > 200
