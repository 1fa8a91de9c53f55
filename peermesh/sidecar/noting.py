"""Notes and a session's own state at the door: `peer note`, `peer notes`, `peer state`."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from peermesh.core.clean import clean, line
from peermesh.core.events import NOTE_LIMIT, SENT_LIMIT, What
from peermesh.core.patterns import covers
from peermesh.core.script import Say
from peermesh.core.words import Card, Kind
from peermesh.errors import BadUsage, EmptyText, NoSuchState, TooLarge, TooMany

if TYPE_CHECKING:
    from collections.abc import Callable

    from peermesh.core.picture import Note, Picture
    from peermesh.door.server import Caller
    from peermesh.sidecar.scope import Here, Scope
    from peermesh.sidecar.shared import Shared

# Paths that one note is about.
PATHS = 20
# What one session keeps over a compaction: each is read again every time.
KEYS, KEY_LIMIT, STATE_LIMIT = 32, 40, 2_000
# Words of a focus that say what it is about: shorter ones, such as "the", and these do not.
TELLING = 5  # letters
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "about above after again being below between could doing during every first found having might never other "
        "right shall should since something still their there these things think those through under until using "
        "where which while would write",
    )
)
_PATH = re.compile(r"[\w.@~+-]+(?:/[\w.@~+-]+)+|[\w-]+\.[A-Za-z]\w{0,7}\b")
_WORD = re.compile(rf"\w{{{TELLING},}}")


class Noting:
    """What one sidecar says and answers about notes and state.

    Args:
        shared: the shared picture.
        scope: which repo is meant.
        here: the sessions that are here.
        send: puts a message on its way.
    """

    def __init__(
        self, shared: Shared, scope: Scope, here: Callable[[], list[Card]], send: Callable[[Say], None]
    ) -> None:
        self._shared, self._scope, self._here, self._send = shared, scope, here, send
        self._apart = shared.apart
        self.verbs: dict[str, Callable[[Caller, int, dict[str, Any]], dict[str, Any] | None]] = {
            "note": self._note,
            "notes": self._notes,
            "state": self._state,
        }

    # ------------------------------------------------------------ notes

    def _note(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        place, text = self._scope.of(str(fields["cwd"])), clean(str(fields.get("text") or "")).strip()
        if not text:
            raise EmptyText()
        if len(text) > NOTE_LIMIT:
            raise TooLarge(
                f"the note has {len(text)} characters; the limit is {NOTE_LIMIT}. Put it into a file and note its path."
            )
        given = [str(one) for one in fields.get("paths") or ()]
        if len(given) > PATHS:
            raise BadUsage(f"a note is about at most {PATHS} paths")
        paths = [self._scope.place(one, place.cwd, place.key) for one in given]
        discovery = bool(fields.get("discovery"))
        concerned = self._concerned(place, text, paths)[:SENT_LIMIT] if discovery else []
        data = {"text": text, "discovery": discovery, "paths": paths, "sent": [one.id for one in concerned]}
        said = self._shared.say(place.key, What.NOTE, data)
        if concerned:
            # Nobody at the door waits for this: token 0 is no question.
            about = f"on {', '.join(paths)}: " if paths else ""
            self._send(Say(0, tuple(concerned), Kind.DISCOVERY, about + text, time.time()))
        names = [one.address if one.host_key else one.name for one in concerned]
        return {"id": f"{said.id.log}-{said.id.n}", "sent": names}

    def _concerned(self, place: Here, text: str, paths: list[str]) -> list[Card]:
        """The sessions of the repo whose focus or files *text* speaks of."""
        picture, now = self._shared.picture(place.key), time.time()
        spoken, words = [*paths, *_PATH.findall(text)], _telling(text)
        return [
            card
            for card in self._here()
            if card.repo_key == place.key and card.id != self._scope.me.id
            if not (card.host_key and self._apart())
            if words & _telling(card.focus) or _touches(picture, card, spoken, now)
        ]

    def _notes(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        place, now = self._scope.of(str(fields["cwd"])), time.time()
        since = float(fields["since"]) if fields.get("since") is not None else None
        grep = str(fields.get("grep") or "").casefold()
        most = max(1, int(fields.get("most") or 20))
        found = [
            note
            for note in self._shared.notes(place.key)
            if (since is None or now - note.at <= since)
            and (not grep or grep in note.text.casefold() or grep in note.name.casefold())
        ]
        return {"notes": [self._row(note, now) for note in found[-most:]], "repo": place.repo}

    def _row(self, note: Note, now: float) -> dict[str, Any]:
        return {
            "id": f"{note.id.log}-{note.id.n}",
            "by": self._shared.called(note.by, note.name, note.host_key).partition("@")[0],
            "host": self._shared.host_called(note.host_key),
            "peer": note.by,
            "mine": note.by == self._scope.me.id,
            "text": note.text,
            "discovery": note.discovery,
            "paths": list(note.paths),
            "age": max(0.0, now - note.at),
        }

    # ------------------------------------------------------------ state

    def _state(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        act, me = str(fields["act"]), self._scope.me.id
        key = line(clean(str(fields.get("key") or "")), KEY_LIMIT)
        if act == "set":
            self._set_state(me, key, str(fields.get("text") or ""))
        elif act == "clear":
            if key and self._shared.log.notebook.state_get(me, key) is None:
                raise self._no_state(key)
            self._shared.log.notebook.state_clear(me, key or None)
        elif act == "get" and self._shared.log.notebook.state_get(me, key) is None:
            raise self._no_state(key)
        elif act not in ("get", "show"):
            raise BadUsage(f"state cannot be {act[:20]!r}")
        return {"state": self.state(key if act in ("get", "set") else "")}

    @staticmethod
    def _no_state(key: str) -> NoSuchState:
        return NoSuchState(f"nothing is kept under {key!r}; `peer state show` lists what is")

    def _set_state(self, me: str, key: str, text: str) -> None:
        text = clean(text).strip()
        if not key or not text:
            raise EmptyText('state needs a key and a text: peer state set plan "first the tests"')
        if len(text) > STATE_LIMIT:
            raise TooLarge(
                f"the text has {len(text)} characters; the limit is {STATE_LIMIT}. Put it into a file and keep its path."
            )
        notebook = self._shared.log.notebook
        if notebook.state_get(me, key) is None and len(notebook.state_all(me)) >= KEYS:
            raise TooMany(f"{KEYS} keys are kept already; clear one first (`peer state clear KEY`)")
        notebook.state_set(me, key, text, time.time())

    def state(self, key: str = "") -> list[dict[str, Any]]:
        """What this peer keeps, the newest first."""
        now = time.time()
        kept = self._shared.log.notebook.state_all(self._scope.me.id)
        return [
            {"key": one, "text": text, "age": max(0.0, now - at)}
            for one, text, at in sorted(kept, key=lambda row: -row[2])
            if key in ("", one)
        ]


def _telling(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)} - _COMMON


def _touches(picture: Picture, card: Card, spoken: list[str], now: float) -> bool:
    """Whether *card* edited or holds any of the paths that were spoken of, in full or by their end."""
    edited = [edit.path for edit in picture.files(card.id, now)]
    held = [claim.path for claim in picture.claims.held_by(card.id, now)]
    return any(path == one or path.endswith("/" + one) for one in spoken for path in [*edited, *held]) or any(
        covers(pattern, one) for one in spoken for pattern in held
    )
