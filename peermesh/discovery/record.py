"""What one host says to a network about its sessions: a random name, a port, a version and a tag.

Everyone on the network can read it, and everyone can write it. So it holds nothing private, which the
shape of the names enforces, and what is read from others is checked here before anybody sees it.

    instance   <16 to 32 hex digits>._peer-mesh._tcp.local.    one for each session
    target     peer-<16 hex digits>.local.                     one for each host, never its own name
    TXT        v=<version>  and, when there is one, t=<tag>    other keys are passed over
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from peermesh.discovery.errors import BadRecord

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# RFC 6763 allows 15 characters for the service's name; this one has nine.
SERVICE = "_peer-mesh._tcp.local."

# Hex digits only: 64 random bits are 16 of them, and hardly any word, name or path can be written so.
INSTANCE_NAME = re.compile(r"[0-9a-f]{16,32}")
TARGET_NAME = re.compile(r"peer-[0-9a-f]{16}\.local\.")
VERSION = re.compile(rb"[1-9][0-9]{0,4}")

MAX_PORT = 65_535
MAX_VERSION = 65_535
# A truncated HMAC fits with room to spare.
MAX_TAG = 32
# Ours has at most 46 bytes. A later version may say more, but a record must not become a letter.
MAX_TEXT = 512


@dataclass(frozen=True, slots=True)
class Instance:
    """One session as this host advertises it.

    *name*: 16 to 32 hex digits that mean nothing, for example `secrets.token_hex(8)`. *port*: where it
    listens, 0 while it does not yet. *version*: of our protocol, 1 to 65,535. *tag*: at most 32 opaque
    bytes by which members may know each other, or none.

    Raises BadRecord when one of them is anything else.
    """

    name: str
    port: int
    version: int
    tag: bytes = b""

    def __post_init__(self) -> None:
        if not INSTANCE_NAME.fullmatch(self.name):
            raise BadRecord(f"an instance's name is 16 to 32 hex digits, not {self.name[:40]!r}")
        if not 0 <= self.port <= MAX_PORT:
            raise BadRecord(f"a port is 0 to {MAX_PORT}, not {self.port}")
        if not 1 <= self.version <= MAX_VERSION:
            raise BadRecord(f"a version is 1 to {MAX_VERSION}, not {self.version}")
        if len(self.tag) > MAX_TAG:
            raise BadRecord(f"a tag has at most {MAX_TAG} bytes, not {len(self.tag)}")


@dataclass(frozen=True, slots=True)
class Rumour:
    """What somebody on the network advertises. Nobody has vouched for it, and it may be long dead.

    *addresses*: at least one, the best first, as text for a URL (a link-local one carries its zone as
    `%3`). *port*: 0 means that it is not listening yet. *tag*: empty when it has none.
    """

    instance: str
    addresses: tuple[str, ...]
    port: int
    version: int
    tag: bytes = b""


def encode_text(version: int, tag: bytes = b"") -> bytes:
    """The TXT record's data: each string after one byte that says how long it is."""
    strings = [b"v=%d" % version]
    if tag:
        strings.append(b"t=" + tag)
    return b"".join(bytes([len(string)]) + string for string in strings)


def decode_text(raw: bytes) -> tuple[int, bytes]:
    """The version and the tag in a TXT record's data.

    Raises BadRecord, and nothing else, for whatever is not such data. Keys are told apart as RFC 6763
    says: without regard to case, the first one counts, unknown ones are passed over.
    """
    if len(raw) > MAX_TEXT:
        raise BadRecord(f"a text has at most {MAX_TEXT} bytes, not {len(raw)}")
    values: dict[bytes, bytes] = {}
    at = 0
    while at < len(raw):
        end = at + 1 + raw[at]
        if end > len(raw):
            raise BadRecord("a string in the text is longer than the text")
        key, _, value = raw[at + 1 : end].partition(b"=")
        values.setdefault(key.lower(), value)
        at = end
    version = values.get(b"v", b"")
    tag = values.get(b"t", b"")
    if not VERSION.fullmatch(version) or int(version) > MAX_VERSION:
        raise BadRecord(f"a text without a version of 1 to {MAX_VERSION}")
    if len(tag) > MAX_TAG:
        raise BadRecord(f"a tag has at most {MAX_TAG} bytes, not {len(tag)}")
    return int(version), tag


def full_name(instance: str) -> str:
    """The instance's name as the network writes it."""
    return f"{instance}.{SERVICE}"


def instance_of(name: str) -> str:
    """The instance in a name from the network; raises BadRecord if it is not one of ours."""
    instance, dot, service = name.lower().partition(".")
    if service != SERVICE or not dot or not INSTANCE_NAME.fullmatch(instance):
        raise BadRecord("not the name of an instance of ours")
    return instance


def target_name(digits: str) -> str:
    """The host's name for the network, from 16 random hex digits; raises BadRecord for others."""
    return target_of(f"peer-{digits}.local.")


def target_of(name: str) -> str:
    """A host's name from the network; raises BadRecord if it is not one of ours."""
    target = name.lower()
    if not TARGET_NAME.fullmatch(target):
        raise BadRecord("not the name of a host of ours")
    return target


def is_target(name: str) -> bool:
    """Whether *name*, in small letters, is one that a host of ours may have."""
    return bool(TARGET_NAME.fullmatch(name))


def address_of(packed: bytes) -> Address:
    """The address in an A record's 4 or an AAAA record's 16 bytes; raises BadRecord for others."""
    try:
        return ip_address(packed)
    except ValueError as error:
        raise BadRecord("an address has 4 or 16 bytes") from error


def may_be_dialled(address: Address, networks: tuple[Network, ...]) -> bool:
    """Whether a stranger's record may make us dial *address*.

    Only what a local network can hold: private and link-local addresses, and global ones that lie in one
    of *networks*, the ones this host is in. Else anybody on a LAN could point us at the whole internet,
    or at this host itself.
    """
    if address.is_loopback or address.is_multicast or address.is_unspecified or address.is_reserved:
        return False
    return not address.is_global or any(address in network for network in networks)
