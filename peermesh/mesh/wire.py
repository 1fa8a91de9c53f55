"""Frames to bytes and back: msgpack arrays ``[version, type, field, …]``. Any bytes decode or raise BadFrame.

The table of frames is in docs/protocol.md; golden bytes of each are in tests/mesh/golden.json.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from peermesh.core.words import BODY_LIMIT, CHAIN_LIMIT, Message, MessageId, State
from peermesh.mesh import fields
from peermesh.mesh.fields import as_flag, as_items, as_peer, as_text

VERSION = 1

# A body and all that goes with it; ZeroMQ drops the connection of who sends more.
FRAME_LIMIT = BODY_LIMIT + 16 * 1024
# Room for chains of later versions; ours are refused above CHAIN_LIMIT with a word.
CHAIN_ROOM = 4 * CHAIN_LIMIT
STATES_LIMIT = 1_000
BIGGEST = 10**18  # numbers of messages: an id spells at most 18 digits, and SQLite's integers end at 2**63


def encode(frame: Frame) -> bytes:
    """*frame* as bytes."""
    return fields.encode(frame, _PACKERS, VERSION)


def decode(data: bytes) -> Frame:
    """The frame that *data* holds.

    Raises:
        BadFrame: it holds none of this version.
    """
    return fields.decode(data, _UNPACKERS, VERSION, FRAME_LIMIT, "frame")


# ---------------------------------------------------------------- checks of one field


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < BIGGEST:
        return value
    raise ValueError("not a number of a message")


def _body(value: object) -> str:
    text = as_text(value, BODY_LIMIT)
    if len(text.encode()) > BODY_LIMIT:
        raise ValueError("a body above the limit")
    return text


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
    reply = as_text(get("reply", ""))
    return Message(
        id=MessageId(sender, _positive(get("n"))),
        to=as_peer(get("to")),
        kind=as_text(get("kind"), 40),
        body=_body(get("body")),
        by=as_text(get("by")),
        said_at=_time(get("said")),
        host=as_text(get("host", "")),
        repo=as_text(get("repo", "")),
        branch=as_text(get("branch", "")),
        to_name=as_text(get("to_name", "")),
        group=as_text(get("group", "")),
        reply_to=MessageId.parse(reply) if reply else None,
        urgent=as_flag(get("urgent", False)),
        chain=tuple(as_peer(one) for one in as_items(get("chain", []), CHAIN_ROOM)),
    )


def _positive(value: object) -> int:
    number = _number(value)
    if number == 0:
        raise ValueError("messages are counted from 1")
    return number


def _pack_states(states: tuple[tuple[int, State], ...]) -> list[Any]:
    return [[n, state.value] for n, state in states]


def _unpack_states(value: object) -> tuple[tuple[int, State], ...]:
    pairs = as_items(value, STATES_LIMIT)
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
    "hello": lambda me, you: Hello(as_peer(me), as_peer(you)),
    "welcome": lambda me, last: Welcome(as_peer(me), _number(last)),
    "denied": lambda code: Denied(as_text(code)),
    "mail": lambda peer, prev, m: Mail(_unpack_message(as_peer(peer), m), _number(prev)),
    "ack": lambda last: Ack(_number(last)),
    "gap": lambda last: Gap(_number(last)),
    "refused": lambda n, code, why: Refused(_number(n), as_text(code), as_text(why)),
    "receipts": lambda states: Receipts(_unpack_states(states)),
    "noted": lambda states: Noted(_unpack_states(states)),
    "ping": Ping,
    "pong": Pong,
    "bye": Bye,
}
