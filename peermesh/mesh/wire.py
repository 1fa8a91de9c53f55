"""Frames to bytes and back: msgpack arrays ``[version, type, field, …]``. Any bytes decode or raise BadFrame.

The table of frames is in docs/protocol.md; golden bytes of each are in tests/mesh/golden.json.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack

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
from peermesh.core.words import BODY_LIMIT, CHAIN_LIMIT, Message, MessageId, State, is_peer_id
from peermesh.errors import BadFrame

VERSION = 1

# A body and all that goes with it; ZeroMQ drops the connection of who sends more.
FRAME_LIMIT = BODY_LIMIT + 16 * 1024
# Names, repos, branches, reasons: shown in one line.
SHORT = 300  # characters
# Room for chains of later versions; ours are refused above CHAIN_LIMIT with a word.
CHAIN_ROOM = 4 * CHAIN_LIMIT
STATES_LIMIT = 1_000
BIGGEST = 10**18  # numbers of messages: an id spells at most 18 digits, and SQLite's integers end at 2**63


def encode(frame: Frame) -> bytes:
    """*frame* as bytes."""
    tag, pack = _PACKERS[type(frame)]
    packed: bytes = msgpack.packb([VERSION, tag, *pack(frame)])
    return packed


def decode(data: bytes) -> Frame:
    """The frame that *data* holds.

    Raises:
        BadFrame: it holds none of this version.
    """
    fields = _array(data)
    if len(fields) < 2 or not isinstance(fields[1], str):
        raise BadFrame("a frame without version and type")
    if type(fields[0]) is not int or fields[0] != VERSION:
        raise BadFrame(f"a frame of version {str(fields[0])[:20]}, not {VERSION}")
    unpack = _UNPACKERS.get(fields[1])
    if unpack is None:
        raise BadFrame(f"an unknown type of frame: {fields[1][:20]!r}")
    try:
        return unpack(*fields[2:])
    except (TypeError, ValueError) as wrong:
        raise BadFrame(f"a {fields[1]} frame with wrong fields: {str(wrong)[:200]}") from wrong


def _array(data: bytes) -> list[Any]:
    if len(data) > FRAME_LIMIT:
        raise BadFrame(f"a frame of {len(data)} bytes; the limit is {FRAME_LIMIT}")
    try:
        fields = msgpack.unpackb(data, strict_map_key=True)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as wrong:
        raise BadFrame("bytes that are not msgpack") from wrong
    if not isinstance(fields, list):
        raise BadFrame("msgpack that is not an array")
    return fields


# ---------------------------------------------------------------- checks of one field


def _peer(value: object) -> str:
    if isinstance(value, str) and is_peer_id(value):
        return value
    raise ValueError("not a peer id")


def _text(value: object, limit: int = SHORT) -> str:
    if isinstance(value, str) and len(value) <= limit:
        return value
    raise ValueError(f"not a text of at most {limit} characters")


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < BIGGEST:
        return value
    raise ValueError("not a number of a message")


def _body(value: object) -> str:
    text = _text(value, BODY_LIMIT)
    if len(text.encode()) > BODY_LIMIT:
        raise ValueError("a body above the limit")
    return text


def _list(value: object, limit: int) -> list[Any]:
    if isinstance(value, list) and len(value) <= limit:
        return value
    raise ValueError(f"not a list of at most {limit}")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("not true or false")


def _time(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12:
        return float(value)
    raise ValueError("not a time")


# ---------------------------------------------------------------- messages


def _pack_message(m: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "n": m.id.n,
        "to": m.to,
        "kind": m.kind,
        "body": m.body,
        "by": m.by,
        "said": m.said_at,
    }
    optional = {
        "host": m.host,
        "repo": m.repo,
        "branch": m.branch,
        "to_name": m.to_name,
        "group": m.group,
        "reply": str(m.reply_to) if m.reply_to else "",
        "urgent": m.urgent,
        "chain": list(m.chain),
    }
    fields.update({key: value for key, value in optional.items() if value})
    return fields


def _unpack_message(sender: str, fields: object) -> Message:
    if not isinstance(fields, dict):
        raise ValueError("a message that is not a map")
    get = fields.get
    reply = _text(get("reply", ""))
    return Message(
        id=MessageId(sender, _positive(get("n"))),
        to=_peer(get("to")),
        kind=_text(get("kind"), 40),
        body=_body(get("body")),
        by=_text(get("by")),
        said_at=_time(get("said")),
        host=_text(get("host", "")),
        repo=_text(get("repo", "")),
        branch=_text(get("branch", "")),
        to_name=_text(get("to_name", "")),
        group=_text(get("group", "")),
        reply_to=MessageId.parse(reply) if reply else None,
        urgent=_flag(get("urgent", False)),
        chain=tuple(_peer(one) for one in _list(get("chain", []), CHAIN_ROOM)),
    )


def _positive(value: object) -> int:
    number = _number(value)
    if number == 0:
        raise ValueError("messages are counted from 1")
    return number


def _pack_states(states: tuple[tuple[int, State], ...]) -> list[Any]:
    return [[n, state.value] for n, state in states]


def _unpack_states(value: object) -> tuple[tuple[int, State], ...]:
    pairs = _list(value, STATES_LIMIT)
    return tuple((_number(n), State(state)) for n, state in pairs)


# ---------------------------------------------------------------- the table

_PACKERS: dict[type, tuple[str, Callable[[Any], list[Any]]]] = {
    Hello: ("hello", lambda f: [f.me, f.you]),
    Welcome: ("welcome", lambda f: [f.me, f.last]),
    Denied: ("denied", lambda f: [f.code]),
    Mail: ("mail", lambda f: [f.message.id.peer, f.prev, _pack_message(f.message)]),
    Ack: ("ack", lambda f: [f.last]),
    Gap: ("gap", lambda f: [f.last]),
    Refused: ("refused", lambda f: [f.n, f.code, f.why]),
    Receipts: ("receipts", lambda f: [_pack_states(f.states)]),
    Noted: ("noted", lambda f: [_pack_states(f.states)]),
    Ping: ("ping", lambda f: []),
    Pong: ("pong", lambda f: []),
    Bye: ("bye", lambda f: []),
}

_UNPACKERS: dict[str, Callable[..., Frame]] = {
    "hello": lambda me, you: Hello(_peer(me), _peer(you)),
    "welcome": lambda me, last: Welcome(_peer(me), _number(last)),
    "denied": lambda code: Denied(_text(code)),
    "mail": lambda peer, prev, m: Mail(_unpack_message(_peer(peer), m), _number(prev)),
    "ack": lambda last: Ack(_number(last)),
    "gap": lambda last: Gap(_number(last)),
    "refused": lambda n, code, why: Refused(_number(n), _text(code), _text(why)),
    "receipts": lambda states: Receipts(_unpack_states(states)),
    "noted": lambda states: Noted(_unpack_states(states)),
    "ping": Ping,
    "pong": Pong,
    "bye": Bye,
}
