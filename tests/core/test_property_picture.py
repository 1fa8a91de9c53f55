"""The shared picture under whatever hypothesis thinks of: three hosts whose peers say things, hear of each other
late, and forget. The same events show the same; one has each path and each task; what is forgotten is not missed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from peermesh.core import tasks
from peermesh.core.events import Event, What
from peermesh.core.patterns import covers
from peermesh.core.picture import LATE, Picture
from tests.core.said import Host, picture

LONG = os.environ.get("PEER_TEST") == "long"
shortly = settings(max_examples=3_000 if LONG else 100, deadline=None)

LETTERS = "abc"  # one host each
PEERS = {"a": "ad", "b": "be", "c": "cf"}
IDS = [letter * 8 for letter in "abcdef"]
PATTERNS = ["src/x", "src/", "src/*", "**/x", "docs/x", "**"]
PATHS = ["src/x", "src/y", "docs/x", "x"]
MINUTE, DAY = 60.0, 86_400.0

numbers = st.integers(min_value=0, max_value=6 * 60 * 60)  # who, which and how in one
often = {"claim": 5, "edit": 7, "renew": 2, "release": 1, "note": 1, "gone": 2, "hear": 2}
often |= {"task": 2, "take": 5, "done": 1, "drop": 1, "reopen": 1, "verdict": 1}
kinds = st.sampled_from([kind for kind, times in often.items() for _ in range(times)])
jumps = (
    [0.0] * 3
    + [1.0] * 8
    + [30.0] * 3
    + [5 * MINUTE] * 3
    + [9 * MINUTE, 29 * MINUTE, 31 * MINUTE, 2 * DAY, 8 * DAY]
)
times = st.sampled_from(jumps)
step = st.tuples(kinds, numbers, st.sampled_from(jumps))
# By itself hypothesis prefers lists of five.
steps = st.integers(1, 50).flatmap(lambda count: st.lists(step, min_size=count, max_size=count))


@dataclass
class World:
    """Three hosts, and all that was said, in the order of a clock that nobody there can see."""

    hosts: dict[str, Host] = field(default_factory=lambda: {letter: Host(letter) for letter in LETTERS})
    said: list[Event] = field(default_factory=list)
    now: float = 0.0

    def of(self, *what: str) -> list[Event]:
        """What was said of these kinds."""
        return [one for one in self.said if one.kind in what]

    def step(self, kind: str, number: int, after: float) -> None:
        """Somebody says something, *after* so many seconds."""
        self.now += after
        who, which, how = number % 6, number // 6 % 60, number // 360
        host = self.hosts[LETTERS[who % 3]]
        # Nobody is out of reach for longer than what is remembered for his sake.
        host.hear(*[one for one in self.said if one.at <= self.now - LATE])
        if kind == "hear":
            other = self.hosts[LETTERS[which % 3]]
            host.hear(*other.said[: how % (len(other.said) + 1)])
            return
        event = self._say(host, PEERS[LETTERS[who % 3]][who // 3], kind, which, how)
        if event is not None:
            self.said.append(event)

    def _say(self, host: Host, by: str, kind: str, which: int, how: int) -> Event | None:
        if kind in ("take", "done", "drop", "reopen", "verdict"):
            return self._of_task(host, by, kind, which, how)
        if kind in ("renew", "release"):
            return self._of_claim(host, by, kind, which, how)
        if kind == "claim":
            over = self.of("claim")[how % 7 :: 7] if how % 3 == 0 else []
            lease = [60.0, 600.0, 1_800.0, 5_400.0][which % 4]
            return host.claim(by, PATTERNS[how % len(PATTERNS)], self.now, lease=lease, over=over[:5])
        if kind == "edit":
            return host.edit(by, PATHS[which % len(PATHS)], self.now)
        if kind == "gone":
            return host.gone(by, self.now, died=how % 2 == 0)
        if kind == "note":
            return host.note(by, str(how), self.now)
        return host.task(by, str(how), *self.of("task")[-(which % 2) :], at=self.now)

    def _of_claim(self, host: Host, by: str, kind: str, which: int, how: int) -> Event | None:
        known = [one for one in host.said if one.kind == "claim"]
        if not known:
            return None
        claim = known[-1 - which % len(known)]
        if kind == "release":
            return host.release(by, claim, at=self.now)
        return host.renew(by, claim, self.now, [30.0, 3_600.0][how % 2], str(how))

    def _of_task(self, host: Host, by: str, kind: str, which: int, how: int) -> Event | None:
        known = self.of(
            "verdict" if kind == "verdict" and how % 5 == 0 else "take" if kind == "verdict" else "task"
        )
        if not known:
            return None
        one = known[-1 - which % len(known)]
        if kind == "verdict":
            to = {name: one.data[name] for name in ("to", "to_name")}
            named = one.data.get("take", [one.id.log, one.id.n])
            data = {"task": one.data["task"], "take": named, "granted": how % 3 > 0, "why": "", **to}
            return host.say(What.VERDICT, by, self.now, **data)
        if kind == "take":
            return host.take(by, one, "abcdef"[how % 6] if how % 4 == 0 else by, at=self.now)
        return host.word(kind, by, one, self.now, str(how))


def world(said: Iterable[tuple[str, int, float]]) -> World:
    """What comes of these steps."""
    made = World()
    for one in said:
        made.step(*one)
    return made


def shown(seen: Picture, now: float, *, but: Collection[str] = ()) -> dict[str, Any]:
    """All that *seen* shows at *now*, of tasks without some."""
    board = [task for task in seen.board.tasks() if task.id not in but]
    return {
        "live": seen.claims.live(now),
        "holders": [seen.claims.holder(path, now) for path in PATHS],
        "lost": [seen.claims.lost(me, now) for me in IDS],
        "touches": [seen.touches(me, now) for me in IDS],
        "files": [seen.files(me, now) for me in IDS],
        "editors": [seen.editors(path, now) for path in PATHS],
        "notes": seen.notes(),
        "board": board,
        "waits": [[one for one in seen.board.waits_for(task) if one.id not in but] for task in board],
        "history": [seen.board.history(task.id) for task in board],
        "pending": [[one for one in seen.board.pending(me) if one.task not in but] for me in IDS],
        "verdicts": [seen.board.verdicts(letter * 16, lambda _: False) for letter in LETTERS],
    }


@given(steps, st.randoms(use_true_random=False), times)
@shortly
def test_the_order_does_not_matter(said: Any, chance: Any, later: float) -> None:
    """Whatever the order in which events are heard, and however often, they show the same."""
    made = world(said)
    other = [*made.said, *chance.choices(made.said, k=5)] if made.said else []
    chance.shuffle(other)
    seen = Picture()
    for one in other:
        seen.add(one)
        if chance.random() < 0.1:
            shown(seen, made.now)  # looking changes nothing
    for now in (made.now, made.now + later):
        assert shown(seen, now) == shown(picture(*made.said), now)
    for take in made.of("take"):
        assert seen.board.verdict_on(take.id) == picture(*made.said).board.verdict_on(take.id)


@given(steps, times)
@shortly
def test_one_has_each_path(said: Any, later: float) -> None:
    """The first claim that runs and covers it, and nobody whose claim is lost to that one."""
    made = world(said)
    now = made.now + later
    seen = picture(*made.said).claims
    for path in PATHS:
        running = [one for one in seen.live(now) if covers(one.path, path)]
        holder = seen.holder(path, now)
        assert holder == (running[0] if running else None)
        for one in running:
            lost = {mine.id for mine, _ in seen.lost(one.by, now)}
            assert holder is not None
            assert one.by == holder.by or one.id in lost
            assert seen.against(one.by, path, now) == (None if one.by == holder.by else holder)
    assert all(one.since <= now < one.until for one in seen.live(now))
    mine_and_others = [seen.held_by(IDS[0], now) + seen.others(IDS[0], now), seen.live(now)]
    assert len({tuple(sorted(some, key=lambda one: one.place)) for some in mine_and_others}) == 1


@given(steps)
@shortly
def test_one_has_each_task(said: Any) -> None:
    """After its host has said its word, nothing is pending, and who was told yes last has it."""
    made = world(said)
    for letter, host in made.hosts.items():
        host.hear(*made.said)
        for data in picture(*made.said).board.verdicts(host.log, lambda _: False):
            made.said.append(host.say(What.VERDICT, letter, made.now, **data))
    board = picture(*made.said).board
    assert [board.pending(me) for me in IDS] == [[]] * len(IDS)
    assert [board.verdicts(host.log, lambda _: False) for host in made.hosts.values()] == [[]] * 3
    for task in board.tasks():
        assert task.confirmed is bool(task.owner)
        if task.state == tasks.TAKEN:
            assert task.owner
    for take in made.of("take"):
        granted, _ = board.verdict_on(take.id)
        known = {task.id: task for task in board.tasks()}
        # Unless it was said before its task was, which a broken host may do.
        assert granted is not None or take.place < place_of(made, known[take.data["task"]])


def place_of(made: World, task: tasks.Task) -> tuple[int, str, int]:
    """Where the event stands that made *task*."""
    return next(one.place for one in made.of("task") if one.id == task.made)


@given(
    said=st.tuples(steps, steps),
    cuts=st.fixed_dictionaries({"b": numbers, "c": numbers}),
    few=st.booleans(),
    chance=st.randoms(use_true_random=False),
    later=times,
)
@shortly
def test_what_is_forgotten_is_not_missed(
    said: tuple[Any, Any], cuts: dict[str, int], few: bool, chance: Any, later: float
) -> None:
    """What only the needed events show is what all show, now and whatever is heard later.

    Host a looks, heard all that it said itself, and of the others' logs a part; the rest comes late, in order.
    """
    with patch.object(tasks, "CLOSED_KEPT", 1), patch.object(tasks, "HISTORY", 1 if few else 50):
        made = world(said[0])
        late = late_ones(made, cuts)
        heard = [one for one in made.said if one not in late]
        now = made.now
        whole = picture(*heard)
        needed = whole.needed(now)
        rest = picture(*[one for one in heard if one.id in needed])
        pruned = picture(*heard)
        pruned.prune(now)
        pruned.prune(now)
        assert pruned.needed(now) == needed
        forgotten = {one.id for one in whole.board.tasks()} - {one.id for one in rest.board.tasks()}
        closed = [one for one in whole.board.tasks() if one.id in forgotten]
        assert all(one.state in tasks.CLOSED and one.changed_at <= now - LATE for one in closed)
        # A word on a forgotten task, come late, waits for it in vain.
        compare([whole, rest, pruned], now, few=few, but=forgotten)

        for one in said[1]:
            made.step(*one)
        for one in in_order_of_logs(chance, late + [one for one in made.said if one not in heard + late]):
            for seen in (whole, rest, pruned):
                seen.add(one)
            if chance.random() < 0.1:
                compare([whole, rest, pruned], made.now, few=few, but=forgotten)
        for moment in (made.now, made.now + later):
            compare([whole, rest, pruned], moment, few=few, but=forgotten)


def late_ones(made: World, cuts: dict[str, int]) -> list[Event]:
    """What host a has not heard yet: the ends of others' logs, of the last days."""
    late = []
    for letter, cut in cuts.items():
        said = made.hosts[letter].said
        late += [one for one in said[cut % (len(said) + 1) :] if one.at > made.now - LATE]
    return late


def in_order_of_logs(chance: Any, events: list[Event]) -> list[Event]:
    """*events* mixed, but those of one log in their order."""
    logs = [[one for one in events if one.id.log == letter * 16] for letter in LETTERS]
    for some in logs:
        some.sort(key=lambda one: one.id.n)
    mixed = []
    while any(logs):
        mixed.append(chance.choice([some for some in logs if some]).pop(0))
    return mixed


def compare(seen: list[Picture], now: float, *, few: bool, but: Collection[str]) -> None:
    """All show the same; of history only the newest is remembered if there is room for *few*."""
    views = [shown(one, now, but=but) for one in seen]
    for view in views:
        view["verdicts"] = [[one for one in some if one["task"] not in but] for some in view["verdicts"]]
        if few:
            del view["history"]
    for view in views[1:]:
        assert view == views[0]


def test_the_tests_see_much() -> None:
    """The steps above are not all in vain: some lead to each state that they are about."""
    seen: set[str] = set()

    @given(steps)
    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    def look(said: Any) -> None:
        made = world(said)
        one = picture(*made.said)
        seen.update(task.state for task in one.board.tasks())
        seen.update("confirmed" if task.confirmed else "open" for task in one.board.tasks())
        for me in IDS:
            seen.update("lost" for _ in one.claims.lost(me, made.now))
            seen.update("pending" for _ in one.board.pending(me))
        seen.update(
            "renewed" for claim in one.claims.live(made.now) if claim.until > claim.since + claim.lease
        )
        seen.update("over" for path in PATHS if one.claims.over(path, made.now))
        seen.update("returned" for task in one.board.tasks() if task.state == "open" and "ended" in task.why)
        if len(one.needed(made.now)) < len(made.said):
            seen.add("forgotten")

    look()
    states = {"open", "taken", "done", "dropped", "confirmed", "pending", "returned"}
    assert seen >= states | {"lost", "renewed", "over", "forgotten"}
