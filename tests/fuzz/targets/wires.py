"""Targets: what crosses the wires between peers and hosts, tokens and codes, and the events of other hosts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgpack

from peermesh.core.checked import checked
from peermesh.core.events import (
    NOTE_LIMIT,
    PATH_LIMIT,
    STAMP_LIMIT,
    TITLE_LIMIT,
    WHY_LIMIT,
    Event,
    EventId,
    What,
)
from peermesh.core.frames import Mail
from peermesh.core.picture import Picture
from peermesh.core.rosters import tamed, turned
from peermesh.core.words import (
    BODY_LIMIT,
    BRANCH_LIMIT,
    FOCUS_LIMIT,
    NAME_LIMIT,
    REPO_LIMIT,
    ROLE_LIMIT,
    is_peer_id,
)
from peermesh.errors import BadFrame
from peermesh.hooks import text
from peermesh.mesh import wire
from peermesh.mesh.hosts import wire as hosts
from tests.fuzz.source import EXAMPLE, Source, as_msgpack, edited, seeds_of, shaped
from tests.fuzz.target import Target, must, one_line, visible

GOLDEN = Path(__file__).parents[2] / "mesh"
ANN, BOB, CLEO = "aaaaaaaa", "bbbbbbbb", "cccccccc"
LOG, OTHER = "1" * 16, "2" * 16
REPO = "remote:git.example/app"
CLOCK = 1_700_000_000.0
DAYS = 86_400.0


def _golden(name: str) -> list[Any]:
    """The golden frames of a wire, as values."""
    frames = json.loads((GOLDEN / name).read_text("utf-8")).values()
    return [msgpack.unpackb(bytes.fromhex(one)) for one in frames]


_FENCES = re.compile(r"<[\s/]*peer-messages", re.IGNORECASE)
PEERS, HOSTS = _golden("golden.json"), _golden("golden_hosts.json")

# ---------------------------------------------------------------- between peers


def mesh_wire(data: bytes) -> None:
    """A frame between peers."""
    raw = shaped(data, PEERS, as_msgpack)
    try:
        frame = wire.decode(raw)
    except BadFrame:
        return
    must(len(raw) <= wire.FRAME_LIMIT, "a frame above the limit was taken")
    must(wire.decode(wire.encode(frame)) == frame, "decode(encode(decode(x))) is another frame")
    if isinstance(frame, Mail):
        _message(frame)


def _message(frame: Mail) -> None:
    m = frame.message
    must(is_peer_id(m.id.peer) and is_peer_id(m.to) and 0 < m.id.n < wire.BIGGEST, "whose is it?")
    must(len(m.body.encode()) <= BODY_LIMIT and len(m.chain) <= wire.CHAIN_ROOM, "it is above a limit")
    must(type(m.urgent) is bool and 0 <= m.said_at < 1e12, "a field of another type")
    shown = text.messages([(m, 1.0)])
    visible(shown, "what the model reads")
    must(len(_FENCES.findall(shown)) == 2, "the fence was closed, or another one opened, by a message")
    must(shown.endswith("\n</peer-messages>"), "something stands behind the fence")


# ---------------------------------------------------------------- between hosts


def host_wire(data: bytes) -> None:
    """A frame between hosts, with what is made of it."""
    raw = shaped(data, HOSTS, as_msgpack)
    try:
        frame = hosts.decode(raw)
    except BadFrame:
        return
    again = hosts.encode(frame)
    must(hosts.encode(hosts.decode(again)) == again, "decode(encode(decode(x))) is another frame")
    if isinstance(frame, hosts.Roster):
        for one in frame.update.entries:
            _entry(one)
    elif isinstance(frame, hosts.Events):
        for event in frame.events:
            _checked(event)
    elif isinstance(frame, hosts.Ask | hosts.Answer):
        mesh_wire(b"\0" + frame.frame)


def _entry(entry: Any) -> None:
    one = tamed(turned(entry, CLOCK), "aa" * 32)
    card = one.card
    must(is_peer_id(card.id) and card.host_key == "aa" * 32 and not card.cwd, "whose is it?")
    for value, limit in ((card.name, NAME_LIMIT), (card.repo, REPO_LIMIT), (card.branch, BRANCH_LIMIT)):
        one_line(value, limit, "a card's field")
    one_line(card.worktree, REPO_LIMIT, "a worktree")
    one_line(card.focus, FOCUS_LIMIT, "a focus")
    must(len(card.roles) <= ROLE_LIMIT, "too many roles")
    for role in card.roles:
        one_line(role, 3 * NAME_LIMIT, "a role")  # a letter may be three when its case is folded
    must(0 <= CLOCK - one.since <= hosts.LONGEST_AGE and one.status, "a time that is none")


# ---------------------------------------------------------------- events of other hosts

EXAMPLES: list[tuple[str, dict[str, Any]]] = [(kind, data) for kind, data in EXAMPLE["events"]]


def _checked(event: Event) -> Event | None:
    """The event as our log takes it; None if it is refused."""
    try:
        good = checked(event)
    except ValueError:
        return None
    must(checked(good) == good, "what was checked is changed by another check")
    must(1 <= good.stamp <= STAMP_LIMIT and 1 <= good.id.n <= STAMP_LIMIT, "a number beyond the limit")
    one_line(good.name, NAME_LIMIT, "a name")
    must(not good.repo.startswith("dir:") and good.repo.isprintable(), "a repo of that host alone")
    json.dumps(dict(good.data), allow_nan=False).encode()
    limits = {"why": WHY_LIMIT, "branch": BRANCH_LIMIT, "title": TITLE_LIMIT, "path": PATH_LIMIT}
    if good.kind in set(What):
        for name, limit in limits.items():
            if name in good.data:
                one_line(good.data[name], limit, name)
        if good.kind == What.NOTE:
            visible(good.data["text"], "a note")
            must(len(good.data["text"]) <= NOTE_LIMIT, "a note above the limit")
    return good


def events(data: bytes) -> None:
    """Some events of two hosts, checked and folded in two orders."""
    source = Source(data)
    good = list[Event]()
    for number in range(1, 2 + source.number(12)):
        kind, example = source.pick(EXAMPLES)
        said: Any = edited(
            source, {"kind": kind, "data": example, "name": "bob", "repo": REPO}, of_json=False
        )
        heard = Event(
            id=EventId(source.pick((LOG, OTHER)), 1 + source.number(8)),
            stamp=number if source.byte() % 4 else source.pick((1, 2, STAMP_LIMIT, 0, -1)),
            by=source.pick((ANN, BOB, CLEO)),
            name=said.get("name", "") if isinstance(said, dict) else "",
            repo=said.get("repo", "") if isinstance(said, dict) else "",
            kind=said.get("kind", "") if isinstance(said, dict) else "",
            data=said.get("data", {}) if isinstance(said, dict) else {},
            at=CLOCK - source.pick((0.0, 1.0, 600.0, 2_000.0, 8 * DAYS, -60.0)),
            host_key=source.pick(("", "aa" * 32)),
        )
        event = _checked(heard)
        if event is not None and event.id not in {one.id for one in good}:
            good.append(event)
    must(_views(good) == _views(good[::-1]), "the same events in another order give another picture")


def _views(events: list[Event]) -> list[object]:
    """All that a picture of *events* shows."""
    picture = Picture()
    for one in [*events, *events[:2]]:
        picture.add(one)
    now = CLOCK + 1.0
    seen = _seen(picture, now)
    picture.needed(now)
    picture.prune(now)
    must(_seen(picture, now) == seen, "to forget what is not needed changes what is seen")
    return seen


def _seen(picture: Picture, now: float) -> list[object]:
    return [
        *(
            picture.claims.live(now),
            picture.claims.against(ANN, "src/app.py", now),
            picture.claims.lost(BOB, now),
        ),
        *(picture.board.tasks(), picture.notes(), picture.jobs(now), picture.edits(now)),
        *(picture.touches(ANN, now), picture.files(BOB, now), picture.editors("src/app.py", now)),
        *(picture.claims.held_by(ANN, now), picture.board.pending(ANN)),
    ]


TARGETS = (
    Target(
        "mesh_wire",
        mesh_wire,
        lambda: seeds_of(PEERS, as_msgpack),
        "frames between peers (`mesh/wire.py`)",
        "BadFrame only; round trip; limits; a message shown to a model cannot leave its fence",
    ),
    Target(
        "host_wire",
        host_wire,
        lambda: seeds_of(HOSTS, as_msgpack),
        "frames between hosts, rosters tamed, events checked (`mesh/hosts/wire.py`)",
        "BadFrame only; round trip; cards are lines within limits",
    ),
    Target(
        "events",
        events,
        lambda: [bytes([number, number, 0] * 8) for number in range(16)] + [bytes(range(200))],
        "another host's events, and the picture folded of them (`core/checked.py`)",
        "ValueError only; checking is idempotent; texts are clean; any order gives one picture",
    ),
)
