"""What two hosts say to each other: msgpack arrays ``[version, type, field, …]``, over an authenticated link.

    greet      name, port, addresses     first on each link, both ways
    roster     whole, more, entries, gone   who is here; ages instead of times, for clocks differ
    ask        me, you, frame            a frame of peer *me* here to peer *you* there
    answer     me, you, frame            what *you* said back
    part       me, you                   the way to *you* is cut: *me* is to begin anew
    have       epoch, upto               your log of events is known here up to that number
    events     log, epoch, after, upto, more, kept, events   all that remain of ours in (after, upto]; ages, too
    beat                                 nothing new, still here
    leave                                this link ends
    again                                greet first: this link is not known (any more)
    join       secret, name, port, addresses     by an invitation, before anything else
    joined     name
    no         code, why

Any bytes decode or raise BadFrame. The frames inside are those of wire.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from peermesh.core.events import LOG_ID_LENGTH, STAMP_LIMIT, Event, EventId
from peermesh.core.rosters import AT_ONCE, Entry, Update
from peermesh.core.words import ROLE_LIMIT, Card, PeerId
from peermesh.mesh import fields
from peermesh.mesh.fields import as_flag, as_items, as_peer, as_text
from peermesh.mesh.wire import FRAME_LIMIT

VERSION = 1

# A frame of two peers and what goes around it.
HOST_FRAME_LIMIT = FRAME_LIMIT + 1024
ADDRESSES = 8
LONGEST_AGE = 10.0 * 365 * 86_400  # seconds
# Events in one frame, and the largest number that one may have.
EVENTS_AT_ONCE = 200
NUMBER_LIMIT = STAMP_LIMIT
# Events that one frame may name as kept.
KEPT_AT_ONCE = 20_000
KEY_LIMIT = 1_000  # characters of a repo's key
DATA_ITEMS = 64  # named fields of one event
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Greet:
    """This is *name*; others reach me at *port* of *addresses* (0: at none)."""

    name: str
    port: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is here. Each entry's times are how many seconds ago."""

    update: Update


@dataclass(frozen=True, slots=True)
class Ask:
    """*frame* goes from peer *me* on this side to peer *you* on the other."""

    me: PeerId
    you: PeerId
    frame: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """*frame* goes back to peer *me*, who asked *you*."""

    me: PeerId
    you: PeerId
    frame: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """The way from *me* to *you* is cut."""

    me: PeerId
    you: PeerId


@dataclass(frozen=True, slots=True)
class Have:
    """Your log, in *epoch*, is known here up to the number *upto*; "" and 0: nothing of it."""

    epoch: str
    upto: int


@dataclass(frozen=True, slots=True)
class Events:
    """All events that remain in (after, upto] of my log. Each one's *at* is how many seconds ago, not a time.

    With *kept*, those are all that remain of what was told up to *after*.
    """

    log: str
    epoch: str
    after: int
    upto: int
    events: tuple[Event, ...]
    more: bool = False
    kept: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """Still here."""


@dataclass(frozen=True, slots=True)
class Leave:
    """This link ends."""


@dataclass(frozen=True, slots=True)
class Again:
    """Greet first."""


@dataclass(frozen=True, slots=True)
class Join:
    """I was invited."""

    secret: bytes
    name: str
    port: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """You are trusted here from now on; I call myself *name*."""

    name: str
    port: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class No:
    """That is refused."""

    code: str
    why: str


HostFrame = Greet | Roster | Ask | Answer | Part | Have | Events | Beat | Leave | Again | Join | Joined | No


def encode(frame: HostFrame) -> bytes:
    """*frame* as bytes."""
    return fields.encode(frame, _PACKERS, VERSION)


def decode(data: bytes) -> HostFrame:
    """The frame that *data* holds.

    Raises:
        BadFrame: it holds none of this version.
    """
    return fields.decode(data, _UNPACKERS, VERSION, HOST_FRAME_LIMIT, "host's frame")


# ---------------------------------------------------------------- checks of one field


def _port(value: object) -> int:
    if type(value) is int and 0 <= value < 65_536:
        return value
    raise ValueError("not a port")


def _bytes(value: object, limit: int = FRAME_LIMIT) -> bytes:
    if isinstance(value, bytes) and len(value) <= limit:
        return value
    raise ValueError("not a frame")


def _addresses(value: object) -> tuple[str, ...]:
    return tuple(as_text(one) for one in as_items(value, ADDRESSES))


def _age(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:  # noqa: PLR0124 - no NaN
        return min(max(0.0, float(value)), LONGEST_AGE)
    raise ValueError("not an age")


# ---------------------------------------------------------------- rosters


def _pack_entry(entry: Entry) -> list[Any]:
    c = entry.card
    return [
        *(c.id, c.name, c.person, c.oneshot, c.repo, c.repo_key, c.branch, list(c.roles), c.focus),
        *(entry.status, entry.since, c.worktree, entry.active),
    ]


def _unpack_entry(value: object) -> Entry:
    fields = as_items(value, 32)  # a later version may say more
    peer, name, person, oneshot, repo, repo_key, branch, roles, focus, status, age = fields[:11]
    worktree, active = fields[11:13] if len(fields) > 12 else ("", age)  # an earlier version says less
    card = Card(
        id=as_peer(peer),
        name=as_text(name),
        host="",
        person=as_flag(person),
        oneshot=as_flag(oneshot),
        repo=as_text(repo),
        repo_key=as_text(repo_key),
        branch=as_text(branch),
        roles=tuple(as_text(role) for role in as_items(roles, ROLE_LIMIT)),
        focus=as_text(focus),
        worktree=as_text(worktree),
    )
    return Entry(card, as_text(status), _age(age), _age(active))


def _roster(whole: object, more: object, entries: object, gone: object) -> Roster:
    return Roster(
        Update(
            tuple(_unpack_entry(one) for one in as_items(entries, AT_ONCE)),
            tuple(as_peer(one) for one in as_items(gone, AT_ONCE)),
            whole=as_flag(whole),
            more=as_flag(more),
        )
    )


# ---------------------------------------------------------------- logs


def _log_id(value: object) -> str:
    if isinstance(value, str) and len(value) == LOG_ID_LENGTH and set(value) <= _HEX:
        return value
    raise ValueError("not the id of a log")


def _number(value: object, least: int = 0) -> int:
    if type(value) is int and least <= value <= NUMBER_LIMIT:
        return value
    raise ValueError("not an event's number")


def _have(epoch: object, upto: object) -> Have:
    return Have("" if epoch == "" else _log_id(epoch), _number(upto))


def _pack_event(event: Event) -> list[Any]:
    e = event
    return [e.id.n, e.stamp, e.by, e.name, e.repo, e.kind, dict(e.data), e.at]


def _unpack_event(log: str, value: object) -> Event:
    n, stamp, by, name, repo, kind, data, age = as_items(value, 32)[:8]  # a later version may say more
    if not isinstance(data, dict) or len(data) > DATA_ITEMS or not all(isinstance(one, str) for one in data):
        raise ValueError("not an event's data")
    return Event(
        id=EventId(log, _number(n, 1)),
        stamp=_number(stamp, 1),
        by=as_peer(by),
        name=as_text(name),
        repo=as_text(repo, KEY_LIMIT),
        kind=as_text(kind),
        data=data,
        at=_age(age),
    )


def _pack_events(f: Events) -> list[Any]:
    kept = None if f.kept is None else list(f.kept)
    return [f.log, f.epoch, f.after, f.upto, f.more, kept, [_pack_event(one) for one in f.events]]


def _events(  # noqa: PLR0913, PLR0917 - as many as the frame has fields
    log: object, epoch: object, after: object, upto: object, more: object, kept: object, events: object
) -> Events:
    name, first, last = _log_id(log), _number(after), _number(upto)
    if last < first:
        raise ValueError("the end is before the beginning")
    return Events(
        name,
        _log_id(epoch),
        first,
        last,
        tuple(_unpack_event(name, one) for one in as_items(events, EVENTS_AT_ONCE)),
        as_flag(more),
        None if kept is None else tuple(_number(one, 1) for one in as_items(kept, KEPT_AT_ONCE)),
    )


# ---------------------------------------------------------------- the table

_PACKERS: dict[type, tuple[str, Callable[[Any], list[Any]]]] = {
    Greet: ("greet", lambda f: [f.name, f.port, list(f.addresses)]),
    Roster: (
        "roster",
        lambda f: [
            f.update.whole,
            f.update.more,
            [_pack_entry(e) for e in f.update.entries],
            list(f.update.gone),
        ],
    ),
    Ask: ("ask", lambda f: [f.me, f.you, f.frame]),
    Answer: ("answer", lambda f: [f.me, f.you, f.frame]),
    Part: ("part", lambda f: [f.me, f.you]),
    Have: ("have", lambda f: [f.epoch, f.upto]),
    Events: ("events", _pack_events),
    Beat: ("beat", lambda f: []),
    Leave: ("leave", lambda f: []),
    Again: ("again", lambda f: []),
    Join: ("join", lambda f: [f.secret, f.name, f.port, list(f.addresses)]),
    Joined: ("joined", lambda f: [f.name, f.port, list(f.addresses)]),
    No: ("no", lambda f: [f.code, f.why]),
}

_UNPACKERS: dict[str, Callable[..., HostFrame]] = {
    "greet": lambda name, port, addresses: Greet(as_text(name), _port(port), _addresses(addresses)),
    "roster": _roster,
    "ask": lambda me, you, frame: Ask(as_peer(me), as_peer(you), _bytes(frame)),
    "answer": lambda me, you, frame: Answer(as_peer(me), as_peer(you), _bytes(frame)),
    "part": lambda me, you: Part(as_peer(me), as_peer(you)),
    "have": _have,
    "events": _events,
    "beat": Beat,
    "leave": Leave,
    "again": Again,
    "join": lambda secret, name, port, addresses: Join(
        _bytes(secret, 64), as_text(name), _port(port), _addresses(addresses)
    ),
    "joined": lambda name, port, addresses: Joined(as_text(name), _port(port), _addresses(addresses)),
    "no": lambda code, why: No(as_text(code), as_text(why)),
}
