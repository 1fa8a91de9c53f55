"""What is said while pairing: any bytes decode or raise BadFrame; limits."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peermesh.errors import BadFrame
from peermesh.mesh.pairing.introductions import (
    ADDRESSES,
    LENGTH_BYTES,
    MESSAGE_LIMIT,
    NAME_LIMIT,
    VERSION,
    Introduction,
    decode,
    frame,
    length,
)

SHARE, MAC = b"A" + b"x" * 32, b"m" * 32
GOOD = [
    ("begin", 7, SHARE),
    ("reply", SHARE),
    ("proof", MAC),
    ("sealed", b""),
    ("sealed", b"s" * 1500),
    ("no", "other"),
]
FIELDS: dict[str, Any] = {"key": b"k" * 32, "name": "desk", "port": 7337, "addresses": ("10.0.0.1",)}

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=3)
)
addresses = st.from_regex(r"[0-9A-Za-z_.:%-]{1,64}", fullmatch=True)
introductions = st.builds(
    Introduction,
    st.binary(min_size=32, max_size=32),
    st.text(min_size=1, max_size=NAME_LIMIT).filter(str.isprintable),
    st.integers(0, 65_535),
    st.lists(addresses, max_size=ADDRESSES).map(tuple),
)


def read(data: bytes) -> tuple[Any, ...]:
    """The message in *data*, which begins with its length."""
    assert length(data[:LENGTH_BYTES]) == len(data) - LENGTH_BYTES
    kind, fields = decode(data[LENGTH_BYTES:])
    return kind, *fields


@pytest.mark.parametrize("message", GOOD)
def test_round_trip(message: tuple[Any, ...]) -> None:
    """Each kind is read as it was written."""
    assert read(frame(*message)) == message


def test_golden() -> None:
    """The bytes are these, so that another version can be told from this one."""
    assert frame("begin", 7, SHARE).hex() == "002c9401a5626567696e07c42141" + "78" * 32


@given(st.binary(max_size=200) | values.map(msgpack.packb) | st.lists(values, max_size=5).map(msgpack.packb))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a message of a known kind, or raise BadFrame."""
    try:
        kind, _ = decode(data)
    except BadFrame:
        return
    assert kind in {one[0] for one in GOOD}


@given(st.sampled_from(GOOD), st.data())
def test_near_messages(message: tuple[Any, ...], data: st.DataObject) -> None:
    """A message with fields put in the place of others is read only if it says the same."""
    fields = list(message)
    fields[data.draw(st.integers(0, len(fields) - 1))] = data.draw(values)
    packed = msgpack.packb([VERSION, *fields])
    try:
        kind, rest = decode(packed)
    except BadFrame:
        return
    assert [kind, *rest] == fields
    assert kind in {one[0] for one in GOOD}


@pytest.mark.parametrize(
    "body",
    [
        *([2, "no", "x"], [0, "no", "x"], [True, "no", "x"], [1.0, "no", "x"], ["1", "no", "x"]),
        *(
            [],
            [1],
            [1, 2],
            [1, "no"],
            [1, "no", "x", "y"],
            [1, "no", "x" * 41],
            [1, "hello"],
            [1, b"no", "x"],
        ),
        *(
            [1, "begin", 0, SHARE],
            [1, "begin", 1000, SHARE],
            [1, "begin", True, SHARE],
            [1, "begin", 7, "A" * 33],
        ),
        *(
            [1, "begin", 7, SHARE + b"x"],
            [1, "reply", SHARE[:-1]],
            [1, "proof", MAC + b"x"],
            [1, "sealed", "s"],
        ),
        {"no": "x"},
    ],
)
def test_what_is_no_message(body: object) -> None:
    """Other versions, other shapes, fields too long or too short."""
    with pytest.raises(BadFrame):
        decode(msgpack.packb(body))


def test_limit() -> None:
    """A message ends at 2 KiB, by what its length says and by what it is."""
    assert length(MESSAGE_LIMIT.to_bytes(LENGTH_BYTES, "big")) == 2048
    with pytest.raises(BadFrame, match="limit"):
        length((MESSAGE_LIMIT + 1).to_bytes(LENGTH_BYTES, "big"))
    with pytest.raises(BadFrame, match="limit"):
        decode(msgpack.packb([VERSION, "sealed", b"s" * MESSAGE_LIMIT]))


def test_deep_nesting() -> None:
    """Arrays in arrays end neither the memory nor the stack."""
    with pytest.raises(BadFrame):
        decode(b"\x91" * MESSAGE_LIMIT)
    with pytest.raises(BadFrame):
        decode(b"\xdd\xff\xff\xff\xff")


@given(introductions)
def test_introductions_round_trip(one: Introduction) -> None:
    """What is packed is unpacked, and fits into a message with room for the seal."""
    assert Introduction.unpack(one.pack()) == one
    assert len(frame("sealed", one.pack() + b"t" * 16)) <= LENGTH_BYTES + MESSAGE_LIMIT


def test_longest_introduction() -> None:
    """Also the longest one fits."""
    longest = Introduction(b"k" * 32, "\U0001f980" * NAME_LIMIT, 65_535, ("a" * 64,) * ADDRESSES)
    assert len(frame("sealed", longest.pack() + b"t" * 16)) < 1000


@pytest.mark.parametrize(
    "wrong",
    [
        *({"key": b"k" * 31}, {"key": b"k" * 33}, {"key": "k" * 32}),
        *(
            {"name": ""},
            {"name": "n" * 41},
            {"name": "a\nb"},
            {"name": "a\x1b[31m"},
            {"name": "a\u202eb"},
            {"name": b"n"},
        ),
        *({"port": -1}, {"port": 65_536}, {"port": True}, {"port": 1.0}, {"port": "1"}),
        *({"addresses": ("a",) * 9}, {"addresses": ("",)}, {"addresses": ("a b",)}, {"addresses": ("a\n",)}),
        *({"addresses": ("a" * 65,)}, {"addresses": ("10.0.0.\u0661",)}, {"addresses": (1,)}),
    ],
)
def test_what_is_no_introduction(wrong: dict[str, Any]) -> None:
    """Neither ours nor another's has such a field."""
    fields = FIELDS | wrong
    with pytest.raises(ValueError, match=r"key|name|port|addresses"):
        Introduction(**fields)
    with pytest.raises(BadFrame):
        Introduction.unpack(msgpack.packb(list(fields.values())))


@pytest.mark.parametrize("addresses", ["ab", {"a": 1}, 1, None])
def test_addresses_are_a_list(addresses: object) -> None:
    """A text is no list of one-letter addresses."""
    with pytest.raises(BadFrame):
        Introduction.unpack(msgpack.packb([b"k" * 32, "desk", 7337, addresses]))


@given(
    st.binary(max_size=200)
    | values.map(msgpack.packb)
    | st.lists(values, min_size=4, max_size=4).map(msgpack.packb)
)
def test_any_introduction(data: bytes) -> None:
    """Any bytes are an introduction that holds to its limits, or raise BadFrame."""
    try:
        one = Introduction.unpack(data)
    except BadFrame:
        return
    assert len(one.key) == 32
    assert one.name.isprintable()
