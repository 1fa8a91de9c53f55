"""The end of a job is told: to each listener once, and kept on disk before it is noted as told."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from peermesh.core.clean import clean, line
from peermesh.core.script import Keep, KeepOut, Say
from peermesh.core.words import Card, Kind, PeerId
from peermesh.jobs import record
from peermesh.sidecar.shelf import TAIL, Kept
from peermesh.sidecar.where import look

if TYPE_CHECKING:
    from peermesh.jobs.record import EndRecord
    from peermesh.sidecar.post import Post

# Characters of one message: below what a model is shown of it, so that its last line is shown too.
ROOM = 1_700
# Of those that end together each has less to say, so that a hook's output holds more of them.
TOGETHER = 6_000
LEAST = 300
# What a mailbox said last is looked through for ends that were said and not noted as told.
BEFORE = 100  # messages


def keep(post: Post, says: Sequence[Say]) -> list[bool]:
    """Say these, and come back when they are on disk: which of them are.

    One that is not was refused for now, or the disk did not take it: it is to be tried again.
    """
    written: list[str] = []

    def noted(keeps: list[Keep], _: float) -> None:
        written.extend(one.message.body for one in keeps if isinstance(one, KeepOut))

    post.kept.append(noted)
    try:
        for say in says:
            post.put(say)
        post.run()
    finally:
        post.kept.remove(noted)
    return [say.body in written for say in says]


class Teller:
    """Says how jobs ended.

    Args:
        card_of: who somebody is now; None if that is not known any more.
        log: leaves a line in the sidecar's log.
    """

    def __init__(self, card_of: Callable[[PeerId], Card | None], log: Callable[[str], None]) -> None:
        self._card_of, self._log = card_of, log
        self._said: set[str] = set()  # jobs whose ends this process knows to be on disk

    def tell(self, post: Post, ended: Sequence[Kept]) -> list[Kept]:
        """Have the peer of *post*, whose lock is held, say how these jobs ended; those that need no more telling.

        First the messages are on disk, then that is noted: a crash in between loses nothing. Whoever comes then
        finds the message in the mailbox; it is said twice only if that mailbox was lost in between, or so much
        was said after it that it is not looked for any more.
        """
        self._remember(post, ended)
        says, whose = [], []
        room = max(LEAST, min(ROOM, TOGETHER // max(1, len(ended))))
        for one in ended:
            if one.job.id in self._said or one.end is None:
                continue
            to = self._listeners(post.engine.card, one)
            if to:
                says.append(Say(0, to, Kind.DONE, words(one, one.end, room), time.time()))
                whose.append(one.job.id)
            else:
                self._said.add(one.job.id)
        if says:
            self._said.update(job for job, written in zip(whose, keep(post, says), strict=True) if written)
        return [one for one in ended if one.job.id in self._said]

    def _remember(self, post: Post, ended: Sequence[Kept]) -> None:
        """What was said by whoever was this peer before, and ended before that could be noted."""
        if any(one.job.id not in self._said for one in ended):
            rows = post.mailbox.sent(BEFORE, own=True)
            said = [message.body for message, _ in rows if message.kind == Kind.DONE]
            self._said.update(one.job.id for one in ended if any(body.endswith(_where(one)) for body in said))

    def _listeners(self, me: Card, one: Kept) -> tuple[Card, ...]:
        """Who is told, as they are now; whoever is forgotten hears nothing any more."""
        found = []
        for listener in one.job.tell:
            card = me if listener.id == me.id else self._card_of(listener.id)
            if card is None:
                self._log(
                    f"the job {one.job.id} ended; {listener.name}, who was to be told, is not known any more"
                )
            else:
                found.append(card)
        return tuple(dict.fromkeys(found))


# ---------------------------------------------------------------- words


def words(one: Kept, end: EndRecord, room: int = ROOM) -> str:
    """How a job ended, for a reader who has forgotten it, in about *room* characters."""
    head = [f"{one.job.name} {_how(one, end)} after {lasted(end.seconds)} {_about(one)}", *_beside(one, end)]
    stream, said = end.last_words()
    last = _where(one)
    left = room - sum(map(len, head)) - len(last)
    shown: list[str] = []
    for text in reversed(said[-TAIL:]):
        left -= len(text) + 3
        if left < 0:
            break
        shown.insert(0, f"  {clean(text)}")
    tail = [f"{stream}, its last lines:", *shown] if shown else []
    return "\n".join([*head, *tail, last])


def _how(one: Kept, end: EndRecord) -> str:
    if one.state == "lost":
        return f"is lost ({end.why}; its exit code is not known)"
    if end.signal:
        return f"was ended by {end.signal}"
    return f"ended with exit code {end.code}" if end.code is not None else "ended"


def _about(one: Kept) -> str:
    parts = [one.cmd] if one.cmd and one.cmd != one.job.name else []
    place = _place(one.job.cwd, one.job.repo)
    if place:
        parts.append(f"in {place}{f' on branch {one.job.branch}' if one.job.branch else ''}")
    if one.job.kind == record.WATCH:
        parts.append(f"process {one.job.pid}")
    return f"({', '.join(parts)})" if parts else ""


def _place(cwd: str, repo: str) -> str:
    """The repo, and the directory in it."""
    where = look(cwd) if os.path.isabs(cwd) else None
    if where is None or not where.git_dir:
        return line(repo or cwd, 80)
    below = os.path.relpath(os.path.realpath(cwd), where.top)
    return line(clean(repo if below == "." else os.path.join(repo, below)), 80)


def _beside(one: Kept, end: EndRecord) -> list[str]:
    """What a reader must know besides."""
    rows = [f"{end.why[:1].upper()}{end.why[1:]}."] if end.why and one.state != "lost" else []
    if end.left:
        some = ", ".join(map(str, end.left))
        rows.append(f"Still running of it: process{'es' if len(end.left) > 1 else ''} {some}.")
    return rows


def _where(one: Kept) -> str:
    """The last line, by which a message is known again as the one about this job."""
    if one.job.kind == record.WATCH:
        return f"All about it: peer jobs show {one.job.id}"
    return f"All output: peer jobs log {one.job.id}"


def lasted(seconds: float) -> str:
    """A length of time as one says how long something took: "0.4 s", "3 min 12 s", "2 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, small, below in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {below}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"
