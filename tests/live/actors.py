"""A session and a person, as a test moves them: hooks, the waiter, commands, and violent ends."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peermesh.locks import is_locked

from .home import PATIENCE, PYTHON, Home, ask, reap, send_signal, state_of, until


@dataclass(frozen=True)
class Done:
    """A program that has ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> Any:
        """What it printed, as values."""
        return json.loads(self.out)


def run(words: list[str], env: dict[str, str], cwd: Path, stdin: bytes = b"", timeout: float = 60.0) -> Done:
    """Run a program to its end."""
    began = time.monotonic()
    done = subprocess.run(
        words, env=env, cwd=cwd, input=stdin, capture_output=True, timeout=timeout, check=False
    )
    took = time.monotonic() - began
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode(), took)


class Waiter:
    """The background hook of an idle session."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def text(self, timeout: float = PATIENCE) -> str:
        """What wakes the model: the hook must exit with 2."""
        _, err = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 2, (self.process.returncode, err)
        return err.decode()

    def code(self, timeout: float = PATIENCE) -> int:
        """Its exit code, when it ends."""
        return self.process.wait(timeout)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None


class Actor:
    """Somebody with a sidecar: what a session and a person have in common."""

    def __init__(self, home: Home, link: Path, cwd: Path, env: dict[str, str]) -> None:
        self.home, self.link, self.cwd, self.env = home, link, cwd, env

    def peer(self, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> Done:
        """A command; what it printed and its exit code."""
        command = [str(Path(PYTHON).with_name("peer")), *words]
        return run(command, {**self.env, **(env or {})}, self.cwd, stdin)

    def ok(self, *words: str, stdin: bytes = b"") -> str:
        """A command that must succeed; what it printed."""
        done = self.peer(*words, stdin=stdin)
        assert done.code == 0, done
        return done.out

    def start_peer(self, *words: str) -> subprocess.Popen[bytes]:
        """A command that goes on by itself."""
        process = subprocess.Popen(
            [str(Path(PYTHON).with_name("peer")), *words],
            env=self.env,
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.home.processes.append(process)
        return process

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """One question at the door, for looking."""
        return ask(self.link, do, **fields)

    @property
    def status(self) -> dict[str, Any]:
        """The sidecar's own account of itself."""
        return self.ask("status")

    def send(self, to: str, text: str, **fields: Any) -> str:
        """Say something quickly, where the command line is not what is tested; the message's id."""
        answer = self.ask("send", to=to, body=text, **{"wait": "safe", "within": PATIENCE, **fields})
        return str(answer["messages"][0]["id"])

    def sent(self) -> dict[str, dict[str, Any]]:
        """What was sent, by id."""
        return {one["id"]: one for one in self.ask("sent", most=500)["messages"]}

    def state(self, ident: str) -> str:
        """How far a message got."""
        return str(self.sent()[ident]["state"])

    def unread(self) -> list[str]:
        """The bodies that wait."""
        return [one["body"] for one in self.ask("inbox", peek=True, most=500)["messages"]]

    @property
    def directory(self) -> Path:
        """The peer's own directory."""
        return self.link.resolve()

    @property
    def pid(self) -> int:
        """The sidecar's process; 0 if none runs."""
        try:
            pid = int((self.link / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return 0
        return pid if state_of(pid) not in ("", "Z") else 0

    def kill_sidecar(self) -> int:
        """Kill -9, and wait until it is gone."""
        pid = self.pid
        assert pid, "no sidecar to kill"
        send_signal(pid, signal.SIGKILL)
        until(lambda: state_of(pid) in ("", "Z"), "the killed sidecar to be gone")
        # To the hooks' first step, which asks with kill -0, a zombie lives.
        until(lambda: reap(pid), "the killed sidecar to be reaped")
        return pid

    @contextmanager
    def hang(self) -> Iterator[int]:
        """SIGSTOP: inside, the sidecar stands still and holds its lock; then it goes on."""
        pid = self.pid
        send_signal(pid, signal.SIGSTOP)
        try:
            until(lambda: state_of(pid) == "T", "the sidecar to stand still")
            yield pid
        finally:
            send_signal(pid, signal.SIGCONT)

    def gone(self, timeout: float = 6.0) -> None:
        """Wait until no process is this peer."""
        lock = str(self.directory / "lock")
        until(lambda: not is_locked(lock), "the end of the sidecar", timeout)


class Session(Actor):
    """A session: `client` is a sleeping process that stands for Claude Code."""

    def __init__(self, home: Home, name: str, cwd: Path, ident: str | None = None, **env: str) -> None:
        self.name, self.id = name, ident or str(uuid.uuid4())
        self.client = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
        home.processes.append(self.client)
        usual = {"CLAUDE_CODE_ENTRYPOINT": "cli", "CLAUDE_PID": str(self.client.pid)}
        base = home.environment(**{**usual, **env})
        super().__init__(home, home.peer / "session" / self.id, cwd, base)
        self.use(self.id)

    def use(self, ident: str) -> None:
        """The client gives the session another id."""
        self.id, self.link = ident, self.home.peer / "session" / ident
        self.env = {**self.env, "CLAUDE_CODE_SESSION_ID": ident}

    def _hook_words(self, event: str) -> list[str]:
        return ["/bin/sh", str(self.home.hook), event]

    def payload(self, event: str, **given: str) -> bytes:
        """What the client writes to a hook."""
        said = {"session_id": self.id, "cwd": str(self.cwd), "hook_event_name": event, **given}
        return json.dumps(said, separators=(",", ":")).encode()

    def run_hook(self, event: str, stdin: bytes | None = None, **given: str) -> Done:
        """A hook as it is, whatever comes of it."""
        said = stdin if stdin is not None else self.payload(event, **given)
        return run(self._hook_words(event), self.env, self.cwd, said)

    def hook(self, event: str, **given: str) -> str:
        """A hook; what it puts before the model, "" for nothing."""
        done = self.run_hook(event, None, **given)
        assert (done.code, done.err) == (0, ""), done
        if not done.out:
            return ""
        said = json.loads(done.out)["hookSpecificOutput"]
        assert said["hookEventName"] == event
        return str(said["additionalContext"])

    def prompt(self, text: str = "go on") -> str:
        """The person types."""
        return self.hook("UserPromptSubmit", prompt=text)

    def stop(self) -> str:
        """The turn ends."""
        return self.hook("Stop")

    def turn(self, text: str = "go on") -> str:
        """A whole turn: what the model is shown at its prompt and whenever it wants to end."""
        said = self.prompt(text)
        while more := self.stop():
            said += more
        return said

    def woken(self) -> str:
        """The turn that a waiter's words begin; the client's sign that they are in its context."""
        return self.hook("UserPromptSubmit", prompt="<task-notification>\n<peer-messages>")

    def start(self, source: str = "startup") -> str:
        """The session begins; comes back when its sidecar listens."""
        said = self.hook("SessionStart", source=source)
        ask(self.link, "status")
        return said

    def start_process(self, event: str, **given: str) -> subprocess.Popen[bytes]:
        """A hook that goes on by itself."""
        process = subprocess.Popen(
            self._hook_words(event),
            env=self.env,
            cwd=self.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.home.processes.append(process)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the first step may end without reading it
            process.stdin.write(self.payload(event, **given))
            process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdin = None
        return process

    def waiter(self) -> Waiter:
        """The background hook; comes back when it listens."""
        waiter = Waiter(self.start_process("Wait"))
        until(lambda: waiter.ended or self.status["waiter"], "the waiter to listen")
        return waiter

    def kill_client(self) -> None:
        """Kill -9 of Claude Code."""
        self.client.kill()
        self.client.wait()

    def end(self) -> None:
        """The session is closed and its sidecar has gone."""
        pid = self.pid
        self.kill_client()
        self.gone()
        until(lambda: state_of(pid) in ("", "Z"), "the end of its process")


class Person(Actor):
    """A shell outside Claude Code."""

    def __init__(self, home: Home, **env: str) -> None:
        super().__init__(home, home.peer / "person", home.app, home.environment(**env))
