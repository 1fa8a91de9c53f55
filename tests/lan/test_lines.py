"""Bad lines, other addresses, and networks without multicast: hosts find each other again, and mail flows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.netns import SUBNET, Network

from .cable import Cable
from .hosts import Host, pair, until
from .traffic import Talk, all_safe, arrived

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

# After an address changed: the dead link is noticed (15 s), and the new address found.
FOUND = 40.0  # seconds

Two = tuple[Host, Host]


@pytest.fixture
def two() -> Iterator[Two]:
    """Two hosts that see each other, with build on desk and front on lap; lap dials desk."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        try:
            desk.start("build", "build")
            lap.start("front", "front")
            pair(desk, lap)
            until(lambda: desk.sees("lap", "front") and lap.sees("desk", "build"), "both to be seen")
            yield desk, lap
        finally:
            desk.close()
            lap.close()


def both_ways(desk: Host, lap: Host, count: int, timeout: float) -> None:
    """A burst each way, at once."""
    there, back = [f"there {n}" for n in range(count)], [f"back {n}" for n in range(count)]
    desk.say("build", "front@lap", *there)
    lap.say("front", "build@desk", *back)
    arrived(lap, "front", there, timeout)
    arrived(desk, "build", back, timeout)
    all_safe(desk, "build")
    all_safe(lap, "front")


@pytest.mark.parametrize(("loss", "delay"), [(0.2, 0.0), (0.0, 0.2), (0.05, 0.1)])
def test_a_bad_line(two: Two, loss: float, delay: float) -> None:
    """Bursts of 200 each way and a big message, over a line that loses frames or delays them, each way."""
    desk, lap = two
    with Cable(desk.lan, "desk", loss=loss, delay=delay) as cable:
        began = time.monotonic()
        both_ways(desk, lap, 200, 60)
        print(f"loss {loss:.0%}, delay {delay} s: {time.monotonic() - began:.1f} s for 400")
        ident = desk.say("build", "front@lap", "x" * 100_000)[0]
        until(lambda: desk.sent("build", most=1).get(ident) == "safe", "the big one to be safe", 60)
        print(
            f"and {time.monotonic() - began:.1f} s with 100 kB more; {cable.lost} of {cable.carried + cable.lost} lost"
        )
        assert desk.here("front")
        assert lap.here("build")
    assert cable.carried > 50
    assert bool(cable.lost) == bool(loss)


def test_hosts_meet_over_a_line_that_loses_a_fifth() -> None:
    """Pairing with 20 % loss each way, by a person who tries again, and then they see each other."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        try:
            with Cable(lan, "lap", loss=0.2):
                desk.start("build", "build")
                lap.start("front", "front")
                token = desk.run("invite")["token"]
                began = time.monotonic()
                until(lambda: lap.run("join", token, check=False).returncode == 0, "lap to come in", 60)
                print(f"joined after {time.monotonic() - began:.1f} s")
                until(lambda: desk.sees("lap", "front") and lap.sees("desk", "build"), "both to be seen", 40)
                print(f"met after {time.monotonic() - began:.1f} s")
        finally:
            desk.close()
            lap.close()


def test_joining_outlasts_a_break() -> None:
    """A line that is dead for the first four of the eight seconds that a join takes at most."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        try:
            desk.start("build", "build")
            lap.start("front", "front")
            token = desk.run("invite")["token"]
            lap.cut()
            mend = threading.Timer(4.0, lap.mend)
            mend.start()
            done = lap.run("join", token, check=False)
            mend.join()
            assert done.returncode == 0, done
        finally:
            desk.close()
            lap.close()


@pytest.mark.parametrize("who", ["desk", "lap"])
def test_another_address(two: Two, who: str) -> None:
    """A host has another address in the middle of a talk; mDNS tells where, and nothing is lost."""
    desk, lap = two
    mover = desk if who == "desk" else lap
    with Talk(desk, "build", "front@lap") as talk:
        mover.address(mover.lan.address(who), f"{SUBNET}.77")
        began = time.monotonic()
        talk.until(50)
    arrived(lap, "front", talk.said, FOUND)
    print(f"{who} moved: all arrived after {time.monotonic() - began:.1f} s")
    lap.say("front", "build@desk", "found you")
    until(lambda: desk.inbox("build") == ["found you"], "the way back")
    until(lambda: desk.sees("lap", "front") and lap.sees("desk", "build"), "both to be seen")
    all_safe(desk, "build")


def test_connect_where_multicast_is_not_heard() -> None:
    """Both hosts move while no multicast crosses: `peer connect` with the new address is enough."""
    with Network("desk", "lap") as lan:
        # Of its two interfaces mDNS uses one that leads nowhere, as in a VPN or behind a guest Wi-Fi.
        desk, lap = Host(lan, "desk"), Host(lan, "lap", PEER_INTERFACES="dead0")
        try:
            dead_end(lap)
            desk.start("build", "build")
            lap.start("front", "front")
            pair(desk, lap)
            until(lambda: desk.sees("lap", "front") and lap.sees("desk", "build"), "both to be seen")
            desk.say("build", "front@lap", "before")
            until(lambda: lap.inbox("front") == ["before"], "mail before")
            desk.address(lan.address("desk"), f"{SUBNET}.81")
            lap.address(lan.address("lap"), f"{SUBNET}.82")
            desk.say("build", "front@lap", "meanwhile")
            until(lambda: not desk.here("front") and not lap.here("build"), "both to be away", 25)
            time.sleep(3)
            assert not lap.here("build"), "nobody can know where desk is"
            lap.run("connect", f"{SUBNET}.81")
            began = time.monotonic()
            until(lambda: desk.sees("lap", "front") and lap.sees("desk", "build"), "both to be here again")
            print(f"found {time.monotonic() - began:.1f} s after peer connect")
            until(lambda: lap.inbox("front") == ["before", "meanwhile"], "mail after")
            lap.run("send", "build@desk", "and back", "--wait", "safe", session="front")
            all_safe(desk, "build")
        finally:
            desk.close()
            lap.close()


def dead_end(host: Host) -> None:
    """An interface that is up, with an address, and leads nowhere."""
    for words in (
        "link add dead0 type veth peer name dead1",
        "link set dead1 up",
        "link set dead0 up",
        "address add 10.84.0.1/24 brd + dev dead0",
    ):
        done = host.lan.run(host.name, ["ip", *words.split()])
        assert done.returncode == 0, done.stderr
