"""What the engine is told, and what it answers with: inputs and effects, as frozen values.

Effects are performed in this order for a whole batch: what must be kept goes into one transaction,
then the network is spoken to, then whoever asked at the door is answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from peermesh.core.frames import Request, Response
from peermesh.core.words import Card, Envelope, Message, MessageId, PeerId, State

Route = bytes  # the way back on a link that another peer dialled
Token = int  # one question at the door

# ---------------------------------------------------------------- inputs


@dataclass(frozen=True, slots=True)
class Say:
    """Somebody at the door wants *body* said to *to*. Checked for form; judged by the engine."""

    token: Token
    to: tuple[Card, ...]
    kind: str
    body: str
    said_at: float
    urgent: bool = False
    reply_to: MessageId | None = None
    group: str = ""
    wait: State = State.QUEUED  # the state to wait for before answering
    timeout: float = 0.0  # seconds to wait for it
    answer: bool = False  # wait for an answer to it, and hand that over


@dataclass(frozen=True, slots=True)
class Asked:
    """A frame came in on a link that another peer dialled."""

    route: Route
    frame: Request


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame came back on a link that we dialled to *peer*."""

    peer: PeerId
    frame: Response


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The link that we dialled to *peer* is cut."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class NotNow:
    """*peer* was not dialled: as many as can be are under way. It is to be tried again in a moment."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class NoSuchPeer:
    """*peer* is known to nobody on its host any more: nothing can ever reach it."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class HookAsked:
    """A hook wants to know what to show. *typed*: a person's prompt began this turn."""

    token: Token
    event: str
    typed: bool = False


@dataclass(frozen=True, slots=True)
class ReadAsked:
    """A person or model reads: hand over up to *most* unread messages, or just *only*."""

    token: Token
    most: int
    only: MessageId | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What was handed to *token* has been written out and flushed."""

    token: Token


@dataclass(frozen=True, slots=True)
class Gone:
    """Whoever asked with *token* went away: the waiter, a hook, or a command."""

    token: Token


@dataclass(frozen=True, slots=True)
class WaiterCame:
    """The session's background hook is there, ready to wake it."""

    token: Token


@dataclass(frozen=True, slots=True)
class Turn:
    """The session began (*busy*) or ended a turn; *typed*: by a person.

    *sign*: a hook told so, and not a guess: what earlier hooks wrote out has stuck.
    """

    busy: bool
    typed: bool = False
    sign: bool = False


@dataclass(frozen=True, slots=True)
class NewClient:
    """The session runs in another process than before: what was handed to that one may be lost."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """This peer's own card changed."""

    card: Card


@dataclass(frozen=True, slots=True)
class Tick:
    """The time that the engine asked for by ``next_alarm`` has come."""


Input = (
    Say
    | Asked
    | Heard
    | LinkLost
    | NotNow
    | NoSuchPeer
    | HookAsked
    | ReadAsked
    | Shown
    | Gone
    | WaiterCame
    | Turn
    | NewClient
    | Renamed
    | Tick
)

# ---------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class KeepOut:
    """Write a message of ours to the outbox, *queued*."""

    message: Message


@dataclass(frozen=True, slots=True)
class KeepIn:
    """Write a message for us to the inbox, unless it is there."""

    message: Message


@dataclass(frozen=True, slots=True)
class MoveOut:
    """Messages of ours reached *state*; *why* where they were refused.

    *by*: the peer that says so, which can speak of messages to itself only; "": we know it ourselves.
    """

    ns: tuple[int, ...]
    state: State
    why: str = ""
    by: PeerId = ""


@dataclass(frozen=True, slots=True)
class MoveIn:
    """Messages for us reached *state*; of *held* and *shown* their senders are still to be told."""

    ids: tuple[MessageId, ...]
    state: State


@dataclass(frozen=True, slots=True)
class Told:
    """*peer* has our receipts for its messages in those states."""

    peer: PeerId
    states: tuple[tuple[int, State], ...]


Keep = KeepOut | KeepIn | MoveOut | MoveIn | Told


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a link to *peer* and say hello on it."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the link that we dialled to *peer*."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class Tell:
    """Send a frame on the link that we dialled to *peer*."""

    peer: PeerId
    frame: Request


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send message *n* of the outbox to *peer*; *prev* is the one before it on its way."""

    peer: PeerId
    n: int
    prev: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Send a frame back on a link that another peer dialled."""

    route: Route
    frame: Response


Speak = Dial | HangUp | Tell | Transmit | Reply


@dataclass(frozen=True, slots=True)
class SayAnswer:
    """What became of a ``Say``: each message's id, recipient, state, and why if it was refused."""

    token: Token
    messages: tuple[tuple[MessageId, PeerId, State, str], ...]
    reached: bool  # the state that was asked for


@dataclass(frozen=True, slots=True)
class Show:
    """Hand these messages to *token*; they are shown when it says so. None: nothing to show.

    *asked*: it waits for an answer, and this is it; else it would be told that.
    """

    token: Token
    ids: tuple[MessageId, ...]
    more: int = 0  # how many wait behind these
    wake: bool = False
    asked: SayAnswer | None = None


@dataclass(frozen=True, slots=True)
class Retire:
    """Send the waiter home: a newer one has come, or the session ends."""

    token: Token


@dataclass(frozen=True, slots=True)
class Fail:
    """The question cannot be done; *code* is one of errors.py."""

    token: Token
    code: str
    why: str


Answer = SayAnswer | Show | Retire | Fail
Effect = Keep | Speak | Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that an engine needs to carry on where another left off; read from the mailbox."""

    next_n: int = 1
    heard: dict[PeerId, int] = field(default_factory=dict)
    queued: tuple[tuple[PeerId, int, int], ...] = ()  # to, n, size; in order
    unshown: tuple[Envelope, ...] = ()  # in order of arrival
    waiting: int = 0  # how many there are of those, where they are not read because nobody is shown them
    waiting_size: int = 0  # characters of those
    handed: tuple[Envelope, ...] = ()  # the same: written out, without a sign that it stuck
    receipts: tuple[tuple[MessageId, State], ...] = ()  # still to be told
