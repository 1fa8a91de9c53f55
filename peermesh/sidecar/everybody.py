"""Everybody that is known, here and elsewhere, as one sidecar knows it: of whom those are read again that changed."""

from __future__ import annotations

from peermesh.core.names import key
from peermesh.core.words import Card, PeerId
from peermesh.sidecar.neighbours import Neighbours
from peermesh.store.host import HostStore
from peermesh.store.trust import TrustStore


class Everybody:
    """All cards, by their ids.

    Args:
        host: the shared file.
        trust: the hosts that are trusted.
        neighbours: the peers of these.
    """

    def __init__(self, host: HostStore, trust: TrustStore, neighbours: Neighbours) -> None:
        self._host, self._trust, self._neighbours = host, trust, neighbours
        self._here: dict[PeerId, tuple[Card, float]] = {}
        self._sorted: list[Card] | None = None
        self._revision: object = None
        self._openings, self._upto = 0, 0
        self._stirred: set[PeerId] = set()

    def follow(self) -> None:
        """See what changed; costs a look at two files' times, and SQLite a word, while nothing did.

        Raises:
            StoreBroken, DiskFull, ReadOnly, StoreNewer: the shared file cannot be read.
        """
        revision = (self._host.revision(), self._trust.revision())
        if revision == self._revision:
            return
        openings = self._host.openings
        upto, changed = self._host.changes.since(self._upto if openings == self._openings else None)
        fresh = self._host.known(changed)
        stirred = set(self._neighbours.follow(changed)) | fresh.keys()
        for peer in set(self._here if changed is None else changed) - fresh.keys():
            self._here.pop(peer, None)
            stirred.add(peer)
        self._here |= fresh
        if stirred:
            self._sorted = None
        self._stirred |= stirred
        self._openings, self._upto, self._revision = openings, upto, revision

    def changed(self) -> None:
        """This process wrote to the shared file itself, which the file's revision does not tell it."""
        self._revision = None

    def stirred(self) -> set[PeerId]:
        """Who came, went, was forgotten or is otherwise than when this was asked last."""
        self.follow()
        stirred, self._stirred = self._stirred, set()
        return stirred

    def cards(self) -> list[Card]:
        """All of them: those of this host by their names, and then the others. Not to be changed."""
        self.follow()
        if self._sorted is None:
            here = sorted((card for card, _ in self._here.values()), key=lambda one: key(one.name))
            self._sorted = [*here, *self._neighbours.cards()]
        return self._sorted

    def get(self, peer: PeerId) -> Card | None:
        """The card of *peer*, as it was when this was followed last."""
        known = self._here.get(peer)
        if known is not None:
            return known[0]
        elsewhere = self._neighbours.get(peer)
        return elsewhere.card if elsewhere is not None else None

    def seen_at(self, peer: PeerId) -> float:
        """When *peer*, of this host, last came or went (wall clock, seconds); 0 if it is not known here."""
        known = self._here.get(peer)
        return known[1] if known is not None else 0.0
