"""What sidecars weigh: memory, threads, descriptors and idle processor time with 1, 20 and 200 on one host, forked by
the fork server as they are; and, for what that is worth, with 20 that were started without it.

Takes two and a half minutes. BENCH_SIDECARS: how many, commas between; BENCH_IDLE: seconds for which each row is
measured.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from stage import Stage, stage, timed, until

COUNTS = [int(count) for count in os.environ.get("BENCH_SIDECARS", "1,20,200").split(",")]
PLAIN = 20
IDLE = float(os.environ.get("BENCH_IDLE", "20"))  # seconds
SETTLE = 6.0  # seconds: what a start leaves to do is no idling


def memory(pid: int) -> dict[str, float]:
    """PSS and USS of a process in MB."""
    found = {"Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for row in file:
            name, _, rest = row.partition(":")
            if name in found:
                found[name] = int(rest.split()[0])
    return {"pss": found["Pss"] / 1024, "uss": (found["Private_Clean"] + found["Private_Dirty"]) / 1024}


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """By how much *values* rise in one unit of *times*, by least squares; 0 if all is one moment."""
    at, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time - at) ** 2 for time in times)
    rises = sum((time - at) * (value - mean) for time, value in zip(times, values, strict=True))
    return rises / spread if spread else 0.0


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has used, to the nanosecond."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def threads_cpu(pid: int) -> float:
    """The same for all its threads."""
    return sum(cpu(int(task)) for task in os.listdir(f"/proc/{pid}/task"))


def parent(pid: int) -> int:
    """The process that started *pid*."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def fork_server(pids: Sequence[int]) -> int:
    """The fork server that most of these sidecars are from; 0 if there is none."""
    of = statistics.mode(parent(pid) for pid in pids)
    with open(f"/proc/{of}/comm", encoding="utf-8") as file:
        return of if file.read().strip() == "peer forkserver" else 0


def plainly(here: Stage, name: str) -> None:
    """Start the sidecar of a session without a fork server; returns when its door is open."""
    here.client(name)
    client = int(here.environment(name)["CLAUDE_PID"])
    subprocess.Popen(
        [sys.executable, "-I", "-m", "peermesh.sidecar", json.dumps({"session": name, "client": client})],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: here.door(name) is not None)


def measure(here: Stage, count: int, how: str) -> None:
    """Print one row for *count* sidecars."""
    time.sleep(SETTLE)
    pids = [here.pid(f"s{n}") for n in range(count)]
    before = [threads_cpu(pid) for pid in pids]
    time.sleep(IDLE)
    used = [(threads_cpu(pid) - b) / IDLE * 1000 for pid, b in zip(pids, before, strict=True)]
    weights = [memory(pid) for pid in pids]
    server = fork_server(pids)
    whole = sum(one["pss"] for one in weights) + (memory(server)["pss"] if server else 0.0)
    threads = statistics.median(len(os.listdir(f"/proc/{pid}/task")) for pid in pids)
    files = statistics.median(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
    pss, uss = (statistics.median(w[key] for w in weights) for key in ("pss", "uss"))
    print(
        f"| {count} {how} | {pss:.1f} | {uss:.1f} | {whole / count:.1f} | {threads:.0f} | {files:.0f} "
        f"| {statistics.median(used):.2f} | {max(used):.2f} |",
        flush=True,
    )


def filled(
    here: Stage, begin: Callable[[Stage, str], object], counts: Sequence[int], how: str
) -> list[float]:
    """Start and measure ever more sidecars; how long each took to start."""
    starts: list[float] = []
    for count in counts:
        more = range(len(starts), count)
        starts += [timed(lambda n=n: begin(here, f"s{n}")) for n in more]  # type: ignore[misc]
        measure(here, count, how)
    return starts


def main() -> None:
    """Print the table."""
    if sys.platform != "linux":
        sys.exit("this benchmark reads /proc and runs on Linux only")
    print(
        "| sidecars | PSS MB | USS MB | MB each, with the fork server | threads | descriptors "
        "| idle CPU ms a second | most |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with stage() as here:
        plain = filled(here, plainly, [PLAIN], "without fork server")
    with stage() as here:
        forked = filled(here, Stage.session, COUNTS, "forked")
    print("\nFrom start to an open door, milliseconds:\n\n| started | median | 90 % |\n|---|---|---|")
    for how, starts in (("without fork server", plain), ("forked", forked[1:])):
        if starts:
            ordered = sorted(starts)
            nine = ordered[int(len(ordered) * 0.9)]
            print(f"| {how} | {statistics.median(ordered) * 1000:.0f} | {nine * 1000:.0f} |")
    print(f"| the first, which leaves the fork server behind | {forked[0] * 1000:.0f} | |")


if __name__ == "__main__":
    main()
