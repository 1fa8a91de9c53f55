"""A run leaves nothing behind, also one that is ended before its time and whose files are gone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from peermesh.locks import free_lock, take_lock
from tests.lan.hosts import until
from tests.live.home import adopt_orphans, reap
from tests.netns import require

from .ending import holder

WORDS = ("--seed", "3", "--minutes", "2", "--hosts", "2", "--sessions", "1")
RUN = [sys.executable, "-m", "tests.chaos", *WORDS]
# Until the sessions of both hosts run, and until all of them have ended.
BEGIN, END = 90.0, 60.0  # seconds


class Marked:
    """Processes that have a directory of this test's in their PATH, as all have that a run starts."""

    def __init__(self, folder: Path) -> None:
        self.environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "TMPDIR": str(folder)}
        self._mark = f"{folder}:".encode()

    def _settings(self) -> Iterator[tuple[int, dict[str, str]]]:
        for entry in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                lines = entry.read_bytes().split(b"\0")
                if any(line.startswith(b"PATH=") and self._mark in line for line in lines):
                    pairs = (line.decode(errors="replace").partition("=") for line in lines)
                    yield int(entry.parent.name), {name: value for name, _, value in pairs}

    def pids(self) -> list[int]:
        """All of them that live."""
        return [pid for pid, _ in self._settings() if not reap(pid)]

    def homes(self) -> set[str]:
        """The state directories of hosts on which a session's sidecar runs."""
        return {
            home
            for _, one in self._settings()
            if (home := one.get("PEER_HOME", "")) and any(Path(home).glob("session/*/door"))
        }


@pytest.fixture
def marked(tmp_path: Path) -> Iterator[Marked]:
    """Whatever a test leaves is ended here."""
    require()
    adopt_orphans()
    marked = Marked(tmp_path)
    yield marked
    for pid in marked.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def nothing(_: set[str]) -> None:
    """The files stay."""


def take_away(homes: set[str]) -> None:
    """One host's state directory is emptied under its sidecars, and all of its home."""
    shutil.rmtree(Path(min(homes)).parent, ignore_errors=True)


@pytest.mark.netns
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("number", "before"),
    [(signal.SIGTERM, nothing), (signal.SIGINT, take_away)],
    ids=["TERM", "INT, no files"],
)
def test_ended_before_its_time(
    marked: Marked, number: signal.Signals, before: Callable[[set[str]], None]
) -> None:
    """No process, no network and no file system is left."""
    with subprocess.Popen(RUN, env=marked.environment, stderr=subprocess.PIPE, start_new_session=True) as run:
        until(lambda: len(marked.homes()) == 2, "the sessions of both hosts", BEGIN)
        homes = marked.homes()
        time.sleep(2.0)  # in the middle of pairing, or of the plan
        before(homes)
        run.send_signal(number)
        time.sleep(0.2)
        run.send_signal(signal.SIGTERM)  # a second one keeps nobody from taking things away
        _, err = run.communicate(timeout=END)
    assert run.returncode == 130, err.decode()
    assert marked.pids() == []
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert f"peer{run.pid}-" not in spaces
    mounts = Path("/proc/mounts").read_text()
    assert not [home for home in homes if home in mounts or os.path.exists(home)]


def test_who_holds_a_lock(tmp_path: Path) -> None:
    """The kernel knows it, whatever the disk of the holder does."""
    path = tmp_path / "lock"
    assert holder(path) == 0
    lock = take_lock(str(path))
    assert lock is not None
    assert holder(path) == os.getpid()
    free_lock(lock)
    assert holder(path) == 0
