"""The gate: how this host meets others. One sidecar, the keeper's, runs it for all sessions of the host.

It listens on one port, for hosts that are trusted or were invited and for nobody else; it keeps one link to
each trusted host that can be reached, tells who is here, and carries what peers say to each other (relays.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from peermesh import config
from peermesh.core.clean import clean
from peermesh.core.names import line
from peermesh.core.rosters import Entry, Update
from peermesh.core.words import PeerId
from peermesh.errors import BadFrame, CannotListen, KeyChanged, PeerError
from peermesh.mesh.fields import SHORT
from peermesh.mesh.hosts import wire as hostwire
from peermesh.mesh.hosts.curve import Dialler, Listener, raise_descriptors
from peermesh.mesh.hosts.keys import host_keys
from peermesh.mesh.hosts.wire import (
    Again,
    Answer,
    Ask,
    Beat,
    Greet,
    HostFrame,
    Join,
    Joined,
    Leave,
    No,
    Part,
    Roster,
)
from peermesh.sidecar import lanstate, offers
from peermesh.sidecar.finding import PORTS, Finder, endpoint, places, tag_of
from peermesh.sidecar.relays import Relays
from peermesh.sidecar.rosters import Rosters
from peermesh.sidecar.ways import DISTRUST, SILENCE, Host, Way
from peermesh.store.trust import TrustStore
from peermesh.store.trusted import Trust

if TYPE_CHECKING:
    from peermesh.discovery.record import Rumour
    from peermesh.mesh.links import Context
    from peermesh.store.remotes import Remotes

# A port that could not be had is tried again.
RETRY = 10.0  # seconds
# Handshakes and frames of unknown keys while an invitation is open: each guest has a handshake and a frame.
GUESTS = 32
# Which of many wrong frames are noted in the log.
STRANGE = (1, 10, 100, 1_000, 10_000)


def _for_the_guest(wrong: PeerError) -> str:
    """Why a guest is refused, in words that help on its side, and short enough for the wire."""
    if isinstance(wrong, KeyChanged):
        return (
            "it trusts a host by your name with another key. If that was this one before it was set up anew: there, "
            "peer trust remove NAME. If it is another machine of that name: there, peer invite --as NAME"
        )
    return str(wrong)[:SHORT]


class Owner(Protocol):
    """What the gate needs of its sidecar."""

    root: str
    trust: TrustStore

    def reach_here(self, peer: PeerId) -> str | None:
        """Where *peer*, of this host, listens; if it is away, somebody stands in for it first."""

    def is_live_here(self, peer: PeerId) -> bool:
        """Whether the sidecar of *peer*, of this host, runs."""

    def roster(self, secret: bytes) -> Mapping[PeerId, Entry]:
        """Who is on this host, for others; with *secret* their directories are made unreadable."""

    def openings(self) -> int:
        """How often the shared file was opened: more than once when it was lost."""

    def sweep_soon(self) -> None:
        """Deliver what the absent left behind: a host came back."""

    def heard(self, key: str) -> None:
        """The peers of another host changed."""

    def log(self, words: str) -> None:
        """Leave a line in the sidecar's log."""

    def warn(self, words: str) -> None:
        """The same, for what a person should know."""


class Gate:
    """See the top of this file.

    Args:
        context: this process's.
        owner: the keeper's sidecar.
        remotes: what is known of other hosts' peers.
    """

    def __init__(
        self,
        context: Context,
        owner: Owner,
        remotes: Remotes,
    ) -> None:
        self._context, self._owner, self._remotes = context, owner, remotes
        self.nudged: Callable[[], None] = lambda: None  # called when a sidecar says that something changed
        self._public, self._keys = "", (b"", b"")
        self._listener: Listener | None = None
        self._listen_at = 0.0
        self._guests: dict[bytes, Way] = {}  # by the route of a link that others dialled
        self._hosts: dict[str, Host] = {}
        self._finder = Finder()
        self._addresses: tuple[str, ...] = ()
        self._last_trust = Trust()
        self._noted: object = None
        self._openings = owner.openings()
        self._inviting = False
        self._guests_admitted, self._invites_then = 0, 0
        self.doubt: Callable[[str], None] = lambda _: None  # told of an instance that led nowhere
        self.wrong = 0  # frames of other hosts that they may not send
        self.trouble = ""
        self._rosters = Rosters(remotes, lambda: owner.roster(self._keys[1]), self.strange)
        self._relays = Relays(context, owner.root, self)
        raise_descriptors()  # strangers' connections must not take the place of our own files
        self._remotes.nobody_is_up()

    # ------------------------------------------------------------ now and then

    @property
    def port(self) -> int:
        """Where it listens; 0 if it does not."""
        return self._listener.port if self._listener is not None else 0

    def tag(self, instance: str) -> bytes:
        """The tag of our own *instance*, for its record."""
        return tag_of(self._public, instance) if self._public else b""

    def tick(self, addresses: tuple[str, ...]) -> None:
        """Twice a second, and when something changed: follow trust, keep links, tell what is new."""
        trust = self._read_trust()
        if self._owner.openings() != self._openings:
            self._openings = self._owner.openings()
            self._begin_anew("what was known of it is lost")
        if addresses != self._addresses:
            self._moved(addresses)
        if trust != self._last_trust:
            self._follow(trust)
        inviting = self._owner.trust.inviting()
        if self._inviting and not inviting and trust.hosts:
            self._close_listener()  # guests that only stayed are gone; the others dial again at once
        self._inviting = inviting
        self._listen_as(bool(trust.hosts) or inviting)
        for host in list(self._hosts.values()):
            self._keep(host, trust)
        self._rosters.tell(self._up_ways())
        self._relays.look()
        if self._listener is not None:
            self._listener.look()

    def _read_trust(self) -> Trust:
        """Who is trusted; if that cannot be read, nobody is."""
        try:
            return self._owner.trust.read()
        except (PeerError, OSError):
            self._begin_anew("the list of trusted machines cannot be read")
            raise

    def _begin_anew(self, why: str) -> None:
        """Cut all links; they are dialled again."""
        for host in self._hosts.values():
            for way in host.ways():
                self._lost(host, way, why)
            host.soon()

    def _moved(self, addresses: tuple[str, ...]) -> None:
        """This host hangs on its networks in another way than before."""
        self._addresses = addresses
        if not addresses:
            self._begin_anew("this machine is on no network")
        if config.interfaces():
            self._close_listener()  # it listens on addresses that may be gone
        for host in self._hosts.values():
            host.soon()

    def _follow(self, trust: Trust) -> None:
        """Hosts were added or removed: who is removed is cut off now."""
        keys = {one.key for one in trust.hosts}
        removed = [key for key in self._hosts if key not in keys]
        for key in removed:
            self._owner.log(f"gate: {self.name_of(key)} is not trusted any more")
            for way in self._hosts[key].ways():
                way.send(No("not-trusted", DISTRUST))  # so that its person need not guess
            self._drop(self._hosts.pop(key))
        if removed and self._listener is not None:
            self._close_listener()  # the only way to cut what they dialled; the others dial again at once
        for key in keys - set(self._hosts):
            self._hosts[key] = Host(key, lambda where, key=key: self._dial(key, where), self._failed)  # type: ignore[misc]
        self._rosters.forget(set(trust.removed) - keys)
        self._last_trust = trust
        self._finder.look(self._hosts)
        for host in self._hosts.values():
            host.soon()
        if removed:
            self._owner.heard("")

    def _listen_as(self, wanted: bool) -> None:
        if not wanted:
            self._close_listener()
            self._write_state()
            return
        if self._listener is None and time.monotonic() >= self._listen_at:
            self._listen_at = time.monotonic() + RETRY
            self._open_listener()
        self._write_state()

    def _open_listener(self) -> None:
        named = config.port()
        where = list(self._addresses) if config.interfaces() else ["*"]
        try:
            self._load_keys()
            self._listener = Listener(
                self._context,
                self._keys,
                addresses=where,
                ports=[named] if named else [*PORTS, 0],
                judge=self._admits,
                received=self._received,
                inside=os.path.join(self._owner.root, "gate.in"),
            )
        except CannotListen as wrong:
            self.trouble = str(wrong)
            self._owner.log(f"gate: {wrong}")
            return
        self.trouble = ""
        self._listen_at = 0.0

    def _load_keys(self) -> None:
        self._keys = host_keys(self._owner.root)
        self._public = self._keys[0].hex()

    def _close_listener(self) -> None:
        for way in list(self._guests.values()):
            self._lost_inbound(way)
        self._guests.clear()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _admits(self, key: bytes) -> bool:
        trust = self._owner.trust.read()
        if trust.by_key(key.hex()) is not None:
            return True
        invites = len(trust.open_invites())
        if invites != self._invites_then:
            self._invites_then, self._guests_admitted = invites, 0
        self._guests_admitted += 1  # asked at each handshake and for each frame
        return bool(invites) and self._guests_admitted <= GUESTS

    # ------------------------------------------------------------ finding and dialling

    def rumours(self, rumours: Sequence[Rumour]) -> None:
        """What is heard by mDNS has changed."""
        self._finder.rumours = rumours
        for key in self._finder.look(self._hosts):
            self._hosts[key].soon()

    def _failed(self, where: str) -> None:
        """An address led nowhere: the record that named it may be a ghost."""
        for instance in self._finder.instances(where):
            self.doubt(instance)

    def _keep(self, host: Host, trust: Trust) -> None:
        """Have one link to *host*, and know whether it lives."""
        host.look()
        for way in host.ways():
            if way.silent:
                self._lost(host, way, "nothing was heard of it")
            elif way.quiet:
                way.send(Beat())
        if host.outbound is not None and host.inbound is not None and self._public > host.key:
            self._lost(host, host.outbound, "both dialled; the other's link is kept")
        if host.way is None and self._public:
            own = {endpoint(one, self.port) for one in self._addresses}
            host.try_addresses(*self._finder.endpoints(host.key, trust, own))

    def _dial(self, key: str, where: str) -> Dialler:
        dialler = Dialler(
            self._context,
            self._keys,
            server=bytes.fromhex(key),
            endpoint=f"tcp://{where}",
            received=lambda data: self._heard_back(key, where, data),
            lost=lambda why: self._dial_lost(key, where, why),
        )
        dialler.send(hostwire.encode(self._greeting()))
        return dialler

    def _greeting(self) -> Greet:
        return Greet(config.host_name(), self.port, self._addresses[: hostwire.ADDRESSES])

    def _dial_lost(self, key: str, where: str, why: str) -> None:
        host = self._hosts.get(key)
        if host is None:
            return
        if host.outbound is not None and host.outbound.endpoint == where:
            self._lost(host, host.outbound, why)
            host.soon()
        else:
            host.give_up(where, why)

    # ------------------------------------------------------------ what is heard

    def _heard_back(self, key: str, where: str, data: bytes) -> None:
        """A frame on a link that we dialled."""
        host, frame = self._hosts.get(key), self._read(data)
        if host is None or frame is None or self._owner.trust.read().by_key(key) is None:
            return
        way = host.outbound if host.outbound is not None and host.outbound.endpoint == where else None
        if isinstance(frame, Greet) and way is None:
            way = host.answered(where)
            if way is not None:
                way.send(Beat())  # of the addresses that were tried, this one is used
                self._up(host, frame, where)
        elif isinstance(frame, No):
            self._unwanted(host, way, where, frame)
        elif isinstance(frame, Again | Leave) and way is not None:
            self._lost(
                host, way, "it left" if isinstance(frame, Leave) else "it does not know this link any more"
            )
            host.soon()
        elif way is not None:
            self._hear(way, frame)

    def _received(self, route: bytes, key: bytes, data: bytes) -> None:
        """A frame on a link that another host dialled."""
        frame, listener = self._read(data), self._listener
        if frame is None or listener is None:
            return
        host, way = self._hosts.get(key.hex()), self._guests.get(route)
        if isinstance(frame, Join):
            listener.send(route, hostwire.encode(self._join(key.hex(), frame)))
        elif host is None:
            listener.send(route, hostwire.encode(No("not-trusted", DISTRUST)))
        elif isinstance(frame, Greet):
            self._greeted(host, route, frame, listener)
        elif way is None or way.broken or way.key != host.key:
            listener.send(route, hostwire.encode(Again()))
        elif isinstance(frame, Leave):
            self._lost(host, way, "it left")
            host.soon()
        elif isinstance(frame, No):
            self._unwanted(host, way, "its own dial", frame)
        else:
            if way is not host.inbound:
                self._chosen(host, way)
            self._hear(way, frame)

    def _unwanted(self, host: Host, way: Way | None, where: str, no: No) -> None:
        why = line(clean(no.why), 200)
        host.give_up(where, why)
        host.note(where, why)
        if way is not None:
            self._lost(host, way, why)

    def _greeted(self, host: Host, route: bytes, frame: Greet, listener: Listener) -> None:
        """It tries several of our addresses at once: which link it chose shows by what it says next."""
        old = time.monotonic() - SILENCE
        self._guests = {
            r: one for r, one in self._guests.items() if one.heard > old or one is self._inbound(one.key)
        }
        way = self._guests[route] = Way(host.key, lambda data: listener.send(route, data))
        way.greet = frame
        way.send(self._greeting())

    def _inbound(self, key: str) -> Way | None:
        host = self._hosts.get(key)
        return host.inbound if host is not None else None

    def _chosen(self, host: Host, way: Way) -> None:
        if host.inbound is not None:
            self._lost(host, host.inbound, "it dialled again")
        host.inbound = way
        host.forget_tries()
        host.stop_trying()
        if way.greet is not None:
            self._up(host, way.greet, "")

    def _join(self, key: str, join: Join) -> HostFrame:
        try:
            one = self._owner.trust.redeem(join.secret, key, join.name, places(join.addresses, join.port))
        except PeerError as wrong:
            note = self._owner.warn if isinstance(wrong, KeyChanged) else self._owner.log
            note(f"an attempt to join was refused: {wrong}")
            return No(wrong.code, _for_the_guest(wrong))
        self._owner.log(f"gate: {one.name} joined")
        self.nudged()
        return Joined(config.host_name(), self.port, self._addresses[: hostwire.ADDRESSES])

    def _read(self, data: bytes) -> HostFrame | None:
        try:
            return hostwire.decode(data)
        except BadFrame as wrong:
            self.strange(str(wrong))
            return None

    def _hear(self, way: Way, frame: HostFrame) -> None:
        way.heard = time.monotonic()
        if isinstance(frame, Ask):
            self._relays.asked(way, frame)
        elif isinstance(frame, Answer):
            self._relays.answered(way, frame)
        elif isinstance(frame, Part):
            self._relays.parted(way, frame)
        elif isinstance(frame, Roster):
            self._learn(way, frame.update)

    def _learn(self, way: Way, update: Update) -> None:
        if not way.may_tell():
            self._distrust(way, "it tells its roster without end")
            return
        try:
            told = self._rosters.learn(way.key, update)
        except PeerError as wrong:
            self._distrust(way, str(wrong))  # it tells all again when it has dialled again
            return
        if told:
            self._relays.up(way.key)
        self._owner.heard(way.key)

    def _distrust(self, way: Way, why: str) -> None:
        """Begin anew with a host after a pause."""
        host = self._hosts.get(way.key)
        if host is not None and way in host.ways():
            self._lost(host, way, why)

    # ------------------------------------------------------------ up and down

    def _up_ways(self) -> list[Way]:
        """The links to tell rosters on: one for each host that is up."""
        return [host.way for host in self._hosts.values() if host.way is not None]

    def _up(self, host: Host, greet: Greet, where: str) -> None:
        try:
            self._owner.trust.met(host.key, ((where,) if where else ()) + places(greet.addresses, greet.port))
            self._last_trust = self._owner.trust.read()
        except PeerError as wrong:  # it is up all the same; only where it was is not remembered
            self._owner.log(f"gate: {wrong}")
        self._rosters.begin(host.key)
        for way in host.ways():
            way.told = None  # the roster is told on whichever link is used from now on
        self._owner.log(f"gate: {self.name_of(host.key)} is up at {where or 'its own dial'}")
        self._rosters.tell(self._up_ways())
        self._owner.sweep_soon()

    def _lost(self, host: Host, way: Way, why: str) -> None:
        way.send(Leave())  # if it still can be said: nobody is told when the other end of a ROUTER goes
        if way is host.outbound:
            host.drop_outbound()
        elif way is host.inbound:
            host.drop_inbound()
        way.broken = True
        self._guests = {route: one for route, one in self._guests.items() if one is not way}
        self._relays.lost(way)
        if host.way is None:
            self._owner.log(f"gate: {self.name_of(host.key)} is down: {why}")
            try:
                if host.key in self._hosts:
                    self._remotes.link(host.key, up=False, clock=time.time())
            except PeerError as wrong:  # it is down all the same; the next gate begins with nobody up
                self._owner.log(f"gate: {wrong}")
            self._owner.heard(host.key)

    def _lost_inbound(self, way: Way) -> None:
        host = self._hosts.get(way.key)
        if host is not None and host.inbound is way:
            self._lost(host, way, "listening ends")

    def _drop(self, host: Host) -> None:
        for way in host.ways():
            self._lost(host, way, "its trust or this gate ends")
        host.close()

    # ------------------------------------------------------------ for the relays

    def way(self, me: PeerId, you: PeerId) -> Way | None:
        """The way from *me*, of this host, to the host of *you*, if it is up now."""
        host = self._hosts.get(self._rosters.host_of(you) or "")
        if host is None or host.way is None:
            return None
        if me not in (host.way.told or {}):
            self._rosters.tell([host.way])  # a peer that just came: nobody there would know who speaks
        return host.way

    def reach(self, peer: PeerId) -> str | None:
        """Where *peer*, of this host, listens."""
        return self._owner.reach_here(peer)

    def is_live(self, peer: PeerId) -> bool:
        """Whether the sidecar of *peer*, of this host, runs."""
        return self._owner.is_live_here(peer)

    def host_of(self, peer: PeerId) -> str | None:
        """The key of the other host that *peer* is on."""
        return self._rosters.host_of(peer)

    def name_of(self, key: str) -> str:
        """What the host with *key* is called here."""
        one = self._last_trust.by_key(key)
        return one.name if one is not None else key[:8]

    def strange(self, words: str) -> None:
        """Another host sent what it may not."""
        self.wrong += 1
        if self.wrong in STRANGE:
            self._owner.log(f"gate: {self.wrong} wrong frames of other hosts, now: {words}")

    # ------------------------------------------------------------ for people

    def _write_state(self) -> None:
        """What `peer doctor`, `peer invite` and `peer trust` read, from whichever sidecar they ask."""
        state = {
            "key": self._public,
            "port": self.port,
            "addresses": list(self._addresses),
            "trouble": self.trouble,
            "wrong": self.wrong,
            "strangers": self._listener.counts.refused if self._listener is not None else 0,
            "offers": offers.heard(self._finder.rumours),
            "hosts": {key: self._state_of(host) for key, host in self._hosts.items()},
        }
        if state != self._noted:
            try:
                lanstate.write(self._owner.root, state)
                self._noted = state
            except OSError as wrong:
                self._owner.log(f"gate: {wrong}")

    def _state_of(self, host: Host) -> dict[str, Any]:
        way = host.way
        return {
            "up": way is not None,
            "endpoint": way.endpoint if way is not None else "",
            "heard": self._finder.heard(host.key),
            "refuses": host.unwanted,
            "tried": [[one.endpoint, one.why, one.at] for one in host.tried.values()],
        }

    def close(self) -> None:
        """Cut all links; the next keeper's gate makes new ones."""
        for host in list(self._hosts.values()):
            self._drop(host)
        self._close_listener()
        self._write_state()
        self._finder.close()
        self._relays.close()
        try:
            self._remotes.nobody_is_up()
        except PeerError as wrong:  # the next gate says so
            self._owner.log(f"gate: {wrong}")
