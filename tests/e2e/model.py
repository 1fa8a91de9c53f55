"""What a scripted model says, what it was asked, and how both look on the wire of the Messages API."""

from __future__ import annotations

import itertools
import json
import shlex
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool call that the scripted model makes."""

    name: str
    input: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the scripted model: *text*, then *tools*.

    It is held back until *gate* is set, and then for *delay* seconds.
    """

    text: str = ""
    tools: tuple[Tool, ...] = ()
    gate: threading.Event | None = None
    delay: float = 0.0


def say(text: str, *, gate: threading.Event | None = None, delay: float = 0.0) -> Turn:
    """An answer in words, which ends the turn."""
    return Turn(text=text, gate=gate, delay=delay)


def use(name: str, **arguments: object) -> Turn:
    """A call of the tool *name*; the client runs it and asks again."""
    return Turn(tools=(Tool(name, arguments),))


def bash(command: str) -> Turn:
    """A call of the Bash tool, the usual way for a session to run `peer`."""
    return use("Bash", command=command, description="a scripted command")


def bash_until(path: Path, then: str = "echo the tool is done") -> Turn:
    """A Bash call that lasts until *path* exists (a minute at most), and ends with *then*.

    A plain `sleep 30` would not do: the client refuses it before any hook is asked.
    """
    wait = f"for _ in $(seq 1200); do [ -e {shlex.quote(str(path))} ] && break; sleep 0.05; done"
    return bash(f"{wait}; {then}")


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came: whose, the how-many-th of that session, when, and the whole body."""

    session: str
    number: int
    at: float  # seconds, monotonic
    body: Mapping[str, Any]

    @property
    def main(self) -> bool:
        """Whether the conversation's model was asked, and not a side call for a title."""
        return bool(self.body.get("tools"))

    @property
    def messages(self) -> list[Mapping[str, Any]]:
        """The conversation so far."""
        return list(self.body.get("messages", []))

    def text(self) -> str:
        """All that the model was shown in the conversation, its own words left out."""
        return "\n".join(text for m in self.messages if m["role"] != "assistant" for text in _texts(m))

    def news(self) -> str:
        """What the model was shown since it last spoke."""
        fresh = itertools.takewhile(lambda m: m["role"] != "assistant", reversed(self.messages))
        return "\n".join(text for m in reversed(list(fresh)) for text in _texts(m))

    def tools(self) -> dict[str, Mapping[str, Any]]:
        """The tools that the client offers, by name."""
        return {tool["name"]: tool for tool in self.body.get("tools", [])}


Script = Callable[[Request], Turn]


def _texts(block: object) -> list[str]:
    """The texts in a message, a content block or a tool's result, however deep."""
    if isinstance(block, str):
        return [block]
    if isinstance(block, list):
        return [text for item in block for text in _texts(item)]
    if isinstance(block, dict):
        return _texts(block.get("text", block.get("content", [])))
    return []


_numbers = itertools.count(1)


def message(turn: Turn, model: str) -> dict[str, Any]:
    """A turn as the API's message."""
    content: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
    for tool in turn.tools:
        call = {"type": "tool_use", "id": f"toolu_{next(_numbers)}", "name": tool.name}
        content.append({**call, "input": dict(tool.input)})
    return {
        "id": f"msg_{next(_numbers)}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": "tool_use" if turn.tools else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def events(whole: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A message as the stream of events in which the API sends it."""
    start = {**whole, "content": [], "stop_reason": None}
    found: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(whole["content"]):
        empty, delta = _pieces(block)
        found.append({"type": "content_block_start", "index": index, "content_block": empty})
        found.append({"type": "content_block_delta", "index": index, "delta": delta})
        found.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    found.append({"type": "message_delta", "delta": end, "usage": {"output_tokens": 1}})
    found.append({"type": "message_stop"})
    return found


def _pieces(block: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A content block as it starts, empty, and the one piece that fills it."""
    if block["type"] == "text":
        return {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
    return {**block, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
