"""Any records in any order: the book stays small and whole, and tells only what is true."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from peermesh.discovery.hearing import Hearing
from peermesh.discovery.record import encode_text, full_name
from peermesh.discovery.rumours import MAX_ADDRESSES, Book

NAMES = st.sampled_from([f"{number:016x}" for number in range(12)])
HOSTS = st.sampled_from([f"peer-{number:016x}.local." for number in range(6)])
TIMES = st.floats(0, 30)
PACKED = st.one_of(st.binary(max_size=17), st.integers(0, 40).map(lambda last: bytes([10, 0, 0, last])))


class _Flood(RuleBasedStateMachine):
    """Any records in any order, from strangers: the book stays small, whole, and tells only what is true."""

    LIMIT = 4

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.book = Book(limit=self.LIMIT)
        self.ear = Hearing(self.book, lambda name: name == f"{0:016x}")

    @rule(name=st.one_of(NAMES, st.text(max_size=8)), ttl=st.floats(0, 9000))
    def pointer(self, name: str, ttl: float) -> None:
        self.ear.pointer(full_name(name), ttl, self.now)

    @rule(name=NAMES, host=st.one_of(HOSTS, st.text(max_size=8)), port=st.integers(0, 65_535))
    def service(self, name: str, host: str, port: int) -> None:
        self.ear.service(full_name(name), host, port, self.now)

    @rule(name=NAMES, raw=st.one_of(st.binary(max_size=8), st.just(encode_text(1, b"x"))))
    def text(self, name: str, raw: bytes) -> None:
        self.ear.text(full_name(name), raw, self.now)

    @rule(host=HOSTS, packed=PACKED, zone=st.integers(0, 2), flush=st.booleans())
    def address(self, host: str, packed: bytes, zone: int, flush: bool) -> None:
        self.ear.address(host, packed, zone, flush, self.now)

    @rule(name=st.one_of(st.none(), NAMES))
    def doubt(self, name: str | None) -> None:
        self.book.doubt(self.now, name)

    @rule(seconds=TIMES)
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def tidy(self) -> None:
        self.book.tidy(self.now)

    @invariant()
    def small(self) -> None:
        assert len(self.book._whole) <= self.LIMIT
        assert len(self.book._partial) <= self.LIMIT
        assert len(self.book._hosts) <= 2 * self.LIMIT
        assert all(len(host.addresses) <= MAX_ADDRESSES for host in self.book._hosts.values())

    @invariant()
    def consistent(self) -> None:
        entries = {**self.book._whole, **self.book._partial}
        assert len(entries) == len(self.book._whole) + len(self.book._partial)
        for name, host in self.book._hosts.items():
            assert host.instances == {n for n, entry in entries.items() if entry.target == name} != set()

    @invariant()
    def told_well(self) -> None:
        for rumour in self.book.rumours(self.now):
            assert rumour.addresses
            assert rumour.instance != f"{0:016x}"


test_flood = _Flood.TestCase
test_flood.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
