"""The board: what is to be done, who took it, and what became of it.

A task's state is the replay of what was said of it, in the order of places. Who takes a task is settled by the host
where it was made: a ``take`` in that host's own log was checked as it was written, one in another log is pending
until that host's ``verdict``.

In the data of events a task goes by its eight letters, and the ``take`` that a verdict is about by log and number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any

from peermesh.core.events import Event, EventId, What, task_id
from peermesh.core.words import PeerId

Place = tuple[int, str, int]

OPEN, TAKEN, DONE, DROPPED = "open", "taken", "done", "dropped"
CLOSED = frozenset({DONE, DROPPED})

# Closed tasks that are remembered however old they are.
CLOSED_KEPT = 200
# What was said of one task before it was last put back on the board is remembered up to this many events.
HISTORY = 50
# Events about tasks that were not heard of yet: another host's log may come long before the home's.
ORPHANS = 10_000

_place = attrgetter("place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to be done. Times are this host's wall clock, in seconds."""

    id: str
    made: EventId
    title: str
    after: tuple[str, ...]
    by: PeerId  # who made it
    by_name: str
    at: float
    host_key: str  # where it was made; "" is this host
    state: str = OPEN
    owner: PeerId = ""
    owner_name: str = ""
    confirmed: bool = False  # the host where it was made knows who took it
    why: str = ""  # why it returned, was done or was dropped
    changed_at: float = 0.0
    closed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Somebody's wish, said on another host than the task's, that *to* has it."""

    id: EventId
    place: Place
    task: str
    by: PeerId
    by_name: str
    to: PeerId
    to_name: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was said of a task, for its history."""

    what: str  # the event's kind
    by: PeerId
    by_name: str
    host_key: str
    at: float
    to_name: str = ""
    why: str = ""
    granted: bool | None = None  # of a verdict


@dataclass(slots=True)
class _State:
    """A task in the middle of its replay."""

    log: str  # where it was made
    state: str = OPEN
    owner: PeerId = ""
    owner_name: str = ""
    confirmed: bool = False
    why: str = ""
    changed_at: float = 0.0
    closed_by: str = ""
    pending: dict[EventId, Event] = field(default_factory=dict)
    verdicts: dict[EventId, tuple[bool, str]] = field(default_factory=dict)
    lost: set[EventId] = field(default_factory=set)  # takes of those who died before a verdict
    steps: list[Event] = field(default_factory=list)  # what counted
    reset: int = 0  # how many of these came before it was last put back, which makes up for all of them

    def hear(self, event: Event) -> None:
        match event.kind:
            case What.TAKE:
                self._take(event)
            case What.VERDICT:
                if event.id.log != self.log:
                    return
                self._verdict(event)
            case What.DONE | What.DROP:
                self._close(event)
            case What.REOPEN:
                self._reopen(event)
            case What.GONE:
                if not self._end(event):
                    return
        self.steps.append(event)

    def _take(self, event: Event) -> None:
        if self.state in CLOSED:
            self.verdicts[event.id] = False, f"it is {self.state}"
        elif event.id.log == self.log:
            self.verdicts[event.id] = True, ""
            self._give(event)
        else:
            self.pending[event.id] = event

    def _verdict(self, event: Event) -> None:
        data = event.data
        take = EventId(*data["take"])
        self.pending.pop(take, None)
        granted = bool(data["granted"]) and self.state not in CLOSED and take not in self.lost
        if granted:
            self._give(event)
        if take not in self.lost:
            self.verdicts[take] = granted, data.get("why", "") or ("" if granted else f"it is {self.state}")

    def _give(self, event: Event) -> None:
        self.state, self.confirmed, self.why, self.changed_at = TAKEN, True, "", event.at
        self.owner, self.owner_name = event.data["to"], event.data.get("to_name", "")

    def _close(self, event: Event) -> None:
        if self.state not in CLOSED:
            self.state = DONE if event.kind == What.DONE else DROPPED
            self.why, self.changed_at, self.closed_by = event.data.get("why", ""), event.at, event.name

    def _reopen(self, event: Event) -> None:
        self._drop_pending(f"{event.name} put it back on the board", list(self.pending))
        self._back(event, event.data.get("why", ""))
        self.lost.clear()
        self.reset = len(self.steps)

    def _back(self, event: Event, why: str) -> None:
        self.state, self.owner, self.owner_name, self.confirmed = OPEN, "", "", False
        self.why, self.changed_at, self.closed_by = why, event.at, ""

    def _end(self, event: Event) -> bool:
        """The session of somebody who was to have it died: whether that changed anything."""
        why = event.data.get("why", "") or f"the session of {event.name} ended"
        theirs = [one for one, take in self.pending.items() if take.data["to"] == event.by]
        self._drop_pending(why, theirs)
        self.lost.update(theirs)
        owned = self.state == TAKEN and self.owner == event.by
        if owned:
            self._back(event, why)
        return owned or bool(theirs)

    def _drop_pending(self, why: str, takes: list[EventId]) -> None:
        for take in takes:
            del self.pending[take]
            self.verdicts[take] = False, why


_UNHEARD = _State("")  # of all tasks of which nothing was said


class _Thread:
    """What was said of one task."""

    __slots__ = ("id", "made", "said", "state", "task")

    def __init__(self, one: str) -> None:
        self.id = one
        self.made: Event | None = None
        self.said: list[Event] = []
        self.state = _UNHEARD
        self.task: Task | None = None

    def replay(self, ends: dict[PeerId, list[Event]]) -> None:
        """Go through all of it in order; *ends* are those of sessions that died."""
        if self.made is None:
            return
        takers = {one.data["to"] for one in self.said if one.kind in (What.TAKE, What.VERDICT)}
        said = self.said + [one for peer in takers for one in ends.get(peer, ())]
        self.state = _State(self.made.id.log) if said else _UNHEARD
        for event in sorted((one for one in said if one.place > self.made.place), key=_place):
            self.state.hear(event)
        self.task = _task(self.id, self.made, self.state)

    def needed(self) -> Iterator[Event]:
        """What tells the same of it as all that was said."""
        if self.made is not None:
            yield self.made
        state = self.state
        yield from state.steps[min(state.reset, max(0, len(state.steps) - HISTORY)) :]


def _task(one: str, made: Event, state: _State) -> Task:
    first = min(state.pending.values(), key=_place, default=None) if state.state == OPEN else None
    return Task(
        id=one,
        made=made.id,
        title=made.data["title"],
        after=tuple(made.data.get("after", ())),
        by=made.by,
        by_name=made.name,
        at=made.at,
        host_key=made.host_key,
        state=state.state if first is None else TAKEN,
        owner=state.owner if first is None else first.data["to"],
        owner_name=state.owner_name if first is None else first.data.get("to_name", ""),
        confirmed=state.confirmed,
        why=state.why if first is None else "",
        changed_at=first.at if first is not None else state.changed_at or made.at,
        closed_by=state.closed_by,
    )


class Board:
    """All tasks of one repo."""

    def __init__(self) -> None:
        self._threads: dict[str, _Thread] = {}
        self._orphans: dict[str, _Thread] = {}  # their task was not heard of yet
        self._waiting = 0  # events in those
        self._stale: set[_Thread] = set()
        self._ends: dict[PeerId, list[Event]] = {}  # of sessions that died
        self._of: dict[PeerId, set[_Thread]] = {}  # in which somebody was to have the task
        self._takes: dict[EventId, _Thread] = {}
        self._shown: list[Task] | None = []

    def add(self, event: Event) -> None:
        """Hear an event of one of the kinds that concern tasks; each event once."""
        match event.kind:
            case What.TASK:
                self._make(event)
            case What.GONE:
                self._end(event)
            case _:
                self._say(event)

    def tasks(self) -> list[Task]:
        """All of them, in the order in which they were made."""
        self._settle()
        if self._shown is None:
            found = [(thread.made.place, thread.task) for thread in self._threads.values() if thread.made]
            self._shown = [task for _, task in sorted(found, key=itemgetter(0)) if task is not None]
        return list(self._shown)

    def find(self, prefix: str) -> list[Task]:
        """Those whose id begins with *prefix*, in the order in which they were made."""
        return [task for task in self.tasks() if task.id.startswith(prefix.lower())]

    def waits_for(self, task: Task) -> list[Task]:
        """The tasks after which *task* comes that are not closed. One that is not known is not waited for."""
        self._settle()
        found = [self._threads[one].task for one in task.after if one in self._threads]
        return [one for one in found if one is not None and one.state not in CLOSED]

    def history(self, task: str) -> list[Step]:
        """What was said of the task with the whole id *task* and of its owners' ends, the newest 50."""
        self._settle()
        thread = self._threads.get(task)
        return [_step(one) for one in thread.state.steps[-HISTORY:]] if thread else []

    def pending(self, me: PeerId) -> list[Take]:
        """Takes that *me* said, or that are for *me*, without a verdict; in order of place."""
        takes = [one for _, one in self._pending() if me in (one.by, one.data["to"])]
        return [_taken(one) for one in sorted(takes, key=_place)]

    def verdict_on(self, take: EventId) -> tuple[bool | None, str]:
        """What became of *take*: granted or refused and why, None as long as that is not known."""
        self._settle()
        thread = self._takes.get(take)
        return (None, "") if thread is None else thread.state.verdicts.get(take, (None, ""))

    def verdicts(self, own_log: str, away: Callable[[PeerId], bool]) -> list[dict[str, Any]]:
        """The data of the ``verdict`` events that the host with the log *own_log* owes, in order of place.

        Args:
            own_log: whose tasks these are about.
            away: whether a peer is not there: then another may have its task.
        """
        owed: list[tuple[Place, dict[str, Any]]] = []
        for thread in {thread for thread, _ in self._pending() if thread.state.log == own_log}:
            owed += _judged(thread, away)
        return [data for _, data in sorted(owed, key=itemgetter(0))]

    def needed(self, late: float) -> set[EventId]:
        """The events that this view stands on, now and later.

        Args:
            late: tasks that were closed before may be forgotten unless they are among the newest 200; and what
                was said before of tasks that are still not known.
        """
        self._settle()
        closed = sorted(
            (thread for thread in self._threads.values() if thread.state.state in CLOSED),
            key=lambda thread: (thread.state.changed_at, thread.id),
        )
        old = {thread for thread in closed[:-CLOSED_KEPT] if thread.state.changed_at <= late}
        needed = {one.id for thread in self._threads.values() if thread not in old for one in thread.needed()}
        needed.update(one.id for thread in self._orphans.values() for one in thread.said if one.at > late)
        # The end of somebody whom the home, not knowing it yet, made a task's owner.
        needed.update(one.id for ends in self._ends.values() for one in ends if one.at > late)
        return needed

    def keep(self, needed: set[EventId]) -> None:
        """Forget all events but those *needed*."""
        threads = [*self._threads.values(), *self._orphans.values()]
        said = [one for thread in threads for one in (*([thread.made] if thread.made else []), *thread.said)]
        said += [one for ends in self._ends.values() for one in ends]
        for table in (self._threads, self._orphans, self._ends, self._of, self._takes):
            table.clear()
        self._stale.clear()
        self._waiting, self._shown = 0, []
        for one in said:
            if one.id in needed:
                self.add(one)

    def _make(self, event: Event) -> None:
        one = task_id(event.id)
        thread = self._threads.get(one)
        if thread is None:
            thread = self._orphans.pop(one, None) or _Thread(one)
            self._waiting -= len(thread.said)
            self._threads[one] = thread
        if thread.made is None or event.place < thread.made.place:
            thread.made = event
            self._stale.add(thread)

    def _say(self, event: Event) -> None:
        one = event.data["task"]
        thread = self._threads.get(one) or self._orphan(one)
        thread.said.append(event)
        self._stale.add(thread)
        if event.kind in (What.TAKE, What.VERDICT):
            self._of.setdefault(event.data["to"], set()).add(thread)
        if event.kind == What.TAKE:
            self._takes[event.id] = thread

    def _orphan(self, one: str) -> _Thread:
        if self._waiting >= ORPHANS:
            self._forget(self._orphans.pop(next(iter(self._orphans))))
        self._waiting += 1
        return self._orphans.setdefault(one, _Thread(one))

    def _forget(self, orphan: _Thread) -> None:
        self._waiting -= len(orphan.said)
        self._stale.discard(orphan)
        for threads in self._of.values():
            threads.discard(orphan)
        for one in orphan.said:
            self._takes.pop(one.id, None)

    def _end(self, event: Event) -> None:
        if event.data.get("died"):
            self._ends.setdefault(event.by, []).append(event)
            self._stale.update(self._of.get(event.by, ()))

    def _settle(self) -> None:
        if self._stale:
            self._shown = None
        while self._stale:
            self._stale.pop().replay(self._ends)

    def _pending(self) -> list[tuple[_Thread, Event]]:
        self._settle()
        return [(thread, one) for thread in self._threads.values() for one in thread.state.pending.values()]


def _judged(thread: _Thread, away: Callable[[PeerId], bool]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The verdicts on the takes of one task."""
    state, granted = thread.state, False
    owner, name = state.owner, state.owner_name
    for take in sorted(state.pending.values(), key=_place):
        to, why = take.data["to"], ""
        if state.state in CLOSED:
            why = f"it is {state.state}"
        elif owner in ("", to, take.by) or (not granted and away(owner)):
            owner, name, granted = to, take.data.get("to_name", ""), True
        else:
            why = f"{name or owner} has it"
        yield (
            take.place,
            {
                "task": thread.id,
                "take": [take.id.log, take.id.n],
                "granted": not why,
                "to": to,
                "to_name": take.data.get("to_name", ""),
                "why": why,
            },
        )


def _taken(take: Event) -> Take:
    return Take(
        id=take.id,
        place=take.place,
        task=take.data["task"],
        by=take.by,
        by_name=take.name,
        to=take.data["to"],
        to_name=take.data.get("to_name", ""),
        at=take.at,
    )


def _step(event: Event) -> Step:
    return Step(
        what=event.kind,
        by=event.by,
        by_name=event.name,
        host_key=event.host_key,
        at=event.at,
        to_name=event.data.get("to_name", ""),
        why=event.data.get("why", ""),
        granted=event.data.get("granted"),
    )
