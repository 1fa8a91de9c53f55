"""Targets: what the core makes of others' words: a peer's engine, patterns of paths, addresses of repos."""

from __future__ import annotations

import unicodedata
from typing import Any

from peermesh.core import frames
from peermesh.core.budget import Budget
from peermesh.core.engine import Engine
from peermesh.core.events import PATH_LIMIT
from peermesh.core.patterns import covers, is_glob, overlap, tidy_file, tidy_path
from peermesh.core.repos import LONGEST_KEY, bounded, remote_key
from peermesh.core.script import (
    Asked,
    Gone,
    Heard,
    HookAsked,
    Input,
    KeepIn,
    KeepOut,
    LinkLost,
    MoveOut,
    ReadAsked,
    Say,
    Show,
    Shown,
    Snapshot,
    Tick,
    Turn,
    WaiterCame,
)
from peermesh.core.words import Card
from peermesh.errors import BadFrame
from peermesh.mesh import wire
from tests.fuzz.source import TEXTS, Source, as_msgpack, edited
from tests.fuzz.target import Target, must, one_line
from tests.fuzz.targets.wires import ANN, BOB, CLEO, PEERS

HOOKS = ("UserPromptSubmit", "Stop", "PostToolBatch", "SessionStart", "PreToolUse")
OTHERS = tuple(Card(id=peer, name=peer[:3], host="desk") for peer in (BOB, CLEO))

# ---------------------------------------------------------------- the engine


class _Stage:
    """One engine among peers that say anything."""

    def __init__(self, source: Source) -> None:
        self._source, self._token, self.now = source, 0, 100.0
        self._open: list[int] = []  # questions that were not answered yet
        self._greeted: dict[bytes, str] = {}
        budget = Budget(3, 2) if source.byte() % 2 else None
        self.engine = Engine(Card(id=ANN, name="ann", host="desk", person=budget is None), Snapshot(), budget)
        self.engine.start(self.now)

    def step(self) -> None:
        """Something happens, and what the engine does about it is in order."""
        what = self._what()
        if what is None:
            return
        if isinstance(what, Asked) and isinstance(what.frame, frames.Hello) and what.frame.you == ANN:
            self._greeted[what.route] = what.frame.me
        for effect in self.engine.handle(what, self.now):
            self._sound(what, effect)
        alarm = self.engine.next_alarm(self.now)
        must(alarm is None or isinstance(alarm, float), "an alarm that is no time")

    def _what(self) -> Input | None:
        source = self._source
        kind = source.byte() % 12
        if kind <= 4:
            frame = self._frame()
            route = source.pick((b"one", b"two"))
            if frame is None:
                return None
            return Asked(route, frame) if kind <= 2 else Heard(source.pick((BOB, CLEO)), frame)
        if kind == 5:
            return Say(
                self._next(),
                OTHERS[: 1 + source.byte() % 2],
                "question",
                "?",
                0.0,
                answer=bool(source.byte() % 2),
            )
        if kind == 6:
            self.now += source.pick((0.01, 0.3, 1.0, 6.0, 61.0, 4_000.0))
            return Tick()
        if kind == 7:
            return HookAsked(self._next(), source.pick(HOOKS), typed=bool(source.byte() % 2))
        if kind == 8:
            return (
                WaiterCame(self._next())
                if source.byte() % 2
                else ReadAsked(self._next(), 1 + source.number(5))
            )
        if kind == 9 and self._open:
            one = self._open.pop(source.number(len(self._open)))
            return Shown(one) if source.byte() % 2 else Gone(one)
        if kind == 10:
            return Turn(
                busy=bool(source.byte() % 2), typed=bool(source.byte() % 2), sign=bool(source.byte() % 2)
            )
        return LinkLost(source.pick((BOB, CLEO)))

    def _next(self) -> int:
        self._token += 1
        self._open.append(self._token)
        return self._token

    def _frame(self) -> Any:
        """A frame that the wire lets through, of whatever type: it does not know who may say which."""
        source = self._source
        try:
            return wire.decode(as_msgpack(edited(source, source.pick(FRAMES), of_json=False)))
        except BadFrame:
            return None

    def _sound(self, what: Input, effect: object) -> None:
        if isinstance(effect, KeepIn) and isinstance(what, Asked):
            m = effect.message
            must(m.to == ANN, "another's mail was taken")
            must(self._greeted.get(what.route) == m.id.peer, "taken from who is somebody else")
        elif isinstance(effect, MoveOut) and isinstance(what, Asked):
            must(
                effect.by == self._greeted.get(what.route), "another speaks of what was said to somebody else"
            )
        elif isinstance(effect, MoveOut) and isinstance(what, Heard):
            must(effect.by in ("", what.peer), "another speaks of what was said to somebody else")
        elif isinstance(effect, KeepOut):
            must(effect.message.id.peer == ANN, "said in another's name")
        elif isinstance(effect, Show):
            must(len(set(effect.ids)) == len(effect.ids), "shown twice at once")


def _mail(n: int, prev: int, peer: str = BOB, **more: Any) -> list[Any]:
    return [
        1,
        "mail",
        peer,
        prev,
        {"n": n, "to": ANN, "kind": "message", "body": "x", "by": "b", "said": 1.0, **more},
    ]


# Bob and Cleo speak to Ann, as far as they are in order.
FRAMES: list[Any] = [
    *([1, "hello", peer, ANN] for peer in (BOB, CLEO, BOB)),
    *(_mail(n, n - 1) for n in range(1, 5)),
    *(
        _mail(9, 4),
        _mail(1, 0, CLEO),
        _mail(2, 1, kind="notice"),
        _mail(3, 2, urgent=True, chain=[CLEO, BOB]),
    ),
    *(
        [1, "welcome", BOB, 0],
        [1, "welcome", CLEO, 1],
        [1, "ack", 1],
        [1, "gap", 1],
        [1, "refused", 1, "full", "no"],
    ),
    *([1, "receipts", [[1, "shown"], [2, "held"]]], [1, "noted", [[1, "shown"]]], [1, "denied", "not-me"]),
    *PEERS[-3:],
]


def engine(data: bytes) -> None:
    """A peer's engine: frames of others in any order, between questions of its own session."""
    source = Source(data)
    stage = _Stage(source)
    while not source.empty:
        stage.step()


# ---------------------------------------------------------------- patterns of paths

PATTERNS = (
    *(
        "src/",
        "src/app.py",
        "**",
        "src/**/*.py",
        "*.py",
        "a?c",
        "[ab]",
        "[!a]b",
        "a/**/b/**/c",
        "**.py",
        "./a//b/",
    ),
    *("[", "[]", "[]a]", "*" * 30, "a*" * 60, "**/" * 40 + "a", "../x", "/etc", "a\nb", "ä/é"),
)


def patterns(data: bytes) -> None:
    """What two sessions claim, and whether they are in each other's way."""
    source = Source(data)
    good = [one for one in (_pattern(source), _pattern(source)) if one]
    path = _file(source)
    for one in good:
        must(tidy_path(one) == one, "what is tidy is changed")
        # File names have blanks of other kinds, too: macOS puts one before "PM" in the name of a screenshot.
        one_line("".join(" " if unicodedata.category(c) == "Zs" else c for c in one), PATH_LIMIT, "a path")
        must(overlap(one, one), "a pattern is not in its own way")
        must(".." not in one.split("/") and not one.startswith("/"), "a way out of the repo")
        if path and covers(one, path):
            must(overlap(one, path) and overlap(path, one), "a path that is covered is not in the way")
        must(
            is_glob(one) or not path or one.endswith("/") or covers(one, path) == (one == path), "not itself"
        )
    if len(good) == 2:
        must(overlap(*good) == overlap(*good[::-1]), "in the way from one side only")
        must(
            not path or overlap(*good) or not (covers(good[0], path) and covers(good[1], path)),
            "both cover it",
        )


def _pattern(source: Source) -> str:
    said = source.pick(PATTERNS) if source.byte() % 2 else source.text()
    if source.byte() % 2:
        said += source.pick(("/", "*", "a", "/**/", "?", "[a-c]")) + source.take(20).decode(
            "utf-8", "replace"
        )
    try:
        return tidy_path(said)
    except ValueError as wrong:
        must(str(wrong), "an error without a sentence")
        return ""


def _file(source: Source) -> str:
    try:
        return tidy_file(
            source.pick(("src/app.py", "a", "abc", "a/b/c", "x/y/z.py")) + source.take(9).decode("latin-1")
        )
    except ValueError:
        return ""


# ---------------------------------------------------------------- addresses of repos

URLS = (
    *(
        "https://ann:secret@git.example:8443/team/app.git",
        "git@git.example:team/app.git",
        "ssh://git@[fd00::2]/a//b/",
    ),
    *(
        "file:///srv/app",
        "/srv/app",
        "../app",
        "C:\\app",
        "https://git.example/app?token=secret",
        "host:app",
        "git://h/",
    ),
)


def repos(data: bytes) -> None:
    """The address of a remote, out of a repo's own settings, which whoever made it wrote."""
    source = Source(data)
    url = source.pick((*URLS, *TEXTS)) if source.byte() % 2 else ""
    url += source.rest().decode("utf-8", "surrogateescape")
    key = remote_key(url)
    must(len(bounded(f"remote:{key}")) <= LONGEST_KEY, "a key that is too long to be told")
    if url.lower().startswith(("https://ann:secret@", "https://git.example/app?")):
        must("secret" not in key.partition("/")[0] and "@" not in key.partition("/")[0], "a password is told")


def _engine_seeds() -> list[bytes]:
    every = bytes([1, *(byte for n in range(12) for byte in (0, n, 0, 0, 3, n + 6, 0, 0))])
    return [
        bytes([1, 1, 0, 0, 0, 0, 0, *range(60)]),
        bytes([0, *range(200)]),
        bytes([1, 5, 0, 0, 6, 2] * 20),
        every,
    ]


TARGETS = (
    Target(
        "engine",
        engine,
        _engine_seeds,
        "frames that were decoded, in any order (`core/engine.py`)",
        "never raises; mail only from who greeted, receipts only of what was said to them, nothing in another's name",
        longest=800,
    ),
    Target(
        "patterns",
        patterns,
        lambda: [bytes([1, one, 0, 1, two, 0, 0, 0]) for one in range(0, 21, 2) for two in range(1, 21, 3)],
        "paths and globs (`core/patterns.py`)",
        "ValueError only; inside the repo; overlap is symmetric and never misses a path that both cover",
        longest=400,
    ),
    Target(
        "repos",
        repos,
        lambda: [
            *(bytes([1, number]) for number in range(len(URLS))),
            *(b"\0" + one.encode() for one in URLS),
        ],
        "addresses of remotes (`core/repos.py`)",
        "never raises; no user, no password; bounded",
        longest=600,
    ),
)
