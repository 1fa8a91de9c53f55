"""Two short runs whose faults between them are of every kind. The long ones: `python -m tests.chaos --help`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .__main__ import report, run
from .making import make
from .plan import FAULTS

# Chosen so that every kind of fault is posed in one of them; a run that fails prints how to play it again.
SEEDS = (2, 8)
SECONDS = 24.0


def test_every_kind_of_fault_is_posed() -> None:
    """None is left out of the short runs."""
    assert set().union(*(make(seed, SECONDS).kinds() for seed in SEEDS)) == set(FAULTS)


@pytest.mark.netns
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_short_run_keeps_all_promises(seed: int, tmp_path: Path) -> None:
    """Nothing that was acknowledged is lost, nothing is shown twice or out of order, and all views agree."""
    if shutil.which("nsenter") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("needs the program `nsenter`")
    plan, journal = make(seed, SECONDS), tmp_path / "journal.jsonl"
    found = run(plan, journal)
    assert not found.wrong, report(plan, found, journal)
    assert found.counts["messages told of"] > 5, "the run was too slow to mean anything"
