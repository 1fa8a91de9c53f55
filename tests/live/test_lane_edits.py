"""The hooks' lane before and after an edit, and at a session's return, against a door that a test opens."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from peermesh.hooks import lane

from .actors import Session
from .conftest import Sessions
from .home import Home

# Beside other tests an interpreter may take so much longer to start.
LOADED = 2.0  # seconds
TEXT = 'peer: src/a.py is held by "b" ✎\nask it first'
PATH = "/repo/src/a.py"


class FakeDoor:
    """The door of a session whose sidecar is the test; it says what it is told to say, whatever it is asked."""

    def __init__(self, home: Home, one: Session) -> None:
        folder = home.peer / "peers" / "aaaaaaaa"
        folder.mkdir(parents=True, mode=0o700)
        one.link.parent.mkdir(exist_ok=True)
        one.link.symlink_to(folder)
        self._path = str(folder / "door")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)

    def open(self) -> Self:
        """Listen, from now on."""
        self._socket.bind(self._path)
        self._socket.listen(10)
        return self

    def serve(self, answer: dict[str, Any], after: float = 0.0) -> list[dict[str, Any]]:
        """Take one hook, answer its question with *answer* after so many seconds; all that it asked."""
        caller, _ = self._socket.accept()
        caller.settimeout(10)
        asked = []
        with caller, caller.makefile("rb") as lines:
            for line in lines:
                asked.append(json.loads(line))
                time.sleep(after)
                ok = {"id": asked[-1]["id"], "ok": answer if len(asked) == 1 else {}}
                caller.sendall(json.dumps(ok).encode() + b"\n")
        return asked

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


@pytest.fixture
def one(session: Sessions) -> Session:
    """A session without a sidecar of its own."""
    return session("a", start=False)


@pytest.fixture
def closed_door(home: Home, one: Session) -> Iterator[FakeDoor]:
    """Its door, at which nobody listens yet."""
    door = FakeDoor(home, one)
    yield door
    door.close()


@pytest.fixture
def door(closed_door: FakeDoor) -> FakeDoor:
    """Its door."""
    return closed_door.open()


def start(one: Session, event: str, **said: Any) -> subprocess.Popen[bytes]:
    """A hook with any payload, as a process that goes on."""
    return one.start_process(event, **{"tool_name": "Edit", "tool_input": {"file_path": PATH}, **said})


def end(hook: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the hook printed; it must have gone well."""
    out, err = hook.communicate(timeout=10)
    assert (hook.returncode, err) == (0, b"")
    return dict(json.loads(out)["hookSpecificOutput"]) if out else {}


DECISIONS = {
    "deny": {"permissionDecision": "deny", "permissionDecisionReason": TEXT},
    "ask": {"permissionDecision": "ask", "permissionDecisionReason": TEXT},
    "note": {"additionalContext": TEXT},
}


@pytest.mark.parametrize("word", DECISIONS)
def test_before_an_edit_the_doors_word_is_said(one: Session, door: FakeDoor, word: str) -> None:
    """Deny, ask and note become the client's decision or context; nothing more is told to the door."""
    hook = start(one, "PreToolUse")
    asked = door.serve({word: TEXT})
    assert end(hook) == {"hookEventName": "PreToolUse", **DECISIONS[word]}
    assert [(a["do"], a.get("event"), a.get("tool"), a.get("path")) for a in asked] == [
        ("hook", "PreToolUse", "Edit", PATH)
    ]


def test_before_an_edit_what_was_handed_is_confirmed(one: Session, door: FakeDoor) -> None:
    """An answer with a hand is followed by the word that it was shown."""
    hook = start(one, "PreToolUse")
    asked = door.serve({"note": TEXT, "hand": 7})
    assert end(hook)["additionalContext"] == TEXT
    assert [(a["do"], a.get("hand")) for a in asked] == [("hook", None), ("shown", 7)]


@pytest.mark.parametrize("answer", [{}, {"deny": ""}, {"note": ""}, {"new": "word"}])
def test_before_an_edit_nothing_is_no_word(one: Session, door: FakeDoor, answer: dict[str, str]) -> None:
    """Without a word from the door the edit goes on, and no decision about it is made."""
    hook = start(one, "PreToolUse")
    assert len(door.serve(answer)) == 1
    assert end(hook) == {}


def test_after_an_edit_nothing_is_said(one: Session, door: FakeDoor) -> None:
    """It runs in the background: what it printed would come with a later prompt, out of place."""
    hook = start(one, "PostToolUse")
    asked = door.serve({"note": TEXT, "text": TEXT, "hand": 7})
    assert end(hook) == {}
    assert [(a["do"], a["event"], a["path"]) for a in asked] == [("hook", "PostToolUse", PATH)]


def test_after_an_edit_a_slow_door_is_waited_for(one: Session, door: FakeDoor) -> None:
    """Nobody waits for this hook, so it has the patience that the one before the edit has not."""
    hook = start(one, "PostToolUse")
    began = time.monotonic()
    asked = door.serve({}, after=0.7)
    assert end(hook) == {}
    assert time.monotonic() - began > 0.7
    assert asked[0]["path"] == PATH
    assert one.home.log("hooks.log") == ""
    assert (
        one.run_hook("PreToolUse", tool_name="Edit").seconds < lane.DEADLINE + LOADED
    )  # it gave up: no answer comes
    assert "PreToolUse: TimeoutError" in one.home.log("hooks.log")


LONG = "/" + "d" * 4_095

PATHS: list[tuple[object, str]] = [
    ({"file_path": PATH, "content": "x" * 100_000}, PATH),
    ({"notebook_path": "/repo/n.ipynb", "cell_id": "c"}, "/repo/n.ipynb"),
    ({"file_path": "", "notebook_path": "/repo/n.ipynb"}, "/repo/n.ipynb"),
    ({"file_path": LONG}, LONG),
    ({"file_path": LONG + "d"}, ""),
    ({"file_path": ["/a"], "notebook_path": 7}, ""),
    ({"file_path": "/repo/\udc80 ä"}, "/repo/\udc80 ä"),
    ({"command": "ls"}, ""),
    ("text", ""),
    (None, ""),
]


@pytest.mark.parametrize(("given", "path"), PATHS, ids=range(len(PATHS)))
def test_the_path_is_the_tools(one: Session, door: FakeDoor, given: object, path: str) -> None:
    """Each tool has its own field for it; what is none, or longer than any path, is "", and never another path."""
    hook = start(one, "PreToolUse", tool_input=given)
    # A lone surrogate crosses the door as three bytes that are no UTF-8.
    caller, _ = door._socket.accept()
    with caller:
        asked = json.loads(caller.recv(65536).decode("utf-8", "surrogatepass"))
        caller.sendall(b'{"id": 1, "ok": {}}\n')
    assert end(hook) == {}
    assert asked["path"] == path
    assert asked["tool"] == "Edit"


# ---------------------------------------------------------------- a session that returns


def being_started(one: Session) -> Path:
    """The sign that a sidecar for the session was started just now."""
    mark = Path(f"{one.link}.starting")
    mark.write_bytes(b" ")
    return mark


def test_a_resumed_session_waits_for_its_sidecar(one: Session, closed_door: FakeDoor) -> None:
    """What it must be told again comes with its start: its sidecar is waited for, until the deadline."""
    being_started(one)
    hook = one.start_process("SessionStart", source="resume")
    time.sleep(0.1)
    assert hook.poll() is None
    asked = closed_door.open().serve({"text": TEXT, "hand": 7})
    assert end(hook) == {"hookEventName": "SessionStart", "additionalContext": TEXT}
    assert [a["do"] for a in asked] == ["hook", "shown"]


def test_a_resumed_session_does_not_wait_for_long(one: Session, closed_door: FakeDoor) -> None:
    """A sidecar that is not there in time is left to itself; the session is told at its first prompt."""
    being_started(one)
    done = one.run_hook("SessionStart", source="resume")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert lane.DEADLINE < done.seconds < lane.RESUME_PATIENCE + LOADED
    assert one.home.log("hooks.log") == ""
    assert os.listdir(one.directory) == []


def test_a_new_session_does_not_wait(one: Session) -> None:
    """One that starts needs the processor itself, and there is nothing that it knew before."""
    took = min(one.run_hook("SessionStart", source="startup").seconds for _ in range(4))
    assert took < lane.DEADLINE
