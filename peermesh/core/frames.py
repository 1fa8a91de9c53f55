"""What two peers say to each other on a link. The codec is mesh/wire.py, the table docs/protocol.md.

Who dials speaks first and asks (Hello, Mail, Receipts, Ping, Bye); who is dialled answers on the
same link (Welcome, Denied, Ack, Gap, Refused, Noted, Pong).
"""

from __future__ import annotations

from dataclasses import dataclass

from peermesh.core.words import Message, PeerId, State


@dataclass(frozen=True, slots=True)
class Hello:
    """I am *me* and want to speak with *you*."""

    me: PeerId
    you: PeerId


@dataclass(frozen=True, slots=True)
class Welcome:
    """You reached *me*; everything of yours up to *last* is on my disk."""

    me: PeerId
    last: int


@dataclass(frozen=True, slots=True)
class Denied:
    """This link is not yours to use, say why; dial again after a hello that fits."""

    code: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A message, and the number of the one before it that is still on its way (0: none is)."""

    message: Message
    prev: int


@dataclass(frozen=True, slots=True)
class Ack:
    """All of yours up to *last* is on my disk."""

    last: int


@dataclass(frozen=True, slots=True)
class Gap:
    """I miss something after *last*: send again from there."""

    last: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Message *n* is not taken, and will not be; *code* and *why* are for its sender."""

    n: int
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Receipts:
    """What became of messages of yours, by their numbers."""

    states: tuple[tuple[int, State], ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """Those receipts are on my disk."""

    states: tuple[tuple[int, State], ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you still there?"""


@dataclass(frozen=True, slots=True)
class Pong:
    """I am."""


@dataclass(frozen=True, slots=True)
class Bye:
    """I am leaving, or have nothing more to say; close your end."""


Request = Hello | Mail | Receipts | Ping | Bye
Response = Welcome | Denied | Ack | Gap | Refused | Noted | Pong | Bye
Frame = Request | Response
