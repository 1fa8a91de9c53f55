"""A crowd that connects and says nothing: it costs the loop little, and whoever has a question gets in."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from peermesh.door import listener
from peermesh.door.client import Door
from peermesh.door.listener import AT_ONCE, BACKLOG, SILENT
from peermesh.door.server import Caller, DoorServer
from tests.load.loops import turned

QUESTION = b'{"v": 1, "id": 7, "do": "x"}\n'


@contextmanager
def crowd(path: Path, count: int) -> Iterator[list[socket.socket]]:
    """So many callers that are connected and say nothing."""
    with ExitStack() as all_of_them:
        held = [all_of_them.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(count)]
        for one in held:
            one.settimeout(5)
            one.connect(str(path))
        yield held


def served(path: Path, story: Callable[[DoorServer], Awaitable[None]]) -> None:
    """A door that answers whatever it is asked, while *story* lasts."""

    async def run() -> None:
        def answer(caller: Caller, number: int, do: str, fields: dict[str, Any]) -> None:
            caller.answer(number, {"fine": True})

        door = DoorServer(str(path), answer)
        await door.open()
        try:
            await story(door)
        finally:
            door.stop()
            door.close()
            await asyncio.sleep(0)

    asyncio.run(run())


def inside(door: DoorServer) -> int:
    """How many silent callers were taken in."""
    assert door._listener is not None
    return len(door._listener._silent)


def test_a_handful_in_each_turn(tmp_path: Path) -> None:
    """Of a crowd before the door few are taken in before the loop goes on, and none of them costs a task."""

    async def story(door: DoorServer) -> None:
        with crowd(tmp_path / "door", BACKLOG):
            taken = 0
            for _ in range(50):
                await asyncio.sleep(0)
                assert inside(door) - taken <= AT_ONCE
                taken = inside(door)
            assert taken == BACKLOG
            assert len(asyncio.all_tasks()) == 1

    served(tmp_path / "door", story)


def test_who_came_first_and_asks_nothing_goes(tmp_path: Path) -> None:
    """More silent callers than may be inside: the first of them is told why and hung up on, the others stay."""

    async def story(door: DoorServer) -> None:
        with ExitStack() as many:
            first: list[socket.socket] = []
            for upto in range(BACKLOG, SILENT + 1, BACKLOG):
                first += many.enter_context(crowd(tmp_path / "door", BACKLOG))
                await turned(lambda n=upto: inside(door) == n)  # type: ignore[misc]
            assert len(first) == SILENT
            with crowd(tmp_path / "door", 1) as last:
                await turned(lambda: door.bad_requests > 0)
                said = json.loads(first[0].makefile("rb").readline())["error"]
                assert (said["code"], first[0].recv(1)) == ("too-many", b"")
                assert "asked nothing for longest" in said["message"]
                assert inside(door) == SILENT
                for one in (first[1], last[0]):
                    await answered(one)

    served(tmp_path / "door", story)


def test_a_question_that_is_not_read_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has asked is not sent away for a crowd that was before the door when the question came."""
    monkeypatch.setattr(listener, "SILENT", 4)

    async def story(door: DoorServer) -> None:
        with crowd(tmp_path / "door", 1) as asks:
            await turned(lambda: inside(door) == 1)
            with crowd(tmp_path / "door", AT_ONCE):
                await answered(asks[0])

    served(tmp_path / "door", story)


async def answered(one: socket.socket) -> None:
    """Ask, and have the answer."""
    one.setblocking(False)
    one.sendall(QUESTION)
    said = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(one, 4096), 5)
    assert json.loads(said) == {"id": 7, "ok": {"fine": True}}


def test_who_hangs_up_leaves_nothing(tmp_path: Path) -> None:
    """Callers that come and go without a word are forgotten."""

    async def story(door: DoorServer) -> None:
        with crowd(tmp_path / "door", 20):
            await turned(lambda: inside(door) == 20)
        await turned(lambda: inside(door) == 0)

    served(tmp_path / "door", story)


def test_no_descriptor_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A door that cannot take anybody in rests a moment, and does so afterwards."""
    monkeypatch.setattr(listener, "PAUSE", 0.01)
    tries = 0

    class Poor(socket.socket):
        def accept(self) -> tuple[socket.socket, Any]:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise OSError(24, "Too many open files")
            return super().accept()

    monkeypatch.setattr(socket, "socket", Poor)

    async def story(door: DoorServer) -> None:
        with crowd(tmp_path / "door", 1) as one:
            await answered(one[0])

    served(tmp_path / "door", story)
    assert tries > 1


def test_the_queue_before_the_door_is_full(tmp_path: Path) -> None:
    """Who finds it full waits until there is room, as long as it may take: to start a sidecar would be wrong."""
    path = tmp_path / "door"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen(0)
        with crowd(path, 1):
            with pytest.raises(BlockingIOError):
                Door(str(path), 0.02)

            def let_one_in() -> None:
                door.accept()[0].close()

            later = threading.Timer(0.1, let_one_in)
            later.start()
            Door(str(path), 5.0).close()
            later.join()


def test_the_queue_is_as_long_as_the_rules_say(tmp_path: Path) -> None:
    """So many can stand before a door whose sidecar is busy just then."""

    async def story(door: DoorServer) -> None:
        with crowd(tmp_path / "door", BACKLOG):
            pass

    served(tmp_path / "door", story)
