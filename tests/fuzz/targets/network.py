"""Targets: what strangers on the network send: mDNS, bytes at the TCP port, bytes at the port of a short code."""

from __future__ import annotations

import socket
from ipaddress import IPv4Network, ip_address

from zeroconf import DNSIncoming, DNSOutgoing, RecordUpdate

from peermesh.discovery import record, rumours
from peermesh.discovery.errors import BadRecord
from peermesh.discovery.hearing import Hearing
from peermesh.discovery.mdns import _Ear
from peermesh.mesh.hosts import zap
from peermesh.mesh.hosts.bridge import HANDSHAKE_LIMIT, SIGNATURE, Bridge, last_word
from tests.fuzz.loops import Inside, run
from tests.fuzz.source import Source
from tests.fuzz.target import Target, must, one_line

NAME, OTHER, HOST = "0123456789abcdef", "f" * 20, "peer-0123456789abcdef.local."
# ---------------------------------------------------------------- mDNS


def _book() -> tuple[rumours.Book, Hearing]:
    book = rumours.Book(limit=8)
    return book, Hearing(book, lambda instance: instance == "a" * 16)


def _sound(book: rumours.Book, now: float) -> None:
    """What the book tells can be dialled, and is not too much."""
    told = book.rumours(now)
    must(len(told) <= book.limit and len(book._partial) <= book.limit, "too many are remembered")
    must(len(book._hosts) <= 2 * book.limit, "hosts that nobody names are remembered")
    for one in told:
        must(record.INSTANCE_NAME.fullmatch(one.instance) and one.instance != "a" * 16, "a name that is none")
        must(0 < len(one.addresses) <= rumours.MAX_ADDRESSES, "too many addresses")
        must(
            0 <= one.port <= record.MAX_PORT and 1 <= one.version <= record.MAX_VERSION,
            "a number that is none",
        )
        must(len(one.tag) <= record.MAX_TAG, "a letter in the place of a tag")
        for address in one.addresses:
            one_line(address, 60, "an address")
            bare = ip_address(address.partition("%")[0])
            must(record.may_be_dialled(bare, ()), "an address outside of the local networks")
    book.known(now)
    book.tidy(now + 20)
    book.tidy(now + 2 * rumours.LONGEST_LIFE)
    must(not book.rumours(now + 2 * rumours.LONGEST_LIFE) and not book._hosts, "it is never forgotten")


def mdns_packet(data: bytes) -> None:
    """Packets as the network brings them, through zeroconf's codec; a zero byte after a length parts them."""
    book, hearing = _book()
    ear = _Ear(hearing, lambda: None)
    source, now = Source(data), 1_000.0
    for _ in range(1 + source.number(4)):
        size = source.number(1 << 16)
        packet = source.rest() if source.byte() % 2 else bytes(source.byte() for _ in range(min(size, 600)))
        heard = DNSIncoming(packet, now=now * 1_000)
        if heard.valid:
            updates = [RecordUpdate(one, None) for one in heard.answers()]
            ear.async_update_records(None, now * 1_000, updates)  # type: ignore[arg-type]
        now += source.pick((0.0, 0.5, 5.0, 30.0, 5_000.0))
    _sound(book, now)


def _packets() -> list[bytes]:
    from peermesh.discovery.mdns import ANSWER, IN, PTR

    out = DNSOutgoing(ANSWER)
    from zeroconf import DNSAddress, DNSPointer, DNSService, DNSText

    full = record.full_name(NAME)
    out.add_answer_at_time(DNSPointer(record.SERVICE, PTR, IN, 4500, full), 0)
    out.add_answer_at_time(DNSService(full, 33, IN | 0x8000, 120, 0, 0, 7337, HOST), 0)
    out.add_answer_at_time(DNSText(full, 16, IN | 0x8000, 4500, record.encode_text(1, b"t" * 10)), 0)
    out.add_answer_at_time(DNSAddress(HOST, 1, IN | 0x8000, 120, bytes([10, 0, 0, 2])), 0)
    out.add_answer_at_time(DNSAddress(HOST, 28, IN | 0x8000, 120, bytes([0xFE, 0x80, *range(14)])), 0)
    whole = out.packets()[0]
    bye = DNSOutgoing(ANSWER)
    bye.add_answer_at_time(DNSPointer(record.SERVICE, PTR, IN, 0, full), 0)
    ask = DNSOutgoing(0)
    return [
        *(b"\0\0\0\1" + one for one in (whole, bye.packets()[0], ask.packets()[0])),
        b"\1" + len(whole).to_bytes(2, "big") + b"\0" + whole + b"\1\0\0\1" + bye.packets()[0],
        b"\0\0\0\1" + whole[:60],
    ]


def mdns_hearing(data: bytes) -> None:
    """Records of our service in any order, from a crowd of hosts and instances."""
    book, hearing = _book()
    hearing.networks = (IPv4Network("203.0.113.0/24"),)
    source, now = Source(data), 1_000.0
    names = [f"{number:016x}" for number in range(24)] + ["a" * 16, NAME.upper(), "x", "", "0" * 33]
    hosts = [f"peer-{number:016x}.local." for number in range(12)] + ["evil.local.", "peer-.local."]
    texts = [record.encode_text(1), record.encode_text(7, b"pair7"), b"", b"\xff", b"\x04v=1x", b"\x02V="]
    addresses = [bytes([10, 0, 0, 2]), bytes([127, 0, 0, 1]), bytes([203, 0, 113, 9]), bytes([8, 8, 8, 8])]
    addresses += [bytes([0xFE, 0x80, *range(14)]), bytes([0xFD, *range(15)]), bytes(16), b"", b"x" * 5]
    while not source.empty:
        kind = source.byte() % 7
        full = record.full_name(source.pick(names)) if source.byte() % 16 else source.text()
        host = source.pick(hosts)
        if kind == 0:
            hearing.pointer(full, source.pick((4500.0, 0.0, 1.0, 1e9)), now)
        elif kind == 1:
            hearing.service(full, host, source.number(65_536), now)
        elif kind == 2:
            hearing.text(full, source.take(60) if source.byte() % 2 else source.pick(texts), now)
        elif kind == 3:
            flush = bool(source.byte() % 2)
            hearing.address(host, source.pick(addresses), source.number(4), flush, now)
        elif kind == 4:
            now += source.pick((0.1, 1.0, 9.0, 11.0, 4_600.0))
        elif kind == 5:
            book.doubt(now, source.pick(names) if source.byte() % 2 else None)
        else:
            book.tidy(now)
    _sound(book, now)


def mdns_text(data: bytes) -> None:
    """A TXT record, and names and addresses of records."""
    try:
        version, tag = record.decode_text(data)
    except BadRecord:
        pass
    else:
        must(record.decode_text(record.encode_text(version, tag)) == (version, tag), "it reads otherwise")
    name = data.decode("utf-8", "replace")
    for read in (record.instance_of, record.target_of):
        try:
            found = read(name)
        except BadRecord:
            continue
        must(found.isascii() and found == found.lower() and found.isprintable(), "a name that is none")
    try:
        record.address_of(data)
    except BadRecord:
        return


# ---------------------------------------------------------------- TCP: before ZeroMQ


class _Host:
    """Who is told how a bridge fares."""

    def __init__(self, *, open_: bool) -> None:
        self.open, self.is_admitted, self.is_over = open_, False, False

    def may_begin(self) -> bool:
        """Whether one more handshake may begin."""
        return self.open

    def admitted(self, bridge: Bridge) -> None:
        """The handshake succeeded."""
        must(not self.is_admitted, "admitted twice")
        self.is_admitted = True

    def over(self, bridge: Bridge, *, failed: bool) -> None:
        """The bridge was closed."""
        must(not self.is_over, "over twice")
        self.is_over = True


READY = b"\xff" + bytes(8) + b"\x7f" + bytes(54) + b"\x04\x1a\x05READY" + bytes(20)


def bridge(data: bytes) -> None:
    """What a stranger says to the acceptor, in pieces, and what ZeroMQ may answer."""
    run(_bridge(Source(data)))


async def _bridge(source: Source) -> None:
    host = _Host(open_=source.byte() % 8 != 0)
    outside, ours = socket.socketpair()
    inside = Inside.shared()
    said = b""
    with outside, inside.one() as taken:
        outside.setblocking(False)
        one = Bridge(host, ours, inside.path, 30.0)
        try:
            for _ in range(1 + source.number(6)):
                if source.byte() % 3 == 2 and taken():
                    _send(taken(), source.pick((READY, READY[:70], b"\x04\x1a\x05ERROR", b"x" * 70)))
                else:
                    piece = source.take(255) * source.pick((1, 1, 1, 40))
                    piece = b"\xff" + bytes(8) + b"\x7f" + piece if source.byte() % 2 and not said else piece
                    said += piece
                    _send(outside, piece)
                await inside.turn()
            _passed(taken(), said, host)
        finally:
            one.close()
            await inside.turn()
    must(host.is_over, "it is not told that it is over")


def _passed(near: socket.socket | None, said: bytes, host: _Host) -> None:
    """What came to ZeroMQ: nothing of who does not speak its language, and in order and bounded before READY."""
    if near is None:
        return
    must(host.open and said[:1] == b"\xff" and said[SIGNATURE - 1 : SIGNATURE] == b"\x7f", "it was let in")
    try:
        came = near.recv(1 << 20)
    except OSError:
        came = b""
    must(said.startswith(came), "ZeroMQ hears something else than was said")
    must(host.is_admitted or len(came) <= HANDSHAKE_LIMIT, "too much came before READY")


def _send(near: socket.socket | None, data: bytes) -> None:
    try:
        if near is not None:
            near.send(data)
    except OSError:
        return  # cut already, which is what may happen


def zmtp(data: bytes) -> None:
    """What stands between us and ZeroMQ: its framing, and its question who may come in."""
    word = last_word(data)
    must(word in data or not word, "a word that was not said")
    if last_word(READY + data) != b"READY":
        raise AssertionError("READY is final")
    source = Source(data)
    parts = [
        source.pick((b"1.0", b"", b"peer", b"CURVE", b"k" * 32, source.take(40)))
        for _ in range(source.number(10))
    ]
    key = zap._key(parts)
    must(key is None or len(key) == 32, "a key of another length")


def close() -> None:
    """Let go of what the targets share."""
    Inside.end()


TARGETS = (
    Target(
        "mdns_packet",
        mdns_packet,
        _packets,
        "multicast packets, through zeroconf (`discovery/mdns.py`)",
        "nothing raises; memory is bounded; only local addresses; all is forgotten in time",
        longest=1_500,
    ),
    Target(
        "mdns_hearing",
        mdns_hearing,
        lambda: (
            [bytes(range(number, number + 120)) for number in range(0, 130, 10)]
            + [bytes([0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 2, 2, 1, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0])]
        ),
        "records of our service (`discovery/hearing.py`, `rumours.py`)",
        "the same, for any order and a crowd",
        longest=1_000,
    ),
    Target(
        "mdns_text",
        mdns_text,
        lambda: [
            record.encode_text(1),
            record.encode_text(2, b"t" * 10),
            record.full_name(NAME).encode(),
            HOST.encode(),
        ],
        "TXT records, names, addresses (`discovery/record.py`)",
        "BadRecord only; round trip",
        longest=600,
    ),
    Target(
        "bridge",
        bridge,
        lambda: [
            bytes([1, 2, 0, 20, *range(20), 0, 1, 2, 0, 0, 5, 1, 1, 1, 1, 1, 0, 0]),
            bytes(40),
            b"\1\5" + b"\2" * 30,
        ],
        "bytes at the TCP port before ZeroMQ (`mesh/hosts/bridge.py`)",
        "only who speaks ZMTP gets through, in order, at most 4 KiB before READY; told once of its end",
        longest=1_000,
    ),
    Target(
        "zmtp",
        zmtp,
        lambda: [
            READY,
            READY[:64],
            b"\4\4",
            bytes(70) + b"\2" + b"\xff" * 8,
            bytes([7, 0, 1, 2, 3, 3, 3, 4]),
        ],
        "ZMTP's frames and ZeroMQ's question who may come in (`last_word`, `mesh/hosts/zap.py`)",
        "never raises; READY is final; a key has 32 bytes",
        longest=600,
    ),
)
