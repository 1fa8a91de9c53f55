"""Who is on a host, as that host tells it to others: told whole once, then only what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from peermesh.core.clean import clean
from peermesh.core.names import line, tidy
from peermesh.core.words import FOCUS_LIMIT, ROLE_LIMIT, Card, PeerId

# Entries in one frame; each has at most a few hundred bytes.
AT_ONCE = 200
# Peers of one host that are remembered: sessions of a month, many times over.
PEERS_LIMIT = 5_000

AWAY = "away"
STATUSES = frozenset({"here", "busy", "idle", "not answering", AWAY})


@dataclass(frozen=True, slots=True)
class Entry:
    """One peer of another host. *since* is a wall clock's seconds on whichever host holds this value."""

    card: Card
    status: str
    since: float

    @property
    def here(self) -> bool:
        """Whether its sidecar runs."""
        return self.status != AWAY


@dataclass(frozen=True, slots=True)
class Update:
    """A part of a roster: *whole* begins one that voids all that was told before, as soon as no *more* follows."""

    entries: tuple[Entry, ...]
    gone: tuple[PeerId, ...] = ()
    whole: bool = False
    more: bool = False


def difference(told: Mapping[PeerId, Entry] | None, now: Mapping[PeerId, Entry]) -> list[Update]:
    """What to tell somebody who was *told* that (None: nothing yet), in frames of bounded size."""
    if told is None:
        changed, gone = list(now.values()), []
    else:
        changed = [one for peer, one in now.items() if told.get(peer) != one]
        gone = [peer for peer in told if peer not in now]
        if not changed and not gone:
            return []
    updates: list[Update] = []
    while changed or gone or not updates:
        now_told, left = (changed[:AT_ONCE], gone[:AT_ONCE]), (changed[AT_ONCE:], gone[AT_ONCE:])
        first, more = told is None and not updates, told is None and any(left)
        updates.append(Update(tuple(now_told[0]), tuple(now_told[1]), whole=first, more=more))
        changed, gone = left
    return updates


def tamed(entry: Entry, host_key: str) -> Entry:
    """*entry* as another host told it, made harmless: no control characters, bounded, on that host."""
    card = entry.card
    return replace(
        entry,
        card=replace(
            card,
            host="",
            host_key=host_key,
            name=tidy(clean(card.name)) or "session",
            repo=line(clean(card.repo), 60),
            branch=line(clean(card.branch), 100),
            focus=line(clean(card.focus), FOCUS_LIMIT),
            cwd="",
            roles=tuple(tidy(clean(role)).casefold() for role in card.roles[:ROLE_LIMIT]),
        ),
        status=entry.status if entry.status in STATUSES else "here",
    )
