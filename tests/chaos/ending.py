"""The end of processes that a run started, whoever of them started which, and whatever became of their files."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

# Nobody was found so often in a row: one may have been starting another.
QUIET = 3
LOOK = 0.02  # seconds


def signalled(pid: int, number: signal.Signals) -> bool:
    """Signal *pid*; whether it was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def kill_all(find: Callable[[], list[int]]) -> None:
    """Kill -9 of all whom *find* finds, until it finds nobody."""
    quiet = 0
    while quiet < QUIET:
        pids = find()
        quiet = 0 if pids else quiet + 1
        for pid in pids:
            signalled(pid, signal.SIGKILL)
        time.sleep(LOOK)


def holder(lock: Path) -> int:
    """The process that holds *lock*, as the kernel says; 0 if none does."""
    try:
        inode = lock.stat().st_ino
        device = lock.stat().st_dev
    except FileNotFoundError:
        return 0
    where = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    for line in Path("/proc/locks").read_text().splitlines():
        # 3: FLOCK  ADVISORY  WRITE 16271 00:2a:2724 0 EOF
        words = line.split()
        if words[1:4] == ["FLOCK", "ADVISORY", "WRITE"] and words[5] == where:
            return int(words[4])
    return 0
