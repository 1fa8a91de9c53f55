"""One who floods does not keep others out: at the door, in the queue, and before the model."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from peermesh.core.script import SayAnswer, Show
from peermesh.door.server import AT_ONCE, CALLERS, LONG, LONGEST_PAUSE, Caller, DoorServer
from peermesh.sidecar.desk import Desk
from tests.live.conftest import Person, Sessions
from tests.live.home import until
from tests.load.loops import turned
from tests.load.test_queue import feed, words

MANY = 2_000


def test_a_word_in_a_flood(session: Sessions) -> None:
    """While a says two thousand things to b, what c says is safe, and is shown at b's next prompt."""
    one, two, three = session("a"), session("b"), session("c")
    flood = threading.Thread(target=feed, args=(one, "b", MANY, "safe", "flood"))
    flood.start()
    until(lambda: two.status["mail"]["unread"] > 100, "the flood")
    seen: list[int] = []
    for number in range(1, 4):
        assert three.send("b", f"word {number}")
        said = two.prompt()
        assert words(said) == [number], said
        seen += words(said, "flood")
        assert two.hook("PostToolBatch") == ""
    flood.join()
    assert seen == list(range(1, len(seen) + 1))
    assert two.status["mail"]["unread"] == MANY - len(seen)


def test_a_crowd_at_the_door(session: Sessions, person: Person) -> None:
    """More callers than the door takes, that ask nothing: hooks and commands come in, and who must go is told why."""
    one = session("a")
    with ExitStack() as crowd:
        held: list[socket.socket] = []
        while len(held) < CALLERS + 20:
            caller = crowd.enter_context(socket.socket(socket.AF_UNIX))
            caller.connect(str(one.directory / "door"))  # which waits where the queue is full
            caller.settimeout(10)
            held.append(caller)
        assert "safe with a" in person.ok("send", "a", "hello")
        began = time.monotonic()
        assert "> hello" in one.prompt()
        assert time.monotonic() - began < 2.0
        first = json.loads(held[0].makefile("rb").readline())
        assert first["error"]["code"] == "too-many"
        assert "asked nothing for longest" in first["error"]["message"]


def test_all_wait_for_something(tmp_path: Path) -> None:
    """Callers that wait for an answer are not sent away: who comes on top of them is told so."""

    async def story() -> list[Any]:
        waits: list[Caller] = []

        def asked(caller: Caller, number: int, do: str, fields: dict[str, Any]) -> None:
            caller.gone.add(lambda: waits.remove(caller))
            waits.append(caller)

        door = DoorServer(str(tmp_path / "door"), asked)
        await door.open()
        found = []
        for number in range(CALLERS + 1):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "door"))
            writer.write(b'{"v": 1, "id": 1, "do": "wait"}\n')
            found.append((reader, writer))
            await turned(lambda n=number: len(waits) >= min(n + 1, CALLERS))  # type: ignore[misc]
        last = json.loads(await found[-1][0].readline())
        kept = len(waits)
        for _, writer in found:
            writer.close()
        await turned(lambda: not waits)
        door.stop()
        return [last["error"]["code"], kept]

    assert asyncio.run(story()) == ["too-many", CALLERS]


def test_one_caller_is_interrupted(tmp_path: Path) -> None:
    """Of one who sends without end only so many requests are read before the loop goes on."""

    async def story() -> int:
        runs, longest = [0], 0

        def asked(caller: Caller, number: int, do: str, fields: dict[str, Any]) -> None:
            runs[0] += 1

        door = DoorServer(str(tmp_path / "door"), asked)
        await door.open()
        _, writer = await asyncio.open_unix_connection(str(tmp_path / "door"))
        writer.write(b'{"v": 1, "id": 1, "do": "x"}\n' * 4 * AT_ONCE)
        total = 0
        while total < 4 * AT_ONCE:
            await asyncio.sleep(0)
            longest, total, runs[0] = max(longest, runs[0]), total + runs[0], 0
        writer.close()
        await asyncio.sleep(0.01)
        door.stop()
        return longest

    assert asyncio.run(story()) <= AT_ONCE


def test_long_requests_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind each that kept the loop busy there is a pause as long: others find the common files free."""
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    async def story() -> None:
        asked = 0

        def takes_long(caller: Caller, number: int, do: str, fields: dict[str, Any]) -> None:
            nonlocal asked
            asked += 1
            time.sleep(2 * LONG)

        door = DoorServer(str(tmp_path / "door"), takes_long)
        await door.open()
        _, writer = await asyncio.open_unix_connection(str(tmp_path / "door"))
        writer.write(b'{"v": 1, "id": 1, "do": "note"}\n' * 20)
        while asked < 20:
            await real(0)
        writer.close()
        await real(0.01)
        door.stop()

    monkeypatch.setattr(asyncio, "sleep", sleep)
    asyncio.run(story())
    assert sum(2 * LONG <= one <= LONGEST_PAUSE for one in pauses) == 20


def test_answered_questions_leave_nothing() -> None:
    """A door may stay open for a hundred thousand questions: of those that are answered nothing is kept."""
    sidecar: Any = SimpleNamespace(card=SimpleNamespace(person=False), cards=list, session=None)
    engine = SimpleNamespace(incoming=SimpleNamespace(due={}))
    desk = Desk(sidecar)
    desk.attach(SimpleNamespace(engine=engine, put=lambda what: None, before=lambda: None))  # type: ignore[arg-type]
    said: list[bytes] = []
    caller = Caller(SimpleNamespace(is_closing=lambda: False, write=said.append))  # type: ignore[arg-type]
    tokens = [desk._open(caller, n, desk._answers) for n in range(3)]
    assert len(caller.gone) == 3
    desk.answered(SayAnswer(tokens[0], (), reached=True))
    desk.answered(Show(tokens[1], ()))
    assert (len(caller.gone), len(said)) == (1, 2)
    caller.gone.pop()()
    assert desk._questions == {}
