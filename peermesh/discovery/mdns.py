"""Multicast DNS: the responder that tells a network which instances this host has, and hears of others.

The one file that imports zeroconf and ifaddr. Of zeroconf it uses the sockets, the codec and the
answering of questions. It browses by itself, because zeroconf's browser keeps every name it ever heard
(400,000 invented ones took 88 MB) and lists all it has in its questions (634 kB of them in ten seconds);
here a bounded book (rumours.py) is filled, and a question lists at most 300 names.

A host needs one responder; several would take each other's answers. Whoever runs it holds a lock.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from ipaddress import ip_interface

import ifaddr
from zeroconf import (  # type: ignore[attr-defined]  # public, but not named in its __all__
    DNSAddress,
    DNSOutgoing,
    DNSPointer,
    DNSQuestion,
    DNSService,
    DNSText,
    NotRunningException,
    RecordUpdate,
    RecordUpdateListener,
    Zeroconf,
)
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from peermesh.discovery.errors import DiscoveryUnavailable
from peermesh.discovery.hearing import Hearing
from peermesh.discovery.interfaces import Adapter, Attachment, attachment, usable
from peermesh.discovery.record import SERVICE, Address, Instance, encode_text, full_name
from peermesh.discovery.voice import Voice

MACOS = sys.platform == "darwin"
# The request for an interface's flags, from <sys/sockio.h> and <linux/sockios.h>.
SIOCGIFFLAGS = 0xC0206911 if MACOS else 0x8913

# From RFC 1035 and RFC 6762, 18: a pointer's type, the class, and the flags of a question and an answer.
PTR, IN, QUESTION, ANSWER = 12, 1, 0x0000, 0x8400
PORT = 5353
# What the names of our service's instances end with.
BELOW = f".{SERVICE}"
# How long the sockets may take to open, in seconds.
STARTING = 3.0


class Responder(Voice):
    """A Voice on the local networks, by multicast DNS; what it does is described there.

    *interfaces*: names or patterns (`en*`) of those to use; None for those that look like a network.
    *on_change*: called in the loop when rumours() has changed, at most four times a second.
    """

    def __init__(
        self, interfaces: Sequence[str] | None = None, on_change: Callable[[], None] | None = None
    ) -> None:
        super().__init__(_Multicast(interfaces), on_change)


def own_addresses(interfaces: Sequence[str] | None = None) -> tuple[str, ...]:
    """The addresses by which others on the local networks may reach this host, IPv4 first.

    *interfaces*: as for ``Responder``. Link-local IPv6 ones are left out: they mean nothing without a zone.
    """
    addresses = _Multicast(interfaces).look().addresses()
    usable = [one for one in addresses if not (one.version == 6 and one.is_link_local)]
    return tuple(str(one) for one in sorted(usable, key=lambda one: one.version))


class _Multicast:
    """The Wire of voice.py, by zeroconf."""

    def __init__(self, named: Sequence[str] | None) -> None:
        self._named = named
        self._opened: AsyncZeroconf | None = None
        self._ear: _Ear | None = None
        self._infos: dict[str, AsyncServiceInfo] = {}

    @property
    def _zeroconf(self) -> Zeroconf:
        assert self._opened is not None
        return self._opened.zeroconf

    def look(self) -> Attachment:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            found = [_adapter(adapter, asked.fileno()) for adapter in ifaddr.get_adapters()]
        return attachment(found, self._named)

    async def open(self, attached: Attachment, ear: Hearing, told: Callable[[], None]) -> None:
        _silence()
        self._opened = await _opened(attached.joins())
        self._ear = _Ear(ear, told)
        self._zeroconf.async_add_listener(self._ear, None)

    async def announce(self, instance: Instance, host: str, addresses: Sequence[Address]) -> Awaitable[None]:
        info = AsyncServiceInfo(
            SERVICE,
            full_name(instance.name),
            port=instance.port,
            properties=encode_text(instance.version, instance.tag),
            server=host,
            addresses=_packed(addresses),
        )
        before = self._infos.get(instance.name)
        self._infos[instance.name] = info
        if before is not None:
            return await self._zeroconf.async_update_service(info)
        # Cooperating: a random name is nobody else's, so nobody need be asked for it (no probing).
        return await self._zeroconf.async_register_service(info, cooperating_responders=True)

    def withdraw(self, name: str) -> None:
        self._zeroconf.registry.async_remove(self._infos.pop(name))

    def goodbye(self, names: Collection[str]) -> None:
        out = DNSOutgoing(ANSWER)
        _add_pointers(out, [(name, 0.0) for name in names])
        self._zeroconf.async_send(out)

    def ask(self, known: Sequence[tuple[str, float]]) -> None:
        out = DNSOutgoing(QUESTION)
        out.add_question(DNSQuestion(SERVICE, PTR, IN))
        _add_pointers(out, known)
        self._zeroconf.async_send(out)

    async def follow(self, attached: Attachment, new: Collection[str]) -> bool:
        for info in self._infos.values():
            info.addresses = _packed(attached.addresses())
        joins, engine = attached.joins(), self._zeroconf.engine
        before = {sender.transport for sender in engine.senders}
        try:
            if new:
                # One may be of an interface that went and came since the last look. Zeroconf, which tells
                # them apart by address, would take the dead membership for a live one.
                await self._zeroconf.async_update_interfaces([join for join in joins if join not in new])
            await self._zeroconf.async_update_interfaces(joins)
        except (OSError, RuntimeError):
            return False  # They change while we look. The next look is five seconds away.
        return bool({sender.transport for sender in engine.senders} - before)

    async def close(self) -> None:
        if self._ear is not None:
            self._zeroconf.async_remove_listener(self._ear)
        if self._opened is not None:
            await self._opened.async_close()
        self._ear = self._opened = None
        self._infos.clear()


class _Ear(RecordUpdateListener):
    """Takes the records that zeroconf read to the hearing, a packet's at a time."""

    def __init__(self, hearing: Hearing, told: Callable[[], None]) -> None:
        self._hearing = hearing
        self._told = told

    def async_update_records(self, _: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        """Called by zeroconf with the time in milliseconds, and also with records that have run out."""
        at = now / 1000
        heard = [update.new for update in records if update.new.ttl == 0 or not update.new.is_expired(now)]
        for record in heard:
            if isinstance(record, DNSPointer) and record.key == SERVICE:
                self._hearing.pointer(record.alias, record.ttl, at)
        for record in heard:
            if record.ttl == 0 or isinstance(record, DNSAddress):
                continue
            if isinstance(record, DNSService) and record.key.endswith(BELOW):
                self._hearing.service(record.key, record.server, record.port, at)
            elif isinstance(record, DNSText) and record.key.endswith(BELOW):
                self._hearing.text(record.key, record.text, at)
        for record in heard:
            if isinstance(record, DNSAddress) and record.ttl:
                zone = record.scope_id or 0
                self._hearing.address(record.key, record.address, zone, record.unique, at)
        self._told()


def _add_pointers(out: DNSOutgoing, names: Sequence[tuple[str, float]]) -> None:
    """Add a pointer to each of *names*, good for so many seconds; for 0 it is a goodbye."""
    for name, ttl in names:
        out.add_answer_at_time(DNSPointer(SERVICE, PTR, IN, int(ttl), full_name(name)), 0)


def _packed(addresses: Sequence[Address]) -> list[bytes | str]:
    return [address.packed for address in addresses]


async def _opened(joins: list[str | int]) -> AsyncZeroconf:
    """Zeroconf on the interfaces *joins*; raises DiscoveryUnavailable."""
    if not joins:
        raise DiscoveryUnavailable(
            "there is no network to find others on: no interface is up, does multicast and has an address"
        )
    try:
        _try_port()
        opened = AsyncZeroconf(interfaces=joins)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "another program keeps UDP port 5353 to itself (avahi with disallow-other-stacks=yes?)"
        else:
            reason = f"the system refuses multicast on UDP port 5353 ({error.strerror or error})"
        raise DiscoveryUnavailable(f"nobody can be found on the network: {reason}") from error
    except RuntimeError as error:
        raise DiscoveryUnavailable("the network changed while it was looked at") from error
    try:
        await opened.zeroconf.async_wait_for_start(timeout=STARTING)
    except BaseException as error:
        await opened.async_close()
        if isinstance(error, NotRunningException):
            raise DiscoveryUnavailable("the sockets for finding others did not open in time") from error
        raise
    return opened


def _try_port() -> None:
    """Raises OSError if another program shares the port with nobody.

    Zeroconf would find out too, but leave its socket open.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        tried.bind(("", PORT))


def _adapter(found: ifaddr.Adapter, asked: int) -> Adapter:
    """An interface with its flags, which *asked*, any socket's number, is good for asking."""
    request = struct.pack("16sH22x", found.name.encode()[:15], 0)
    try:
        (flags,) = struct.unpack_from("16xH", fcntl.ioctl(asked, SIOCGIFFLAGS, request))
    except OSError:
        flags = 0  # It is gone since it was listed.
    texts = [(ip.ip if isinstance(ip.ip, str) else ip.ip[0], ip.network_prefix) for ip in found.ips]
    addresses = tuple(ip_interface(f"{text}/{length}") for text, length in texts)
    return Adapter(found.name, found.index or 0, usable(flags, MACOS), addresses)


def _silence() -> None:
    """Keep zeroconf from writing anywhere: what strangers send must not fill a log or a terminal."""
    log = logging.getLogger("zeroconf")
    log.propagate = False
    log.setLevel(logging.CRITICAL)
