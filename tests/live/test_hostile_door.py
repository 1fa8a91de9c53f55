"""What is no request at the door: refused with a word, in bounded memory, while others are served."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .actors import Session
from .conftest import Sessions

MIB = 1024 * 1024


def memory(pid: int) -> int:
    """Bytes that the process *pid* has had in memory at most."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024


def caller(one: Session) -> socket.socket:
    """A connection to the door, without a client of ours."""
    door = socket.socket(socket.AF_UNIX)
    door.settimeout(10)
    try:
        door.connect(str(one.directory / "door"))
    except OSError:
        door.close()
        raise
    return door


def said(one: Session, line: bytes) -> dict[str, Any]:
    """The answer to one line; {} when the door hung up."""
    with caller(one) as door, door.makefile("rb") as lines:
        door.sendall(line + b"\n")
        answer = lines.readline()
    return dict(json.loads(answer)) if answer else {}


GARBAGE = [
    b"",
    b"hello",
    b"\xff\xfe\xfd",
    b"[1]",
    b"null",
    b'{"v": 1, "id": 1}',
    b'{"v": 1, "id": "x", "do": "status"}',
    b'{"v": 1, "id": 1, "do": 7}',
    b"[" * 100_000,
    b'{"v": 1, "id": 1, "do": "' + b"x" * 100_000 + b'"}',
]


def test_garbage_gets_a_word(session: Sessions) -> None:
    """Each line that is no request is answered with an error, never with silence."""
    one = session("a")
    for line in GARBAGE:
        assert said(one, line)["error"]["code"] in ("bad-request", "other-version"), line[:40]
        assert one.status["name"] == "a"


BAD_FIELDS: list[dict[str, Any]] = [
    {"do": "send"},
    {"do": "send", "to": "b"},
    {"do": "send", "to": "b", "body": 7},
    {"do": "send", "to": ["b"], "body": "x"},
    {"do": "send", "to": "b", "body": "x", "wait": "for ever"},
    {"do": "send", "to": "b", "body": "x", "within": "long"},
    {"do": "send", "to": "b", "body": "\ud800"},
    {"do": "send", "to": "\ud800", "body": "x"},
    {"do": "send", "to": "@all", "body": "x", "kind": "nonsense"},
    {"do": "hook"},
    {"do": "hook", "event": "SessionStart", "session": "x", "client": "me", "prompt": ""},
    {"do": "hook", "event": "SessionEnd"},
    {"do": "shown", "hand": 99},
    {"do": "shown", "hand": None},
    {"do": "read"},
    {"do": "read", "message": "9" * 5_000},
    {"do": "inbox", "most": float("inf")},
    {"do": "sent", "most": "all"},
    {"do": "name", "name": ""},
    {"do": "role", "roles": 5},
    {"do": "role", "roles": [str(n) for n in range(99)]},
    {"do": "scope"},
    {"do": "scope", "cwd": "\0", "off": False},
    {"do": "reply"},
    {"do": "__init__"},
]


def test_wrong_fields_get_a_word(session: Sessions) -> None:
    """A request with wrong fields is answered with an error, and nothing is done."""
    one = session("a")
    for fields in BAD_FIELDS:
        answer = one_answer(one, fields)
        assert answer.get("id") == 5, (fields, answer)
        assert answer["error"]["code"] != "fault", (fields, answer)
    assert one.sent() == {}
    assert one.status["name"] == "a"


def test_odd_numbers_are_bounded(session: Sessions) -> None:
    """NaN, infinities and huge or negative numbers in a request neither hang nor end the sidecar."""
    one, two = session("a"), session("b")
    for within in (float("nan"), float("inf"), -1, 10**400):
        answer = one_answer(one, {"do": "send", "to": "b", "body": "x", "wait": "queued", "within": within})
        assert "ok" in answer or "error" in answer
    for most in (-1, 0, 10**30):
        assert "ok" in one_answer(one, {"do": "sent", "most": most})
    assert "safe with b" in one.ok("send", "b", "and goes on")
    assert "and goes on" in two.unread()


def one_answer(one: Session, fields: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request of these fields."""
    return said(one, json.dumps({"v": 1, "id": 5, **fields}).encode())


def test_hundred_megabytes(session: Sessions) -> None:
    """100 MB without an end are cut off in bounded memory, and others are served meanwhile."""
    one = session("a")
    before = memory(one.pid)
    slowest = 0.0
    with caller(one) as door:
        try:
            for number in range(100):
                door.sendall(b"x" * MIB)
                if number % 5 == 0:
                    began = time.monotonic()
                    assert one.status["name"] == "a"
                    slowest = max(slowest, time.monotonic() - began)
        except (BrokenPipeError, ConnectionResetError):
            pass  # cut off, as it should be
        else:
            pytest.fail("the door took all of it")
    assert memory(one.pid) - before < 64 * MIB
    assert slowest < 1.0


def test_many_silent_callers(session: Sessions) -> None:
    """600 callers that say nothing do not lock others out for good; when they go, all is as before."""
    one = session("a")
    with ExitStack() as crowd:
        for _ in range(600):
            try:
                crowd.enter_context(caller(one))
            except BlockingIOError:  # more at once than the door has accepted
                one.status  # noqa: B018 - asked for the time that it takes
    assert one.peer("status").code == 0


def test_half_a_request(session: Sessions) -> None:
    """A caller that hangs up in the middle of a line leaves nothing behind."""
    one = session("a")
    for _ in range(20):
        with caller(one) as door:
            door.sendall(b'{"v": 1, "id": 1, "do": "send", "to": "b", "bo')
    assert one.sent() == {}
