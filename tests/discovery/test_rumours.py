"""The book of rumours: how records become a rumour, when one ends, and that it never grows too large."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peermesh.discovery.record import Rumour
from peermesh.discovery.rumours import DOUBT, INCOMPLETE_LIFE, LONGEST_LIFE, MAX_ADDRESSES, Book

A, B, C = "a" * 16, "b" * 16, "c" * 16
HOST, OTHER = f"peer-{'1' * 16}.local.", f"peer-{'2' * 16}.local."
FOUR = ip_address("10.0.0.1")
TEXT = (1, b"tag")
DAY = 86_400.0


def _hear(book: Book, name: str, now: float = 0.0, ttl: float = LONGEST_LIFE, host: str = HOST) -> None:
    """All four records of one instance."""
    book.pointer(name, ttl, now)
    book.service(name, host, 4711, now)
    book.text(name, TEXT, now)
    book.address(host, FOUR, 0, True, now)


def _named(book: Book, now: float = 0.0) -> list[str]:
    return [rumour.instance for rumour in book.rumours(now)]


def test_four_records_make_a_rumour() -> None:
    """An instance with pointer, service, text and address is a rumour with all they say."""
    book = Book()
    _hear(book, A)
    assert book.rumours(0) == [Rumour(A, ("10.0.0.1",), 4711, 1, b"tag")]


@pytest.mark.parametrize("missing", ["pointer", "service", "text", "address"])
def test_three_records_make_none(missing: str) -> None:
    """Without any one of the four, nothing is told."""
    book = Book()
    calls: dict[str, Callable[[], None]] = {
        "pointer": lambda: book.pointer(A, DAY, 0),
        "service": lambda: book.service(A, HOST, 4711, 0),
        "text": lambda: book.text(A, TEXT, 0),
        "address": lambda: book.address(HOST, FOUR, 0, True, 0),
    }
    for name, call in calls.items():
        if name != missing:
            call()
    assert book.rumours(0) == []


@given(st.permutations(["service", "text", "address", "service", "text", "address"]))
def test_order_after_the_pointer_does_not_matter(order: list[str]) -> None:
    """Said twice, the records make the rumour in whatever order they come after the pointer."""
    book = Book()
    book.pointer(A, DAY, 0)
    for kind in [*order, "address"]:
        if kind == "service":
            book.service(A, HOST, 4711, 0)
        elif kind == "text":
            book.text(A, TEXT, 0)
        else:
            book.address(HOST, FOUR, 0, True, 0)
    assert _named(book) == [A]


def test_a_goodbye_ends_it() -> None:
    """A pointer with no time to live is a goodbye."""
    book = Book()
    _hear(book, A)
    _hear(book, B)
    book.pointer(A, 0, 1)
    assert _named(book, 1) == [B]


def test_it_ends_with_its_time() -> None:
    """A rumour lives as long as its pointer says, and never longer than 75 minutes."""
    book = Book()
    _hear(book, A, ttl=2000)
    _hear(book, B, ttl=10 * DAY)
    assert _named(book, 1999) == [A, B]
    assert _named(book, 2001) == [B]
    assert _named(book, LONGEST_LIFE + 1) == []


def test_hearing_again_renews_it() -> None:
    """A pointer heard again starts the time anew."""
    book = Book()
    _hear(book, A, ttl=2000)
    book.pointer(A, 2000, 1500)
    assert _named(book, 3000) == [A]


def test_another_port_replaces_the_old_one() -> None:
    """The last service record counts."""
    book = Book()
    _hear(book, A)
    book.service(A, HOST, 99, 1)
    assert [rumour.port for rumour in book.rumours(1)] == [99]


def test_another_host_is_not_told_before_its_address_is_known() -> None:
    """An instance that moved is not told with the addresses of where it was."""
    book = Book()
    _hear(book, A)
    book.service(A, OTHER, 4711, 1)
    assert _named(book, 1) == []
    book.address(OTHER, ip_address("10.0.0.2"), 0, True, 1)
    assert [rumour.addresses for rumour in book.rumours(1)] == [("10.0.0.2",)]


def test_addresses_that_are_all_replace_older_ones() -> None:
    """A host's new addresses replace those heard more than a second before, not those heard with them."""
    book = Book()
    _hear(book, A)
    book.address(HOST, ip_address("10.0.0.2"), 0, True, 0.5)
    assert book.rumours(1)[0].addresses == ("10.0.0.1", "10.0.0.2")
    book.address(HOST, ip_address("10.0.0.3"), 0, True, 1.2)
    assert book.rumours(2)[0].addresses == ("10.0.0.2", "10.0.0.3")


def test_addresses_for_dialling_come_best_first() -> None:
    """IPv4, then IPv6, then link-local, which needs its zone."""
    book = Book()
    _hear(book, A)
    for text, zone in (("fe80::1", 0), ("fe80::2", 3), ("fd00::1", 3)):
        book.address(HOST, ip_address(text), zone, False, 0)
    assert book.rumours(0)[0].addresses == ("10.0.0.1", "fd00::1", "fe80::2%3")
    book.address(HOST, ip_address("fe80::2"), 0, False, 0)
    assert "fe80::2%3" in book.rumours(0)[0].addresses


def test_a_host_has_sixteen_addresses_at_most() -> None:
    """More addresses than any host has are not kept."""
    book = Book()
    _hear(book, A)
    for last in range(100):
        book.address(HOST, ip_address(f"10.0.1.{last}"), 0, False, 0)
    assert len(book.rumours(0)[0].addresses) == MAX_ADDRESSES


def test_a_doubt_ends_in_ten_seconds() -> None:
    """Who is doubted is gone ten seconds later, the others are not."""
    book = Book()
    _hear(book, A)
    _hear(book, B)
    book.doubt(100, A)
    assert _named(book, 100 + DOUBT - 0.1) == [A, B]
    assert _named(book, 100 + DOUBT) == [B]


def test_a_doubt_about_all_spares_who_is_heard() -> None:
    """After a doubt about everyone, those who speak up stay."""
    book = Book()
    _hear(book, A)
    _hear(book, B)
    book.doubt(100)
    book.pointer(B, LONGEST_LIFE, 101)
    assert _named(book, 200) == [B]


def test_a_doubt_makes_nobody_live_longer() -> None:
    """A doubt about one who ends sooner anyway changes nothing."""
    book = Book()
    _hear(book, A, ttl=5)
    book.doubt(0)
    assert _named(book, 6) == []


def test_known_are_those_before_the_half_of_their_time() -> None:
    """A question lists whom it need not be told: not the old, not the doubted."""
    book = Book()
    _hear(book, A)
    _hear(book, B, now=1000)
    _hear(book, C, now=1000)
    book.doubt(2000, C)
    assert book.known(2000) == [(A, 2500.0), (B, 3500.0)]
    assert [name for name, _ in book.known(2300)] == [B]


def test_tidy_forgets_what_has_ended() -> None:
    """What has ended, and what was never completed, takes no room after tidying."""
    book = Book()
    _hear(book, A, ttl=100)
    book.pointer(B, DAY, 0)
    book.tidy(99)
    assert book._whole
    assert not book._partial
    book.tidy(100)
    assert not book._whole
    assert not book._hosts
    assert INCOMPLETE_LIFE < 99


def test_the_edition_counts_changes_only() -> None:
    """The edition changes with what is told, and repeats do not change it."""
    book = Book()
    _hear(book, A)
    before = book.edition
    _hear(book, A, now=1)
    book.pointer(B, DAY, 1)
    assert book.edition == before
    changes: list[Callable[[], None]] = [
        lambda: book.service(A, HOST, 5, 2),
        lambda: book.text(A, (2, b""), 2),
        lambda: book.address(HOST, ip_address("10.0.0.9"), 0, False, 2),
        lambda: book.pointer(A, 0, 2),
    ]
    for change in changes:
        before = book.edition
        change()
        assert book.edition > before


def test_a_full_book_keeps_whom_it_has() -> None:
    """A flood of well-formed instances cannot push out those that were there."""
    book = Book(limit=10)
    _hear(book, A)
    for number in range(1000):
        _hear(book, f"{number:016x}", now=number / 1000)
    assert A in _named(book, 1)
    assert len(_named(book, 1)) == 10
    assert book.refused == 991


def test_a_full_book_takes_newcomers_when_others_have_ended() -> None:
    """Whoever has ended makes room, also if nobody tidied."""
    book = Book(limit=2)
    _hear(book, A, ttl=10)
    _hear(book, B, ttl=10)
    _hear(book, C, now=20)
    assert _named(book, 20) == [C]


def test_bare_pointers_do_not_keep_anyone_out() -> None:
    """A flood of pointers to nothing is forgotten oldest first, and a real instance gets in."""
    book = Book(limit=10)
    for number in range(1000):
        book.pointer(f"{number:016x}", DAY, 0)
    _hear(book, A)
    assert _named(book) == [A]
    assert len(book._partial) <= 10
