"""Messages to rows of a mailbox and back."""

from __future__ import annotations

import json
from typing import Any

from peermesh.core.words import Envelope, Message, MessageId, State


def unshown(row: list[Any], arrived: float) -> Envelope:
    """What the engine knows of a message that waits in the inbox since *arrived* (monotonic seconds)."""
    peer, n, kind, size, urgent, state, fields = row
    extra = json.loads(fields)
    return Envelope(
        id=MessageId(peer, n),
        kind=kind,
        size=size,
        arrived=arrived,
        urgent=bool(urgent),
        held=state == State.HELD,
        reply_to=MessageId.parse(extra["reply"]) if extra.get("reply") else None,
        chain=tuple(extra.get("chain", ())),
    )


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
    """The message that a row of the inbox or the outbox holds."""
    get = json.loads(fields).get
    reply = get("reply", "")
    return Message(
        id=MessageId(peer, n),
        to=get("to", ""),
        kind=kind,
        body=body,
        by=get("by", ""),
        host=get("host", ""),
        repo=get("repo", ""),
        branch=get("branch", ""),
        to_name=get("to_name", ""),
        group=get("group", ""),
        reply_to=MessageId.parse(reply) if reply else None,
        urgent=bool(get("urgent", False)),
        chain=tuple(get("chain", ())),
        said_at=float(get("said_at", 0.0)),
    )
