"""Logs for tests, and what is said in them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from peermesh.core.events import Draft, Event, EventId
from peermesh.store.log import LogStore, Part
from tests.store.boxes import ANN, CLOCK

LAP, OLD = "aa" * 32, "bb" * 32
REPO = "remote:git.example/app"
# The log of the host LAP, in its first two epochs.
LOG, EPOCH, NEXT = "1" * 16, "e" * 16, "f" * 16


def counted(first: int = 0) -> Callable[[], str]:
    """Makes ids that are the same in each run."""
    numbers = itertools.count(first)
    return lambda: f"{next(numbers):016x}"


@contextmanager
def log(root: Path, first: int = 0xA0) -> Iterator[LogStore]:
    """The log in *root*, made if there is none."""
    root.mkdir(exist_ok=True)
    store = LogStore(str(root), counted(first))
    try:
        yield store
    finally:
        store.close()


def draft(kind: str = "note", repo: str = REPO, by: str = ANN, *, here: bool = False, **data: Any) -> Draft:
    """Something to say."""
    return Draft(by=by, name="ann", repo=repo, kind=kind, data=data or {"text": "hi"}, here=here)


def say(store: LogStore, *notes: str, repo: str = REPO) -> list[Event]:
    """Say some notes."""
    return [store.say(draft(text=text, repo=repo), CLOCK) for text in notes]


def heard(n: int, kind: str = "note", *, stamp: int = 0, log: str = LOG, **data: Any) -> Event:
    """An event of the host LAP's log."""
    return Event(
        id=EventId(log, n),
        stamp=stamp or n,
        by="bbbbbbbb",
        name="bob",
        repo=REPO,
        kind=kind,
        data=data or {"text": str(n)},
        at=CLOCK,
    )


def part(after: int, upto: int, *events: Event, epoch: str = EPOCH, **more: Any) -> Part:
    """A part of that log, with an event for each number if none are given."""
    return Part(
        events[0].id.log if events else more.pop("log", LOG), epoch, after, upto, tuple(events), **more
    )


def notes(after: int, upto: int, epoch: str = EPOCH) -> Part:
    """A part with a note for each number."""
    return part(after, upto, *(heard(n) for n in range(after + 1, upto + 1)), epoch=epoch)


def texts(store: LogStore, repo: str = REPO) -> list[str]:
    """What the notes of a repo say, in order of arrival."""
    return [one.data["text"] for _, one in store.since(repo, 0)]


def bare(event: Event) -> Event:
    """*event* without what differs from host to host."""
    return replace(event, at=0.0, host_key="", here=False)
