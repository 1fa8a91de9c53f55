"""What strangers can do to a listener, over real TCP: little, and not for long."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import time
from pathlib import Path

import pytest

from peermesh.mesh.hosts import acceptor as acceptors
from peermesh.mesh.hosts.acceptor import Acceptor, Counts, Rate
from peermesh.mesh.hosts.bridge import last_word
from peermesh.mesh.hosts.curve import SIZE_LIMIT, Limits, raise_descriptors
from tests.mesh.curved import GREETING, SIGNATURE, Link, Stage, live

# Above what one test may let this process grow by, in KiB.
GROWTH = 8 * 1024
# Nobody is turned away for coming often: what is tested is what comes after.
OFTEN = Limits(from_one=1_000, handshakes_per_second=10_000, share_of_one=1)
# A command frame's head that announces as much as a frame may hold, after the greeting.
HUGE = b"\x06" + SIZE_LIMIT.to_bytes(8, "big")


def memory() -> int:
    """The resident memory of this process, in KiB."""
    return int(
        subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, check=True).stdout
    )


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/dev/fd"))


async def answers(stage: Stage, link: Link, times: int) -> float:
    """The longest of so many round trips on a link that stands, in seconds."""
    route = next(route for route, key, _ in stage.heard if key == link.key)
    longest = 0.0
    for _ in range(times):
        began, before = time.monotonic(), len(link.frames)
        stage.listener.send(route, b"ping")
        await stage.until(lambda: len(link.frames) > before)  # noqa: B023 - ends before the next
        longest = max(longest, time.monotonic() - began)
        await asyncio.sleep(0.01)
    return longest


JUNK = {
    "http": b"GET / HTTP/1.1\r\n\r\n" * 200,
    "zeros": bytes(65_536),
    "random": b"\x80" + os.urandom(65_536),
    "after-signature": SIGNATURE + os.urandom(65_536),
    "after-greeting": GREETING + os.urandom(65_536),
    "huge-command": GREETING + HUGE + bytes(65_536),
    "huge-command-by-bits": GREETING + HUGE,
}


@pytest.mark.parametrize("what", JUNK)
def test_junk(what: str) -> None:
    """200 connections that send junk take next to no memory, and no link from who is known."""

    async def test(stage: Stage) -> None:
        stage.listen(OFTEN)
        link = await stage.linked()
        before, open_before, began = memory(), descriptors(), time.monotonic()
        strangers = []
        for _ in range(200):
            strangers.append(stage.stranger(JUNK[what]))
            await asyncio.sleep(0)
        while stage.listener.strangers:
            for one in strangers:
                with contextlib.suppress(OSError):
                    one.send(bytes(65_536))
            await asyncio.sleep(0.02)
        counts = stage.listener.counts
        await stage.until(lambda: counts.failed == 200)
        grown = memory() - before
        print(f"{what}: {grown} KiB, {time.monotonic() - began:.2f} s, {counts}")
        assert grown < GROWTH
        assert counts.accepted == 1
        assert not link.lost
        await stage.linked()
        await stage.until(lambda: descriptors() <= open_before + len(strangers) + 8)

    live(test)()


@live
async def test_only_zmtp_gets_through(stage: Stage) -> None:
    """ZeroMQ answers who begins as ZMTP does; who begins otherwise hears nothing, and silence is waited for."""
    stage.listen()
    counts = stage.listener.counts
    for data in (b"GET / HTTP/1.1\r\n", b"\xff" + bytes(9), b"\xff" + bytes(8) + b"\x7e"):
        one, before = stage.stranger(data), counts.failed
        await stage.until(lambda before=before: counts.failed > before, 1)
        with contextlib.suppress(ConnectionResetError):
            assert one.recv(1) == b""
    slow, quiet = stage.stranger(SIGNATURE[:5]), stage.stranger()
    await stage.until(lambda: stage.listener.strangers == 2)
    slow.send(SIGNATURE[5:])
    answer = b""

    def answered() -> bool:
        nonlocal answer
        with contextlib.suppress(BlockingIOError):
            answer += slow.recv(100)
        return len(answer) >= len(SIGNATURE)

    await stage.until(answered)
    assert (answer[0], answer[9]) == (0xFF, 0x7F)
    with pytest.raises(BlockingIOError):
        quiet.recv(1)


def test_the_rest_arrives(tmp_path: Path) -> None:
    """What the inside said before it closed gets out whole, also to who reads slowly."""
    path, whole = str(tmp_path / "in"), os.urandom(8 << 20)

    async def test() -> None:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(whole)
            await writer.drain()
            writer.close()

        inside = await asyncio.start_unix_server(say, path)
        listening, counts = socket.create_server(("127.0.0.1", 0)), Counts()
        listening.setblocking(False)
        acceptor = Acceptor([listening], path, Limits(), counts)
        reader, writer = await asyncio.open_connection(*listening.getsockname(), limit=1_024)
        writer.write(SIGNATURE)
        await asyncio.sleep(0.3)
        assert await reader.read(-1) == whole
        writer.close()
        await writer.wait_closed()
        acceptor.close(0)
        inside.close()
        assert counts.failed == 1

    asyncio.run(test())


@live
async def test_half_open(stage: Stage) -> None:
    """Hundreds of silent connections: the oldest make room, and none lasts longer than a handshake may."""
    limits = Limits(from_one=1_000, handshakes_per_second=10_000, share_of_one=1, handshake_seconds=0.5)
    stage.listen(limits)
    before, most = memory(), 0
    for number in range(400):
        stage.stranger(GREETING if number % 2 else b"")
        await asyncio.sleep(0)
        most = max(most, stage.listener.strangers)
        assert stage.listener.strangers <= limits.unauthenticated
    await stage.until(lambda: stage.listener.counts.taken == 400)
    assert most == limits.unauthenticated
    await stage.until(lambda: stage.listener.counts.failed == 400, 1.0)
    print(f"{memory() - before} KiB, {stage.listener.counts}")
    assert memory() - before < GROWTH
    await stage.linked()


@live
async def test_one_address(stage: Stage) -> None:
    """Who fills his share is turned away; from another address there is room."""
    stage.listen(Limits(unauthenticated=8, from_one=4))
    for _ in range(10):
        stage.stranger()
    other = stage.stranger(source="127.0.0.2")
    await stage.until(lambda: stage.listener.counts.taken == 11)
    assert (stage.listener.strangers, stage.listener.counts.turned_away) == (5, 6)
    await asyncio.sleep(0.05)
    with pytest.raises(BlockingIOError):
        other.recv(1)


@live
async def test_rates(stage: Stage) -> None:
    """Handshakes that are begun too fast are turned away, for one address sooner than for all."""
    stage.listen(Limits(handshakes_per_second=20, share_of_one=0.5, unauthenticated=100, from_one=100))
    counts = stage.listener.counts
    for _ in range(20):
        stage.stranger(GREETING)
    await stage.until(lambda: counts.taken == 20)
    assert 5 <= counts.turned_away <= 10  # of 20, ten may begin, and a few more if this took long
    for source in ("127.0.0.2", "127.0.0.3"):
        for _ in range(10):
            stage.stranger(GREETING, source)
    await stage.until(lambda: counts.taken == 40)
    await asyncio.sleep(0.05)
    assert 10 <= counts.turned_away <= 20
    await asyncio.sleep(0.5)
    await stage.linked()


def test_rate() -> None:
    """So many a second, as many at once, and no more after a long rest."""
    rate = Rate(10, now=0)
    assert [rate.take(0) for _ in range(11)] == [True] * 10 + [False]
    assert [rate.take(0.1), rate.take(0.1)] == [True, False]
    assert sum(rate.take(1_000) for _ in range(100)) == 10
    slow = Rate(0.5, now=0)
    assert [slow.take(0), slow.take(1), slow.take(2.1)] == [True, False, True]


@live
async def test_too_many_links(stage: Stage) -> None:
    """Above the number of links everybody is turned away, until one ends."""
    stage.listen(Limits(links=2))
    first, _ = await stage.linked(), await stage.linked()
    third = stage.dial()
    await stage.until(lambda: third.lost)
    assert stage.listener.counts.turned_away == 1
    first.dialler.close()
    await stage.until(lambda: stage.listener.links == 1)
    await stage.linked()


class Flood:
    """So many connections each turn from one address, each with a greeting, the newest 200 held open."""

    def __init__(self, stage: Stage, each_turn: int) -> None:
        self._where, self._each_turn = ("127.0.0.1", stage.listener.port), each_turn
        self._held: list[socket.socket] = []
        self.count = 0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            for _ in range(self._each_turn):
                one = socket.socket()
                one.setblocking(False)
                one.bind(("127.0.0.2", 0))
                one.connect_ex(self._where)
                self._held.append(one)
                self.count += 1
            while len(self._held) > 200:
                self._held.pop(0).close()
            for one in self._held:
                with contextlib.suppress(OSError):
                    one.send(GREETING)
            await asyncio.sleep(0.005)

    async def end(self) -> None:
        """No more of it."""
        self._task.cancel()
        await asyncio.wait([self._task])
        for one in self._held:
            one.close()


async def let_in(stage: Stage, seconds: float) -> float:
    """A new host dials until it is in; how long that took."""
    began, new = time.monotonic(), stage.dial()
    while not new.dialler.up:
        if new.lost:
            new = stage.dial()
        assert time.monotonic() < began + seconds
        await asyncio.sleep(0.01)
    return time.monotonic() - began


@pytest.mark.parametrize("each_turn", [8, 60])
def test_flood(each_turn: int) -> None:
    """In a flood links that stand stay quick; others get in meanwhile, or soon after if it was too heavy."""

    async def test(stage: Stage) -> None:
        stage.listen()
        link = await stage.linked()
        began, busy = time.monotonic(), time.process_time()
        flood = Flood(stage, each_turn)
        try:
            longest = await answers(stage, link, 60)
            seconds, busy = time.monotonic() - began, time.process_time() - busy
            rate, part = flood.count / seconds, busy / seconds
            joined = await let_in(stage, 5) if each_turn < 10 else 0.0
        finally:
            await flood.end()
        after, counts = await let_in(stage, 5), stage.listener.counts
        print(
            f"{rate:.0f} a second, {part:.0%} of a core with the flooder; longest answer {longest * 1e3:.0f} ms"
        )
        print(f"in after {joined * 1e3:.0f} ms, and when it was over after {after * 1e3:.0f} ms; {counts}")
        assert longest < 0.5
        assert counts.turned_away
        assert counts.paused or each_turn < 10
        assert not link.lost
        await answers(stage, link, 3)

    live(test)()


@live
async def test_after_a_flood(stage: Stage) -> None:
    """Who shares an address with a flood gets in within a few seconds after it."""
    stage.listen()
    link = await stage.linked()
    for _ in range(600):
        with contextlib.suppress(OSError):
            stage.stranger(GREETING)
        await asyncio.sleep(0)
    print(f"in after {await let_in(stage, 5):.2f} s")
    assert not link.lost


@live
async def test_out_of_descriptors(stage: Stage) -> None:
    """Without descriptors no connection is taken for a moment, without spinning; then all is well."""
    stage.listen(OFTEN)
    link = await stage.linked()
    pause_before, soft = acceptors.SHORT_OF_SECONDS, resource.getrlimit(resource.RLIMIT_NOFILE)
    strangers = [socket.socket() for _ in range(30)]
    spare = max(one.fileno() for one in strangers) + 1
    acceptors.SHORT_OF_SECONDS = 0.2
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare + 4, soft[1]))
        for one in strangers:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", stage.listener.port))
        await stage.until(lambda: stage.listener.counts.paused)
        busy, began, longest = time.process_time(), time.monotonic(), await answers(stage, link, 20)
        part = (time.process_time() - busy) / (time.monotonic() - began)
        print(f"{part:.0%} of a core, longest answer {longest * 1e3:.0f} ms, {stage.listener.counts}")
        assert part < 0.7
        assert longest < 0.5
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, soft)
        acceptors.SHORT_OF_SECONDS = pause_before
        for one in strangers:
            one.close()
    await stage.linked()
    assert not link.lost


def test_raise_descriptors() -> None:
    """The soft limit is raised as far as is allowed and wanted, and never lowered."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        wanted = min(before[1] if before[1] != resource.RLIM_INFINITY else 4_096, 4_096)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        assert raise_descriptors() == wanted
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (wanted, before[1])
        assert raise_descriptors() == wanted
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_last_word() -> None:
    """READY and ERROR are found behind WELCOME however the bytes come, and nothing else is taken for them."""
    welcome = b"\x04\xa8" + b"\x07WELCOME" + bytes(160)
    assert last_word(b"") == last_word(GREETING) == b""
    assert last_word(GREETING + welcome) == b"WELCOME"
    for end, word in (
        (b"\x04\x1e\x05READY", b"READY"),
        (b"\x06" + bytes(7) + b"\x09\x05ERROR\x03400", b"ERROR"),
    ):
        whole = GREETING + welcome + end
        assert last_word(whole) == word
        assert all(last_word(whole[:n]) not in {b"READY", b"ERROR"} for n in range(whole.index(word) + 4))
    inside = b"\x04\xa8" + b"\x07WELCOME" + b"\x04\x1e\x05READY".ljust(160, b"\0")
    assert last_word(GREETING + inside) == b"WELCOME"
