"""The exchange of logs between hosts: each tells its own, and keeps copies of those of the hosts that it trusts.

Who wants to hear says ``have``: up to where it knows the other's log. It is told one part, says ``have`` again, and
so on; whatever is lost, repeated or late, the next ``have`` says where to go on.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from peermesh.core.checked import checked
from peermesh.core.events import Event
from peermesh.core.words import PeerId
from peermesh.errors import PeerError
from peermesh.mesh.hosts.wire import Events, Have, HostFrame
from peermesh.sidecar.judge import Judge
from peermesh.store.log import LogStore, Part, Taken

# No word about the last part for so long: it is told again.
PATIENCE = 30.0  # seconds
# What we have is said again this often, in case it was not heard.
REMIND = 60.0
# Frames about logs that one host may send at once, and in a second after that: each is a commit. Who has more
# to tell waits for our word on each part, so what goes beyond is noise, and is passed over.
FRAMES, FRAMES_A_SECOND = 400.0, 50.0
# How often a host may begin its log anew, and make us begin ours anew: each time all is told again.
ANEW, ANEW_A_SECOND = 5.0, 1 / 60


class Link(Protocol):
    """The way to a host."""

    key: str

    def send(self, frame: HostFrame) -> bool:
        """Say something; false if the link is gone or takes no more."""


class Around(Protocol):
    """What the exchange needs of the gate."""

    def host_of(self, peer: PeerId) -> str | None:
        """The key of the other host that *peer* is on."""

    def ours(self) -> Collection[PeerId]:
        """The peers of this host."""

    def away(self, peer: PeerId) -> bool:
        """Whether nobody runs as *peer*, here or elsewhere, as far as is known."""

    def said(self) -> None:
        """The log changed: the sidecars of this host look at it now."""

    def strange(self, words: str) -> None:
        """Another host sent what it may not."""

    def log(self, words: str) -> None:
        """Leave a line in the sidecar's log."""


class Clock:
    """The time: of the wall, and one that is never set. Both in seconds."""

    wall = staticmethod(time.time)
    running = staticmethod(time.monotonic)


class _Bucket:
    """So many at once, and after that so many in a second."""

    def __init__(self, most: float, refill: float, now: float) -> None:
        self._most, self._refill = most, refill
        self._left, self._since = most, now

    def has(self, now: float) -> bool:
        """Whether there is one."""
        self._left = min(self._most, self._left + (now - self._since) * self._refill)
        self._since = now
        return self._left >= 1

    def take(self, now: float) -> bool:
        """Take one, if there is one."""
        has = self.has(now)
        self._left -= has
        return has


@dataclass(slots=True)
class _Host:
    """How far a host and we are with each other's logs."""

    link: Link
    frames: _Bucket
    anew: _Bucket
    position: int | None = None  # it knows our log up to here; None: it has not said yet
    awaited: int | None = None  # the end of the part that it was told last, until it says that it has it
    told_at: float = 0.0
    told_cut: int = -1  # the deletion that was told with that part
    heard_cut: int = -1  # the last one of which it has heard, as far as is known
    owes: bool = True  # we are to say what we have
    said_at: float = 0.0
    late: Have | None = None  # what it said and could not be answered yet


class Exchange:
    """Tells the own log and takes in those of others.

    Args:
        store: the log.
        around: the gate.
        clock: the time.
    """

    def __init__(self, store: LogStore, around: Around, clock: type[Clock] | Clock = Clock) -> None:
        self._store, self._around, self._clock = store, around, clock
        self._hosts: dict[str, _Host] = {}
        self._up: list[_Host] = []
        self._judge = Judge(store, around.away)
        self._openings = store.openings
        self._trouble = ""

    # ------------------------------------------------------------ links

    def forget(self, keys: Collection[str]) -> None:
        """Forget the hosts with *keys*: a person removed them."""
        for key in keys:
            self._hosts.pop(key, None)
        self._store.forget(keys)

    def tell(self, links: Iterable[Link]) -> None:
        """Tell each host what it does not know yet, and answer what could not be answered before."""
        try:
            self._follow_file()
            self._up = [self._host(link) for link in links]
            for host in self._up:
                if host.late is not None and host.frames.take(self._clock.running()):
                    self._hear(host, host.late)
                if host.owes or self._clock.running() - host.said_at > REMIND:
                    self._say_have(host)
            self._tell(self._up)
        except PeerError as wrong:
            self._fail(wrong)

    def _follow_file(self) -> None:
        """The file was set aside, or put back: nobody knows this log."""
        self._store.revision()
        if self._store.openings != self._openings:
            self._openings = self._store.openings
            for host in self._hosts.values():
                self._told_nothing(host)
                host.owes = True

    def _host(self, link: Link) -> _Host:
        host, now = self._hosts.get(link.key), self._clock.running()
        if host is None:
            buckets = _Bucket(FRAMES, FRAMES_A_SECOND, now), _Bucket(ANEW, ANEW_A_SECOND, now)
            host = self._hosts[link.key] = _Host(link, *buckets)
        elif host.link is not link:  # what was on its way may be lost
            host.link, host.awaited, host.heard_cut, host.owes = link, None, -1, True
        return host

    @staticmethod
    def _told_nothing(host: _Host) -> None:
        if host.position is not None:
            host.position, host.awaited, host.heard_cut = 0, None, -1

    # ------------------------------------------------------------ telling

    def have(self, link: Link, frame: Have) -> None:
        """A host says how far it knows our log: tell it more."""
        host = self._hosts.get(link.key) or self._host(link)
        if not host.frames.take(self._clock.running()):
            host.late = frame
            return
        try:
            self._hear(host, frame)
            self._tell([host])
        except PeerError as wrong:
            host.late = frame
            self._fail(wrong)

    def _hear(self, host: _Host, frame: Have) -> None:
        host.late = None
        position = self._store.position(host.link.key, frame.epoch, frame.upto)
        if position is None:
            position = self._begin_anew(host, frame)
        if position is None or (
            host.awaited is not None and position == host.position and not self._overdue(host)
        ):
            return  # the latter: said before the part came that is on its way
        host.heard_cut = host.told_cut if position == host.awaited else -1
        host.position, host.awaited = position, None

    def _begin_anew(self, host: _Host, frame: Have) -> int | None:
        if not host.anew.take(self._clock.running()):
            host.late = frame
            self._around.strange(f"the host {host.link.key[:8]} holds again and again what we never told")
            return None
        self._around.log(
            f"log: the host {host.link.key[:8]} knows more of this host's log than this host;"
            " an older copy of log.db was put back, it seems. All is told again"
        )
        self._store.reborn(frame.epoch, frame.upto)
        for other in self._hosts.values():
            self._told_nothing(other)
        return 0

    def _overdue(self, host: _Host) -> bool:
        return self._clock.running() - host.told_at > PATIENCE

    def _tell(self, hosts: Iterable[_Host]) -> None:
        due = self._store.due()
        parts: dict[tuple[int, int], Part] = {}
        todo = [host for host in hosts if self._wants(host, due)]
        for at in {(host.position or 0, host.heard_cut) for host in todo}:
            parts[at] = self._store.tell(*at)
        told = [(host, parts[host.position or 0, host.heard_cut]) for host in todo]
        if told:
            self._store.sending({host.link.key: part.upto for host, part in told})
        for host, part in told:
            if host.link.send(self._frame(part)):
                host.awaited, host.told_at, host.told_cut = part.upto, self._clock.running(), part.cut

    def _wants(self, host: _Host, due: int) -> bool:
        on_its_way = host.awaited is not None and not self._overdue(host)
        return host.position is not None and host.position < due and not on_its_way

    def _frame(self, part: Part) -> Events:
        now = self._clock.wall()
        events = tuple(replace(one, at=max(0.0, now - one.at)) for one in part.events)
        return Events(part.log, part.epoch, part.after, part.upto, events, part.more, part.kept)

    # ------------------------------------------------------------ hearing

    def events(self, link: Link, frame: Events) -> None:
        """A host tells a part of its log."""
        host = self._hosts.get(link.key) or self._host(link)
        if not host.frames.take(self._clock.running()):
            host.owes = True
            return
        try:
            self._take_in(host, frame)
        except PeerError as wrong:  # it is told again when its host has waited long enough for our word
            self._fail(wrong)

    def _take_in(self, host: _Host, frame: Events) -> None:
        key, now = host.link.key, self._clock.running()
        epoch, _ = self._store.known(key)
        anew = epoch not in {"", frame.epoch}
        if anew and not host.anew.has(now):
            self._around.strange(f"the host {key[:8]} begins its log again and again")
            return
        taken, judged = self._write(key, frame)
        if anew and taken.epoch != epoch:
            host.anew.take(now)
        for _ in range(taken.strange):
            self._around.strange(f"the host {key[:8]} told an event that cannot be kept")
        if taken.refused:
            self._around.strange(f"the host {key[:8]}: {taken.refused}")
            return
        self._say_have(host, (taken.epoch, taken.upto))
        if taken.changed or judged:
            self._around.said()
        if judged:
            self._tell(self._up)

    def _write(self, key: str, frame: Events) -> tuple[Taken, list[Event]]:
        """Take it in, and say what this host owes to it, in one step."""
        events = tuple(self._tamed(key, frame))
        part = Part(frame.log, frame.epoch, frame.after, frame.upto, events, more=frame.more, kept=frame.kept)
        try:
            with self._store.writing() as writer:
                taken = writer.take_in(key, part)
                judged = self._judge.judge(writer, taken, self._clock.wall())
        except BaseException:
            self._judge.forget()
            raise
        self._trouble = ""
        return taken, judged

    def _tamed(self, key: str, frame: Events) -> Iterator[Event]:
        """The events of a frame, in the order of their numbers, as far as they can be what that host says."""
        now, upto = self._clock.wall(), frame.after
        forbidden = self._forbidden(key, {one.by for one in frame.events})
        for event in sorted(frame.events, key=lambda one: one.id.n):
            if not upto < event.id.n <= frame.upto:
                self._around.strange(f"the host {key[:8]} told number {event.id.n} out of place")
                continue
            upto = event.id.n
            if event.by in forbidden:
                self._around.strange(f"the host {key[:8]} speaks for {event.by}, which is not its own")
                continue
            try:
                yield replace(checked(event), at=now - event.at, host_key=key, here=False)
            except ValueError as wrong:
                self._around.strange(f"the host {key[:8]} told an event that is none: {wrong}")

    def _forbidden(self, key: str, peers: set[PeerId]) -> set[PeerId]:
        """Those of *peers* that are of another host, or of ours. Who is of none is one that its host forgot."""
        hosts = {peer: self._around.host_of(peer) for peer in peers}
        unknown = {peer for peer, host in hosts.items() if host is None}
        ours = unknown.intersection(self._around.ours()) if unknown else set()
        return ours | {peer for peer, host in hosts.items() if host not in (None, key)}

    def _say_have(self, host: _Host, known: tuple[str, int] | None = None) -> None:
        frame = Have(*(known or self._store.known(host.link.key)))
        host.owes = not host.link.send(frame)
        host.said_at = self._clock.running()

    def _fail(self, wrong: PeerError) -> None:
        """The same trouble is noted once."""
        if str(wrong) != self._trouble:
            self._trouble = str(wrong)
            self._around.log(f"log: {wrong}")
