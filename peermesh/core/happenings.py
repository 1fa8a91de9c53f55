"""What happened, one line of it at a time: events and messages as people follow them in a feed.

Unlike a picture, which says how things are, a feed says what became different, in the order in which it was heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from peermesh.core.clean import called, span
from peermesh.core.events import Event, EventId, What, task_id
from peermesh.core.jobs import LOST, RUNNING
from peermesh.core.words import Message, PeerId

# What is remembered of claims, tasks and jobs, for the words about their ends.
REMEMBERED = 2_000
# Characters of a text in a feed; in full it stands where it was said.
TEXT_LIMIT = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happened. What does not apply is empty."""

    at: float  # wall clock, seconds
    kind: str  # message, receipt, note, discovery, claim, release, edit, task, job, joined, left
    by: PeerId = ""
    name: str = ""  # of *by*, as it was then
    host_key: str = ""  # where *by* is; "" is this host
    to: str = ""  # a name
    group: str = ""
    what: str = ""  # of a message: its kind; of a job that ended: fine, failed or unknown
    state: str = ""
    text: str = ""
    id: str = ""  # of the message, note, task or job
    path: str = ""


def said(message: Message, at: float, state: str) -> Happening:
    """That *message* was said or came, at *at* (wall clock, seconds), and how far it had got then."""
    return Happening(
        at=at,
        kind="message",
        by=message.id.peer,
        name=message.by,
        to=message.to_name,
        group=message.group,
        what=message.kind,
        state=state,
        text=message.body,
        id=str(message.id),
    )


def reached(message: Message, at: float, state: str, why: str = "") -> Happening:
    """That *message*, one of ours, reached *state*; *why* it was refused."""
    return Happening(
        at=at,
        kind="receipt",
        by=message.id.peer,
        name=message.by,
        to=message.to_name,
        what=message.kind,
        state=state,
        text=why,
        id=str(message.id),
    )


class Telling:
    """Puts one repo's events into words, each with what earlier ones said of the same thing."""

    def __init__(self) -> None:
        self._paths = _Newest()  # of claims
        self._titles = _Newest()  # of tasks
        self._jobs = _Newest()  # the state that was told last

    def of(self, event: Event) -> list[Happening]:
        """What there is to tell of *event*; nothing for kinds that are not known."""
        return [
            Happening(at=event.at, by=event.by, name=event.name, host_key=event.host_key, **fields)
            for fields in self._fields(event)
        ]

    def _fields(self, event: Event) -> Iterator[dict[str, Any]]:
        data = event.data
        match event.kind:
            case What.EDIT:
                yield {"kind": "edit", "path": data["path"], "text": data.get("branch", "")}
            case What.NOTE:
                kind = "discovery" if data.get("discovery") else "note"
                paths = ", ".join(data.get("paths") or ())
                yield {"kind": kind, "text": data["text"], "id": _id(event.id), "path": paths}
            case What.CLAIM:
                self._paths.put((event.id.log, event.id.n), data["path"])
                yield {
                    "kind": "claim",
                    "path": data["path"],
                    "text": data.get("why", ""),
                    "state": "held",
                }
            case What.RENEW:
                path = self._paths.get((event.id.log, data["claim"]))
                if path:
                    yield {"kind": "claim", "path": path, "text": data.get("why", ""), "state": "renewed"}
            case What.RELEASE:
                for n in data["claims"]:
                    path = self._paths.get((event.id.log, n))
                    yield {"kind": "release", "path": path, "state": "released"}
            case What.GONE:
                yield {
                    "kind": "release",
                    "text": data.get("why", ""),
                    "state": "died" if data.get("died") else "ended",
                }
            case What.JOB:
                yield from self._job(event)
            case _:
                yield from self._task(event)

    def _task(self, event: Event) -> Iterator[dict[str, Any]]:
        data, kind = event.data, event.kind
        if kind == What.TASK:
            one = task_id(event.id)
            self._titles.put(one, data["title"])
            yield {"kind": "task", "id": one, "text": data["title"], "state": "open"}
            return
        states = {
            What.TAKE: "taken",
            What.DONE: "done",
            What.DROP: "dropped",
            What.REOPEN: "reopened",
            What.VERDICT: "confirmed" if data.get("granted") else "refused",
        }
        if kind in states:
            one = str(data["task"])
            words = filter(None, (self._titles.get(one), data.get("why", "")))
            yield {
                "kind": "task",
                "id": one,
                "text": ": ".join(words),
                "state": states[What(kind)],
                "to": data.get("to_name", ""),
            }

    def _job(self, event: Event) -> Iterator[dict[str, Any]]:
        """Its start and its end; not each line that it prints."""
        data = event.data
        one, state = (event.id.log, data["job"]), data["state"]
        if self._jobs.get(one) == state:
            return
        self._jobs.put(one, state)
        how, what = _ended(data) if state != RUNNING else ("", "")
        text = f"{how}: {called(data['name'], data['cmd'])}" if how else called(data["name"], data["cmd"])
        yield {"kind": "job", "id": data["job"], "text": text, "state": state, "what": what}


def _ended(data: Mapping[str, Any]) -> tuple[str, str]:
    """How a job ended, "exit 1 after 3 min", and in a word: fine, failed, or unknown."""
    if data["state"] == LOST:
        how, what = "lost", "failed"
    elif data["signal"]:
        how, what = data["signal"], "failed"
    elif data["code"] is None:
        how, what = "ended", "unknown"
    else:
        how, what = (f"exit {data['code']}", "failed") if data["code"] else ("done", "fine")
    return f"{how} after {span(data['seconds'])}", what


def _id(one: EventId) -> str:
    return f"{one.log}-{one.n}"


class _Newest:
    """The newest of what it is given, by key."""

    def __init__(self) -> None:
        self._known: dict[object, str] = {}

    def put(self, key: object, text: str) -> None:
        self._known.pop(key, None)
        self._known[key] = text
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def get(self, key: object) -> str:
        return self._known.get(key, "")
