"""Claude Code's hook payloads to ours and back: the one file that knows its field names."""

from __future__ import annotations

from peermesh import lightjson as json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

START = "SessionStart"
END = "SessionEnd"
PROMPT = "UserPromptSubmit"
STOP = "Stop"
BATCH = "PostToolBatch"
BEFORE_EDIT = "PreToolUse"
# In the background, when the file is written: nothing that this one prints would be read in time.
AFTER_EDIT = "PostToolUse"
# Not an event of the client's: the background hook that waits to wake an idle session.
WAIT = "Wait"

# How the prompt begins by which the client wakes a session; a person's own does not begin so.
NOTIFICATION = "<task-notification>"

# A payload carries a whole prompt or a tool's answer; more than this is read no further.
PAYLOAD_LIMIT = 32 * 1024 * 1024

# The prompt of a woken turn is the text that woke it. Only this much of a prompt is looked at,
# and it goes no further than the sidecar of its own session.
PROMPT_HEAD = 2_000

# No system takes a longer path; one that was cut would be another file's.
PATH_LIMIT = 4_096  # characters

# Where each tool that edits has the file that it edits, always as an absolute path.
_PATHS = ("file_path", "notebook_path")


def read(stream: BinaryIO) -> dict[str, Any]:
    """What a hook was told on its standard input, as far as peer needs it.

    Returns:
        ``session``, ``cwd``, ``source`` (of a start), ``reason`` (of an end), ``prompt`` (its head),
        ``prompt_id`` (of the turn), ``tool`` (its name), ``path`` (of the file that it edits); "" for what is
        not there.

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
        "tool": _text(said, "tool_name")[:128],
        "path": _path(said.get("tool_input")),
    }


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""


def _path(tool_input: object) -> str:
    if not isinstance(tool_input, dict):
        return ""
    path = next(filter(None, (_text(tool_input, name) for name in _PATHS)), "")
    return path if len(path) <= PATH_LIMIT else ""


def context(event: str, text: str) -> dict[str, Any]:
    """The answer of a hook that puts *text* into the model's context."""
    return _output(event, additionalContext=text)


def denied(text: str) -> dict[str, Any]:
    """The answer before an edit that is not to be done: the model reads *text* in place of its result."""
    return _output(BEFORE_EDIT, permissionDecision="deny", permissionDecisionReason=text)


def asked(text: str) -> dict[str, Any]:
    """The answer before an edit that the person is to decide about.

    The client asks, but shows *text* for commands only: in its dialog about a file it is not to be seen.
    """
    return _output(BEFORE_EDIT, permissionDecision="ask", permissionDecisionReason=text)


def _output(event: str, **fields: str) -> dict[str, Any]:
    return {"hookSpecificOutput": {"hookEventName": event, **fields}}
