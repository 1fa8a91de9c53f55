"""What the fields of frames are checked for, when they come from others: each check gives the value or ValueError."""

from __future__ import annotations

from typing import Any

import msgpack

from peermesh.core.words import PeerId, is_peer_id
from peermesh.errors import BadFrame

# Names, repos, branches, reasons: shown in one line.
SHORT = 300  # characters


def array(data: bytes, limit: int, version: int, what: str) -> tuple[str, list[Any]]:
    """The type and the fields of a frame: a msgpack array ``[version, type, field, …]`` of at most *limit* bytes.

    Raises:
        BadFrame: it is none of this version; the sentence calls it *what*.
    """
    if len(data) > limit:
        raise BadFrame(f"{what} of {len(data)} bytes; the limit is {limit}")
    try:
        fields = msgpack.unpackb(data, strict_map_key=True)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as wrong:
        raise BadFrame("bytes that are not msgpack") from wrong
    if not isinstance(fields, list):
        raise BadFrame("msgpack that is not an array")
    if len(fields) < 2 or not isinstance(fields[1], str):
        raise BadFrame(f"{what} without version and type")
    if type(fields[0]) is not int or fields[0] != version:
        raise BadFrame(f"{what} of version {str(fields[0])[:20]}, not {version}")
    return fields[1], fields[2:]


def as_peer(value: object) -> PeerId:
    """A peer's id."""
    if isinstance(value, str) and is_peer_id(value):
        return value
    raise ValueError("not a peer id")


def as_text(value: object, limit: int = SHORT) -> str:
    """A text of at most *limit* characters."""
    if isinstance(value, str) and len(value) <= limit:
        return value
    raise ValueError(f"not a text of at most {limit} characters")


def as_items(value: object, limit: int) -> list[Any]:
    """A list of at most *limit* things."""
    if isinstance(value, list) and len(value) <= limit:
        return value
    raise ValueError(f"not a list of at most {limit}")


def as_flag(value: object) -> bool:
    """True or false, and not a number."""
    if isinstance(value, bool):
        return value
    raise ValueError("not true or false")
