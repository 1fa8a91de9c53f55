"""What a sidecar keeps of what went through it: of a message nothing, of an event little, of a file a bounded part."""

from __future__ import annotations

import _sqlite3
import asyncio
import contextlib
import ctypes
import gc
import platform
import subprocess
import sys
import time
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from peermesh.core.budget import Budget
from peermesh.core.events import Event, What
from peermesh.core.script import Answer, KeepIn, ReadAsked, Say, SayAnswer, Show, Shown
from peermesh.core.words import PeerId, State
from peermesh.mesh.links import Links, end_context, make_context
from peermesh.sidecar.post import Post
from peermesh.sidecar.shared import Shared
from peermesh.store.mailbox import Mailbox
from peermesh.store.sqlite import CACHE
from tests.store.boxes import ANN, BOB, CLOCK, card, heard, mailbox
from tests.store.logs import REPO, draft, log

BATCH, BATCHES = 100, 8  # messages that are said together, and how often in the first part
# Bytes for each message: what stays of the loop's own timers, by any number of messages, is 8 KB. A number in a set takes 60.
KEPT_OF_A_MESSAGE = 24
# An event's number, by which a repeat is known, until the next compaction. The event itself takes 700 and more.
KEPT_OF_AN_EVENT = 250


class Talkers:
    """Ann and bob, each with engine, mailbox and sockets, in one process; also what is around them."""

    def __init__(self, root: Path) -> None:
        self._root, self._context = root, make_context()
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        self._tokens = iter(range(1, 1_000_000))
        self.ann, self.bob = self._post(ANN), self._post(BOB)

    def _post(self, peer: PeerId) -> Post:
        directory = self._root / peer
        directory.mkdir()
        box = Mailbox(str(directory), peer, lambda: 1)
        return Post(
            self, card(peer), str(directory), box, budget=Budget(5, 5), answer=self.answers.put_nowait
        )

    def reach(self, peer: PeerId) -> str:
        """Where the other listens."""
        return str(self._root / peer / "link")

    def log(self, words: str) -> None:
        """Nothing goes wrong here."""
        raise AssertionError(words)

    def open_links(self, path: str, post: Post) -> Links:
        """Real ones."""
        return Links(self._context, path, post.put, lambda wrong: self.log(str(wrong)))

    async def talk(self, batches: int) -> None:
        """Ann says some messages, bob's model is shown them, and ann hears of that; so often."""
        for _ in range(batches):
            for _ in range(BATCH):
                words = (card(BOB),), "message", "the build is green", CLOCK
                self.ann.put(Say(next(self._tokens), *words, wait=State.SAFE, timeout=20.0))
            await self._answered(SayAnswer, BATCH)
            self.bob.put(ReadAsked(next(self._tokens), BATCH))
            (show,) = await self._answered(Show, 1)
            assert len(show.ids) == BATCH
            self.bob.put(Shown(show.token))
            await self._told()

    async def _answered(self, kind: type, count: int) -> list[Answer]:
        async with asyncio.timeout(20):
            found = [await self.answers.get() for _ in range(count)]
        assert all(isinstance(one, kind) for one in found)
        return found

    async def _told(self) -> None:
        """Until ann has heard that bob's model has all of it."""
        deadline = time.monotonic() + 20
        while self.ann.mailbox.sent(1)[0][1]["state"] != State.SHOWN or self.bob.engine.outgoing.unsettled():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)

    def close(self) -> None:
        """End both."""
        self.ann.close()
        self.bob.close()
        end_context(self._context)


@contextlib.contextmanager
def traced() -> Iterator[None]:
    """Python counts what is taken and given back."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def held() -> int:
    """Bytes that Python holds just now."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_a_message_leaves_nothing_behind(tmp_path: Path) -> None:
    """After three times as many messages, said, shown and told of, two peers hold what they held before."""

    async def story() -> float:
        talkers = Talkers(tmp_path)
        try:
            await talkers.talk(BATCHES)  # what fills once is full
            with traced():
                await talkers.talk(1)
                before = held()
                await talkers.talk(2 * BATCHES)
                return (held() - before) / (2 * BATCHES * BATCH)
        finally:
            talkers.close()

    assert asyncio.run(story()) < KEPT_OF_A_MESSAGE


def shared(store: object) -> Shared:
    """What an idle session's sidecar has of the log."""
    return Shared(store, SimpleNamespace(card=SimpleNamespace(repo_key=REPO)))  # type: ignore[arg-type]


def test_who_only_reads_keeps_little_of_notes(tmp_path: Path) -> None:
    """Notes of others stand in the log, and not in each sidecar; whoever asks gets them from there."""
    with log(tmp_path) as store, traced():
        idle = shared(store)

        def more(count: int) -> int:
            with store.writing() as writer:
                for n in range(count):
                    writer.say(draft(text=f"{n}: the clock of the fixture is in UTC"), CLOCK)
            idle.picture(REPO)
            return held()

        first = more(300)
        assert (more(600) - first) / 600 < KEPT_OF_AN_EVENT
        assert [one.text[:4] for one in idle.notes(REPO)][-1] == "599:"
        assert len(idle.notes(REPO, after=store.last_seq() - 3)) == 3


def test_a_new_picture_does_not_stand_beside_the_old_one(tmp_path: Path) -> None:
    """When the log was compacted all is read again, and that takes little more than what is held afterwards."""
    with log(tmp_path) as store, traced():
        idle, now = shared(store), time.time()
        with store.writing() as writer:
            said = [writer.say(draft("claim", path=f"src/{n}.py", lease=900.0), now) for n in range(800)]
            writer.say(draft(What.EDIT, path="src/a.py"), now)
        empty = held()
        assert len(idle.picture(REPO).claims.live(now)) == 800
        once = held() - empty
        assert list(store.compacting(REPO, {one.id for one in said}, store.last_seq()))[-1] == 1
        tracemalloc.reset_peak()
        assert len(idle.picture(REPO).claims.live(now)) == 800
        peak = tracemalloc.get_traced_memory()[1] - empty
        assert peak < 1.6 * once, f"{peak / once:.2f}"


def test_the_old_picture_is_gone_when_the_new_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody holds it while all is read again: not by a name in a function that waits for the new one either."""
    with log(tmp_path) as store:
        idle = shared(store)
        with store.writing() as writer:
            said = [writer.say(draft(What.EDIT, path="src/a.py"), time.time()) for _ in range(2)]
        old, each, alive = weakref.ref(idle.picture(REPO)), store.each, []

        def read(repo: str, seq: int) -> Iterator[tuple[int, Event]]:
            alive.append(old() is not None)
            return each(repo, seq)

        monkeypatch.setattr(store, "each", read)
        assert list(store.compacting(REPO, {said[-1].id}, store.last_seq()))[-1] == 1
        idle.picture(REPO)
        assert alive == [False]


def weighed_links(*how: str) -> tuple[float, float]:
    """KB that a link grew by while it was up, and that it gave back at its end, in a process of its own."""
    words = [sys.executable, "-m", "tests.load.weigh_links", *how]
    said = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    return float(said[0]), float(said[1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's C library can be told")
def test_links_do_not_grow_while_they_are_up() -> None:
    """Nor does what they took stay when they are closed. Without the arrangement both are so: 15 KB, and nothing."""
    (plain, _), (grew, gave) = weighed_links(), weighed_links("arranged")
    assert grew < plain / 3
    assert gave > plain


def test_a_long_mailbox_is_not_held_in_memory(tmp_path: Path) -> None:
    """However long a mailbox is, SQLite keeps a bounded part of it."""
    try:
        used = ctypes.CDLL(_sqlite3.__file__).sqlite3_memory_used
    except AttributeError:
        pytest.skip("this Python's SQLite does not tell what it uses")
    used.restype = ctypes.c_int64
    with mailbox(tmp_path) as box:
        before = used()
        for start in range(1, 2_001, 500):
            box.keep([KeepIn(heard(n, body="x" * 1_000)) for n in range(start, start + 500)], CLOCK)
        assert sum(len(message.body) for message, *_ in box.inbox(2_000)) == 2_000_000
        assert used() - before < 1.5 * CACHE * 1024
