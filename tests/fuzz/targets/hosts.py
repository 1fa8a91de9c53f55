"""Targets: who is who (`host.db`, and the cards of which it is made again), as it may be found."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import Any

from peermesh.core.rosters import Entry, Update
from peermesh.core.words import Card
from peermesh.store.host import HostStore
from tests.fuzz.damage import Original, folder_for
from tests.fuzz.source import EXAMPLE, Source, as_json, edited
from tests.fuzz.storing import OURS, PROMISE, WHOLE, each, holds_or_tells, is_a, seeds
from tests.fuzz.target import Target, must
from tests.store.boxes import ANN, BOB, CLEO, CLOCK, card
from tests.store.logs import LAP


def _make_host(folder: str) -> str:
    with closing(HostStore(folder, "desk")) as store:
        for peer, name in ((ANN, "ann"), (BOB, "bob")):
            store.register(
                card(peer, name, roles=("ui",)), session=f"s-{name}", is_live=lambda _: False, clock=CLOCK
            )
        store.register(card(CLEO, "me", person=True), session=None, is_live=lambda _: False, clock=CLOCK)
        store.birth(ANN)
        store.switch("remote:x", "x", off=True, here="dir:/srv/x")
        there = Card(id="dddddddd", name="dan", host="", host_key=LAP, roles=("db",))
        store.remotes.learn(LAP, Update((Entry(there, "idle", CLOCK, CLOCK),), whole=True))
        store.remotes.link(LAP, up=True, clock=CLOCK)
    return "host.db"


HOST = Original(_make_host)


def _card(one: Card) -> None:
    for text in (
        one.id,
        one.name,
        one.repo,
        one.repo_key,
        one.branch,
        one.cwd,
        one.focus,
        one.host_key,
        one.worktree,
    ):
        is_a(text, str)
    is_a(one.person, bool)
    must(all(type(role) is str for role in one.roles), "a role that is none")


def _entry(one: Entry) -> None:
    _card(one.card)
    is_a(one.status, str)
    is_a(one.since, float)
    is_a(one.active, float)


def _host(store: HostStore) -> int:
    nobody: Callable[[str], bool] = lambda _: False  # noqa: E731 - shorter than its name
    return each(
        lambda: [_card(one) for one in store.cards()],
        lambda: [_card(one) for one in [store.card(ANN)] if one],
        lambda: [is_a(one, str) for one in (store.by_session("s-ann"), store.person()) if one is not None],
        lambda: (store.named(ANN), store.switched_off("remote:x", "dir:/srv/x"), store.sessions(BOB)),
        lambda: [is_a(at, float) for at in store.seen().values()],
        lambda: [_entry(one) for one in store.remotes.entries()],
        lambda: [is_a(one.seen_at, float) for one in store.remotes.hosts().values()],
        lambda: store.remotes.host_of("dddddddd"),
        lambda: _card(store.register(card("ffffffff", "ann"), session="s-ann", is_live=nobody, clock=CLOCK)),
        lambda: _card(store.register(card("eeeeeeee", "bob"), session="s-new", is_live=nobody, clock=CLOCK)),
        lambda: is_a(store.rename(ANN, "bob", given=True, is_live=nobody), str),
        lambda: (store.update(card(ANN, focus="x")), store.bind("s-x", ANN), store.saw(ANN, CLOCK)),
        lambda: [is_a(one, int) for one in (store.birth(ANN), store.births(ANN))],
        lambda: store.remotes.learn(LAP, Update((), gone=("dddddddd",))),
        lambda: (
            store.remotes.nobody_is_up(),
            store.remotes.forget([LAP]),
            store.forget(BOB),
            store.revision(),
        ),
        lambda: store.switch("remote:x", "x", off=False),
    )


def host_rows(data: bytes) -> None:
    """The shared file with rows that say anything."""
    folder = HOST.rewritten(Source(data))
    try:
        store = HostStore(folder, "desk")
    except OURS:
        return
    with closing(store):
        _host(store)


def host_bytes(data: bytes) -> None:
    """The shared file, of which bytes were changed."""
    folder = HOST.damaged(Source(data))
    try:
        store = HostStore(folder, "desk")
    except OURS:
        return
    with closing(store):
        holds_or_tells(store.set_aside, lambda: not store.cards(), lambda: _host(store))


CARD: dict[str, Any] = EXAMPLE["card"]


def cards(data: bytes) -> None:
    """Cards in peers' directories, from which a lost shared file is made again."""
    source = Source(data)
    root = folder_for("cards")
    for peer in (ANN, BOB):
        os.makedirs(os.path.join(root, "peers", peer))
        example = {**CARD, "id": peer, "name": peer[:3], "sessions": [f"s-{peer}"]}
        raw = source.take(120) if source.byte() % 8 == 7 else as_json(edited(source, example, of_json=True))
        with open(os.path.join(root, "peers", peer, "card.json"), "wb") as file:
            file.write(raw)
    with closing(HostStore(root, "desk")) as store:
        must(not _host(store), "a card that is wrong was taken in")


TARGETS = (
    Target(
        "host_rows",
        host_rows,
        seeds,
        "rows of `host.db` (`store/host.py`, `remotes.py`)",
        PROMISE,
        longest=300,
    ),
    Target("host_bytes", host_bytes, seeds, "bytes of `host.db`", WHOLE, longest=300),
    Target(
        "cards",
        cards,
        lambda: [bytes([0, 0, 0, 0]), bytes([0, 2, *range(30)]), bytes([7, 5, *b'{"id"', 0, 3, *range(20)])],
        "cards, of which a lost `host.db` is made again (`store/host.py`)",
        "a wrong one is left out; the others are taken in, with their types",
        longest=400,
    ),
)
