"""hcom 0.7.31, the nearest rival: how it is installed, started and asked, so that both can be measured in one run.

It comes from PyPI into an environment of its own, kept in a cache, and runs in a home of its own and a network
that has nothing but loopback: it can send no packet anywhere. Its agents are started by its own command with a
stand-in for Claude Code, which keeps the environment that the client's hooks would run in; the hooks are then
called as its settings file for the client calls them.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

from stage import called, until

VERSION = "0.7.31"
PACKAGE = f"hcom=={VERSION}"

# Set in a process that has been moved into a network of its own.
ALONE = "BENCH_ALONE"

# Linux: the flags of a network interface, and the one that switches it on.
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1

# Plays the client: it says its version, and keeps what its hooks would have in their environment.
_STAND_IN = """#!/bin/sh
[ "$1" = --version ] && { echo '2.1.329 (Claude Code)'; exit; }
env -0 > '%(folder)s/env.new' && mv '%(folder)s/env.new' '%(folder)s/env.'"$HCOM_INSTANCE_NAME"
exec sleep 100000
"""

# The client's event for each of the rival's hooks that is measured, and what the payload says besides.
EVENTS: dict[str, dict[str, object]] = {
    "sessionstart": {"hook_event_name": "SessionStart", "source": "startup"},
    "userpromptsubmit": {"hook_event_name": "UserPromptSubmit", "prompt": "go on"},
    "pre": {
        "hook_event_name": "PreToolUse",
        "tool_name": "Edit",
        "tool_input": {"file_path": "%(file)s", "old_string": "a", "new_string": "b"},
    },
    "permission-request": {
        "hook_event_name": "PermissionRequest",
        "tool_name": "Edit",
        "tool_input": {"file_path": "%(file)s"},
    },
    "post": {
        "hook_event_name": "PostToolUse",
        "tool_name": "Edit",
        "tool_input": {"file_path": "%(file)s", "old_string": "a", "new_string": "b"},
        "tool_response": {"filePath": "%(file)s"},
    },
    "poll": {"hook_event_name": "Stop", "stop_hook_active": False},
    "sessionend": {"hook_event_name": "SessionEnd", "reason": "other"},
}


def unavailable() -> str:
    """Why it cannot run here; "" if it can. Installs it at the first call."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return "needs Linux and the program `unshare`, for a network of its own"
    try:
        program()
    except (OSError, subprocess.SubprocessError) as wrong:
        return f"pip could not install {PACKAGE}: {wrong}"
    return ""


def program() -> str:
    """Its program, installed first if need be.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be installed.
    """
    cache = os.environ.get("PEER_TEST_CACHE") or os.path.expanduser("~/.cache/peer-tests")
    folder = os.path.join(cache, f"hcom-{VERSION}")
    found = os.path.join(folder, "bin", "hcom")
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(found):
            pip = [os.path.join(folder, "bin", "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
            for words in ([sys.executable, "-m", "venv", folder], [*pip, "--only-binary", ":all:", PACKAGE]):
                subprocess.run(words, check=True, capture_output=True, timeout=300.0)
    return found


def alone() -> None:
    """Go on in a network that has nothing but loopback, where mounts are nobody else's: the script begins anew there."""
    if not os.environ.get(ALONE):
        root = () if os.geteuid() == 0 else ("--map-root-user",)
        os.environ[ALONE] = "1"
        os.execvp("unshare", ["unshare", *root, "--net", "--mount", sys.executable, *sys.argv])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        wanted = array.array("B", struct.pack("16sh14x", b"lo", 0))
        fcntl.ioctl(any_socket, _GET_FLAGS, wanted)
        (flags,) = struct.unpack_from("16xh", wanted)
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


class Agent:
    """One of its agents: a session as it sees it.

    Args:
        name: its name.
        env: what its client's hooks have in their environment.
        cwd: where it works.
    """

    def __init__(self, name: str, env: dict[str, str], cwd: str) -> None:
        self.name, self.env = name, env
        self.about = {
            "session_id": str(uuid.uuid4()),
            "transcript_path": f"{cwd}/{name}.jsonl",
            "cwd": cwd,
            "permission_mode": "default",
        }

    def command(self, hook: str) -> list[str]:
        """How the client calls a hook."""
        return [program_of(self.env), hook]

    def payload(self, hook: str, **given: object) -> bytes:
        """What the client gives the hook on its standard input; each agent edits a file of its own."""
        file = f"{self.about['cwd']}/{self.name}.py"
        return json.dumps({**self.about, **EVENTS[hook], **given}).replace("%(file)s", file).encode()

    def hook(self, hook: str, timeout: float = 60.0, **given: object) -> str:
        """Call a hook with its usual payload and what is *given*; what it printed. *timeout* in seconds."""
        return called(
            self.command(hook), self.env, self.payload(hook, **given), timeout, check=False
        ).decode()


def program_of(env: dict[str, str]) -> str:
    """Its program, as an environment of its agents has it."""
    return os.path.join(env["RIVAL_BIN"], "hcom")


class Rival:
    """One of it, in a home of its own.

    Args:
        folder: an empty directory.
    """

    def __init__(self, folder: str) -> None:
        self.folder, self.program = folder, program()
        self.database = os.path.join(folder, ".hcom", "hcom.db")
        here = os.path.join(folder, "bin")
        os.makedirs(here)
        os.makedirs(os.path.join(folder, "project"))
        stand_in = os.path.join(here, "claude")
        with open(stand_in, "w", encoding="utf-8") as file:
            file.write(_STAND_IN % {"folder": folder})
        os.chmod(stand_in, 0o700)
        self.env = {
            "HOME": folder,
            "HCOM_DIR": os.path.join(folder, ".hcom"),
            "PATH": f"{here}:{os.path.dirname(self.program)}:/usr/local/bin:/usr/bin:/bin",
            "RIVAL_BIN": os.path.dirname(self.program),
            "TERM": "xterm",
            "LANG": "C.UTF-8",
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """One of its commands, as a person's shell or a script runs it."""
        return subprocess.run(
            [self.program, *words],
            env=self.env,
            cwd=os.path.join(self.folder, "project"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60.0,
        )

    def agent(self, *words: str) -> Agent:
        """Start an agent, up to the end of its first prompt's hook. For *words* see ``launch``."""
        agent = self.launch(*words)
        agent.hook("sessionstart")
        agent.hook("userpromptsubmit")
        return agent

    def launch(self, *words: str) -> Agent:
        """Start an agent by ``hcom claude``; no hook of its client has run yet.

        Args:
            words: ``--headless``: as an interactive one, in a terminal of its own. ``-p TEXT``: a one-shot run,
                whose hook at the end of a turn blocks until there is a message.
        """
        before = set(os.listdir(self.folder))
        self.run("claude", *words)
        until(lambda: self._new(before))
        return self._agent(self._new(before))

    def close(self, agent: Agent) -> None:
        """End an agent by its own command."""
        self.run("kill", agent.name)

    def resume(self, agent: Agent) -> Agent:
        """Start a closed agent again by its own command, with the client's session; no hook has run yet."""
        file = f"env.{agent.name}"
        os.unlink(os.path.join(self.folder, file))
        before = set(os.listdir(self.folder))
        self.run("r", agent.name, "--headless")
        until(lambda: self._new(before))
        back = self._agent(file)
        back.about = agent.about
        return back

    def _agent(self, file: str) -> Agent:
        with open(os.path.join(self.folder, file), encoding="utf-8", errors="surrogateescape") as lines:
            env = dict(line.split("=", 1) for line in lines.read().split("\0") if "=" in line)
        return Agent(file.removeprefix("env."), env, os.path.join(self.folder, "project"))

    def _new(self, before: set[str]) -> str:
        found = set(os.listdir(self.folder)) - before
        return next((name for name in found if name.startswith("env.") and name != "env.new"), "")

    def send_command(self, agent: Agent, text: str) -> list[str]:
        """How a shell sends *text*."""
        return [self.program, "send", f"@{agent.name}", "--from", "bench", "--quiet", "--", text]

    def send(self, agent: Agent, text: str) -> bool:
        """Send *text*; whether it says that it did."""
        return self.run(*self.send_command(agent, text)[1:]).returncode == 0

    def listens(self, agent: Agent) -> bool:
        """Whether an agent's hook waits for a message: it has noted a port at which it is told of one."""
        return self._asked("SELECT 1 FROM notify_endpoints WHERE instance = ? AND kind = 'hook'", agent)

    def lives(self, agent: Agent) -> bool:
        """Whether it knows an agent as running."""
        return self._asked("SELECT 1 FROM instances WHERE name = ?", agent)

    def _asked(self, question: str, agent: Agent) -> bool:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            return db.execute(question, (agent.name,)).fetchone() is not None

    def end(self) -> None:
        """End its agents, and take the folder away: what ends writes into it once more."""
        self.run("kill", "all")

        def gone() -> bool:
            shutil.rmtree(self.folder, ignore_errors=True)
            time.sleep(0.2)
            return not os.path.exists(self.folder)

        until(gone)


@contextmanager
def rival() -> Iterator[Rival]:
    """One that is gone afterwards."""
    folder = tempfile.mkdtemp(prefix="hcom-bench-", dir="/tmp")
    here = Rival(folder)
    try:
        yield here
    finally:
        here.end()
