"""The asking side: one thread that long-polls the feed, refreshes the lists, and comes back when a sidecar does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from peermesh.errors import BadRequest, NoSidecar, PeerError
from peermesh.ui import values
from peermesh.ui.values import Item, Picture

# Drawing more often than this is nothing that an eye can follow; what comes meanwhile is drawn together.
ROUND = 0.2  # seconds
# How long a question about news waits at the door; the lists are asked for again after it.
WAIT = 2.0
# While much happens the lists are asked for no more often than this.
LISTS = 1.0
# More than that beyond the wait means that the sidecar hangs.
PATIENCE = 10.0
# Between two tries to reach a sidecar.
AGAIN = 0.5
# Items in one answer; who has been away asks for more until there are fewer.
MOST = 500
# After a sidecar's restart it is asked from so long before what it told last, and what is known is left out: an
# item's number is its time, and may differ by some between one process and the next.
OVERLAP = 5_000  # milliseconds


class Asked(Protocol):
    """A connection to a sidecar's door, or what stands in for one."""

    def ask(self, do: str, timeout: float | None = None, **fields: Any) -> dict[str, Any]:
        """The answer to one request."""

    def close(self) -> None:
        """Hang up."""


Connect = Callable[[], Asked]
Knock = Callable[[], Asked | None]


@dataclass(frozen=True, slots=True)
class News:
    """What happened, in order.

    ``again``: it may repeat what was told before, by a sidecar that is new. ``missed``: something before it is lost.
    """

    items: tuple[Item, ...]
    again: bool = False
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Whether the sidecar answers; if not, why."""

    up: bool
    why: str = ""


Told = Picture | News | Line


class _Retired(OSError):
    """The sidecar was ended by intention: it is not for us to start it again."""


class Watch:
    """Follows one sidecar, and says what it tells.

    Args:
        connect: opens the door; starts the sidecar if it is not there. Raises ``PeerError`` or ``OSError``.
        knock: the same for a sidecar that runs; ``None`` if none does.
        fields: added to each question, such as ``cwd``.
        say: called in the thread with each value.
    """

    def __init__(
        self, connect: Connect, knock: Knock, fields: Mapping[str, Any], say: Callable[[Told], object]
    ) -> None:
        self._connect, self._knock, self._fields, self._say = connect, knock, dict(fields), say
        self._retired = False
        self._after = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="peer-ui-door", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, patience: float = 0.0) -> None:
        """End after the question that is asked just now; wait for that at most *patience* seconds."""
        self._ended.set()
        if patience:
            self._thread.join(patience)

    def _run(self) -> None:
        while not self._ended.is_set():
            why = self._visit()
            if why:
                self._say(Line(up=False, why=why))
            self._ended.wait(AGAIN)

    def _visit(self) -> str:
        """Be at the door for as long as it answers; why it does not any more."""
        try:
            near = self._knock() if self._retired else self._connect()
            if near is None:
                return ""  # what was said of it still holds
            self._retired = False
            visit = _Visit(near, self._fields, self._say, self._ended, self._after)
            try:
                visit.stay()
            except NoSidecar as ending:  # it is just leaving
                raise _Retired from ending
            finally:
                self._after = visit.after
                near.close()
        except _Retired:
            self._retired = True
            return "the sidecar was ended; the next peer command starts it"
        except TimeoutError:
            return "the sidecar does not answer"
        except OSError:  # Closed is one: it went away
            return "the sidecar went away"
        except PeerError as wrong:
            return values.short(wrong)
        except (AttributeError, KeyError, TypeError, ValueError) as wrong:  # of another version
            return f"the sidecar's answer cannot be read ({type(wrong).__name__})"
        return ""


class _Visit:
    """One connection, from its greeting to its end."""

    def __init__(
        self,
        near: Asked,
        fields: dict[str, Any],
        say: Callable[[Told], object],
        ended: threading.Event,
        after: int,
    ) -> None:
        self._near, self._fields, self._say, self._ended = near, fields, say, ended
        self._unknown: set[str] = set()
        self._absent: dict[str, str] = {}
        self.after = after
        self._first = True
        self._repo_key: str | None = None
        self._listed = 0.0

    def stay(self) -> None:
        """Ask until the end is wanted.

        Raises:
            OSError, PeerError: the sidecar is gone, or ends.
        """
        self._lists()
        self._say(Line(up=True))
        while not self._ended.is_set():
            began = time.monotonic()
            came = self._news()
            if time.monotonic() - self._listed >= (LISTS if came else WAIT):
                self._lists()
            rest = ROUND - (time.monotonic() - began)
            if "feed" in self._absent:
                rest = LISTS
            if rest > 0:
                self._ended.wait(rest)

    def _news(self) -> bool:
        """Whether something happened; returns when it did, or after the wait."""
        first, self._first = self._first, False
        after = max(0, self.after - OVERLAP) if first else self.after
        answer = self._try("feed", WAIT + PATIENCE, after=after, most=MOST, wait=0.0 if first else WAIT)
        items = values.each(answer.get("items"), values.item)
        if items:
            self._say(News(items, again=first, missed=bool(answer.get("missed"))))
        self.after = max(self.after, int(answer.get("after") or 0))
        if answer.get("retire"):
            raise _Retired
        return bool(items)

    def _lists(self) -> None:
        who = self._near.ask("list", timeout=PATIENCE, **({} if self._repo_key is not None else self._fields))
        if self._repo_key is None:
            self._repo_key = str(who.get("repo_key") or "")
        now = time.time()
        claims, jobs = self._try("claims", PATIENCE), self._try("jobs", PATIENCE)
        tasks = self._try("tasks", PATIENCE, all=True)
        known = values.sessions(who, self._repo_key, now)
        self._listed = time.monotonic()
        self._say(
            Picture(
                me=values.short(who.get("name"), 60),
                host=values.short(who.get("host"), 60),
                person=any(one.mine and one.person for one in known),
                repo=values.short(claims.get("repo") or tasks.get("repo"), 60),
                unread=int(who.get("unread") or 0),
                sessions=known,
                claims=values.claims(claims, now),
                tasks=values.tasks(tasks, now),
                jobs=values.jobs(jobs, now),
                absent=tuple(sorted(self._absent.items())),
            )
        )

    def _try(self, do: str, timeout: float, **fields: Any) -> dict[str, Any]:
        """The answer, or {} from a sidecar that does not know the verb: what it knows is shown all the same."""
        if do in self._unknown:
            return {}
        try:
            answer = self._near.ask(do, timeout=timeout, **self._fields, **fields)
        except NoSidecar:
            raise
        except BadRequest:
            self._unknown.add(do)
            self._absent[do] = "not available: this sidecar does not know it"
        except PeerError as wrong:
            self._absent[do] = f"not available: {values.short(wrong)}"
        else:
            self._absent.pop(do, None)
            return answer
        return {}


def ask_once(connect: Connect, do: str, fields: Mapping[str, Any], *, shown: bool = False) -> dict[str, Any]:
    """One question over a connection of its own.

    Args:
        connect: opens the door.
        do: the verb.
        fields: its arguments.
        shown: say that what was handed to us is before a person; else it waits again when we hang up.

    Raises:
        PeerError: the sidecar's answer, or that it has none.
    """
    try:
        near = connect()
        try:
            answer = near.ask(do, timeout=PATIENCE + PATIENCE, **fields)
            if shown and answer.get("hand"):
                near.ask("shown", timeout=PATIENCE, hand=answer["hand"])
            return answer
        finally:
            near.close()
    except TimeoutError as wrong:
        raise PeerError("the sidecar did not answer in time") from wrong
    except OSError as wrong:
        raise NoSidecar("the sidecar went away before it answered; try again") from wrong
