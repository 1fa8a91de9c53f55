"""How a test starts the real client: interactive sessions, one-shot runs and its other commands."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .api import Api
from .home import Home
from .terminal import Session, Terminal

# The default auto mode asks a server of the vendor's before each tool; this one does not.
MODE = "acceptEdits"

ALLOWED = ("Bash", "Write", "Edit", "Read", "SendMessage", "ListAgents")


@dataclass(frozen=True, slots=True)
class Ended:
    """A one-shot run that is over."""

    code: int
    out: str
    err: str
    seconds: float


class Claude:
    """The client of one test: one home, one scripted API, one terminal.

    Calling it starts an interactive session. `name` chooses the script in the API and is the session's
    own name too; `plugins` are directories for --plugin-dir; `arguments` are added to the command line.
    """

    def __init__(self, binary: Path, api: Api, home: Home, repo: Path, terminal: Terminal) -> None:
        self._binary = binary
        self._api = api
        self._home = home
        self._repo = repo
        self._terminal = terminal
        self._sessions: list[Session] = []

    def __call__(
        self,
        name: str,
        *arguments: str,
        plugins: tuple[Path, ...] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        ready: bool = True,
        named: bool = True,
        asks: bool = False,
    ) -> Session:
        """Start an interactive session, and wait for its prompt unless *ready* is false.

        Without *named* the client is not told the name: a resumed session has its own. With *asks* it asks
        for permission before every edit and command.
        """
        command = [*self._command(plugins, asks=asks), *(("-n", name) if named else ()), *arguments]
        environment = self._home.environment(self._api.url(name), env)
        started = self._terminal.start(command, environment, cwd or self._repo)
        session = Session(self._terminal, self._home, name, started)
        self._sessions.append(session)
        if ready:
            session.wait_ready()
        return session

    def oneshot(
        self,
        prompt: str,
        *arguments: str,
        name: str = "oneshot",
        plugins: tuple[Path, ...] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 30.0,
        asks: bool = False,
    ) -> Ended:
        """`claude -p PROMPT`, to its end; subprocess.TimeoutExpired, and killed, after *timeout* seconds."""
        return self._run(
            [*self._command(plugins, asks=asks), *arguments, "-p", prompt], name, env, cwd, timeout
        )

    def command(self, *arguments: str, timeout: float = 30.0) -> Ended:
        """Any other command of the client in the same home, such as `plugin install`."""
        return self._run([str(self._binary), *arguments], "command", None, None, timeout)

    def close(self) -> None:
        """End every session that still runs."""
        for session in self._sessions:
            session.close()

    def _command(self, plugins: tuple[Path, ...], *, asks: bool) -> list[str]:
        loaded = [word for path in plugins for word in ("--plugin-dir", str(path))]
        # Flags that take one value come last: --allowedTools would swallow a prompt after it.
        allowed, mode = (("Read",), "default") if asks else (ALLOWED, MODE)
        return [str(self._binary), "--allowedTools", ",".join(allowed), *loaded, "--permission-mode", mode]

    def _run(
        self, command: list[str], name: str, env: Mapping[str, str] | None, cwd: Path | None, timeout: float
    ) -> Ended:
        begun = time.monotonic()
        done = subprocess.run(
            command,
            env=self._home.environment(self._api.url(name), env),
            cwd=cwd or self._repo,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)
