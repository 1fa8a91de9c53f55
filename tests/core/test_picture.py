"""The shared picture of a repo: edits, notes, repeats, what is forgotten, and how long it takes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from peermesh.core import picture as pictures
from peermesh.core.events import Event, EventId, task_id
from peermesh.core.picture import EDITS, LATE, NOTES, Picture
from tests.core.said import REPO, Host, picture

A, B, C = ("a" * 8, "b" * 8, "c" * 8)


def test_what_somebody_edited() -> None:
    """Each file once, with its last edit, the newest first; for half an hour."""
    host = Host("b")
    host.edit("b", "one", 1.0)
    host.edit("b", "two", 2.0)
    host.edit("b", "one", 3.0)
    host.edit("c", "three", 4.0)
    seen = picture(*host.said)
    found = seen.files(B, 5.0)
    assert [(one.path, one.at) for one in found] == [("one", 3.0), ("two", 2.0)]
    assert (found[0].by, found[0].name, found[0].host_key, found[0].branch) == (
        B,
        "session-b",
        "b" * 64,
        "main",
    )
    assert [one.path for one in seen.files(B, 5.0, within=2.5)] == ["one"]
    assert [one.path for one in seen.files(B, EDITS + 2.5)] == ["one"]
    assert seen.files(A, 5.0) == []


def test_who_edited_a_file() -> None:
    """Each peer once, the newest first."""
    host, other = Host("a"), Host("b")
    host.edit("a", "x", 1.0)
    other.edit("b", "x", 2.0)
    host.edit("c", "x", 3.0)
    host.edit("a", "x", 4.0)
    host.edit("a", "y", 5.0)
    seen = picture(*host.said, *other.said)
    assert [(one.by, one.at) for one in seen.editors("x", 6.0)] == [(A, 4.0), (C, 3.0), (B, 2.0)]
    assert [one.by for one in seen.editors("x", 6.0, within=2.5)] == [A]
    assert seen.editors("z", 6.0) == []


def test_whether_to_look_before_editing() -> None:
    """Only if another holds something, or edited something lately."""
    host = Host()
    seen = picture(host.edit("a", "x", 0.0))
    assert not seen.touches(A, 1.0)
    assert seen.touches(B, 599.0)
    assert not seen.touches(B, 600.0)
    assert seen.touches(B, 600.0, recent=700.0)
    seen.add(host.claim("a", "y", 1_000.0))
    assert not seen.touches(A, 1_001.0)
    assert seen.touches(B, 2_799.0)
    assert not seen.touches(B, 2_800.0)


def test_the_feed() -> None:
    """Notes in order of place, whatever the order in which they were heard."""
    host, other = Host("a"), Host("b")
    first, second = other.note("b", "first"), other.note("b", "second")
    host.hear(first, second)
    third = host.say("note", "a", 2.0, text="third", discovery=True, paths=["src/"])
    seen = picture(third, second, first)
    assert [one.text for one in seen.notes()] == ["first", "second", "third"]
    found = seen.notes()[2]
    assert (found.by, found.name, found.host_key, found.discovery) == (A, "session-a", "", True)
    assert (found.paths, found.at, found.id, found.place) == (("src/",), 2.0, third.id, third.place)


@pytest.mark.parametrize("most", [0, 1, 5, NOTES])
def test_so_many_notes(most: int) -> None:
    """The newest are kept, however they come in."""
    host = Host()
    for n in range(40):
        host.note("a", str(n))
    mixed = list(host.said)
    random.Random(most).shuffle(mixed)
    seen = picture(*mixed, notes=most)
    expected = [str(n) for n in range(40)][max(0, 40 - most) :]
    assert [one.text for one in seen.notes()] == expected
    assert {one.n for one in seen.needed(0.0)} == {int(n) + 1 for n in expected}


def test_a_repeat_is_nothing() -> None:
    """Heard again, and heard again after it was forgotten."""
    host = Host()
    claim = host.claim("a", "src/", lease=60.0)
    release = host.release("a", claim, at=1.0)
    seen = picture(*host.said, *host.said)
    seen.prune(60.0)
    assert seen.needed(60.0) == set()
    seen.add(claim)
    assert seen.claims.live(5.0) == []
    seen.add(release)
    seen.add(host.claim("a", "src/", 70.0))
    assert len(seen.claims.live(71.0)) == 1


def test_what_later_versions_say() -> None:
    """It shows nowhere, is kept for a week, and only so much of it."""
    host = Host("b")
    host.say("dance", "b", 0.0, step="left")
    seen = picture(*host.said)
    assert seen.needed(LATE - 1) == {host.said[0].id}
    assert seen.needed(LATE) == set()
    seen.prune(LATE)
    assert seen.needed(0.0) == set()


def test_unknown_kinds_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest of them are kept."""
    monkeypatch.setattr(pictures, "UNKNOWN", 10)
    host = Host("b")
    for _ in range(50):
        host.say("dance", "b", 0.0)
    assert {one.n for one in picture(*host.said).needed(0.0)} == set(range(41, 51))


def test_old_edits_are_forgotten() -> None:
    """After half an hour, and those that a newer one of the same file stands for."""
    host = Host()
    for at in (0.0, 10.0, 20.0):
        host.edit("a", "x", at)
    host.edit("a", "y", 5.0)
    assert {one.n for one in picture(*host.said).needed(30.0)} == {3, 4}
    seen = picture(*host.said)
    seen.prune(EDITS + 5.0)
    assert [one.path for one in seen.files(A, EDITS + 5.0)] == ["x"]
    seen.prune(EDITS + 20.0)
    assert (seen._edits, seen.needed(EDITS + 20.0)) == ({}, set())


@cache
def busy(count: int) -> tuple[Event, ...]:
    """A long day of three hosts with five sessions each, one event in a tenth of a second."""
    chance, hosts = random.Random(4), [Host(letter) for letter in "abc"]
    claimed: dict[str, list[Event]] = {}
    made: list[Event] = []
    said: list[Event] = []
    for n in range(count):
        which, at = chance.randrange(3), n / 10
        host, by = hosts[which], "abcdefghjkmnpqr"[which * 5 + chance.randrange(5)]
        host.stamp = n
        path, kind = f"src/d{chance.randrange(50)}/f{chance.randrange(200)}.py", chance.random()
        if kind < 0.6:
            said.append(host.edit(by, path, at))
        elif kind < 0.75:
            pattern = chance.choice([path, path.rpartition("/")[0] + "/", "src/**/*_test.py"])
            said.append(host.claim(by, pattern, at))
            claimed.setdefault(by, []).append(said[-1])
        elif kind < 0.85:
            said.append(host.release(by, *claimed.pop(by, []), at=at))
        elif kind < 0.9:
            said.append(host.note(by, "a note", at))
        elif kind < 0.93 or not made:
            said.append(host.task(by, "a task", at=at))
            made.append(said[-1])
        elif kind < 0.99:
            task = chance.choice(made[-50:])
            said.append(host.take(by, task, at=at) if n % 2 else host.word("done", by, task, at))
        else:
            said.append(host.gone(by, at, died=True))
    return tuple(said)


def cost(work: Callable[[], object]) -> float:
    """The seconds of a core that *work* takes, at best of three."""
    took = []
    for _ in range(3):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


@pytest.mark.parametrize("mixed", [False, True])
def test_a_hundred_thousand_events(mixed: bool) -> None:
    """They are folded in well under a second and a half of one core, in whatever order."""
    said = list(busy(100_000))
    now = said[-1].at
    if mixed:
        random.Random(1).shuffle(said)
    seen = picture(*said)

    def shown() -> tuple[object, ...]:
        return seen.claims.live(now), seen.board.tasks(), seen.notes(), seen.touches(A, now)

    def fold() -> None:
        nonlocal seen
        seen = picture(*said)
        shown()

    folded = cost(fold)
    before, began = shown(), time.process_time()
    seen.prune(now)
    pruned = time.process_time() - began
    print(f"{len(said)} events, mixed {mixed}: folded in {folded:.2f} s, pruned in {pruned:.2f} s")
    assert all(before)
    assert shown() == before
    assert folded < 1.5


def test_each_look_costs_little() -> None:
    """Heard one by one with a look after each, ten thousand events take no longer than a second."""
    said = busy(10_000)

    def follow() -> None:
        seen = Picture()
        for one in said:
            seen.add(one)
            seen.touches(A, one.at)
            seen.claims.holder("src/d1/f1.py", one.at)

    assert cost(follow) < 1.0


def test_tasks_with_the_same_id() -> None:
    """Two logs whose tasks have the same letters: the first in order of place is the one, on every host."""
    host = Host()
    made = host.task("a", "first")
    other = replace(made, stamp=made.stamp + 1, data={"title": "second"})
    for order in ((made, other), (other, made)):
        seen = Picture()
        for one in order:
            seen.board.add(one)
        assert [one.title for one in seen.board.tasks()] == ["first"]
    assert task_id(EventId(host.log, 1)) == seen.board.tasks()[0].id
    assert made.repo == REPO
