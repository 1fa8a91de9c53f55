"""One short line about a session's surroundings, in a file, for Claude Code's status line: `peer statusline`.

The client runs that command again and again. So the sidecar keeps the line ready, and the command only prints it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from peermesh.core.clean import age, clean, line
from peermesh.core.picture import RECENT
from peermesh.core.script import Keep, KeepIn, MoveIn
from peermesh.errors import PeerError

if TYPE_CHECKING:
    from peermesh.core.words import Card
    from peermesh.sidecar.post import Post
    from peermesh.sidecar.shared import Shared

LIMIT = 120  # characters of the line
# Others that are named, and of a name so much.
NAMES, NAME = 3, 16
FILE = "statusline"
# What comes within this is one change of the line; the client itself looks three times a second at most.
GATHER = 0.3  # seconds


class Statusline:
    """Keeps the line of one session.

    Args:
        post: the session's.
        shared: the shared picture.
        people: the other sessions that are here, of all repos.
    """

    def __init__(self, post: Post, shared: Shared, people: Callable[[], Collection[Card]]) -> None:
        self._post, self._shared, self._people = post, shared, people
        self._path = os.path.join(post.directory, FILE)
        self._written: str | None = None
        self._here: list[Card] = []
        self._alarm: asyncio.TimerHandle | None = None

    def kept(self, keeps: list[Keep], _clock: float) -> None:
        """The mailbox has written *keeps*: more or less may be unread now. Never raises."""
        if any(isinstance(one, KeepIn | MoveIn) for one in keeps):
            self.stir()

    def stir(self) -> None:
        """Something changed that the line may tell: have a look in a moment."""
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(GATHER, self._look_again)

    def _look_again(self) -> None:
        self._alarm = None
        with contextlib.suppress(PeerError):  # the sidecar's own look meets with the same, and notes it
            self.look()

    def look(self, *, around: bool = False) -> None:
        """Write the line if it is another one now; *around*: who is here may have changed too."""
        if around or self._written is None:
            me = self._post.engine.card
            same = [one for one in self._people() if me.repo_key and one.repo_key == me.repo_key]
            self._here = sorted(same, key=lambda one: one.name)
        text = self._text()
        if text == self._written:
            return
        try:
            with open(
                f"{self._path}.new", "wb"
            ) as file:  # as bytes: a text's coder is looked up, see Post._speak
                file.write(f"{text}\n".encode() if text else b"")
            os.replace(f"{self._path}.new", self._path)
        except OSError:
            return  # a full disk: the line is late
        self._written = text

    def _text(self) -> str:
        said = " · ".join(filter(None, (self._unread(), self._company())))
        room = LIMIT - len(said) - (3 if said else 0)
        return line(clean(" · ".join(filter(None, (said, self._file(room))))), LIMIT)

    def _unread(self) -> str:
        number = len(self._post.engine.incoming.due)
        return f"{number} unread" if number else ""

    def _company(self) -> str:
        """Who else works on this repo."""
        if not self._here:
            return ""
        named = ", ".join(line(one.address if one.host_key else one.name, NAME) for one in self._here[:NAMES])
        more = len(self._here) - NAMES
        return f"with {named}" + (f" +{more}" if more > 0 else "")

    def _file(self, room: int) -> str:
        """Who holds the file that this session edited last, or edited it too."""
        me, now = self._post.engine.card, time.time()
        if not me.repo_key:
            return ""
        picture = self._shared.picture(me.repo_key)
        mine = next(iter(picture.files(me.id, now)), None)
        if mine is None:
            return ""
        held = picture.claims.against(me.id, mine.path, now)
        if held is not None:
            who = line(self._shared.called(held.by, held.name, held.host_key), NAME)
            return f"{who} holds {_end(mine.path, room - len(who) - 7)}"
        edit = next((one for one in picture.editors(mine.path, now, RECENT) if one.by != me.id), None)
        if edit is None:
            return ""
        who = line(self._shared.called(edit.by, edit.name, edit.host_key), NAME)
        when = age(now - edit.at)
        return f"{who} edited {_end(mine.path, room - len(who) - len(when) - 9)} {when}"

    def close(self) -> None:
        """The session has no line any more."""
        if self._alarm is not None:
            self._alarm.cancel()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


def _end(path: str, room: int) -> str:
    """The end of *path*, which tells more than its beginning, in *room* letters."""
    return path if len(path) <= room else f"…{path[len(path) - max(room, 2) + 1 :]}"
