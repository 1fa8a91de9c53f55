"""What one sidecar can do for its whole host: the keeper's and the gate's ways into it."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from peermesh.sidecar.neighbours import hidden, roster
from peermesh.sidecar.post import Busy

if TYPE_CHECKING:
    from collections.abc import Collection

    from peermesh.core.rosters import Entry
    from peermesh.core.words import PeerId
    from peermesh.sidecar.gate import Gate
    from peermesh.sidecar.process import Sidecar
    from peermesh.store.log import LogStore
    from peermesh.store.trust import TrustStore


class Chores:
    """What the keeper and the gate ask of their sidecar, see keeper.Host and gate.Owner.

    Args:
        sidecar: it.
    """

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self.root: str = sidecar.root
        self.trust: TrustStore = sidecar.trust

    def log(self, words: str) -> None:
        """Leave a line in the sidecar's log."""
        self._sidecar.log(words)

    def warn(self, words: str) -> None:
        """The same, for what a person should know."""
        self._sidecar.warn(words)

    # ------------------------------------------------------------ for the keeper

    def open_gate(self) -> Gate:
        """The way to other hosts."""
        return self._sidecar.posts.open_gate(self, self._sidecar.host.remotes)

    def nobody_is_up(self) -> None:
        """Whatever the last keeper left standing between hosts is not so any more."""
        self._sidecar.host.remotes.nobody_is_up()
        self._sidecar.changed()

    def stand_in(self, peer: PeerId) -> None:
        """Deliver what *peer*, who is away, left behind."""
        with contextlib.suppress(Busy):  # the next sweep tries again
            self._sidecar.posts.stand_in(peer)

    def forget_old(self) -> None:
        """Forget who will not come back."""
        self._sidecar.posts.forget_old(time.time())

    def found_dead(self, peer: PeerId) -> None:
        """The sidecar of *peer* ended without a word."""
        self._sidecar.host.saw(peer, time.time())
        self._sidecar.changed()

    def bury(self, peer: PeerId) -> None:
        """The session *peer* died, and has no sidecar to say so."""
        card = self._sidecar.host.card(peer)
        self._sidecar.changed()
        if card is not None and not card.person:
            self._sidecar.commons.shared.left(card, died=True)

    def tidy_log(self) -> None:
        """Compact what has grown."""
        self._sidecar.commons.tidy()

    # ------------------------------------------------------------ for the gate

    @property
    def log_store(self) -> LogStore:
        """This host's log."""
        return self._sidecar.commons.shared.log

    def reach_here(self, peer: PeerId) -> str | None:
        """Where *peer*, of this host, listens; if it is away, we stand in for it first. For other hosts, for whom one
        that keeps from the LAN is not there.
        """
        if self.hides(peer):
            return None
        return self._sidecar.posts.reach_here(peer)

    def is_live_here(self, peer: PeerId) -> bool:
        """Whether the sidecar of *peer*, of this host, runs."""
        return self._sidecar.is_live_here(peer)

    def away(self, peer: PeerId) -> bool:
        """Whether nobody runs as *peer*, here or elsewhere, as far as is known."""
        return not self._sidecar.is_live(peer)

    def everybody_here(self) -> Collection[PeerId]:
        """The peers of this host, those too of whom others are not told."""
        return {card.id for card in self._sidecar.cards() if not card.host_key}

    def hides(self, peer: PeerId) -> bool:
        """Whether *peer*, of this host, keeps or kept from the LAN."""
        return hidden(self.root, peer)

    def roster(self, secret: bytes) -> dict[PeerId, Entry]:
        """Who is on this host, for others; with *secret* their directories are made unreadable."""
        mine = [card for card in self._sidecar.cards() if not card.host_key]
        return roster(self.root, mine, self.is_live_here, self._sidecar.host.seen(), secret)

    def openings(self) -> int:
        """How often the shared file was opened: more than once when it was lost."""
        return self._sidecar.host.openings

    def sweep_soon(self) -> None:
        """Deliver what the absent left behind: a host came back."""
        self._sidecar.keeper.sweep_soon()

    def heard(self, key: str) -> None:
        """What is known of the host with *key* changed."""
        self._sidecar.changed()

    def said(self) -> None:
        """The log changed: the sidecars of this host look at it now."""
        self._sidecar.commons.poke()
        self._sidecar.commons.look()
