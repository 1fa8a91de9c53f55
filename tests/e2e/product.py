"""The product under test: its plugin in a throw-away home, `peer` from a shell, and what its sidecars say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peermesh import config
from peermesh.cli.link import START
from peermesh.door.client import knock
from peermesh.errors import PeerError
from peermesh.hooks import plugin

from .api import Api
from .home import Home, alive, send_signal, until
from .launch import Claude
from .model import Request
from .terminal import Session

# How a session is told who it is; the client itself says "You are powered by …".
BRIEFING = "in peer, which links the user's Claude Code sessions"

# A sidecar ends this soon after its client, however that ended.
END = 5.0
# The client starts, asks hooks and models in tenths of a second; two busy cores may need twenty times that.
PATIENCE = 20.0

# The command as it was installed, beside the interpreter.
PEER = os.path.join(os.path.dirname(sys.executable), "peer")

NOWHERE = "http://127.0.0.1:9"  # a shell asks no model


class Product:
    """What a test does with peer: sessions with its plugin, a person's shell, a look at its sidecars."""

    def __init__(self, home: Home, claude: Claude, api: Api) -> None:
        self.home, self.api = home, api
        self._claude = claude
        self.root = str(home.peer)
        plugin.write(self.root)
        self.plugin = Path(plugin.folder(self.root)) / plugin.PLUGIN
        self.traces_expected = False  # a test that breaks things on purpose says so

    # ------------------------------------------------------------ sessions

    def session(self, name: str, *arguments: str, here: bool = True, **given: Any) -> Session:
        """Start an interactive session with the plugin, and wait until it takes part unless *here* is false."""
        session = self._claude(name, *arguments, plugins=(self.plugin,), **given)
        if here:
            self.wait_here(session)
        return session

    def wait_here(self, session: Session) -> None:
        """Until the sidecar of *session* has a waiter and its name: from now on it can be woken by it."""
        wanted = session.file().get("name") if session.file().get("nameSource") == "user" else None

        def ready() -> bool:
            said = self.status(session)
            return bool(said.get("waiter")) and wanted in (None, said.get("name"))

        until(ready, PATIENCE, f"{session.name} in peer, with a waiter")

    def turn(self, session: Session, words: str) -> Request:
        """A whole turn: a person types *words*, the model answers, the session is idle and can be woken."""
        before = self.api.last(session.name)
        session.submit(words)
        request = self.api.wait_for_text(session.name, words, PATIENCE, after=before)
        self.wait_idle(session)
        return request

    def wait_idle(self, session: Session) -> None:
        """Until the client calls itself idle and its sidecar does too."""
        session.wait_status("idle", PATIENCE)
        until(lambda: self.row(session).get("status") == "idle", PATIENCE, f"{session.name} idle in peer")

    # ------------------------------------------------------------ sidecars

    def door(self, link: str, do: str, **fields: Any) -> dict[str, Any]:
        """One question at a door, for looking; {} when nobody answers there just now."""
        door = knock(link)
        if door is None:
            return {}
        try:
            return door.ask(do, timeout=PATIENCE, **fields)
        except (OSError, PeerError):  # it ends in this moment
            return {}
        finally:
            door.close()

    def link(self, session: Session) -> str:
        """The link to the peer of *session*, by the id that it has now."""
        return config.session_link(self.root, session.id)

    def status(self, session: Session) -> dict[str, Any]:
        """What the sidecar of *session* says of itself; {} when there is none."""
        return self.door(self.link(session), "status") if session.id else {}

    def row(self, session: Session) -> dict[str, Any]:
        """What `peer list` says of *session*; {} when there is no sidecar."""
        said = self.door(self.link(session), "list")
        return next((row for row in said.get("peers", []) if row["id"] == said["me"]), {})

    def kill_sidecar(self, session: Session) -> int:
        """Kill -9 of the sidecar of *session*; its process id."""
        pid = int(self.status(session)["pid"])
        send_signal(pid, signal.SIGKILL)
        until(lambda: not alive(pid), END, "the sidecar's end")
        return pid

    def wait_gone(self, pid: int) -> None:
        """Until the sidecar *pid* has ended, within the time that is promised."""
        until(lambda: not alive(pid), END, "the sidecar to follow its client")

    # ------------------------------------------------------------ a person's shell

    def shell(
        self, *words: str, cwd: Path | None = None, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`peer WORDS` as a person types it."""
        return subprocess.run(
            [PEER, *words],
            env=self.home.environment(NOWHERE, env),
            cwd=cwd or self.home.path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def send(self, to: str, text: str, *options: str, cwd: Path | None = None) -> str:
        """`peer send` from a shell, which must go well; the message's id."""
        done = self.shell("send", to, text, "--json", *options, cwd=cwd)
        assert (done.returncode, done.stderr) == (0, ""), done
        return str(json.loads(done.stdout)["messages"][0]["id"])

    def state(self, ident: str) -> str:
        """What became of a message from the shell: its state; "" when nobody can tell just now."""
        rows = self.door(config.person_link(self.root), "sent", most=100).get("messages", [])
        return next((str(row["state"]) for row in rows if row["id"] == ident), "")

    def wait_state(self, ident: str, state: str, timeout: float = PATIENCE) -> None:
        """Until a message from the shell is in *state*."""
        until(lambda: self.state(ident) == state, timeout, f"{ident} {state}")

    def people(self) -> dict[str, dict[str, Any]]:
        """Everybody that `peer list --all` shows, by name."""
        done = self.shell("list", "--all", "--json")
        assert done.returncode == 0, done
        return {str(row["name"]): row for row in json.loads(done.stdout)}

    # ------------------------------------------------------------ the end

    def close(self) -> None:
        """End every session; all sidecars must follow by themselves, without a trace in the logs."""
        self._claude.close()
        self.door(config.person_link(self.root), "down")
        until(lambda: not self.home.leftovers(), END + START, "the end of all sidecars")
        if not self.traces_expected:
            assert "Traceback" not in self.log("sidecar.log"), self.log("sidecar.log")
            # A hook that had to give up in time, on a busy machine, did what it should.
            faults = [row for row in self.log("hooks.log").splitlines() if "timed out" not in row]
            assert not faults, faults

    def log(self, name: str) -> str:
        """What was noted so far."""
        path = self.home.peer / name
        return path.read_text(errors="replace") if path.exists() else ""


def count(request: Request, ident: str) -> int:
    """How often the message *ident* stands in all that the model was shown by *request*."""
    return request.text().count(f"[{ident}] ")
