"""Disks and files that fail: full, read-only, newer, damaged. One sentence each, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .actors import Actor, Person, Session
from .conftest import Sessions
from .home import Home, until

mounts = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="a file system of its own needs root on Linux"
)


@contextmanager
def mounted(path: Path, options: str) -> Iterator[None]:
    """A small file system at *path*; it outlives nothing that runs on it."""
    path.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def failing(actor: Actor, code: str, *words: str, within: float = 5.0) -> str:
    """A command that must fail with *code* and exit 1, soon; its sentence."""
    done = actor.peer(*words, "--json")
    assert done.code == 1, done
    assert done.json["error"]["code"] == code
    assert done.seconds < within
    said = str(done.json["error"]["message"])
    assert "\n" not in said
    return said


@mounts
def test_read_only_home(home: Home, session: Sessions) -> None:
    """A state directory that cannot be written: exit 1 with what to check, and hooks say nothing."""
    with mounted(home.peer, "size=1m,ro,mode=700"):
        assert "check the owner and permissions" in failing(Person(home), "read-only", "list")
        one = session("a", start=False)
        for event in ("SessionStart", "UserPromptSubmit", "Stop", "Wait"):
            done = one.run_hook(event, prompt="x")
            assert (done.code, done.out, done.err) == (0, "", "")


def _fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file:
        for size in (65_536, 4_096, 512):
            with contextlib.suppress(OSError):  # no space left, or less than *size*
                while file.write(b"\0" * size) == size:
                    pass


@mounts
def test_full_disk(home: Home, session: Sessions) -> None:
    """A disk that fills up: exit 1, nothing is said to be sent; with room again all goes on, nothing lost."""
    with mounted(home.peer, "size=4m,mode=700"):
        one, two = session("a"), session("b")
        kept = one.send("b", "before")
        _fill(home.peer / "ballast")
        for _ in range(3):
            assert "Free some space" in failing(one, "disk-full", "send", "b", "x" * 60_000)
        done = two.run_hook("UserPromptSubmit", prompt="x")
        assert done.code == 0
        (home.peer / "ballast").unlink()
        assert "safe with b" in one.ok("send", "b", "after")
        ids = [i for i, m in one.sent().items() if m["body"] != "after"]
        assert ids == [kept]
        shown = done.out + until(two.prompt, "what waits")
        assert "> before" in shown
        assert "> after" in shown
        _end(one, two)


@mounts
def test_start_on_a_full_disk(home: Home, session: Sessions) -> None:
    """A sidecar that cannot start for want of room says why, at once."""
    with mounted(home.peer, "size=1m,mode=700"):
        _fill(home.peer / "ballast")
        assert "Free some space" in failing(Person(home), "disk-full", "list")
        one = session("a", start=False)
        assert one.run_hook("SessionStart").code == 0


def _end(*actors: Session) -> None:
    for one in actors:
        one.end()


def _set_version(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def test_newer_shared_file(home: Home, session: Sessions) -> None:
    """A host.db of a newer program is refused with a sentence, at once, and left as it is."""
    one = session("a")
    one.end()
    _set_version(home.peer / "host.db")
    assert "newer peer" in failing(Person(home), "store-newer", "list")
    again = Session(home, "a", home.app, one.id)
    assert again.run_hook("SessionStart").code == 0
    assert "newer peer" in failing(again, "store-newer", "list")
    assert not list(home.peer.glob("*damaged*"))


def test_newer_mailbox(home: Home, session: Sessions) -> None:
    """A mailbox of a newer program stops its own peer only, with a sentence."""
    one, two = session("a"), session("b")
    one.end()
    _set_version(one.directory / "mail.db")
    again = Session(home, "a", home.app, one.id)
    assert "newer peer" in failing(again, "store-newer", "inbox")
    assert "queued" in two.ok("send", "a", "waits for the newer program")
    assert not list(one.directory.glob("*damaged*"))


def _scribble(path: Path) -> None:
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    size = max(8_192, path.stat().st_size)
    path.write_bytes(b"this was a database" + os.urandom(size))


def _cut(path: Path) -> None:
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_scribble, _cut])
def test_damaged_mailbox(home: Home, session: Sessions, damage: Callable[[Path], None]) -> None:
    """It is set aside with a word in `peer doctor`; its peer goes on, as the same one, and so do the others."""
    one, two = session("a"), session("b")
    two.send("a", "first")
    one.send("b", "from the old mailbox")
    one.end()
    damage(one.directory / "mail.db")
    again = Session(home, "a", home.app, one.id)
    again.start("resume")
    assert again.status["name"] == "a"
    found = [f for f in again.peer("doctor", "--json").json if f["what"] == "store"]
    assert "was set aside as" in found[0]["words"]
    assert Path(found[0]["words"].rpartition(" ")[2]).exists()
    two.send("a", "second")
    assert again.unread() == ["second"]
    again.send("b", "from the new mailbox")
    assert two.unread() == ["from the old mailbox", "from the new mailbox"]


@pytest.mark.parametrize("damage", [_scribble, _cut])
def test_damaged_shared_file(home: Home, session: Sessions, damage: Callable[[Path], None]) -> None:
    """It is set aside with a word; everybody keeps id, name and mail, from the cards in their directories."""
    one, two = session("a"), session("b")
    peer = one.status["id"]
    two.send("a", "kept")
    _end(one, two)
    damage(home.peer / "host.db")
    again = Session(home, "a", home.app, one.id)
    again.start("resume")
    assert (again.status["id"], again.status["name"]) == (peer, "a")
    assert again.unread() == ["kept"]
    assert "safe for b" in again.ok("send", "b", "also after the damage")
    assert [f["grade"] for f in again.peer("doctor", "--json").json if f["what"] == "store"] == ["wrong"]


def test_shared_file_lost_while_running(home: Home, session: Sessions) -> None:
    """When host.db vanishes under running sidecars they go on, and know each other still."""
    one, two = session("a"), session("b")
    for path in home.peer.glob("host.db*"):
        path.unlink()
    assert "safe with b" in one.ok("send", "b", "still here")
    assert two.unread() == ["still here"]
    assert {p["name"] for p in two.ask("list")["peers"]} == {"a", "b"}


def test_stale_door(home: Home, session: Sessions) -> None:
    """A file that stands where the door should be is replaced at the next start."""
    one = session("a")
    one.end()
    for name in ("door", "link"):
        (one.directory / name).unlink(missing_ok=True)
        (one.directory / name).write_text("not a socket")
    again = Session(home, "a", home.app, one.id)
    assert again.peer("status").code == 0


def test_stale_pid_of_another_process(home: Home, session: Sessions) -> None:
    """A pid file that names a process of somebody else does not keep a crashed sidecar down for ever."""
    one, two = session("a"), session("b")
    one.kill_sidecar()
    (one.directory / "pid").write_text(f"{os.getpid()}\n")
    two.send("a", "waits")
    assert "waits" in until(one.prompt, "the mail", 8.0)  # the keeper sweeps every 5 s
    assert one.status["pid"] != os.getpid()
