"""What has been heard about other hosts' instances, put together record by record, and never too much of it.

Pure: whoever listens tells this book each record with the time, and asks it what it holds. Records of one
instance come in any order and in several packets: a pointer to it, a service (host and port), a text, the
host's addresses. An instance of which all four are known is a rumour.

A pointer opens an entry, the others only fill open ones, so all that is kept is bounded by two numbers:
LIMIT rumours and LIMIT entries that are not complete. What comes when the rumours are at their limit is
refused, so that a flood cannot push out those who were there before; of the incomplete, the oldest goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from peermesh.discovery.record import Address, Rumour

# More sessions than any network has that one would browse by multicast; a rumour takes about 1 kB.
LIMIT = 1024
# A host with Wi-Fi, cable and a few IPv6 prefixes has about eight.
MAX_ADDRESSES = 16
# Records of one instance come within one answer, or with the next question a second later.
INCOMPLETE_LIFE = 10.0
# The longest a pointer is believed, in seconds: what RFC 6762 recommends as its time to live.
LONGEST_LIFE = 4500.0
# RFC 6762, 10.4: who does not answer within ten seconds after a doubt is forgotten.
DOUBT = 10.0
# RFC 6762, 10.2: records that may all have come in one announcement do not replace each other.
ONE_ANNOUNCEMENT = 1.0
# The whole book is looked through for what has ended at most this often, in seconds.
SWEEP = 1.0


@dataclass(slots=True)
class _Host:
    """A host that instances name as theirs: its addresses with zone and time, and who names it."""

    addresses: dict[Address, tuple[int, float]] = field(default_factory=dict)
    instances: set[str] = field(default_factory=set)
    # What in_order() gave when the addresses last changed.
    told: tuple[str, ...] = ()

    def in_order(self) -> tuple[str, ...]:
        """The addresses for dialling: IPv4, then IPv6, link-local ones last.

        A link-local one is of no use without its zone, which is known once it was heard over IPv6.
        """
        kinds: tuple[list[str], list[str], list[str]] = ([], [], [])
        for address, (zone, _) in self.addresses.items():
            if address.version == 4:
                kinds[0].append(str(address))
            elif not address.is_link_local:
                kinds[1].append(str(address))
            elif zone:
                kinds[2].append(f"{address}%{zone}")
        return tuple(kinds[0] + kinds[1] + kinds[2])


@dataclass(slots=True)
class _Entry:
    """One instance, as far as it is known. Times are seconds of the listener's clock."""

    heard: float
    end: float
    target: str = ""
    port: int = 0
    text: tuple[int, bytes] | None = None


@dataclass(slots=True)
class Book:
    """Rumours and what may become one. *refused* counts those that came when it was full."""

    limit: int = LIMIT
    refused: int = 0
    # Counted up whenever what rumours() gives has changed.
    edition: int = 0
    _whole: dict[str, _Entry] = field(default_factory=dict)
    _partial: dict[str, _Entry] = field(default_factory=dict)
    _hosts: dict[str, _Host] = field(default_factory=dict)
    _swept: float = float("-inf")

    def pointer(self, instance: str, ttl: float, now: float) -> None:
        """*instance* exists, for *ttl* seconds more; with 0 it has said goodbye."""
        if ttl <= 0:
            self._forget(instance)
            return
        end = now + min(ttl, LONGEST_LIFE)
        entry = self._whole.get(instance)
        if entry is not None:
            entry.heard, entry.end = now, end
            return
        entry = self._partial.pop(instance, None)
        if entry is None:
            self._make_room()
            entry = _Entry(now, end)
        entry.heard, entry.end = now, end
        # Put last: the one that was heard of longest ago is the first to go.
        self._partial[instance] = entry

    def service(self, instance: str, target: str, port: int, now: float) -> None:
        """*instance* listens on *port* of the host *target*."""
        entry = self._entry(instance)
        if entry is None or (entry.target, entry.port) == (target, port):
            return
        if entry.target != target:
            self._leave(instance, entry)
            self._hosts.setdefault(target, _Host()).instances.add(instance)
        entry.target, entry.port = target, port
        self._altered(instance, now)

    def text(self, instance: str, text: tuple[int, bytes], now: float) -> None:
        """*instance* speaks the version and carries the tag in *text*."""
        entry = self._entry(instance)
        if entry is None or entry.text == text:
            return
        entry.text = text
        self._altered(instance, now)

    def address(self, target: str, address: Address, zone: int, flush: bool, now: float) -> None:
        """The host *target* has *address*.

        *zone*: the number of the interface it was heard on, or 0 if that is not known; kept for
        link-local addresses. *flush*: these are all it has, older ones are gone.
        """
        host = self._hosts.get(target)
        if host is None:
            return
        before = host.told
        zone = zone or host.addresses.get(address, (0, 0.0))[0]
        if flush:
            oldest = now - ONE_ANNOUNCEMENT
            host.addresses = {a: kept for a, kept in host.addresses.items() if kept[1] >= oldest}
        if address in host.addresses or len(host.addresses) < MAX_ADDRESSES:
            host.addresses[address] = (zone, now)
        host.told = host.in_order()
        if not before:
            for instance in sorted(host.instances):
                self._altered(instance, now)
        elif host.told != before:
            self.edition += 1

    def drop(self, instance: str) -> None:
        """Forget *instance*, whose records are not of ours."""
        self._forget(instance)

    def doubt(self, now: float, instance: str | None = None) -> None:
        """*instance*, or everyone, is gone in ten seconds unless heard again by then."""
        for name, entry in self._whole.items():
            if instance in (None, name):
                entry.end = min(entry.end, now + DOUBT)

    def tidy(self, now: float) -> None:
        """Forget what has ended."""
        self._swept = now
        for name in [name for name, entry in self._whole.items() if entry.end <= now]:
            self._forget(name)
        early = now - INCOMPLETE_LIFE
        for name in [name for name, entry in self._partial.items() if entry.heard <= early]:
            self._forget(name)

    def rumours(self, now: float) -> list[Rumour]:
        """All that is known of those who have not ended, by name."""
        found = []
        for name, entry in sorted(self._whole.items()):
            addresses = self._addresses(entry)
            if addresses and entry.text and now < entry.end:
                found.append(Rumour(name, addresses, entry.port, *entry.text))
        return found

    def known(self, now: float) -> list[tuple[str, float]]:
        """Whom nobody need tell us about again, with the seconds each will still be believed.

        RFC 6762, 7.1: those past the half of their time are not among them, so that a question renews
        them; nor are those in doubt.
        """
        left = ((name, entry.end - now) for name, entry in self._whole.items() if self._addresses(entry))
        return [(name, seconds) for name, seconds in left if seconds > LONGEST_LIFE / 2]

    def _entry(self, instance: str) -> _Entry | None:
        return self._whole.get(instance) or self._partial.get(instance)

    def _addresses(self, entry: _Entry) -> tuple[str, ...]:
        host = self._hosts.get(entry.target)
        return host.told if host else ()

    def _altered(self, instance: str, now: float) -> None:
        """A record of *instance* is new: it may be complete by it, or look different."""
        if instance in self._whole:
            self.edition += 1
            return
        entry = self._partial.get(instance)
        if entry is None or entry.text is None or not self._addresses(entry):
            return
        if len(self._whole) >= self.limit and now - self._swept >= SWEEP:
            self.tidy(now)
        if len(self._whole) >= self.limit:
            self.refused += 1
            self._forget(instance)
        elif self._partial.pop(instance, None) is not None:
            self._whole[instance] = entry
            self.edition += 1

    def _make_room(self) -> None:
        if len(self._partial) >= self.limit:
            self._forget(next(iter(self._partial)))

    def _forget(self, instance: str) -> None:
        entry = self._partial.pop(instance, None)
        if entry is None:
            entry = self._whole.pop(instance, None)
            self.edition += entry is not None
        if entry is not None:
            self._leave(instance, entry)

    def _leave(self, instance: str, entry: _Entry) -> None:
        """*instance* no longer names its host; a host that nobody names is forgotten."""
        host = self._hosts.get(entry.target)
        if host is not None:
            host.instances.discard(instance)
            if not host.instances:
                del self._hosts[entry.target]
