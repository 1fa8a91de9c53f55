"""Who is here now, as one sidecar knows it: of whom those are looked at again who came or went.

To look is to try a lock. Were all looked at whenever one comes, each session would cost the others the more the more
there are, and together the square. So who comes and goes writes it down in the shared file, behind which it can be
seen; for who died without a word the keeper does, which looks after all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from peermesh import config
from peermesh.core.words import Card, PeerId
from peermesh.errors import PeerError
from peermesh.locks import is_locked

if TYPE_CHECKING:
    from peermesh.sidecar.process import Sidecar

# All are looked at again after so long: a process can die in the instant between its going and its word of it.
LONGEST = 300.0  # seconds


class Company:
    """The other sessions that are here now, of all repos and hosts, by their ids.

    Args:
        sidecar: whose company it is.
    """

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._folder = os.path.dirname(config.peer_dir(sidecar.root, "any"))
        self.known: dict[PeerId, Card] = {}  # as of the last look; another dict when that found a change
        self.near = 0  # how many of them are on this host
        self._doubt: set[PeerId] = set()  # who is to be looked at
        self._looked = time.monotonic()

    def look(self) -> dict[PeerId, Card]:
        """Who is here now; costs what ``Everybody.follow`` does while nobody came or went."""
        everybody = self._sidecar.everybody
        self._doubt |= everybody.stirred()
        now = time.monotonic()
        if now - self._looked > LONGEST:
            self._looked = now
            self._doubt |= {card.id for card in everybody.cards()}
        if self._doubt:
            self._look_at(self._doubt)
            self._doubt = set()
        return self.known

    def _look_at(self, peers: Collection[PeerId]) -> None:
        known = dict(self.known)
        for peer in peers:
            card = self._sidecar.everybody.get(peer)
            if card is not None and self._is_here(card):
                known[peer] = card
            else:
                known.pop(peer, None)
        if known != self.known:
            self.known = known
            self.near = sum(not card.host_key for card in known.values())

    def _is_here(self, card: Card) -> bool:
        """Whether somebody else's session runs; who only stands in for it has its lock and notes no process."""
        if card.person or card.id == self._sidecar.card.id:
            return False
        if card.host_key:
            return self._sidecar.is_live(card.id)
        directory = os.path.join(self._folder, card.id)
        return os.path.exists(os.path.join(directory, "pid")) and is_locked(os.path.join(directory, "lock"))

    def sign(self) -> None:
        """Write down for all sidecars of this host that this one came, or went."""
        try:
            self._sidecar.host.saw(self._sidecar.card.id, time.time())
        except PeerError as wrong:  # they look again all the same, only later
            self._sidecar.log(f"{self._sidecar.card.name}: {wrong}")
        self._sidecar.everybody.changed()
