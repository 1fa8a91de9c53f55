"""A session that dies without a goodbye is news: to who watches it, and to who waits for a task of its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from peermesh.core.clean import age, clean, line
from peermesh.core.events import Event, What
from peermesh.core.script import Say
from peermesh.core.words import Card, Kind, PeerId, is_peer_id
from peermesh.errors import BadUsage, TooMany
from peermesh.sidecar.telling import keep
from peermesh.store.sqlite import translated_os

if TYPE_CHECKING:
    from peermesh.door.server import Caller
    from peermesh.sidecar.post import Post
    from peermesh.sidecar.shared import Shared

# Sessions that one watches, and the file in which they stand.
MOST = 100
FILE = "watched.json"
FILE_SIZE = 100_000  # bytes
# Tasks that are named in one notice.
TASKS = 3


class Known(Protocol):
    """What is known of sessions."""

    @property
    def card(self) -> Card:
        """Who this is."""

    def card_of(self, peer: PeerId) -> Card | None:
        """The card of *peer*, if it is known."""

    def find_peer(self, name: str) -> Card:
        """The one peer that *name* means, oneself included."""

    def is_away(self, peer: PeerId) -> bool:
        """Whether nobody runs as *peer*, as far as is known."""


@dataclass(frozen=True, slots=True)
class Death:
    """Somebody ended without a goodbye, and who waits is to be told."""

    event: Event
    watched: bool
    tasks: tuple[str, ...]  # titles of those for which a task of ours waits


class Deaths:
    """Follows who dies, for one sidecar.

    Args:
        directory: the peer's own.
        shared: the shared picture.
        known: who is who.
        active: when somebody's hooks told something last (wall clock, seconds; 0: not known).
        log: leaves a line in the sidecar's log.
    """

    def __init__(
        self,
        directory: str,
        shared: Shared,
        known: Known,
        active: Callable[[PeerId], float],
        log: Callable[[str], None],
    ) -> None:
        self._path = os.path.join(directory, FILE)
        self._shared, self._known, self._active, self._log = shared, known, active, log
        self._watched = self._read()  # the last event that was known when somebody began to be watched
        self._heard: list[Event] = []
        self._untold: list[Death] = []
        shared.listeners.append(self._arrived)
        self.verbs: dict[str, Callable[[Caller, int, dict[str, Any]], dict[str, Any] | None]] = {
            "watch_peer": self._watch
        }

    # ------------------------------------------------------------ who is watched

    def _watch(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        card = self._known.find_peer(str(fields["name"]))
        if card.id == self._known.card.id:
            raise BadUsage("that is you")
        if card.person:
            raise BadUsage("people come and go without a goodbye; watch a session")
        if len(self._watched) >= MOST and card.id not in self._watched:
            raise TooMany(f"{MOST} sessions are watched already")
        name = card.address if card.host_key else card.name
        if self._known.is_away(card.id):
            return {"name": name, "here": False}
        self._shared.picture(card.repo_key)
        self._watched[card.id] = self._shared.log.last_seq()
        self._write()
        return {"name": name, "here": True}

    def _read(self) -> dict[PeerId, int]:
        try:
            with open(self._path, encoding="ascii") as file:
                found = json.loads(file.read(FILE_SIZE))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(found, Mapping):
            return {}
        return {one: seq for one, seq in found.items() if is_peer_id(one) and type(seq) is int}

    def _write(self) -> None:
        with translated_os(self._path):
            with open(f"{self._path}.new", "w", encoding="ascii") as file:
                json.dump(self._watched, file)
            os.replace(f"{self._path}.new", self._path)

    # ------------------------------------------------------------ who died

    def _arrived(self, seq: int, event: Event) -> None:
        if event.kind == What.GONE and event.data.get("died"):
            self._heard.append(event)

    def begin(self) -> None:
        """Take up what happened to those who are watched while this sidecar did not run."""
        for peer, since in self._watched.items():
            card = self._known.card_of(peer)
            for _, event in self._shared.log.since(card.repo_key, since) if card is not None else ():
                if event.by == peer:
                    self._arrived(0, event)

    def look(self, post: Post) -> bool:
        """Tell whoever waits of those who died since, by *post*, our own; whether anybody did."""
        for card in filter(None, map(self._known.card_of, self._watched)):
            self._shared.picture(card.repo_key)  # what is new in it comes to `_arrived`
        heard, self._heard = self._heard, []
        self._untold += filter(None, map(self._death, heard))
        if self._untold:
            self._tell(post)
        return bool(heard)

    def _death(self, event: Event) -> Death | None:
        if event.by == self._known.card.id:
            return None
        watched, tasks = event.by in self._watched, self._awaited(event)
        return Death(event, watched, tasks) if watched or tasks else None

    def _awaited(self, event: Event) -> tuple[str, ...]:
        """The tasks that went back to the board by this, and for which ours wait."""
        me = self._known.card
        if event.repo != me.repo_key or me.person:
            return ()
        tasks = self._shared.picture(event.repo).board.tasks()
        waited = {
            one for task in tasks if task.owner == me.id and task.state == "taken" for one in task.after
        }
        why = event.data.get("why", "")
        return tuple(
            task.title
            for task in tasks
            if task.id in waited and task.state == "open" and (task.changed_at, task.why) == (event.at, why)
        )

    def _tell(self, post: Post) -> None:
        now, me = time.time(), self._known.card
        says = [Say(0, (me,), Kind.NOTICE, self._words(one, now), now) for one in self._untold]
        told = keep(post, says)
        done = [one for one, written in zip(self._untold, told, strict=True) if written]
        self._untold = [one for one, written in zip(self._untold, told, strict=True) if not written]
        over = {one.event.by for one in done if one.watched}
        if over:
            self._watched = {peer: seq for peer, seq in self._watched.items() if peer not in over}
            self._write()

    def _words(self, death: Death, now: float) -> str:
        event = death.event
        who = self._shared.called(event.by, event.name, event.host_key)
        parts = [f"The session {who} ended without a goodbye {age(now - event.at)}."]
        active = self._active(event.by)
        if active:
            parts.append(f"It was last active {age(now - active)}.")
        edits = self._shared.picture(event.repo).files(event.by, now)
        if edits:
            parts.append(f"It last edited {edits[0].path}, {age(now - edits[0].at)}.")
        if death.tasks:
            some = ", ".join(f'"{line(one, 80)}"' for one in death.tasks[:TASKS])
            more = f" and {len(death.tasks) - TASKS} more" if len(death.tasks) > TASKS else ""
            parts.append(f"Back on the board, and yours wait for it: {some}{more}.")
        return clean(line(" ".join(parts), 800))
