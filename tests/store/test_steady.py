"""A wall clock that is set moves the times of the log with it: leases and ages stay as long as they were."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from peermesh.core.events import Draft, What
from peermesh.errors import DiskFull
from peermesh.store import steady
from peermesh.store.log import LogStore

REPO = "remote:example.invalid/acme/shop"
AT = 1_700_000_000.0

Set = Callable[[float], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets by how much the wall clock is ahead; AT at first."""
    now = [AT]
    monkeypatch.setattr(steady, "ahead", lambda: now[0])

    def to(ahead: float) -> None:
        now[0] = ahead

    return to


@contextmanager
def log(root: Path, boot: str = "this run") -> Iterator[LogStore]:
    """The log of that run of the machine."""
    with closing(LogStore(str(root), boot=boot)) as store:
        yield store


def say(store: LogStore, at: float) -> None:
    """A note."""
    draft = Draft(by="k3m9x2ab", name="ann", repo=REPO, kind=What.NOTE, data={"text": "so"})
    store.say(draft, at)


def times(store: LogStore) -> list[float]:
    """When all was said, as the log has it now."""
    store.revision()
    return [event.at for _, event in store.since(REPO, 0)]


@pytest.mark.parametrize("by", [-86_400.0, -30.0, 30.0, 86_400.0])
def test_the_times_follow(tmp_path: Path, clock: Set, by: float) -> None:
    """Once, for every process, and all pictures are made anew."""
    with log(tmp_path) as one, log(tmp_path) as two:
        say(one, AT)
        before = one.generation()
        clock(AT + by)
        assert times(two) == times(one) == [AT + by]
        assert one.generation() > before
        assert times(one) == times(two) == [AT + by]
    with log(tmp_path) as again:
        assert times(again) == [AT + by]


def test_the_quick_look_follows_too(tmp_path: Path, clock: Set) -> None:
    """Who only looks at the files' times sees that the clock was set, too, by the write that follows it."""
    with log(tmp_path) as one:
        say(one, AT)
        os.utime(tmp_path / "log.db-wal", (1, 1))  # long ago: nobody would ask SQLite
        before = one.sign()
        assert before is not None
        assert one.sign() == before
        clock(AT + 3_600)
        assert one.sign() != before
        assert times(one) == [AT + 3_600]


def test_what_is_said_after_it_is_not_moved(tmp_path: Path, clock: Set) -> None:
    """Also if nobody looked between the setting and the saying."""
    with log(tmp_path) as one:
        say(one, AT)
        clock(AT + 3_600)
        say(one, AT + 3_600 + 1)
        assert times(one) == [AT + 3_600, AT + 3_601]


def test_a_clock_that_was_set_while_nobody_was_there(tmp_path: Path, clock: Set) -> None:
    """Whoever comes next follows it."""
    with log(tmp_path) as one:
        say(one, AT)
    clock(AT - 3_600)
    with log(tmp_path) as two:
        assert times(two) == [AT - 3_600]


def test_another_run_of_the_machine(tmp_path: Path, clock: Set) -> None:
    """How long it was off only the wall clock knows: it is believed, and followed from there."""
    with log(tmp_path) as one:
        say(one, AT)
    clock(AT + 500)
    with log(tmp_path, "the next") as two:
        assert times(two) == [AT]
        clock(AT + 600)
        assert times(two) == [AT + 100]


@pytest.mark.parametrize("by", [-1.9, 1.9])
def test_small_corrections_are_none(tmp_path: Path, clock: Set, by: float) -> None:
    """Two clocks are never read at once."""
    with log(tmp_path) as one:
        say(one, AT)
        clock(AT + by)
        assert times(one) == [AT]


def test_where_the_run_is_not_known(tmp_path: Path, clock: Set) -> None:
    """A restart looks like a setting there: nothing is moved."""
    with log(tmp_path, "") as one:
        say(one, AT)
        clock(AT + 3_600)
        assert times(one) == [AT]


def test_a_full_disk(tmp_path: Path, clock: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log can be read meanwhile, and follows later."""
    with log(tmp_path) as one:
        say(one, AT)
        clock(AT + 3_600)
        with monkeypatch.context() as full:
            full.setattr(steady, "follow", lambda *_: (_ for _ in ()).throw(DiskFull()))
            assert times(one) == [AT]
        assert times(one) == [AT + 3_600]


def test_the_clock_itself() -> None:
    """It is ahead of one that counts on."""
    first = steady.ahead()
    time.sleep(0.01)
    assert abs(steady.ahead() - first) < 1
