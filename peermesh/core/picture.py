"""What everybody of one repo knows together: claims, tasks, edits, notes and jobs, out of what was said.

The same events give the same picture, in whatever order and however often they are heard. Of one log, what is heard
after a `prune` was also said after what was heard before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from peermesh.core.claims import Claims
from peermesh.core.events import Event, EventId, What
from peermesh.core.jobs import Job, Jobs
from peermesh.core.tasks import Board
from peermesh.core.words import PeerId

Place = tuple[int, str, int]

EDITS = 1_800.0  # seconds for which an edit is shown
RECENT = 600.0  # seconds for which it is a reason to look before one edits
NOTES = 1_000  # the newest ones are remembered

# What another host said may be on its way for a weekend and some days.
LATE = 7 * 86_400.0  # seconds
# Events of kinds that only later versions know.
UNKNOWN = 10_000

_place = attrgetter("place")
_KNOWN = frozenset(What)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Somebody edited a file."""

    id: EventId
    by: PeerId
    name: str  # of who did, as it was then
    host_key: str  # "" is this host
    path: str
    branch: str
    at: float  # this host's wall clock, in seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One entry in the feed of the repo."""

    id: EventId
    place: Place
    by: PeerId
    name: str
    host_key: str
    text: str
    discovery: bool
    paths: tuple[str, ...]
    at: float


class Picture:
    """The shared picture of one repo. *now* is this host's wall clock, in seconds.

    Args:
        notes: how many of the newest notes are remembered.
    """

    def __init__(self, notes: int = NOTES) -> None:
        self.claims = Claims()
        self.board = Board()
        self._edits: dict[PeerId, dict[str, Event]] = {}  # the last of each peer and path
        self._last: dict[PeerId, float] = {}  # when each peer edited last
        self._notes = _Newest(notes)
        self._jobs = Jobs()
        self._unknown = _Newest(UNKNOWN)
        self._tops: dict[str, int] = {}  # the last event of each log
        self._pruned: dict[str, int] = {}  # the same when last something was forgotten
        self._heard: set[EventId] = set()  # since then

    def add(self, event: Event) -> None:
        """Hear *event*, which is of this repo and as `checked` leaves it. Repeats are ignored."""
        log, n = event.id.log, event.id.n
        if event.id in self._heard or n <= self._pruned.get(log, 0):
            return
        self._heard.add(event.id)
        self._tops[log] = max(n, self._tops.get(log, 0))
        match event.kind:
            case What.EDIT:
                self._edited(event)
                self.claims.add(event)
            case What.CLAIM | What.RENEW | What.RELEASE:
                self.claims.add(event)
            case What.GONE:
                self.claims.add(event)
                self.board.add(event)
            case What.NOTE:
                self._notes.add(event)
            case What.JOB:
                self._jobs.add(event)
            case kind if kind in _KNOWN:
                self.board.add(event)
            case _:
                self._unknown.add(event)

    def touches(self, me: PeerId, now: float, recent: float = RECENT) -> bool:
        """Whether somebody other than *me* holds anything, or edited anything in the *recent* seconds."""
        return any(at > now - recent for by, at in self._last.items() if by != me) or self.claims.any_other(
            me, now
        )

    def files(self, by: PeerId, now: float, within: float = EDITS) -> list[Edit]:
        """What *by* edited in the last *within* seconds (at most half an hour), the newest first."""
        edits = self._edits.get(by, {}).values()
        return _shown([one for one in edits if one.at > now - min(within, EDITS)])

    def edits(self, now: float, within: float = EDITS) -> list[Edit]:
        """What anybody edited in the last *within* seconds (at most half an hour), the newest first."""
        edits = [one for files in self._edits.values() for one in files.values()]
        return _shown([one for one in edits if one.at > now - min(within, EDITS)])

    def editors(self, path: str, now: float, within: float = EDITS) -> list[Edit]:
        """Who edited the tidy *path* in the last *within* seconds (at most half an hour), the newest first."""
        edits = [files[path] for files in self._edits.values() if path in files]
        return _shown([one for one in edits if one.at > now - min(within, EDITS)])

    def notes(self) -> list[Note]:
        """The newest notes, in order of place."""
        return [_note(one) for one in self._notes.events()]

    def jobs(self, now: float) -> list[Job]:
        """The newest word on each job, in order of place."""
        return self._jobs.jobs(now)

    def needed(self, now: float) -> set[EventId]:
        """The events that this picture stands on, now and later; all others of what it heard may be forgotten."""
        late = now - LATE
        edits = [one for files in self._edits.values() for one in files.values()]
        return {
            *self.claims.needed(now, late),
            *self.board.needed(late),
            *(one.id for one in edits if one.at > now - EDITS),
            *(one.id for one in self._notes.events()),
            *self._jobs.needed(now),
            *(one.id for one in self._unknown.events() if one.at > late),
        }

    def prune(self, now: float) -> None:
        """Forget what is not needed. Nothing that is shown at *now* or after it changes by that."""
        needed = self.needed(now)
        self.claims.keep(needed)
        self.board.keep(needed)
        self._notes.keep(needed)
        self._jobs.keep(needed)
        self._unknown.keep(needed)
        edits = [one for files in self._edits.values() for one in files.values() if one.id in needed]
        self._edits = {}
        # Of each path the edit that comes last is kept, which is not the newest where a clock was set back.
        self._last = {by: at for by, at in self._last.items() if at > now - EDITS}
        for one in edits:
            self._edited(one)
        self._pruned = dict(self._tops)
        self._heard.clear()  # what was heard before is told by its number from now on

    def _edited(self, event: Event) -> None:
        files = self._edits.setdefault(event.by, {})
        path = event.data["path"]
        known = files.get(path)
        if known is None or event.place > known.place:
            files[path] = event
        self._last[event.by] = max(event.at, self._last.get(event.by, event.at))


class _Newest:
    """The newest of the events it is given, in order of place."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._events: list[Event] = []
        self._in_order = True

    def add(self, event: Event) -> None:
        self._events.append(event)
        self._in_order = False
        if len(self._events) > 2 * self._most:
            self.events()

    def events(self) -> list[Event]:
        if not self._in_order:
            self._events.sort(key=_place)
            del self._events[: -self._most or None]
            self._in_order = True
        return self._events

    def keep(self, needed: set[EventId]) -> None:
        self._events = [one for one in self.events() if one.id in needed]


def _shown(edits: list[Event]) -> list[Edit]:
    return [_edit(one) for one in sorted(edits, key=lambda one: (one.at, one.place), reverse=True)]


def _edit(event: Event) -> Edit:
    return Edit(
        id=event.id,
        by=event.by,
        name=event.name,
        host_key=event.host_key,
        path=event.data["path"],
        branch=event.data.get("branch", ""),
        at=event.at,
    )


def _note(event: Event) -> Note:
    data = event.data
    return Note(
        id=event.id,
        place=event.place,
        by=event.by,
        name=event.name,
        host_key=event.host_key,
        text=data["text"],
        discovery=bool(data.get("discovery")),
        paths=tuple(data.get("paths", ())),
        at=event.at,
    )
