"""`python -m tests.chaos`: a long run, a replay of one seed, or of a plan from which steps were taken."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path

from .checker import check
from .findings import Findings
from .healing import gather, heal
from .making import make
from .plan import FAULTS, Plan
from .shrink import Shrinker
from .stage import Stage

# What ends a run before its time.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(plan: Plan, journal: Path, *, quiet: bool = False) -> Findings:
    """Play *plan*, heal, and check; the journal, and the files of a run that failed, are left at *journal*."""
    stage = Stage(plan)
    began = time.monotonic()
    with stage.built():
        built = played = time.monotonic()
        healed = 0.0
        for name in plan.everybody():
            stage.journal.add("peer", who=name, id=stage.of(name).identity(name))
        try:
            stage.play()
            played = time.monotonic()
            healed = heal(stage)
            gather(stage)
        except AssertionError as wrong:
            stage.broken.append(f"it cannot be healed: {wrong}")
        finally:
            for machine in stage.machines.values():
                stage.journal.add("log", host=machine.name, words=machine.log()[-200_000:])
            stage.journal.write(journal)
        found = check(stage.journal.entries())
        found.wrong += [f"the run itself: {one}" for one in stage.broken]
        if found.wrong:
            for machine in stage.machines.values():
                machine.keep_files(journal.parent / machine.name)
    if not quiet:
        print(
            f"seed {plan.seed}: built in {built - began:.1f} s, played {played - built:.1f} s, "
            f"healed in {healed:.1f} s, {len(plan.steps)} steps"
        )
        for what, count in sorted(found.counts.items()):
            print(f"  {count:6} {what}")
    return found


def report(plan: Plan, found: Findings, journal: Path) -> str:
    """What a person needs to look into a run that failed."""
    folder = journal.parent
    (folder / "plan.jsonl").write_text(plan.dump())
    lines = [f"  {one}" for one in found.wrong]
    again = f"python -m tests.chaos --plan {folder / 'plan.jsonl'}"
    return "\n".join([*lines, f"seed {plan.seed}; the journal is {journal}; again: {again}"])


def shorter(plan: Plan, found: Findings, runs: int) -> str:
    """How to play a shorter plan that fails as *found* did, after so many runs at most."""
    kinds = found.kinds()
    folders: dict[str, Path] = {}  # by the plan that was played

    def fails(one: Plan) -> bool:
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{plan.seed}-short-"))
        again = run(one, folder / "journal.jsonl", quiet=True)
        (folder / "plan.jsonl").write_text(one.dump())
        folders[one.dump()] = folder
        same = kinds & again.kinds()
        print(f"{len(one.steps):6} steps: {', '.join(sorted(same)) or 'fine'}", flush=True)
        return bool(same)

    short = Shrinker(fails, runs).shrink(plan)
    if short is plan:
        return f"no shorter plan failed in {runs} runs"
    again = f"python -m tests.chaos --plan {folders[short.dump()] / 'plan.jsonl'}"
    return f"{len(short.steps)} of {len(plan.steps)} steps fail as well: {again}"


def _break_off(number: int, _: object) -> None:
    """All that was made is taken away, and no second signal keeps from that."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> int:
    """Run as the command line says; 1 if a promise was broken, 130 if it was ended by a signal."""
    asked = _asked()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _break_off)
    try:
        return 1 if _play(asked) else 0
    except KeyboardInterrupt as ended:
        print(f"ended by {ended}; nothing of the run is left", file=sys.stderr)
        return 130


def _asked() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="which run; a random one if it is not given")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long things are done (1)")
    parser.add_argument("--hosts", type=int, default=3, help="2 to 8 (3)")
    parser.add_argument("--sessions", type=int, default=2, help="on each host (2)")
    parser.add_argument("--pace", type=float, default=1.0, help="how many times as much as usual (1)")
    parser.add_argument("--runs", type=int, default=1, help="so many in a row, with the seeds that follow")
    parser.add_argument("--only", nargs="*", default=list(FAULTS), metavar="FAULT", help="kinds of fault")
    parser.add_argument("--without", nargs="*", default=[], metavar="FAULT", help="kinds that are left out")
    parser.add_argument("--plan", type=Path, help="a plan that was written, perhaps with lines taken out")
    parser.add_argument(
        "--shrink",
        type=int,
        metavar="RUNS",
        default=0,
        help="of a run that fails, look so often for a shorter plan",
    )
    parser.add_argument("--print", action="store_true", help="print the plan and do nothing")
    return parser.parse_args()


def _play(asked: argparse.Namespace) -> int:
    """Play what was asked for; how many runs broke a promise."""
    first = asked.seed if asked.seed is not None else secrets.randbelow(1_000_000)
    kinds = [one for one in asked.only if one not in asked.without]
    bad = 0
    for seed in range(first, first + asked.runs):
        wanted = {"hosts": asked.hosts, "sessions": asked.sessions, "faults": kinds, "pace": asked.pace}
        plan = make(seed, asked.minutes * 60, **wanted)
        if asked.plan:
            plan = Plan.load(asked.plan.read_text())
        if asked.print:
            print(plan.dump() if not sys.stdout.isatty() else "\n".join(str(one) for one in plan.steps))
            continue
        journal = Path(tempfile.mkdtemp(prefix=f"chaos-{plan.seed}-")) / "journal.jsonl"
        found = run(plan, journal)
        bad += bool(found.wrong)
        if found.wrong:
            print(report(plan, found, journal), flush=True)
            if asked.shrink:
                print(shorter(plan, found, asked.shrink), flush=True)
        else:
            print(f"seed {plan.seed}: fine", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main())
