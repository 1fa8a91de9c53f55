"""Which of a machine's interfaces speak to a network, and with which addresses. Pure.

Joining every interface would shout into each container's bridge and each tunnel, where nobody is, and
would tell one network the addresses of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Interface, IPv6Interface

from peermesh.discovery.record import Address, Network

# From <net/if.h>, the same numbers on Linux and macOS.
IFF_UP = 0x1
IFF_LOOPBACK = 0x8
IFF_MULTICAST_LINUX = 0x1000
IFF_MULTICAST_MACOS = 0x8000

# Bridges and cables of containers and virtual machines, tunnels, and Apple's own radio links. Whoever
# wants one of them names it in the setting. `br-*` are docker's; a bridge of one's own is called br0.
PASSED_OVER = (
    *("docker*", "br-*", "veth*", "virbr*", "vnet*", "vmnet*", "vboxnet*", "lxc*", "lxdbr*", "incusbr*"),
    *("podman*", "cni*", "cali*", "flannel*", "kube*", "tun*", "tap*", "utun*", "wg*", "ppp*", "ipsec*"),
    *("tailscale*", "awdl*", "llw*", "anpi*", "bridge1??"),
)

# What we tell others about ourselves; they keep no more of it (rumours.MAX_ADDRESSES).
MAX_ADDRESSES = 16


@dataclass(frozen=True, slots=True)
class Adapter:
    """One interface: its name, number, whether it is up and does multicast, and its addresses."""

    name: str
    index: int
    usable: bool
    addresses: tuple[IPv4Interface | IPv6Interface, ...]


@dataclass(frozen=True, slots=True)
class Attachment:
    """How this machine hangs on its networks: what a change of is worth acting on."""

    adapters: tuple[Adapter, ...]

    def joins(self) -> list[str | int]:
        """Where to speak: one IPv4 address and one of IPv6 for each interface.

        As zeroconf wants it: IPv6 by address, or by the interface's number where several interfaces have
        the same one (a bridge and its port). Link-local before others, because those may come and go.
        """
        all_of = [a.ip for adapter in self.adapters for a in adapter.addresses]
        found: list[str | int] = []
        for adapter in self.adapters:
            four = [a.ip for a in adapter.addresses if a.version == 4]
            six = [a.ip for a in adapter.addresses if a.version == 6]
            six.sort(key=lambda ip: not ip.is_link_local)
            found += [str(ip) for ip in four[:1]]
            found += [str(ip) if all_of.count(ip) == 1 else adapter.index for ip in six[:1]]
        return found

    def addresses(self) -> list[Address]:
        """What to advertise: IPv4 first, link-local last, 16 at most."""
        found = list(dict.fromkeys(a.ip for adapter in self.adapters for a in adapter.addresses))
        found.sort(key=lambda ip: (ip.is_link_local, ip.version))
        return list(found[:MAX_ADDRESSES])

    def networks(self) -> tuple[Network, ...]:
        """The networks this machine is in."""
        return tuple({a.network for adapter in self.adapters for a in adapter.addresses})

    def numbered(self) -> set[tuple[int, str]]:
        """Each address with its interface's number, which is new when the interface is."""
        return {(adapter.index, str(a.ip)) for adapter in self.adapters for a in adapter.addresses}


def attachment(adapters: Iterable[Adapter], named: Sequence[str] | None) -> Attachment:
    """The interfaces to speak on.

    *named*: names or patterns (`en*`) from the settings: these and no others. None: all but those that
    PASSED_OVER names. Either way only those that are up, do multicast and have an address.
    """
    chosen = (a for a in adapters if a.usable and a.addresses and _wanted(a.name, named))
    return Attachment(tuple(sorted(chosen, key=lambda a: (a.name, a.index))))


def _wanted(name: str, named: Sequence[str] | None) -> bool:
    if named is not None:
        return any(fnmatchcase(name, pattern) for pattern in named)
    return not any(fnmatchcase(name, pattern) for pattern in PASSED_OVER)


def usable(flags: int, macos: bool) -> bool:
    """Whether an interface with these flags is up, does multicast and is not the loopback."""
    multicast = IFF_MULTICAST_MACOS if macos else IFF_MULTICAST_LINUX
    return bool(flags & IFF_UP and flags & multicast) and not flags & IFF_LOOPBACK
