"""The gate: how this host meets others. One sidecar, the keeper's, runs it for all sessions of the host.

It listens on one port, for hosts that are trusted or were invited and for nobody else; it keeps one link to
each trusted host that can be reached, tells who is here, and carries what peers say to each other (relays.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from peermesh import config
from peermesh.core.rosters import Entry, Update
from peermesh.core.words import PeerId
from peermesh.errors import CannotListen, KeyChanged, PeerError
from peermesh.mesh.fields import SHORT
from peermesh.mesh.hosts import wire as hostwire
from peermesh.mesh.hosts.curve import Listener, raise_descriptors
from peermesh.mesh.hosts.keys import host_keys
from peermesh.mesh.hosts.token import with_port
from peermesh.mesh.hosts.wire import (
    Answer,
    Ask,
    Events,
    Greet,
    Have,
    HostFrame,
    Join,
    Joined,
    No,
    Part,
    Roster,
)
from peermesh.sidecar import lanstate, offers
from peermesh.sidecar.exchange import Exchange
from peermesh.sidecar.finding import PORTS, Finder, places, tag_of
from peermesh.sidecar.meetings import Meetings
from peermesh.sidecar.relays import Relays
from peermesh.sidecar.rosters import Rosters
from peermesh.sidecar.ways import Host, Way
from peermesh.store.trust import TrustStore
from peermesh.store.trusted import Trust

if TYPE_CHECKING:
    from peermesh.discovery.record import Rumour
    from peermesh.mesh.links import Context
    from peermesh.store.log import LogStore
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

    def everybody_here(self) -> Collection[PeerId]:
        """The peers of this host, those too of whom others are not told."""

    def hides(self, peer: PeerId) -> bool:
        """Whether *peer*, of this host, keeps or kept from the LAN."""

    def openings(self) -> int:
        """How often the shared file was opened: more than once when it was lost."""

    def sweep_soon(self) -> None:
        """Deliver what the absent left behind: a host came back."""

    def heard(self, key: str) -> None:
        """The peers of another host changed."""

    @property
    def log_store(self) -> LogStore:
        """The log of events."""

    def said(self) -> None:
        """The log changed: the sidecars of this host look at it now."""

    def away(self, peer: PeerId) -> bool:
        """Whether nobody runs as *peer*, here or elsewhere, as far as is known."""

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
        self._public, self.keys = "", (b"", b"")
        self._listener: Listener | None = None
        self._listen_at = 0.0
        self._meetings = Meetings(context, self)
        self._finder = Finder()
        self._addresses: tuple[str, ...] = ()
        self._last_trust = Trust()
        self._wrong = ""  # what was noted last
        self._noted: object = None
        self._openings = owner.openings()
        self._inviting = False
        self._guests_admitted, self._invites_then = 0, 0
        self.doubt: Callable[[str], None] = lambda _: None  # told of an instance that led nowhere
        self.wrong = 0  # frames of other hosts that they may not send
        self.trouble = ""
        self._rosters = Rosters(remotes, lambda: owner.roster(self.keys[1]), self.strange)
        self._relays = Relays(context, owner.root, self)
        self._exchange = Exchange(owner.log_store, self)
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
            self._meetings.begin_anew("what was known of it is lost")
        if addresses != self._addresses:
            self._moved(addresses)
        if trust != self._last_trust:
            self._follow(trust)
        inviting = self._owner.trust.inviting()
        if self._inviting and not inviting and trust.hosts:
            self._close_listener()  # guests that only stayed are gone; the others dial again at once
        self._inviting = inviting
        self._listen_as(bool(trust.hosts) or inviting)
        for host in list(self._meetings.hosts.values()):
            self._meetings.keep(host)
        self._rosters.tell(self._meetings.up())
        self._exchange.tell(self._meetings.up())
        self._relays.look()
        if self._listener is not None:
            self._listener.look()

    def _read_trust(self) -> Trust:
        """Who is trusted; if that cannot be read, nobody is."""
        try:
            return self._owner.trust.read()
        except (PeerError, OSError):
            self._meetings.begin_anew("the list of trusted machines cannot be read")
            raise

    def _moved(self, addresses: tuple[str, ...]) -> None:
        """This host hangs on its networks in another way than before."""
        self._addresses = addresses
        if not addresses:
            self._meetings.begin_anew("this machine is on no network")
        if config.interfaces():
            self._close_listener()  # it listens on addresses that may be gone
        for host in self._meetings.hosts.values():
            host.soon()

    def _follow(self, trust: Trust) -> None:
        """Hosts were added or removed: who is removed is cut off now."""
        keys = {one.key for one in trust.hosts}
        removed = self._meetings.follow(keys)
        for key in removed:
            self._owner.log(f"gate: {self.name_of(key)} is not trusted any more")
        if removed:
            self._close_listener()  # the only way to cut what they dialled; the others dial again at once
        self._rosters.forget(set(trust.removed) - keys)
        self._exchange.forget(set(trust.removed) - keys)
        self._last_trust = trust
        self._finder.look(self._meetings.hosts)
        for host in self._meetings.hosts.values():
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
                self.keys,
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
        self.keys = host_keys(self._owner.root)
        self._public = self.keys[0].hex()

    def _close_listener(self) -> None:
        self._meetings.unlisten()
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
        for key in self._finder.look(self._meetings.hosts):
            self._meetings.hosts[key].soon()

    def failed(self, where: str) -> None:
        """An address led nowhere: the record that named it may be a ghost."""
        for instance in self._finder.instances(where):
            self.doubt(instance)

    def endpoints(self, key: str) -> tuple[list[str], list[str]]:
        """Where a host may be: as heard by mDNS, and as known otherwise."""
        own = {with_port(one, self.port) for one in self._addresses}
        return self._finder.endpoints(key, self._last_trust, own)

    def greeting(self) -> Greet:
        """What this host says first."""
        return Greet(config.host_name(), self.port, self._addresses[: hostwire.ADDRESSES])

    # ------------------------------------------------------------ what is heard

    def _received(self, route: bytes, key: bytes, data: bytes) -> None:
        if self._listener is not None:
            self._meetings.received(self._listener, route, key, data)

    def trusts(self, key: str) -> bool:
        """Whether the host with *key* is trusted at this moment; nobody is while that cannot be read."""
        try:
            return self._owner.trust.read().by_key(key) is not None
        except (PeerError, OSError):
            return False

    def join(self, key: str, join: Join) -> HostFrame:
        """What to answer to somebody who was, or was not, invited."""
        try:
            one = self._owner.trust.redeem(join.secret, key, join.name, places(join.addresses, join.port))
        except PeerError as wrong:
            note = self._owner.warn if isinstance(wrong, KeyChanged) else self._owner.log
            note(f"an attempt to join was refused: {wrong}")
            return No(wrong.code, _for_the_guest(wrong))
        self._owner.log(f"gate: {one.name} joined")
        self.nudged()
        return Joined(config.host_name(), self.port, self._addresses[: hostwire.ADDRESSES])

    def hear(self, way: Way, frame: HostFrame) -> None:
        """Something was said on a link that is up."""
        way.heard = time.monotonic()
        try:
            self._heard(way, frame)
        except PeerError as wrong:  # the disk fails just now: as if the frame had been lost on the way
            self._note(str(wrong))

    def _note(self, wrong: str) -> None:
        """What goes wrong is noted once."""
        if wrong != self._wrong:
            self._wrong = wrong
            self._owner.log(f"gate: {wrong}")

    def _heard(self, way: Way, frame: HostFrame) -> None:
        if isinstance(frame, Ask):
            self._relays.asked(way, frame)
        elif isinstance(frame, Answer):
            self._relays.answered(way, frame)
        elif isinstance(frame, Part):
            self._relays.parted(way, frame)
        elif isinstance(frame, Roster):
            self._learn(way, frame.update)
        elif isinstance(frame, Have):
            self._exchange.have(way, frame)
        elif isinstance(frame, Events):
            self._exchange.events(way, frame)

    def _learn(self, way: Way, update: Update) -> None:
        if not way.may_tell():
            self._meetings.distrust(way, "it tells its roster without end")
            return
        try:
            told = self._rosters.learn(way.key, update)
        except PeerError as wrong:
            self._meetings.distrust(way, str(wrong))  # it tells all again when it has dialled again
            return
        if told:
            self._relays.up(way.key)
        self._owner.heard(way.key)

    # ------------------------------------------------------------ up and down

    def came(self, host: Host, greet: Greet, where: str) -> None:
        """A link to *host* is up; *where* is empty if it dialled."""
        try:
            self._owner.trust.met(host.key, ((where,) if where else ()) + places(greet.addresses, greet.port))
            self._last_trust = self._owner.trust.read()
        except PeerError as wrong:  # it is up all the same; only where it was is not remembered
            self._owner.log(f"gate: {wrong}")
        self._rosters.begin(host.key)
        for way in host.ways():
            way.told = None  # the roster is told on whichever link is used from now on
        self._owner.log(f"gate: {self.name_of(host.key)} is up at {where or 'its own dial'}")
        try:
            self._rosters.tell(self._meetings.up())
            self._exchange.tell(self._meetings.up())
        except PeerError as wrong:  # the next turn tells it
            self._note(str(wrong))
        self._owner.sweep_soon()

    def went(self, host: Host, way: Way, why: str) -> None:
        """A link to *host* is gone."""
        self._relays.lost(way)
        if host.way is not None:
            return
        self._owner.log(f"gate: {self.name_of(host.key)} is down: {why}")
        try:
            if self.trusts(host.key):
                self._remotes.link(host.key, up=False, clock=time.time())
        except PeerError as wrong:  # it is down all the same; the next gate begins with nobody up
            self._owner.log(f"gate: {wrong}")
        self._owner.heard(host.key)

    # ------------------------------------------------------------ for the exchange

    def ours(self) -> Collection[PeerId]:
        """The peers of this host."""
        return self._owner.everybody_here()
        return self._owner.roster(self.keys[1])

    def away(self, peer: PeerId) -> bool:
        """Whether nobody runs as *peer*, here or elsewhere, as far as is known."""
        return self._owner.away(peer)

    def said(self) -> None:
        """The log changed: the sidecars of this host look at it now."""
        self._owner.said()

    def log(self, words: str) -> None:
        """Leave a line in the sidecar's log."""
        self._owner.log(words)

    # ------------------------------------------------------------ for the relays

    def way(self, me: PeerId, you: PeerId) -> Way | None:
        """The way from *me*, of this host, to the host of *you*, if it is up now."""
        host = self._meetings.hosts.get(self._rosters.host_of(you) or "")
        if host is None or host.way is None or self._owner.hides(me):
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
            "hosts": {key: self._state_of(host) for key, host in self._meetings.hosts.items()},
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
        for host in list(self._meetings.hosts.values()):
            self._meetings.drop(host)
        self._close_listener()
        self._write_state()
        self._finder.close()
        self._relays.close()
        try:
            self._remotes.nobody_is_up()
        except PeerError as wrong:  # the next gate says so
            self._owner.log(f"gate: {wrong}")
