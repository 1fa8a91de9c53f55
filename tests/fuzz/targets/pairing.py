"""Targets: how two machines come to trust each other: tokens, short codes, and what is said meanwhile."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from peermesh.errors import BadFrame, BadUsage, PairingFailed
from peermesh.mesh.hosts import token
from peermesh.mesh.pairing import handshake, introductions
from peermesh.mesh.pairing.codes import Code
from peermesh.mesh.pairing.guess import Guess
from tests.fuzz.loops import Pipe, run
from tests.fuzz.source import Source, as_msgpack, seeds_of, shaped
from tests.fuzz.target import Target, must, one_line

# ---------------------------------------------------------------- tokens, codes, introductions

TOKEN = token.Token(bytes(range(32)), b"s" * 16, 7337, ("10.0.0.2", "fd00::2", "desk.example:7000", "desk"))


def host_token(data: bytes) -> None:
    """The token of an invitation, or an address that a person typed."""
    source = Source(data)
    kind = source.byte() % 3
    if kind == 0:
        said = source.rest().decode("utf-8", "replace")
    elif kind == 1:  # with a check that is right
        body = TOKEN.key + TOKEN.secret + source.rest()
        whole = body + hashlib.sha256(body).digest()[: token.CHECK]
        said = token.PREFIX + base64.urlsafe_b64encode(whole).decode().rstrip("=")
    else:
        _address(source.text() if source.byte() % 2 else source.rest().decode("utf-8", "replace"))
        return
    try:
        found = token.Token.parse(said)
    except BadUsage:
        return
    must(len(found.key) == token.KEY and len(found.secret) == token.SECRET, "a token that is cut")
    must(len(found.addresses) <= token.ADDRESSES and 0 <= found.port < 65_536, "a token above a limit")
    again = token.Token.parse(str(found))
    must((again.key, again.secret, again.port) == (found.key, found.secret, found.port), "it reads otherwise")
    must(token.Token.parse(str(again)) == again, "it reads otherwise")
    for one in found.addresses:
        _address(one)


def _address(said: str) -> None:
    try:
        good = token.check_address(said)
    except BadUsage:
        return
    host, port = token.split(token.with_port(good, 7337))
    must(host and 0 < port < 65_536 and host.isascii() and host.isprintable(), "nothing that can be dialled")


def pair_code(data: bytes) -> None:
    """A short code as a person typed it."""
    try:
        code = Code.parse(data.decode("utf-8", "surrogateescape"))
    except ValueError as wrong:
        must(str(wrong), "an error without a sentence")
        return
    must(Code.parse(str(code)) == code and code.secret.isascii(), "it reads otherwise")


INTRODUCTION = introductions.Introduction(b"k" * 32, "desk", 7337, ("10.0.0.2", "fe80::1%3", "desk"))
PAIRING: list[Any] = [
    [1, "begin", 7, b"S" * 33],
    [1, "reply", b"S" * 33],
    [1, "proof", b"m" * 32],
    [1, "sealed", b"x" * 64],
    [1, "no", "other"],
    [b"k" * 32, "desk", 7337, ["10.0.0.2"]],
]


def pair_frame(data: bytes) -> None:
    """A message of the pairing, and an introduction out of its seal."""
    raw = shaped(data, PAIRING, as_msgpack)
    with contextlib.suppress(BadFrame):
        must(introductions.length(raw[:2]) <= introductions.MESSAGE_LIMIT, "too long")
    try:
        kind, fields = introductions.decode(raw)
    except BadFrame:
        pass
    else:
        framed = introductions.frame(kind, *fields)
        must(introductions.decode(framed[2:]) == (kind, fields), "it reads otherwise")
    try:
        met = introductions.Introduction.unpack(raw)
    except BadFrame:
        return
    one_line(met.name, introductions.NAME_LIMIT, "a host's name")
    must(introductions.Introduction.unpack(met.pack()) == met, "it reads otherwise")
    must(len(met.pack()) < introductions.MESSAGE_LIMIT, "an introduction that cannot be told on")


def _token_seeds() -> list[bytes]:
    plain = [b"\0" + str(one).encode() for one in (TOKEN, replace(TOKEN, addresses=()))]
    packed = [b"\1\x1c\xa9\4\n\0\0\2", b"\1\x1c\xa9\x10" + b"\xfd" + bytes(15), b"\1\x1c\xa9\x84desk"]
    typed = ["192.168.1.20", "[fd00::2]:7337", "desk.example:7337", "1.2", "::", "[::1]", "fe80::1%eth0"]
    return [*plain, *packed, *(b"\2\0" + one.encode() for one in typed)]


# ---------------------------------------------------------------- TCP: a short code

CODE = Code(7, ("guitar", "ocean"))
ME = introductions.Introduction(b"k" * 32, "desk", 7337, ("10.0.0.2",))


@cache
def _guesses() -> tuple[Guess, Guess]:
    return Guess(CODE, answers=False), Guess(CODE, answers=True)


def _fresh(guess: Guess) -> Guess:
    """One that is not spent; to make it anew would take ten milliseconds."""
    one = copy.copy(guess)
    one._exchange = copy.copy(guess._exchange)
    return one


def pair_offer(data: bytes) -> None:
    """Whatever a stranger says to who shows a code."""
    run(_offer(Source(data)))


async def _offer(source: Source) -> None:
    offer = handshake.Offer(CODE, ME)
    offer._guess = _fresh(_guesses()[0])
    for _ in range(1 + source.number(3)):
        pipe = Pipe(_speech(source, _guesses()[1].share))
        await offer._serve(pipe.reader, pipe.writer)
        must(pipe.closed, "the connection stays open")
    must(offer.counts.guesses <= 1, "more than one guess")
    must(not isinstance(offer._outcome, introductions.Introduction), "a stranger was paired")
    await offer.close()


def pair_answer(data: bytes) -> None:
    """Whatever is said to who types a code, by who claims to show it."""
    run(_answer(Source(data)))


async def _answer(source: Source) -> None:
    guess = _fresh(_guesses()[1])
    pipe = Pipe(_speech(source, _guesses()[0].share))
    link = handshake._Link(pipe.reader, pipe.writer)
    try:
        share = await handshake._begin(guess, CODE, link)
        met = await handshake._prove(guess, ME, link, share)
    except (handshake._Passed, PairingFailed):
        return
    finally:
        await link.hang_up()
    raise AssertionError(f"a stranger was paired: {met}")


def _speech(source: Source, share: bytes) -> bytes:
    """Messages of the pairing, well-formed ones among them."""
    said = b""
    for _ in range(source.number(6)):
        kind = source.byte() % 7
        made: list[Callable[[], bytes]] = [
            lambda: introductions.frame("begin", source.pick((7, 8)), share),
            lambda: introductions.frame(
                "reply", source.pick((share, share[:1] + source.take(32).ljust(32, b"\0")))
            ),
            lambda: introductions.frame("proof", source.take(32).ljust(32, b"m")),
            lambda: introductions.frame("sealed", source.take(200)),
            lambda: introductions.frame("no", source.pick(("other", "used", "wrong", "x" * 40))),
            lambda: source.take(255),
            lambda: _framed(source.take(255)),
        ]
        said += made[kind]()
    return said


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(2, "big") + body


def _pair_seeds() -> list[bytes]:
    return [
        bytes([0, number, *steps])
        for number in range(3)
        for steps in ([3, 0, 0, 2, 0, 3, 9], [1, 4], [2, 1, 0, 2])
    ]


TARGETS = (
    Target(
        "host_token",
        host_token,
        _token_seeds,
        "tokens and typed addresses (`mesh/hosts/token.py`)",
        "BadUsage only; round trip; what is taken can be dialled",
    ),
    Target(
        "pair_code",
        pair_code,
        lambda: [b"7-guitar-ocean", b"99 acorn\xe2\x80\x94zigzag", b"0-a-b", "\uff17-guitar-ocean".encode()],
        "typed codes (`mesh/pairing/codes.py`)",
        "ValueError with a sentence only; round trip",
        longest=200,
    ),
    Target(
        "pair_frame",
        pair_frame,
        lambda: seeds_of(PAIRING, as_msgpack),
        "messages of a pairing (`mesh/pairing/introductions.py`)",
        "BadFrame only; round trip; names are lines",
    ),
    Target(
        "pair_offer",
        pair_offer,
        _pair_seeds,
        "bytes at the port of a short code (`mesh/pairing/handshake.py`, offerer)",
        "each connection ends; at most one guess; nobody is paired without the code",
        longest=800,
    ),
    Target(
        "pair_answer",
        pair_answer,
        _pair_seeds,
        "bytes from who claims to show a code (`mesh/pairing/handshake.py`, answerer)",
        "PairingFailed or the next address; nobody is paired without the code",
        longest=800,
    ),
)
