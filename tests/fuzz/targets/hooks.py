"""Targets: what Claude Code gives its hooks, its settings and lists, and our own settings file that a person edits."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, ClassVar, cast

from peermesh import config
from peermesh.errors import BadRequest, NoSidecar
from peermesh.hooks import lane, payload
from tests.fuzz.loops import scratch
from tests.fuzz.source import EXAMPLE, Source, as_json, edited, seeds_of, shaped
from tests.fuzz.target import Target, must

EVENTS = (
    "SessionStart",
    "UserPromptSubmit",
    "Stop",
    "PostToolBatch",
    "PreToolUse",
    "PostToolUse",
    "SessionEnd",
    "Wait",
)
PAYLOADS: list[dict[str, Any]] = EXAMPLE["payloads"]


def hook_payload(data: bytes) -> None:
    """What a hook reads on its standard input."""
    raw = shaped(data, PAYLOADS, as_json)
    try:
        said = payload.read(io.BytesIO(raw))
    except (ValueError, RecursionError):  # which the lane takes for: say nothing
        return
    names = {"session", "cwd", "source", "reason", "prompt", "prompt_id", "tool", "path"}
    must(set(said) == names and all(isinstance(one, str) for one in said.values()), "not as promised")
    must(len(said["prompt"]) <= payload.PROMPT_HEAD and len(said["path"]) <= payload.PATH_LIMIT, "too long")
    must(max(len(said[one]) for one in ("session", "prompt_id", "tool")) <= 128, "too long")
    name = os.path.basename(config.session_link("/home", said["session"]))
    must(
        config.session_link("/home", said["session"]) == f"/home/session/{name}", "a way out of the directory"
    )
    must(name and name.isascii() and name not in (".", ".."), "a file of a name that is none")


# ---------------------------------------------------------------- the lane, with a door that says anything

TOLD: list[Any] = EXAMPLE["told"]


class _Near:
    """A door that gives one answer, or fails."""

    def __init__(self, source: Source) -> None:
        self._source, self.asked = source, list[str]()

    def ask(self, do: str, timeout: float | None = None, **fields: Any) -> dict[str, Any]:
        """The answer."""
        self.asked.append(do)
        must(json.dumps(fields), "a request that cannot be said")
        if self._source.byte() % 8 == 7:
            raise self._source.pick((BadRequest(), TimeoutError(), NoSidecar(), BrokenPipeError()))
        if do == "shown":
            return {}
        said = json.loads(as_json(edited(self._source, self._source.pick(TOLD), of_json=True)))
        return said if isinstance(said, dict) else {}

    def tell(self, do: str, **fields: Any) -> None:
        """A word that is not answered."""
        self.asked.append(do)
        must(json.dumps(fields), "a word that cannot be said")


def hook_lane(data: bytes) -> None:
    """A whole hook: any payload, any answer of the sidecar."""
    source = Source(data)
    event = source.pick(EVENTS)
    near = _Near(source)
    raw = (
        as_json(edited(source, source.pick(PAYLOADS), of_json=True))
        if source.byte() % 4
        else source.take(200)
    )
    with _lane(near, source, raw) as said:
        code = lane.main(event)
    must(code in (0, lane.WAKE), f"the exit code {code}")
    must(code == 0 or event == payload.WAIT, "a hook that holds the session up")
    told = said.getvalue()
    if told:
        made = json.loads(told)
        must(set(made) == {"hookSpecificOutput"}, "something else was printed")
        must(made["hookSpecificOutput"]["hookEventName"] in (event, payload.BEFORE_EDIT), "of another event")
        must(event not in (payload.AFTER_EDIT, payload.WAIT), "who does not listen was told")


@contextlib.contextmanager
def _lane(near: _Near, source: Source, raw: bytes) -> Iterator[io.StringIO]:
    """The lane's surroundings: a directory, standard streams, and *near* in the place of a door."""
    root = Home.one()
    door = near if source.byte() % 4 else None

    def reach(*_: object) -> _Near:
        if door is None:
            raise NoSidecar()
        return door

    stands = {
        "knock": lambda *_: door,
        "reach": reach,
        "start": lambda *_: None,
        "starting": lambda *_: False,
    }
    before = {name: getattr(lane, name) for name in stands}
    streams, alive = (sys.stdin, sys.stdout, sys.stderr), lane._alive
    out = io.StringIO()
    try:
        for name, one in stands.items():
            setattr(lane, name, one)
        lane._alive = lambda pid: False
        sys.stdin = cast(io.TextIOWrapper, _Stdin(raw))
        sys.stdout, sys.stderr = out, io.StringIO()
        os.environ["PEER_HOME"] = root
        yield out
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
        lane._alive = alive
        for name, one in before.items():
            setattr(lane, name, one)
        Home.back()


class _Stdin:
    def __init__(self, raw: bytes) -> None:
        self.buffer: BinaryIO = io.BytesIO(raw)


class Home:
    """A state directory, and what the environment said before."""

    _folders: ClassVar[list[str]] = []
    _before: ClassVar[list[str | None]] = []

    @classmethod
    def one(cls) -> str:
        """The directory; PEER_HOME is the caller's to set."""
        if not cls._folders:
            cls._folders.append(scratch("home"))
        cls._before.append(os.environ.get("PEER_HOME"))
        return cls._folders[0]

    @classmethod
    def back(cls) -> None:
        """Put PEER_HOME back."""
        before = cls._before.pop()
        os.environ.pop("PEER_HOME", None)
        if before is not None:
            os.environ["PEER_HOME"] = before

    @classmethod
    def end(cls) -> None:
        """Remove it."""
        while cls._folders:
            shutil.rmtree(cls._folders.pop(), ignore_errors=True)


def close() -> None:
    """Remove what the targets share."""
    Home.end()


TARGETS = (
    Target(
        "hook_payload",
        hook_payload,
        lambda: seeds_of(PAYLOADS, as_json),
        "hook payloads (`hooks/payload.py`)",
        "ValueError or RecursionError only; texts within limits; no path out of the state directory",
    ),
    Target(
        "hook_lane",
        hook_lane,
        lambda: [
            bytes([event, 1, number, 0, 1, kind, 0])
            for event in range(8)
            for number in (0, 8)
            for kind in range(8)
        ],
        "a whole hook, with a sidecar that answers anything (`hooks/lane.py`)",
        "exit 0, or 2 of the waiter; standard output is empty or the client's JSON",
        longest=600,
    ),
)
