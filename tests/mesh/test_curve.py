"""Links between hosts over real TCP: who gets in, who is heard, and how a link ends."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys

import pytest

from peermesh.errors import CannotListen
from peermesh.mesh.hosts import dialler as dialling
from peermesh.mesh.hosts.curve import SIZE_LIMIT, Listener, new_keys, public_of
from peermesh.mesh.hosts.zap import ENDPOINT
from tests.mesh.curved import Stage, live
from tests.netns import Network


def test_keys() -> None:
    """A pair is 32 bytes each, new each time, and the secret one knows its public one."""
    public, secret = new_keys()
    assert (len(public), len(secret)) == (32, 32)
    assert public_of(secret) == public
    assert new_keys()[0] != public
    with pytest.raises(ValueError, match="32 bytes"):
        public_of(secret[:-1])


# ---------------------------------------------------------------- who gets in, who is heard


@live
async def test_both_ways(stage: Stage) -> None:
    """Frames arrive with the key of who sent them, and answers at the right one."""
    stage.listen()
    links = [await stage.linked() for _ in range(3)]
    for route, key, data in list(stage.heard):
        assert data == b"hello"
        assert stage.listener.send(route, b"to " + key)
    await stage.until(lambda: all(link.frames for link in links))
    assert [link.frames for link in links] == [[b"to " + link.key] for link in links]
    assert all(link.dialler.up for link in links)
    assert (stage.listener.counts.accepted, stage.listener.links) == (3, 3)
    assert not any(link.lost for link in links)


@live
async def test_much_both_ways(stage: Stage) -> None:
    """Large frames in both directions at once, faster than they are read, arrive whole and in order."""
    stage.listen()
    link = await stage.linked()
    route = stage.heard[0][0]
    sent = [bytes([n]) + os.urandom(SIZE_LIMIT - 1) for n in range(20)]
    for data in sent:
        assert link.dialler.send(data)
        assert stage.listener.send(route, data)
    await stage.until(lambda: len(stage.heard) == 21 and len(link.frames) == 20, 20)
    assert [data for _, _, data in stage.heard[1:]] == sent == link.frames


@live
async def test_size(stage: Stage) -> None:
    """What is larger than a frame may be is not sent; who sends it otherwise loses the link."""
    stage.listen()
    link = await stage.linked()
    with pytest.raises(ValueError, match="limit"):
        link.dialler.send(bytes(SIZE_LIMIT + 1))
    with pytest.raises(ValueError, match="limit"):
        stage.listener.send(stage.heard[0][0], bytes(SIZE_LIMIT + 1))
    raw = stage.raw(stage.host(), RECONNECT_IVL=-1)
    raw.connect(stage.endpoint)
    raw.send(b"small")
    await stage.until(lambda: stage.listener.links == 2 and len(stage.heard) == 2)
    raw.send(bytes(SIZE_LIMIT + 1_000))
    await stage.until(lambda: stage.listener.links == 1)
    assert len(stage.heard) == 2


@live
async def test_unknown_key(stage: Stage) -> None:
    """A key that is not admitted is refused, told so, and heard with nothing."""
    stage.listen()
    link = stage.dial(new_keys())
    link.dialler.send(b"let me in")
    await stage.until(lambda: link.lost)
    assert link.lost == ["refused: it does not trust this machine (400)"]
    counts = stage.listener.counts
    assert (counts.refused, counts.accepted, counts.failed, stage.heard) == (1, 0, 0, [])


@live
async def test_wrong_server_key(stage: Stage) -> None:
    """Who expects another host there gets no link and is heard with nothing."""
    stage.listen()
    link = stage.dial(server=new_keys()[0])
    link.dialler.send(b"for somebody else")
    await stage.until(lambda: link.lost)
    assert "another host" in link.lost[0]
    assert (stage.heard, stage.listener.counts.failed, stage.listener.counts.accepted) == ([], 1, 0)


@live
async def test_broken_judge(stage: Stage) -> None:
    """A judge that raises, or answers something else than yes, admits nobody; later it may work again."""
    stage.listen()
    judges = [lambda key: 1 / 0, lambda key: "no", lambda key: None]
    for judge in judges:
        stage.judge = judge  # type: ignore[assignment]
        link = stage.dial()
        await stage.until(lambda link=link: link.lost)
        assert link.lost[0].startswith("refused")
    stage.judge = stage.known.__contains__
    await stage.linked()
    assert stage.listener.counts.refused == 3


@live
async def test_removed(stage: Stage) -> None:
    """Who is no longer admitted is no longer heard, though the link stands; nor by a judge that raises."""
    stage.listen()
    link = await stage.linked()
    other = await stage.linked()
    stage.known.remove(link.key)
    link.dialler.send(b"still here?")
    other.dialler.send(b"me too")
    await stage.until(lambda: stage.listener.counts.dropped == 1 and len(stage.heard) == 3)
    assert stage.heard[-1][1:] == (other.key, b"me too")
    stage.judge = lambda key: bool(1 / 0)
    other.dialler.send(b"and now?")
    await stage.until(lambda: stage.listener.counts.dropped == 2)
    assert len(stage.heard) == 3


@live
async def test_other_mechanisms(stage: Stage) -> None:
    """Clients without security, or with a password, are heard with nothing."""
    stage.listen()
    plain = {"PLAIN_USERNAME": b"peer", "PLAIN_PASSWORD": b"peer"}
    for options in ({}, plain):
        raw = stage.raw(RECONNECT_IVL=-1, **options)
        raw.connect(stage.endpoint)
        raw.send(b"hello")
    await stage.until(lambda: stage.listener.counts.failed == 2)
    assert (stage.heard, stage.listener.counts.accepted) == ([], 0)


@live
async def test_shape_of_frames(stage: Stage) -> None:
    """A frame is one part; what has more parts or none is dropped."""
    stage.listen()
    raw = stage.raw(stage.host())
    raw.connect(stage.endpoint)
    raw.send_multipart([b"a", b"b"])
    raw.send_multipart([b"", b"a", b"b"])
    raw.send(b"one")
    await stage.until(lambda: stage.heard)
    assert [data for _, _, data in stage.heard] == [b"one"]
    assert stage.listener.counts.dropped == 2


@pytest.mark.parametrize("chosen", [b"", b"victim"])
def test_stolen_routing_id(chosen: bytes) -> None:
    """Who takes another's routing id gets neither its link nor its name."""

    async def test(stage: Stage) -> None:
        stage.listen()
        victim, thief = stage.host(), stage.host()
        first = stage.raw(victim, ROUTING_ID=chosen) if chosen else stage.raw(victim)
        first.connect(stage.endpoint)
        first.send(b"mine")
        await stage.until(lambda: stage.heard)
        route = stage.heard[0][0]
        second = stage.raw(thief, ROUTING_ID=route, RECONNECT_IVL=-1)
        second.connect(stage.endpoint)
        second.send(b"mine too")
        await stage.until(lambda: stage.listener.counts.accepted == 2)
        await asyncio.sleep(0.2)
        stage.listener.send(route, b"for the victim")
        await stage.until(lambda: first.poll(0))
        assert first.recv() == b"for the victim"
        assert not second.poll(100)
        assert stage.heard == [(route, victim[0], b"mine")]

    live(test)()


@live
async def test_no_handler(stage: Stage) -> None:
    """Without a handler for ZAP nobody gets in, instead of everybody."""
    stage.listen()
    stage.listener._zap.close()
    link = stage.dial()
    link.dialler.send(b"hello")
    await stage.until(lambda: link.lost)
    assert (stage.heard, stage.listener.counts.accepted) == ([], 0)


@live
async def test_malformed_questions(stage: Stage) -> None:
    """Whatever the handler is asked, it answers 400 or nothing, and lives."""
    stage.listen()
    key = stage.host()[0]
    good = [b"1.0", b"7", b"peer", b"10.0.0.1", b"", b"CURVE", key]
    asker = stage.raw()
    asker.connect(ENDPOINT)

    async def ask(question: list[bytes]) -> list[bytes]:
        asker.send_multipart([b"", *question])
        await stage.until(lambda: asker.poll(0))
        return asker.recv_multipart()[1:]

    assert await ask(good) == [b"1.0", b"7", b"200", b"OK", key.hex().encode(), b""]
    bad = [
        [],
        [b"1.0"],
        good[:-1],
        [*good, key],
        [b"2.0", *good[1:]],
        [*good[:2], b"other", *good[3:]],
        [*good[:5], b"NULL"],
        [*good[:5], b"NULL", key],
        [*good[:5], b"PLAIN", b"a", b"b"],
        [*good[:6], key[:-1]],
        [*good[:6], b""],
        [*good[:6], new_keys()[0]],
    ]
    for question in bad:
        assert (await ask(question))[2:] == [b"400", b"not known here", b"", b""], question
    asker.send_multipart([b"no delimiter", b"at all"])
    assert (await ask(good))[2] == b"200"


@live
async def test_replay(stage: Stage) -> None:
    """The recorded bytes of a good session, sent again, say nothing."""
    stage.listen()
    said: list[bytes] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", stage.listener.port)
        back = asyncio.create_task(_copy(there[0], writer, []))
        await _copy(reader, there[1], said)
        await back

    proxy = await asyncio.start_server(record, "127.0.0.1", 0)
    link = stage.dial(endpoint=f"tcp://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    link.dialler.send(b"pay once")
    await stage.until(lambda: stage.heard)
    link.dialler.close()
    await stage.until(lambda: not stage.listener.links)
    proxy.close()
    whole = b"".join(said)
    assert len(whole) > 64 + 200  # greeting, HELLO, INITIATE and the message
    for pause in (None, 0.05):
        again = stage.stranger()
        for piece in said if pause else [whole]:
            try:
                again.send(piece)
            except ConnectionError:
                break
            await asyncio.sleep(pause or 0)
    await stage.until(lambda: stage.listener.counts.failed == 2)
    assert [data for _, _, data in stage.heard] == [b"pay once"]
    assert stage.listener.counts.accepted == 1


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
    while data := await reader.read(65_536):
        pieces.append(data)
        writer.write(data)
    writer.close()


# ---------------------------------------------------------------- how links end


@live
async def test_lost(stage: Stage) -> None:
    """What the listener said last arrives; then the link is lost, once, and never comes back by itself."""
    stage.listen()
    link = await stage.linked()
    link.dialler.look = lambda: None  # type: ignore[method-assign] - it is busy with something else
    for one in (link.dialler._dealer, link.dialler._monitor):
        asyncio.get_running_loop().remove_reader(one.fileno())
    for number in range(100):
        stage.listener.send(stage.heard[0][0], b"%d" % number)
    port, before = stage.listener.port, stage.listener
    stage.listener.close()
    stage.listen(ports=[port])
    await stage.until(lambda: not before.links)
    await asyncio.sleep(0.5)
    assert (stage.listener.counts.taken, link.frames, link.lost) == (0, [], [])
    del link.dialler.look
    link.dialler.look()
    await stage.until(lambda: link.lost)
    assert link.frames == [b"%d" % number for number in range(100)]
    assert link.lost == ["the link broke"]
    assert not link.dialler.send(b"are you there?")
    await asyncio.sleep(0.5)
    assert (stage.listener.counts.taken, link.lost, len(link.frames)) == (0, ["the link broke"], 100)


@live
async def test_lost_in_the_middle(stage: Stage) -> None:
    """Who closes when told something hears nothing more, though more has come."""
    stage.listen()
    link = await stage.linked()
    heard: list[bytes] = []

    def once(data: bytes) -> None:
        heard.append(data)
        link.dialler.close()

    link.dialler._received = once
    for _ in range(10):
        stage.listener.send(stage.heard[0][0], b"more")
    await stage.until(lambda: heard and not stage.listener.links)
    assert (heard, link.lost) == ([b"more"], [])


@live
async def test_last_words(stage: Stage) -> None:
    """What a dialler said before it was closed still arrives, and the route is gone then."""
    stage.listen()
    link = await stage.linked()
    link.dialler.send(b"bye")
    link.dialler.close()
    await stage.until(lambda: stage.heard[-1][2] == b"bye" and not stage.listener.links)
    await stage.until(lambda: not stage.listener.send(stage.heard[0][0], b"still there?"))
    assert link.lost == []
    assert not stage.listener.send(b"nobody", b"?")


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("tcp://127.0.0.1:1", "connection refused"),
        ("tcp://[::1]:1", "connection refused"),
        ("tcp://[fe80::1%nosuch]:7337", "no address here"),
        ("tcp://somewhere.invalid:7337", "no address here"),
        ("tcp://127.0.0.1", "no address here"),
        ("nonsense", "no address here"),
    ],
)
def test_no_way(endpoint: str, why: str) -> None:
    """An attempt that fails is told once, and at once."""

    async def test(stage: Stage) -> None:
        link = stage.dial(server=new_keys()[0], endpoint=endpoint)
        await stage.until(lambda: link.lost, 2)
        assert why in link.lost[0]
        await asyncio.sleep(0.3)
        assert len(link.lost) == 1

    live(test)()


@live
async def test_silence(stage: Stage) -> None:
    """A port that is open and silent, and one that does not even answer, are given up in time."""
    before = dialling.HANDSHAKE_SECONDS, dialling.CONNECT_SECONDS
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        try:
            dialling.HANDSHAKE_SECONDS, dialling.CONNECT_SECONDS = 0.3, 1.0
            where = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
            first = stage.dial(server=new_keys()[0], endpoint=where)
            await stage.until(lambda: first.lost, 2)
            assert first.lost[0].startswith("no handshake within")
            full = [socket.socket() for _ in range(4)]
            for one in full:
                one.setblocking(False)
                one.connect_ex(silent.getsockname())
            second = stage.dial(server=new_keys()[0], endpoint=where)
            await stage.until(lambda: second.lost, 4)
            assert second.lost[0].startswith("no answer")
            for one in full:
                one.close()
        finally:
            dialling.HANDSHAKE_SECONDS, dialling.CONNECT_SECONDS = before


@live
async def test_too_much_waits(stage: Stage) -> None:
    """Sending where nobody takes it ends with False, and does not block."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        link = stage.dial(server=new_keys()[0], endpoint=f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        sent = sum(link.dialler.send(b"x") for _ in range(5_000))
        assert 4_000 <= sent < 5_000


# ---------------------------------------------------------------- listening


@live
async def test_closed_and_opened_again(stage: Stage) -> None:
    """After close() the port is free at once, here and for another process, with links standing."""
    port = stage.listen().port
    for _ in range(3):
        link = await stage.linked()
        stage.listener.close()
        script = f"import socket; socket.create_server(('127.0.0.1', {port})).close()"
        assert await (await asyncio.create_subprocess_exec(sys.executable, "-c", script)).wait() == 0
        assert stage.listen(ports=[port]).port == port
        await stage.until(lambda link=link: link.lost)
        assert not os.path.exists(stage._listeners[-2]._inside.path)
    for _ in range(5):
        stage.listener.close()
        stage.listen(ports=[port])
    assert not stage._listeners[0].send(stage.heard[0][0], b"?")
    await stage.linked()


@live
async def test_one_at_a_time(stage: Stage) -> None:
    """A second listener in one context is refused, and leaves the first alone."""
    first = stage.listen()
    with pytest.raises(CannotListen, match="already"):
        stage.listen()
    assert stage.listener is first
    await stage.linked()


@live
async def test_ports(stage: Stage) -> None:
    """The first port that is free is taken; if none is, the reason is said and nothing stays open."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port}: Address already in use"):
            stage.listen(ports=[port])
        with pytest.raises(CannotListen, match="no port"):
            stage.listen(ports=[])
        assert stage.listen(ports=[port, 0]).port != port
    await stage.linked()


@live
async def test_addresses(stage: Stage) -> None:
    """All addresses share one port, * is both families, and what is not here cannot be listened on."""
    for addresses, hosts in (
        (["127.0.0.1", "127.0.0.2", "::1"], ["127.0.0.1", "127.0.0.2", "[::1]"]),
        (["*"], ["127.0.0.1", "[::1]"]),
        (["0.0.0.0", "::"], ["127.0.0.3", "[::1]"]),
    ):
        stage.listen(addresses=addresses)
        for host in hosts:
            link = stage.dial(endpoint=f"tcp://{host}:{stage.listener.port}")
            await stage.until(lambda link=link: link.dialler.up)
        stage.listener.close()
    for wrong in (["192.0.2.1"], ["fe80::1%nosuch"], ["somewhere"], []):
        with pytest.raises(CannotListen):
            stage.listen(addresses=wrong)


@live
async def test_inside(stage: Stage) -> None:
    """The socket in the middle is made where it is said, over what was left there, and goes with the listener."""
    with pytest.raises(CannotListen, match="cannot make the socket"):
        Listener(
            stage.context,
            stage.keys,
            addresses=["127.0.0.1"],
            ports=[0],
            judge=lambda key: True,
            received=lambda *_: None,
            inside="/nowhere/in",
        )
    assert stage.listen().port  # nothing of it is left
    directory = os.path.dirname(stage.listener._inside.path)
    assert os.stat(directory).st_mode & 0o077 == 0
    stage.listener.close()
    assert not os.path.exists(directory)


TALK = """
import asyncio, sys
from peermesh.mesh.hosts.curve import Dialler, Listener
from peermesh.mesh.links import end_context, make_context
keys, other = [(bytes.fromhex(a), bytes.fromhex(b)) for a, b in (sys.argv[2:4], sys.argv[4:6])]
async def main():
    context, done = make_context(), asyncio.get_running_loop().create_future()
    if sys.argv[1] == "listen":
        end = Listener(context, keys, addresses=["fe80::1%lan0", "10.83.0.1"], ports=[7337],
                       judge=other[0].__eq__, received=lambda route, key, data: (end.send(route, data), done.set_result(data)))
        print("listening", flush=True)
    else:
        end = Dialler(context, keys, server=other[0], endpoint=sys.argv[1],
                      received=done.set_result, lost=lambda why: done.set_result(why.encode()))
        end.send(b"over the link")
    print((await asyncio.wait_for(done, 10)).decode(), flush=True)
    await asyncio.sleep(0.1)
    end.close()
    await asyncio.sleep(0.3)
    end_context(context)
asyncio.run(main())
"""


@pytest.mark.netns
@pytest.mark.parametrize("where", ["tcp://[fe80::1%lan0]:7337", "tcp://10.83.0.1:7337"])
def test_between_hosts(where: str) -> None:
    """Two hosts talk over a link-local address with its zone, and over IPv4."""
    desk, lap = new_keys(), new_keys()
    pairs = [*(part.hex() for part in desk), *(part.hex() for part in lap)]
    turned = [*pairs[2:], *pairs[:2]]
    with Network("desk", "lap") as lan:
        pipes = {"stdout": subprocess.PIPE, "text": True}
        one = lan.popen("desk", [sys.executable, "-c", TALK, "listen", *pairs], **pipes)
        assert one.stdout
        assert one.stdout.readline() == "listening\n"
        two = lan.run("lap", [sys.executable, "-c", TALK, where, *turned])
        assert two.stdout == "over the link\n", two.stderr
        assert one.stdout.readline() == "over the link\n"
        assert one.wait(10) == 0
