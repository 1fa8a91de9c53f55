"""The token of an invitation: all that another host needs to come in, once, as one word for copying.

    peer1- base64url( key 32 | secret 16 | port 2 | addresses | check 4 )

Each address is one byte that says its length, then 4 or 16 bytes, or, from 128 on, a name of so many letters
less 128, which may carry a port of its own. The check is the beginning of the digest of all before it, so that
a token that was cut off is told from one that is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from peermesh.errors import BadUsage

PREFIX = "peer1-"
# "peer" on a telephone's keys: where a host listens if nobody said otherwise.
USUAL_PORT = 7337
KEY, SECRET, PORT, CHECK = 32, 16, 2, 4
NAME = 128  # from here on the byte before an address is a name's length
LONGEST_NAME = 100
# And with a port behind it.
LONGEST_PLACE = LONGEST_NAME + len(":65535")
_NAME = re.compile(f"[A-Za-z0-9._-]{{1,{LONGEST_NAME}}}")
_DOTTED = re.compile("[0-9]+(\\.[0-9]+)+")
_PORT = re.compile("[0-9]{1,5}")
ADDRESSES = 4
# The longest token: four names.
LONGEST = 1_000  # characters


@dataclass(frozen=True, slots=True)
class Token:
    """An invitation. *addresses* may carry a port of their own (``name:7337``)."""

    key: bytes
    secret: bytes
    port: int
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        data = (
            self.key + self.secret + self.port.to_bytes(PORT, "big") + b"".join(map(_packed, self.addresses))
        )
        return PREFIX + base64.urlsafe_b64encode(data + _check(data)).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Token:
        """The token that *text* spells; spaces and line breaks of a terminal are passed over.

        Raises:
            BadUsage: it spells none; the sentence says what is wrong.
        """
        word = "".join(text.split())
        if not word.startswith(PREFIX):
            raise BadUsage("that is no invitation: it begins with peer1-, as `peer invite` printed it")
        try:
            body = word.removeprefix(PREFIX)[:LONGEST].encode("ascii")
            data = base64.b64decode(body + b"=" * (-len(body) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error) as wrong:
            raise BadUsage(
                "that invitation was changed on its way: it holds letters that are not of it"
            ) from wrong
        data, check = data[:-CHECK], data[-CHECK:]
        if len(data) < KEY + SECRET + PORT or _check(data) != check:
            raise BadUsage("that invitation is cut off or was changed on its way; copy all of it")
        at = KEY + SECRET
        port = int.from_bytes(data[at : at + PORT], "big")
        return cls(data[:KEY], data[KEY:at], port, tuple(_unpacked(data[at + PORT :])))

    def endpoints(self) -> list[str]:
        """Where to dial: ``10.0.0.2:7337``, ``[fd00::2]:7337``, ``name:7337``."""
        return [with_port(one, self.port) for one in self.addresses]


def choose(own: Sequence[str], named: Sequence[str]) -> tuple[str, ...]:
    """The addresses for a token: those that a person *named*, else our *own* best ones."""
    return tuple(named[:ADDRESSES] or own[:ADDRESSES])


def with_port(address: str, port: int) -> str:
    """*address* with *port*, unless it carries one: ``10.0.0.2:7337``, ``[fd00::2]:7337``, ``name:7337``."""
    if address.startswith("["):
        return address if "]:" in address else f"{address}:{port}"
    if address.count(":") > 1:
        return f"[{address}]:{port}"
    return address if ":" in address else f"{address}:{port}"


def split(place: str) -> tuple[str, int]:
    """Address and port of what ``with_port`` gave: ``10.0.0.2:7337``, ``[fd00::2]:7337`` or ``name:7337``."""
    host, _, port = place.rpartition(":")
    return host.strip("[]"), int(port)


def check_address(text: str) -> str:
    """*text* if it may be dialled: an address or a name, with or without a port.

    Raises:
        BadUsage: it may not.
    """
    host, port = _parted(text)
    number = ":" in host or bool(_DOTTED.fullmatch(host))
    zone = host.partition("%")[2] or "any"  # an interface's name, which the library does not look at
    spelled = _is_ip(host) and bool(_NAME.fullmatch(zone)) if number else bool(_NAME.fullmatch(host))
    if not spelled or (port is not None and not (_PORT.fullmatch(port) and 0 < int(port) < 65_536)):
        raise BadUsage(
            f"{text[:80]!r} is no address; write 192.168.1.20, desk.example:7337 or [fd00::2]:7337"
        )
    return text


def _parted(text: str) -> tuple[str, str | None]:
    """Host and port of *text*; the host is empty where brackets do not pair, or hold no IPv6 address."""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        good = closed and ":" in host and (not rest or rest.startswith(":"))
        return (host if good else ""), (rest[1:] if rest else None)
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, None


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _check(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:CHECK]


def _packed(address: str) -> bytes:
    if _is_ip(address) and "%" not in address:  # the name of a zone would be lost
        packed = ip_address(address).packed
        return bytes([len(packed)]) + packed
    name = address.encode("ascii")[:LONGEST_PLACE]
    return bytes([NAME + len(name)]) + name


def _unpacked(data: bytes) -> list[str]:
    found: list[str] = []
    while data:
        size = data[0] - NAME if data[0] >= NAME else data[0]
        raw, is_name = data[1 : 1 + size], data[0] >= NAME
        if len(raw) != size or not size or (not is_name and size not in (4, 16)) or len(found) == ADDRESSES:
            raise BadUsage("that invitation holds an address that cannot be read")
        found.append(check_address(raw.decode("ascii", "replace")) if is_name else str(ip_address(raw)))
        data = data[1 + size :]
    return found
