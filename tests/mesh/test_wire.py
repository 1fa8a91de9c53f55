"""The wire: golden bytes of each frame, any bytes decode or raise BadFrame, limits."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, get_args

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peermesh.core import frames
from peermesh.core.frames import (
    Ack,
    Bye,
    Denied,
    Frame,
    Gap,
    Hello,
    Mail,
    Noted,
    Ping,
    Pong,
    Receipts,
    Refused,
    Welcome,
)
from peermesh.core.words import (
    BODY_LIMIT,
    NAME_LIMIT,
    Message,
    MessageId,
    State,
)
from peermesh.errors import BadFrame
from peermesh.mesh import fields, wire
from peermesh.mesh.wire import FRAME_LIMIT, VERSION, decode, encode
from tests.mesh.noise import decodes_or_bad_frame, peers, values

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text("utf-8"))
ANN, BOB, CLEO = "aaaaaaaa", "bbbbbbbb", "cccccccc"

SHORT_MAIL = Mail(
    Message(id=MessageId(ANN, 1), to=BOB, kind="message", body="hi", by="ann", said_at=0.0), prev=0
)
FULL_MAIL = Mail(
    Message(
        id=MessageId(ANN, 300),
        to=BOB,
        kind="question",
        body="é",
        by="ann",
        host="desk",
        repo="app",
        branch="main",
        to_name="bob",
        group="@repo",
        reply_to=MessageId(BOB, 7),
        urgent=True,
        chain=(CLEO, ANN),
        said_at=1.5,
    ),
    prev=299,
)
# What the golden bytes of that name stand for.
EXAMPLES: dict[str, Frame] = {
    "hello": Hello(ANN, BOB),
    "welcome": Welcome(BOB, 5),
    "denied": Denied("hello-first"),
    "mail": SHORT_MAIL,
    "mail with everything": FULL_MAIL,
    "ack": Ack(5),
    "gap": Gap(4),
    "refused": Refused(6, "full", "no room"),
    "receipts": Receipts(((1, State.SHOWN), (2, State.HELD))),
    "noted": Noted(((1, State.SHOWN),)),
    "ping": Ping(),
    "pong": Pong(),
    "bye": Bye(),
}


def packed(*fields: Any) -> bytes:
    """A frame made by hand, with a version."""
    data: bytes = msgpack.packb([VERSION, *fields])
    return data


# ---------------------------------------------------------------- golden


def test_golden_has_every_type_of_frame() -> None:
    """A frame that is added to the table needs golden bytes."""
    kinds = set(get_args(frames.Request)) | set(get_args(frames.Response))
    assert {type(one) for one in EXAMPLES.values()} == kinds
    assert set(GOLDEN) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden_encode(name: str) -> None:
    """What we say are just these bytes, which other versions rely on."""
    assert encode(EXAMPLES[name]).hex() == GOLDEN[name].replace(" ", "")


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden_decode(name: str) -> None:
    """These bytes are understood as just that."""
    assert decode(bytes.fromhex(GOLDEN[name])) == EXAMPLES[name]


def test_tables_agree() -> None:
    """What can be said can be read, by the same word."""
    assert sorted(tag for tag, _ in wire._PACKERS.values()) == sorted(wire._UNPACKERS)
    assert len(wire._PACKERS) == len(wire._UNPACKERS)


# ---------------------------------------------------------------- any frame, any bytes

numbers = st.integers(0, wire.BIGGEST - 1)
counts = st.integers(1, wire.BIGGEST - 1)
lines = st.text(max_size=fields.SHORT)
ids = st.builds(MessageId, peers, counts)
states = st.lists(st.tuples(numbers, st.sampled_from(State)), max_size=20).map(tuple)
messages = st.builds(
    Message,
    id=ids,
    to=peers,
    kind=st.text(max_size=40),
    body=st.text(),
    by=lines,
    host=lines,
    repo=lines,
    branch=lines,
    to_name=lines,
    group=lines,
    reply_to=st.none() | ids,
    urgent=st.booleans(),
    chain=st.lists(peers, max_size=wire.CHAIN_ROOM).map(tuple),
    said_at=st.floats(0, 1e12, exclude_max=True),
)
any_frame = st.one_of(
    st.builds(Hello, peers, peers),
    st.builds(Welcome, peers, numbers),
    st.builds(Denied, lines),
    st.builds(Mail, messages, numbers),
    st.builds(Ack, numbers),
    st.builds(Gap, numbers),
    st.builds(Refused, numbers, lines, lines),
    st.builds(Receipts, states),
    st.builds(Noted, states),
    st.sampled_from([Ping(), Pong(), Bye()]),
)


@given(any_frame)
@settings(max_examples=300, deadline=None)
def test_round_trip(frame: Frame) -> None:
    """Any frame that keeps the limits comes back as it was."""
    assert decode(encode(frame)) == frame


safely = partial(decodes_or_bad_frame, decode, encode)


@given(st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_any_bytes(data: bytes) -> None:
    """Noise is a frame or BadFrame, and nothing else."""
    safely(data)


anything = values(st.sampled_from(["n", "to", "kind"]))


@given(st.sampled_from(sorted(wire._UNPACKERS)), st.lists(anything, max_size=4))
@settings(max_examples=500, deadline=None)
def test_any_fields(tag: str, fields: list[Any]) -> None:
    """A known type with any fields is a frame or BadFrame, and nothing else."""
    safely(packed(tag, *fields))


keys = ["n", "to", "kind", "body", "by", "said", "host", "reply", "urgent", "chain", "group"]
GOOD = {"n": 1, "to": BOB, "kind": "message", "body": "hi", "by": "ann", "said": 0.0}


@given(st.sampled_from(keys), anything)
@settings(max_examples=500, deadline=None)
def test_any_field_of_a_message(key: str, value: Any) -> None:
    """A message with one field of any value is a message or BadFrame, and nothing else."""
    safely(packed("mail", ANN, 0, {**GOOD, key: value}))


@given(st.sampled_from(sorted(GOLDEN)), st.data())
@settings(max_examples=500, deadline=None)
def test_damaged_bytes(name: str, data: st.DataObject) -> None:
    """A real frame with one byte changed, or cut short, is a frame or BadFrame, and nothing else."""
    real = bytearray.fromhex(GOLDEN[name])
    place = data.draw(st.integers(0, len(real) - 1))
    real[place] = data.draw(st.integers(0, 255))
    safely(bytes(real))
    safely(bytes(real[:place]))


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="a byte that msgpack never uses"),
        pytest.param(b"\x91" * 2_000, id="nested too deep"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="an array that claims four thousand million fields"),
        pytest.param(encode(Ping()) + b"\x00", id="something behind it"),
        pytest.param(msgpack.packb({"v": 1}), id="no array"),
        pytest.param(msgpack.packb([]), id="no version"),
        pytest.param(msgpack.packb([VERSION]), id="no type"),
        pytest.param(msgpack.packb([VERSION, 7]), id="a type that is no text"),
        pytest.param(msgpack.packb([VERSION + 1, "ping"]), id="another version"),
        pytest.param(msgpack.packb([True, "ping"]), id="true, which Python takes for 1"),
        pytest.param(msgpack.packb([1.0, "ping"]), id="a version with a fraction"),
        pytest.param(packed("ping", 1), id="a field too many"),
        pytest.param(packed("ack"), id="a field too few"),
        pytest.param(packed("ack", -1), id="a number below 0"),
        pytest.param(packed("ack", True), id="a flag as number"),
        pytest.param(packed("ack", wire.BIGGEST), id="a number that no id can spell"),
        pytest.param(packed("hello", ANN, "BBBBBBBB"), id="a peer id with wrong letters"),
        pytest.param(packed("hello", ANN, BOB + "\n"), id="a peer id with a line's end"),
        pytest.param(packed("receipts", [[1, "lost"]]), id="a state that is none"),
        pytest.param(packed("receipts", [[1, "shown"]] * (wire.STATES_LIMIT + 1)), id="too many receipts"),
        pytest.param(packed("mail", ANN, 0, {**GOOD, "n": 0}), id="a message numbered 0"),
        pytest.param(packed("mail", ANN, 0, {**GOOD, "said": float("nan")}), id="a time that is no number"),
        pytest.param(packed("mail", ANN, 0, {**GOOD, "reply": "bbbbbbbb-0"}), id="a reply to no message"),
        pytest.param(packed("mail", ANN, 0, {**GOOD, "by": "x" * (fields.SHORT + 1)}), id="a long name"),
        pytest.param(packed("mail", ANN, 0, {**GOOD, "chain": [BOB] * (wire.CHAIN_ROOM + 1)}), id="a chain"),
        pytest.param(packed("mail", ANN, 0, {**GOOD, "body": "é" * (BODY_LIMIT // 2 + 1)}), id="a body"),
        pytest.param(b"\xc4" * (FRAME_LIMIT + 1), id="a frame above the limit"),
    ],
)
def test_refused(data: bytes) -> None:
    """What breaks a rule is refused with BadFrame, which says what was wrong."""
    with pytest.raises(BadFrame) as wrong:
        decode(data)
    assert len(str(wrong.value)) > 10


def test_largest_message_fits() -> None:
    """The largest body with the longest of everything else is below the frame's limit, and decodes."""
    long = "\U0001f600" * fields.SHORT
    frame = Mail(
        Message(
            id=MessageId(ANN, wire.BIGGEST - 1),
            to=BOB,
            kind="k" * 40,
            body="\U0001f600" * (BODY_LIMIT // 4),
            by=long,
            host=long,
            repo=long,
            branch=long,
            to_name=long,
            group=long,
            reply_to=MessageId(BOB, wire.BIGGEST - 1),
            urgent=True,
            chain=(CLEO,) * wire.CHAIN_ROOM,
            said_at=1e11,
        ),
        wire.BIGGEST - 1,
    )
    assert len(encode(frame)) <= FRAME_LIMIT
    assert decode(encode(frame)) == frame


def test_unknown_fields_of_a_message_are_skipped() -> None:
    """A later version may say more about a message; this one reads what it knows."""
    assert decode(packed("mail", ANN, 0, {**GOOD, "mood": "fine"})) == SHORT_MAIL


def test_names_fit_on_the_wire() -> None:
    """What the door lets through as a name is let through by the wire."""
    assert NAME_LIMIT <= fields.SHORT
