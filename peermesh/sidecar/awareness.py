"""What a session's model is told of the shared picture: what it holds, at a start; what changed, at a turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from peermesh.core.events import Event, EventId, What
from peermesh.core.news import News, Scene, news, scene
from peermesh.core.words import Card, PeerId
from peermesh.errors import PeerError
from peermesh.hooks import recap

if TYPE_CHECKING:
    from peermesh.core.picture import Note
    from peermesh.sidecar.claiming import Claiming
    from peermesh.sidecar.noting import Noting
    from peermesh.sidecar.post import Post
    from peermesh.sidecar.shared import Shared
    from peermesh.sidecar.tasking import Tasking

# Notes that nobody read yet, of which a session is told the newest.
FRESH = 200
# Questions that are told again at a start.
QUESTIONS = 4


class Awareness:
    """Keeps what one session was told, and finds what is new.

    Args:
        post: the session's.
        shared: the shared picture.
        people: the other sessions that are here, of all repos.
        desks: what answers for claims, tasks and notes.
    """

    def __init__(
        self,
        post: Post,
        shared: Shared,
        people: Callable[[], Mapping[PeerId, Card]],
        desks: tuple[Claiming, Tasking, Noting],
    ) -> None:
        self._post, self._shared, self._people = post, shared, people
        self._claiming, self._tasking, self._noting = desks
        self._fresh: dict[EventId, int] = {}  # notes by others that were not told, and their place of arrival
        self._seq = self._seq_told = 0
        self._news = News()
        shared.listeners.append(self._arrived)
        self._base = self._now()
        self._begin()
        self._latest = (self._base, self._seq)

    @property
    def _me(self) -> Card:
        return self._post.engine.card

    def _begin(self) -> None:
        """Take up the notes that came since the model was told last; a new session begins with none."""
        told = self._shared.log.notebook.told(self._me.id)
        if told is None:
            self._seq = self._seq_told = self._shared.log.last_seq()
            self._note()
            return
        (self._seq, known), self._seq_told = told, told[0]
        self._base = self._as_told(known)
        for seq, event in self._shared.log.since(self._me.repo_key, self._seq):
            self._arrived(seq, event)

    def _as_told(self, known: Mapping[str, Any]) -> Scene:
        """The scene as it was told before this sidecar began: of the tasks and claims that it knew of then."""
        me = self._me
        now = (
            {task.id: task for task in self._shared.picture(me.repo_key).board.tasks()} if me.repo_key else {}
        )
        tasks = {
            one: replace(now[one], state=state, owner=owner, confirmed=confirmed)
            for one, (state, owner, confirmed) in known.get("tasks", {}).items()
            if one in now
        }
        lost = {EventId(log, n) for log, n in known.get("lost", ())}
        return replace(
            self._base,
            tasks=tasks,
            lost={one: pair for one, pair in self._base.lost.items() if one in lost},
            claims=frozenset(map(str, known.get("claims", ()))),
        )

    def _note(self) -> None:
        """Keep what was told: another sidecar may have to go on from there."""
        tasks = {one.id: (one.state, one.owner, one.confirmed) for one in self._base.tasks.values()}
        claims = sorted(self._base.claims)
        known = {"tasks": tasks, "lost": [(one.log, one.n) for one in self._base.lost], "claims": claims}
        self._shared.log.notebook.set_told(self._me.id, self._seq_told, known)

    def _note_own(self) -> None:
        """The same of what the session did itself. That is done, and answered, also if this cannot be written: then a
        sidecar after this one tells of it as of news.
        """
        with suppress(PeerError):
            self._note()

    def _arrived(self, seq: int, event: Event) -> None:
        me = self._me
        if event.repo != me.repo_key:
            return
        self._seq = max(self._seq, seq)
        if event.kind == What.NOTE and event.by != me.id and me.id not in event.data.get("sent", ()):
            self._fresh[event.id] = seq
            while len(self._fresh) > FRESH:
                del self._fresh[next(iter(self._fresh))]

    def _now(self) -> Scene:
        me = self._me
        if not me.repo_key:
            return Scene()
        return scene(me, self._people(), self._shared.picture(me.repo_key), time.time())

    # ------------------------------------------------------------ what changed

    def look(self) -> None:
        """Something may have changed: find out what is new."""
        me = self._me
        if not me.repo_key:
            return
        now = self._now()
        picture = self._shared.picture(me.repo_key)
        notes = self._notes()
        board = {task.id: task for task in picture.board.tasks()}
        self._news = news(me, self._base, now, board, notes)
        self._latest = (now, self._seq)

    def _notes(self) -> list[Note]:
        """Notes by others that were not told, in order of place, as far as the log still has them."""
        if not self._fresh:
            return []
        arrived = self._shared.notes(self._me.repo_key, min(self._fresh.values()) - 1)
        return [note for note in arrived if note.id in self._fresh]

    def waiting(self) -> bool:
        """Whether there is something to tell at the next turn."""
        return bool(self._news)

    def text(self) -> tuple[str, Callable[[], None]]:
        """What changed, for the model, and what to call when that has been written out."""
        self.look()
        if not self._news:
            return "", lambda: None
        latest, picture = self._latest, self._shared.picture(self._me.repo_key)
        words = recap.news(
            self._news,
            self._me,
            lambda one: self._shared.called(one.by, one.name, one.host_key),
            lambda task: self._tasking.short(picture, task),
            time.time(),
        )
        return words, lambda: self._told(*latest)

    def _told(self, told: Scene, seq: int) -> None:
        self._base, self._seq_told = told, seq
        self._fresh = {one: at for one, at in self._fresh.items() if at > seq}
        self._note()
        self.look()

    def knows(self) -> None:
        """It is told anew who is here: that is no news to it."""
        now = self._now()
        base = self._base
        self._base = replace(now, tasks=base.tasks, lost=base.lost, claims=base.claims, held=base.held)
        self.look()

    def moved(self) -> None:
        """The session is in another repo now: nothing that was said there before is news to it."""
        self._fresh.clear()
        self._base, self._seq = self._now(), self._shared.log.last_seq()
        self._seq_told = self._seq
        self._note()
        self.look()

    def claimed(self) -> None:
        """The session itself claimed or released something: that is no news to it."""
        self._base = replace(self._base, claims=self._now().claims)
        self._note_own()
        self.look()

    def did(self, task: str) -> None:
        """The session itself changed this task: that is no news to it."""
        tasks = {one: known for one, known in self._base.tasks.items() if one != task}
        now = self._now().tasks.get(task)
        self._base = replace(self._base, tasks={**tasks, **({task: now} if now is not None else {})})
        self._note_own()
        self.look()

    # ------------------------------------------------------------ what it holds

    def kept(self, room: int) -> str:
        """What the model is told again when it has forgotten, in at most *room* characters."""
        me = self._me
        if not me.repo_key:
            return recap.recap(recap.Kept(state=self._noting.state(), unread=self._unread()), room)
        picture, now = self._shared.picture(me.repo_key), time.time()
        tasks = picture.board.tasks()
        mine = [one for one in tasks if one.owner == me.id and one.state == "taken"]
        claims = [self._claiming.row(one, now) for one in picture.claims.held_by(me.id, now)]
        return recap.recap(
            recap.Kept(
                state=self._noting.state(),
                tasks=self._tasking.rows(picture, mine),
                claims=claims,
                asked=[
                    (str(one.message.id), one.message.to_name, one.message.body)
                    for one in self._post.mailbox.questions.asked(now, QUESTIONS)
                ],
                owed=[
                    (str(one.id), one.by, one.body)
                    for one in self._post.mailbox.questions.owed(now, QUESTIONS)
                ],
                unread=self._unread(),
                open_tasks=sum(one.state == "open" for one in tasks),
            ),
            room,
        )

    def held(self) -> dict[PeerId, str]:
        """What each other session of the repo has a claim on, the first of all."""
        me = self._me
        claims = self._shared.picture(me.repo_key).claims.others(me.id, time.time()) if me.repo_key else []
        return {one.by: one.path for one in reversed(claims)}

    def _unread(self) -> int:
        return len(self._post.engine.incoming.due)
