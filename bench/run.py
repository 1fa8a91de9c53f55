"""Runs the benchmarks one after the other and writes docs/benchmarks.md: ``make bench``.

What a part reads from its environment reaches it from here: ``BENCH_MINUTES=10 make bench`` makes ``load`` its long form.
"""

from __future__ import annotations

import os
import platform
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

HEAD = """# What peer costs

Made by `make bench`, which anybody can run; each table by its own command, `.venv/bin/python bench/NAME.py`. Machines
differ and drift: compare within one run and read the ratios. Nothing here is a timed test.

Made on {when}: {machine}, {cores} cores, Python {python}, libzmq {zmq}, SQLite {sqlite}.
"""


def main() -> None:
    """Run the parts that were named, else all; what cannot run here says why."""
    wanted = sys.argv[1:] or list(PARTS)
    page = [
        HEAD.format(
            when=time.strftime("%Y-%m-%d"),
            machine=f"{platform.system()} {platform.machine()}",
            cores=os.cpu_count(),
            python=platform.python_version(),
            zmq=zmq.zmq_version(),
            sqlite=sqlite3.sqlite_version,
        )
    ]
    for name in wanted:
        print(f"{name} …", flush=True)
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, f"{name}.py")], capture_output=True, text=True, check=False
        )
        said = (
            done.stdout.strip() if done.returncode == 0 else f"It could not run: {done.stderr.strip()[-500:]}"
        )
        page.append(f"## {PARTS[name]}\n\n`bench/{name}.py`\n\n{said}\n")
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write("\n".join(page))
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
