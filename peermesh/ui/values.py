"""What the panel shows, as frozen values: read from the door's answers, cleaned once, and only drawn after that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from peermesh.core.clean import clean, line

# One line of a list; what is longer is read in full.
LINE = 300  # characters
# A text of the feed that the panel keeps; `read` brings the rest.
TEXT = 4_000  # characters
# Of a time or a length of time: thirty thousand years.
MOST = 1e12  # seconds

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is known: a session, or a person's shells."""

    id: str
    name: str
    host: str  # "" is this one
    person: bool
    here: bool
    mine: bool
    near: bool  # of the project that the panel is about
    repo: str
    branch: str
    worktree: str
    roles: tuple[str, ...]
    focus: str
    status: str
    since: float  # wall clock, seconds
    active: float
    files: tuple[tuple[str, float], ...]  # path, and when it was edited (wall clock, seconds)

    @property
    def address(self) -> str:
        """How it is called here."""
        return f"{self.name}@{self.host}" if self.host else self.name


@dataclass(frozen=True, slots=True)
class Item:
    """Something that happened."""

    at: float  # wall clock, seconds
    kind: str  # of a message: what kind of one
    message: bool
    who: str  # with its host, if that is another one
    mine: bool
    to: str
    text: str
    id: str
    path: str
    state: str

    @property
    def gist(self) -> tuple[object, ...]:
        """What makes it the same thing when another sidecar tells of it."""
        if self.message:
            return "message", self.id
        return self.kind, self.id, self.who, self.to, self.path, self.state, self.text, round(self.at)


@dataclass(frozen=True, slots=True)
class Claim:
    """A path that somebody holds."""

    path: str
    by: str
    mine: bool
    why: str
    branch: str
    since: float  # wall clock, seconds
    until: float


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do."""

    id: str
    title: str
    state: str
    owner: str
    owner_here: bool
    mine: bool
    tentative: bool
    waits_for: tuple[str, ...]
    by: str
    changed: float  # wall clock, seconds
    why: str


@dataclass(frozen=True, slots=True)
class Job:
    """A process whose end is told."""

    id: str
    name: str
    command: str
    state: str
    code: int | None
    signal: str
    by: str
    host: str
    mine: bool
    at: float  # when it began, or ended; wall clock, seconds
    seconds: float
    line: str
    branch: str
    told: tuple[str, ...]
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The lists as they are now. A list that this sidecar does not know is empty, and ``absent`` says why."""

    me: str = ""
    host: str = ""
    person: bool = True
    repo: str = ""
    unread: int = 0
    sessions: tuple[Session, ...] = ()
    claims: tuple[Claim, ...] = ()
    tasks: tuple[Task, ...] = ()
    jobs: tuple[Job, ...] = ()
    absent: tuple[tuple[str, str], ...] = ()


def short(text: object, most: int = LINE) -> str:
    """Others' words as one line."""
    return line(clean(str(text or "")), most)


def long(text: object) -> str:
    """Others' words as lines."""
    return clean(str(text or "")).strip("\n").expandtabs(4)


def address(name: object, host: object) -> str:
    """A name, with its host if that is another one ("" is this one)."""
    return short(f"{name}@{host}" if host else name, 120)


def _number(given: object) -> float:
    """A number as the door gave it; 0 for what is none, and for one that no clock shows."""
    if isinstance(given, (int, float)) and not isinstance(given, bool) and -MOST < given < MOST:
        return float(given)
    return 0.0


def _words(given: object, most: int) -> tuple[str, ...]:
    """A list of words as the door gave it; nothing for what is none."""
    return tuple(short(one, most) for one in given) if isinstance(given, list) else ()


def each(rows: object, read: Callable[[Mapping[str, Any]], V]) -> tuple[V, ...]:
    """What *read* makes of each row of an answer."""
    some: Iterable[object] = rows if isinstance(rows, list) else ()
    return tuple(read(row) for row in some if isinstance(row, Mapping))


def sessions(answer: Mapping[str, Any], repo_key: str, now: float) -> tuple[Session, ...]:
    """The answer to ``list``."""
    me, host = str(answer.get("me") or ""), str(answer.get("host") or "")

    def read(row: Mapping[str, Any]) -> Session:
        return Session(
            id=str(row.get("id") or ""),
            name=short(row.get("name"), 60),
            host="" if str(row.get("host") or "") in ("", host) else short(row.get("host"), 60),
            person=bool(row.get("person")),
            here=bool(row.get("here")),
            mine=str(row.get("id") or "") == me,
            near=str(row.get("repo_key") or "") == repo_key,
            repo=short(row.get("repo"), 60),
            branch=short(row.get("branch"), 100),
            worktree=short(row.get("worktree"), 60),
            roles=_words(row.get("roles"), 40),
            focus=short(row.get("focus")),
            status=short(row.get("status"), 40),
            since=_number(row.get("since")),
            active=_number(row.get("active")),
            files=each(row.get("files"), lambda one: (short(one.get("path")), now - _number(one.get("age")))),
        )

    return each(answer.get("peers"), read)


def item(row: Mapping[str, Any]) -> Item:
    """One item of the answer to ``feed``."""
    kind = short(row.get("kind"), 20) or "event"
    return Item(
        at=_number(row.get("at")),
        kind=short(row.get("what"), 20) or kind if kind == "message" else kind,
        message=kind == "message",
        who=address(row.get("who"), row.get("host")),
        mine=bool(row.get("mine")),
        to=short(row.get("group") or row.get("to"), 120),
        text=long(row.get("text"))[:TEXT],
        id=short(row.get("id"), 60),
        path=short(row.get("path")),
        state=short((row.get("what") if kind == "job" else "") or row.get("state"), 40),
    )


def claims(answer: Mapping[str, Any], now: float) -> tuple[Claim, ...]:
    """The answer to ``claims``."""
    return each(
        answer.get("claims"),
        lambda row: Claim(
            path=short(row.get("path")),
            by=address(row.get("by"), row.get("host")),
            mine=bool(row.get("mine")),
            why=short(row.get("why")),
            branch=short(row.get("branch"), 100),
            since=now - _number(row.get("since")),
            until=now + _number(row.get("left")),
        ),
    )


def tasks(answer: Mapping[str, Any], now: float) -> tuple[Task, ...]:
    """The answer to ``tasks``."""
    return each(
        answer.get("tasks"),
        lambda row: Task(
            id=short(row.get("id"), 60),
            title=short(row.get("title")),
            state=short(row.get("state"), 20),
            owner=address(row.get("owner"), row.get("owner_host")),
            owner_here=bool(row.get("owner_here")),
            mine=bool(row.get("mine")),
            tentative=bool(row.get("tentative")),
            waits_for=_words(row.get("waits_for"), 60),
            by=address(row.get("by"), row.get("host")),
            changed=now - _number(row.get("changed")),
            why=short(row.get("why")),
        ),
    )


def jobs(answer: Mapping[str, Any], now: float) -> tuple[Job, ...]:
    """The answer to ``jobs``."""
    return each(answer.get("jobs"), lambda row: job(row, now))


def job(row: Mapping[str, Any], now: float) -> Job:
    """One of them."""
    code = row.get("code")
    return Job(
        id=short(row.get("id"), 60),
        name=short(row.get("name"), 60),
        command=short(row.get("cmd")),
        state=short(row.get("state"), 20),
        code=code if isinstance(code, int) else None,
        signal=short(row.get("signal"), 20),
        by=short(row.get("by"), 60),
        host=short(row.get("host"), 60),
        mine=bool(row.get("mine")),
        at=now - _number(row.get("age")),
        seconds=_number(row.get("seconds")),
        line=short(row.get("line")),
        branch=short(row.get("branch"), 100),
        told=_words(row.get("told"), 60),
        kind=short(row.get("kind"), 20),
        why=short(row.get("why")),
    )
