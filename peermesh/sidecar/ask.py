"""Requests at the door, read and checked: bad input gets a sentence, and nothing is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peermesh.core.clean import clean, line
from peermesh.core.names import key, tidy
from peermesh.core.words import BODY_LIMIT, KINDS, ROLE_LIMIT, MessageId, State
from peermesh.errors import AmbiguousPeer, BadUsage, EmptyText, NoSuchMessage, NotText, TooLarge

# A command waits no longer than this for an answer or a state.
LONGEST_WAIT = 7 * 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Send:
    """A request to say something."""

    to: str
    body: str
    kind: str
    urgent: bool
    reply_to: str
    wait: State
    timeout: float
    answer: bool
    cwd: str  # where a command addressed a group; "" else

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Send:
        """The request that *fields* make.

        Raises:
            EmptyText, NotText, TooLarge, BadUsage: it cannot be sent.
        """
        kind = str(fields.get("kind") or "")
        if kind and kind not in KINDS:
            raise BadUsage(f"there is no kind {kind[:40]!r}; choose one of {', '.join(sorted(KINDS))}")
        return cls(
            to=str(fields.get("to") or ""),
            body=body(fields["body"]),
            kind=kind,
            urgent=bool(fields.get("urgent")),
            reply_to=str(fields.get("reply_to") or ""),
            wait=State(fields.get("wait") or State.QUEUED),
            timeout=_seconds(fields.get("within") or 0.0),
            answer=bool(fields.get("answer")),
            cwd=str(fields.get("cwd") or ""),
        )


def _seconds(given: Any) -> float:
    """A wait as given, within bounds; what is no number, such as NaN, is no wait."""
    asked = float(given)
    return min(asked, LONGEST_WAIT) if asked > 0 else 0.0


def body(text: object) -> str:
    """*text* as a message's body.

    Raises:
        EmptyText, NotText, TooLarge: it is none.
    """
    if not isinstance(text, str) or not text.strip():
        raise EmptyText()
    try:
        size = len(text.encode())
    except UnicodeEncodeError as wrong:
        raise NotText() from wrong
    if size > BODY_LIMIT:
        raise TooLarge(
            f"the text has {size} bytes; the limit is {BODY_LIMIT}. Put it into a file and send the path."
        )
    return text


def name(text: str) -> str:
    """*text* as a name.

    Raises:
        BadUsage: nothing is left of it.
    """
    tidied = tidy(text)
    if not tidied:
        raise BadUsage("a name needs at least one letter or digit")
    return tidied


def roles(given: Sequence[object]) -> tuple[str, ...]:
    """Roles, tidy and without repeats.

    Raises:
        BadUsage: there are too many.
    """
    found = tuple(dict.fromkeys(key(name(str(one))) for one in given))
    if len(found) > ROLE_LIMIT:
        raise BadUsage(f"a peer has at most {ROLE_LIMIT} roles")
    return found


def short(text: object, limit: int, what: str) -> str:
    """*text* as one line of at most *limit* characters; "" for none.

    Raises:
        TooLarge: it is longer; the sentence calls it *what*.
    """
    one = line(clean(str(text or "")), 100_000)
    if len(one) > limit:
        raise TooLarge(
            f"the {what} has {len(one)} characters; the limit is {limit}. Note the rest: peer note"
        )
    return one


def focus(text: str) -> str:
    """What somebody works on, as one line."""
    return line(text)


def one_message(found: Sequence[MessageId], spelled: str) -> MessageId:
    """The only one of *found*, which *spelled* was looked up as: what one said to oneself is found twice.

    Raises:
        NoSuchMessage: there is none, or more than one.
    """
    if not found:
        raise NoSuchMessage(
            f"there is no message {spelled[:60]!r} here; `peer inbox --all` and `peer sent` list them"
        )
    found = list(dict.fromkeys(found))
    if len(found) > 1:
        choices = ", ".join(str(one) for one in found[:5])
        raise AmbiguousPeer(
            f"{spelled!r} may be any of {choices}; give the whole id", choices=choices.split(", ")
        )
    return found[0]
