"""Why a message may have been shown twice: the window between flush and record, and what widens it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Entry = dict[str, Any]
Kinds = Mapping[str, list[Entry]]

# A record follows the hook's word within this; a machine that does other things beside is slow.
RECORD = 1.5  # seconds
# A sign that came through the door is kept within this. One that the hooks' first step left in a file is there.
HEARD = 0.5  # seconds
# Hooks of the journal that are commands: what they print cannot be taken back.
COMMANDS = ("ask", "inbox", "read")
# A hook that took longer may have given up before it was heard.
IN_TIME = 0.28


@dataclass(slots=True)
class Showing:
    """A hook that printed a message."""

    id: str
    token: str
    who: str
    began: float
    ended: float
    killed: bool
    event: str
    failed: bool = False  # a command that could not say that it has printed


def excuse(by_kind: Kinds, who: dict[str, str], first: Showing, second: Showing) -> str:
    """Why the same message was shown again; "" if there is no reason for it that is written down."""
    host, upto = first.who[0], second.ended
    soon = min(upto, _unfrozen(by_kind, first) + RECORD)
    if first.killed:
        return "hook killed"
    for one in _killed(by_kind):
        mine = one["host"] == host and _whose(who, one) in ("", first.who)
        if mine and first.began <= one["at"] <= soon:
            return "sidecar killed between flush and record"
        if (
            mine
            and first.event not in COMMANDS
            and first.began <= one["at"] <= _sign(by_kind, first) + RECORD
        ):
            return "sidecar killed before it saw the client's sign"
    for one in by_kind["disk"]:
        if one["host"] == host and one["began"] <= soon and one["ended"] >= first.began:
            return "the record could not be written"
    for one in by_kind["damaged"]:
        if one["file"] == "mail.db" and one["session"] == first.who and first.began <= one["at"] <= upto:
            return "its record was damaged"
    if first.event in COMMANDS:
        return "the command could not tell" if first.failed else ""
    return "client died" if _client_died(by_kind, first, upto) else ""


def _killed(by_kind: Kinds) -> Iterator[Entry]:
    """Who died, but for the owners of jobs, who show nothing; a disk that failed killed nobody."""
    yield from (one for one in by_kind["died"] if one.get("why") != "supervisor")
    yield from (one for one in by_kind["fired"] if not one["point"].startswith(("io ", "supervisor-")))


def _whose(who: dict[str, str], one: Entry) -> str:
    """Whose process died: of a hook that is its session, of a sidecar whom it was."""
    return who.get(one.get("peer", ""), one["session"])


def _sign(by_kind: Kinds, first: Showing) -> float:
    """When the client's next hook ended that is a sign that the model has read what this one printed. A prompt is none:
    the one before it may have been taken back, with what it was given.
    """
    after = [
        one["ended"]
        for one in by_kind["hook"]
        if one["who"] == first.who
        and one["began"] >= first.ended
        and one["event"] in ("Stop", "PostToolBatch")
    ]
    return min(after, default=first.ended)


def _unfrozen(by_kind: Kinds, first: Showing) -> float:
    """When the sidecar could hear the hook's word."""
    at = first.ended
    for one in sorted(by_kind["stopped"], key=lambda one: float(one["began"])):
        same = one["host"] == first.who[0] and one["session"] in ("", first.who)
        if same and one["began"] <= at + RECORD and one["ended"] >= first.began:
            at = max(at, one["ended"])
    return at


def _client_died(by_kind: Kinds, first: Showing, upto: float) -> bool:
    """Whether the client ended before it had given a sign that the model read what the hook printed."""
    ends = [
        one["at"]
        for one in [*by_kind["left"], *by_kind["died"]]
        if (one["kind"] == "left" and one["session"] == first.who)
        or (one.get("why") == "power" and one["host"] == first.who[0])
    ]
    # A hook that found no answer in time gave none; nor does the prompt of a woken turn, if it is the last one.
    signs = [
        one["began"]
        for one in by_kind["hook"]
        if one["who"] == first.who
        and one["began"] > first.ended
        and one["event"] in ("Stop", "PostToolBatch")
        and one["ended"] - one["began"] < IN_TIME
    ]
    return any(first.ended <= end <= upto and not any(sign < end - RECORD for sign in signs) for end in ends)
