"""``python -m tests.fuzz [TARGET…] --minutes N``: fuzz the targets, one after another, and print a table.

Needs the extra `fuzz`. The minutes are all targets' together. Corpora in tests/fuzz/corpus are written anew, and
what was found is added to tests/fuzz/found, where the default tests replay it; ``--look`` leaves both as they are.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz import runner
from tests.fuzz.target import Target
from tests.fuzz.targets import every, find


def main() -> int:
    """Run; 1 if anything was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="which; all without one")
    parser.add_argument("--minutes", type=float, default=10.0, help="for all of them together (10)")
    parser.add_argument("--seed", type=int, default=0, help="of the dice; 0: another one each time")
    parser.add_argument("--look", action="store_true", help="change nothing in the repository")
    parser.add_argument("--list", action="store_true", help="say which targets there are")
    given = parser.parse_args()
    try:
        targets = [find(name) for name in given.targets] or list(every())
    except KeyError as wrong:
        parser.error(f"there is no target {wrong}; there are {', '.join(one.name for one in every())}")
    if given.list:
        for one in targets:
            print(f"| `{one.name}` | {one.reads} | {one.promise} |")
        return 0
    return _run(targets, given.minutes * 60 / len(targets), given.seed, keep=not given.look)


def _run(targets: list[Target], seconds: float, seed: int, *, keep: bool) -> int:
    folder = Path(tempfile.mkdtemp(prefix="peer-fuzz-"))
    found: list[str] = []
    total = runner.Result("all")
    print(runner.HEAD, flush=True)
    for target in targets:
        work = folder / target.name
        result = runner.fuzz(target, seconds, seed or random.randrange(1, 2**31), work, keep=keep)
        print(result.row(), flush=True)
        total.runs += result.runs
        total.seconds += result.seconds
        total.processor += result.processor
        found += [f"{target.name}: {one}" for one in result.found]
        if not result.found:
            runner.clear(work)
    print(
        f"\n{total.runs:,} executions in {total.seconds / 60:.1f} minutes, {total.processor / 60:.1f} of processor"
    )
    for one in found:
        print(one)
    print(f"\nwhat was found is in {folder}" if found else "\nnothing was found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
