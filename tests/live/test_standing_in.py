"""Standing in for many at once: as many as can be greeted are opened, and nobody is given up meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from peermesh.core.script import Answer, Say, SayAnswer
from peermesh.core.words import Card, Kind, PeerId, State
from peermesh.locks import take_lock
from peermesh.sidecar import posts as posts_file
from peermesh.sidecar.post import Busy, Post
from peermesh.sidecar.posts import NEW, Posts
from peermesh.store.host import HostStore

CLOCK = 1_000_000.0
MANY = 3 * NEW


class Place:
    """One process's posts, in a directory with absent peers."""

    def __init__(self, root: Path) -> None:
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        self.host = HostStore(str(root), "h")
        self.cards = [Card(id=_ident(number), name=f"n{number}", host="h") for number in range(MANY + 1)]
        for card in self.cards:
            self.host.register(card, session=card.id, is_live=lambda _: False, clock=CLOCK)
            (root / "peers" / card.id).mkdir(parents=True)
        self.posts = Posts(str(root), self.host, lambda _: None, lambda _: None)
        lock = take_lock(str(root / "peers" / self.cards[0].id / "lock"))
        assert lock is not None
        self.own: Post = self.posts.open_own(self.cards[0], lock, None, self.answers.put_nowait)

    def absent(self) -> list[PeerId]:
        """All but this process's own."""
        return [card.id for card in self.cards[1:]]


def _ident(number: int) -> PeerId:
    return "peer00" + "abcdefgh"[number // 8] + "abcdefgh"[number % 8]


def played(root: Path, story: Callable[[Place], Awaitable[Any]]) -> Any:
    """Play it in a loop of its own."""

    async def play() -> Any:
        place = Place(root)
        try:
            return await story(place)
        finally:
            place.posts.end()
            place.host.close()

    return asyncio.run(play())


def test_so_many_new_ones_at_a_time(tmp_path: Path) -> None:
    """The next is opened when one of them was spoken to; who is live is reached all the same."""

    async def story(place: Place) -> None:
        absent = place.absent()
        for peer in absent[:NEW]:
            place.posts.stand_in(peer)
        with pytest.raises(Busy):
            place.posts.stand_in(absent[NEW])
        place.posts.stand_in(absent[0])  # is open already
        post = place.posts.get(absent[0])
        assert post is not None
        post.heard = True
        place.posts.stand_in(absent[NEW])
        assert place.posts.get(absent[NEW]) is not None

    played(tmp_path, story)


def test_a_word_to_many_absent_ones_costs_no_dial_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though each that is opened takes so long that a stand-in would be over before it is spoken to."""
    took = posts_file.STAND_IN_QUIET
    opening = Posts._open

    def slow(self: Posts, card: Card, lock: int, *more: Any) -> Post:
        time.sleep(took / 8)  # 16 of them: longer than the quiet after which one is closed
        return opening(self, card, lock, *more)

    async def story(place: Place) -> None:
        monkeypatch.setattr(Posts, "_open", slow)
        dialled: Counter[PeerId] = Counter()
        dial = place.own.links.dial

        def counted(peer: PeerId, path: str) -> None:
            dialled[peer] += 1
            dial(peer, path)

        monkeypatch.setattr(place.own.links, "dial", counted)
        say = Say(1, tuple(place.cards[1:]), Kind.MESSAGE, "x", CLOCK, wait=State.SAFE, timeout=60.0)
        place.own.put(say)
        answer = await asyncio.wait_for(place.answers.get(), 60.0)
        assert isinstance(answer, SayAnswer)
        assert {state for _, _, state, _ in answer.messages} == {State.SAFE}
        assert dialled == dict.fromkeys(place.absent(), 1)

    played(tmp_path, story)
