"""Questions without an answer are followed: whoever asked is told when the one asked goes idle, or leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peermesh.core.clean import clean, line, span
from peermesh.core.script import Say
from peermesh.core.words import Kind, State

if TYPE_CHECKING:
    from peermesh.core.words import Card, MessageId, PeerId
    from peermesh.sidecar.post import Post
    from peermesh.store.questions import Open

# Open questions that are looked at, the newest.
MOST = 50
# Who was shown a question may answer in its next step; idle for so long, it has not.
GRACE = 3.0  # seconds
# Words of the question, by which the asker knows it again.
QUOTED = 100  # characters


@dataclass(frozen=True, slots=True)
class Status:
    """What somebody is doing, since when (wall clock, seconds)."""

    word: str  # idle, busy, waiting, here, away
    since: float


class Following:
    """Follows the questions of one session.

    Args:
        post: the session's.
        status: what a peer is doing.
        card: who is told.
    """

    def __init__(self, post: Post, status: Callable[[PeerId], Status], card: Callable[[], Card]) -> None:
        self._post, self._status, self._card = post, status, card
        self._told: set[MessageId] = set()

    def look(self) -> None:
        """Every few seconds."""
        now = time.time()
        for one in self._post.mailbox.questions.asked(now, MOST, untold=True):
            words = self._words(one, now) if one.message.id not in self._told else ""
            if words:
                self._told.add(one.message.id)  # until it is in the inbox
                said = f'{words} You asked: "{clean(line(one.message.body, QUOTED))}"'
                me = self._card()
                self._post.put(Say(0, (me,), Kind.NOTICE, said, now, reply_to=one.message.id))

    def _words(self, one: Open, now: float) -> str:
        """Why no answer is to be expected just now; "" if one may still come."""
        status, who = self._status(one.message.to), clean(line(one.message.to_name, 80))
        shown = one.state == State.SHOWN
        if status.word == "away" and status.since > one.message.said_at:
            when = f"{span(now - status.since)} ago"
            if shown:
                return f"{who} read your question and ended {when} without an answer."
            return f"{who} ended {when}, before it read your question; it gets it when it comes back."
        idle = now - status.since if status.word == "idle" else 0.0
        if shown and min(idle, now - one.shown_at) > GRACE:  # who is shown something is busy with it at first
            return f"{who} read your question and went idle {span(idle)} ago without an answer."
        return ""
