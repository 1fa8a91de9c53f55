"""What two hosts say to each other while they pair by a code: msgpack arrays ``[version, kind, field, …]``,
each after its length in two bytes.

    begin     nameplate, share      the answerer: I mean that offer; my half of the exchange
    reply     share                 the offerer's half
    proof     mac                   the answerer first, then the offerer: I knew the code
    sealed    bytes                 each one's introduction, and the answerer's "got it"; encrypted
    no        reason                not here, or no more

Any bytes decode or raise BadFrame.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import msgpack

from peermesh.errors import BadFrame
from peermesh.mesh.fields import named

VERSION = 1

LENGTH_BYTES = 2
MESSAGE_LIMIT = 2048  # bytes; the longest introduction has about 900
SHARE_BYTES = 33  # a point of the curve, and whose it is
MAC_BYTES = 32
KEY_BYTES = 32
NAME_LIMIT = 40  # characters
ADDRESSES = 8
REASON_LIMIT = 40  # characters
HIGHEST_PORT = 65_535

# An IP address, with an interface behind % if need be, or a name that a resolver knows.
_ADDRESS = re.compile(r"[0-9A-Za-z_.:%-]{1,64}")


@dataclass(frozen=True, slots=True)
class Introduction:
    """What each side tells the other once the code has proven right.

    *key*: its CURVE public key, 32 bytes. *name*: of the host, printable, 1 to 40 characters. *port*: where
    its gate listens, 0 if it does not. *addresses*: where it may be reached, at most 8.

    Raises ValueError when one of them is anything else.
    """

    key: bytes
    name: str
    port: int
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.key, bytes) or len(self.key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        if not isinstance(self.name, str) or not 1 <= len(self.name) <= NAME_LIMIT:
            raise ValueError(f"a host's name has 1 to {NAME_LIMIT} characters")
        if not self.name.isprintable():
            raise ValueError("a host's name is printable")
        if type(self.port) is not int or not 0 <= self.port <= HIGHEST_PORT:
            raise ValueError(f"a port is 0 to {HIGHEST_PORT}")
        if len(self.addresses) > ADDRESSES or not all(_is_address(one) for one in self.addresses):
            raise ValueError(f"not a list of at most {ADDRESSES} addresses")

    def pack(self) -> bytes:
        """This as bytes."""
        packed: bytes = msgpack.packb([self.key, self.name, self.port, list(self.addresses)])
        return packed

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """The introduction that *data* holds.

        Raises:
            BadFrame: it holds none.
        """
        try:
            key, name, port, addresses = _array(data)
            if not isinstance(addresses, list):
                raise ValueError("the addresses are no list")  # noqa: TRY301 - one place for all that is wrong
            return cls(key, name, port, tuple(addresses))
        except (TypeError, ValueError) as wrong:
            raise BadFrame(f"an introduction that cannot be read: {str(wrong)[:200]}") from wrong


def frame(kind: str, *fields: int | bytes | str) -> bytes:
    """A message as bytes, with its length."""
    body: bytes = msgpack.packb([VERSION, kind, *fields])
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def length(head: bytes) -> int:
    """How many bytes follow *head*, the first two.

    Raises:
        BadFrame: more than a message has.
    """
    size = int.from_bytes(head, "big")
    if size > MESSAGE_LIMIT:
        raise BadFrame(f"a message of {size} bytes; the limit is {MESSAGE_LIMIT}")
    return size


def decode(body: bytes) -> tuple[str, list[Any]]:
    """The kind and the fields of the message in *body*, which stands without its length.

    Raises:
        BadFrame: it is none of this version.
    """
    if len(body) > MESSAGE_LIMIT:
        raise BadFrame(f"a message of {len(body)} bytes; the limit is {MESSAGE_LIMIT}")
    fields = _array(body)
    if len(fields) < 2 or not isinstance(fields[1], str):
        raise BadFrame("a message without version and kind")
    if type(fields[0]) is not int or fields[0] != VERSION:
        raise BadFrame(f"a message of version {named(fields[0])}, not {VERSION}")
    kind, rest = fields[1], fields[2:]
    checks = _SHAPES.get(kind)
    if checks is None or len(checks) != len(rest):
        raise BadFrame(f"an unknown message: {kind[:20]!r} with {len(rest)} fields")
    if not all(fits(one) for fits, one in zip(checks, rest, strict=True)):
        raise BadFrame(f"a message {kind} with wrong fields")
    return kind, rest


def _array(data: bytes) -> list[Any]:
    try:
        fields = msgpack.unpackb(data, strict_map_key=True)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as wrong:
        raise BadFrame("bytes that are not msgpack") from wrong
    if not isinstance(fields, list):
        raise BadFrame("msgpack that is not an array")
    return fields


def _is_address(value: object) -> bool:
    return isinstance(value, str) and _ADDRESS.fullmatch(value) is not None


def _number(value: object) -> bool:
    return type(value) is int and 0 < value < 1000


def _share(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == SHARE_BYTES


def _mac(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == MAC_BYTES


def _bytes(value: object) -> bool:
    return isinstance(value, bytes)


def _reason(value: object) -> bool:
    return isinstance(value, str) and len(value) <= REASON_LIMIT


_SHAPES: dict[str, tuple[Callable[[object], bool], ...]] = {
    "begin": (_number, _share),
    "reply": (_share,),
    "proof": (_mac,),
    "sealed": (_bytes,),
    "no": (_reason,),
}
