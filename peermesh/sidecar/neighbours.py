"""Other hosts as one sidecar sees them, and this one as they see it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from peermesh import config
from peermesh.core.repos import bounded
from peermesh.core.rosters import AWAY, PEERS_LIMIT, Entry, active_step
from peermesh.core.words import Card, PeerId
from peermesh.sidecar.post import Busy
from peermesh.sidecar.session import STATUS, turn_of
from peermesh.store.host import HostStore
from peermesh.store.remotes import HostState
from peermesh.store.trust import TrustStore

# What is told of a directory instead of its path.
DIGEST = 16  # hex digits
# In a peer's directory: it keeps from the LAN.
HIDDEN = "hidden"


class Neighbours:
    """The peers of other hosts, of whom those are read again that changed.

    Args:
        root: the state directory.
        host: the shared file.
        trust: the hosts that are trusted.
    """

    def __init__(self, root: str, host: HostStore, trust: TrustStore) -> None:
        self._root, self._host, self._trust = root, host, trust
        self._entries: dict[PeerId, Entry] = {}
        self._hosts: tuple[dict[str, str], dict[str, HostState]] | None = None  # as of the last look

    def follow(self, changed: Collection[PeerId] | None) -> Collection[PeerId]:
        """Read again what changed.

        Args:
            changed: of whom something else was written than when this was called last; ``None``: anybody.

        Returns:
            Who is, or was, somebody else than before, as far as this host can tell.
        """
        names = {one.key: one.name for one in self._trust.read().hosts}
        hosts = self._host.remotes.hosts()
        if (names, hosts) != self._hosts:
            changed = None  # whoever is on a host is here as long as that is reached
        fresh = {}
        for entry in self._host.remotes.entries(changed):
            known = _seen_from_here(entry, names, hosts)
            if known is not None:
                fresh[entry.card.id] = known
        gone = set(self._entries if changed is None else changed) - fresh.keys()
        for peer in gone:
            self._entries.pop(peer, None)
        self._entries |= fresh
        self._hosts = names, hosts
        return gone | fresh.keys()

    def cards(self) -> list[Card]:
        """Their cards, with the names that their hosts have here; those of trusted hosts only."""
        return [self._entries[peer].card for peer in sorted(self._entries)]

    def get(self, peer: PeerId) -> Entry | None:
        """What was last read of *peer*; ``None`` if it is not on another host."""
        return self._entries.get(peer)

    def elsewhere(self, peer: PeerId) -> str | None:
        """Where a peer of another host is reached; ``None`` if nobody knows it any more.

        Only a host that a person removed is forgotten with its peers. One that is not trusted because the list
        was lost may be again, also if what was known of it was lost; and one that was not heard yet may know the peer.
        """
        if self._host.remotes.host_of(peer) is None:
            unheard = {one.key for one in self._trust.read().hosts} - set(self._host.remotes.hosts())
            if not unheard and not self._trust.was_lost():
                return None
        if not config.lan():
            raise Busy
        return config.gate_link(self._root)


def _seen_from_here(entry: Entry, names: Mapping[str, str], hosts: Mapping[str, HostState]) -> Entry | None:
    """*entry* as it is while its host is reached, or is not; ``None`` if that is not trusted."""
    card = entry.card
    if card.host_key not in names:
        return None
    known = replace(entry, card=replace(card, host=names[card.host_key]))
    state = hosts.get(card.host_key)
    if entry.here and not (state is not None and state.up):
        return replace(known, status=AWAY, since=state.seen_at if state is not None else entry.since)
    return known


def hide(directory: str, *, hidden: bool) -> None:
    """Leave the sign in its *directory* that a peer keeps away from the LAN, or that it does not any more.

    A sign of its own: that something else is not there (a record of mDNS) says nothing while a peer comes or goes or
    another stands in for it. Others would forget it then, and refuse the mail that waits for it. And it stays when the
    peer ends: who was not to be seen is not told of as away either.
    """
    path = os.path.join(directory, HIDDEN)
    if hidden:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def hidden(root: str, peer: PeerId) -> bool:
    """Whether a peer keeps away from the LAN: it was started with PEER_LAN=off the last time."""
    return os.path.exists(os.path.join(config.peer_dir(root, peer), HIDDEN))


def _is_there(directory: str) -> bool:
    """Whether a directory is there, or cannot be looked for: others forget for good who they are not told of."""
    try:
        os.stat(directory)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def roster(
    root: str,
    cards: Iterable[Card],
    is_live: Callable[[PeerId], bool],
    seen: Mapping[PeerId, float],
    secret: bytes,
) -> dict[PeerId, Entry]:
    """Who is on this host, for others: no directory, and no path in what makes two checkouts the same."""
    entries = {}
    for card in sorted(cards, key=lambda one: seen.get(one.id, 0.0), reverse=True)[:PEERS_LIMIT]:
        if hidden(root, card.id) or not _is_there(config.peer_dir(root, card.id)):  # the sign would be in it
            continue
        live = is_live(card.id)
        session = live and not card.person
        turn, since, active = turn_of(config.peer_dir(root, card.id)) if session else ("", 0.0, 0.0)
        since = since or seen.get(card.id, 0.0)
        entries[card.id] = Entry(
            replace(card, host="", cwd="", repo_key=_unreadable(card.repo_key, secret)),
            STATUS.get(turn, turn or "here") if live else AWAY,
            since,
            active_step(active, since),
        )
    return entries


def _unreadable(repo_key: str, secret: bytes) -> str:
    """A directory means something on its own host only; all else is the same everywhere."""
    if not repo_key.startswith("dir:"):
        return bounded(repo_key)
    digest = hmac.new(secret, os.fsencode(repo_key), hashlib.sha256).hexdigest()
    return f"dir:{digest[:DIGEST]}"
