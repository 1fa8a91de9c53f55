"""A supervisor starts with each `peer run`, and stays beside each job: it carries no luggage."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from peermesh.jobs import record
from tests.live.home import ROOT

from .bench import Bench

HEAVY = frozenset(
    ["argparse", "asyncio", "click", "contextlib", "dataclasses", "inspect", "logging", "pathlib", "shutil", "subprocess",
     "tempfile", "threading", "typing", "zmq"]
)  # fmt: skip


def test_it_loads_little() -> None:
    """With a bare interpreter, and nothing of what costs milliseconds."""
    code = f"import sys; sys.path.append({str(ROOT)!r}); import peermesh.jobs.supervisor; print(*sys.modules)"
    words = [sys.executable, "-I", "-S", "-X", "utf8", "-c", code]
    loaded = set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())
    assert loaded & HEAVY == set()
    assert {name for name in loaded if name.startswith("peermesh.")} == {
        "peermesh.core",
        "peermesh.core.clean",
        "peermesh.jobs",
        *(f"peermesh.jobs.{name}" for name in (
            "child", "ending", "files", "output", "setting", "streams", "supervisor", "talk"
        )),
        "peermesh.locks",
    }  # fmt: skip


def test_it_rests(bench: Bench) -> None:
    """While a job says nothing its supervisor does nothing, and holds little."""
    job = bench.detached("sleep", "140")
    assert job.pid
    pid = bench.supervisor()
    status = Path(f"/proc/{pid}/status")

    def switches() -> int:
        return sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", status.read_text())))

    time.sleep(1.0)  # for what its start brings
    rested = switches()
    time.sleep(1.2)
    assert switches() - rested <= 2
    found = re.search(r"RssAnon:\s+(\d+)", status.read_text())
    assert found is not None
    assert int(found[1]) < 12_000
    record.control(str(job.path), "kill")
