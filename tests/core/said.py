"""Hosts whose peers say things, for tests of what is folded out of events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from peermesh.core.events import Event, EventId, task_id
from peermesh.core.picture import Picture

REPO = "example.org/team/app"


class Host:
    """One host's log, as it is said: event after event, each stamped larger than all it heard of.

    Args:
        letter: its log is sixteen of these; "a" is the host on which the test looks.
    """

    def __init__(self, letter: str = "a") -> None:
        self.log = letter * 16
        self.host_key = "" if letter == "a" else letter * 64
        self.stamp = 0
        self.said: list[Event] = []

    def hear(self, *events: Event) -> None:
        """What it says next is later than these."""
        self.stamp = max([self.stamp, *(one.stamp for one in events)])

    def say(self, kind: str, by: str, at: float = 0.0, **data: Any) -> Event:
        """The peer whose id is eight of the letter *by* says something at *at*."""
        self.stamp += 1
        event = Event(
            id=EventId(self.log, len(self.said) + 1),
            stamp=self.stamp,
            by=by * 8,
            name=f"session-{by}",
            repo=REPO,
            kind=kind,
            data=data,
            at=at,
            host_key=self.host_key,
        )
        self.said.append(event)
        return event

    def claim(
        self, by: str, path: str, at: float = 0.0, *, lease: float = 1_800.0, over: Iterable[Event] = ()
    ) -> Event:
        """A claim."""
        named = [[one.id.log, one.id.n] for one in over]
        return self.say("claim", by, at, path=path, why="", lease=lease, branch="main", over=named)

    def edit(self, by: str, path: str, at: float = 0.0) -> Event:
        """An edit."""
        return self.say("edit", by, at, path=path, branch="main")

    def renew(self, by: str, claim: Event, at: float, lease: float, why: str = "") -> Event:
        """A claim is to run on."""
        return self.say("renew", by, at, claim=claim.id.n, lease=lease, why=why)

    def release(self, by: str, *claims: Event, at: float = 0.0) -> Event:
        """Claims are given up."""
        return self.say("release", by, at, claims=[one.id.n for one in claims])

    def gone(self, by: str, at: float = 0.0, *, died: bool = False, why: str = "") -> Event:
        """A session ended."""
        return self.say("gone", by, at, died=died, why=why)

    def note(self, by: str, text: str, at: float = 0.0) -> Event:
        """A note."""
        return self.say("note", by, at, text=text, discovery=False, paths=[], sent=[])

    def task(self, by: str, title: str, *after: Event, at: float = 0.0) -> Event:
        """A task is made."""
        return self.say("task", by, at, title=title, after=[task_id(one.id) for one in after])

    def take(self, by: str, task: Event, to: str = "", at: float = 0.0) -> Event:
        """Somebody takes a task, or gives it *to* somebody."""
        to = to or by
        return self.say("take", by, at, task=task_id(task.id), to=to * 8, to_name=f"session-{to}")

    def word(self, kind: str, by: str, task: Event, at: float = 0.0, why: str = "") -> Event:
        """A task is done, dropped or reopened."""
        return self.say(kind, by, at, task=task_id(task.id), why=why)

    def verdict(self, by: str, task: Event, take: Event, at: float = 0.0, *, granted: bool = True) -> Event:
        """Its host's word on a taking."""
        named, to = [take.id.log, take.id.n], {"to": take.data["to"], "to_name": take.data["to_name"]}
        why = "" if granted else "somebody has it"
        return self.say("verdict", by, at, task=task_id(task.id), take=named, granted=granted, why=why, **to)


def picture(*events: Event, notes: int | None = None) -> Picture:
    """What these events show."""
    made = Picture() if notes is None else Picture(notes)
    for one in events:
        made.add(one)
    return made
