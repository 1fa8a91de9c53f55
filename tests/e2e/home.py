"""A throw-away HOME with a Claude Code that has been set up, and what may still live in it afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

API_KEY = "peer-test-key-0123456789"  # any string does; approved below by its last 20 characters

# Nothing tells us that a file or a screen changed, so they are looked at this often, in seconds.
LOOK = 0.02


def until(check: Callable[[], object], timeout: float, what: str) -> None:
    """Come back as soon as *check* is true; TimeoutError naming *what* after *timeout* seconds."""
    end = time.monotonic() + timeout
    while not check():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(LOOK)


def alive(pid: int) -> bool:
    """Whether the process *pid* exists and is not merely waiting to be reaped."""
    asked = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.stdout.strip()[:1] not in ("", "Z")


def send_signal(pid: int, number: signal.Signals) -> None:
    """Signal *pid*; that it is gone already is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


class Home:
    """The directory: `path` is HOME, `peer` is PEER_HOME."""

    def __init__(self) -> None:
        # Right under /tmp and short: PEER_HOME holds sockets, whose paths have 103 bytes at most.
        self.path = Path(tempfile.mkdtemp(prefix="pe", dir="/tmp")).resolve()
        self.peer = self.path / "p"
        self.peer.mkdir(mode=0o700)
        self._scratch = self.path / "t"
        self._scratch.mkdir(mode=0o700)
        self._settings = self.path / ".claude.json"
        approved = {"approved": [API_KEY[-20:]], "rejected": []}
        self._settle({"hasCompletedOnboarding": True, "customApiKeyResponses": approved, "projects": {}})

    def _settle(self, settings: Mapping[str, object]) -> None:
        self._settings.write_text(json.dumps(settings))

    def trust(self, directory: Path) -> None:
        """Answer the client's question whether *directory* is trusted, before it is asked.

        Not while a session starts or ends: the client writes to the same file.
        """
        settings = json.loads(self._settings.read_text())
        settings["projects"][str(directory)] = {"hasTrustDialogAccepted": True}
        self._settle(settings)

    def repo(self, name: str = "r") -> Path:
        """A new git repository with one commit in this home, trusted by the client."""
        path = self.path / name
        path.mkdir()
        (path / "README.md").write_text("A repository for a test.\n")
        who = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false"]
        for command in (
            ["init", "-q", "-b", "main"],
            ["add", "."],
            [*who, "commit", "-q", "-m", f"First of {name}"],
        ):
            subprocess.run(["git", "-C", str(path), *command], check=True, capture_output=True, timeout=30)
        self.trust(path)
        return path

    def environment(self, url: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """All that a session's process is given; nothing else of ours leaks into it.

        PATH begins with the directory of this Python, where the `peer` under test is installed.
        """
        return {
            "HOME": str(self.path),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "SHELL": shutil.which("bash") or "/bin/sh",
            # The client's sockets and scratch go there, and end with this home.
            "TMPDIR": str(self._scratch),
            "CLAUDE_CODE_TMPDIR": str(self._scratch),
            "ANTHROPIC_API_KEY": API_KEY,
            "ANTHROPIC_BASE_URL": url,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
            "PEER_HOME": str(self.peer),
            "PEER_LAN": "off",
            **(extra or {}),
        }

    def session_file(self, pid: int) -> dict[str, Any]:
        """What the client *pid* says of itself in ~/.claude/sessions; empty when there is none (yet)."""
        path = self.path / ".claude" / "sessions" / f"{pid}.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # not yet, or being written
            return {}
        return found

    def leftovers(self) -> list[int]:
        """Processes with this PEER_HOME in their environment (by /proc; elsewhere none are found)."""
        mark = f"\0PEER_HOME={self.peer}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                inside = mark in b"\0" + entry.read_bytes()
            except OSError:  # ended meanwhile, or somebody else's
                continue
            if inside:
                found.append(int(entry.parent.name))
        return found

    def close(self) -> None:
        """End what is left of our own processes, by their ids, and remove the directory."""
        for pid in self.leftovers():
            send_signal(pid, signal.SIGKILL)
        until(lambda: not self.leftovers(), 10.0, "the end of killed processes")
        shutil.rmtree(self.path, ignore_errors=True)
