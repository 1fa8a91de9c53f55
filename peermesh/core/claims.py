"""Who holds which path, and who wins when two do.

What one peer said is replayed in its order: a claim runs for its lease; each edit of a covered path and each renewal
while it runs lets it run on; a release, the peer's end, or time end it for good. Among the claims of several peers
that run and cover a path, the first in the order of places holds it.

In the data of events, a peer's own claims are named by their numbers, because they stand in the same log
(``renew``: ``claim``, ``release``: ``claims``); the claims of anybody by log and number (``claim``: ``over``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from peermesh.core.events import LEASE, OVER_LIMIT, Event, EventId, What
from peermesh.core.patterns import Covers, Overlaps, overlap
from peermesh.core.words import PeerId

Place = tuple[int, str, int]

_place = attrgetter("place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One session's wish to be asked before others edit a path. Times are this host's wall clock, in seconds."""

    id: EventId
    place: Place
    by: PeerId
    name: str  # of who said it, as it was then
    host_key: str  # "" is this host
    path: str  # a pattern
    why: str
    branch: str
    since: float
    until: float
    lease: float  # seconds, by which an edit renews it


def renewal(claim: Claim, lease: float, why: str = "") -> dict[str, Any]:
    """The data of a ``renew`` event: *claim* runs for *lease* seconds from when it is said."""
    return {"claim": claim.id.n, "lease": lease, "why": why}


def release(claims: Iterable[Claim]) -> dict[str, Any]:
    """The data of a ``release`` event for *claims*, all of the peer that says it."""
    return {"claims": [one.id.n for one in claims]}


class _Run:
    """One claim, as far as its peer's words were replayed."""

    __slots__ = ("_shown", "ended", "event", "lease", "path", "place", "steps", "until", "why")

    def __init__(self, event: Event) -> None:
        data = event.data
        self.event, self.place = event, event.place
        self.path: str = data["path"]
        self.lease: float = data.get("lease", LEASE)
        self.why: str = data.get("why", "")
        self.until: float = event.at + self.lease
        self.steps: list[tuple[Event, float]] = []  # what let it run on, and until when
        self.ended: Event | None = None
        self._shown: Claim | None = None

    def edited(self, event: Event) -> None:
        """Its peer edited a path that it covers."""
        if event.at < self.until:
            self._run_on(event, max(self.until, event.at + self.lease))

    def renewed(self, event: Event) -> None:
        """Its peer said how long it is to run from now, which may be shorter."""
        if event.at < self.until:
            self.lease = event.data.get("lease", self.lease)
            self.why = event.data.get("why", "") or self.why
            self._run_on(event, event.at + self.lease)

    def _run_on(self, event: Event, until: float) -> None:
        self.until, self._shown = until, None
        self.steps.append((event, until))

    def shown(self) -> Claim:
        """It as others see it."""
        if self._shown is None:
            event = self.event
            self._shown = Claim(
                id=event.id,
                place=self.place,
                by=event.by,
                name=event.name,
                host_key=event.host_key,
                path=self.path,
                why=self.why,
                branch=event.data.get("branch", ""),
                since=event.at,
                until=self.until,
                lease=self.lease,
            )
        return self._shown

    def stands_on(self) -> Iterator[Event]:
        """The fewest events that, replayed, leave it as it is."""
        yield self.event
        kept, best, best_until = self.event.at + self.event.data.get("lease", LEASE), None, 0.0
        for event, until in self.steps:
            if event.at >= kept and best is not None:
                yield best
                kept, best = best_until, None
            if event.kind == What.RENEW:
                yield event
                kept, best = until, None
            elif until > max(kept, best_until if best is not None else kept):
                best, best_until = event, until
        if best is not None:
            yield best
        if self.ended is not None:
            yield self.ended


class _Holder:
    """What one peer said that its claims depend on, replayed when somebody wants to know."""

    def __init__(self, everybody: Covers[_Run]) -> None:
        self.said: list[Event] = []
        self.runs: dict[int, _Run] = {}
        self.standing: dict[int, _Run] = {}  # those of them that no word ended
        self._everybody, self._own = everybody, Covers[_Run]()
        self._replayed, self._in_order = 0, True

    def add(self, event: Event) -> None:
        if self.said and event.place < self.said[-1].place:
            self._in_order = False
        self.said.append(event)

    def settle(self) -> None:
        """Replay what was not yet; all of it anew if something came late."""
        if not self._in_order:
            self.said.sort(key=_place)
            self.forget()
        for event in self.said[self._replayed :]:
            self._replay(event)
        self._replayed = len(self.said)

    def keep(self, needed: set[EventId]) -> None:
        """Go on with the events *needed* only."""
        self.said = [one for one in self.said if one.id in needed]
        self.forget()

    def forget(self) -> None:
        """Begin again."""
        for run in self.standing.values():
            self._everybody.drop(run.path, run)
        self.runs, self.standing = {}, {}
        self._own.clear()
        self._replayed, self._in_order = 0, True

    def _replay(self, event: Event) -> None:
        match event.kind:
            case What.EDIT:
                for run in self._own.of(event.data["path"]) if self.standing else ():
                    run.edited(event)
            case What.CLAIM:
                self._claim(event)
            case What.RENEW:
                if (claimed := self.standing.get(event.data["claim"])) is not None:
                    claimed.renewed(event)
            case What.RELEASE:
                for n in event.data["claims"]:
                    self._end(n, event)
            case What.GONE:
                for n in list(self.standing):
                    self._end(n, event)

    def _claim(self, event: Event) -> None:
        run = _Run(event)
        self.runs[event.id.n] = self.standing[event.id.n] = run
        self._own.add(run.path, run)
        self._everybody.add(run.path, run)

    def _end(self, n: int, event: Event) -> None:
        run = self.standing.pop(n, None)
        if run is not None:
            run.ended = event
            self._own.drop(run.path, run)
            self._everybody.drop(run.path, run)


class Claims:
    """All claims of one repo. *now* is this host's wall clock, in seconds."""

    def __init__(self) -> None:
        self._holders: dict[tuple[str, PeerId], _Holder] = {}
        self._restless: set[_Holder] = set()  # have words that are not replayed
        self._everybody = Covers[_Run]()
        self._over: dict[EventId, list[Event]] = {}  # the claims whose sayers knew this one as ended

    def add(self, event: Event) -> None:
        """Hear an event of one of the kinds that concern claims; each event once."""
        holder = self._holders.get((event.id.log, event.by))
        if holder is None:
            holder = self._holders[event.id.log, event.by] = _Holder(self._everybody)
        holder.add(event)
        self._restless.add(holder)
        if event.kind == What.CLAIM:
            for log, n in event.data.get("over", ()):
                self._over.setdefault(EventId(log, n), []).append(event)

    def live(self, now: float) -> list[Claim]:
        """All that run, in order of place."""
        return _claims(self._live(now))

    def holder(self, path: str, now: float) -> Claim | None:
        """The claim that holds the exact, tidy *path*."""
        self._settle()
        running = [run for run in self._everybody.of(path) if self._runs(run, now)]
        return min(running, key=_place).shown() if running else None

    def against(self, me: PeerId, path: str, now: float) -> Claim | None:
        """The claim of another that holds *path*."""
        claim = self.holder(path, now)
        return claim if claim is not None and claim.by != me else None

    def held_by(self, me: PeerId, now: float) -> list[Claim]:
        """Claims of *me* that run, in order of place."""
        return _claims(self._live(now, lambda by: by == me))

    def others(self, me: PeerId, now: float) -> list[Claim]:
        """Claims of others that run, in order of place."""
        return _claims(self._live(now, lambda by: by != me))

    def any_other(self, me: PeerId, now: float) -> bool:
        """Whether somebody other than *me* has a claim that runs."""
        return any(True for _ in self._live(now, lambda by: by != me))

    def lost(self, me: PeerId, now: float) -> list[tuple[Claim, Claim]]:
        """Claims of *me* that yield to another's, with that one; in order of place.

        Either both run and the other was first, or the other's sayer took mine for ended.
        """
        pairs = []
        others = sorted(self._live(now, lambda by: by != me), key=_place)
        rivals = Overlaps((run.path, run) for run in others)
        mine = [holder for (_, by), holder in self._holders.items() if by == me]
        for run in (run for holder in mine for run in holder.standing.values() if run.until > now):
            winner = self._winner(run, rivals, now)
            if winner is not None:
                pairs.append((run.shown(), winner.shown()))
        return sorted(pairs, key=lambda pair: pair[0].place)

    def over(self, path: str, now: float) -> list[list[Any]]:
        """For a new claim's ``over``: claims that time ended here, and may not have elsewhere; the newest 64."""
        self._settle()
        standing = (run for holder in self._holders.values() for run in holder.standing.values())
        ended = [
            run
            for run in standing
            if run.until <= now and overlap(run.path, path) and self._passed(run) is None
        ]
        ended.sort(key=_place)
        return [[run.event.id.log, run.event.id.n] for run in ended[-OVER_LIMIT:]]

    def needed(self, now: float, late: float) -> set[EventId]:
        """The events that this view stands on, now and later.

        Args:
            now: claims that ran out may be forgotten, with what ended them: by now they ended on all hosts.
            late: what another host said since this time may still be under way, such as an edit that renewed a
                claim before we took it for ended; and claims that one of ours says are over.
        """
        self._settle()
        runs = [run for holder in self._holders.values() for run in holder.runs.values()]
        kept = {run.event.id: run for run in runs if _counts(run, now, late)}
        found = list(kept.values())
        while found:  # what is over must not begin again because we forget who said so
            passed = self._passed(found.pop())
            if passed is not None and passed.id not in kept:
                kept[passed.id] = self._run(passed)
                found.append(kept[passed.id])
        return {event.id for run in kept.values() for event in run.stands_on()}

    def keep(self, needed: set[EventId]) -> None:
        """Forget all events but those *needed*."""
        for key, holder in list(self._holders.items()):
            holder.keep(needed)
            self._restless.add(holder)
            if not holder.said:
                self._restless.discard(self._holders.pop(key))
        over = {one: [event for event in by if event.id in needed] for one, by in self._over.items()}
        self._over = {one: by for one, by in over.items() if by}

    def _settle(self) -> None:
        while self._restless:
            self._restless.pop().settle()

    def _live(self, now: float, of: Callable[[PeerId], bool] = lambda by: True) -> Iterator[_Run]:
        self._settle()
        holders = [holder for (_, by), holder in self._holders.items() if of(by)]
        return (run for holder in holders for run in holder.standing.values() if self._runs(run, now))

    def _runs(self, run: _Run, now: float) -> bool:
        return run.until > now and run.ended is None and self._passed(run) is None

    def _passed(self, run: _Run) -> Event | None:
        """The first claim whose sayer knew *run* as ended."""
        by = self._over.get(run.event.id)
        fitting = [one for one in by or () if one.place > run.place and overlap(one.data["path"], run.path)]
        return min(fitting, key=_place) if fitting else None

    def _winner(self, run: _Run, rivals: Overlaps[_Run], now: float) -> _Run | None:
        passed = self._passed(run)
        if passed is not None:
            winner = self._run(passed)
            return winner if passed.by != run.event.by and self._runs(winner, now) else None
        first = rivals.first(run.path)
        return first if first is not None and first.place < run.place else None

    def _run(self, claim: Event) -> _Run:
        return self._holders[claim.id.log, claim.by].runs[claim.id.n]


def _claims(runs: Iterable[_Run]) -> list[Claim]:
    return [run.shown() for run in sorted(runs, key=_place)]


def _counts(run: _Run, now: float, late: float) -> bool:
    """Whether *run* must be remembered for itself."""
    if run.event.data.get("over") and run.event.at > late:
        return True
    # That of another host may have run on without our knowing yet.
    return run.until > (late if run.event.host_key and run.ended is None else now)
