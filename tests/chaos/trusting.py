"""Machines that lost their list of trusted ones are paired again, as `peer doctor` says."""

from __future__ import annotations

import json
import threading
from itertools import combinations
from typing import TYPE_CHECKING

from tests.lan.hosts import pair

from .machine import Machine

if TYPE_CHECKING:
    from .stage import Stage

# After this a person has seen that his machine trusts nobody, and does something about it. Without him the rest of a
# long run would be one partition.
SEEN = 15.0  # seconds
# What cannot be done while other faults last is tried again after this.
AGAIN = 3.0
_one_at_a_time = threading.Lock()


def pair_all(stage: Stage) -> None:
    """Pair each two that do not trust each other.

    Raises:
        AssertionError: of some of them, that failed.
    """
    failed: AssertionError | None = None
    with _one_at_a_time:
        for one, other in combinations(stage.machines.values(), 2):
            try:
                if not (_knows(one, other) and _knows(other, one)):
                    pair(one, other)
            except AssertionError as wrong:
                failed = wrong
    if failed is not None:
        raise failed


def pair_again(stage: Stage) -> None:
    """A person does so in the middle of the run, as soon as it can be done."""
    stage.sleep(SEEN)
    while not stage.over:
        try:
            pair_all(stage)
        except AssertionError:
            stage.sleep(AGAIN)
        else:
            return


def _knows(one: Machine, other: Machine) -> bool:
    done = one.peer("trust", "--json")
    try:
        return other.name in [row["name"] for row in json.loads(done["out"])["hosts"]]
    except (ValueError, KeyError):
        return False
