"""Messages to rows of a mailbox and back."""

from __future__ import annotations

import json
from functools import lru_cache
from sys import intern
from typing import Any

from peermesh.core.words import Envelope, Message, MessageId, State
from peermesh.store.sqlite import texts

# The columns that ``unshown`` is made of. A mailbox may hold 200,000, and a session's start waits for them: JSON
# is read by SQLite, and a word that many rows have is one object.
UNSHOWN = (
    "peer, n, kind, size, urgent, state, json_extract(fields, '$.reply'), json_extract(fields, '$.chain')"
)

_TEXTS = ("to", "by", "host", "repo", "branch", "to_name", "group")


def unshown(row: list[Any], arrived: float) -> Envelope:
    """What the engine knows of a message that waits in the inbox since *arrived* (monotonic seconds)."""
    peer, n, kind, size, urgent, state, reply, chain = row
    return Envelope(
        id=MessageId(intern(peer), n),
        kind=intern(kind),
        size=size,
        arrived=arrived,
        urgent=bool(urgent),
        held=state == State.HELD,
        reply_to=MessageId.parse(reply) if reply else None,
        chain=_chain(chain) if chain else (),
    )


@lru_cache(maxsize=256)
def _chain(text: str) -> tuple[str, ...]:
    return texts(json.loads(text))


def fields(m: Message) -> str:
    """What of a message has no column of its own."""
    named = {
        "to": m.to,
        "to_name": m.to_name,
        "by": m.by,
        "host": m.host,
        "repo": m.repo,
        "branch": m.branch,
        "group": m.group,
        "reply": str(m.reply_to) if m.reply_to else "",
        "urgent": m.urgent,
        "chain": list(m.chain),
        "said_at": m.said_at,
    }
    return json.dumps({key: value for key, value in named.items() if value}, ensure_ascii=False)


def message(peer: str, n: int, kind: str, body: str, fields: str) -> Message:
    """The message that a row of the inbox or the outbox holds.

    Raises:
        ValueError, TypeError, AttributeError: it holds none.
    """
    get = json.loads(fields).get
    to, by, host, repo, branch, to_name, group = texts([get(name, "") for name in _TEXTS])
    reply = get("reply", "")
    return Message(
        id=MessageId(peer, n),
        to=to,
        kind=kind,
        body=body,
        by=by,
        host=host,
        repo=repo,
        branch=branch,
        to_name=to_name,
        group=group,
        reply_to=MessageId.parse(reply) if reply else None,
        urgent=bool(get("urgent", False)),
        chain=texts(get("chain", [])),
        said_at=float(get("said_at", 0.0)),
    )
