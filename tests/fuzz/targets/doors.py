"""Targets: the door from both sides, a whole sidecar behind it, and the panel's reading of its answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from typing import Any, ClassVar

from peermesh.door import client
from peermesh.door.server import Caller, DoorServer
from peermesh.errors import BadRequest, PeerError
from peermesh.sidecar.ending import end
from peermesh.sidecar.enrol import Spec
from peermesh.sidecar.process import Sidecar
from peermesh.ui import acts, values
from tests.fuzz.loops import Pipe, loop, run, scratch
from tests.fuzz.source import EXAMPLE, Source, as_json, edited, seeds_of, shaped
from tests.fuzz.target import Target, must, visible

# A sidecar that has heard so many is ended, and another one asked: its files grow with what it is told.
ASKED = 3_000

# ---------------------------------------------------------------- the far side, alone


def door_server(data: bytes) -> None:
    """Lines at the door, before any verb."""
    source = Source(data)
    lines = [_line(source) for _ in range(source.number(5))]
    said = b"".join(lines) + source.rest()
    run(_served(said))


def _line(source: Source) -> bytes:
    ask = edited(source, {"v": 1, "id": 7, "do": "status", "cwd": "/srv"}, of_json=True)
    return as_json(ask) + source.pick((b"\n", b"\n", b"\r\n", b"", b"\0\n"))


async def _served(said: bytes) -> None:
    asked = []

    def verbs(caller: Caller, number: int, do: str, fields: dict[str, Any]) -> None:
        must(type(do) is str and isinstance(number, int) and isinstance(fields, dict), "not as promised")
        asked.append(do)
        if do == "status":
            caller.answer(number, {"fine": True})
        else:
            raise BadRequest(f"there is no verb {do[:40]!r}")

    door = DoorServer("/nowhere", verbs)
    pipe = Pipe(said, limit=4_096)
    await door._serve(pipe.reader, pipe.writer)
    must(pipe.closed and not door._callers, "the connection stays open")
    answers = [json.loads(one) for one in pipe.answers.splitlines()]
    must(len(answers) == len(asked) + door.bad_requests, "a line without an answer, or two")
    must(len(answers) <= said.count(b"\n") + 1, "more answers than lines")
    for one in answers:
        must(isinstance(one, dict) and ("ok" in one) != ("error" in one), "an answer that is none")


# ---------------------------------------------------------------- a whole sidecar

REQUESTS: list[dict[str, Any]] = EXAMPLE["requests"]


class _Behind:
    """A sidecar in this process, without network, in a directory of its own."""

    _one: ClassVar[list[_Behind]] = []

    def __init__(self) -> None:
        self.root, self.asked = scratch("door"), 0
        self._before = {name: os.environ.get(name) for name in ("PEER_HOME", "PEER_LAN")}
        os.environ.update(PEER_HOME=self.root, PEER_LAN="off")
        loop().run_until_complete(self._enter())

    async def _enter(self) -> None:
        spec = Spec(session="fuzz", client=os.getpid(), cwd=self.root)
        self.sidecar = Sidecar(self.root, spec)
        self.sidecar.log = lambda words: None  # type: ignore[method-assign]  # it would go to standard error
        must(await self.sidecar._enter(), "the sidecar does not start")
        self.sidecar.rename("fuzz")

    @classmethod
    def one(cls) -> _Behind:
        """The one that runs."""
        if cls._one and cls._one[0].asked >= ASKED:
            cls.end()
        if not cls._one:
            cls._one.append(cls())
        return cls._one[0]

    @classmethod
    def end(cls) -> None:
        """End it."""
        while cls._one:
            one = cls._one.pop()
            loop().run_until_complete(end(one.sidecar))
            shutil.rmtree(one.root, ignore_errors=True)
            for name, value in one._before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def door_sidecar(data: bytes) -> None:
    """Requests to a whole sidecar, any verb with any fields."""
    source = Source(data)
    behind = _Behind.one()
    behind.asked += 1
    requests = [_request(source) for _ in range(1 + source.number(3))]
    run(_ask(behind, requests))


def _request(source: Source) -> dict[str, Any]:
    made = edited(source, source.pick(REQUESTS), of_json=True)
    return made if isinstance(made, dict) else {"do": made}


async def _ask(behind: _Behind, requests: list[dict[str, Any]]) -> None:
    lines = [as_json({**one, "v": 1, "id": number}) for number, one in enumerate(requests, 1)]
    if not await _lives(behind, lines):  # what was no request ended the connection; another one is served
        must(await _lives(behind, []), "it does not live")
    await asyncio.sleep(0)


async def _lives(behind: _Behind, lines: list[bytes]) -> bool:
    """Whether all is answered, and a question behind *lines* too; not if one of them was no request."""
    path = os.path.join(behind.sidecar.directory, "door")
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 24)
    try:
        writer.write(b"\n".join([*lines, b'{"v": 1, "id": 99, "do": "status"}', b""]))
        while True:
            answer = await asyncio.wait_for(reader.readline(), 5.0)
            must(answer, "the door was closed without an answer")
            said = json.loads(answer)
            wrong = said.get("error")
            must(not wrong or isinstance(wrong["message"], str), "an error without a sentence")
            must(
                not wrong or wrong["code"] != "fault" or "failed (" in wrong["message"],
                f"a fault of ours: {wrong}",
            )
            if said["id"] in (0, 99):
                return bool(said["id"])
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


# ---------------------------------------------------------------- the near side


def door_answer(data: bytes) -> None:
    """Whatever comes back through the door, as a command or hook takes it."""
    source = Source(data)
    example = {"id": 1, "ok": {"text": "x", "hand": 3}}
    failure = {"id": 1, "error": {"code": "unknown-peer", "message": "nobody", "detail": {"choices": ["a"]}}}
    said = b"".join(
        as_json(edited(source, source.pick((example, failure)), of_json=True)) + b"\n"
        for _ in range(source.number(4))
    )
    near, far = socket.socketpair()
    with near, far:
        far.sendall((said + source.rest())[:60_000])
        far.shutdown(socket.SHUT_WR)
        door = client.Door.__new__(client.Door)
        door._socket, door._buffer, door._last = near, b"", 0
        try:
            ok = door.ask("status", timeout=1.0)
        except (PeerError, ConnectionError):
            return
        must(isinstance(ok, dict), "an answer that is none")


# ---------------------------------------------------------------- the panel

ANSWERS: list[dict[str, Any]] = EXAMPLE["answers"]
READS: list[Callable[[dict[str, Any]], object]] = [
    lambda said: values.sessions(said, "remote:x", 10.0),
    lambda said: values.each(said.get("items"), values.item),
    lambda said: values.claims(said, 10.0),
    lambda said: values.tasks(said, 10.0),
    lambda said: values.jobs(said, 10.0),
]
ACTS = [acts.Act(do, {"job": "abcdef"}) for do in ("send", "claim", "release", "task", "job_stop")]
# What the panel's thread takes for the answer of another version, in ui/door.py and ui/doing.py.
STRANGE = (AttributeError, KeyError, TypeError, ValueError)


def ui_values(data: bytes) -> None:
    """Answers of the door as the panel reads them."""
    try:
        said = json.loads(shaped(data, ANSWERS, as_json))
    except (ValueError, RecursionError):
        return
    if not isinstance(said, dict):
        return
    for read in READS:
        _shown(read(said))
    for act in ACTS:
        try:
            word = acts.said(act, said)
        except STRANGE:
            continue
        visible(word.text, "what became of it")


def _shown(value: object) -> None:
    """Whatever stands in *value* can be drawn."""
    if isinstance(value, tuple):
        for one in value:
            _shown(one)
    elif is_dataclass(value):
        for one in fields_of(value):
            if (type(value).__name__, one.name) != ("Session", "id"):  # compared, and never drawn
                _shown(getattr(value, one.name))
    elif isinstance(value, str):
        visible(value, "a value of the panel")


def close() -> None:
    """End the sidecar."""
    _Behind.end()


def _sidecar_seeds() -> list[bytes]:
    plain = [bytes([0, number, 0]) for number in range(len(REQUESTS))]
    return [*plain, *(bytes([0, number, 1, *range(number, number + 16)]) for number in range(len(REQUESTS)))]


TARGETS = (
    Target(
        "door_server",
        door_server,
        lambda: [
            bytes([2, 0, 0, 0, 0]),
            bytes([1, 2, *range(30)]),
            b"\0[1]\n",
            b'\0{"v": 2}\n',
            b"\0" + b"x" * 3_000,
        ],
        "lines at the door (`door/server.py`)",
        "each line one answer or the end; the server lives",
    ),
    Target(
        "door_sidecar",
        door_sidecar,
        _sidecar_seeds,
        "requests with any fields, to a whole sidecar (`sidecar/desk.py`, `ask.py` and all verbs)",
        "each is answered, wrong ones with a sentence; the next one is served",
        longest=400,
    ),
    Target(
        "door_answer",
        door_answer,
        lambda: [
            bytes([1, 0, 0]),
            bytes([1, 1, 0]),
            bytes([2, 1, 1, *range(20)]),
            b"\0[]\n",
            b'\0{"id": 1}\n',
        ],
        "answers of the door (`door/client.py`)",
        "PeerError or ConnectionError only",
        longest=1_000,
    ),
    Target(
        "ui_values",
        ui_values,
        lambda: seeds_of(ANSWERS, as_json),
        "answers of the door in the panel (`ui/values.py`, `ui/acts.py`)",
        "never raises; all texts can be drawn",
    ),
)
