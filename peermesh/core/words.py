"""The nouns of peer: who, what was said, and how far it got. Frozen values, standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

# Eight letters of 5 bits: short enough to type back, and among 10,000 peers that
# ever met, two with the same id are a chance of 1 in 20,000.
PEER_ID_LENGTH = 8
PEER_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

# A body is text for a model to read, not a file transfer.
BODY_LIMIT = 1024 * 1024  # bytes of UTF-8
NAME_LIMIT = 40  # characters
FOCUS_LIMIT = 200  # characters
ROLE_LIMIT = 16  # roles of one peer
REPO_LIMIT = 60  # characters of a repo's name, and of a worktree's
BRANCH_LIMIT = 100  # characters

# Sessions a thread of messages may pass through since a person spoke. Two models
# that answer each other reach it after sixteen messages; people's chains do not.
CHAIN_LIMIT = 16

# What one peer may leave undelivered with one other before it is told to stop.
QUEUE_LIMIT = 200_000  # messages
# And how much text: as many of the largest would be 200 GB. This much still lets the 200,000 have 670 characters each.
# On disk a character has up to four bytes.
QUEUE_SIZE = 128 * 1024 * 1024  # characters

_PEER_ID = re.compile(f"[{PEER_ID_ALPHABET}]{{{PEER_ID_LENGTH}}}")
_MESSAGE_ID = re.compile(f"([{PEER_ID_ALPHABET}]{{{PEER_ID_LENGTH}}})-([1-9][0-9]{{0,17}})")

PeerId = str


def is_peer_id(text: str) -> bool:
    """Whether *text* has the form of a peer's id."""
    return _PEER_ID.fullmatch(text) is not None


def mebi(size: int) -> str:
    """*size* characters in words: 134217728 is "128 Mi characters"."""
    return f"{size / 1024 / 1024:g} Mi characters"


@dataclass(frozen=True, slots=True, order=True)
class MessageId:
    """A message's name: who said it, and how many-th thing that peer said it was."""

    peer: PeerId
    n: int

    def __str__(self) -> str:
        return f"{self.peer}-{self.n}"

    @classmethod
    def parse(cls, text: str) -> MessageId:
        """The id that *text* spells; ``ValueError`` if it spells none."""
        match = _MESSAGE_ID.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a message id (such as k3m9x2ab-17)")
        return cls(match[1], int(match[2]))


class State(StrEnum):
    """How far a message got. ``held`` is *safe*, and kept back by the recipient's wake budget.

    ``handed`` is known on the recipient's side only: a hook wrote it out, and the client has not given a
    sign yet that it stuck. A prompt that is taken back takes what its hook said with it.
    """

    QUEUED = "queued"
    SAFE = "safe"
    HELD = "held"
    HANDED = "handed"
    SHOWN = "shown"
    REFUSED = "refused"


_RANK = {state: rank for rank, state in enumerate(State)}  # in the order above


def further(state: State, than: State) -> bool:
    """Whether a message in *state* got further than one in *than*; receipts may come out of order."""
    return _RANK[state] > _RANK[than]


class Kind(StrEnum):
    """What a message is for. Unknown kinds of later versions are carried and shown as they are."""

    MESSAGE = "message"
    QUESTION = "question"
    ANSWER = "answer"
    DISCOVERY = "discovery"
    CLAIM = "claim"
    RELEASE = "release"
    DONE = "done"
    NOTICE = "notice"  # by peer itself, to its own session: nobody else can say one


KINDS = frozenset(kind.value for kind in Kind if kind is not Kind.NOTICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What others may know of a peer, and no more than that."""

    id: PeerId
    name: str
    host: str
    person: bool = False  # a person's shell, not a session
    oneshot: bool = False  # a `claude -p` run: gone for good when it ends
    repo: str = ""  # for people: the directory's name
    repo_key: str = ""  # what makes two checkouts the same project
    branch: str = ""
    cwd: str = ""
    roles: tuple[str, ...] = ()
    focus: str = ""
    host_key: str = ""  # the key of the host it is on, in hex; "" is this one
    worktree: str = ""  # the name of the checkout's directory, without the way there

    @property
    def address(self) -> str:
        """The name that is clear on every host."""
        return f"{self.name}@{self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing said by one peer to one other. A broadcast is one of these for each recipient."""

    id: MessageId
    to: PeerId
    kind: str
    body: str
    by: str  # the sender's name, as it was when this was said
    host: str = ""
    repo: str = ""
    branch: str = ""
    to_name: str = ""
    group: str = ""  # the group it was said to, such as "@repo"
    reply_to: MessageId | None = None
    urgent: bool = False
    chain: tuple[PeerId, ...] = ()  # sessions it passed through since a person spoke
    said_at: float = 0.0  # seconds since 1970 by the sender's clock: for people, never compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the engine must know of a message that waits to be shown; the body stays on disk."""

    id: MessageId
    kind: str
    size: int  # characters of the body
    arrived: float  # seconds by this process's monotonic clock
    urgent: bool = False
    held: bool = False
    reply_to: MessageId | None = None
    chain: tuple[PeerId, ...] = ()

    def keep_back(self) -> Envelope:
        """The same, held back by the budget."""
        return replace(self, held=True)


def envelope(message: Message, arrived: float) -> Envelope:
    """The envelope of *message*, which arrived at *arrived* (monotonic seconds)."""
    return Envelope(
        id=message.id,
        kind=message.kind,
        size=len(message.body),
        arrived=arrived,
        urgent=message.urgent,
        reply_to=message.reply_to,
        chain=message.chain,
    )
