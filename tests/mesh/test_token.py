"""The token of an invitation: what is copied comes back, and what was cut or changed is told from it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from peermesh.errors import BadUsage
from peermesh.mesh.hosts.token import (
    ADDRESSES,
    LONGEST,
    LONGEST_NAME,
    PREFIX,
    Token,
    check_address,
    choose,
    with_port,
)

KEY, SECRET = bytes(range(32)), b"0123456789abcdef"
TOKEN = Token(KEY, SECRET, 7337, ("10.0.0.2", "fd00::2", "desk.example", "desk.example:7400"))
TEXT = str(TOKEN)


def packed(data: bytes) -> str:
    """A token of any bytes, with the check that belongs to them."""
    whole = data + hashlib.sha256(data).digest()[:4]
    return PREFIX + base64.urlsafe_b64encode(whole).decode().rstrip("=")


BEFORE = KEY + SECRET + (7337).to_bytes(2, "big")

fours = st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n)))
sixes = st.integers(0, 2**128 - 1).map(lambda n: str(IPv6Address(n)))
letters = st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789-_")
labels = st.text(letters, min_size=1, max_size=20)
# Dots and digits alone are a mistyped address, and no name.
words = st.lists(labels, min_size=1, max_size=4).map(".".join).filter(lambda name: name.strip(".0123456789"))
ports = st.integers(1, 65_535)
with_ports = st.one_of(
    st.builds("{}:{}".format, fours | words, ports), st.builds("[{}]:{}".format, sixes, ports)
)
addresses = fours | sixes | words | with_ports


# ---------------------------------------------------------------- as it was printed


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=16, max_size=16),
    ports,
    st.lists(addresses, max_size=ADDRESSES),
)
@settings(max_examples=300, deadline=None)
def test_round_trip(key: bytes, secret: bytes, port: int, places: list[str]) -> None:
    """Any token comes back as it was, and is one word that a shell leaves alone."""
    token = Token(key, secret, port, tuple(places))
    assert Token.parse(str(token)) == token
    assert str(token).replace("-", "").replace("_", "").isalnum()
    assert len(str(token)) <= LONGEST


def test_the_format_is_fixed() -> None:
    """Another version makes and reads just these letters."""
    assert str(Token(KEY, SECRET, 7337, ("10.0.0.2", "fd00::2", "desk:7400"))) == packed(
        BEFORE + b"\x04\x0a\x00\x00\x02" + b"\x10\xfd\x00" + bytes(13) + b"\x02" + b"\x89desk:7400"
    )


def test_the_longest_token() -> None:
    """Four names of a hundred letters."""
    token = Token(KEY, SECRET, 65_535, tuple(f"{n}" + "a" * (LONGEST_NAME - 1) for n in range(ADDRESSES)))
    assert len(str(token)) < LONGEST
    assert Token.parse(str(token)) == token


def test_the_longest_name_with_a_port() -> None:
    """What check_address lets through is in the token, whole."""
    name = check_address("a" * LONGEST_NAME + ":65535")
    assert Token.parse(str(Token(KEY, SECRET, 7337, (name,)))).addresses == (name,)


def test_a_zone_of_an_address() -> None:
    """A link-local address that a person named keeps its interface."""
    named = check_address("fe80::1%lan0")
    assert Token.parse(str(Token(KEY, SECRET, 7337, (named,)))).addresses == (named,)


def test_a_zone_in_brackets() -> None:
    """So it keeps it."""
    named = check_address("[fe80::1%lan0]:7337")
    assert Token.parse(str(Token(KEY, SECRET, 7337, (named,)))).addresses == (named,)


# ---------------------------------------------------------------- as it was copied


@given(st.lists(st.tuples(st.integers(0, len(TEXT)), st.sampled_from([" ", "\n", "\r\n", "\t"])), max_size=8))
@settings(max_examples=100, deadline=None)
def test_spaces_and_line_breaks(cuts: list[tuple[int, str]]) -> None:
    """A terminal that wrapped it does no harm."""
    text = TEXT
    for place, space in sorted(cuts, reverse=True):
        text = text[:place] + space + text[place:]
    assert Token.parse(text) == TOKEN


@pytest.mark.parametrize("end", range(len(TEXT)))
def test_cut_off(end: int) -> None:
    """Any part of it is refused, in words that say to copy all of it, or how it begins."""
    with pytest.raises(BadUsage) as wrong:
        Token.parse(TEXT[:end])
    said = str(wrong.value)
    assert ("peer1-" in said) if end < len(PREFIX) else ("cut off" in said or "changed" in said)


@given(st.integers(len(PREFIX), len(TEXT) - 1), st.characters())
@settings(max_examples=300, deadline=None)
def test_changed(place: int, letter: str) -> None:
    """Another letter anywhere: refused; unless it spells the same bytes."""
    assume(letter != TEXT[place])
    with contextlib.suppress(BadUsage):
        assert Token.parse(TEXT[:place] + letter + TEXT[place + 1 :]) == TOKEN


def test_swapped_letters() -> None:
    """Two neighbours that changed places are noticed."""
    for place in range(len(PREFIX), len(TEXT) - 1):
        swapped = TEXT[:place] + TEXT[place + 1] + TEXT[place] + TEXT[place + 2 :]
        if swapped != TEXT:
            with pytest.raises(BadUsage):
                Token.parse(swapped)


@pytest.mark.parametrize(
    "text", ["", " ", "peer1", "peer2-abc", "PEER1-abc", "hello", TEXT[1:], TEXT.upper(), "\x00", "peer1-"]
)
def test_what_is_no_token(text: str) -> None:
    """It is refused."""
    with pytest.raises(BadUsage):
        Token.parse(text)


@pytest.mark.parametrize("more", ["A", "A" * 2_000, "A" * 1_000_000, TEXT, "é", "\ud800"])
def test_too_long(more: str) -> None:
    """Something behind it, however much: refused."""
    with pytest.raises(BadUsage):
        Token.parse(TEXT + more)


@given(st.text() | st.text().map(PREFIX.__add__) | st.binary(max_size=200).map(packed))
@example(packed(b""))
@settings(max_examples=400, deadline=None)
def test_any_text(text: str) -> None:
    """Any text is a token or BadUsage, and nothing else."""
    try:
        Token.parse(text)
    except BadUsage:
        return


@given(st.binary(max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_addresses(tail: bytes) -> None:
    """A token that somebody made with any addresses: each that is read may be dialled, or it is refused."""
    try:
        token = Token.parse(packed(BEFORE + tail))
    except BadUsage:
        return
    assert len(token.addresses) <= ADDRESSES
    assert [check_address(one) for one in token.addresses] == list(token.addresses)


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"\x00", id="no length"),
        pytest.param(b"\x80", id="a name of no letters"),
        pytest.param(b"\x05aaaaa", id="neither IPv4 nor IPv6"),
        pytest.param(b"\x04aaa", id="cut"),
        pytest.param(b"\x84aaa", id="a name that is cut"),
        pytest.param(b"\x84a b;", id="a name that is none"),
        pytest.param(b"\x83a\x1bb", id="a name with an escape"),
        pytest.param(b"\x82\xc3\xa9", id="a name of other letters"),
        pytest.param(b"\x04aaaa" * (ADDRESSES + 1), id="too many"),
    ],
)
def test_bad_addresses(tail: bytes) -> None:
    """They are refused although the check is right."""
    with pytest.raises(BadUsage):
        Token.parse(packed(BEFORE + tail))


# ---------------------------------------------------------------- addresses


def test_endpoints() -> None:
    """Where to dial: the token's port, unless an address carries one."""
    assert TOKEN.endpoints() == [
        "10.0.0.2:7337",
        "[fd00::2]:7337",
        "desk.example:7337",
        "desk.example:7400",
    ]


@pytest.mark.parametrize(
    ("address", "dialled"),
    [
        ("10.0.0.2", "10.0.0.2:7337"),
        ("10.0.0.2:80", "10.0.0.2:80"),
        ("fd00::2", "[fd00::2]:7337"),
        ("::1", "[::1]:7337"),
        ("[fd00::2]", "[fd00::2]:7337"),
        ("[fd00::2]:80", "[fd00::2]:80"),
        ("fe80::1%lan0", "[fe80::1%lan0]:7337"),
        ("[fe80::1%lan0]:80", "[fe80::1%lan0]:80"),
        ("desk", "desk:7337"),
        ("desk.example:80", "desk.example:80"),
    ],
)
def test_with_port(address: str, dialled: str) -> None:
    """An address gets the port if it has none."""
    assert check_address(address) == address
    assert with_port(address, 7337) == dialled
    assert with_port(dialled, 1) == dialled


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a b",
        "desk;reboot",
        "desk/x",
        "tcp://desk",
        "user@desk",
        "$(id)",
        "desk\n",
        "dësk",
        ":7337",
        "[]:7337",
        "desk:0",
        "desk:65536",
        "desk:-1",
        "desk:port",
        "[fd00::2]:port",
        "[fd00::2]x:80",
        "a" * (LONGEST_NAME + 1),
        "desk:",
        "[fd00::2]:",
        "a:b:c",
        "[desk",
        "10.83.0.300",
        "10.83.1",
        "desk:²",
        "desk:٣",
    ],
)
def test_what_is_no_address(text: str) -> None:
    """It is refused, with examples of what is one."""
    with pytest.raises(BadUsage, match=r"192\.168"):
        check_address(text)


@given(addresses)
@settings(max_examples=300, deadline=None)
def test_addresses_are_let_through(text: str) -> None:
    """Every form that is documented."""
    assert check_address(text) == text


def test_a_person_chooses() -> None:
    """Named addresses take the place of our own; four at most."""
    own = ["10.0.0.2", "10.0.1.2", "fd00::2", "fd01::2", "fd02::2"]
    assert choose(own, []) == tuple(own[:4])
    assert choose(own, ["desk.example"]) == ("desk.example",)
    assert choose([], []) == ()
