"""Scale: 1 to 200 sidecars on one host and over ten, against ZeroMQ alone. How each cost grows with their number.

Needs Linux and root: hosts are network namespaces on a bridge of their own, and no packet leaves the machine. Takes
four minutes on two cores; BENCH_ONE and BENCH_TEN set the steps (sidecars on one host, and on each of ten),
BENCH_IDLE the seconds of quiet in which processor and mDNS are counted (60 for the long form).
"""

from __future__ import annotations

import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bare import fan_out, receivers, rounds
from crowd import Crowd, Listener, Member, crowd

from tests.netns import Network, _enter

ONE = [int(one) for one in os.environ.get("BENCH_ONE", "1,10,50,100,200").split(",")]
TEN = [int(one) for one in os.environ.get("BENCH_TEN", "1,5,20").split(",")]
HOSTS = 10
IDLE = float(os.environ.get("BENCH_IDLE", "6"))  # seconds
SETTLE = 2.0  # seconds: what a start leaves to do is no idling
NEW = 2  # sessions that come one by one, at each step
AROUND = 5.2  # seconds: so often each sidecar looks who is here
SAID = 4  # broadcasts: one dials, the others do not
CLAIMS = 4
BODY = "x" * 200
# Of processor time as /proc tells it.
TICK = 0.01  # seconds
BIG = 10  # steps from here on show how a cost grows


@dataclass
class Step:
    """What was found with so many sidecars. Times in seconds, memory in MB."""

    count: int
    newest: float = math.nan
    asking: float = math.nan
    joining: float = math.nan  # of processor, of all others, for one more session
    pss: float = 0.0
    pss_each: float = 0.0
    files: float = 0.0
    most_files: int = 0
    idle: float = 0.0  # of processor, of all, in a second
    mdns: float = 0.0  # packets a minute
    mdns_start: float = 0.0  # packets for one more session
    links_idle: tuple[int, int] = (0, 0)
    links_said: tuple[int, int] = (0, 0)
    first: float = math.nan
    next: float = math.nan
    said_cpu: float = math.nan  # of processor, of all, for one message of a broadcast
    claim: float = math.nan
    claim_cpu: float = math.nan  # of processor, of all, for one event
    bare: tuple[float, float] = (math.nan, math.nan)  # first and next, no disk
    synced: tuple[float, float] = (math.nan, math.nan)


def measure(here: Crowd, each: int, ear: Listener, speaker: int) -> Step:
    """Grow to *each* sidecars on every host, and look at all of it; the *speaker*-th is the one that talks."""
    step = Step(count=each * len(here.hosts))
    grow(here, each, ear, step)
    if not step.idle:
        time.sleep(SETTLE)
        quiet(here, ear, step)
    step.pss, step.pss_each = here.memory()
    step.files, step.most_files = here.descriptors()
    step.links_idle = here.connections()
    if step.count > 1:
        talk(here, here.members[speaker], step)
    return step


def grow(here: Crowd, each: int, ear: Listener, step: Step) -> None:
    """All but the last few come together, and those one by one."""
    few = 1 + NEW if each > 1 + NEW or step.count > len(here.hosts) else 0
    here.grow(each, but=few)
    if not few:
        return
    time.sleep(AROUND)  # what those who came together leave to do is not the price of one more
    heard, used, began = ear.packets, here.cpu(), time.perf_counter()
    here.come()
    time.sleep(AROUND)  # each looks around once
    took = time.perf_counter() - began
    step.joining = here.cpu(some=step.count - few) - used  # without what is idle, see below
    step.mdns_start = ear.packets - heard
    found = [here.newcomer() for _ in range(NEW)]
    step.newest = max(took for took, _ in found)
    step.asking = max(again for _, again in found)
    time.sleep(SETTLE)
    quiet(here, ear, step)
    step.joining -= step.idle * took


def quiet(here: Crowd, ear: Listener, step: Step) -> None:
    """Nobody says anything."""
    used, heard, began = here.cpu(), ear.packets, time.perf_counter()
    time.sleep(IDLE)
    took = time.perf_counter() - began
    step.idle = (here.cpu() - used) / took
    step.mdns = (ear.packets - heard) / took * 60


def talk(here: Crowd, by: Member, step: Step) -> None:
    """One says something to all, and then claims something that all are to see."""
    step.first = here.broadcast(by, BODY)
    used, began = here.cpu(), time.perf_counter()
    step.next = statistics.median(here.broadcast(by, BODY) for _ in range(SAID - 1))
    busy = here.cpu() - used - step.idle * (time.perf_counter() - began)
    step.said_cpu = busy / (SAID - 1) / (step.count - 1)
    step.links_said = here.connections()
    used, began = here.cpu(), time.perf_counter()
    step.claim = statistics.median(here.claim(by, f"{number}.py") for number in range(CLAIMS))
    busy = here.cpu() - used - step.idle * (time.perf_counter() - began)
    step.claim_cpu = busy / CLAIMS / 2  # it is released again


def alone(step: Step, lan: Network | None = None) -> None:
    """What ZeroMQ does with as many: over ipc, or over TCP between the hosts of *lan*."""
    for synced in (False, True):
        found = _over_tcp(lan, step.count, synced=synced) if lan else fan_out(step.count, SAID, synced=synced)
        both = (found[0], statistics.median(found[1:]))
        if synced:
            step.synced = both
        else:
            step.bare = both


def _over_tcp(lan: Network, count: int, *, synced: bool) -> list[float]:
    """A DEALER on the first host, and ROUTERs on all."""
    hosts = [lan.hosts[number % len(lan.hosts)] for number in range(count)]
    endpoints = [f"tcp://{lan.address(host)}:{20_000 + number}" for number, host in enumerate(hosts)]
    with (
        tempfile.TemporaryDirectory(prefix="pb", dir="/tmp") as folder,
        receivers(
            endpoints, folder, synced=synced, enter=lambda number: _enter(lan.namespace(hosts[number]))
        ),
    ):
        return lan.socket(lan.hosts[0], lambda: rounds(endpoints, SAID))


def exponent(steps: Sequence[Step], of: str) -> str:
    """The power of the number of sidecars with which a cost grows, by least squares over the larger steps.

    Processor time of all below one tick of the kernel's clock is no figure.
    """
    points = [(math.log(one.count), getattr(one, of)) for one in steps if one.count >= BIG]
    points = [(x, math.log(y)) for x, y in points if y > (TICK if of == "joining" else 0)]
    if len(points) < 2:
        return "-"
    mean_x, mean_y = (statistics.mean(axis) for axis in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return f"{sum((x - mean_x) * (y - mean_y) for x, y in points) / spread:.1f}"


def ms(seconds: float, digits: int = 0) -> str:
    """Milliseconds, or a dash if it was not measured."""
    return "-" if math.isnan(seconds) else f"{seconds * 1_000:,.{digits}f}"


def show(steps: Sequence[Step], between: str) -> None:
    """Print the tables."""
    counts = " | ".join(f"{one.count}" for one in steps)
    print(f"| sidecars | {counts} | grows with their number to the |\n|{'---|' * (len(steps) + 2)}")

    def row(what: str, cells: Sequence[str], of: str = "") -> None:
        print(f"| {what} | {' | '.join(cells)} | {exponent(steps, of) if of else ''} |")

    row(
        "a new session, from its open door until the last other tells of it, ms",
        [ms(s.newest) for s in steps],
    )
    row("of that, asking all of them, ms", [ms(s.asking) for s in steps])
    row("CPU of all others for one more session, ms", [ms(s.joining) for s in steps], "joining")
    row("PSS of all, MB", [f"{s.pss:,.0f}" for s in steps], "pss")
    row("of one, MB", [f"{s.pss_each:.1f}" for s in steps])
    row("descriptors of one, of the keeper", [f"{s.files:.0f}, {s.most_files}" for s in steps])
    row("idle: CPU of all, ms a second", [ms(s.idle) for s in steps], "idle")
    row("idle: CPU of one, ms a second", [ms(s.idle / s.count, 2) for s in steps])
    row("idle: mDNS packets a minute", [f"{s.mdns:.0f}" for s in steps], "mdns")
    row("mDNS packets for one more session", [f"{s.mdns_start:.0f}" for s in steps])
    row(
        "idle: ZeroMQ links on the hosts, between them",
        [f"{a}, {b}" for a, b in (s.links_idle for s in steps)],
    )
    row("the same after one told all", [f"{a}, {b}" for a, b in (s.links_said for s in steps)])
    row(
        "a message to all, until the last is *safe*: the first, which dials, ms", [ms(s.first) for s in steps]
    )
    row("the next, ms", [ms(s.next) for s in steps], "next")
    row("the next, CPU for each recipient, ms", [ms(s.said_cpu, 2) for s in steps])
    row(
        f"ZeroMQ alone over {between}: the first, the next, ms",
        [", ".join(ms(t) for t in s.bare) for s in steps],
    )
    row(
        "with a synced SQLite commit at each: the first, the next, ms",
        [", ".join(ms(t) for t in s.synced) for s in steps],
    )
    row("peer to ZeroMQ with SQLite, the next", [_ratio(s.next, s.synced[1]) for s in steps])
    row("a claim, until the last other's hook is armed, ms", [ms(s.claim) for s in steps], "claim")
    row("an event, CPU of all, ms", [ms(s.claim_cpu) for s in steps], "claim_cpu")
    row("an event, CPU of one, ms", [ms(s.claim_cpu / s.count, 2) for s in steps])


def _ratio(of: float, to: float) -> str:
    return "-" if math.isnan(of) else f"{of / to:.1f}"


def run(names: Sequence[str], levels: Sequence[int]) -> list[Step]:
    """All steps on the hosts *names*."""
    steps = []
    with crowd(*names) as here:
        ear = Listener(here.lan)
        try:
            for number, each in enumerate(levels):
                step = measure(here, each, ear, -1 - number)
                alone(step, here.lan if len(names) > 1 else None)
                steps.append(step)
        finally:
            ear.close()
    return steps


def main() -> None:
    """Print the tables of one host and of ten."""
    if ONE[0]:
        print("One host:\n")
        show(run(["one"], ONE), "ipc")
    if TEN[0]:
        print(f"\n{HOSTS} hosts, all paired:\n")
        show(run([f"h{number}" for number in range(HOSTS)], TEN), "TCP, without keys")


if __name__ == "__main__":
    main()
