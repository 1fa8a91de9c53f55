"""Who is here now, as one sidecar knows it: looked at again when somebody came or went, and now and then.

A look tries the lock of every session of the host. With two hundred of them, which all look at each event, that was
most of what an event cost; so who comes and goes leaves a sign, and nobody looks without one.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from peermesh import config
from peermesh.core.words import Card, PeerId
from peermesh.locks import is_locked

if TYPE_CHECKING:
    from peermesh.sidecar.process import Sidecar

# Without a sign all are looked at again after so long: signs can be lost with a process that dies.
LONGEST = 30.0  # seconds


class Company:
    """The other sessions that are here now, of all repos and hosts, by their ids.

    Args:
        sidecar: whose company it is.
    """

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._folder = os.path.dirname(config.peer_dir(sidecar.root, "any"))
        self.known: dict[PeerId, Card] = {}  # as of the last look
        self.near = 0  # how many of them are on this host
        self._cards: object = None
        self._sign, self._looked = 0, 0.0

    def look(self) -> dict[PeerId, Card]:
        """Who is here now; costs a look at two files' times while nobody came or went."""
        cards, sign, now = self._sidecar.cards(), self._signed(), time.monotonic()
        if cards is not self._cards or sign != self._sign or now - self._looked > LONGEST:
            me, there = self._sidecar.card.id, self._sidecar.is_live
            self.known = {
                card.id: card
                for card in cards
                if card.id != me
                and not card.person
                and (there(card.id) if card.host_key else self._is_here(card.id))
            }
            self.near = sum(not card.host_key for card in self.known.values())
            self._cards, self._sign, self._looked = cards, sign, now
        return self.known

    def _is_here(self, peer: PeerId) -> bool:
        """Whether a sidecar runs as *peer*; who only stands in for it has its lock and notes no process."""
        directory = os.path.join(self._folder, peer)
        return os.path.exists(os.path.join(directory, "pid")) and is_locked(os.path.join(directory, "lock"))

    def _signed(self) -> int:
        try:
            return os.stat(self._folder).st_mtime_ns
        except FileNotFoundError:
            return 0

    def sign(self) -> None:
        """Leave the sign for all sidecars of this host: somebody came or went."""
        now = time.time_ns()
        with contextlib.suppress(OSError):  # they look again all the same, only later
            os.utime(self._folder, ns=(now, now))
