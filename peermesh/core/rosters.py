"""Who is on a host, as that host tells it to others: told whole once, then only what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from peermesh.core.clean import clean, line
from peermesh.core.names import tidy
from peermesh.core.words import BRANCH_LIMIT, FOCUS_LIMIT, REPO_LIMIT, ROLE_LIMIT, Card, PeerId

# Entries in one frame; each has at most a few hundred bytes.
AT_ONCE = 200
# Peers of one host that are remembered: sessions of a month, many times over.
PEERS_LIMIT = 5_000

AWAY = "away"
# A session's last activity is told to the minute: a busy one is no news at each of its tool batches.
ACTIVE_STEP = 60.0  # seconds
STATUSES = frozenset({"here", "busy", "idle", "waiting", "not answering", AWAY})


@dataclass(frozen=True, slots=True)
class Entry:
    """One peer of another host. Its times are a wall clock's seconds on whichever host holds this value."""

    card: Card
    status: str
    since: float
    active: float = 0.0  # when it did something last

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


def active_step(active: float, since: float) -> float:
    """When a session was active last, as it is told: not before it began to do what it does (both wall, seconds)."""
    return max(since, active // ACTIVE_STEP * ACTIVE_STEP)


def turned(entry: Entry, clock: float) -> Entry:
    """*entry* with ages in the place of times, or with times in the place of ages; *clock* is the wall's, seconds."""
    return replace(entry, since=clock - entry.since, active=clock - entry.active)


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
            repo=line(clean(card.repo), REPO_LIMIT),
            branch=line(clean(card.branch), BRANCH_LIMIT),
            worktree=line(clean(card.worktree), REPO_LIMIT),
            focus=line(clean(card.focus), FOCUS_LIMIT),
            cwd="",
            roles=tuple(tidy(clean(role)).casefold() for role in card.roles[:ROLE_LIMIT]),
        ),
        status=entry.status if entry.status in STATUSES else "here",
    )
