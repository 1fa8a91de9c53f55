"""Runs the benchmarks one after the other and writes docs/benchmarks.md: ``make bench``.

`bench/run.py NAME…` makes some parts anew and leaves the others. What a part reads from its environment reaches it
from here: ``BENCH_MINUTES=10 make bench`` makes ``load`` its long form.
"""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
import sys
import time

import zmq

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(os.path.dirname(HERE), "docs", "benchmarks.md")

PARTS = {
    "hooks": "Hooks",
    "send": "Send",
    "rival_faults": "Faults, beside hcom",
    "lan": "Between machines",
    "shared": "The shared picture",
    "jobs": "Run and tell",
    "panel": "The panel",
    "weight": "Weight",
    "scale": "Scale",
    "simulate": "Scale, simulated",
    "load": "Load: fifty peers that talk while hooks run",
    "backlog": "A long queue",
    "flood": "A flood",
    "claude": "With the real Claude Code",
}

# What takes too long to be made each time: by name only.
LONG = {"growth": "An hour"}

HEAD = """# What peer costs

Made by `make bench`, which anybody can run; each table by its own command, `.venv/bin/python bench/NAME.py`. Machines
differ and drift: compare within one run and read the ratios. Nothing here is a timed test.

Made on {when}: {machine}, {cores} cores, Python {python}, libzmq {zmq}, SQLite {sqlite}.

"""


def main() -> None:
    """Run the parts that were named, else all but the long; what cannot run here says why. Other parts stay."""
    wanted = sys.argv[1:] or list(PARTS)
    titles = {**PARTS, **LONG}
    kept = _kept()
    for name in wanted:
        print(f"{name} …", flush=True)
        kept[titles[name]] = f"## {titles[name]}\n\n`bench/{name}.py`\n\n{_said(name)}\n"
        _write([kept[title] for title in titles.values() if title in kept])
    print(f"wrote {PAGE}")


def _said(name: str) -> str:
    """What the benchmark *name* prints."""
    command = [sys.executable, os.path.join(HERE, f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"It could not run: {done.stderr.strip()[-500:]}"
    return done.stdout.strip()


def _kept() -> dict[str, str]:
    """The page's parts as they are, by title."""
    try:
        with open(PAGE, encoding="utf-8") as file:
            parts = re.split(r"^(?=## )", file.read(), flags=re.MULTILINE)[1:]
    except FileNotFoundError:
        return {}
    return {part.partition("\n")[0].removeprefix("## "): f"{part.rstrip()}\n" for part in parts}


def _write(parts: list[str]) -> None:
    head = HEAD.format(
        when=time.strftime("%Y-%m-%d"),
        machine=f"{platform.system()} {platform.machine()}",
        cores=os.cpu_count(),
        python=platform.python_version(),
        zmq=zmq.zmq_version(),
        sqlite=sqlite3.sqlite_version,
    )
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(head + "\n".join(parts))


if __name__ == "__main__":
    main()
