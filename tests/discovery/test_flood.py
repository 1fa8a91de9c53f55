"""Strangers who send nonsense, or far too much of what looks right: it costs little, and is soon over."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Self

import pytest

from tests.netns import Network

from . import packets
from .hosts import Remote
from .packets import PORT, PTR, SRV, TXT, Record, Sniffer, service_bytes, written

pytestmark = pytest.mark.netns

A, B = "a" * 16, "b" * 16
SERVICE = "_peer-mesh._tcp.local."
HOUR = 3600
# How long anything may take that is said at once, in seconds: much more than it does.
SOON = 5.0
# What a flood may leave in memory, in MB: zeroconf's cache of 10,000 records, the book, and loose ends.
LEFT = 25.0
# Packets that fit into a socket's buffer, so that none is lost on the way.
HANDFUL = 20


@pytest.fixture
def lan() -> Iterator[Network]:
    """Two hosts and a bad neighbour."""
    with Network("desk", "lap", "evil") as network:
        yield network


class _Evil:
    """Sends raw packets to everyone, as the neighbour."""

    def __init__(self, lan: Network) -> None:
        self._socket = lan.socket("evil", lambda: _speaking(lan.address("evil")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, all_of_it: Iterable[bytes], victim: Remote) -> None:
        for number, packet in enumerate(all_of_it):
            self._socket.sendto(packet, ("224.0.0.251", PORT))
            if number % HANDFUL == 0:
                victim("quiet")
        victim("quiet")


def _speaking(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    made.bind((address, 0))
    return made


def _pointer(name: str) -> Record:
    return (SERVICE, PTR, 4 * HOUR, packets.name_bytes(f"{name}.{SERVICE}"))


def _whole(number: int) -> list[Record]:
    """The four records of an invented instance."""
    name, host = f"{number:016x}", f"peer-{number:016x}.local."
    return [
        _pointer(name),
        (f"{name}.{SERVICE}", SRV, HOUR, service_bytes(host, 1)),
        (f"{name}.{SERVICE}", TXT, HOUR, b"\x03v=1"),
        (host, packets.A, HOUR, ip_address("10.83.0.99").packed),
    ]


def _in_packets(records: list[Record], each: int) -> list[bytes]:
    return [written(records[start : start + each]) for start in range(0, len(records), each)]


def test_a_flood_of_instances_is_bounded(lan: Network) -> None:
    """Invented instances without end fill the book to its limit, and those who were there stay."""
    desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
    desk("publish", [[A, 1, ""]])
    lap("until", {"has": A}, SOON)
    records = [record for number in range(4_000) for record in _whole(number)]
    before = lap("memory")
    with _Evil(lan) as evil:
        evil.send(_in_packets(records, 12), lap)
    _, _, rumours, _, refused = lap("health")
    grown = lap("memory") - before
    print(f"4,000 invented instances: {grown:.1f} MB, {rumours} rumours, {refused} refused")
    assert rumours == 1024
    assert refused > 1_000
    assert grown < LEFT
    assert A in [rumour[0] for rumour in lap("rumours")]
    lap("close")
    assert lap.words() == ""


def test_a_flood_of_names_keeps_nobody_out(lan: Network) -> None:
    """Pointers to nothing and records that break the rules are forgotten, and a newcomer is found."""
    desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
    bare = [_pointer(f"{number:016x}") for number in range(20_000)]
    private = [_pointer(f"Alice's Mac {number}") for number in range(1_000)]
    bad = [(f"{number:016x}.{SERVICE}", TXT, HOUR, b"\xff") for number in range(1_000)]
    before = lap("memory")
    with _Evil(lan) as evil:
        evil.send(_in_packets(bare + private + bad, 30), lap)
    grown = lap("memory") - before
    print(f"22,000 records that come to nothing: {grown:.1f} MB")
    assert grown < LEFT
    assert lap("health")[2:5] == [0, 2_000, 0]
    desk("publish", [[A, 1, ""]])
    lap("until", {"has": A}, SOON)
    lap("close")
    assert lap.words() == ""


def test_questions_do_not_grow_with_the_flood(lan: Network) -> None:
    """However much was heard, a question stays small: nobody can make us shout for them."""
    lap = Remote(lan, "lap").started()
    records = [record for number in range(2_000) for record in _whole(number)]
    with _Evil(lan) as evil, Sniffer(lan, "evil") as sniffer:
        evil.send(_in_packets(records, 12), lap)
        sniffer.heard()
        lap("doubt", f"{0:016x}")
        lap("pause", 1.3)
        said = [packet for packet in sniffer.heard() if str(packet.source) == lan.address("lap")]
    assert said
    assert sum(len(packet.raw) for packet in said) < 2 * 300 * 50


def test_nonsense_is_survived(lan: Network) -> None:
    """Random bytes, and real packets with bytes changed or cut off, leave no word, no harm, and no rumour."""
    desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
    desk("publish", [[A, 1, ""]])
    lap("until", {"has": A}, SOON)
    chance = random.Random(20)  # The same nonsense each time.
    real = [written(_whole(number)) for number in range(10)]
    with _Evil(lan) as evil:
        evil.send((_nonsense(chance, real) for _ in range(3_000)), lap)
    desk("publish", [[A, 1, ""], [B, 2, ""]])
    lap("until", {"has": B}, SOON)
    assert {rumour[0] for rumour in lap("rumours")} >= {A, B}
    assert lap("close")["sockets"] == 0
    assert lap.words() == ""


def _nonsense(chance: random.Random, real: list[bytes]) -> bytes:
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(200))
    packet = bytearray(chance.choice(real))
    for _ in range(chance.randrange(1, 6)):
        packet[chance.randrange(len(packet))] = chance.randrange(256)
    return bytes(packet[: chance.randrange(1, len(packet) + 1)] if chance.random() < 0.3 else packet)
