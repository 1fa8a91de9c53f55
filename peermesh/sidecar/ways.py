"""How one other host is reached: addresses that are tried, and the links that are up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peermesh.core.rosters import Entry
from peermesh.core.words import PeerId
from peermesh.mesh.hosts.wire import Greet, HostFrame, encode

if TYPE_CHECKING:
    from peermesh.mesh.hosts.curve import Dialler

# Nothing else was said for so long: say that we are still here.
BEAT = 3.0  # seconds
# Nothing was heard for so long: the host sleeps, or the network is gone.
SILENCE = 9.0
# An address that takes the connection and says nothing is given up after this.
PATIENCE = 6.0
# Addresses of one host that are tried at a time, and between two such rounds a pause that grows.
AT_ONCE = 8
# Of these, so many that mDNS told of: anybody can say much there.
OF_RUMOUR = 4
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
# Rosters that a host may tell at once, and in a second after that: each is a commit.
ROSTERS, ROSTERS_A_SECOND = 100.0, 10.0
# How reasons begin that say that a host does not trust us (any more): what it says, and what its refusal says.
DISTRUST = "refused: it does not trust this machine"
# What became of an address is told by `peer doctor` for so many of one host.
TOLD = 12


class Way:
    """One link to another host over which both have greeted.

    Args:
        key: the host's, in hex, as ZeroMQ authenticated it.
        transmit: sends bytes; false if they cannot leave.
        endpoint: where it leads, if we dialled.
    """

    def __init__(self, key: str, transmit: Callable[[bytes], bool], endpoint: str = "") -> None:
        self.key, self.endpoint = key, endpoint
        self._transmit = transmit
        self.heard = self.said = time.monotonic()
        self.told: dict[PeerId, Entry] | None = None  # the roster, as the other side knows it from this link
        self.greet: Greet | None = None  # what the other side said first, if it dialled
        self.broken = False
        self._rosters = (ROSTERS, self.heard)

    def may_tell(self) -> bool:
        """Whether the other side may tell one more roster now."""
        now = time.monotonic()
        left, since = self._rosters
        left = min(ROSTERS, left + (now - since) * ROSTERS_A_SECOND) - 1
        self._rosters = (left, now)
        return left >= 0

    def send(self, frame: HostFrame) -> bool:
        """Say something; false if the link is gone or takes no more."""
        if self.broken:
            return False
        self.said = time.monotonic()
        return self._transmit(encode(frame))

    @property
    def silent(self) -> bool:
        """Whether it must be taken for dead."""
        return time.monotonic() - self.heard > SILENCE

    @property
    def quiet(self) -> bool:
        """Whether the other side should hear from us."""
        return time.monotonic() - self.said > BEAT


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of an address."""

    endpoint: str
    why: str
    at: float  # wall clock, seconds


@dataclass(slots=True)
class _Attempt:
    dialler: Dialler
    until: float


class Host:
    """One trusted host, and how to get a link to it.

    Args:
        key: its public key, in hex.
        dial: opens a link to an endpoint: is given what to call when it is lost, with the reason.
        failed: an address did not lead to it.
    """

    def __init__(self, key: str, dial: Callable[[str], Dialler], failed: Callable[[str], None]) -> None:
        self.key = key
        self._dial, self._failed = dial, failed
        self.outbound: Way | None = None
        self.inbound: Way | None = None
        self._link: Dialler | None = None
        self._attempts: dict[str, _Attempt] = {}
        self._due = 0.0
        self._pause = FIRST_PAUSE
        self.tried: dict[str, Tried] = {}
        self._tried_at: dict[str, float] = {}
        self.unwanted = False  # it said that it does not trust us, and took nothing of that back

    @property
    def way(self) -> Way | None:
        """The link to use, if one is up."""
        return self.outbound or self.inbound

    def ways(self) -> list[Way]:
        """The links that are up."""
        return [way for way in (self.outbound, self.inbound) if way is not None]

    def soon(self) -> None:
        """Something changed by which it may be reached now."""
        self._pause, self._due = FIRST_PAUSE, 0.0

    def try_addresses(self, heard: list[str], known: list[str]) -> None:
        """Begin another round if it is time: some of those *heard* by mDNS and some that are *known* otherwise,
        those first that were not tried for longest.
        """
        now = time.monotonic()
        for endpoint in [e for e, one in self._attempts.items() if one.until < now]:
            self.give_up(endpoint, "it takes the connection and says nothing")
        if now < self._due:
            return
        self._due = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._tried_at = {e: at for e, at in self._tried_at.items() if e in heard or e in known}
        some = sorted(heard, key=self._last_tried)[:OF_RUMOUR]
        others = [one for one in known if one not in some]
        for endpoint in [*some, *sorted(others, key=self._last_tried)][:AT_ONCE]:
            if endpoint not in self._attempts:
                self._tried_at[endpoint] = now
                self._attempts[endpoint] = _Attempt(self._dial(endpoint), now + PATIENCE)

    def _last_tried(self, endpoint: str) -> float:
        return self._tried_at.get(endpoint, 0.0)

    def give_up(self, endpoint: str, why: str) -> None:
        """An attempt failed, or the link that it became is cut."""
        attempt = self._attempts.pop(endpoint, None)
        if attempt is not None:
            attempt.dialler.close()
            self.note(endpoint, why)
            self._failed(endpoint)

    def note(self, endpoint: str, why: str) -> None:
        """What became of an address, for people."""
        self.unwanted = self.unwanted or why.startswith(DISTRUST)
        self.tried.pop(endpoint, None)
        self.tried[endpoint] = Tried(endpoint, why, time.time())
        while len(self.tried) > TOLD:
            del self.tried[next(iter(self.tried))]

    def answered(self, endpoint: str) -> Way | None:
        """Who answered at *endpoint* is the host: the other attempts end. ``None`` if we had hung up."""
        attempt = self._attempts.pop(endpoint, None)
        if attempt is None:
            return None
        for other in list(self._attempts):
            self._attempts.pop(other).dialler.close()
        self.drop_outbound()
        self.forget_tries()
        self._pause = FIRST_PAUSE
        self._link = attempt.dialler
        self.outbound = Way(self.key, attempt.dialler.send, endpoint)
        return self.outbound

    def forget_tries(self) -> None:
        """It is reached."""
        self.tried.clear()
        self.unwanted = False

    def drop_outbound(self) -> None:
        """Close the link that we dialled."""
        if self.outbound is not None:
            self.outbound.broken = True
        if self._link is not None:
            self._link.close()
        self.outbound = self._link = None

    def drop_inbound(self) -> None:
        """Use the link that they dialled no more; it is theirs to close."""
        if self.inbound is not None:
            self.inbound.broken = True
        self.inbound = None

    def stop_trying(self) -> None:
        """End all attempts."""
        for endpoint in list(self._attempts):
            self._attempts.pop(endpoint).dialler.close()

    def look(self) -> None:
        """Drain what may have come unnoticed."""
        for attempt in list(self._attempts.values()):
            attempt.dialler.look()
        if self._link is not None:
            self._link.look()

    def close(self) -> None:
        """Cut everything."""
        self.stop_trying()
        self.drop_outbound()
        self.drop_inbound()
