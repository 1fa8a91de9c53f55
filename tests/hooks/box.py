"""A state directory with one session, and the hooks' first step to run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from peermesh.hooks import plugin

# A path as awkward as a person's can be.
AWKWARD = 'it\'s a "test" $HOME `x` dir'

SHELLS = [shell for shell in (["/bin/sh"], ["dash"], ["bash", "--posix"], ["bash"]) if shutil.which(shell[0])]

# An interpreter that notes how it was called, and what it was told.
NOTING = """#!/bin/sh
for word; do printf '%s\\0' "$word"; done >"{calls}"
{keep}
exit {code}
"""


@dataclass
class Box:
    """A state directory with a session and a filled plugin, whose interpreter only takes notes."""

    path: Path
    shell: list[str]
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = self.path / "state dir"
        self.session = self.home / "session" / "abc-1"
        (self.session / "due").mkdir(parents=True)
        (self.session / "pid").write_text(f"{os.getpid()}\n")
        self.root = self.path / AWKWARD
        (self.root / "peermesh" / "hooks").mkdir(parents=True)
        (self.root / "peermesh" / "hooks" / "lane.py").touch()
        self.python = self.root / "python"
        self.interpreter()
        plugin.write(str(self.home), str(self.python), str(self.root))
        self.hook = self.home / "plugin" / "peer" / "hooks" / "hook.sh"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "PEER_HOME": str(self.home),
            "CLAUDE_CODE_SESSION_ID": "abc-1",
            "CLAUDE_CODE_ENTRYPOINT": "cli",
        }

    def interpreter(self, code: int = 0, *, keep: bool = False) -> None:
        """Make the noting interpreter, which exits with *code*; *keep*: also what it reads."""
        reads = f"cat >'{self.path / 'stdin'}'" if keep else ""
        self.python.write_text(NOTING.format(calls=self.path / "calls", code=code, keep=reads))
        self.python.chmod(0o755)

    def run(self, event: str, stdin: bytes = b"{}") -> subprocess.CompletedProcess[bytes]:
        """Run the hook for *event*."""
        command = [*self.shell, str(self.hook), event]
        return subprocess.run(
            command, input=stdin, env=self.environment, capture_output=True, timeout=20, check=False
        )

    def quiet(self, event: str, stdin: bytes = b"{}") -> bool:
        """Run the hook, which must exit 0 without a word; whether the interpreter was left alone."""
        done = self.run(event, stdin)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        return not self.calls()

    def calls(self) -> list[str]:
        """The words with which the interpreter was called last; none if it was not."""
        try:
            return (self.path / "calls").read_text().split("\0")[:-1]
        except FileNotFoundError:
            return []

    def stdin(self) -> bytes:
        """What the interpreter read, if it was to keep it."""
        return (self.path / "stdin").read_bytes()

    def wrote(self, name: str) -> str | None:
        """What is in a file of the session's, if it is there."""
        path = self.session / name
        return path.read_text() if path.is_file() else None
