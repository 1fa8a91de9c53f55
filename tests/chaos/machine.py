"""One host of a run: sessions with their clients, hooks and commands that can be killed, all with the shim inside."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from tests.lan.hosts import Host
from tests.netns import Network

from . import words
from .ending import holder, kill_all
from .interpreter import ROOT
from .journal import Journal

# A hook that takes longer hangs: the client would be held up.
HUNG = 8.0  # seconds
# A command that takes longer hangs.
STUCK = 90.0  # seconds
SIZE = 128  # MiB of the state directory's file system


class Machine(Host):
    """A host with a file system of its own for its state directory.

    Args:
        lan: the network.
        name: one letter.
        tools: the interpreter and the package root for hooks, see interpreter.py.
        journal: where it is noted what was told and shown.
    """

    def __init__(self, lan: Network, name: str, tools: tuple[Path, Path], journal: Journal) -> None:
        super().__init__(lan, name)
        self.python, self._root = tools
        self.journal = journal
        self.state = self.home / "p"
        self.chaos = self.home / "chaos"
        (self.chaos / "at").mkdir(parents=True)
        self.up = threading.Event()  # cleared while the machine is off: nothing is started on it
        self.up.set()
        self.cable = threading.Lock()  # held while it is a bad one: on a slow machine the last one ends late
        self._one_client = threading.Lock()
        self._starting = threading.Lock()  # held while a process is started, and while the machine goes down
        self._closed = False  # the run is over: nothing is started any more
        self._started: set[str] = set()  # sessions that ran before
        self.state.mkdir(mode=0o700)
        options = f"size={SIZE}m,mode=700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.state)], check=True)
        self._hook = self.home / "hook.sh"
        text = (ROOT / "peermesh/hooks/files/hook.sh").read_text()
        for mark, value in (("@PYTHON@", str(self.python)), ("@ROOT@", str(self._root))):
            text = text.replace(mark, shlex.quote(value))
        self._hook.write_text(text)

    def environment(self, **extra: str) -> dict[str, str]:
        """As for any host, and the shim's directory."""
        path = os.pathsep.join([str(self.python.parent), os.environ["PATH"]])
        said = {"PATH": path, "CHAOS": str(self.chaos), "CLAUDE_CODE_ENTRYPOINT": "cli"}
        return super().environment(**said, **extra)

    def _client(self, session: str) -> subprocess.Popen[bytes]:
        # After a restart hooks and commands come at once: they belong to one client, and not to a window each.
        with self._one_client:
            return super()._client(session)

    # ------------------------------------------------------------ programs

    def start_program(self, argv: list[str], session: str, **pipes: Any) -> subprocess.Popen[bytes] | None:
        """A program in *session*, or "" for a shell; ``None`` while the machine is off, or if the run is over."""
        with self._starting:
            if self._closed or not self.up.is_set():
                return None
            env = self.environment(**self._inside(session))
            # Not by `ip netns exec`: that gives each program a mount namespace of its own, and a fork server
            # serves only who is in the same ones as itself.
            inside = ["nsenter", f"--net=/run/netns/{self.lan.namespace(self.name)}", *argv]
            process = subprocess.Popen(inside, env=env, cwd=self.work, **pipes)
            self.lan._started.append(process)
            return process

    def _run(
        self, argv: list[str], session: str, said: bytes, patience: float, kill_after: float | None
    ) -> tuple[int | None, str, str, float, float]:
        """Run to the end or to a kill -9; code (None: not started), output, errors, began, ended."""
        self.up.wait(30)
        began = time.monotonic()
        pipe = subprocess.PIPE
        process = self.start_program(argv, session, stdin=pipe, stdout=pipe, stderr=pipe)
        if process is None:
            return None, "", "", began, began
        limit = patience if kill_after is None else kill_after
        try:
            out, err = process.communicate(said, timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            if kill_after is None:
                self.journal.add("hung", host=self.name, session=session, argv=argv[-6:], seconds=limit)
        code, ended = process.returncode, time.monotonic()
        return code, out.decode(errors="replace"), err.decode(errors="replace"), began, ended

    def peer(self, *words: str, session: str = "", kill_after: float | None = None) -> dict[str, Any]:
        """A command; what is known of it afterwards, noted also when it printed a traceback."""
        argv = [str(self.python), "-m", "peermesh.cli", *words]
        code, out, err, began, ended = self._run(argv, session, b"", STUCK, kill_after)
        done = {
            "who": session or self.name,
            "words": words,
            "code": code,
            "out": out,
            "err": err,
            "began": began,
            "ended": ended,
        }
        self.journal.add("command", **{**done, "out": out[:2_000]})
        return done

    def run(self, *words: str, session: str = "", check: bool = True, timeout: float = STUCK) -> Any:
        """A command that must succeed, as for any host, and with the shim inside; its JSON."""
        done = self.peer(*words, *(["--json"] if check else []), session=session)
        if not check:
            return done
        assert done["code"] == 0, f"peer {' '.join(words)} on {self.name}: {done['out']}{done['err']}"
        return json.loads(done["out"])

    def client_hook(
        self, session: str, event: str, kill_after: float | None = None, **given: str
    ) -> tuple[int | None, str]:
        """A hook as the client runs it; its code and what the model reads of it."""
        said = {"session_id": session, "cwd": str(self.work), "hook_event_name": event, **given}
        argv = ["/bin/sh", str(self._hook), event]
        code, out, err, began, ended = self._run(
            argv, session, json.dumps(said, separators=(",", ":")).encode(), HUNG, kill_after
        )
        text = ""
        with contextlib.suppress(ValueError, KeyError, TypeError):  # cut off by a kill
            text = str(json.loads(out)["hookSpecificOutput"]["additionalContext"]) if out else ""
        about = {"event": event, "code": code, "err": err, "killed": kill_after is not None}
        self.shown(session, text, began, ended, cut=bool(out) and not text, **about)
        return code, text

    def shown(self, session: str, text: str, began: float, ended: float, **about: Any) -> None:
        """Note what a hook printed."""
        self.journal.add(
            "hook", who=session, host=self.name, began=began, ended=ended, ids=words.shown(text), **about
        )

    def waiter(self, session: str) -> subprocess.Popen[bytes] | None:
        """The background hook of an idle session."""
        said = {"session_id": session, "cwd": str(self.work), "hook_event_name": "Stop"}
        pipe = subprocess.PIPE
        argv = ["/bin/sh", str(self._hook), "Wait"]
        process = self.start_program(argv, session, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe)
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):  # its first step ended it
                process.stdin.write(json.dumps(said, separators=(",", ":")).encode())
                process.stdin.close()
            process.stdin = None
        return process

    # ------------------------------------------------------------ sessions

    def begin(self, session: str) -> None:
        """The session starts, or is resumed, in a new client."""
        source = "resume" if session in self._started else "startup"
        self._started.add(session)
        self.client_hook(session, "SessionStart", source=source)

    def finish(self, session: str, *, goodbye: bool) -> None:
        """The client ends, with or without a word."""
        if goodbye:
            self.client_hook(session, "SessionEnd", reason="prompt_input_exit")
        client = self.clients.get(session)
        if client is not None:
            client.kill()
            client.wait()

    def folder(self, who: str) -> Path:
        """The directory of a session's peer, or of the person's, who is called as the host."""
        return self.state / "person" if who == self.name else self.state / "session" / who

    def sidecar(self, who: str) -> int:
        """The process of the sidecar of a session, or of the person's; 0 if none lives."""
        try:
            pid = int((self.folder(who) / "pid").read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return 0
        return 0 if state == "Z" else pid

    def identity(self, who: str) -> str:
        """The id of a session's peer, or of the person's."""
        return str(self.run("status", session="" if who == self.name else who)["id"])

    def keeper(self) -> str | None:
        """The session whose sidecar is this host's keeper, "" for the person's; ``None`` if none is.

        By the kernel's word: a door may not answer just because of what the run does to it.
        """
        pid = holder(self.state / "keeper.lock")
        return next((one for one in self.sessions() if pid and self.sidecar(one or self.name) == pid), None)

    def supervisors(self) -> list[int]:
        """The processes that own this host's jobs."""
        found = []
        for pid in self.leftovers():
            with contextlib.suppress(OSError):
                if b"peermesh.jobs" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def fork_server(self) -> int:
        """The process that forks this host's sidecars; 0 if there is none."""
        sidecars = self.pids()
        for pid in self.leftovers():
            with contextlib.suppress(OSError):
                if pid not in sidecars and b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return 0

    # ------------------------------------------------------------ the machine as a whole

    def power_off(self) -> None:
        """Kill -9 of everything on it, and nothing starts any more."""
        with self._starting:
            self.up.clear()
        for client in self.clients.values():
            client.kill()
            client.wait()
        kill_all(self.leftovers)

    def power_on(self) -> None:
        """It may be used again."""
        self.up.set()

    def keep_files(self, folder: Path) -> None:
        """Copy the state directory, for whoever looks into a run that failed."""
        folder.mkdir()
        for path in self.state.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink():
                    there = folder / path.relative_to(self.state)
                    there.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, there)

    def abandon(self) -> None:
        """The run was broken off: kill -9 of all that runs there, and nothing is started any more."""
        with self._starting:
            self._closed = True
        self.up.set()  # who waits for the machine to be on need not
        for client in self.clients.values():
            client.kill()
            client.wait()
        kill_all(self.leftovers)

    def close(self) -> None:
        """End all that runs there, and take its file system away; AssertionError if something had to be killed."""
        with self._starting:
            self._closed = True
        try:
            super().close()
        finally:
            self.abandon()
            subprocess.run(["umount", "-l", str(self.state)], check=False, capture_output=True)
            shutil.rmtree(self.home, ignore_errors=True)
