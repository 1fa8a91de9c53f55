"""What both wires have in common: frames as msgpack arrays, and what their fields are checked for.

Each check gives the value, or raises ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgpack

from peermesh.core.words import PeerId, is_peer_id
from peermesh.errors import BadFrame

Frame = TypeVar("Frame")
Packers = Mapping[type, tuple[str, Callable[[Any], list[Any]]]]

# Names, repos, branches, reasons: shown in one line.
SHORT = 300  # characters


def encode(frame: Frame, packers: Packers, version: int) -> bytes:
    """*frame* as bytes: a msgpack array ``[version, type, field, …]``, as the table *packers* says."""
    tag, pack = packers[type(frame)]
    packed: bytes = msgpack.packb([version, tag, *pack(frame)])
    return packed


def decode(
    data: bytes, unpackers: Mapping[str, Callable[..., Frame]], version: int, limit: int, what: str
) -> Frame:
    """The frame that *data* holds, by the table *unpackers*.

    Raises:
        BadFrame: it holds none of this version, or more than *limit* bytes; the sentence calls it *what*.
    """
    tag, fields = _array(data, limit, version, f"a {what}")
    unpack = unpackers.get(tag)
    if unpack is None:
        raise BadFrame(f"an unknown type of {what}: {tag[:20]!r}")
    try:
        return unpack(*fields)
    except (TypeError, ValueError) as wrong:
        raise BadFrame(f"a {what} {tag} with wrong fields: {str(wrong)[:200]}") from wrong


def _array(data: bytes, limit: int, version: int, what: str) -> tuple[str, list[Any]]:
    """The type and the fields of a frame."""
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
        raise BadFrame(f"{what} of version {named(fields[0])}, not {version}")
    return fields[1], fields[2:]


def named(version: object) -> str:
    """A *version* in an error's sentence. What is none may be lists within lists, deeper than repr can go."""
    return str(version)[:20] if isinstance(version, int | str) else f"a {type(version).__name__}"


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
