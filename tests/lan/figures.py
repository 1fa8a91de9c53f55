"""Figures of three hosts on one LAN: how soon a new session is seen by all, and how long a message takes to be safe.

Not a test: `python -m tests.lan.figures`, as root.
"""

from __future__ import annotations

import os
import statistics
import time

from peermesh import config
from peermesh.door.client import Door, knock
from tests.netns import Network

from .hosts import Host, pair, until

STARTS = int(os.environ.get("FIGURES_STARTS", "20"))
SENDS = int(os.environ.get("FIGURES_SENDS", "300"))
BODY = "x" * 200
LOOK = 0.0005  # seconds


def open_door(host: Host, session: str, patience: float = 10.0) -> Door:
    """The door of a session, as soon as it is open."""
    end = time.monotonic() + patience
    while (door := knock(config.session_link(str(host.home / "p"), session))) is None:
        assert time.monotonic() < end, f"no door of {session}"
        time.sleep(LOOK)
    return door


def seen_by_all(desk: Host, others: list[Host]) -> tuple[list[float], list[float]]:
    """Seconds from a session's open door until the first, and until the last, of the *others* lists it as here."""
    eyes = [open_door(host, f"on-{host.name}") for host in others]
    first, last = [], []
    for number in range(STARTS):
        desk.start(f"new{number}", wait=False)
        door = open_door(desk, f"new{number}")
        began = time.perf_counter()
        peer = door.ask("status", timeout=10)["id"]
        door.close()
        times: dict[int, float] = {}
        while len(times) < len(eyes):
            for place, eye in enumerate(eyes):
                rows = eye.ask("list", timeout=10)["peers"] if place not in times else []
                if any(p["id"] == peer and p["here"] for p in rows):
                    times[place] = time.perf_counter() - began
            time.sleep(LOOK)
        first.append(min(times.values()))
        last.append(max(times.values()))
    for eye in eyes:
        eye.close()
    return first, last


def to_safe(door: Door, to: str) -> float:
    """Seconds of one message until the door says that it is safe."""
    began = time.perf_counter()
    said = door.ask("send", timeout=30, to=to, body=BODY, wait="safe", within=20)
    assert said["reached"], said
    return time.perf_counter() - began


def row(what: str, seconds: list[float]) -> None:
    """Median, 90th and 99th percentile in milliseconds; of few values the last is the longest."""
    ordered = sorted(seconds)
    parts = [
        statistics.median(ordered),
        *(ordered[min(len(ordered) - 1, int(p * len(ordered)))] for p in (0.9, 0.99)),
    ]
    print(f"| {what} | " + " | ".join(f"{one * 1000:.2f}" for one in parts) + f" | {len(ordered)} |")


def main() -> None:
    """Print the table."""
    with Network("desk", "lap", "farm") as lan:
        desk, lap, farm = (Host(lan, name) for name in lan.hosts)
        try:
            for host in (desk, lap, farm):
                host.start(f"on-{host.name}", f"on-{host.name}")
            desk.start("near", "near")
            for one, other in ((desk, lap), (desk, farm), (lap, farm)):
                pair(one, other)
            until(
                lambda: desk.sees("lap", "on-lap") and lap.sees("desk", "on-desk", "near"), "all to be seen"
            )
            until(lambda: farm.sees("lap", "on-lap") and farm.sees("desk", "near"), "all to be seen")
            door = open_door(desk, "on-desk")
            for to in ("on-lap@lap", "near"):
                to_safe(door, to)
            # One of each in turn: what drifts, drifts for both.
            pairs = [(to_safe(door, "on-lap@lap"), to_safe(door, "near")) for _ in range(SENDS)]
            door.close()
            first, last = seen_by_all(desk, [lap, farm])
        finally:
            for host in (desk, lap, farm):
                host.close()
    print("| ms | median | 90 % | 99 % | of |\n|---|---|---|---|---|")
    row("a new session's door is open, to seen by the first other host", first)
    row("the same, to seen by both", last)
    row("send to *safe*, another host", [far for far, _ in pairs])
    row("send to *safe*, same host", [near for _, near in pairs])


if __name__ == "__main__":
    main()
