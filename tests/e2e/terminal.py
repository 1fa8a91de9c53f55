"""Interactive Claude Code sessions in a tmux of our own: typed into and read as a person would."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .home import Home, alive, send_signal, until

# On two busy cores the client shows its prompt after 1-2 s; ten times that is a hang.
START_SECONDS = 20.0

PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"  # what the input line begins with


class Terminal:
    """A tmux server with a socket of its own, in *directory*; it ends with us, however we end."""

    def __init__(self, directory: Path) -> None:
        # By itself a server ends with its last window; one that is just about to end refuses the next window.
        settings = directory / "tmux.conf"
        settings.write_text("set-option -s exit-empty off\n")
        self._tmux = ["tmux", "-S", str(directory / "tmux"), "-f", str(settings)]
        # A process of its own waits for our end of the pipe to close, by `close` or by our death,
        # and then ends the server: so even a killed test run leaves no client behind.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; exec "$@" kill-server', "guard", *self._tmux],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> str:
        """One tmux command's output; CalledProcessError when tmux refuses."""
        command = [*self._tmux, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout

    def start(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> tuple[str, int]:
        """Run *command* in a new window with exactly *environment*; gives the pane and the process id."""
        clean = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), *command]
        answer = self.run(
            *("new-session", "-d", "-P", "-F", "#{pane_id} #{pane_pid}", "-x", "160", "-y", "50"),
            *("-c", str(cwd), "--", *clean),
        )
        pane, pid = answer.split()
        return pane, int(pid)

    def close(self) -> None:
        """Kill the server; what still runs in it gets SIGHUP."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait(timeout=20)


class Session:
    """One interactive client; `pid` is the client's own process, `pane` its place in tmux."""

    def __init__(self, terminal: Terminal, home: Home, name: str, started: tuple[str, int]) -> None:
        self._terminal = terminal
        self.home = home
        self.name = name
        self.pane, self.pid = started

    def wait_ready(self, timeout: float = START_SECONDS) -> None:
        """Until the prompt takes keys; the TimeoutError shows the screen instead."""
        self._wait(
            lambda: PROMPT in self.screen() and self.file().get("status") == "idle", timeout, "its prompt"
        )

    def type(self, text: str) -> None:
        """Type *text* as it is, without Enter."""
        self._terminal.run("send-keys", "-t", self.pane, "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Enter, Escape, C-c, Up."""
        self._terminal.run("send-keys", "-t", self.pane, *keys)

    def submit(self, text: str) -> None:
        """Type one line, see it in the input line, press Enter, see it gone from there.

        An Enter in the same burst as the text would be taken for part of a paste.
        """
        start = text[:60].rstrip()
        self.type(text)
        self._wait(lambda: self.input_line().startswith(start), 10.0, f"{start!r} in the input line")
        self.press("Enter")
        self._wait(
            lambda: not self.input_line().startswith(start), 10.0, f"{start!r} gone from the input line"
        )

    def screen(self) -> str:
        """What a person would see now; empty when the window is gone."""
        try:
            return self._terminal.run("capture-pane", "-p", "-t", self.pane)
        except subprocess.CalledProcessError:
            return ""

    def input_line(self) -> str:
        """What stands in the input line; a client with an empty one may show a hint there."""
        lines = [line for line in self.screen().splitlines() if line.startswith(PROMPT)]
        return lines[-1].removeprefix(PROMPT).replace("\xa0", " ").strip() if lines else ""

    def wait_input(self, text: str, timeout: float = 10.0) -> None:
        """Until *text* is what stands in the input line: the client draws it a moment after it is idle."""
        self._wait(lambda: self.input_line() == text, timeout, f"{text!r} in the input line")

    def wait_screen(self, text: str, timeout: float = 10.0) -> None:
        """Until *text* is on the screen; the TimeoutError shows the screen instead."""
        self._wait(lambda: text in self.screen(), timeout, repr(text))

    def file(self) -> dict[str, Any]:
        """What the client says of this session in ~/.claude/sessions; empty when there is nothing."""
        return self.home.session_file(self.pid)

    @property
    def id(self) -> str:
        """The session's id now (it changes with /clear); empty before the client wrote it down."""
        return str(self.file().get("sessionId", ""))

    def wait_new_id(self, old: str, timeout: float = 10.0) -> str:
        """The session's id as soon as it is not *old* any more, as after /clear."""
        self._wait(lambda: self.id not in ("", old), timeout, "a new session id")
        return self.id

    def wait_status(self, status: str, timeout: float = 10.0) -> None:
        """Until the client calls itself `idle` or `busy`."""
        self._wait(lambda: self.file().get("status") == status, timeout, status)

    def wait_exit(self, timeout: float = 10.0) -> None:
        """Until the process is gone."""
        self._wait(lambda: not alive(self.pid), timeout, "its end")

    def interrupt(self) -> None:
        """Press Esc in a running turn, and wait until the client calls itself idle."""
        self.wait_status("busy")
        self.press("Escape")
        self.wait_status("idle")

    def answer(self, key: str) -> None:
        """Press *key* in a dialog, again if need be: one that has just appeared takes no keys yet."""
        self.wait_status("waiting")
        for _ in range(5):
            self.press(key)
            with contextlib.suppress(TimeoutError):
                until(lambda: self.file().get("status") != "waiting", 3.0, "an answer")
                return
        self._wait(lambda: False, 0.0, f"a dialog that takes {key}")

    def exit(self) -> None:
        """Leave as a person does, by /exit."""
        self.submit("/exit")
        self.wait_exit()

    def kill(self) -> None:
        """The client dies at once, as in a crash: no hook of it runs any more."""
        send_signal(self.pid, signal.SIGKILL)
        self.wait_exit()

    def close(self) -> None:
        """Take the terminal away (SIGHUP), and kill what does not go by that."""
        send_signal(self.pid, signal.SIGHUP)
        try:
            self.wait_exit(5.0)
        except TimeoutError:
            self.kill()

    def _wait(self, check: Callable[[], object], timeout: float, what: str) -> None:
        try:
            until(check, timeout, f"{self.name}: {what}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; its screen:\n{self.screen().rstrip()}") from None
