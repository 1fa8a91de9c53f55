"""A state directory in which jobs are run by `runner.py`, and proof that nothing lives on in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from peermesh.jobs import record
from peermesh.jobs.record import EndRecord, JobRecord
from tests.live.home import PYTHON, ROOT, send_signal, until

RUNNER = str(Path(__file__).with_name("runner.py"))
SUPERVISOR = b"peermesh.jobs.supervisor"


class Job:
    """One job on disk."""

    def __init__(self, directory: Path) -> None:
        self.path = directory

    @property
    def record(self) -> JobRecord:
        """Its record."""
        found = record.read_job(str(self.path))
        assert found is not None
        return found

    @property
    def pid(self) -> int:
        """Its process, when it is known."""
        return until(lambda: self.record.pid, "the job's process")

    def end(self, timeout: float = 12.0) -> EndRecord:
        """How it ended, when it has."""
        return until(lambda: record.read_end(str(self.path)), "the job's end", timeout)

    @property
    def ended(self) -> bool:
        """Whether its end is written."""
        return (self.path / "end.json").exists()

    def log(self) -> bytes:
        """What it printed, of which no more than the newest part is kept."""
        path = self.path / "log"
        return path.read_bytes() if path.exists() else b""

    def printed(self, words: bytes) -> None:
        """Wait until *words* are in the log."""
        until(lambda: words in self.log(), f"{words!r} in the log")


class Bench:
    """The directory, and what runs in it."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="pj", dir="/tmp")).resolve()
        self.work = self.root / "work"
        self.work.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PEER_HOME": str(self.root),
            "PEER_LAN": "off",
            "PYTHONPATH": str(ROOT),
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def words(self, *command: str | bytes) -> list[str | bytes]:
        """What runs *command* as a job."""
        return [PYTHON, RUNNER, str(self.root), *command]

    def run(self, *command: str | bytes, **given: Any) -> subprocess.CompletedProcess[bytes]:
        """A job in the foreground, to its end."""
        usual: dict[str, Any] = {"env": self.env, "cwd": self.work, "timeout": 60.0}
        if not {"stdout", "stderr"} & set(given):
            usual["capture_output"] = True
        return subprocess.run(self.words(*command), check=False, **{**usual, **given})

    def sh(self, text: str, **given: Any) -> subprocess.CompletedProcess[bytes]:
        """The same for a line of a shell."""
        return self.run("sh", "-c", text, **given)

    def start(self, *command: str, **given: Any) -> subprocess.Popen[bytes]:
        """A job in the foreground that goes on while the test does something."""
        (self.root / "newest").unlink(missing_ok=True)
        usual: dict[str, Any] = {"env": self.env, "cwd": self.work}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(self.words(*command), **{**usual, **pipes, **given})
        self.processes.append(process)
        return process

    def detached(self, *command: str) -> Job:
        """A job that runs by itself."""
        done = self.run("--detach", *command)
        assert done.returncode == 0, done
        return self.job

    @property
    def job(self) -> Job:
        """The newest one."""
        path = self.root / "newest"
        until(path.exists, "a job")
        return Job(Path(path.read_text()))

    def jobs(self) -> list[str]:
        """All there are."""
        return record.directories(str(self.root))

    def alive(self, mark: bytes = b"") -> list[int]:
        """Processes of this directory whose command line holds *mark*, which have not ended."""
        ours = f"\0PEER_HOME={self.root}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                inside = ours in b"\0" + entry.read_bytes()
                words = entry.with_name("cmdline").read_bytes()
            except OSError:  # ended meanwhile
                continue
            if inside and words and mark in words:
                found.append(int(entry.parent.name))
        return found

    def supervisor(self) -> int:
        """The one supervisor that runs."""
        return until(lambda: self.alive(SUPERVISOR), "a supervisor")[0]

    def close(self) -> None:
        """End what the test left; supervisors must end by themselves, and none may have stumbled."""
        for process in self.processes:
            process.kill()
            process.communicate()
        try:
            for directory in self.jobs():
                record.control(directory, "kill")
            until(lambda: not self.alive(SUPERVISOR), "the end of all supervisors")
            noted = self.root / "sidecar.log"
            assert "Traceback" not in (noted.read_text() if noted.exists() else "")
        finally:
            for pid in self.alive():
                send_signal(pid, signal.SIGKILL)
            shutil.rmtree(self.root, ignore_errors=True)
