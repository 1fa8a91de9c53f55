"""Messages as JSON, for `--json` and for the commands that draw them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peermesh.core.words import Message

# Characters of bodies in one answer, the first one's not counted. JSON writes one in up to twelve bytes,
# and a session is given the same again as text; the door's lines end at 8 MiB.
ROOM = 300_000


def how_many(sizes: Sequence[int]) -> int:
    """How many bodies of these sizes, in characters, one answer can hold; at least one."""
    room = ROOM
    for count, size in enumerate(sizes):
        room -= size
        if count and room < 0:
            return count
    return max(1, len(sizes))


def newest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last of *rows* that one answer can hold."""
    return rows[-how_many([len(row["body"]) for row in reversed(rows)]) :]


def message(m: Message, came_at: float | None) -> dict[str, Any]:
    """One message; *came_at* is when it reached this host (wall clock, seconds)."""
    return {
        "id": str(m.id),
        "from": m.by,
        "host": m.host,
        "peer": m.id.peer,
        "to": m.to_name,
        "group": m.group,
        "kind": m.kind,
        "urgent": m.urgent,
        "reply_to": str(m.reply_to) if m.reply_to else "",
        "repo": m.repo,
        "branch": m.branch,
        "body": m.body,
        "said_at": m.said_at,
        "came_at": came_at,
    }


def received(m: Message, state: str, came_at: float, shown_at: float | None) -> dict[str, Any]:
    """A message of the inbox, with its state."""
    return {**message(m, came_at), "state": state, "shown_at": shown_at}


def sent(m: Message, states: dict[str, Any]) -> dict[str, Any]:
    """A message of the outbox, with its state and times."""
    return {**message(m, None), **states}
