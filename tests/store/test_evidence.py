"""A file that was damaged is told of, also if whoever opens it first dies, or his disk fails, before he has told."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from peermesh.errors import DiskFull
from peermesh.store import common, evidence, mailbox
from peermesh.store.host import CARD, HostStore
from peermesh.store.log import LogStore
from peermesh.store.mailbox import NUMBERS_A_BIRTH, Mailbox
from tests.store.test_journal import ANN, ROOT, half, killed, logged, next_number, opened, say

__all__ = ["killed"]

DIES = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from peermesh.store.mailbox import Mailbox
Mailbox(sys.argv[2], sys.argv[3], lambda: os.kill(os.getpid(), signal.SIGKILL))
"""


def full(*_: object) -> int:
    """The disk has no room just then."""
    raise DiskFull


def fails(folder: Path) -> None:
    """Somebody opens the mailbox, and cannot count it as another one."""
    with pytest.raises(DiskFull):
        Mailbox(str(folder), ANN, full)


def dies(folder: Path) -> None:
    """Somebody opens the mailbox, and is killed as he counts it as another one."""
    done = subprocess.run([sys.executable, "-c", DIES, str(ROOT), str(folder), ANN], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("first", [fails, dies])
def test_a_mailbox_whose_journal_was_cut(killed: Path, first: Callable[[Path], None]) -> None:
    """The next one tells it, and does not use again the numbers of what is lost."""
    half(killed.with_name("mail.db-wal"))
    first(killed.parent)
    first(killed.parent)
    box = opened(str(killed.parent), birth=2)
    assert (box.set_aside or "").endswith("-cut")
    assert next_number(box) == NUMBERS_A_BIRTH + 1
    box.close()
    again = opened(str(killed.parent), birth=3)  # once
    assert (again.set_aside, next_number(again)) == (None, NUMBERS_A_BIRTH + 1)
    again.close()


def test_a_whole_journal_whose_first_reader_failed(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It found nothing that lacks, and its end did away with the journal: the next one has nothing to tell."""
    with monkeypatch.context() as failing:
        failing.setattr(Mailbox, "_begin", full)
        with pytest.raises(DiskFull):
            opened(str(killed.parent))
    with closing(opened(str(killed.parent))) as box:
        assert box.set_aside is None
        assert next_number(box) < NUMBERS_A_BIRTH


def test_a_sign_is_not_lost_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands there already is not written again, and what replaces it is there before it goes."""
    path = str(tmp_path / "mail.db")
    evidence.gather(path, made=False, frames=3)

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as failing:
        failing.setattr(os, "symlink", no_room)
        assert evidence.gather(path, made=False, frames=3) == (False, 3)
        assert evidence.gather(path, made=False, frames=7) == (False, 7)
    assert evidence.gather(path, made=False) == (False, 3)


@pytest.mark.parametrize("first", [fails, dies])
def test_a_mailbox_that_was_deleted(tmp_path: Path, first: Callable[[Path], None]) -> None:
    """The same; its peer's card says that there was one."""
    box = opened(str(tmp_path))
    say(box, 1)
    box.close()
    (tmp_path / CARD).touch()
    (tmp_path / "mail.db").unlink()
    first(tmp_path)
    box = opened(str(tmp_path), birth=2)
    assert (box.set_aside or "").endswith("-gone")
    assert next_number(box) == NUMBERS_A_BIRTH + 1
    box.close()


def test_the_word_itself_cannot_be_left(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sign for `peer doctor` needs the disk too."""
    half(killed.with_name("mail.db-wal"))
    with monkeypatch.context() as failing:
        failing.setattr(mailbox, "note", full)
        with pytest.raises(DiskFull):
            opened(str(killed.parent), birth=2)
    box = opened(str(killed.parent), birth=3)
    assert (box.set_aside or "").endswith("-cut")
    assert next_number(box) == 2 * NUMBERS_A_BIRTH + 1
    box.close()


def delete(root: Path, name: str) -> None:
    """All of the file at once."""
    for path in root.glob(f"{name}*"):
        path.unlink()


@pytest.mark.parametrize(
    ("name", "store"),
    [("host.db", lambda root: HostStore(root, "desk")), ("log.db", LogStore)],
    ids=["host.db", "log.db"],
)
def test_a_shared_file_that_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, store: Callable[[str], common.CommonFile]
) -> None:
    """The next one tells it."""
    store(str(tmp_path)).close()
    delete(tmp_path, name)
    with monkeypatch.context() as failing:
        failing.setattr(common, "note", full)
        with pytest.raises(DiskFull):
            store(str(tmp_path))
    with closing(store(str(tmp_path))) as again:
        assert (again.set_aside or "").endswith("-gone")
    with closing(store(str(tmp_path))) as later:
        assert later.set_aside is None


def test_a_log_that_came_back_older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mark is mended with it; that it was older is told all the same."""
    logged(str(tmp_path), 5).close()
    old = (tmp_path / "log.db").read_bytes()
    logged(str(tmp_path), 5).close()
    (tmp_path / "log.db").write_bytes(old)
    with monkeypatch.context() as failing:
        failing.setattr(common, "note", full)
        with pytest.raises(DiskFull):
            LogStore(str(tmp_path))
    with closing(LogStore(str(tmp_path))) as again:
        assert (again.set_aside or "").endswith("-cut")


def test_no_sign_stays(tmp_path: Path) -> None:
    """Neither of a first mailbox nor of one that is as it was."""
    for birth in (1, 2):
        box = opened(str(tmp_path), birth=birth)
        say(box, birth)
        assert not [one for one in os.listdir(tmp_path) if "opening" in one or "damaged" in one]
        box.close()
