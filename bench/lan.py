"""Between machines, played by network namespaces: being seen, the first message, send to *safe*, and strangers.

Needs Linux and root. The bridge has a namespace of its own: no packet leaves the machine.
"""

from __future__ import annotations

import os
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from peermesh import config
from peermesh.door.client import Door, knock
from tests.lan.hosts import Host, pair, until
from tests.netns import Network

STARTS = int(os.environ.get("BENCH_STARTS", "20"))
ONE = int(os.environ.get("BENCH_ONE", "300"))
MANY = int(os.environ.get("BENCH_MANY", "3000"))
PAIRS = int(os.environ.get("BENCH_PAIRS", "12"))
FLOOD = 8.0  # seconds
BODY = "x" * 200
LOOK = 0.001


def door(host: Host, session: str) -> Door:
    """The open door of a session."""
    found = knock(config.session_link(str(host.home / "p"), session))
    assert found is not None
    return found


def ms(seconds: list[float], part: float = 0.5) -> str:
    """The median, or another part of all, in milliseconds."""
    ordered = sorted(seconds)
    return f"{ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1_000:.1f}"


def row(what: str, seconds: list[float]) -> None:
    """One line of the table."""
    print(f"| {what} | {ms(seconds)} | {ms(seconds, 0.9)} | {ms(seconds, 0.99)} |")


def seen(desk: Host, lap: Host) -> list[float]:
    """Seconds from a session's open door on one host until the other lists it."""
    eye, found = door(lap, "l"), []
    for number in range(STARTS):
        name = f"new{number}"
        desk.start(name, "")
        began = time.perf_counter()
        peer = desk.ask(name, "status")["id"]
        while not any(p["id"] == peer and p["here"] for p in eye.ask("list")["peers"]):
            time.sleep(LOOK)
        found.append(time.perf_counter() - began)
    return found


def send(near: Door, to: str) -> float:
    """Seconds of one message to *safe*."""
    began = time.perf_counter()
    said = near.ask("send", to=to, body=BODY, wait="safe", within=20)
    assert said["reached"], said
    return time.perf_counter() - began


def many(near: Door, to: str) -> float:
    """Messages a second when all are sent without waiting, until the last is safe."""
    began = time.perf_counter()
    feeder = threading.Thread(
        target=lambda: [
            near.write("send", n, {"to": to, "body": BODY, "wait": "safe", "within": 60})
            for n in range(1, MANY + 1)
        ]
    )
    feeder.start()
    for _ in range(MANY):
        assert near.read()["ok"]["messages"][0]["state"] == "safe"
    feeder.join()
    return MANY / (time.perf_counter() - began)


def keeper(host: Host) -> int:
    """The process of the host's keeper."""
    session = host.keeper()
    assert session is not None
    return int(host.ask(session, "status")["pid"])


def rss(pid: int) -> float:
    """MB of memory in use."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu(pid: int) -> float:
    """Seconds of processor used so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def flood(lan: Network, target: tuple[str, int], junk: bytes, until_when: Callable[[], bool]) -> int:
    """Connections of a stranger that say *junk* and stay, as fast as they can be made; how many there were."""
    count, held = 0, []
    while not until_when():
        one = lan.socket("evil", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        one.settimeout(0.5)
        try:
            one.connect(target)
            one.sendall(junk)
        except OSError:
            pass
        held.append(one)
        count += 1
        if len(held) > 400:
            held.pop(0).close()
    for one in held:
        one.close()
    return count


def strangers(lan: Network, desk: Host, lap: Host, junk: bytes) -> dict[str, Any]:
    """What a flood costs the host that is flooded, and the others who talk with it meanwhile."""
    pid, near = keeper(desk), door(lap, "l")
    port = desk.ask("d", "hosts")["port"]
    before, used, began = rss(pid), cpu(pid), time.perf_counter()
    found: dict[str, Any] = {}
    thread = threading.Thread(
        target=lambda: found.update(
            count=flood(lan, (lan.address("desk"), port), junk, lambda: time.perf_counter() - began > FLOOD)
        )
    )
    thread.start()
    times, most = [], before
    while thread.is_alive():
        times.append(send(near, "d@desk"))
        most = max(most, rss(pid))
        time.sleep(0.02)
    thread.join()
    took = time.perf_counter() - began
    return {**found, "grown": most - before, "cpu": (cpu(pid) - used) / took, "times": times, "took": took}


def main() -> None:
    """Print the tables."""
    with Network("desk", "lap", "evil") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        try:
            desk.start("d", "d")
            desk.start("d2", "d2")
            lap.start("l", "l")
            pair(desk, lap)
            until(lambda: lap.sees("desk", "d") and desk.sees("lap", "l"), "each other")
            near, here = door(lap, "l"), door(desk, "d2")
            print("| | median ms | 90 % ms | 99 % ms |\n|---|---|---|---|")
            row("a new session, from its open door until the other host lists it", seen(desk, lap))
            fresh = [(f"new{n}", f"new{n + 1}") for n in range(0, 2 * PAIRS, 2) if n + 1 < STARTS]
            names = {p["id"]: p["name"] for p in desk.ask("d", "list")["peers"]}
            called = {s: names[desk.ask(s, "status")["id"]] for pair_ in fresh for s in pair_}
            row(
                "first message between two sessions, other host",
                [send(near, f"{called[a]}@desk") for a, _ in fresh],
            )
            row("first message between two sessions, same host", [send(here, called[b]) for _, b in fresh])
            far, local = [], []
            for _ in range(ONE):
                far.append(send(near, "d@desk"))
                local.append(send(here, "d"))
            row("send to *safe*, other host", far)
            row("send to *safe*, same host", local)
            ratio = statistics.median(far) / statistics.median(local)
            print(
                f"\nOther host to same host: {ratio:.2f}. Many in flight: {many(near, 'd@desk'):,.0f} messages a"
            )
            print(f"second to the other host, {many(here, 'd'):,.0f} on the same one.\n")
            print(
                "| strangers at the port, for 8 s | connections | memory grown MB | CPU of the keeper | send to *safe* median, 99 % ms |"
            )
            print("|---|---|---|---|---|")
            for what, junk in (
                ("junk", b"\xa5" * 1_000_000),
                ("half-open", b""),
                ("a greeting and no more", b"\xff\0\0\0\0\0\0\0\1\x7f\3"),
            ):
                said = strangers(lan, desk, lap, junk)
                print(
                    f"| {what} | {said['count']:,} | {said['grown']:.1f} | {said['cpu'] * 100:.0f} % "
                    f"| {ms(said['times'])}, {ms(said['times'], 0.99)} |"
                )
        finally:
            desk.close()
            lap.close()


if __name__ == "__main__":
    main()
