"""A plugin whose hooks write down what they were given, answer as told, and wait until told to wake."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .home import until

HOOK = Path(__file__).with_name("recorder_hook.py")

EVENTS = (
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolBatch",
    "Stop",
    "SessionEnd",
    "PreCompact",
)

# A week: longer than anybody leaves a session alone over a weekend. The client's own is ten minutes.
WAITER_TIMEOUT = 604_800


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a hook noted: what (called, answered, waiting, woken, signal), when, and with what."""

    what: str
    event: str
    at: float  # seconds, monotonic: comparable with the requests of the scripted API
    pid: int
    ppid: int
    argv: list[str]
    env: dict[str, str]
    payload: dict[str, Any]
    number: int  # of the signal


class Recorder:
    """The plugin in *path*: it records *events*, and arms a waiter at each event of *waiters*.

    *waiter* adds fields to the waiters' hook, as `{"rewakeMessage": "…"}`. Hooks of the events in
    *background* are not waited for; those of *tools* are asked for the tools that match.
    """

    def __init__(
        self,
        path: Path,
        events: Sequence[str] = EVENTS,
        waiters: Sequence[str] = (),
        waiter: Mapping[str, object] | None = None,
        *,
        background: Sequence[str] = (),
        tools: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        (path / "answers").mkdir(parents=True)
        (path / ".claude-plugin").mkdir()
        (path / "hooks").mkdir()
        (path / "log").touch()
        plugin = {"name": "recorder", "version": "1.0.0", "description": "Records hooks."}
        (path / ".claude-plugin" / "plugin.json").write_text(json.dumps(plugin))
        hooks: dict[str, list[dict[str, Any]]] = {}
        for event in events:
            command = {**_command("record"), **({"async": True} if event in background else {})}
            matcher = {"matcher": tools[event]} if tools and event in tools else {}
            hooks.setdefault(event, []).append({**matcher, "hooks": [command]})
        waiting = {**_command("wait"), "asyncRewake": True, "timeout": WAITER_TIMEOUT, **(waiter or {})}
        for event in waiters:
            hooks.setdefault(event, []).append({"hooks": [waiting]})
        (path / "hooks" / "hooks.json").write_text(json.dumps({"hooks": hooks}))

    def answer(self, event: str, *, once: bool = True, **fields: object) -> None:
        """Let the next hook of *event* (or each, unless *once*) do this.

        `until`: hold back till this path exists (30 s at most); `stdout`: say this; `exit`: the exit code.
        """
        whole = self.path / "answers" / f"{event}.json"
        part = whole.with_suffix(".part")
        part.write_text(json.dumps({"once": once, **fields}))
        part.rename(whole)

    def output(self, event: str, **fields: object) -> None:
        """Let the next hook of *event* give these fields as its hookSpecificOutput."""
        self.answer(event, stdout=json.dumps({"hookSpecificOutput": {"hookEventName": event, **fields}}))

    def context(self, event: str, text: str) -> None:
        """Let the next hook of *event* give *text* as additionalContext."""
        self.output(event, additionalContext=text)

    def rows(self, what: str = "", event: str = "") -> list[Row]:
        """What was noted so far, narrowed to *what* and *event* when given."""
        lines = (self.path / "log").read_text().splitlines(keepends=True)
        rows = [Row(**json.loads(line)) for line in lines if line.endswith("\n")]
        return [row for row in rows if what in ("", row.what) and event in ("", row.event)]

    def wait(self, what: str, event: str = "", count: int = 1, timeout: float = 10.0) -> Row:
        """The *count*-th such row, as soon as it is there."""
        until(lambda: len(self.rows(what, event)) >= count, timeout, f"{what} {event}, number {count}")
        return self.rows(what, event)[count - 1]

    def wake(self, waiter: Row, text: str) -> None:
        """Let *waiter* exit 2 with *text* on stderr; OSError (ENXIO) when it does not live any more."""
        pipe = os.open(self.path / f"pipe.{waiter.pid}", os.O_WRONLY | os.O_NONBLOCK)
        os.set_blocking(pipe, True)
        with os.fdopen(pipe, "w") as out:
            out.write(text)


def _command(kind: str) -> dict[str, Any]:
    """A hook without a shell; that DIR arrives shows that the client replaces the variable."""
    arguments = ["-I", "-S", str(HOOK), kind, "${CLAUDE_PLUGIN_ROOT}"]
    return {"type": "command", "command": sys.executable, "args": arguments}
