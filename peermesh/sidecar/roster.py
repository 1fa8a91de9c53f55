"""Who is meant, and what is told of each peer."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from peermesh import config
from peermesh.core.names import Ambiguous, Unknown, find, is_group, members
from peermesh.core.words import Card, PeerId
from peermesh.errors import AmbiguousPeer, BadUsage, UnknownPeer
from peermesh.sidecar.session import STATUS, turn_of

if TYPE_CHECKING:
    from peermesh.sidecar.process import Sidecar


def addressed(to: str, cards: Collection[Card], me: Card, recent: Callable[[Card], bool]) -> list[Card]:
    """Whom *to* addresses.

    Args:
        to: a name, ``name@host``, an id or a group.
        cards: everybody that is known.
        me: who asks.
        recent: whether a peer is here, or went so lately that a group means it too.

    Raises:
        UnknownPeer, AmbiguousPeer, BadUsage: it addresses nobody, or one does not know whom.
    """
    try:
        if is_group(to):
            found = [c for c in members(to, cards, me) if recent(c)]
            if not found:
                raise UnknownPeer(f"nobody else is in {to} just now; `peer list --all` shows who is known")
            return found
        one = find(to, cards, me.host)
    except Unknown as wrong:
        near = f"; did you mean {' or '.join(wrong.nearest)}?" if wrong.nearest else ""
        raise UnknownPeer(
            f"nobody here is called {to[:80]!r}{near} `peer list --all` shows who is known".replace(
                "' `", "'; `"
            ),
            nearest=list(wrong.nearest),
        ) from wrong
    except Ambiguous as wrong:
        raise AmbiguousPeer(
            f"{to!r} may be {' or '.join(wrong.choices)}; say which", choices=list(wrong.choices)
        ) from wrong
    if one.id == me.id:
        raise BadUsage(f"{to!r} is you; a message needs somebody else")
    return [one]


def by_id(peer: PeerId, cards: Collection[Card]) -> Card:
    """The card of *peer*.

    Raises:
        UnknownPeer: it was forgotten.
    """
    for card in cards:
        if card.id == peer:
            return card
    raise UnknownPeer(f"the peer {peer} is not known here any more")


def row(sidecar: Sidecar, card: Card) -> dict[str, Any]:
    """What `peer list` tells of a peer."""
    elsewhere = sidecar.neighbours.get(card.id)
    if elsewhere is not None:
        live, status, since, active = elsewhere.here, elsewhere.status, elsewhere.since, elsewhere.active
    else:
        live = sidecar.is_live(card.id)
        person = card.person or not live
        turn, since, active = ("", 0.0, 0.0) if person else turn_of(config.peer_dir(sidecar.root, card.id))
        status = STATUS.get(turn, turn or "here") if live else "away"
    other = sidecar.post.engine.outgoing.others.get(card.id)
    if live and other is not None and not other.link.answers:
        status = "not answering"
    return {
        "id": card.id,
        "name": card.name,
        "host": card.host,
        "person": card.person,
        "repo": card.repo,
        "repo_key": card.repo_key,
        "branch": card.branch,
        "worktree": card.worktree,
        "cwd": card.cwd if os.path.isabs(card.cwd) else "",
        "roles": list(card.roles),
        "focus": card.focus,
        "status": status,
        "since": since or sidecar.seen_at(card.id),
        "active": active or since or sidecar.seen_at(card.id),
        "here": live,
    }
