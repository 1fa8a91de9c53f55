"""Damaged, newer, read-only and full: what is wrong is said, and what was there is not lost."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peermesh.core.script import KeepOut
from peermesh.errors import DiskFull, PeerError, ReadOnly, StoreBroken, StoreNewer
from peermesh.store import sqlite as edge
from peermesh.store.mailbox import STEPS, Mailbox
from peermesh.store.sqlite import open_file, set_aside
from tests.store.boxes import ANN, CLOCK, Births, host, mailbox, said
from tests.store.conftest import Mount

# Above this, a file is not read whole when it is opened; damage is found when it is met.
MANY = 60


def filled(directory: Path, messages: int = MANY) -> Path:
    """A mailbox with some messages, closed; its file."""
    with mailbox(directory) as box:
        box.keep([KeepOut(said(n, body="x" * 500)) for n in range(1, messages + 1)], CLOCK)
    return directory / "mail.db"


def garbage(path: Path) -> None:
    """Something else was written over it."""
    path.write_bytes(os.urandom(path.stat().st_size))


def nothing(path: Path) -> None:
    """It was cut to nothing."""
    path.write_bytes(b"")


def half(path: Path) -> None:
    """It was cut in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def one_page(path: Path) -> None:
    """Only its first page is left."""
    path.write_bytes(path.read_bytes()[:4096])


def header(path: Path) -> None:
    """Its first bytes were overwritten."""
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])


def a_page_of_noise(path: Path) -> None:
    """A page in its middle was overwritten."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(data)


DAMAGES = [garbage, nothing, half, one_page, header, a_page_of_noise]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_mailbox_is_set_aside_with_a_word(tmp_path: Path, damage: object) -> None:
    """The damaged file is kept beside, and a new one takes its place and works."""
    path = filled(tmp_path)
    damage(path)  # type: ignore[operator]
    was = path.read_bytes()
    with mailbox(tmp_path) as box:
        assert box.set_aside is not None
        assert box.born
        assert Path(box.set_aside).read_bytes() == was
        n = box.snapshot(0.0, CLOCK).next_n
        box.keep([KeepOut(said(n))], CLOCK)
        assert len(box.sent(10)) == 1
    with mailbox(tmp_path) as box:
        assert box.set_aside is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_host_file_is_set_aside_with_a_word(tmp_path: Path, damage: object) -> None:
    """The same for the shared file."""
    with host(tmp_path):
        pass
    path = tmp_path / "host.db"
    damage(path)  # type: ignore[operator]
    with host(tmp_path) as store:
        assert store.set_aside is not None
        assert Path(store.set_aside).exists()
        assert store.cards() == []


def killed(directory: Path) -> None:
    """Fill a mailbox in a process that is killed: its journal stays beside the file."""
    pid = os.fork()
    if pid == 0:
        box = Mailbox(str(directory), ANN, Births())
        box.keep([KeepOut(said(n)) for n in range(1, 4)], CLOCK)
        os._exit(0)
    os.waitpid(pid, 0)
    assert (directory / "mail.db-wal").stat().st_size > 0


def test_a_kill_loses_nothing(tmp_path: Path) -> None:
    """What was kept before a kill is in the journal, and there when the file is opened again."""
    killed(tmp_path)
    with mailbox(tmp_path) as box:
        assert (len(box.sent(10)), box.set_aside) == (3, None)


def test_a_journal_that_was_removed(tmp_path: Path) -> None:
    """Without it the file is empty: that is damage and not a new mailbox, and numbers are not used again."""
    births = Births()
    births.count = 1
    killed(tmp_path)
    (tmp_path / "mail.db-wal").unlink()
    with mailbox(tmp_path, births) as box:
        assert box.set_aside is not None
        assert box.snapshot(0.0, CLOCK).next_n > 1_000_000_000


def test_a_journal_of_noise(tmp_path: Path) -> None:
    """A journal that does not check is not read; without it the file is empty, and set aside together."""
    killed(tmp_path)
    noise = b"\x5a" * 5_000
    (tmp_path / "mail.db-wal").write_bytes(noise)
    with mailbox(tmp_path) as box:
        assert box.set_aside is not None
        assert box.sent(10) == []


def test_twice_damaged_in_one_second(tmp_path: Path) -> None:
    """The second does not take the place of the first."""
    kept = []
    for number in range(3):
        path = tmp_path / "mail.db"
        path.write_bytes(b"damage %d" % number * 100)
        kept.append(Path(set_aside(str(path))))
    assert [one.read_bytes()[:8] for one in kept] == [b"damage 0", b"damage 1", b"damage 2"]


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage(tmp_path: Path, data: st.DataObject) -> None:
    """Any bytes overwritten anywhere: it opens, here or anew, or says in our words why it does not."""
    directory = tmp_path / str(len(list(tmp_path.iterdir())))
    directory.mkdir()
    path = filled(directory, 20)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        noise = data.draw(st.binary(min_size=1, max_size=64))
        content[place : place + len(noise)] = noise
    path.write_bytes(content)
    try:
        with mailbox(directory) as box:
            box.keep([KeepOut(said(box.snapshot(0.0, CLOCK).next_n))], CLOCK)
    except (StoreBroken, StoreNewer, ReadOnly):
        return


# ---------------------------------------------------------------- newer


def newer(path: Path, mode: str) -> bytes:
    """A file that a later version wrote, closed; its bytes."""
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA journal_mode={mode}")
    db.executescript("CREATE TABLE inbox (a, b, c); INSERT INTO inbox VALUES (1, 2, 3)")
    db.execute("PRAGMA user_version=99")
    db.commit()
    db.close()
    return path.read_bytes()


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_newer_file_is_refused_and_untouched(tmp_path: Path, mode: str) -> None:
    """It is the newer program's, and stays as it was, to the byte."""
    path = tmp_path / "mail.db"
    was = newer(path, mode)
    with pytest.raises(StoreNewer, match="newer"):
        Mailbox(str(tmp_path), ANN, Births())
    assert path.read_bytes() == was
    assert [one.name for one in tmp_path.iterdir()] == ["mail.db"]


def test_a_newer_host_file_is_refused(tmp_path: Path) -> None:
    """The same for the shared file."""
    was = newer(tmp_path / "host.db", "wal")
    with pytest.raises(StoreNewer), host(tmp_path):
        pass
    assert (tmp_path / "host.db").read_bytes() == was


# ---------------------------------------------------------------- steps


def test_stepping_forward(tmp_path: Path) -> None:
    """A file of any earlier version is brought to this one, with what it held."""
    path = str(tmp_path / "mail.db")
    steps = [
        *STEPS,
        "ALTER TABLE outbox ADD COLUMN mood TEXT NOT NULL DEFAULT 'fine'",
        "CREATE TABLE more (a)",
    ]
    filled(tmp_path, 3)
    for upto in (len(STEPS) + 1, len(STEPS) + 2):
        db, aside = open_file(path, steps[:upto])
        assert aside is None
        assert db.execute("PRAGMA user_version").fetchone()[0] == upto
        assert db.execute("SELECT n, mood FROM outbox").fetchall() == [(1, "fine"), (2, "fine"), (3, "fine")]
        db.close()


def test_a_new_file_takes_all_steps(tmp_path: Path) -> None:
    """It ends at the same version as one that was stepped."""
    db, _ = open_file(str(tmp_path / "x.db"), [*STEPS, "CREATE TABLE more (a)"])
    assert db.execute("PRAGMA user_version").fetchone()[0] == len(STEPS) + 1
    db.close()


def test_a_step_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The file stays at its version, and the older program can go on with it."""
    path = str(tmp_path / "mail.db")
    filled(tmp_path, 3)
    with pytest.raises(StoreBroken):
        open_file(path, [*STEPS, "CREATE TABLE more (a);\nCREATE TABLE inbox (a)"])
    with mailbox(tmp_path) as box:
        assert len(box.sent(10)) == 3
        assert not box._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchone()


# ---------------------------------------------------------------- read-only and full


def test_a_read_only_disk(disk: Mount) -> None:
    """Nothing can be kept, which is said; what is there can be read again afterwards."""
    filled(disk.path, 3)
    disk.read_only(on=True)
    with pytest.raises(ReadOnly):
        Mailbox(str(disk.path), ANN, Births())
    with pytest.raises(ReadOnly), host(disk.path):
        pass
    disk.read_only(on=False)
    with mailbox(disk.path) as box:
        assert (len(box.sent(10)), box.set_aside) == (3, None)


def test_a_read_only_directory() -> None:
    """The same by the directory's mode, seen by a process that is not root: root may write everywhere."""
    place = Path("/tmp") / f"peer-test-{os.getpid()}"
    place.mkdir(mode=0o555)
    try:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            if os.geteuid() == 0:
                os.setuid(65534)
            said = b"nothing"
            try:
                Mailbox(str(place), ANN, Births())
            except ReadOnly:
                said = b"ReadOnly"
            finally:
                os.write(write, said)
                os._exit(0)
        os.close(write)
        os.waitpid(pid, 0)
        assert os.read(read, 100) == b"ReadOnly"
        os.close(read)
    finally:
        place.rmdir()


def test_a_full_disk_keeps_what_was_there(disk: Mount) -> None:
    """A batch that does not fit is refused as a whole; when there is room, it goes on where it was."""
    with mailbox(disk.path) as box:
        box.keep([KeepOut(said(1))], CLOCK)
        hog = disk.fill()
        with pytest.raises(DiskFull):
            box.keep([KeepOut(said(2, body="x" * 50_000)), KeepOut(said(3))], CLOCK)
        assert [m.id.n for m, _ in box.sent(10)] == [1]
        assert box.snapshot(0.0, CLOCK).next_n == 2
        hog.unlink()
        box.keep([KeepOut(said(2))], CLOCK)
    with mailbox(disk.path) as box:
        assert ([m.id.n for m, _ in box.sent(10)], box.set_aside) == ([1, 2], None)


def test_a_disk_that_is_full_from_the_start(disk: Mount) -> None:
    """No mailbox can be made, which is said; when there is room, one can, and its numbers begin at 1."""
    hog = disk.fill()
    with pytest.raises(DiskFull):
        Mailbox(str(disk.path), ANN, Births())
    with pytest.raises(DiskFull), host(disk.path):
        pass
    hog.unlink()
    with mailbox(disk.path) as box:
        assert (box.set_aside, box.snapshot(0.0, CLOCK).next_n) == (None, 1)
        box.keep([KeepOut(said(1))], CLOCK)
    with host(disk.path) as store:
        assert store.cards() == []


def test_a_disk_that_fills_while_a_file_is_made(disk: Mount) -> None:
    """However little room there is: it works, or it says that the disk is full; never that it is damaged."""
    hog = disk.fill()
    size = hog.stat().st_size
    outcomes = set()
    for room in range(0, 160 * 1024, 8 * 1024):
        os.truncate(hog, size - room)
        try:
            with mailbox(disk.path) as box:
                assert box.set_aside is None
                box.keep([KeepOut(said(box.snapshot(0.0, CLOCK).next_n))], CLOCK)
                outcomes.add("works")
        except DiskFull:
            outcomes.add("full")
        with contextlib.suppress(DiskFull), mailbox(disk.path) as box:
            assert box.set_aside is None
        for left in disk.path.glob("mail.db*"):
            left.unlink()
    assert outcomes == {"full", "works"}


def test_errors_in_our_words() -> None:
    """What SQLite calls it is translated once, at the edge."""
    with pytest.raises(DiskFull), edge.translated("x"):
        raise with_code(sqlite3.SQLITE_FULL)
    with pytest.raises(ReadOnly, match="owner"), edge.translated("x"):
        raise with_code(sqlite3.SQLITE_READONLY)
    with pytest.raises(StoreBroken) as wrong, edge.translated("x"):
        raise with_code(sqlite3.SQLITE_CORRUPT)
    assert wrong.value.detail["damaged"]


def with_code(code: int) -> sqlite3.OperationalError:
    """An error of SQLite's."""
    wrong = sqlite3.OperationalError("so it says")
    wrong.sqlite_errorcode = code
    return wrong


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """A limit on files' sizes is a disk that takes no more: nothing of the batch is kept, all before it is."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            box = Mailbox(str(tmp_path), ANN, Births())
            box.keep([KeepOut(said(1))], CLOCK)
            resource.setrlimit(resource.RLIMIT_FSIZE, (128 * 1024, 128 * 1024))
            try:
                box.keep([KeepOut(said(2)), KeepOut(said(3, body="x" * 500_000))], CLOCK)
            except PeerError:
                code = 0 if box.snapshot(0.0, CLOCK).next_n == 2 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with mailbox(tmp_path) as box:
        assert ([m.id.n for m, _ in box.sent(10)], box.set_aside) == ([1], None)
