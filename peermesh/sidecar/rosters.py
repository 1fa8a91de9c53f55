"""Who is on which host: what others tell is written for all sidecars of this one, and ours is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from peermesh.core.rosters import PEERS_LIMIT, Entry, Update, difference, tamed, turned
from peermesh.core.words import PeerId
from peermesh.mesh.hosts.wire import Roster

if TYPE_CHECKING:
    from peermesh.sidecar.ways import Way
    from peermesh.store.remotes import Remotes


class Rosters:
    """Tells and learns rosters.

    Args:
        remotes: the tables of other hosts' peers.
        ours: who is on this host.
        strange: is told of what a host may not say.
    """

    def __init__(
        self,
        remotes: Remotes,
        ours: Callable[[], Mapping[PeerId, Entry]],
        strange: Callable[[str], None],
    ) -> None:
        self._remotes, self._ours, self._strange = remotes, ours, strange
        self._on = {one.card.id: one.card.host_key for one in remotes.entries()}
        self._begun: dict[str, list[Entry]] = {}  # whole rosters of which more is to come

    def host_of(self, peer: PeerId) -> str | None:
        """The key of the other host that *peer* is on."""
        return self._on.get(peer)

    def begin(self, key: str) -> None:
        """The host *key* greeted anew: what it did not tell to its end is void."""
        self._begun.pop(key, None)

    def learn(self, key: str, update: Update) -> bool:
        """The host *key* tells of its peers; each entry's times are ages. Whether it has told all now.

        Raises:
            PeerError: it could not be written.
        """
        if update.whole or key in self._begun:
            entries = [] if update.whole else self._begun.pop(key)
            entries = [*entries, *update.entries][:PEERS_LIMIT]
            if update.more:
                self._begun[key] = entries
                return False
            update = Update(tuple(entries), whole=True)
        self._learn(key, update)
        return update.whole

    def _learn(self, key: str, update: Update) -> None:
        clock = time.time()
        entries = tuple(turned(tamed(one, key), clock) for one in update.entries)
        strange = set(self._remotes.learn(key, replace(update, entries=entries)))
        if update.whole:
            self._remotes.link(key, up=True, clock=clock)
        for peer in strange:
            self._strange(f"the host {key[:8]} speaks of {peer}, which is not its own")
        gone = {p for p, on in self._on.items() if on == key and (update.whole or p in update.gone)}
        self._on = {p: on for p, on in self._on.items() if p not in gone}
        self._on.update({one.card.id: key for one in entries if one.card.id not in strange})

    def forget(self, keys: Collection[str]) -> None:
        """Forget the hosts with *keys*: a person removed them."""
        self._remotes.forget(keys)
        self._on = {peer: key for peer, key in self._on.items() if key not in keys}

    def tell(self, ways: Iterable[Way]) -> None:
        """Tell each what it does not know yet of this host."""
        ways = list(ways)
        if not ways:
            return
        now, clock = dict(self._ours()), time.time()
        for way in ways:
            for update in difference(way.told, now):
                aged = tuple(turned(one, clock) for one in update.entries)
                if not way.send(Roster(replace(update, entries=aged))):
                    break
            else:
                way.told = now
