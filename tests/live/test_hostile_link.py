"""What is no mail on the ipc link: random bytes, and frames in another's name, are dropped or denied."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import msgpack
import pytest
import zmq

from peermesh.core.frames import Ack, Denied, Hello, Mail, Ping, Pong, Receipts, Refused, Response, Welcome
from peermesh.core.words import BODY_LIMIT, CHAIN_LIMIT, Message, MessageId, State
from peermesh.mesh.wire import FRAME_LIMIT, decode, encode

from .actors import Session
from .conftest import Sessions
from .home import until

STRANGER = "strangr0"


class Raw:
    """A DEALER of nobody's."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket

    def say(self, *parts: bytes) -> None:
        """Send a frame as it is."""
        self.socket.send_multipart(parts)

    def ask(self, frame: Hello | Mail | Receipts) -> Response:
        """Send a frame of the protocol; the answer."""
        self.say(encode(frame))
        assert self.socket.poll(5_000), "no answer"
        return decode(self.socket.recv())  # type: ignore[return-value]

    @property
    def silent(self) -> bool:
        """Whether nothing comes back."""
        return not self.socket.poll(200)


@contextmanager
def dialled(one: Session) -> Iterator[Raw]:
    """A raw connection to the ROUTER of *one*."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(f"ipc://{one.directory / 'link'}")
    try:
        yield Raw(socket)
    finally:
        context.destroy(linger=0)


def letter(to: str, by: str = STRANGER, n: int = 1, body: str = "let me in", **more: object) -> Mail:
    """A message of *by*, well formed."""
    return Mail(Message(id=MessageId(by, n), to=to, kind="message", body=body, by="x", **more), 0)  # type: ignore[arg-type]


def test_random_bytes(session: Sessions) -> None:
    """Noise of every size is counted and dropped in silence, and the peer goes on."""
    one, two = session("a"), session("b")
    noise = random.Random(7)
    with dialled(one) as raw:
        for _ in range(300):
            raw.say(noise.randbytes(noise.randrange(0, 2_000)))
        raw.say(b"", b"", b"")
        raw.say(msgpack.packb([1, "hello"]))
        raw.say(msgpack.packb([1, "mail", "x", 0, {}]))
        raw.say(msgpack.packb([2, "hello", STRANGER, STRANGER]))
        raw.say(b"\x91" * 100_000)
        until(lambda: one.status["bad_frames"] >= 300, "the count")
        assert raw.silent
    two.send("a", "unharmed")
    assert one.unread() == ["unharmed"]


def test_frame_above_the_limit(session: Sessions) -> None:
    """A frame of 20 MB is not read: the connection is dropped and others are served."""
    one, two = session("a"), session("b")
    with dialled(one) as raw:
        raw.say(os.urandom(FRAME_LIMIT * 20))
        two.send("a", "unharmed")
        assert one.unread() == ["unharmed"]
        assert raw.silent


def test_mail_without_a_greeting(session: Sessions) -> None:
    """Mail before a hello is denied and not kept."""
    one = session("a")
    me = one.status["id"]
    with dialled(one) as raw:
        assert raw.ask(letter(me)) == Denied("hello-first")
        assert raw.ask(Receipts(((1, State.SHOWN),))) == Denied("hello-first")
    assert one.unread() == []


def test_greeting_for_another(session: Sessions) -> None:
    """A hello that means somebody else is denied, and opens nothing."""
    one, two = session("a"), session("b")
    with dialled(one) as raw:
        assert raw.ask(Hello(STRANGER, two.status["id"])) == Denied("not-me")
        assert raw.ask(letter(one.status["id"])) == Denied("hello-first")
    assert one.unread() == []


def test_mail_in_anothers_name(session: Sessions) -> None:
    """Mail that names another sender than the hello did, or another recipient, is denied."""
    one, two = session("a"), session("b")
    me, other = one.status["id"], two.status["id"]
    with dialled(one) as raw:
        assert raw.ask(Hello(STRANGER, me)) == Welcome(me, 0)
        assert raw.ask(letter(me, by=other)) == Denied("not-yours")
        assert raw.ask(letter(other)) == Denied("not-yours")
        assert raw.ask(letter(me)) == Ack(1)
        assert raw.ask(letter(me)) == Ack(1)
    assert one.unread() == ["let me in"]


def test_mail_above_the_limits(session: Sessions) -> None:
    """A body too long is no frame; a chain too long is refused with a reason."""
    one = session("a")
    me = one.status["id"]
    with dialled(one) as raw:
        raw.ask(Hello(STRANGER, me))
        raw.say(encode(letter(me, body="x" * (BODY_LIMIT + 1))))
        until(lambda: one.status["bad_frames"] == 1, "the count")
        answer = raw.ask(letter(me, n=2, chain=(STRANGER,) * (CHAIN_LIMIT + 1)))
        assert isinstance(answer, Refused)
        assert (answer.n, answer.code) == (2, "chain")
    assert one.unread() == []


def test_receipts_for_what_was_never_sent(session: Sessions) -> None:
    """Receipts for numbers that were never used change nothing, and the link goes on."""
    one = session("a")
    with dialled(one) as raw:
        raw.ask(Hello(STRANGER, one.status["id"]))
        raw.say(encode(Receipts(((1, State.SHOWN), (2**60, State.SAFE)))))
        raw.say(encode(Ping()))
        until(lambda: raw.socket.poll(5_000) and decode(raw.socket.recv()) == Pong(), "the answer to a ping")
    assert one.sent() == {}


def test_receipts_for_anothers_mail(session: Sessions) -> None:
    """A peer cannot report as shown what was said to somebody else."""
    one, two = session("a"), session("b")
    ident = one.send("b", "for b only")
    n = int(ident.rpartition("-")[2])
    with dialled(one) as raw:
        raw.ask(Hello(STRANGER, one.status["id"]))
        raw.say(encode(Receipts(((n, State.SHOWN),))))
        raw.say(encode(Ping()))
        until(lambda: raw.socket.poll(5_000) and decode(raw.socket.recv()) == Pong(), "the answer to a ping")
    assert one.state(ident) == "safe"
    assert two.unread() == ["for b only"]


@pytest.mark.parametrize("callers", [200])
def test_many_connections(session: Sessions, callers: int) -> None:
    """Two hundred connections that greet and stay do not keep mail from coming."""
    one, two = session("a"), session("b")
    me = one.status["id"]
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        crowd = [context.socket(zmq.DEALER) for _ in range(callers)]
        for number, socket in enumerate(crowd):
            socket.connect(f"ipc://{one.directory / 'link'}")
            socket.send(encode(Hello(f"strng{number:03}", me)))
        two.send("a", "unharmed")
        assert one.unread() == ["unharmed"]
    finally:
        context.destroy(linger=0)
