"""One target under libFuzzer, in a process of its own: atheris runs once in a process, and never returns.

``python -m tests.fuzz.child TARGET DIRECTORY WORD…``: what is found goes to `found/` of the directory, and counts to
`counts.json`. The words are libFuzzer's own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import atheris

# More processor time than this for one small input is a finding: somebody could stop a sidecar with it.
SLOW = 2.0  # seconds, of instrumented code
HANGS, MEMORY = 30, 1_500  # seconds, MiB
ROUND = 1.0  # seconds between two looks at the counts
STOP = "--stop"  # a word of ours: end at the first finding


class Watched:
    """Runs the target, and goes on after a finding: each is told once, by where it was raised.

    Args:
        run: the target.
        directory: where to write.
        stop: end at the first finding.
    """

    def __init__(self, run: Callable[[bytes], None], directory: Path, *, stop: bool) -> None:
        self._run, self._found = run, directory / "found"
        self._counts = directory / "counts.json"
        self._seen: set[str] = set()
        self._stop = stop
        self.runs, self._began = 0, time.monotonic()
        self._counted, self._loaded = self._began, time.process_time()

    def __call__(self, data: bytes) -> None:
        """One input."""
        began = time.process_time()
        try:
            self._run(data)
        except Exception as wrong:  # noqa: BLE001 - whatever it is, it is a finding
            self._note(data, traceback.format_exc(limit=-12), _place(wrong))
        spent = time.process_time() - began
        if spent > SLOW:
            self._note(data, f"it took {spent:.1f} s of processor time\n", "slow")
        self.runs += 1
        if time.monotonic() - self._counted > ROUND:
            self.count()

    def count(self) -> None:
        """Write down how far it is; libFuzzer ends the process without a word to Python."""
        self._counted = time.monotonic()
        spent = self._counted - self._began
        worked = time.process_time() - self._loaded
        text = json.dumps({"runs": self.runs, "seconds": round(spent, 1), "processor": round(worked, 1)})
        self._counts.with_suffix(".new").write_text(text)
        self._counts.with_suffix(".new").replace(self._counts)

    def _note(self, data: bytes, words: str, place: str) -> None:
        if place in self._seen:
            return
        self._seen.add(place)
        name = hashlib.sha256(place.encode()).hexdigest()[:12]
        (self._found / name).write_bytes(data)
        (self._found / f"{name}.txt").write_text(words, errors="backslashreplace")
        print(f"FOUND {name} {place}", file=sys.stderr, flush=True)
        if self._stop:
            self.count()
            os._exit(0)  # as libFuzzer ends


def _place(wrong: BaseException) -> str:
    """Where it was raised: the type, the words of a broken promise, and the last two lines of ours."""
    steps = [one for one in traceback.extract_tb(wrong.__traceback__) if "atheris" not in one.filename]
    ours = [
        f"{os.path.basename(one.filename)}:{one.lineno}"
        for one in steps
        if "site-packages" not in one.filename
    ]
    words = str(wrong)[:30] if isinstance(wrong, AssertionError) else ""
    return " ".join([type(wrong).__name__, words, *ours[-2:]])


def main() -> None:
    """Do what libFuzzer is told to."""
    name, directory = sys.argv[1], Path(sys.argv[2])
    with atheris.instrument_imports(include=["peermesh", "tests.fuzz.targets.planted"]):
        from tests.fuzz.targets import find

        target = find(name)
    watched = Watched(target.run, directory, stop=STOP in sys.argv)
    # The first word is a program that does the same again, for libFuzzer starts itself when it merges.
    words = [
        *(str(_again(name, directory)), f"-max_len={target.longest}", f"-timeout={HANGS}"),
        *(
            f"-rss_limit_mb={MEMORY}",
            f"-artifact_prefix={directory}/found/libfuzzer-",
            "-print_final_stats=1",
        ),
    ]
    atheris.Setup([*words, *(one for one in sys.argv[3:] if one != STOP)], watched)
    watched.count()
    atheris.Fuzz()


def _again(name: str, directory: Path) -> Path:
    path = directory / "again"
    if not path.exists():
        command = shlex.join([sys.executable, "-m", "tests.fuzz.child", name, str(directory)])
        path.write_text(f'#!/bin/sh\ncd {shlex.quote(os.getcwd())} && exec {command} "$@"\n')
        path.chmod(0o700)
    return path


if __name__ == "__main__":
    main()
