"""Pokes between the sidecars of one host: everybody else looks, once for many, and nobody who is gone does harm."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import socket
import stat
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from peermesh.sidecar import pokes
from peermesh.sidecar.pokes import GATHER, Pokes

# In which what was poked has looked, or never will.
SOON = 25 * GATHER  # seconds
PATIENCE = 12.0  # seconds
MANY = 2_000  # far more than a socket's queue holds


@pytest.fixture
def root() -> Iterator[Path]:
    """A state directory, with a short path: it holds sockets."""
    path = Path(tempfile.mkdtemp(prefix="pk"))
    (path / "peers").mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def played(scene: Callable[[Path], Awaitable[None]]) -> Callable[[Path], None]:
    """A test that is a coroutine; nothing may be left in its loop."""

    @functools.wraps(scene)
    def test(root: Path) -> None:
        async def run() -> None:
            wrong: list[object] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
            async with asyncio.timeout(PATIENCE):
                await scene(root)
            assert not wrong

        asyncio.run(run())

    return test


class Sidecar:
    """Counts how often it is told to look.

    Args:
        root: the state directory.
        letter: its id is eight of these.
        then: what it does at a look.
    """

    def __init__(self, root: Path, letter: str, then: Callable[[], None] = lambda: None) -> None:
        self.directory = root / "peers" / (letter * 8)
        self.directory.mkdir(exist_ok=True)
        self.looks, self._then = 0, then
        self._looked = asyncio.Event()
        self.pokes = Pokes(str(root), str(self.directory), self._look)

    def _look(self) -> None:
        self.looks += 1
        self._looked.set()
        self._then()

    @property
    def file(self) -> Path:
        """Its socket."""
        return self.directory / "poke"

    async def looked(self) -> None:
        """It looks, for the first time since this was asked last."""
        await self._looked.wait()
        self._looked.clear()


@contextlib.contextmanager
def sidecars(root: Path, letters: str) -> Iterator[list[Sidecar]]:
    """One for each letter, closed afterwards."""
    with contextlib.ExitStack() as stack:
        made = [Sidecar(root, letter) for letter in letters]
        for one in made:
            stack.callback(one.pokes.close)
        yield made


@played
async def test_the_others_look(root: Path) -> None:
    """All of them, once; the one that poked does not."""
    with sidecars(root, "abc") as (one, two, three):
        one.pokes.poke()
        await two.looked()
        await three.looked()
        await asyncio.sleep(SOON)
        assert (one.looks, two.looks, three.looks) == (0, 1, 1)
        two.pokes.poke()
        await one.looked()
        await three.looked()
        await asyncio.sleep(SOON)
        assert (one.looks, two.looks, three.looks) == (1, 1, 2)


@played
async def test_nobody_looks_unasked(root: Path) -> None:
    """Not at the start, and not when others come and go."""
    with sidecars(root, "ab") as some:
        await asyncio.sleep(SOON)
        assert [one.looks for one in some] == [0, 0]


@played
async def test_alone(root: Path) -> None:
    """There is nobody to be poked, oneself included."""
    with sidecars(root, "a") as (one,):
        one.pokes.poke()
        await asyncio.sleep(SOON)
        assert one.looks == 0


@played
async def test_many_pokes_are_one_look(root: Path) -> None:
    """Of many sidecars, more than the socket holds; nobody who pokes waits for that."""
    with sidecars(root, "abc") as (one, two, three):
        for _ in range(MANY):
            one.pokes.poke()
            three.pokes.poke()
        await two.looked()
        await asyncio.sleep(SOON)
        assert (one.looks, two.looks, three.looks) == (1, 1, 1)


@played
async def test_each_poke_is_looked_after(root: Path) -> None:
    """One that comes later is another look, and one that comes while it looks is not lost."""
    with sidecars(root, "ab") as (one, two):
        for looks in range(1, 4):
            one.pokes.poke()
            await two.looked()
            assert two.looks == looks
        three = Sidecar(root, "c", lambda: one.pokes.poke() if three.looks == 1 else None)
        try:
            one.pokes.poke()
            await three.looked()
            await three.looked()
            await asyncio.sleep(SOON)
            assert three.looks == 2
        finally:
            three.pokes.close()


@played
async def test_pokes_that_come_one_after_the_other(root: Path) -> None:
    """As long as they are gathered they are one, also when each of them is read by itself."""
    with pytest.MonkeyPatch.context() as patch, sidecars(root, "ab") as (one, two):
        patch.setattr(pokes, "GATHER", SOON)
        for _ in range(5):
            one.pokes.poke()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await two.looked()
        await asyncio.sleep(2 * SOON)
        assert two.looks == 1


@played
async def test_a_look_that_fails(root: Path) -> None:
    """The next poke is looked after all the same."""
    wrong: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context["exception"]))
    with sidecars(root, "a") as (one,):
        two = Sidecar(root, "b", lambda: {}[two.looks])
        for looks in (1, 2):
            one.pokes.poke()
            await two.looked()
            assert two.looks == looks
        two.pokes.close()
    assert [type(one) for one in wrong] == [KeyError, KeyError]


@played
async def test_the_dead_do_no_harm(root: Path) -> None:
    """A socket that nobody reads or that is closed, a directory without one, and what is none."""
    peers = root / "peers"
    for name in ("dead", "deaf", "empty", "file", "folder"):
        (peers / name).mkdir()
    dead, deaf = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
    dead.bind(str(peers / "dead/poke"))
    dead.close()
    (peers / "file/poke").write_text("no socket")
    (peers / "folder/poke").mkdir()
    (peers / "lost").symlink_to(peers / "nowhere")
    (peers / "stray").write_text("no directory")
    with contextlib.closing(deaf), sidecars(root, "az") as (one, two):
        deaf.bind(str(peers / "deaf/poke"))
        for _ in range(MANY):
            one.pokes.poke()
        await two.looked()
        assert two.looks == 1
    assert (peers / "dead/poke").exists()
    assert (peers / "file/poke").read_text() == "no socket"


@played
async def test_its_own_old_socket(root: Path) -> None:
    """That of a sidecar that was killed is in the way of nobody: the next one of that peer has a new one."""
    with sidecars(root, "ab") as (one, two):
        old = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        (root / "peers/cccccccc").mkdir()
        old.bind(str(root / "peers/cccccccc/poke"))
        old.close()
        three = Sidecar(root, "c")
        one.pokes.poke()
        await three.looked()
        three.pokes.poke()
        await two.looked()
        three.pokes.close()


@played
async def test_closing(root: Path) -> None:
    """The file is gone, it looks no more, and the others go on."""
    with sidecars(root, "ab") as (one, two):
        three = Sidecar(root, "c")
        assert stat.S_ISSOCK(three.file.stat().st_mode)
        one.pokes.poke()
        three.pokes.close()
        assert not three.file.exists()
        one.pokes.poke()
        await two.looked()
        await asyncio.sleep(SOON)
        assert three.looks == 0


@played
async def test_closing_between_a_poke_and_its_look(root: Path) -> None:
    """What was gathered already is not looked after any more."""
    with sidecars(root, "a") as (one,):
        two = Sidecar(root, "b")
        one.pokes.poke()
        for _ in range(2):  # rounds of the loop: the first one sees the poke, the second one has read it
            await asyncio.sleep(0)
        assert two.pokes._timer is not None
        two.pokes.close()
        await asyncio.sleep(SOON)
        assert two.looks == 0


@played
async def test_closing_when_the_directory_is_gone(root: Path) -> None:
    """Whoever took it away took the file too."""
    with sidecars(root, "a") as (one,):
        shutil.rmtree(one.directory)


@played
async def test_a_directory_in_which_nothing_can_be_made(root: Path) -> None:
    """It fails at once, and leaves nothing open: an open socket would be a warning, which is an error here."""
    with pytest.raises(OSError, match=r"."):
        Pokes(str(root), str(root / "peers/missing"), lambda: None)
