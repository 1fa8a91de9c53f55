"""What sidecars weigh: memory, threads, descriptors and idle processor time with several on one host."""

from __future__ import annotations

import os
import statistics
import sys
import time

from stage import Stage, stage, timed

COUNT = int(os.environ.get("BENCH_SIDECARS", "20"))
IDLE = float(os.environ.get("BENCH_IDLE", "20"))  # seconds
SETTLE = 5.0  # seconds: what a start leaves to do is no idling


def memory(pid: int) -> dict[str, float]:
    """PSS and USS of a process in MB."""
    found = {"Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for row in file:
            name, _, rest = row.partition(":")
            if name in found:
                found[name] = int(rest.split()[0])
    return {"pss": found["Pss"] / 1024, "uss": (found["Private_Clean"] + found["Private_Dirty"]) / 1024}


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has used, to the nanosecond."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def threads_cpu(pid: int) -> float:
    """The same for all its threads."""
    return sum(cpu(int(task)) for task in os.listdir(f"/proc/{pid}/task"))


def measure(here: Stage, count: int) -> None:
    """Print one row for *count* sidecars."""
    time.sleep(SETTLE)
    pids = [here.pid(f"s{n}") for n in range(count)]
    weights = [memory(pid) for pid in pids]
    before = [threads_cpu(pid) for pid in pids]
    time.sleep(IDLE)
    used = [(threads_cpu(pid) - b) / IDLE * 1000 for pid, b in zip(pids, before, strict=True)]
    threads = statistics.median(len(os.listdir(f"/proc/{pid}/task")) for pid in pids)
    files = statistics.median(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
    pss, uss = (statistics.median(w[key] for w in weights) for key in ("pss", "uss"))
    print(
        f"| {count} | {pss:.1f} | {uss:.1f} | {threads:.0f} | {files:.0f} | {statistics.median(used):.2f} | {max(used):.2f} |"
    )


def main() -> None:
    """Print the table."""
    if sys.platform != "linux":
        sys.exit("this benchmark reads /proc and runs on Linux only")
    with stage() as here:
        print("| sidecars | PSS MB | USS MB | threads | descriptors | idle CPU ms a second | the keeper's |")
        print("|---|---|---|---|---|---|---|")
        starts = [timed(lambda n=n: here.session(f"s{n}")) for n in range(1)]  # type: ignore[misc]
        measure(here, 1)
        starts += [timed(lambda n=n: here.session(f"s{n}")) for n in range(1, COUNT)]  # type: ignore[misc]
        measure(here, COUNT)
        print(f"\nFrom start to an open door: median {statistics.median(starts) * 1000:.0f} ms.")


if __name__ == "__main__":
    main()
