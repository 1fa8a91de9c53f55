"""Speakers in the hosts of a test's network, and how a test talks to them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.netns import Network

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("speaker.py")
# How long an answer may take, in seconds: more than the longest `until` of the tests.
PATIENCE = 20.0


class RefusedError(Exception):
    """The speaker answered with an error; *kind* is its class's name."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class Remote:
    """A speaker's process in *host* of *lan*, started at once. Its warnings are errors."""

    def __init__(
        self,
        lan: Network,
        host: str,
        *,
        called: str | None = None,
        cwd: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        argv = [sys.executable, "-X", "dev", "-W", "error", str(SCRIPT), *([called] if called else [])]
        self.host = host
        self.process: subprocess.Popen[bytes] = lan.popen(
            host,
            argv,
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )

    def started(self, interfaces: list[str] | None = None) -> Self:
        """Itself, with its responder started."""
        self("start", interfaces)
        return self

    def __call__(self, *command: Any) -> Any:
        """What the speaker answers to *command*; raises RefusedError if that is an error."""
        self.begin(*command)
        return self.answer()

    def begin(self, *command: Any) -> None:
        """Send *command*, whose answer() is asked for later."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    def answer(self) -> Any:
        """The answer to the oldest command that has not been answered."""
        assert self.process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            part = os.read(self.process.stdout.fileno(), 65_536) if ready else b""
            if not part:
                raise AssertionError(f"{self.host} does not answer; it wrote: {self.words()}")
            line += part
        kind, *rest = json.loads(line)
        if kind == "error":
            raise RefusedError(*rest)
        return rest[0]

    def kill(self) -> None:
        """End it in the middle of whatever it does, as kill -9."""
        self.process.kill()
        self.process.wait()

    def words(self) -> str:
        """All it wrote to its standard error. It is ended by this."""
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        return self.process.stderr.read().decode()
