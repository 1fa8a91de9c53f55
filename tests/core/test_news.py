"""What a session is told of the changes around it: each once, and only what matters to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peermesh.core.events import Event, task_id
from peermesh.core.news import NOTES_TOLD, News, Scene, news, scene
from peermesh.core.picture import EDITS, RECENT, Picture
from peermesh.core.words import Card
from tests.core.said import REPO, Host

NOW = 1_000.0


def card(letter: str, **more: Any) -> Card:
    """The session whose id is eight of that letter, on a branch of its own."""
    given = {"name": f"session-{letter}", "host": "desk", "repo_key": REPO, "branch": f"branch-{letter}"}
    return Card(id=letter * 8, **{**given, **more})


class Session:
    """Session a, which is told all that is new whenever it looks.

    Args:
        people: who is there from the beginning.
        events: and what was said.
    """

    def __init__(self, *people: Card, events: list[Event] | None = None, **more: Any) -> None:
        self.me, self.people = card("a", **more), {one.id: one for one in people}
        self.picture = Picture()
        self._base = Scene()
        self._told: set[Any] = set()
        self.hear(*events or ())
        self.look()

    def hear(self, *events: Event) -> None:
        """Something was said."""
        for one in events:
            self.picture.add(one)

    def meet(self, *people: Card) -> None:
        """These are here, and nobody else is."""
        self.people = {one.id: one for one in people}

    def do(self, event: Event, task: Event) -> None:
        """The session itself says something of a task: it knows that."""
        self.hear(event)
        one = task_id(task.id)
        seen = scene(self.me, self.people, self.picture, NOW).tasks
        others = {name: known for name, known in self._base.tasks.items() if name != one}
        self._base = replace(self._base, tasks={**others, **({one: seen[one]} if one in seen else {})})

    def look(self, now: float = NOW) -> News:
        """What is new at *now*; it is told that."""
        seen = scene(self.me, self.people, self.picture, now)
        board = {task.id: task for task in self.picture.board.tasks()}
        notes = [one for one in self.picture.notes() if one.by != self.me.id and one.place not in self._told]
        found = news(self.me, self._base, seen, board, notes)
        self._base = seen
        self._told |= {one.place for one in notes}
        return found


def named(found: News) -> dict[str, list[str]]:
    """What is told, by kind: names of sessions, paths, titles, texts."""
    tasks = {kind: [one.title for one in getattr(found, kind)] for kind in TASKS}
    all_of_it = {
        "joined": [one.name for one in found.joined],
        "left": [one.name for one in found.left],
        "same_branch": [one.name for one in found.same_branch],
        "files": sorted(f"{one.name}: {one.path}" for one in found.files),
        "lost": [f"{mine.path} to {winner.name}" for mine, winner in found.lost],
        **tasks,
        "notes": [one.text for one in found.notes],
    }
    return {kind: some for kind, some in all_of_it.items() if some}


TASKS = ("given", "settled", "taken_away", "finished", "returned")


def check_once(session: Session, told: dict[str, list[str]], now: float = NOW) -> None:
    """Just this is told, and not again."""
    found = session.look(now)
    assert (named(found), bool(found)) == (told, bool(told))
    again = session.look(now)
    assert (again, bool(again)) == (News(), False)


# ---------------------------------------------------------------- people


def test_nothing_is_no_news() -> None:
    """An empty repo, and one in which much was said and nothing changed."""
    assert not Session().look()
    host = Host()
    full = Session(
        card("b"),
        events=[
            host.edit("a", "x", NOW),
            host.edit("b", "x", NOW),
            host.claim("b", "y", NOW),
            host.claim("a", "y", NOW),
            task := host.task("b", "one"),
            host.take("a", task),
            host.note("b", "hear this"),
        ],
    )
    assert full.look() == News()


@pytest.mark.parametrize("one", [one.name for one in fields(News)])
def test_anything_is_news(one: str) -> None:
    """Whatever kind it is."""
    assert replace(News(), **{one: 1 if one == "more_notes" else (object(),)})


def test_who_came_and_went() -> None:
    """Once each; who comes again is told again."""
    session = Session(card("b"))
    session.meet(card("b"), card("c"))
    check_once(session, {"joined": ["session-c"]})
    session.meet(card("c"), card("d"))
    check_once(session, {"joined": ["session-d"], "left": ["session-b"]})
    session.meet(card("b"), card("c"), card("d"))
    check_once(session, {"joined": ["session-b"]})


def test_other_repos_do_not_count() -> None:
    """Who is in another repo is not there; who moves into this one comes, who moves out of it leaves."""
    session = Session(card("b", repo_key="another"))
    session.meet(card("b", repo_key="another"), card("c", repo_key="another", branch="branch-a"))
    check_once(session, {})
    session.meet(card("b"), card("c", repo_key="another", branch="branch-a"))
    check_once(session, {"joined": ["session-b"]})
    session.meet(card("b", repo_key="third"))
    check_once(session, {"left": ["session-b"]})


def test_what_does_not_matter_of_people() -> None:
    """Another name, focus, role or branch is no news."""
    session = Session(card("b"))
    session.meet(card("b", name="other", focus="tests", roles=("judge",), branch="new", worktree="w"))
    check_once(session, {})


def test_the_same_branch() -> None:
    """Who comes over to the session's branch; again when it comes back to it."""
    session = Session(card("b"), card("c"))
    session.meet(card("b", branch="branch-a"), card("c"))
    check_once(session, {"same_branch": ["session-b"]})
    session.meet(card("b", branch="else"), card("c", branch="branch-a"))
    check_once(session, {"same_branch": ["session-c"]})
    session.meet(card("b", branch="branch-a"), card("c", branch="branch-a"))
    check_once(session, {"same_branch": ["session-b"]})


def test_who_joins_on_the_same_branch_is_named_once() -> None:
    """As one who joined."""
    session = Session()
    session.meet(card("b", branch="branch-a"))
    check_once(session, {"joined": ["session-b"]})


def test_no_branch_is_nobodys_branch() -> None:
    """Two that are on none do not share one."""
    session = Session(card("b"), branch="")
    session.meet(card("b", branch=""))
    check_once(session, {})


# ---------------------------------------------------------------- files and claims


def test_the_same_file() -> None:
    """Another edits what the session edited: once for each session and file, however often it edits."""
    host, other = Host(), Host("b")
    session = Session(card("b"), events=[host.edit("a", "x", NOW), host.edit("a", "y", NOW)])
    session.hear(other.edit("b", "x", NOW), other.edit("b", "z", NOW))
    check_once(session, {"files": ["session-b: x"]})
    session.hear(other.edit("b", "x", NOW + 60), host.edit("a", "x", NOW + 61))
    check_once(session, {}, NOW + 62)
    session.hear(host.edit("c", "x", NOW + 70), other.edit("b", "y", NOW + 71))
    check_once(session, {"files": ["session-b: y", "session-c: x"]}, NOW + 72)


def test_who_edits_second_is_told() -> None:
    """The other was first, and the session comes to its file later."""
    host = Host()
    session = Session(events=[host.edit("b", "x", NOW)])
    check_once(session, {})
    session.hear(host.edit("a", "x", NOW + RECENT))
    check_once(session, {"files": ["session-b: x"]}, NOW + RECENT)


def test_an_old_edit_is_no_news() -> None:
    """Of the other, or of the session itself: half an hour ago is over."""
    host = Host()
    session = Session(events=[host.edit("a", "x", NOW), host.edit("b", "y", NOW)])
    session.hear(host.edit("b", "x", NOW + EDITS), host.edit("a", "y", NOW + EDITS))
    check_once(session, {}, NOW + EDITS)


def test_edits_of_its_own_are_no_news() -> None:
    """Nor those of others in files that the session leaves alone."""
    host = Host()
    session = Session()
    session.hear(host.edit("a", "x", NOW), host.edit("a", "x", NOW + 1), host.edit("b", "y", NOW))
    check_once(session, {})


def test_a_claim_that_came_second() -> None:
    """Its holder is told who was first; who was first is told nothing."""
    first, second = Host("b"), Host()
    session = Session(events=[second.claim("a", "src/y", NOW)])
    second.stamp += 10
    session.hear(first.claim("b", "src/", NOW), second.claim("a", "src/x", NOW), second.claim("a", "z", NOW))
    second.hear(*first.said)
    found = session.look()
    assert {mine.path for mine, _ in found.lost} == {"src/x"}, "its claim on src/y was first"
    assert session.look() == News()


def test_a_claim_that_won() -> None:
    """What another claimed later, or elsewhere, or gave up again, is no news to the holder."""
    host = Host()
    session = Session(events=[host.claim("a", "src/x", NOW)])
    session.hear(host.claim("b", "src/", NOW), host.claim("c", "docs/", NOW))
    check_once(session, {})
    brief = host.claim("c", "lib/", NOW)
    session.hear(brief, host.claim("a", "lib/y", NOW), host.release("c", brief, at=NOW))
    check_once(session, {})


def test_a_claim_lost_to_another_host() -> None:
    """It was first in the order that is the same everywhere, and is heard of later."""
    here, there = Host(), Host("b")
    here.stamp = 10
    session = Session(events=[here.claim("a", "x", NOW)])
    session.hear(there.claim("b", "x", NOW))
    check_once(session, {"lost": ["x to session-b"]})
    session.hear(there.edit("b", "x", NOW))
    check_once(session, {})


# ---------------------------------------------------------------- tasks


def test_a_task_that_is_given() -> None:
    """To the session: once. To others, or only made: not at all."""
    host = Host()
    session = Session()
    one, two = host.task("b", "one"), host.task("b", "two")
    session.hear(one, two, host.take("c", two))
    check_once(session, {})
    session.hear(host.take("b", one, "a"))
    check_once(session, {"given": ["one"]})


def test_a_task_that_is_settled() -> None:
    """It was taken tentatively, and its host says yes: once."""
    home, host = Host("b"), Host()
    task = home.task("b", "far")
    host.hear(task)
    session = Session(events=[task, take := host.take("a", task)])
    check_once(session, {})
    session.hear(home.verdict("b", task, take))
    check_once(session, {"settled": ["far"]})


def test_a_task_that_its_host_refuses() -> None:
    """It was thought to be the session's, and is not."""
    home, host = Host("b"), Host()
    task = home.task("b", "far")
    host.hear(task)
    session = Session(events=[task, take := host.take("a", task)])
    session.hear(home.take("c", task), home.verdict("b", task, take, granted=False))
    check_once(session, {"taken_away": ["far"]})


@pytest.mark.parametrize(
    ("what", "owner"),
    [
        (lambda host, task: host.take("c", task), "cccccccc"),
        (lambda host, task: host.word("reopen", "b", task, why="too slow"), ""),
        (lambda host, task: host.gone("a", died=True), ""),
    ],
    ids=["taken over", "put back", "its end"],
)
def test_a_task_that_is_taken_away(what: Callable[[Host, Event], Event], owner: str) -> None:
    """Once, with who has it now."""
    host = Host()
    task = host.task("b", "one")
    session = Session(events=[task, host.take("a", task)])
    session.hear(what(host, task))
    found = session.look()
    assert [(one.title, one.owner) for one in found.taken_away] == [("one", owner)]
    assert session.look() == News()


def test_tasks_of_others_are_their_business() -> None:
    """Who has them, who finishes them, and that they wait."""
    host = Host()
    one, two = host.task("b", "one"), host.task("b", "two")
    session = Session(events=[one, two])
    session.hear(
        host.take("b", one), host.take("c", one), host.word("done", "c", one), host.word("drop", "b", two)
    )
    check_once(session, {})


def test_its_own_end_of_a_task_is_no_news() -> None:
    """It knows that it took it, that it finished it, and that it put it back."""
    host = Host()
    session = Session(events=[task := host.task("a", "one")])
    for event in (host.take("a", task), host.word("done", "a", task), host.word("reopen", "a", task)):
        session.do(event, task)
        check_once(session, {})


@pytest.mark.parametrize("end", ["done", "drop"])
def test_a_task_that_another_closes(end: str) -> None:
    """Of the session's own: there is nothing left to do, told once. That it was closed before is no news."""
    host = Host()
    task = host.task("b", "one")
    session = Session(events=[task, host.take("a", task)])
    session.hear(host.word(end, "b", task, why="not needed"))
    found = session.look()
    assert [(one.title, one.state, one.closed_by) for one in found.taken_away] == [
        ("one", "done" if end == "done" else "dropped", "session-b")
    ]
    assert session.look() == News()


def test_a_task_that_is_given_and_closed_at_once() -> None:
    """It is not the session's to do any more."""
    host = Host()
    session = Session()
    task = host.task("b", "one")
    session.hear(task, host.take("b", task, "a"), host.word("drop", "b", task))
    check_once(session, {})


@pytest.mark.parametrize("end", ["done", "drop"])
def test_what_its_task_waits_for(end: str) -> None:
    """Is told when it is finished, once; that somebody took it, or what waits for nothing of it, is not."""
    host = Host()
    first, other = host.task("b", "first"), host.task("b", "other")
    mine = host.task("a", "mine", first)
    session = Session(events=[first, other, mine, host.take("a", mine)])
    session.hear(host.take("c", first), host.word("done", "b", other))
    check_once(session, {})
    session.hear(host.word(end, "c", first))
    found = session.look()
    assert [(one.title, one.state) for one in found.finished] == [
        ("first", "done" if end == "done" else "dropped")
    ]
    assert session.look() == News()


@pytest.mark.parametrize(
    "back",
    [
        lambda host, task: host.word("reopen", "d", task, why="too slow"),
        lambda host, task: host.gone("c", died=True, why="it died"),
    ],
    ids=["put back", "its end"],
)
def test_what_its_task_waits_for_returns(back: Callable[[Host, Event], Event]) -> None:
    """Nobody works on it any more: told once, and again when that happens to the next who takes it."""
    host = Host()
    first, other = host.task("b", "first"), host.task("b", "other")
    mine = host.task("a", "mine", first)
    session = Session(
        events=[first, other, mine, host.take("a", mine), host.take("c", first), host.take("c", other)]
    )
    session.hear(back(host, first), host.word("reopen", "d", other))
    check_once(session, {"returned": ["first"]})
    session.hear(host.take("d", first))
    check_once(session, {})
    session.hear(host.word("reopen", "b", first))
    check_once(session, {"returned": ["first"]})


def test_its_own_task_does_not_return() -> None:
    """What the session has, and another task of its own waits for, is taken away and no more than that."""
    host = Host()
    first = host.task("a", "first")
    mine = host.task("a", "mine", first)
    session = Session(events=[first, mine, host.take("a", mine), host.take("a", first)])
    session.hear(host.word("reopen", "b", first))
    check_once(session, {"taken_away": ["first"]})


def test_its_own_task_that_it_waits_for() -> None:
    """Another closes it: that is told once, and not a second time as what the session waited for."""
    host = Host()
    first = host.task("a", "first")
    mine = host.task("a", "mine", first)
    session = Session(events=[first, mine, host.take("a", mine), host.take("a", first)])
    session.hear(host.word("done", "b", first))
    check_once(session, {"taken_away": ["first"]})


def test_a_task_that_waits_for_nothing_any_more() -> None:
    """What was finished before the session had the task, or after it finished its own, is no news."""
    host = Host()
    first, second = host.task("b", "first"), host.task("b", "second")
    mine = host.task("a", "mine", first, second)
    session = Session(events=[first, second, mine])
    session.hear(host.word("done", "b", first))
    check_once(session, {})
    session.hear(host.take("b", mine, "a"))
    check_once(session, {"given": ["mine"]})
    session.do(host.word("done", "a", mine), mine)
    session.hear(host.word("done", "b", second))
    check_once(session, {})


def test_a_task_that_was_forgotten() -> None:
    """The log was compacted: what is not on the board any more was not taken away."""
    me, before = card("a"), Session()
    host = Host()
    before.hear(task := host.task("b", "one"), host.take("a", task))
    seen = scene(me, {}, before.picture, NOW)
    assert list(seen.tasks) == [task_id(task.id)]
    assert news(me, seen, Scene(), {}, []) == News()


# ---------------------------------------------------------------- notes


def test_notes() -> None:
    """By others, the oldest first; each once."""
    host = Host()
    session = Session()
    session.hear(host.note("b", "one"), host.note("a", "mine"), host.note("c", "two"))
    check_once(session, {"notes": ["one", "two"]})


def test_of_many_notes_the_newest() -> None:
    """And how many more there are."""
    host = Host()
    session = Session()
    session.hear(*(host.note("b", str(n)) for n in range(12)))
    found = session.look()
    assert [one.text for one in found.notes] == ["7", "8", "9", "10", "11"]
    assert len(found.notes) == NOTES_TOLD
    assert found.more_notes == 7
    assert session.look() == News()


def test_all_at_once() -> None:
    """One turn tells of each kind what it is."""
    here, there = Host(), Host("b")
    far, own, given = there.task("b", "far"), here.task("a", "own"), here.task("b", "given")
    first, second = here.task("b", "first"), here.task("b", "second")
    away, waits = here.task("b", "away"), here.task("a", "waits", first, second)
    takes = [*(here.take("a", task) for task in (own, away, waits)), here.take("c", second)]
    here.hear(far)
    take = here.take("a", far)
    here.stamp = 100
    claim = here.claim("a", "held", NOW)
    session = Session(
        card("b"),
        card("c"),
        events=[far, own, given, first, second, away, waits, *takes, take, here.edit("a", "x", NOW), claim],
    )
    session.meet(card("c", branch="branch-a"), card("d"))
    session.hear(
        there.edit("b", "x", NOW),
        there.claim("b", "held", NOW),
        there.verdict("b", far, take),
        here.take("b", given, "a"),
        here.word("reopen", "b", away),
        here.word("done", "b", first),
        here.word("reopen", "c", second),
        here.note("c", "hear"),
    )
    check_once(
        session,
        {
            "joined": ["session-d"],
            "left": ["session-b"],
            "same_branch": ["session-c"],
            "files": ["session-b: x"],
            "lost": ["held to session-b"],
            "given": ["given"],
            "settled": ["far"],
            "taken_away": ["away"],
            "finished": ["first"],
            "returned": ["second"],
            "notes": ["hear"],
        },
    )


# ---------------------------------------------------------------- whatever happens

LETTERS = st.sampled_from("abc")
PLACES = st.sampled_from(["x", "src/", "src/y"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), LETTERS, PLACES),
        st.tuples(st.just("claim"), LETTERS, PLACES),
        st.tuples(st.just("note"), LETTERS, st.just("")),
        st.tuples(st.just("task"), LETTERS, st.just("")),
        st.tuples(st.just("take"), LETTERS, LETTERS),
        st.tuples(st.sampled_from(["done", "drop", "reopen"]), LETTERS, st.just("")),
        st.tuples(st.just("gone"), LETTERS, st.sampled_from(["", "died"])),
        st.tuples(st.just("here"), LETTERS, st.sampled_from([REPO, "another"])),
        st.tuples(st.just("branch"), LETTERS, st.sampled_from(["branch-a", "else", ""])),
        st.tuples(st.just("away"), LETTERS, st.just("")),
        st.tuples(st.just("look"), st.just(""), st.just("")),
    ),
    max_size=40,
)


def perform(session: Session, host: Host, step: tuple[str, str, str]) -> None:
    """One thing happens; a word on a task is about the newest."""
    what, who, arg = step
    tasks = [one for one in host.said if one.kind == "task"]
    match what:
        case "look":
            session.look()
        case "edit":
            session.hear(host.edit(who, arg.rstrip("/"), NOW))
        case "claim":
            session.hear(host.claim(who, arg, NOW))
        case "note":
            session.hear(host.note(who, f"note {len(host.said)}"))
        case "task":
            session.hear(host.task(who, f"task {len(host.said)}", *tasks[-2:]))
        case "gone":
            session.hear(host.gone(who, died=bool(arg)))
        case "take" | "done" | "drop" | "reopen":
            word_on(session, host, tasks, step)
        case _:
            move(session, step)


def word_on(session: Session, host: Host, tasks: list[Event], step: tuple[str, str, str]) -> None:
    """Something is said of the newest task, if there is one."""
    what, who, arg = step
    if tasks:
        session.hear(host.take(who, tasks[-1], arg) if what == "take" else host.word(what, who, tasks[-1]))


def move(session: Session, step: tuple[str, str, str]) -> None:
    """Another session comes, goes, or changes its branch."""
    what, who, arg = step
    if what == "here" and who != "a":
        session.people[who * 8] = card(who, repo_key=arg)
    elif what == "branch" and who * 8 in session.people:
        session.people[who * 8] = replace(session.people[who * 8], branch=arg)
    elif what == "away":
        session.people.pop(who * 8, None)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_told_is_told(steps: list[tuple[str, str, str]]) -> None:
    """Whatever happened: when it was told, nothing is left to tell; and it is never about the session itself."""
    session, host = Session(), Host()
    for step in steps:
        perform(session, host, step)
    found = session.look()
    assert session.me.id not in {one.id for one in (*found.joined, *found.left, *found.same_branch)}
    assert session.me.id not in {one.by for one in (*found.files, *found.notes)}
    assert all(mine.by == session.me.id != winner.by for mine, winner in found.lost)
    assert all(one.owner == session.me.id for one in (*found.given, *found.settled))
    assert all(one.state == "taken" for one in found.given)
    assert all(one.owner != session.me.id or one.closed_by for one in found.taken_away)
    assert all(one.owner != session.me.id for one in found.finished)
    assert all(one.state == "open" for one in found.returned)
    assert not {*found.returned} & {*found.taken_away}
    assert all(one.repo_key == REPO for one in (*found.joined, *found.left, *found.same_branch))
    assert session.look() == News()


@settings(max_examples=100, deadline=None)
@given(STEPS, STEPS)
def test_what_was_known_is_not_told(
    before: list[tuple[str, str, str]], after: list[tuple[str, str, str]]
) -> None:
    """What happens afterwards makes nobody join who was there, and gives no task that the session had."""
    session, host = Session(), Host()
    for step in before:
        perform(session, host, step)
    session.look()
    people = {one.id for one in session.people.values() if one.repo_key == REPO}
    owned = {task.id for task in session.picture.board.tasks() if task.owner == session.me.id}
    steps = [one for one in after if one[0] != "look"]
    for step in steps:
        perform(session, host, step)
    found = session.look()
    assert not people & {one.id for one in found.joined}
    assert {one.id for one in found.left} <= people
    assert not owned & {one.id for one in found.given}
    assert {one.id for one in found.taken_away} <= owned
