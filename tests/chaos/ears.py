"""The client's side of a session's hooks: turns, the waiter of an idle session, its end and its return."""

from __future__ import annotations

import re
import subprocess
import threading
import time

from . import words
from .machine import Machine
from .mouth import Mouth
from .plan import Step

# A turn whose Stop hook always has more to say goes on, but not for ever.
STOPS = 30
# The client looks so often whether its waiter has ended.
LOOK = 0.05  # seconds
# A waiter is not started again at once.
PAUSE = 0.3  # seconds


class Ears:
    """A session's client: it runs turns, keeps a waiter while it is idle, and can end and be resumed."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine, self.name = machine, name
        self._turns = threading.RLock()  # one turn at a time
        self._stopped = threading.Event()
        self._away = threading.Event()
        self._waiter: Waiter | None = None
        self._again = 0.0
        self._mouth = Mouth(machine, name)
        self._answered: set[str] = set()  # questions: a model that reads one again answers it once
        self._thread = threading.Thread(target=self._wait, daemon=True)

    def start(self) -> None:
        """Begin to wait for what wakes the session."""
        self._thread.start()

    def stop(self) -> None:
        """The run is over."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(30)
        self._end_waiter()

    def rest(self) -> None:
        """The client ends: what it runs is not heard any more."""
        self._away.set()
        with self._turns:
            self._end_waiter()

    def resume(self) -> None:
        """The session is started again, if its client does not run."""
        with self._turns:
            client = self.machine.clients.get(self.name)
            if client is None or client.poll() is not None:
                self._end_waiter()
                self.machine.begin(self.name)
            self._away.clear()

    def do(self, step: Step) -> None:
        """One step of the plan."""
        self.turn(**step.args)

    def turn(
        self, batches: int = 0, kill_after: float | None = None, prompt: str = "go on", woken: str = ""
    ) -> str:
        """The person types, or the session is *woken* by a text; the model works and ends; what it was shown."""
        if self._away.is_set() or not self.machine.up.is_set():
            return ""
        with self._turns:
            found = (
                woken + self.machine.client_hook(self.name, "UserPromptSubmit", kill_after, prompt=prompt)[1]
            )
            self._answer(found)
            for _ in range(batches):
                text = self.machine.client_hook(self.name, "PostToolBatch")[1]
                self._answer(text)
                found += text
            for _ in range(STOPS):
                text = self.machine.client_hook(self.name, "Stop")[1]
                if not text:
                    break
                self._answer(text)
                found += text
            return found

    def _answer(self, text: str) -> None:
        """The model answers the questions that it was just shown, by commands; some of these are killed."""
        for ident, token in words.shown(text):
            if token.startswith("q.") and token not in self._answered:
                self._answered.add(token)
                number = int(token.rpartition(".")[2])
                kill_after = number % 70 / 200 if number % 7 == 0 else None
                self._mouth.reply(ident, words.answer_to(token), kill_after=kill_after)

    # ------------------------------------------------------------ being woken

    def _wait(self) -> None:
        while not self._stopped.wait(LOOK):
            if self._away.is_set() or not self.machine.up.is_set():
                continue
            with self._turns:
                if not self._away.is_set():
                    self._look()

    def _look(self) -> None:
        if self._waiter is None:
            if time.monotonic() >= self._again:
                process = self.machine.waiter(self.name)
                self._waiter = Waiter(self.machine, self.name, process) if process else None
            return
        if not self._waiter.over:
            return
        waiter, self._waiter, self._again = self._waiter, None, time.monotonic() + PAUSE
        if waiter.code == 2:
            # The client adds a note of its own around what woke it.
            note = f"<task-notification>{_flat(waiter.text)[:500]}</task-notification>"
            self.turn(prompt=note, woken=waiter.text)

    def _end_waiter(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.kill()


class Waiter:
    """The background hook of an idle session, read until its end; what it printed is noted at that moment."""

    def __init__(self, machine: Machine, name: str, process: subprocess.Popen[bytes]) -> None:
        self._machine, self._name, self._process = machine, name, process
        self._began = time.monotonic()
        self._killed = False
        self.text, self.code = "", 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        _, err = self._process.communicate()
        ended = time.monotonic()
        self.text, self.code = err.decode(errors="replace"), self._process.returncode
        if self.text or self.code not in (0, 2, -9):
            shown = "<peer-messages>" in self.text
            about = {
                "event": "Wait",
                "code": self.code,
                "err": "" if shown else self.text,
                "killed": self._killed,
            }
            self._machine.shown(
                self._name, self.text if shown else "", self._began, ended, cut=False, **about
            )

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return not self._thread.is_alive()

    def kill(self) -> None:
        """Kill -9, and wait for its end."""
        self._killed = not self.over
        self._process.kill()
        self._thread.join(10)


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)
