"""One target's run: a child that fuzzes, what it found, and the choice of inputs that are worth keeping."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import corpora
from tests.fuzz.target import Target

ROOT = Path(__file__).parents[2]
# A corpus in the repository: the smallest inputs first, up to so many.
KEPT_BYTES, KEPT_INPUTS = 30_000, 250
# A child that hung or ran out of memory is started again, but not for ever.
STARTS = 5
GRACE = 600.0  # seconds for a child to load and to end, on a machine that has other things to do
_COVERED = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")


@dataclass(slots=True)
class Result:
    """What came of one target's run."""

    name: str
    runs: int = 0
    seconds: float = 0.0
    processor: float = 0.0  # seconds of it that the child was given
    before: int = 0  # edges that the inputs to begin with reached
    edges: int = 0
    features: int = 0
    new: int = 0  # inputs that reached something new
    found: tuple[str, ...] = ()

    def row(self) -> str:
        """A line of the table."""
        cells = (
            *(f"`{self.name}`", f"{self.runs:,}", f"{self.seconds:.0f}", f"{self.processor:.0f}"),
            f"{self.before} → {self.edges}",
            *(str(self.features), str(self.new), str(len(self.found)) if self.found else "none"),
        )
        return f"| {' | '.join(cells)} |"


HEAD = """\
| target | executions | seconds | of processor | edges | features | new inputs | findings |
|---|---|---|---|---|---|---|---|"""


def fuzz(target: Target, seconds: float, seed: int, work: Path, *, keep: bool, stop: bool = False) -> Result:
    """Fuzz *target* for so many seconds in *work*, an empty directory.

    Args:
        target: which.
        seconds: of fuzzing; choosing the corpus comes on top.
        seed: of libFuzzer's dice; the same one does not give the same run, for speed has a part in it.
        work: for the inputs; what is found stays there.
        keep: write corpus and findings into the repository.
        stop: at the first finding, and choose no corpus.
    """
    result = Result(target.name)
    for name in ("in", "found"):
        (work / name).mkdir(parents=True)
    first = {*target.seeds(), *corpora.kept(target.name), *corpora.found(target.name)}
    _write(work / "in", first)
    until = time.monotonic() + seconds
    for start in range(STARTS):
        left = until - time.monotonic()
        if left < 1:
            break
        words = [
            f"-max_total_time={int(left) or 1}",
            f"-seed={seed + start}",
            "-len_control=20",
            str(work / "in"),
        ]
        words += ["--stop"] if stop else []
        code, said = _child(target.name, work, words, left + GRACE)
        _count(result, work, said)
        if stop and _findings(work):
            break
        if code not in (0, 77) and not list((work / "found").glob("libfuzzer-*")):
            raise RuntimeError(f"the fuzzer of {target.name} ended with {code}:\n{said[-2_000:]}")
    result.found = tuple(sorted(_words(one) for one in _findings(work)))
    if stop:
        return result
    inputs = {one.read_bytes() for one in (work / "in").iterdir()}
    result.new = len(inputs - first)
    if keep:
        inputs = {*inputs, *corpora.kept(target.name)} - {*target.seeds()}
        if _too_much(inputs):
            inputs = _chosen(target, work)
        corpora.keep(target.name, _fitting(inputs))
        _keep_found(target.name, work)
    return result


def _child(name: str, work: Path, words: list[str], patience: float) -> tuple[int, str]:
    command = [sys.executable, "-m", "tests.fuzz.child", name, str(work), *words]
    with (work / "said").open("w+b") as log:
        done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, timeout=patience, check=False)
        log.seek(0)
        return done.returncode, log.read().decode(errors="replace")


def _count(result: Result, work: Path, said: str) -> None:
    counts = work / "counts.json"
    if counts.exists():
        told = json.loads(counts.read_text())
        result.runs += told["runs"]
        result.seconds += told["seconds"]
        result.processor += told["processor"]
        counts.unlink()
    exact = re.search(r"stat::number_of_executed_units:\s+(\d+)", said)
    if exact:
        result.runs = max(result.runs, int(exact[1]))
    seen = [tuple(map(int, one)) for one in _COVERED.findall(said)]
    inited = re.search(r"INITED cov: (\d+)", said)
    if seen:
        result.edges, result.features = max(one[0] for one in seen), max(one[1] for one in seen)
    if inited and not result.before:
        result.before = int(inited[1])


def _too_much(inputs: set[bytes]) -> bool:
    return len(inputs) > KEPT_INPUTS or sum(map(len, inputs)) > KEPT_BYTES


def _chosen(target: Target, work: Path) -> set[bytes]:
    """The smallest inputs that together reach all that the run reached."""
    (work / "in").rename(work / "all")
    (work / "in").mkdir()
    code, said = _child(target.name, work, ["-merge=1", str(work / "in"), str(work / "all")], 2 * GRACE)
    if code:
        raise RuntimeError(f"the corpus of {target.name} cannot be merged ({code}):\n{said[-2_000:]}")
    return {one.read_bytes() for one in (work / "in").iterdir()}


def _fitting(inputs: set[bytes]) -> list[bytes]:
    """As many of them as the repository is to hold, the smallest first."""
    kept = list[bytes]()
    for one in sorted(inputs, key=lambda one: (len(one), one)):
        if _too_much({*kept, one}):
            break
        kept.append(one)
    return kept


def _write(folder: Path, inputs: set[bytes]) -> None:
    for one in inputs:
        (folder / hashlib.sha256(one).hexdigest()[:20]).write_bytes(one)


def _findings(work: Path) -> list[Path]:
    return [one for one in sorted((work / "found").iterdir()) if one.suffix != ".txt"]


def _words(one: Path) -> str:
    """What was wrong, in a line."""
    told = one.with_name(f"{one.name}.txt")
    lines = told.read_text(errors="replace").strip().splitlines() if told.exists() else [one.name]
    return lines[-1][:200]


def _keep_found(name: str, work: Path) -> None:
    """Add what was found to what is never thrown away, with the day and a word."""
    path = corpora.FOUND / f"{name}.txt"
    known = set(corpora.found(name))
    for one in _findings(work):
        data = one.read_bytes()
        if data not in known:
            path.parent.mkdir(exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(
                    f"# {time.strftime('%Y-%m-%d')}: {_words(one)}\n{base64.b64encode(data).decode()}\n"
                )


def clear(work: Path) -> None:
    """Remove what a run left that found nothing."""
    shutil.rmtree(work, ignore_errors=True)
