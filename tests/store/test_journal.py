"""A journal that was cut, spoiled or deleted while its user was dead: seen, told, and no number is used again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from peermesh.core.events import Draft, What
from peermesh.core.script import KeepOut
from peermesh.core.words import Message, MessageId
from peermesh.store import journal
from peermesh.store.log import LogStore
from peermesh.store.mailbox import NUMBERS_A_BIRTH, Mailbox

ROOT = Path(__file__).parents[2]
ANN = "annannan"
# The first five messages are in the file itself, the next five in its journal only, when it is killed.
USER = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from tests.store.test_journal import opened, say
box = opened(sys.argv[2]); say(box, 1, 2, 3, 4, 5); box.close()
box = opened(sys.argv[2]); say(box, 6, 7, 8, 9, 10)
os.kill(os.getpid(), signal.SIGKILL)
"""


def opened(folder: str, birth: int = 1) -> Mailbox:
    """The mailbox in *folder*."""
    return Mailbox(folder, ANN, lambda: birth)


def say(box: Mailbox, *ns: int) -> None:
    """Keep some messages, each in a commit of its own."""
    for n in ns:
        said = Message(
            id=MessageId(ANN, n), to="bobbobbo", to_name="bob", kind="message", body="x" * 3_000, by="ann"
        )
        box.keep([KeepOut(said)], 1.0)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The file of a mailbox whose user was killed."""
    done = subprocess.run([sys.executable, "-c", USER, str(ROOT), str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    return tmp_path / "mail.db"


def next_number(box: Mailbox) -> int:
    """The number of what is said next."""
    return box.snapshot(0.0, 1.0).next_n


def test_a_whole_journal_is_taken(killed: Path) -> None:
    """Nothing is lost by a kill -9, and nothing is said of damage."""
    assert journal.frames(str(killed)) > 0
    box = opened(str(killed.parent), birth=2)
    assert (box.set_aside, next_number(box)) == (None, 11)
    box.close()
    assert journal.frames(str(killed)) == 0  # closed cleanly, there is none


def half(wal: Path) -> None:
    """Cut it."""
    os.truncate(wal, wal.stat().st_size // 2)


def last_frame(wal: Path) -> None:
    """Cut a little."""
    os.truncate(wal, wal.stat().st_size - 1)


def noise(wal: Path, at: int | None = None) -> None:
    """Write over some of it."""
    with wal.open("r+b") as file:
        file.seek(wal.stat().st_size // 2 if at is None else at)
        file.write(b"\xa5" * 16)


def header(wal: Path) -> None:
    """Write over its salt."""
    noise(wal, 16)


def empty(wal: Path) -> None:
    """Cut all."""
    os.truncate(wal, 0)


@pytest.mark.parametrize("spoil", [half, last_frame, noise, header, empty, Path.unlink])
def test_a_journal_that_was_cut_is_told(killed: Path, spoil: Callable[[Path], None]) -> None:
    """What is left is used; the numbers of what is lost are not; and there is a sign beside the file."""
    spoil(killed.with_name("mail.db-wal"))
    box = opened(str(killed.parent), birth=2)
    assert box.set_aside is not None
    assert Path(box.set_aside).name.startswith("mail.db.damaged-")
    assert Path(box.set_aside).name.endswith("-cut")
    assert next_number(box) == NUMBERS_A_BIRTH + 1
    assert 5 <= len(box.sent(100)) < 10
    box.close()
    again = opened(str(killed.parent), birth=3)  # once
    assert (again.set_aside, next_number(again)) == (None, NUMBERS_A_BIRTH + 1)
    again.close()


def test_a_memory_that_is_older_than_the_journal_says_nothing(killed: Path) -> None:
    """After a power failure it may be: nothing is lost by that, and nothing is to be said."""
    memory = killed.with_name("mail.db-shm")
    old = memory.read_bytes()
    box = opened(str(killed.parent))
    say(box, 11)
    box.close()
    box = opened(str(killed.parent))
    say(box, 12)
    new = killed.with_name("mail.db-wal").read_bytes()
    box.close()
    killed.with_name("mail.db-wal").write_bytes(new)
    memory.write_bytes(old)
    assert journal.frames(str(killed)) == 0


def test_a_mailbox_that_was_deleted_is_told(tmp_path: Path) -> None:
    """Another birth, and no file of the one before."""
    first = opened(str(tmp_path))
    assert first.set_aside is None
    first.close()
    (tmp_path / "mail.db").unlink()
    box = opened(str(tmp_path), birth=2)
    assert box.set_aside is not None
    assert box.set_aside.endswith("-gone")
    box.close()


# ---------------------------------------------------------------- the log, which many share

LOGGER = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from tests.store.test_journal import logged
log = logged(sys.argv[2], 5); log.close()
log = logged(sys.argv[2], 5)
os.kill(os.getpid(), signal.SIGKILL)
"""


def logged(folder: str, count: int = 0) -> LogStore:
    """The log in *folder*, with so many more notes."""
    log = LogStore(folder)
    for _ in range(count):
        log.say(Draft(by=ANN, name="ann", repo="remote:x", kind=What.NOTE, data={"text": "x" * 3_000}), 1.0)
    return log


@pytest.fixture
def dead_log(tmp_path: Path) -> Path:
    """The file of a log whose only user was killed after ten notes, of which five are in the journal only."""
    done = subprocess.run([sys.executable, "-c", LOGGER, str(ROOT), str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    return tmp_path / "log.db"


def test_a_log_whose_journal_is_whole(dead_log: Path) -> None:
    """Nothing is lost, and nothing said of damage; nor where others have it open."""
    with closing(logged(str(dead_log.parent), 1)) as log, closing(logged(str(dead_log.parent))) as other:
        assert (log.set_aside, other.set_aside) == (None, None)
        assert log.count("remote:x") == 11
        assert log.due() == 11


@pytest.mark.parametrize("spoil", [half, last_frame, noise, header, empty, Path.unlink])
def test_a_log_whose_journal_was_spoiled(dead_log: Path, spoil: Callable[[Path], None]) -> None:
    """It is told once, and others are told anew, by numbers that none of the lost ones had."""
    spoil(Path(f"{dead_log}-wal"))
    with closing(logged(str(dead_log.parent))) as log:
        assert str(log.set_aside).endswith("-cut")
        assert log.count("remote:x") < 10
        assert log.due() > 10
        said = log.say(Draft(by=ANN, name="ann", repo="remote:x", kind=What.NOTE, data={"text": "y"}), 1.0)
        assert said.id.n > 11
    with closing(logged(str(dead_log.parent))) as again:
        assert again.set_aside is None


def test_an_older_copy_of_the_log(tmp_path: Path) -> None:
    """Whoever puts one back is told the same."""
    logged(str(tmp_path), 5).close()
    old = (tmp_path / "log.db").read_bytes()
    logged(str(tmp_path), 5).close()
    (tmp_path / "log.db").write_bytes(old)
    with closing(logged(str(tmp_path))) as log:
        assert str(log.set_aside).endswith("-cut")
        assert log.due() > 10


def test_a_log_that_was_made_anew(tmp_path: Path) -> None:
    """The mark of the one before says nothing of it."""
    logged(str(tmp_path), 5).close()
    (tmp_path / "log.db").unlink()
    with closing(logged(str(tmp_path))) as log:
        assert str(log.set_aside).endswith("-gone")
        assert log.due() == 0


@pytest.mark.parametrize("words", ["", "x", "a b c", "log 1"])
def test_a_mark_that_makes_no_sense(tmp_path: Path, words: str) -> None:
    """It is none."""
    logged(str(tmp_path), 5).close()
    (tmp_path / "log.mark").write_text(words)
    with closing(logged(str(tmp_path))) as log:
        assert log.set_aside is None
