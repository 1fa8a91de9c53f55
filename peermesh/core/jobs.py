"""Jobs as hosts tell of them: the newest word on each. Of its own jobs a host knows more than it says here."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from peermesh.core.events import Event, EventId
from peermesh.core.words import PeerId

JOB_ID_LENGTH = 6  # letters of PEER_ID_ALPHABET

RUNNING, ENDED, LOST = "running", "ended", "lost"
JOB_STATES = (RUNNING, ENDED, LOST)

# A job that has ended is shown for a day.
SHOWN = 86_400.0  # seconds
# Of one that runs, its host says something at least once a day: one that is silent for so long, with its host
# gone for good, is shown no longer.
SILENT = 7 * 86_400.0
# The newest ones of a repo.
JOBS = 1_000

Place = tuple[int, str, int]
_place = attrgetter("place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is known of a job by what was said."""

    id: str
    by: PeerId
    by_name: str  # as it was then
    host_key: str  # "" is this host
    name: str
    cmd: str
    state: str  # RUNNING, ENDED, LOST: how it ended nobody knows
    code: int | None
    signal: str
    seconds: float  # for which it ran by then
    line: str  # how far it is: the last line of its output
    branch: str
    at: float  # when this was said: this host's wall clock, in seconds
    place: Place

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.state != RUNNING


class Jobs:
    """The fold: hears what was said of jobs, in any order, and repeats too."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], Event] = {}  # by log and job

    def add(self, event: Event) -> None:
        """Hear *event*, of the kind ``job``."""
        key = event.id.log, event.data["job"]
        known = self._newest.get(key)
        if known is None or event.place > known.place:
            self._newest[key] = event
        if len(self._newest) > 2 * JOBS:
            self._trim()

    def _trim(self) -> None:
        """Forget all but the newest: what is heard later of the others is older, or makes them new again."""
        newest = sorted(self._newest.items(), key=lambda one: one[1].place)[-JOBS:]
        self._newest = dict(newest)

    def jobs(self, now: float) -> list[Job]:
        """The newest word on each job, in order of place; *now* is this host's wall clock, in seconds."""
        return [_job(one) for one in self._shown(now)]

    def _shown(self, now: float) -> list[Event]:
        newest = sorted(self._newest.values(), key=_place)[-JOBS:]
        return [one for one in newest if one.at > now - _life(one)]

    def needed(self, now: float) -> set[EventId]:
        """The events that are shown now, or may be later."""
        return {one.id for one in self._shown(now)}

    def keep(self, needed: set[EventId]) -> None:
        """Forget all other events."""
        self._newest = {key: one for key, one in self._newest.items() if one.id in needed}


def _life(event: Event) -> float:
    return SILENT if event.data["state"] == RUNNING else SHOWN


def _job(event: Event) -> Job:
    data = event.data
    return Job(
        id=data["job"],
        by=event.by,
        by_name=event.name,
        host_key=event.host_key,
        name=data["name"],
        cmd=data["cmd"],
        state=data["state"],
        code=data["code"],
        signal=data["signal"],
        seconds=data["seconds"],
        line=data["line"],
        branch=data.get("branch", ""),
        at=event.at,
        place=event.place,
    )
