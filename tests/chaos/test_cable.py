"""The bad cable does what it is asked for: frames are doubled, overtaken, and lost one way only."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.lan.cable import Cable
from tests.netns import Network

pytestmark = pytest.mark.netns

COUNT = 100  # so many fit into a socket that nobody empties, also twice
PORT = 4000
# A frame that was held back comes within this.
LATE = 0.5  # seconds


@contextmanager
def udp(lan: Network, host: str) -> Iterator[socket.socket]:
    """A socket of a host's that hears what is sent to ``PORT``."""
    with closing(lan.socket(host, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))) as one:
        one.bind((lan.address(host), PORT))
        one.settimeout(LATE)
        yield one


def told(lan: Network, here: str, there: str, count: int = COUNT) -> list[int]:
    """*here* sends numbers to *there*; those that arrive, in the order in which they do."""
    got: list[int] = []
    with udp(lan, here) as near, udp(lan, there) as far:
        for n in range(count):
            near.sendto(str(n).encode(), (lan.address(there), PORT))
            time.sleep(0.001)
        while True:
            try:
                got.append(int(far.recv(100)))
            except TimeoutError:
                return got


@pytest.fixture
def lan() -> Iterator[Network]:
    """Two hosts that have heard of each other's hardware address."""
    with Network("desk", "lap") as lan:
        assert told(lan, "desk", "lap", 5) == told(lan, "lap", "desk", 5) == list(range(5))
        yield lan


def test_repeat(lan: Network) -> None:
    """Every other frame or so comes twice, and none is lost."""
    with Cable(lan, "lap", repeat=0.5) as cable:
        got = told(lan, "desk", "lap")
    assert sorted(set(got)) == list(range(COUNT))
    assert COUNT * 1.3 < len(got) < COUNT * 1.7
    assert cable.repeated >= len(got) - COUNT


def test_reorder(lan: Network) -> None:
    """Some are overtaken; each comes once."""
    with Cable(lan, "lap", reorder=0.3) as cable:
        got = told(lan, "desk", "lap")
    assert sorted(got) == list(range(COUNT))
    assert got != sorted(got)
    assert cable.reordered > COUNT / 10


@pytest.mark.parametrize(("way", "heard"), [("in", "desk"), ("out", "lap")])
def test_one_way(lan: Network, way: str, heard: str) -> None:
    """Nothing comes in, or nothing goes out; the other way is as before, and afterwards both are."""
    other = "lap" if heard == "desk" else "desk"
    with Cable(lan, "lap", lost_way=way):
        assert told(lan, other, heard, 20) == list(range(20))
        assert told(lan, heard, other, 20) == []
    assert told(lan, heard, other, 20) == list(range(20))
