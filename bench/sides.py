"""The two that are compared: sessions of peer and agents of hcom, called as Claude Code calls their hooks."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from typing import Any

import rival
from stage import ROOT, Stage, called, until

BODY = "a message of an ordinary length, as sessions write"

# After hcom has sent, its own process beside the client's terminal is busy for a moment: it is not measured.
SETTLED = 0.03  # seconds

# More wakes than any benchmark makes.
UNLIMITED = {"PEER_WAKES": "1000000", "PEER_WAKES_PER_MINUTE": "1000000"}


def hook_file(here: Stage) -> str:
    """hook.sh as `peer setup` would write it."""
    with open(os.path.join(ROOT, "peermesh", "hooks", "files", "hook.sh"), encoding="utf-8") as file:
        text = file.read().replace("@PYTHON@", sys.executable).replace("@ROOT@", ROOT)
    path = os.path.join(here.home, "hook.sh")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o700)
    return path


class Ours:
    """Peer's side: session b is measured, session a sends and claims."""

    def __init__(self, here: Stage) -> None:
        self.here, self.file = here, hook_file(here)
        self.place = os.path.join(here.home, "project")
        os.mkdir(self.place)
        here.env.update(UNLIMITED)
        os.environ.update(UNLIMITED)  # which the sidecars are started with
        here.session("a", self.place)
        here.session("b", self.place)
        self._a = here.open("a")
        self.to = here.open("b").ask("name")["name"]
        self._prompted = False  # and its turn did not end yet
        self._numbers = itertools.count()

    def hook(self, event: str, wanted: str = "", **given: Any) -> None:
        """Call a hook, and look that it says *wanted*, or nothing."""
        self._check(event, wanted, self.call(event, **given))

    @staticmethod
    def _check(event: str, wanted: str, printed: str) -> None:
        if wanted not in printed or bool(wanted) != bool(printed):
            raise RuntimeError(f"{event} said: {printed}")

    def call(self, event: str, session: str = "b", **given: Any) -> str:
        """Call a hook; what it prints."""
        if session == "b" and event in ("UserPromptSubmit", "Stop"):
            self._prompted = event == "UserPromptSubmit"
        env, said = self.here.environment(session), self.payload(event, session, **given)
        return called([self.file, event], env, said).decode()

    def payload(self, event: str, session: str, **given: Any) -> bytes:
        """What the client gives a hook on its standard input."""
        said = {
            "session_id": session,
            "hook_event_name": event,
            "cwd": self.place,
            "prompt": "go on",
            **given,
        }
        return json.dumps(said).encode()

    def text(self, event: str) -> str:
        """Call a hook; what the model reads of it."""
        printed = self.call(event)
        return str(json.loads(printed)["hookSpecificOutput"]["additionalContext"]) if printed else ""

    def call_edit(self, event: str, folder: str = "free") -> str:
        """Call a hook around an edit, each time of another file; what it prints."""
        path = os.path.join(self.place, folder, f"{next(self._numbers)}.py")
        return self.call(event, tool_name="Edit", tool_input={"file_path": path})

    def edit(self, event: str, wanted: str = "", folder: str = "free") -> None:
        """The same for a hook around an edit, each time of another file."""
        self._check(event, wanted, self.call_edit(event, folder))

    def ended(self) -> None:
        """The turn ended, so what was said before has stuck. The sidecar has noted before that it began."""
        if self._prompted:
            until(lambda: self._file("turn").strip() == "busy")
        self.hook("Stop")

    def quiet(self) -> None:
        """Nothing is left to be said, of messages or of what changed around the session."""
        self.ended()
        self.call("UserPromptSubmit")
        until(lambda: not os.path.exists(self._due("UserPromptSubmit")))
        self.ended()

    def message(self, *, urgent: bool = False, body: str = BODY) -> None:
        """Session a sends one, in the middle of a turn of session b."""
        self.quiet()
        self.call("UserPromptSubmit")
        self._a.ask("send", to=self.to, body=body, wait="safe", within=5, urgent=urgent)
        wanted = ("UserPromptSubmit", "Stop", *(["PostToolBatch"] if urgent else []))
        until(lambda: all(os.path.exists(self._due(event)) for event in wanted))

    def send(self, body: str) -> None:
        """Session a sends, through an open door, until it is safe."""
        self._a.ask("send", to=self.to, body=body, wait="safe", within=5)

    def waiter(self) -> subprocess.Popen[bytes]:
        """The hook that waits while session b is idle; it waits when this returns."""
        waiter = subprocess.Popen(
            [self.file, "Wait"],
            env=self.here.environment("b"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert waiter.stdin is not None
        waiter.stdin.write(json.dumps({"session_id": "b", "cwd": self.place}).encode())
        waiter.stdin.close()
        until(lambda: os.path.exists(os.path.join(self.here.home, "session", "b", "armed")))
        return waiter

    def woken(self) -> None:
        """The turn that a waiter woke begins, and ends: session b is idle again."""
        until(lambda: not os.path.exists(os.path.join(self.here.home, "session", "b", "armed")))
        self.call("UserPromptSubmit", prompt="<task-notification>")
        self.ended()

    def _file(self, name: str) -> str:
        with open(os.path.join(self.here.home, "session", "b", name), encoding="ascii") as file:
            return file.read()

    def claim(self) -> None:
        """Session a holds a directory."""
        self._a.ask("claim", cwd=self.place, paths=["held/"], lease=None, why="a bench")
        until(lambda: os.path.exists(self._due("PreToolUse")))

    def release(self) -> None:
        """Session a holds nothing."""
        self._a.ask("release", cwd=self.place, paths=[], all=True)
        until(lambda: not os.path.exists(self._due("PreToolUse")))

    def _due(self, event: str) -> str:
        return os.path.join(self.here.home, "session", "b", "due", event)


class Theirs:
    """Hcom's side: an agent in a terminal of its own, and one without, whose Stop hook waits for a message."""

    def __init__(self, here: rival.Rival) -> None:
        self.here = here
        self.agent, self.waiting = here.agent("--headless"), here.agent("-p", "go on")

    def hook(self, hook: str, *, loud: bool = False) -> None:
        """Call a hook, and look that it says the message, or nothing."""
        printed = self.agent.hook(hook)
        if loud != (BODY in printed):
            raise RuntimeError(f"hcom {hook} said: {printed}")

    def send(self, body: str) -> None:
        """Send to the agent without a terminal."""
        if not self.here.send(self.waiting, body):
            raise RuntimeError("hcom could not send")

    def delivery(self, body: str) -> float:
        """Seconds from the start of a send until the hook that waits has printed it and ended."""
        words = self.waiting.command("poll")
        poll = subprocess.Popen(words, env=self.waiting.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert poll.stdin is not None
        poll.stdin.write(self.waiting.payload("poll"))
        poll.stdin.close()
        poll.stdin = None
        until(lambda: self.here.listens(self.waiting))
        time.sleep(SETTLED)
        began = time.perf_counter()
        self.send(body)
        printed = poll.communicate()[0]
        took = time.perf_counter() - began
        if body not in printed.decode():
            raise RuntimeError(f"hcom poll said: {printed!r}")
        return took

    def poll(self) -> None:
        """The hook at a turn's end, of an agent that waits for a message there."""
        if BODY not in self.waiting.hook("poll"):
            raise RuntimeError("hcom poll did not say the message")

    def text(self, hook: str) -> str:
        """Call a hook; what the model reads of it."""
        time.sleep(SETTLED)
        printed = self.agent.hook(hook)
        return str(json.loads(printed)["hookSpecificOutput"]["additionalContext"]) if printed else ""

    def message(self, *, waiting: bool = False) -> None:
        """Send one."""
        if not self.here.send(self.waiting if waiting else self.agent, BODY):
            raise RuntimeError("hcom could not send")
        time.sleep(SETTLED)
