"""What a long queue leaves on the disk: room that is used again, and given back when it is old."""

from __future__ import annotations

from pathlib import Path

import pytest

from peermesh.core.script import KeepIn, MoveIn, Told
from peermesh.core.words import MessageId, State
from peermesh.store import mailbox as module
from peermesh.store.mailbox import KEEP_SETTLED, Mailbox
from tests.store.boxes import BOB, CLOCK, heard, mailbox

MANY = 2_000


def settle(box: Mailbox, first: int, clock: float) -> None:
    """So many messages come, are shown, and their sender is told."""
    numbers = range(first, first + MANY)
    ids = tuple(MessageId(BOB, n) for n in numbers)
    box.keep([KeepIn(heard(n, body="x" * 500)) for n in numbers], clock)
    box.keep([MoveIn(ids, State.SHOWN), Told(BOB, tuple((n, State.SHOWN) for n in numbers))], clock)


def size(box: Mailbox) -> int:
    """Bytes of the file, with all that its journal holds."""
    box._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(box.path).stat().st_size


def test_room_is_used_again(tmp_path: Path) -> None:
    """A second queue, when the first was let go of, takes no more room."""
    with mailbox(tmp_path) as box:
        settle(box, 1, CLOCK)
        first = size(box)
        later = CLOCK + KEEP_SETTLED + 1.0
        box.tidy(later)
        settle(box, MANY + 1, later)
        assert first > 1_000_000
        assert size(box) < 1.1 * first


def test_room_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is mostly free is made smaller; what is in it stays."""
    monkeypatch.setattr(module, "SHRINK_AT", 100)
    with mailbox(tmp_path) as box:
        settle(box, 1, CLOCK)
        later = CLOCK + KEEP_SETTLED + 1.0
        box.keep([KeepIn(heard(MANY + 1, body="still here"))], later)
        before = size(box)
        box.tidy(later)
        assert size(box) < before / 10
        assert [row[0].body for row in box.inbox(10)] == ["still here"]
        assert box.snapshot(0.0, later).heard == {BOB: MANY + 1}
