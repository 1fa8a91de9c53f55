"""What the trust file says, as values: hosts, invitations, and how they are read from JSON that may be damaged."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

from peermesh.core.names import key as folded
from peermesh.core.names import tidy
from peermesh.errors import NotTrusted, StoreNewer

VERSION = 1
KEY_BYTES = 32
# An invitation is for the walk from one machine to the other.
INVITE_LIFE = 600.0  # seconds
# Characters of an address or a name.
LINE = 300


@dataclass(frozen=True, slots=True)
class Trusted:
    """A host that may speak with this one."""

    name: str  # what it is called here; unique
    key: str  # its CURVE public key, in hex
    since: float  # wall clock, seconds
    addresses: tuple[str, ...] = ()  # "10.0.0.2:7337", the one that worked last first


@dataclass(frozen=True, slots=True)
class Invite:
    """An invitation that nobody used yet. Only a digest of its secret is kept."""

    digest: str
    until: float  # wall clock, seconds
    tries: int = 0
    name: str = ""  # what the host that comes is to be called
    given: bool = True  # to somebody; else it only keeps the gate open while a short code is shown


@dataclass(frozen=True, slots=True)
class Trust:
    """All that the file says."""

    hosts: tuple[Trusted, ...] = ()
    invites: tuple[Invite, ...] = ()
    connect: tuple[str, ...] = ()  # addresses to try for any of the hosts
    refused: int = 0  # invitations that were wrong, late or used
    spent: tuple[str, ...] = ()  # digests of those that were used, the newest last
    removed: tuple[str, ...] = ()  # keys of hosts that a person removed: only these are forgotten

    def open_invites(self) -> tuple[Invite, ...]:
        """Those that can still be used. One that is good for longer than it may be comes from a clock set back."""
        now = time.time()
        return tuple(one for one in self.invites if now < one.until <= now + INVITE_LIFE)

    def by_key(self, key: str) -> Trusted | None:
        """The host with that *key*."""
        return next((one for one in self.hosts if one.key == key), None)

    def by_name(self, name: str) -> Trusted:
        """The host called *name*.

        Raises:
            NotTrusted: there is none; the sentence lists those there are.
        """
        found = next((one for one in self.hosts if folded(one.name) == folded(name)), None)
        if found is None:
            known = ", ".join(one.name for one in self.hosts) or "none yet"
            raise NotTrusted(f"no host called {name[:60]!r} is trusted here (trusted: {known})")
        return found


def fingerprint(key: str) -> str:
    """What people may compare of a *key* in hex: twelve digits of its digest, in groups of four."""
    digits = hashlib.sha256(b"peer host " + bytes.fromhex(key)).hexdigest()[:12]
    return "-".join(digits[at : at + 4] for at in range(0, 12, 4))


# ---------------------------------------------------------------- reading what may be damaged


def parsed(record: Any) -> Trust:
    """What *record*, decoded JSON, says; ValueError, KeyError or TypeError if it is no trust file."""
    if int(record["version"]) > VERSION:
        raise StoreNewer(
            f"trust.json was written by a newer peer (version {record['version']}, this program knows "
            f"{VERSION}); install that version here too"
        )
    hosts = tuple(_trusted(one) for one in record["hosts"])
    if len({h.key for h in hosts}) != len(hosts) or len({folded(h.name) for h in hosts}) != len(hosts):
        raise ValueError("a host stands there twice")
    return Trust(
        hosts=hosts,
        invites=tuple(_invite(one) for one in record["invites"]),
        connect=tuple(_text(one) for one in record["connect"]),
        refused=int(record["refused"]),
        spent=tuple(_text(one) for one in record.get("spent", ())),
        removed=tuple(_text(one) for one in record.get("removed", ())),
    )


def _trusted(one: dict[str, Any]) -> Trusted:
    key = _text(one["key"])
    if len(bytes.fromhex(key)) != KEY_BYTES or key != key.lower():
        raise ValueError("not a key")
    name = _text(one["name"])
    if not name or tidy(name) != name:
        raise ValueError("not a host's name")
    return Trusted(name, key, float(one["since"]), tuple(_text(a) for a in one["addresses"]))


def _invite(one: dict[str, Any]) -> Invite:
    given = bool(one.get("given", True))
    return Invite(_text(one["digest"]), float(one["until"]), int(one["tries"]), _text(one["name"]), given)


def _text(value: object) -> str:
    if isinstance(value, str) and is_line(value):
        return value
    raise ValueError("not a line of text")


def is_line(text: str) -> bool:
    """Whether *text* can be written into the file, and read again."""
    return len(text) <= LINE and text.isprintable()
