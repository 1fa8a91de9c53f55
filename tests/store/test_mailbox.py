"""A peer's mailbox on disk: states go forward, numbers are never used again, readers find what they look for."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from peermesh.core.script import KeepIn, KeepOut, MoveIn, MoveOut, Told
from peermesh.core.words import MessageId, State
from peermesh.errors import StoreBroken
from peermesh.store.mailbox import KEEP_SETTLED, NUMBERS_A_BIRTH, Mailbox
from tests.store.boxes import ANN, BOB, CLEO, CLOCK, Births, heard, mailbox, said

DAY = 86_400.0


def state_of(box: Mailbox, n: int = 1) -> str:
    """How far ann's message *n* got."""
    return str(next(row["state"] for m, row in box.sent(50) if m.id.n == n))


def test_a_new_mailbox_is_empty(tmp_path: Path) -> None:
    """Numbers begin with 1, and there is nothing to do."""
    with mailbox(tmp_path) as box:
        snapshot = box.snapshot(0.0, CLOCK)
        assert (snapshot.next_n, snapshot.queued, snapshot.unshown, snapshot.receipts) == (1, (), (), ())
        assert box.born
        assert box.set_aside is None


def test_what_was_kept_is_there_after_opening_again(tmp_path: Path) -> None:
    """Both directions, word for word."""
    mine = said(1, body="né\n'quote'\0", urgent=True, reply_to=MessageId(BOB, 3), chain=(CLEO,), group="@all")
    theirs = heard(4, body="\U0001f600")
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(mine), KeepIn(theirs)], CLOCK)
    with mailbox(tmp_path) as box:
        assert not box.born
        assert box.outgoing(1) == mine
        assert box.incoming(theirs.id) == (theirs, CLOCK)
        assert box.snapshot(0.0, CLOCK).heard == {BOB: 4}


def test_who_is_not_read_is_counted(tmp_path: Path) -> None:
    """Who stands in for a peer learns how many messages and characters wait there; what was shown does not wait."""
    with mailbox(tmp_path) as box:
        assert box.snapshot(0.0, CLOCK, reader=False).waiting_size == 0
        box.keep([KeepIn(heard(n, body="é" * n)) for n in (1, 2, 3, 4)], CLOCK)
        box.keep([MoveIn((MessageId(BOB, 4),), State.SHOWN), MoveIn((MessageId(BOB, 3),), State.HELD)], CLOCK)
        there = box.snapshot(0.0, CLOCK, reader=False)
        assert (there.waiting, there.waiting_size) == (3, 1 + 2 + 3)
        assert box.counts()["unread"] == 3


def test_a_batch_is_kept_together_or_not_at_all(tmp_path: Path) -> None:
    """If one change cannot be written, none is."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(said(1))], CLOCK)
        with pytest.raises(StoreBroken):
            box.keep([KeepIn(heard(1)), KeepOut(said(1, CLEO))], CLOCK)
        assert box.snapshot(0.0, CLOCK).heard == {}
        assert box.outgoing(1).to == BOB


# ---------------------------------------------------------------- states


@pytest.mark.parametrize(
    ("moves", "end"),
    [
        ([State.SAFE], "safe"),
        ([State.HELD], "held"),
        ([State.SHOWN], "shown"),
        ([State.SAFE, State.HELD, State.SHOWN], "shown"),
        ([State.SHOWN, State.SAFE], "shown"),
        ([State.SHOWN, State.HELD], "shown"),
        ([State.HELD, State.SAFE], "held"),
        ([State.SAFE, State.QUEUED], "safe"),
        ([State.REFUSED, State.SAFE], "refused"),
        ([State.REFUSED, State.SHOWN], "refused"),
        ([State.SAFE, State.REFUSED], "safe"),
        ([State.HANDED], "queued"),
    ],
)
def test_states_go_forward_only(tmp_path: Path, moves: list[State], end: str) -> None:
    """A receipt that comes late never takes a later state back."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(said(1))], CLOCK)
        box.keep([MoveOut((1,), state) for state in moves], CLOCK + 1)
        assert state_of(box) == end


def test_only_the_recipient_moves_a_message(tmp_path: Path) -> None:
    """A receipt of somebody else's changes nothing."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(said(1, BOB)), MoveOut((1,), State.SHOWN, by=CLEO)], CLOCK)
        assert state_of(box) == "queued"
        box.keep([MoveOut((1,), State.SHOWN, by=BOB)], CLOCK)
        assert state_of(box) == "shown"


def test_times_of_states(tmp_path: Path) -> None:
    """When it became safe stays, and is known too if *shown* came first."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(said(1)), KeepOut(said(2))], CLOCK)
        box.keep([MoveOut((1,), State.SAFE)], CLOCK + 1)
        box.keep([MoveOut((1, 2), State.SHOWN)], CLOCK + 2)
        rows = [row for _, row in box.sent(10)]
        assert [(row["safe_at"], row["shown_at"]) for row in rows] == [
            (CLOCK + 1, CLOCK + 2),
            (CLOCK + 2, CLOCK + 2),
        ]


def test_why_it_was_refused(tmp_path: Path) -> None:
    """The recipient's reason is kept."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(said(1)), MoveOut((1,), State.REFUSED, "full: no room")], CLOCK)
        assert box.sent(1)[0][1]["why"] == "full: no room"


def test_shown_is_not_taken_back(tmp_path: Path) -> None:
    """What was shown is neither held nor due again."""
    one = heard(1).id
    with mailbox(tmp_path) as box:
        box.keep([KeepIn(heard(1)), MoveIn((one,), State.SHOWN)], CLOCK)
        box.keep([MoveIn((one,), state) for state in (State.HELD, State.HANDED, State.SAFE)], CLOCK)
        assert box.inbox(1)[0][1] == "shown"
        assert box.snapshot(0.0, CLOCK).unshown == ()


def test_a_receipt_is_owed_until_it_is_told(tmp_path: Path) -> None:
    """Over restarts, and for the state that is true now."""
    one = heard(1).id
    with mailbox(tmp_path) as box:
        box.keep([KeepIn(heard(1)), MoveIn((one,), State.HELD), MoveIn((one,), State.SHOWN)], CLOCK)
        box.keep([Told(BOB, ((1, State.HELD),))], CLOCK)
    with mailbox(tmp_path) as box:
        assert box.snapshot(0.0, CLOCK).receipts == ((one, State.SHOWN),)
        box.keep([Told(BOB, ((1, State.SHOWN),))], CLOCK)
        assert box.snapshot(0.0, CLOCK).receipts == ()


def test_a_repeat_changes_nothing(tmp_path: Path) -> None:
    """A message that is there already stays as it is."""
    with mailbox(tmp_path) as box:
        box.keep([KeepIn(heard(1)), MoveIn((heard(1).id,), State.SHOWN)], CLOCK)
        box.keep([KeepIn(heard(1, body="other"))], CLOCK + 1)
        assert [(m.body, state) for m, state, _, _ in box.inbox(10)] == [("hi", "shown")]


def test_what_was_heard_never_goes_back(tmp_path: Path) -> None:
    """A lower number that comes later does not open the door to repeats."""
    with mailbox(tmp_path) as box:
        box.keep([KeepIn(heard(5)), KeepIn(heard(4))], CLOCK)
        assert box.snapshot(0.0, CLOCK).heard == {BOB: 5}


def test_order_is_that_of_arrival_though_the_clock_was_set_back(tmp_path: Path) -> None:
    """The wall clock orders nothing: times of arrival never run backwards in a snapshot."""
    with mailbox(tmp_path) as box:
        box.keep([KeepIn(heard(1))], CLOCK)
        box.keep([KeepIn(heard(2))], CLOCK - 3_600)
        first, second = box.snapshot(500.0, CLOCK - 3_500).unshown
        assert (first.id.n, second.id.n) == (1, 2)
        assert first.arrived <= second.arrived <= 500.0


# ---------------------------------------------------------------- numbers


def test_numbers_go_on(tmp_path: Path) -> None:
    """After opening again the next number is the next."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(said(1)), KeepOut(said(2))], CLOCK)
    with mailbox(tmp_path) as box:
        assert box.snapshot(0.0, CLOCK).next_n == 3


def test_a_lost_mailbox_uses_no_number_again(tmp_path: Path) -> None:
    """Others heard the old ones, and would take new ones of the same number for repeats."""
    births = Births()
    for lost in range(3):
        with mailbox(tmp_path, births) as box:
            assert box.snapshot(0.0, CLOCK).next_n == lost * NUMBERS_A_BIRTH + 1
            box.keep([KeepOut(said(lost * NUMBERS_A_BIRTH + 1))], CLOCK)
        for file in tmp_path.iterdir():
            file.unlink()


def test_a_mailbox_set_aside_uses_no_number_again(tmp_path: Path) -> None:
    """The same for one that was damaged."""
    births = Births()
    with mailbox(tmp_path, births) as box:
        box.keep([KeepOut(said(1))], CLOCK)
    (tmp_path / "mail.db").write_bytes(b"garbage" * 1000)
    with mailbox(tmp_path, births) as box:
        assert box.snapshot(0.0, CLOCK).next_n == NUMBERS_A_BIRTH + 1


def test_who_died_before_the_first_number_was_noted(tmp_path: Path) -> None:
    """A file that was made and not begun is begun by the next one."""

    def dies() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Mailbox(str(tmp_path), ANN, dies)
    births = Births()
    with mailbox(tmp_path, births) as box:
        assert box.snapshot(0.0, CLOCK).next_n == 1
        assert (births.count, box.set_aside) == (1, None)


def test_a_birth_is_counted_once(tmp_path: Path) -> None:
    """Opening a mailbox that is there is no birth."""
    births = Births()
    for _ in range(3):
        with mailbox(tmp_path, births):
            pass
    assert births.count == 1


# ---------------------------------------------------------------- tidying


def test_tidy_lets_go_of_what_was_settled_long_ago(tmp_path: Path) -> None:
    """Shown and told, refused: gone after a fortnight. What is on its way stays, however old."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(said(n)) for n in (1, 2, 3, 4)], CLOCK)
        box.keep([MoveOut((1,), State.SHOWN), MoveOut((2,), State.REFUSED), MoveOut((3,), State.SAFE)], CLOCK)
        box.keep([KeepIn(heard(n)) for n in (1, 2, 3)], CLOCK)
        box.keep([MoveIn((heard(1).id, heard(2).id), State.SHOWN), Told(BOB, ((1, State.SHOWN),))], CLOCK)
        box.tidy(CLOCK + KEEP_SETTLED - DAY)
        assert (len(box.sent(10)), len(box.inbox(10))) == (4, 3)
        box.tidy(CLOCK + KEEP_SETTLED + DAY)
        assert [m.id.n for m, _ in box.sent(10)] == [3, 4]
        assert [m.id.n for m, *_ in box.inbox(10)] == [2, 3]


def test_tidy_uses_no_number_again(tmp_path: Path) -> None:
    """Not even when all is gone."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(said(1)), KeepOut(said(2)), MoveOut((1, 2), State.SHOWN)], CLOCK)
        box.tidy(CLOCK + KEEP_SETTLED + DAY)
        assert box.sent(10) == []
        assert box.snapshot(0.0, CLOCK).next_n == 3
    with mailbox(tmp_path) as box:
        box.tidy(CLOCK + KEEP_SETTLED + DAY)
        assert box.snapshot(0.0, CLOCK).next_n == 3


def test_tidy_remembers_what_was_heard(tmp_path: Path) -> None:
    """A message that is gone from the inbox is still known, and would be a repeat."""
    with mailbox(tmp_path) as box:
        box.keep(
            [KeepIn(heard(1)), MoveIn((heard(1).id,), State.SHOWN), Told(BOB, ((1, State.SHOWN),))], CLOCK
        )
        box.tidy(CLOCK + KEEP_SETTLED + DAY)
        assert box.inbox(10) == []
        assert box.snapshot(0.0, CLOCK).heard == {BOB: 1}


# ---------------------------------------------------------------- readers


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A mailbox with some messages."""
    with mailbox(tmp_path) as box:
        box.keep([KeepOut(said(n)) for n in (1, 2, 17)], CLOCK)
        box.keep([KeepIn(heard(17)), KeepIn(heard(17, CLEO)), KeepIn(heard(18))], CLOCK)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bbbbbbbb-17", [MessageId(BOB, 17)]),
        ("b-17", [MessageId(BOB, 17)]),
        ("18", [MessageId(BOB, 18)]),
        ("17", [MessageId(BOB, 17), MessageId(CLEO, 17), MessageId(ANN, 17)]),
        ("aa-2", [MessageId(ANN, 2)]),
        ("99", []),
        ("", []),
        ("%-17", []),
        ("_-17", []),
        ("x'-17", []),
        ("-17", [MessageId(BOB, 17), MessageId(CLEO, 17), MessageId(ANN, 17)]),
        ("17 OR 1=1", []),
        ("1" * 30, []),
        ("\u0661\u0667", []),
    ],
)
def test_find(full: Path, text: str, found: list[MessageId]) -> None:
    """An id may be cut short at its beginning; what is typed is never taken for a pattern."""
    with mailbox(full) as box:
        assert box.find(text) == found


def test_newest_last(full: Path) -> None:
    """Lists show the newest, in the order in which they came."""
    with mailbox(full) as box:
        assert [m.id.n for m, *_ in box.inbox(2)] == [17, 18]
        assert [m.id.n for m, _ in box.sent(2)] == [2, 17]


def test_counts(full: Path) -> None:
    """What is unread, on its way, and to be told."""
    with mailbox(full) as box:
        box.keep([MoveIn((heard(18).id,), State.SHOWN), MoveOut((1,), State.SAFE)], CLOCK)
        assert box.counts() == {"unread": 2, "queued": 2, "untold": 1}


def test_nobody_else_reads_it(full: Path) -> None:
    """The file is for this user alone, when the process's mask says so as the sidecar's does."""
    before = os.umask(0o077)
    try:
        (full / "new").mkdir()
        with mailbox(full / "new") as box:
            box.keep([KeepOut(said(1))], CLOCK)
            for file in (full / "new").iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    finally:
        os.umask(before)


def test_fully_synced(tmp_path: Path) -> None:
    """A commit is on the disk when it returns: an acknowledgement promises that."""
    with mailbox(tmp_path) as box:
        assert box._db.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert box._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    raw = sqlite3.connect(tmp_path / "mail.db")
    assert raw.execute("PRAGMA application_id").fetchone()[0] == int.from_bytes(b"peer", "big")
    raw.close()
