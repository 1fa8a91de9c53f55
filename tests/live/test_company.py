"""Who is here, as each sidecar knows it: followed by a sign, without a look at everybody at each event."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from peermesh.core.words import Card
from peermesh.locks import free_lock, take_lock
from peermesh.sidecar import company
from peermesh.sidecar.company import Company


class Host:
    """A state directory in which peers are and are not."""

    def __init__(self, root: Path) -> None:
        self.root, self.locks = root, dict[str, int]()
        self.cards = [Card(id=f"peer000{number}", name=f"s{number}", host="h") for number in range(4)]
        self.sidecar = SimpleNamespace(
            root=str(root), cards=lambda: self.cards, card=self.cards[0], is_live=lambda _: True
        )
        for card in self.cards:
            (root / "peers" / card.id).mkdir(parents=True)

    def come(self, number: int, *, pid: bool = True) -> None:
        """A sidecar begins, or without *pid* somebody stands in for it."""
        folder = self.root / "peers" / self.cards[number].id
        lock = take_lock(str(folder / "lock"))
        assert lock is not None
        self.locks[self.cards[number].id] = lock
        if pid:
            (folder / "pid").write_text("1\n")

    def go(self, number: int) -> None:
        """It ends."""
        free_lock(self.locks.pop(self.cards[number].id))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Four peers, of whom the second is here."""
    made = Host(tmp_path)
    made.come(1)
    return made


def seen(one: Company) -> set[str]:
    """The names of who is here."""
    return {card.name for card in one.look().values()}


def of(host: Host) -> Company:
    """The company of the first."""
    return Company(cast("Any", host.sidecar))


def test_who_comes_and_goes_is_seen_by_its_sign(host: Host) -> None:
    """And is on this host."""
    mine, other = of(host), of(host)
    assert seen(mine) == {"s1"}
    host.come(2)
    other.sign()
    assert seen(mine) == {"s1", "s2"}
    assert mine.near == 2
    host.go(1)
    other.sign()
    assert seen(mine) == {"s2"}


def test_two_signs_in_one_tick_are_two(host: Host) -> None:
    """The clock of the files is coarse."""
    mine = of(host)
    for number in (2, 3):
        host.come(number)
        mine.sign()
        assert f"s{number}" in seen(mine)


def test_nobody_is_looked_at_without_a_sign(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred looks try no lock."""
    mine, tried = of(host), []
    assert seen(mine) == {"s1"}
    monkeypatch.setattr(company, "is_locked", tried.append)
    for _ in range(100):
        assert seen(mine) == {"s1"}
    assert not tried


def test_who_died_without_a_sign_is_seen_all_the_same(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while; or at once when the keeper has written down that it died."""
    mine = of(host)
    assert seen(mine) == {"s1"}
    host.go(1)
    assert seen(mine) == {"s1"}
    host.cards = list(host.cards)  # read again: the file changed
    assert seen(mine) == set()
    host.come(1)
    monkeypatch.setattr(company, "LONGEST", 0.0)
    assert seen(mine) == {"s1"}


def test_who_is_stood_in_for_is_not_here(host: Host) -> None:
    """Its lock is held, but by another."""
    mine = of(host)
    host.come(3, pid=False)
    mine.sign()
    assert seen(mine) == {"s1"}
    assert os.path.exists(host.root / "peers" / host.cards[3].id / "lock")
