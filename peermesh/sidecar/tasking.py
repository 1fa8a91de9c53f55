"""The task board at the door: `peer task …`. Taking is decided by the host on which a task was made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

from peermesh.core.clean import clean, line, span
from peermesh.core.events import AFTER_LIMIT, TITLE_LIMIT, WHY_LIMIT, Draft, Event, EventId, What
from peermesh.core.tasks import Step, Task
from peermesh.errors import BadUsage, EmptyText, NoSuchTask, PeerError, TaskTaken, TaskWaits
from peermesh.sidecar.ask import short

if TYPE_CHECKING:
    from peermesh.core.picture import Picture
    from peermesh.core.words import Card, PeerId
    from peermesh.door.server import Caller
    from peermesh.sidecar.scope import Here, Scope
    from peermesh.sidecar.shared import Shared

# The other host's word on a taking comes within a round trip; a busy one needs longer.
VERDICT = 2.0  # seconds
# Letters of an id that are shown; more where two begin alike.
SHOWN = 4
# Open tasks of one repo.
MOST = 2_000

_ACTS = {"done": What.DONE, "drop": What.DROP, "reopen": What.REOPEN}


class Around(Protocol):
    """What tasks need of the sidecar."""

    def find_peer(self, name: str) -> Card:
        """The one peer that *name* means."""

    def is_away(self, peer: PeerId) -> bool:
        """Whether nobody runs as *peer*, as far as is known."""

    def host_is_up(self, key: str) -> bool:
        """Whether there is a link to the host with *key*."""


@dataclass(slots=True)
class _Awaited:
    """A taking whose verdict somebody at the door waits for."""

    caller: Caller
    number: int
    place: Here
    task: str
    timer: asyncio.TimerHandle


class Tasking:
    """What one sidecar says and answers about tasks.

    Args:
        shared: the shared picture.
        scope: which repo is meant.
        around: the sidecar.
    """

    def __init__(self, shared: Shared, scope: Scope, around: Around) -> None:
        self._shared, self._scope, self._around = shared, scope, around
        self._awaited: dict[EventId, _Awaited] = {}
        self.did: Callable[[str], None] = lambda _: None  # called when this peer changed a task itself
        self.verbs: dict[str, Callable[[Caller, int, dict[str, Any]], dict[str, Any] | None]] = {
            "task": self._task,
            "tasks": self._tasks,
        }

    def _task(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any] | None:
        place, act = self._scope.of(str(fields["cwd"])), str(fields["act"])
        if act == "add":
            return self._add(place, fields)
        if act in ("take", "assign"):
            return self._take(caller, number, place, fields)
        if act in _ACTS:
            return self._change(place, act, fields)
        raise BadUsage(f"a task cannot be {act[:20]!r}")

    # ------------------------------------------------------------ changing

    def _add(self, place: Here, fields: dict[str, Any]) -> dict[str, Any]:
        title = short(fields.get("title"), TITLE_LIMIT, "title")
        if not title:
            raise EmptyText('a task needs a title: peer task add "what is to be done"')

        def judge(picture: Picture) -> list[Draft]:
            after = [self._find(picture, str(one)).id for one in fields.get("after") or ()]
            if len(after) > AFTER_LIMIT:
                raise BadUsage(f"a task waits for at most {AFTER_LIMIT} others")
            if sum(task.state in ("open", "taken") for task in picture.board.tasks()) >= MOST:
                raise BadUsage(f"{MOST} tasks are open here; close some first")
            return [self._shared.draft(place.key, What.TASK, {"title": title, "after": after})]

        said = self._shared.decide(place.key, judge)
        return self._answer(place, self._made(place, said[0]).id)

    def _made(self, place: Here, said: Event) -> Task:
        return next(task for task in self._shared.picture(place.key).board.tasks() if task.made == said.id)

    def _take(
        self, caller: Caller, number: int, place: Here, fields: dict[str, Any]
    ) -> dict[str, Any] | None:
        to = self._around.find_peer(str(fields["to"])) if fields.get("act") == "assign" else self._scope.me
        anyway = bool(fields.get("anyway"))
        found: list[Task] = []

        def judge(picture: Picture) -> list[Draft]:
            task = self._find(picture, str(fields["task"]))
            found[:] = [task]
            self._may_take(picture, task, to, anyway=anyway)
            if task.state == "taken" and task.owner == to.id and task.confirmed:
                return []
            data = {"task": task.id, "to": to.id, "to_name": to.address if to.host_key else to.name}
            return [self._shared.draft(place.key, What.TAKE, data)]

        said, task = self._shared.decide(place.key, judge), found[0]
        self.did(task.id)
        if not said or not task.host_key or not self._around.host_is_up(task.host_key):
            return self._answer(place, task.id)
        timer = asyncio.get_running_loop().call_later(VERDICT, self._give_up, said[0].id)
        self._awaited[said[0].id] = _Awaited(caller, number, place, task.id, timer)
        return None

    def _may_take(self, picture: Picture, task: Task, to: Card, *, anyway: bool) -> None:
        if task.state in ("done", "dropped"):
            raise TaskTaken(
                f"that task is {task.state}; peer task reopen {self.short(picture, task.id)} first"
            )
        own = task.owner in (to.id, self._scope.me.id)  # who has it may give it away
        if task.state == "taken" and not own and not self._around.is_away(task.owner):
            who = self._shared.called(task.owner, task.owner_name, "")
            raise TaskTaken(
                f"{line(clean(who), 80)} has that task since {span(time.time() - task.changed_at)}; ask it, or"
                f" peer task reopen {self.short(picture, task.id)} puts it back on the board"
            )
        waits = picture.board.waits_for(task)
        if waits and not anyway:
            names = ", ".join(f"{self.short(picture, one.id)} ({clean(one.title)})" for one in waits[:3])
            raise TaskWaits(f"that task waits for {names}; take one of these, or say --anyway")

    def _change(self, place: Here, act: str, fields: dict[str, Any]) -> dict[str, Any]:
        why = short(fields.get("why"), WHY_LIMIT, "reason")
        found: list[Task] = []
        freed: list[str] = []

        def judge(picture: Picture) -> list[Draft]:
            task = self._find(picture, str(fields["task"]))
            found[:] = [task]
            freed[:] = [
                self.short(picture, one.id) for one in picture.board.tasks() if _last(picture, one, task)
            ]
            closed = task.state in ("done", "dropped")
            if act == "reopen" and task.state == "open":
                return []
            if act != "reopen" and closed:
                if task.state == ("done" if act == "done" else "dropped"):
                    return []
                raise TaskTaken(f"that task is {task.state}; peer task reopen {fields['task']} first")
            return [self._shared.draft(place.key, _ACTS[act], {"task": task.id, "why": why})]

        said, task = self._shared.decide(place.key, judge), found[0]
        was = self._shared.called(task.owner, task.owner_name, "") if task.state == "taken" else ""
        return {
            **self._answer(place, task.id),
            "changed": bool(said),
            "was_with": was if task.owner != self._scope.me.id else "",
            "freed": freed if said and act != "reopen" else [],
        }

    # ------------------------------------------------------------ the other host's word

    def heard(self) -> None:
        """Something was said: perhaps the verdict that somebody waits for."""
        for take, awaited in list(self._awaited.items()):
            board = self._shared.picture(awaited.place.key).board
            granted, why = board.verdict_on(take)
            if granted is not None:
                self._settle(take, why if not granted else "")

    def _give_up(self, take: EventId) -> None:
        if take in self._awaited:
            self._settle(take, "")

    def _settle(self, take: EventId, refused: str) -> None:
        awaited = self._awaited.pop(take)
        awaited.timer.cancel()
        self.did(awaited.task)
        try:
            if refused:
                raise TaskTaken(f"that task went to somebody else: {clean(refused)}")
            answer = self._answer(awaited.place, awaited.task)
        except PeerError as wrong:  # or its host lost its log meanwhile, and the task with it
            awaited.caller.fail(awaited.number, wrong)
        else:
            awaited.caller.answer(awaited.number, answer)

    # ------------------------------------------------------------ showing

    def _tasks(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        place = self._scope.of(str(fields["cwd"]))
        picture = self._shared.picture(place.key)
        if fields.get("task"):
            task = self._find(picture, str(fields["task"]))
            row = {**self.rows(picture, [task])[0], "history": self._history(picture, task)}
            return {"tasks": [row], "repo": place.repo}
        some = [
            task for task in picture.board.tasks() if fields.get("all") or task.state in ("open", "taken")
        ]
        return {"tasks": self.rows(picture, some), "repo": place.repo}

    def _history(self, picture: Picture, task: Task) -> list[dict[str, Any]]:
        now = time.time()
        made = Step(what=What.TASK, by=task.by, by_name=task.by_name, host_key=task.host_key, at=task.at)
        return [
            {
                "what": step.what,
                "by": self._shared.called(step.by, step.by_name, step.host_key),
                "to": step.to_name,
                "granted": step.granted,
                "age": max(0.0, now - step.at),
                "why": step.why,
            }
            for step in (made, *picture.board.history(task.id))
        ]

    def _answer(self, place: Here, task_id: str) -> dict[str, Any]:
        self.did(task_id)
        picture = self._shared.picture(place.key)
        task = self._find(picture, task_id)
        waiting = task.state == "taken" and not task.confirmed
        return {
            "task": self.rows(picture, [task])[0],
            "confirmed": not waiting,
            "waits_for_host": self._shared.host_called(task.host_key) if waiting else "",
        }

    def rows(self, picture: Picture, tasks: Sequence[Task]) -> list[dict[str, Any]]:
        """What `peer task list` tells of tasks."""
        shorts = self._shorts(picture)
        return [self._row(picture, one, shorts) for one in tasks]

    def _row(self, picture: Picture, task: Task, shorts: Mapping[str, str]) -> dict[str, Any]:
        now = time.time()
        owner = self._shared.called(task.owner, task.owner_name, "") if task.owner else ""
        name, _, host = owner.partition("@")
        return {
            "id": shorts[task.id],
            "full": task.id,
            "title": task.title,
            "state": task.state,
            "owner": name,
            "owner_host": host,
            "owner_here": bool(task.owner) and not self._around.is_away(task.owner),
            "mine": task.owner == self._scope.me.id,
            "confirmed": task.confirmed,
            "tentative": task.state == "taken" and not task.confirmed,
            "after": [shorts.get(one, one) for one in task.after],
            "waits_for": [shorts[one.id] for one in picture.board.waits_for(task)],
            "by": task.by_name,
            "host": self._shared.host_called(task.host_key),
            "age": max(0.0, now - task.at),
            "changed": max(0.0, now - task.changed_at),
            "why": task.why,
        }

    def short(self, picture: Picture, task: str) -> str:
        """The first letters of the id *task*, as many as make it clear."""
        return self._shorts(picture).get(task, task)

    @staticmethod
    def _shorts(picture: Picture) -> dict[str, str]:
        """The same for every task of the board."""
        ids = sorted(one.id for one in picture.board.tasks())
        alike = [_alike(one, other) for one, other in pairwise(ids)]
        return {
            one: one[: max(SHOWN, before + 1, behind + 1)]
            for one, before, behind in zip(ids, [0, *alike], [*alike, 0], strict=bool(ids))
        }

    @staticmethod
    def _find(picture: Picture, spelled: str) -> Task:
        found = picture.board.find(spelled.strip().casefold()) if spelled.strip() else []
        if not found:
            raise NoSuchTask(
                f"there is no task {spelled[:20]!r} on this repo's board; `peer task list --all` shows all"
            )
        if len(found) > 1:
            choices = ", ".join(f"{one.id} ({one.title})" for one in found[:5])
            raise NoSuchTask(f"{spelled!r} may be any of {choices}; give more letters")
        return found[0]


def _last(picture: Picture, waiting: Task, closed: Task) -> bool:
    """Whether *closed* is all that the open task *waiting* still waits for."""
    if waiting.state != "open" or closed.id not in waiting.after:
        return False
    return [one.id for one in picture.board.waits_for(waiting)] == [closed.id]


def _alike(one: str, other: str) -> int:
    """With how many same letters both begin."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), len(one))
