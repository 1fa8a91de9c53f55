"""Where trusted hosts may be: which of the records heard by mDNS are theirs, and what is remembered."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

from peermesh.mesh.hosts.token import USUAL_PORT, with_port
from peermesh.sidecar.resolving import Resolver

if TYPE_CHECKING:
    from peermesh.discovery.record import Rumour
    from peermesh.store.trusted import Trust

# The usual one, and the next ones for other users of the same machine.
PORTS = tuple(range(USUAL_PORT, USUAL_PORT + 10))
TAG_BYTES = 10


def tag_of(key: str, instance: str) -> bytes:
    """By which hosts that know *key* (hex) recognise its record: to all others it is noise."""
    return hmac.digest(bytes.fromhex(key), b"peer" + instance.encode(), hashlib.sha256)[:TAG_BYTES]


def places(addresses: Sequence[str], port: int) -> tuple[str, ...]:
    """Where a host says that it can be reached: numeric addresses only, for they are written to a file."""
    return tuple(with_port(one, port) for one in addresses if port and _numeric(one))


def _numeric(address: str) -> bool:
    try:
        return not ip_address(address).is_loopback and "%" not in address
    except ValueError:
        return False


class Finder:
    """Knows where to dial each trusted host, by its key in hex."""

    def __init__(self) -> None:
        self.rumours: Sequence[Rumour] = ()
        self._found: dict[str, list[tuple[str, str]]] = {}  # host's key -> (endpoint, instance)
        self._resolver = Resolver()

    def look(self, keys: Iterable[str]) -> set[str]:
        """See which of the records are those of the hosts *keys*; the hosts for which that is news."""
        wanted, before, self._found = list(keys), self._found, {}
        for one in self.rumours:
            if not one.tag or not one.port:
                continue
            key = next((k for k in wanted if hmac.compare_digest(tag_of(k, one.instance), one.tag)), None)
            if key is not None:
                spots = [(with_port(address, one.port), one.instance) for address in one.addresses]
                self._found.setdefault(key, []).extend(spots)
        return {key for key, found in self._found.items() if before.get(key) != found}

    def heard(self, key: str) -> list[str]:
        """Where mDNS says that the host is."""
        return list(dict.fromkeys(spot for spot, _ in self._found.get(key, [])))

    def instances(self, spot: str) -> list[str]:
        """The instances whose records led to the endpoint *spot*."""
        return [instance for found in self._found.values() for one, instance in found if one == spot]

    def endpoints(self, key: str, trust: Trust, own: Collection[str]) -> tuple[list[str], list[str]]:
        """Where a host may be: as heard by mDNS, and as known otherwise (where it was, what a person said).

        *own*: where we are ourselves.
        """
        one = trust.by_key(key)
        said = [with_port(place, PORTS[0]) for place in trust.connect]
        known = self._resolver.addresses((*(one.addresses if one else ()), *said))
        heard = self.heard(key)
        return [e for e in heard if e not in own], [e for e in known if e not in own and e not in heard]

    def close(self) -> None:
        """Look up no more names."""
        self._resolver.close()
