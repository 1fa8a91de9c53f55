"""Questions that are open: those a peer asked, and those it owes an answer; found without reading all mail."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from peermesh.core.script import KeepIn, KeepOut, MoveIn, MoveOut
from peermesh.core.words import KINDS, Kind, Message, MessageId, State
from peermesh.errors import StoreBroken
from peermesh.store import questions
from peermesh.store.mailbox import STEPS, Mailbox
from peermesh.store.questions import OPEN
from peermesh.store.rows import fields
from peermesh.store.sqlite import open_file
from tests.store.boxes import ANN, BOB, CLEO, CLOCK, heard, mailbox, said


def question(n: int, to: str = BOB, **more: Any) -> Message:
    """One that ann asked."""
    return replace(said(n, to, body=f"question {n}"), **{"kind": "question", **more})


def asked_of_ann(n: int, by: str = BOB, **more: Any) -> Message:
    """One that ann was asked."""
    return replace(heard(n, by, body=f"question {n}"), **{"kind": "question", **more})


def reply(n: int, to: Message, kind: str = "answer", by: str = BOB) -> KeepIn:
    """What ann is said to that question of hers."""
    return KeepIn(asked_of_ann(n, by, kind=kind, reply_to=to.id))


def answer(n: int, to: Message, kind: str = "answer") -> KeepOut:
    """What ann says to that question."""
    return KeepOut(question(n, to.id.peer, kind=kind, reply_to=to.id))


def read(*ones: Message) -> MoveIn:
    """Ann has read them."""
    return MoveIn(tuple(one.id for one in ones), State.SHOWN)


def asked(box: Mailbox, clock: float = CLOCK, most: int = 50, *, untold: bool = False) -> list[int]:
    """The numbers of the open questions that ann asked."""
    return [one.message.id.n for one in box.questions.asked(clock, most, untold=untold)]


def owed(box: Mailbox, clock: float = CLOCK, most: int = 50) -> list[str]:
    """The ids of those that she was asked."""
    return [str(one.id) for one in box.questions.owed(clock, most)]


# ---------------------------------------------------------------- that she asked


def test_what_was_asked(tmp_path: Path) -> None:
    """The newest first, as they were said, with how far they got; nothing but questions."""
    first = question(2, CLEO, to_name="cleo@lap", body="né\n?", group="@repo", urgent=True)
    with mailbox(tmp_path) as box:
        assert box.questions.asked(CLOCK, 50) == []
        box.keep([KeepOut(said(1)), KeepOut(first), KeepOut(question(3))], CLOCK)
        box.keep([KeepIn(asked_of_ann(1))], CLOCK)
        box.keep([MoveOut((2,), State.SHOWN)], CLOCK + 5)
        newest, oldest = box.questions.asked(CLOCK + 9, 50)
        assert (newest.message, newest.state, newest.shown_at) == (question(3), "queued", 0.0)
        assert (oldest.message, oldest.state, oldest.shown_at) == (first, "shown", CLOCK + 5)


@pytest.mark.parametrize("kind", sorted(KINDS - {Kind.QUESTION}))
def test_only_questions(tmp_path: Path, kind: str) -> None:
    """Nobody has to answer what is none."""
    ours, theirs = question(1, kind=kind), asked_of_ann(1, kind=kind)
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(ours), KeepIn(theirs), read(theirs)], CLOCK)
        assert (asked(box), owed(box)) == ([], [])


@pytest.mark.parametrize("state", [State.QUEUED, State.SAFE, State.HELD, State.SHOWN, State.REFUSED])
def test_how_far_it_got(tmp_path: Path, state: State) -> None:
    """It is open in every state, unless nobody took it."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(question(1)), MoveOut((1,), state, "no room")], CLOCK)
        assert asked(box) == ([] if state == State.REFUSED else [1])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_reply_of_any_kind_is_an_answer(tmp_path: Path, kind: str) -> None:
    """To that question and to no other."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(question(1)), KeepOut(question(2)), KeepOut(question(11))], CLOCK)
        box.keep([reply(1, question(1), kind)], CLOCK)
        for untold in (False, True):
            assert asked(box, untold=untold) == [11, 2]


def test_what_is_no_answer(tmp_path: Path) -> None:
    """A message on another's question with the same number, one on none, and what ann says on it herself."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(question(1))], CLOCK)
        box.keep([reply(1, asked_of_ann(1)), KeepIn(heard(2)), answer(2, question(1))], CLOCK)
        for untold in (False, True):
            assert asked(box, untold=untold) == [1]


def test_a_notice_is_no_answer(tmp_path: Path) -> None:
    """But then ann was told that nobody answers, and is not to be told again."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(question(1)), KeepOut(question(2))], CLOCK)
        box.keep([reply(1, question(1), "notice", by=ANN)], CLOCK)
        assert asked(box) == [2, 1]
        assert asked(box, untold=True) == [2]
        box.keep([reply(3, question(1))], CLOCK)
        assert asked(box) == [2]


def test_a_notice_that_is_on_its_way(tmp_path: Path) -> None:
    """Ann's sidecar died between saying it to her and hearing it: it is not said a second time."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(question(1)), KeepOut(question(2))], CLOCK)
        box.keep([answer(3, question(1), "notice")], CLOCK)
        assert asked(box, untold=True) == [2]
        assert asked(box) == [2, 1]


def test_old_questions_are_left_out(tmp_path: Path) -> None:
    """After two days nobody waits for them."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(question(1, said_at=CLOCK)), KeepOut(question(2, said_at=CLOCK + 10))], CLOCK)
        assert asked(box, CLOCK + OPEN - 1) == [2, 1]
        assert asked(box, CLOCK + OPEN) == [2]
        assert asked(box, CLOCK + OPEN + 10) == []


def test_so_many_and_no_more(tmp_path: Path) -> None:
    """The newest; those that were answered do not take the place of others."""
    ours, theirs = [question(n) for n in range(1, 11)], [asked_of_ann(n) for n in range(1, 11)]
    with mailbox(tmp_path) as box:
        box.keep([*map(KeepOut, ours), *map(KeepIn, theirs), read(*theirs)], CLOCK)
        box.keep([reply(20, ours[9]), answer(20, theirs[9])], CLOCK)
        assert asked(box, most=3) == [9, 8, 7]
        assert owed(box, most=3) == [f"{BOB}-{n}" for n in (9, 8, 7)]
        assert (asked(box, most=0), owed(box, most=0)) == ([], [])


# ---------------------------------------------------------------- that she was asked


def test_what_is_owed(tmp_path: Path) -> None:
    """What she has read, the newest first by its arrival; as it was said."""
    by_bob = asked_of_ann(7, body="né\n?", by="bob", host="lap", reply_to=MessageId(ANN, 3))
    by_cleo, unread = asked_of_ann(2, CLEO), asked_of_ann(8)
    with mailbox(tmp_path) as box:
        box.keep([KeepIn(by_bob), KeepIn(by_cleo), KeepIn(unread), KeepIn(heard(9))], CLOCK)
        box.keep([read(by_bob, by_cleo, heard(9))], CLOCK)
        assert box.questions.owed(CLOCK, 50) == [by_cleo, by_bob]


@pytest.mark.parametrize("state", [State.SAFE, State.HELD, State.HANDED])
def test_what_was_not_read_is_not_owed(tmp_path: Path, state: State) -> None:
    """It comes by itself, and is not to be told of twice."""
    one = asked_of_ann(1)
    with mailbox(tmp_path) as box:
        box.keep([KeepIn(one), MoveIn((one.id,), state)], CLOCK)
        assert owed(box) == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_was_replied_to_is_not_owed(tmp_path: Path, kind: str) -> None:
    """Whatever the reply is; another's question with the same number still is."""
    one, other = asked_of_ann(1), asked_of_ann(1, CLEO)
    with mailbox(tmp_path) as box:
        box.keep([KeepIn(one), KeepIn(other), read(one, other), answer(1, one, kind)], CLOCK)
        assert owed(box) == [str(other.id)]


def test_old_debts_are_left_out(tmp_path: Path) -> None:
    """By when they came, by this host's clock: the sender's may be wrong."""
    one = asked_of_ann(1, said_at=0.0)
    with mailbox(tmp_path) as box:
        box.keep([KeepIn(one), read(one)], CLOCK)
        assert owed(box, CLOCK + OPEN - 1) == [str(one.id)]
        assert owed(box, CLOCK + OPEN) == []


# ---------------------------------------------------------------- the file


def plan(box: Mailbox, query: str) -> list[str]:
    """How SQLite answers *query*."""
    named = {"since": 0.0, "peer": ANN, "most": 50, "told": True}
    return [row[3] for row in box._db.execute(f"EXPLAIN QUERY PLAN {query}", named)]


def fill(box: Mailbox) -> None:
    """Much mail, and few questions in it."""
    theirs = [heard(n) for n in range(1, 2_001)]
    box.keep([*map(KeepIn, theirs), *(KeepOut(said(n)) for n in range(1, 2_001)), read(*theirs)], CLOCK)
    box.keep([KeepOut(question(3_000)), KeepIn(asked_of_ann(3_000))], CLOCK)


@pytest.mark.parametrize("analysed", [False, True])
@pytest.mark.parametrize(
    ("query", "used"),
    [
        (questions._ASKED, {"outbox_questions", "inbox_replies", "outbox_replies"}),
        (questions._OWED, {"inbox_questions", "outbox_replies"}),
    ],
    ids=["asked", "owed"],
)
def test_no_table_is_read_through(tmp_path: Path, query: str, used: set[str], analysed: bool) -> None:
    """Each step uses an index that holds questions or replies only, and nothing is sorted."""
    with mailbox(tmp_path) as box:
        fill(box)
        if analysed:
            box._db.execute("ANALYZE")
        steps = [one for one in plan(box, query) if one.startswith(("SCAN", "SEARCH"))]
        indexes = [re.search(r" USING (?:COVERING )?INDEX (\w+)", one) for one in steps]
        assert {one and one[1] for one in indexes} == used, steps
        assert not [one for one in plan(box, query) if "TEMP B-TREE" in one or "AUTOMATIC" in one]


def test_a_mailbox_of_before(tmp_path: Path) -> None:
    """Its mail is all there, and its questions are found."""
    db, _ = open_file(str(tmp_path / "mail.db"), STEPS[:1])
    with contextlib.closing(db):
        for m in (question(1), question(2), said(3)):
            db.execute(
                "INSERT INTO outbox (n, peer, kind, body, fields, state, size, said_at)"
                " VALUES (?, ?, ?, ?, ?, 'safe', 0, ?)",
                (m.id.n, m.to, m.kind, m.body, fields(m), m.said_at),
            )
    with mailbox(tmp_path) as box:
        assert [m.id.n for m, _ in box.sent(9)] == [1, 2, 3]
        assert asked(box) == [2, 1]
        box.keep([reply(1, question(2))], CLOCK)
        assert asked(box) == [1]
        assert box._db.execute("PRAGMA user_version").fetchone()[0] == len(STEPS)


def test_a_mailbox_that_cannot_be_read(tmp_path: Path) -> None:
    """It is said in words, and which file it is."""
    with mailbox(tmp_path) as box:
        box._db.execute("DROP TABLE outbox")
        with pytest.raises(StoreBroken, match=r"mail\.db"):
            box.questions.asked(CLOCK, 1)
        with pytest.raises(StoreBroken, match=r"mail\.db"):
            box.questions.owed(CLOCK, 1)
