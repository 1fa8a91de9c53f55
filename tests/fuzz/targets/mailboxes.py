"""Targets: a mailbox, as a broken disk, another version or a person with an editor may leave it."""

from __future__ import annotations

from contextlib import closing

from peermesh.core.script import KeepIn, KeepOut, MoveIn, MoveOut, Told
from peermesh.core.words import Envelope, Message, MessageId, State
from peermesh.store.mailbox import Mailbox
from tests.fuzz.damage import Original
from tests.fuzz.source import Source
from tests.fuzz.storing import OURS, PROMISE, WHOLE, each, holds_or_tells, is_a, seeds
from tests.fuzz.target import Target, must
from tests.store.boxes import ANN, BOB, CLEO, CLOCK, Births, heard, said


def _make_mail(folder: str) -> str:
    with closing(Mailbox(folder, ANN, Births())) as box:
        box.keep([KeepOut(said(n)) for n in (1, 2, 3)], CLOCK)
        box.keep([KeepIn(heard(n, chain=(CLEO,), urgent=n == 2)) for n in (4, 5, 6)], CLOCK)
        asked = Message(id=MessageId(ANN, 4), to=BOB, body="?", by="ann", said_at=CLOCK, kind="question")
        owed = Message(id=MessageId(BOB, 7), to=ANN, body="?", by="bob", said_at=CLOCK, kind="question")
        box.keep([KeepOut(asked), KeepIn(owed), KeepIn(heard(8, reply_to=MessageId(ANN, 1)))], CLOCK)
        box.keep([MoveOut((1,), State.SHOWN), MoveIn((MessageId(BOB, 4),), State.SHOWN)], CLOCK)
        box.keep([MoveIn((MessageId(BOB, 5),), State.HELD), MoveIn((MessageId(BOB, 7),), State.SHOWN)], CLOCK)
    return "mail.db"


MAIL = Original(_make_mail)


def _message(one: Message) -> None:
    for text in (
        one.id.peer,
        one.to,
        one.kind,
        one.body,
        one.by,
        one.host,
        one.repo,
        one.branch,
        one.to_name,
        one.group,
    ):
        is_a(text, str)
    is_a(one.id.n, int)
    is_a(one.said_at, float)
    is_a(one.urgent, bool)
    must(all(type(peer) is str for peer in one.chain), "a chain of something else")
    must(one.reply_to is None or type(one.reply_to) is MessageId, "a reply to nothing")


def _envelope(one: Envelope) -> None:
    is_a(one.id.peer, str)
    is_a(one.id.n, int)
    is_a(one.size, int)
    is_a(one.kind, str)
    is_a(one.arrived, float)
    must(all(type(peer) is str for peer in one.chain), "a chain of something else")


def _snapshot(box: Mailbox) -> None:
    now = box.snapshot(100.0, CLOCK)
    is_a(now.next_n, int)
    must(all(type(peer) is str and type(n) is int for peer, n in now.heard.items()), "heard of nothing")
    must(all(tuple(map(type, row)) == (str, int, int) for row in now.queued), "queued for nobody")
    for one in (*now.unshown, *now.handed):
        _envelope(one)
    box.snapshot(100.0, CLOCK, reader=False)


def _mail(box: Mailbox) -> int:
    """Everything that is asked of a mailbox; how much was refused."""
    return each(
        lambda: _snapshot(box),
        lambda: [_message(row[0]) for row in box.inbox(20)],
        lambda: [_message(row[0]) for row in box.sent(20)],
        lambda: [_message(one) for one in box.questions.owed(CLOCK, 9)],
        lambda: [_message(one.message) for one in box.questions.asked(CLOCK, 9, untold=True)],
        lambda: [is_a(one, MessageId) for one in box.find("4")],
        lambda: [_message(box.outgoing(n)) for (n,) in box._db.execute("SELECT n FROM outbox")],
        lambda: [_message(found[0]) for found in [box.incoming(MessageId(BOB, 7))] if found],
        lambda: [is_a(one, int) for one in box.counts().values()],
        lambda: box.keep(
            [KeepOut(said(2_000_000_007)), KeepIn(heard(9)), Told(BOB, ((4, State.SHOWN),))], CLOCK
        ),
        lambda: box.keep([MoveOut((2, 3), State.SAFE), MoveIn((MessageId(BOB, 6),), State.HANDED)], CLOCK),
        lambda: box.tidy(CLOCK + 1e8),
    )


def mail_rows(data: bytes) -> None:
    """A mailbox with rows that say anything."""
    folder = MAIL.rewritten(Source(data))
    try:
        box = Mailbox(folder, ANN, Births())
    except OURS:
        return
    with closing(box):
        _mail(box)


def mail_bytes(data: bytes) -> None:
    """A mailbox of which bytes were changed."""
    folder = MAIL.damaged(Source(data))
    try:
        box = Mailbox(folder, ANN, Births())
    except OURS:
        return
    with closing(box):
        must(box.set_aside or not box.born, "a damaged mailbox is taken for a new one without a word")
        holds_or_tells(box.set_aside, lambda: not box.inbox(9) and not box.sent(9), lambda: _mail(box))


TARGETS = (
    Target(
        "mail_rows",
        mail_rows,
        seeds,
        "a mailbox's rows (`store/mailbox.py`, `rows.py`)",
        PROMISE,
        longest=300,
    ),
    Target("mail_bytes", mail_bytes, seeds, "a mailbox's bytes (`store/sqlite.py`)", WHOLE, longest=300),
)
