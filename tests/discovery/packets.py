"""mDNS packets for tests: reads what was on the wire, and writes what a stranger might send.

Written from RFC 1035 and RFC 6762, and apart from the library that the program uses, so that the two can
disagree.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

from tests.netns import Network

PORT = 5353
GROUPS = (ip_address("224.0.0.251"), ip_address("ff02::fb"))
A, PTR, TXT, AAAA, SRV, NSEC = 1, 12, 16, 28, 33, 47
# The first bit of a class: in a question, "answer me alone"; in a record, "these are all there are".
TOP_BIT = 0x8000
# From <linux/if_ether.h> and <asm/socket.h>.
ALL_PACKETS = 3
SO_RCVBUFFORCE = 33


@dataclass
class Packet:
    """One mDNS packet, taken apart."""

    source: IPv4Address | IPv6Address
    target: IPv4Address | IPv6Address
    hops: int
    raw: bytes
    is_answer: bool = False
    # Names asked for, and whether the answer was wanted for the asker alone.
    questions: list[tuple[str, bool]] = field(default_factory=list)
    # Records in the answer, authority and additional section: name, type, time to live, data.
    answers: list[tuple[str, int, int, bytes]] = field(default_factory=list)
    authorities: list[tuple[str, int, int, bytes]] = field(default_factory=list)
    additionals: list[tuple[str, int, int, bytes]] = field(default_factory=list)
    # Every label of every name, also of those inside the data.
    labels: set[str] = field(default_factory=set)

    @property
    def records(self) -> list[tuple[str, int, int, bytes]]:
        """The records of all sections."""
        return [*self.answers, *self.authorities, *self.additionals]


class Sniffer:
    """Hears every frame in *host* from now on; a context manager."""

    def __init__(self, lan: Network, host: str) -> None:
        self._socket = lan.socket(
            host, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PACKETS))
        )
        # Room for all that a test says, so that it can be read after it.
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8_000_000)
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def heard(self) -> list[Packet]:
        """The mDNS packets since the last call, or since the beginning."""
        found: list[Packet] = []
        while True:
            try:
                frame = self._socket.recv(65_535)
            except BlockingIOError:
                return found
            packet = _of_frame(frame)
            if packet is not None:
                found.append(packet)


def _of_frame(frame: bytes) -> Packet | None:
    """The mDNS packet in an Ethernet frame, if it is one."""
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind == 0x0800:
        start = 14 + 4 * (frame[14] & 15)
        hops, protocol, source, target = frame[22], frame[23], frame[26:30], frame[30:34]
    elif kind == 0x86DD:
        start = 54
        hops, protocol, source, target = frame[21], frame[20], frame[22:38], frame[38:54]
    else:
        return None
    if protocol != socket.IPPROTO_UDP:
        return None
    sender, receiver, length = struct.unpack_from("!HHH", frame, start)
    if PORT not in (sender, receiver):
        return None
    raw = frame[start + 8 : start + length]
    return _read(Packet(ip_address(source), ip_address(target), hops, raw))


def _read(packet: Packet) -> Packet:
    raw = packet.raw
    _, flags, questions, *counts = struct.unpack_from("!6H", raw)
    packet.is_answer = bool(flags & 0x8000)
    at = 12
    for _ in range(questions):
        name, at = _name(packet, at)
        _, class_ = struct.unpack_from("!HH", raw, at)
        packet.questions.append((name, bool(class_ & TOP_BIT)))
        at += 4
    sections = (packet.answers, packet.authorities, packet.additionals)
    for section, count in zip(sections, counts, strict=True):
        for _ in range(count):
            name, at = _name(packet, at)
            type_, _, ttl, length = struct.unpack_from("!HHIH", raw, at)
            at += 10
            section.append((name, type_, ttl, raw[at : at + length]))
            if type_ in (PTR, NSEC):
                _name(packet, at)
            elif type_ == SRV:
                _name(packet, at + 6)
            at += length
    return packet


def _name(packet: Packet, at: int) -> tuple[str, int]:
    """The name at *at*, and where it ends there; its labels are noted in the packet."""
    labels, end = [], -1
    while length := packet.raw[at]:
        if length >= 0xC0:
            end = end if end >= 0 else at + 2
            at = struct.unpack_from("!H", packet.raw, at)[0] & 0x3FFF
            continue
        labels.append(packet.raw[at + 1 : at + 1 + length].decode())
        at += 1 + length
    packet.labels.update(labels)
    return ".".join(labels) + ".", end if end >= 0 else at + 1


def texts(data: bytes) -> list[bytes]:
    """The strings in a TXT record's data."""
    found, at = [], 0
    while at < len(data):
        found.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return found


Record = tuple[str, int, int, bytes]


def written(records: Sequence[Record]) -> bytes:
    """An answer with *records*, each a name, a type, a time to live and data."""
    out = [struct.pack("!6H", 0, 0x8400, 0, len(records), 0, 0)]
    for name, type_, ttl, data in records:
        class_ = 1 if type_ == PTR else 1 | TOP_BIT
        out.append(name_bytes(name) + struct.pack("!HHIH", type_, class_, ttl, len(data)) + data)
    return b"".join(out)


def name_bytes(name: str) -> bytes:
    """A name as it stands in a packet, without compression."""
    labels = [label.encode() for label in name.rstrip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\x00"


def service_bytes(target: str, port: int) -> bytes:
    """The data of an SRV record."""
    return struct.pack("!3H", 0, 0, port) + name_bytes(target)
