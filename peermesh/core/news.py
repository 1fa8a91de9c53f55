"""What changed around a session since its model was last told, as far as it matters to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from peermesh.core.claims import Claim
from peermesh.core.events import EventId
from peermesh.core.patterns import covers
from peermesh.core.picture import Edit, Note, Picture
from peermesh.core.tasks import Task
from peermesh.core.words import Card, PeerId

# Notes that wait to be told; of more, only how many there are.
NOTES_TOLD = 5


@dataclass(frozen=True, slots=True)
class Scene:
    """All around one session that it is told changes of."""

    branch: str = ""  # its own
    people: Mapping[PeerId, Card] = field(default_factory=dict)  # who is here in its repo
    files: Mapping[tuple[PeerId, str], Edit] = field(default_factory=dict)  # edited by others and by it
    held: Mapping[tuple[PeerId, str], Edit] = field(
        default_factory=dict
    )  # edited by others where it has a claim
    claims: frozenset[str] = frozenset()  # what it has claims on
    lost: Mapping[EventId, tuple[Claim, Claim]] = field(default_factory=dict)  # its claims that came second
    tasks: Mapping[str, Task] = field(default_factory=dict)  # its own, and those that these wait for


@dataclass(frozen=True, slots=True)
class News:
    """What to tell: nothing of it is true when all is empty."""

    joined: tuple[Card, ...] = ()
    left: tuple[Card, ...] = ()
    same_branch: tuple[Card, ...] = ()
    files: tuple[Edit, ...] = ()
    held: tuple[Edit, ...] = ()
    ended: tuple[str, ...] = ()  # its claims that are over
    lost: tuple[tuple[Claim, Claim], ...] = ()
    given: tuple[Task, ...] = ()  # tasks that are this session's now
    settled: tuple[Task, ...] = ()  # tasks that it took tentatively, and has for certain now
    taken_away: tuple[Task, ...] = ()  # tasks that were
    finished: tuple[Task, ...] = ()  # tasks that its own waited for
    returned: tuple[Task, ...] = ()  # the same, which somebody had and nobody has now
    notes: tuple[Note, ...] = ()
    more_notes: int = 0

    def __bool__(self) -> bool:
        return self != _NOTHING


_NOTHING = News()


def scene(me: Card, people: Mapping[PeerId, Card], picture: Picture, now: float) -> Scene:
    """What is around *me* just now (wall clock, seconds).

    Args:
        me: the session.
        people: the other sessions that are here, of all repos.
        picture: its repo's.
        now: the time.
    """
    mine = {edit.path for edit in picture.files(me.id, now)}
    files = {
        (edit.by, edit.path): edit
        for path in sorted(mine)
        for edit in picture.editors(path, now)
        if edit.by != me.id
    }
    mine_held = picture.claims.held_by(me.id, now)
    held = {
        (edit.by, edit.path): edit
        for edit in (picture.edits(now) if mine_held else ())
        if edit.by != me.id and any(one.since < edit.at and covers(one.path, edit.path) for one in mine_held)
    }
    tasks = picture.board.tasks()
    own = {task.id: task for task in tasks if task.owner == me.id}
    awaited = {one for task in own.values() if task.state == "taken" for one in task.after}
    return Scene(
        branch=me.branch,
        people={peer: card for peer, card in people.items() if card.repo_key == me.repo_key},
        files={key: edit for key, edit in files.items() if key not in held},
        held=held,
        claims=frozenset(one.path for one in mine_held),
        lost={claim.id: (claim, winner) for claim, winner in picture.claims.lost(me.id, now)},
        tasks={**own, **{task.id: task for task in tasks if task.id in awaited}},
    )


def news(me: Card, before: Scene, now: Scene, board: Mapping[str, Task], notes: list[Note]) -> News:
    """What *me* is to be told.

    Args:
        me: the session.
        before: as it was when it was told last.
        now: as it is.
        board: all tasks of the repo, by their ids.
        notes: those by others that it was not told yet, the oldest first.
    """
    people = now.people
    joined = tuple(card for peer, card in people.items() if peer not in before.people)
    new = {card.id for card in joined}
    met = _on_branch(people, me.branch)
    known = _on_branch(before.people, before.branch).keys()
    owned = {one for one, task in before.tasks.items() if task.owner == me.id}
    return News(
        joined=joined,
        left=tuple(card for peer, card in before.people.items() if peer not in people),
        same_branch=tuple(card for card in met.values() if card.id not in known and card.id not in new),
        files=tuple(edit for key, edit in now.files.items() if key not in before.files),
        held=tuple(edit for key, edit in now.held.items() if key not in before.held),
        ended=tuple(sorted(before.claims - now.claims)),
        lost=tuple(pair for one, pair in now.lost.items() if one not in before.lost),
        given=tuple(
            task
            for one, task in now.tasks.items()
            if task.owner == me.id and task.state == "taken" and one not in owned
        ),
        settled=tuple(
            task
            for one, task in now.tasks.items()
            if task.owner == me.id and task.confirmed and one in owned and not before.tasks[one].confirmed
        ),
        taken_away=tuple(
            board[one]
            for one in owned
            if one in board and (board[one].owner != me.id or _closed_since(before.tasks[one], board[one]))
        ),
        finished=tuple(
            task
            for one, task in now.tasks.items()
            if task.state in ("done", "dropped")
            and one in before.tasks
            and before.tasks[one].state != task.state
            if task.owner != me.id
        ),
        returned=tuple(
            task
            for one, task in now.tasks.items()
            if task.state == "open" and one in before.tasks
            if before.tasks[one].state == "taken" and before.tasks[one].owner != me.id
        ),
        notes=tuple(notes[-NOTES_TOLD:]),
        more_notes=max(0, len(notes) - NOTES_TOLD),
    )


def _closed_since(before: Task, now: Task) -> bool:
    return before.state == "taken" and now.state in ("done", "dropped")


def _on_branch(people: Mapping[PeerId, Card], branch: str) -> Mapping[PeerId, Card]:
    return {peer: card for peer, card in people.items() if card.branch == branch} if branch else {}
