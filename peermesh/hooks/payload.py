"""Claude Code's hook payloads to ours and back: the one file that knows its field names."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

START = "SessionStart"
END = "SessionEnd"
PROMPT = "UserPromptSubmit"
STOP = "Stop"
BATCH = "PostToolBatch"
# Not an event of the client's: the background hook that waits to wake an idle session.
WAIT = "Wait"

# How the prompt begins by which the client wakes a session; a person's own does not begin so.
NOTIFICATION = "<task-notification>"

# A payload carries a whole prompt or a tool's answer; more than this is read no further.
PAYLOAD_LIMIT = 32 * 1024 * 1024

# The prompt of a woken turn is the text that woke it. Only this much of a prompt is looked at,
# and it goes no further than the sidecar of its own session.
PROMPT_HEAD = 2_000


def read(stream: BinaryIO) -> dict[str, Any]:
    """What a hook was told on its standard input, as far as peer needs it.

    Returns:
        ``session``, ``cwd``, ``source`` (of a start), ``reason`` (of an end), ``prompt`` (its head),
        ``prompt_id`` (of the turn); "" for what is not there.

    Raises:
        ValueError: the payload is not JSON, or no object.
    """
    said = json.loads(stream.read(PAYLOAD_LIMIT) or b"{}")
    if not isinstance(said, dict):
        raise ValueError("a hook's payload that is not an object")
    return {
        "session": _text(said, "session_id")[:128],
        "cwd": _text(said, "cwd"),
        "source": _text(said, "source"),
        "reason": _text(said, "reason"),
        "prompt": _text(said, "prompt")[:PROMPT_HEAD],
        "prompt_id": _text(said, "prompt_id")[:128],
    }


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""


def context(event: str, text: str) -> dict[str, Any]:
    """The answer of a hook that puts *text* into the model's context."""
    return {"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}
