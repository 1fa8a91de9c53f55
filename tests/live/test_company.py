"""Who is known and who is here, as each sidecar knows it: by what was written down, and without a look at all others."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from peermesh.core.rosters import Entry, Update
from peermesh.core.words import Card, PeerId
from peermesh.errors import DiskFull
from peermesh.locks import free_lock, is_locked, take_lock
from peermesh.sidecar import company
from peermesh.sidecar.company import Company
from peermesh.sidecar.everybody import Everybody
from peermesh.sidecar.neighbours import Neighbours
from peermesh.store.host import HostStore
from peermesh.store.trust import TrustStore

CLOCK = 1_000_000.0
PEERS = [f"peer000{letter}" for letter in "abcd"]
LAP, PC = "aa" * 32, "bb" * 32


class One:
    """One sidecar's eyes on a state directory.

    Args:
        root: the state directory.
        number: which peer it is.
    """

    def __init__(self, root: Path, number: int = 0) -> None:
        self.host, self.logged = HostStore(str(root), "h"), list[str]()
        trust = TrustStore(str(root), "h")
        self.neighbours = Neighbours(str(root), self.host, trust)
        self.everybody = Everybody(self.host, trust, self.neighbours)
        self.sidecar = SimpleNamespace(
            root=str(root),
            card=Card(id=PEERS[number], name=f"s{number}", host="h"),
            host=self.host,
            everybody=self.everybody,
            is_live=self._is_live,
            log=self.logged.append,
        )
        self.company = Company(cast("Any", self.sidecar))

    def _is_live(self, peer: PeerId) -> bool:
        elsewhere = self.neighbours.get(peer)
        return elsewhere is not None and elsewhere.here

    def seen(self) -> set[str]:
        """The names of who is here."""
        return {card.name for card in self.company.look().values()}


class Place:
    """A state directory in which peers come and go."""

    def __init__(self, root: Path) -> None:
        self.root, self.locks, self.ones = root, dict[PeerId, int](), list[One]()
        self.scribe = self.one(3)
        for number, peer in enumerate(PEERS):
            card = Card(id=peer, name=f"s{number}", host="h")
            self.scribe.host.register(card, session=peer, is_live=is_locked, clock=CLOCK)
            (root / "peers" / peer).mkdir(parents=True)

    def one(self, number: int = 0) -> One:
        """A sidecar that begins to look."""
        self.ones.append(One(self.root, number))
        return self.ones[-1]

    def come(self, number: int, *, pid: bool = True) -> None:
        """A sidecar begins, or without *pid* somebody stands in for it; it is not written down."""
        folder = self.root / "peers" / PEERS[number]
        lock = take_lock(str(folder / "lock"))
        assert lock is not None
        self.locks[PEERS[number]] = lock
        if pid:
            (folder / "pid").write_text("1\n")

    def go(self, number: int) -> None:
        """It ends."""
        free_lock(self.locks.pop(PEERS[number]))

    def sign(self, number: int) -> None:
        """Somebody writes down that it came or went."""
        self.scribe.host.saw(PEERS[number], CLOCK)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Four peers, of whom the second is here."""
    made = Place(tmp_path)
    made.come(1)
    yield made
    for one in made.ones:
        one.host.close()
    for lock in made.locks.values():
        free_lock(lock)


# ---------------------------------------------------------------- who is here


def test_who_comes_and_goes_is_seen_by_its_sign(place: Place) -> None:
    """And is on this host."""
    mine, other = place.one(), place.one(2)
    assert mine.seen() == {"s1"}
    place.come(2)
    other.company.sign()
    assert mine.seen() == {"s1", "s2"}
    assert mine.company.near == 2
    place.go(1)
    place.sign(1)
    assert mine.seen() == {"s2"}
    assert mine.company.near == 1


def test_only_who_came_is_looked_at(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign costs one lock's try, however many there are; and a hundred looks without one cost none."""
    mine = place.one()
    assert mine.seen() == {"s1"}
    tried: list[str] = []
    monkeypatch.setattr(company, "is_locked", lambda path: [tried.append(path), is_locked(path)][1])
    for _ in range(100):
        assert mine.seen() == {"s1"}
    assert not tried
    place.come(2)
    place.sign(2)
    assert mine.seen() == {"s1", "s2"}
    assert [os.path.basename(os.path.dirname(path)) for path in tried] == [PEERS[2]]


def test_what_is_known_is_another_dict_only_when_it_changed(place: Place) -> None:
    """By that the others see that somebody came or went."""
    mine = place.one()
    first = mine.company.look()
    place.sign(1)
    assert mine.company.look() is first
    place.come(2)
    place.sign(2)
    assert mine.company.look() is not first
    assert first.keys() == {PEERS[1]}


def test_who_died_without_a_sign_is_seen_all_the_same(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while; or at once when the keeper has written down that it died."""
    mine = place.one()
    assert mine.seen() == {"s1"}
    place.go(1)
    assert mine.seen() == {"s1"}
    place.sign(1)
    assert mine.seen() == set()
    place.come(1)
    monkeypatch.setattr(company, "LONGEST", -1.0)
    assert mine.seen() == {"s1"}


def test_who_is_stood_in_for_is_not_here(place: Place) -> None:
    """Its lock is held, but by another."""
    mine = place.one()
    place.come(2, pid=False)
    place.sign(2)
    assert mine.seen() == {"s1"}
    assert is_locked(str(place.root / "peers" / PEERS[2] / "lock"))


def test_a_look_that_fails_is_made_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was to be looked at then is looked at the next time."""
    mine = place.one()
    assert mine.seen() == {"s1"}
    place.come(2)
    place.sign(2)

    def broken(_: str) -> bool:
        raise OSError("no descriptors")

    with monkeypatch.context() as patched:
        patched.setattr(company, "is_locked", broken)
        with pytest.raises(OSError, match="no descriptors"):
            mine.seen()
    assert mine.seen() == {"s1", "s2"}


def test_a_sign_that_cannot_be_left_is_a_line_in_the_log(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk keeps nobody from coming or going."""
    mine = place.one()

    def full(_peer: PeerId, _clock: float) -> None:
        raise DiskFull

    monkeypatch.setattr(mine.host, "saw", full)
    mine.company.sign()
    assert len(mine.logged) == 1
    assert "s0" in mine.logged[0]


# ---------------------------------------------------------------- who is known


def entry(peer: PeerId, key: str, status: str = "idle") -> Entry:
    """What the host *key* tells of one of its peers."""
    return Entry(Card(id=peer, name=f"n-{peer}", host="", host_key=key), status, CLOCK)


def test_who_is_on_a_host_is_here_while_that_is_reached(place: Place) -> None:
    """The link's word is about all of them, though nothing else was written about any."""
    trust = TrustStore(str(place.root), "h")
    trust.add(LAP, "lap")
    mine, remotes = place.one(), place.scribe.host.remotes
    remotes.learn(LAP, Update((entry("eeeeeeee", LAP),), whole=True))
    assert mine.seen() == {"s1"}
    remotes.link(LAP, up=True, clock=CLOCK)
    assert mine.seen() == {"s1", "n-eeeeeeee"}
    assert mine.company.near == 1
    remotes.link(LAP, up=False, clock=CLOCK + 5)
    assert mine.seen() == {"s1"}
    remotes.link(LAP, up=True, clock=CLOCK + 9)
    assert "n-eeeeeeee" in mine.seen()
    trust.remove("lap")
    assert mine.seen() == {"s1"}


@pytest.mark.parametrize("seed", range(3))
def test_who_follows_knows_what_a_new_reader_does(place: Place, seed: int) -> None:
    """Whatever happens, and however seldom one looks; and who is otherwise than before was named."""
    chance, store = random.Random(seed), place.scribe.host
    trust = TrustStore(str(place.root), "h")
    far = ["eeeeeeee", "ffffffff", "gggggggg"]
    mine = place.one()
    for step in range(50):
        before = {card.id: (card, mine.neighbours.get(card.id)) for card in mine.everybody.cards()}
        mine.everybody.stirred()
        for _ in range(chance.randrange(1, 4)):
            _happen(store, trust, chance, far, step)
        cards = mine.everybody.cards()
        fresh = place.one()
        assert cards == fresh.everybody.cards()
        now = {card.id: (card, mine.neighbours.get(card.id)) for card in cards}
        assert now == {card.id: (card, fresh.neighbours.get(card.id)) for card in cards}
        assert [mine.everybody.seen_at(one) for one in now] == [fresh.everybody.seen_at(one) for one in now]
        other = {peer for peer in before.keys() | now.keys() if before.get(peer) != now.get(peer)}
        assert other <= mine.everybody.stirred()
        fresh.host.close()
        place.ones.remove(fresh)


def _happen(store: HostStore, trust: TrustStore, chance: random.Random, far: list[PeerId], step: int) -> None:
    peer, there, key = chance.choice(PEERS), chance.choice(far), chance.choice([LAP, PC])
    card = Card(id=peer, name=f"c{step}", host="h", repo=str(step))
    some = Update((entry(there, key, str(step)),), whole=chance.random() < 0.3)
    trusted = trust.read().by_key(key)
    chance.choice(
        [
            lambda: store.register(card, session=peer, is_live=lambda _: False, clock=CLOCK + step),
            lambda: store.saw(peer, CLOCK + step),
            lambda: store.update(replace(card, focus=f"f{step}")),
            lambda: store.forget(peer),
            lambda: store.rename(peer, f"r{step}", given=False, is_live=lambda _: False),
            lambda: store.remotes.learn(key, some),
            lambda: store.remotes.learn(key, Update((), gone=(there,))),
            lambda: store.remotes.link(key, up=chance.random() < 0.5, clock=CLOCK + step),
            lambda: trust.remove(trusted.name) if trusted else trust.add(key, "lap" if key == LAP else "pc"),
        ]
    )()


def test_a_file_that_was_put_back_is_read_anew(place: Place) -> None:
    """Its numbers begin anew, and mean others."""
    mine = place.one()
    place.scribe.host.forget(PEERS[2])
    assert len(mine.everybody.cards()) == 3
    for end in ("", "-wal", "-shm"):
        if (place.root / f"host.db{end}").exists():
            os.replace(place.root / f"host.db{end}", place.root / f"old{end}")
    fresh = place.one()
    for letter in "abcdef":
        card = Card(id=f"peer111{letter}", name=letter, host="h")
        fresh.host.register(card, session=card.id, is_live=lambda _: False, clock=CLOCK)
    assert {card.name for card in mine.everybody.cards()} == set("abcdef")
