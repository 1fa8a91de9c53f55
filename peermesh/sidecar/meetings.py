"""Meeting other hosts: dialling and being dialled, greeting, and noticing when a link is gone.

What is said on a link that is up goes to the gate; here is only how it comes and goes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from peermesh.core.clean import clean, line
from peermesh.errors import BadFrame
from peermesh.mesh.hosts.curve import Dialler, Listener
from peermesh.mesh.hosts.wire import Again, Beat, Greet, HostFrame, Join, Leave, No, decode, encode
from peermesh.sidecar.ways import DISTRUST, SILENCE, Host, Way

if TYPE_CHECKING:
    from collections.abc import Collection

    from peermesh.mesh.links import Context


class Around(Protocol):
    """What meeting others needs of the gate."""

    keys: tuple[bytes, bytes]

    def greeting(self) -> Greet:
        """What this host says first."""

    def trusts(self, key: str) -> bool:
        """Whether the host with *key* is trusted at this moment."""

    def endpoints(self, key: str) -> tuple[list[str], list[str]]:
        """Where a host may be: as heard by mDNS, and as known otherwise."""

    def join(self, key: str, join: Join) -> HostFrame:
        """What to answer to somebody who was, or was not, invited."""

    def hear(self, way: Way, frame: HostFrame) -> None:
        """Something was said on a link that is up."""

    def came(self, host: Host, greet: Greet, where: str) -> None:
        """A link to *host* is up; *where* is empty if it dialled."""

    def went(self, host: Host, way: Way, why: str) -> None:
        """A link to *host* is gone."""

    def failed(self, where: str) -> None:
        """An address led nowhere."""

    def strange(self, words: str) -> None:
        """Another host sent what it may not."""


class Meetings:
    """One link to each trusted host that can be reached.

    Args:
        context: this process's.
        around: the gate.
    """

    def __init__(self, context: Context, around: Around) -> None:
        self._context, self._around = context, around
        self.hosts: dict[str, Host] = {}  # by their key, in hex
        self._guests: dict[bytes, Way] = {}  # by the route of a link that others dialled

    # ------------------------------------------------------------ who is to be met

    def follow(self, keys: Collection[str]) -> list[str]:
        """Meet the hosts with *keys* and no others; the keys of those that are met no more."""
        removed = [key for key in self.hosts if key not in keys]
        for key in removed:
            for way in self.hosts[key].ways():
                way.send(No("not-trusted", DISTRUST))  # so that its person need not guess
            self.drop(self.hosts.pop(key))
        for key in set(keys) - set(self.hosts):
            self.hosts[key] = Host(
                key,
                lambda where, key=key: self._dial(key, where),  # type: ignore[misc]
                self._around.failed,
            )
        return removed

    def begin_anew(self, why: str) -> None:
        """Cut all links; they are dialled again."""
        for host in self.hosts.values():
            for way in host.ways():
                self.lost(host, way, why)
            host.soon()

    def keep(self, host: Host) -> None:
        """Have one link to *host*, and know whether it lives."""
        own = self._around.keys[0].hex()
        host.look()
        for way in host.ways():
            if way.silent:
                self.lost(host, way, "nothing was heard of it")
            elif way.quiet:
                way.send(Beat())
        if host.outbound is not None and host.inbound is not None and own > host.key:
            self.lost(host, host.outbound, "both dialled; the other's link is kept")
        if host.way is None and own:
            host.try_addresses(*self._around.endpoints(host.key))

    # ------------------------------------------------------------ dialling

    def _dial(self, key: str, where: str) -> Dialler:
        dialler = Dialler(
            self._context,
            self._around.keys,
            server=bytes.fromhex(key),
            endpoint=f"tcp://{where}",
            received=lambda data: self._heard_back(key, where, data),
            lost=lambda why: self._dial_lost(key, where, why),
        )
        dialler.send(encode(self._around.greeting()))
        return dialler

    def _dial_lost(self, key: str, where: str, why: str) -> None:
        host = self.hosts.get(key)
        if host is None:
            return
        if host.outbound is not None and host.outbound.endpoint == where:
            self.lost(host, host.outbound, why)
            host.soon()
        else:
            host.give_up(where, why)

    # ------------------------------------------------------------ what is heard

    def _heard_back(self, key: str, where: str, data: bytes) -> None:
        """A frame on a link that we dialled."""
        host, frame = self.hosts.get(key), self._read(data)
        if host is None or frame is None or not self._around.trusts(key):
            return
        way = host.outbound if host.outbound is not None and host.outbound.endpoint == where else None
        if isinstance(frame, Greet) and way is None:
            way = host.answered(where)
            if way is not None:
                way.send(Beat())  # of the addresses that were tried, this one is used
                self._around.came(host, frame, where)
        elif isinstance(frame, No):
            self._unwanted(host, way, where, frame)
        elif isinstance(frame, Again | Leave) and way is not None:
            self.lost(
                host, way, "it left" if isinstance(frame, Leave) else "it does not know this link any more"
            )
            host.soon()
        elif way is not None:
            self._around.hear(way, frame)

    def received(self, listener: Listener, route: bytes, key: bytes, data: bytes) -> None:
        """A frame on a link that another host dialled."""
        frame = self._read(data)
        if frame is None:
            return
        host, way = self.hosts.get(key.hex()), self._guests.get(route)
        if isinstance(frame, Join):
            listener.send(route, encode(self._around.join(key.hex(), frame)))
        elif host is None:
            listener.send(route, encode(No("not-trusted", DISTRUST)))
        elif isinstance(frame, Greet):
            self._greeted(host, route, frame, listener)
        elif way is None or way.broken or way.key != host.key:
            listener.send(route, encode(Again()))
        elif isinstance(frame, Leave):
            self.lost(host, way, "it left")
            host.soon()
        elif isinstance(frame, No):
            self._unwanted(host, way, "its own dial", frame)
        else:
            if way is not host.inbound:
                self._chosen(host, way)
            self._around.hear(way, frame)

    def _unwanted(self, host: Host, way: Way | None, where: str, no: No) -> None:
        why = line(clean(no.why), 200)
        host.give_up(where, why)
        host.note(where, why)
        if way is not None:
            self.lost(host, way, why)

    def _greeted(self, host: Host, route: bytes, frame: Greet, listener: Listener) -> None:
        """It tries several of our addresses at once: which link it chose shows by what it says next."""
        old = time.monotonic() - SILENCE
        self._guests = {
            r: one for r, one in self._guests.items() if one.heard > old or one is self._inbound(one.key)
        }
        way = self._guests[route] = Way(host.key, lambda data: listener.send(route, data))
        way.greet = frame
        way.send(self._around.greeting())

    def _inbound(self, key: str) -> Way | None:
        host = self.hosts.get(key)
        return host.inbound if host is not None else None

    def _chosen(self, host: Host, way: Way) -> None:
        if host.inbound is not None:
            self.lost(host, host.inbound, "it dialled again")
        host.inbound = way
        host.forget_tries()
        host.stop_trying()
        if way.greet is not None:
            self._around.came(host, way.greet, "")

    def _read(self, data: bytes) -> HostFrame | None:
        try:
            return decode(data)
        except BadFrame as wrong:
            self._around.strange(str(wrong))
            return None

    # ------------------------------------------------------------ up and down

    def up(self) -> list[Way]:
        """The links to tell rosters on: one for each host that is up."""
        return [host.way for host in self.hosts.values() if host.way is not None]

    def lost(self, host: Host, way: Way, why: str) -> None:
        """A link is gone, or is given up."""
        way.send(Leave())  # if it still can be said: nobody is told when the other end of a ROUTER goes
        if way is host.outbound:
            host.drop_outbound()
        elif way is host.inbound:
            host.drop_inbound()
        way.broken = True
        self._guests = {route: one for route, one in self._guests.items() if one is not way}
        self._around.went(host, way, why)

    def distrust(self, way: Way, why: str) -> None:
        """Begin anew with a host after a pause."""
        host = self.hosts.get(way.key)
        if host is not None and way in host.ways():
            self.lost(host, way, why)

    def unlisten(self) -> None:
        """Listening ends, and with it all links that others dialled."""
        for way in list(self._guests.values()):
            host = self.hosts.get(way.key)
            if host is not None and host.inbound is way:
                self.lost(host, way, "listening ends")
        self._guests.clear()

    def drop(self, host: Host) -> None:
        """Cut all that leads to *host*, and try no more."""
        for way in host.ways():
            self.lost(host, way, "its trust or this gate ends")
        host.close()
