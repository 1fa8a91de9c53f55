"""Who does things in a run: a mouth that speaks and shares, and the client's side of a session's hooks."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from typing import Any

from peermesh import config
from peermesh.door.client import knock
from peermesh.errors import PeerError

from .machine import Machine
from .plan import Step

# A turn whose Stop hook always has more to say goes on, but not for ever.
STOPS = 30
# The client looks so often whether its waiter has ended.
LOOK = 0.05  # seconds
# A waiter is not started again at once.
PAUSE = 0.3  # seconds
ANSWER = 20.0  # seconds


class Mouth:
    """Speaks as *session*, or as the person where it is ""."""

    def __init__(self, machine: Machine, session: str) -> None:
        self.machine, self.session = machine, session
        self.who = session or machine.name

    def do(self, step: Step) -> None:
        """One step of the plan."""
        getattr(self, f"_{step.do}")(**step.args)

    def _peer(self, *words: str, kill_after: float | None = None) -> Any:
        """A command with ``--json``, before what is only for the command that it runs."""
        upto = words.index("--") if "--" in words else len(words)
        asked = [*words[:upto], "--json", *words[upto:]]
        done = self.machine.peer(*asked, session=self.session, kill_after=kill_after)
        try:
            done["said"] = json.loads(done["out"])
        except ValueError:
            done["said"] = None
        return done

    def _send(self, to: str, token: str, *, urgent: bool = False, kill_after: float | None = None) -> None:
        words = ["send", to, token, *(["--urgent"] if urgent else [])]
        done = self._peer(*words, kill_after=kill_after)
        self._told(done, token=token, to=to, urgent=urgent)

    def _told(self, done: dict[str, Any], *, token: str, to: str, urgent: bool = False) -> None:
        said = done["said"] if isinstance(done["said"], dict) else {}
        rows = [
            {"id": one["id"], "peer": one["peer"], "to": one["to"], "state": one["state"]}
            for one in said.get("messages", [])
        ]
        error = (said.get("error") or {}).get("code", "")
        self.machine.journal.add(
            "said",
            token=token,
            who=self.who,
            to=to,
            code=done["code"],
            rows=rows,
            error=error,
            began=done["began"],
            ended=done["ended"],
            urgent=urgent,
        )

    def _door(self, to: str, tokens: list[str]) -> None:
        """Many in a row through an open door; what is not answered is not told."""
        if not self.machine.up.wait(30):
            return
        door = knock(config.session_link(str(self.machine.state), self.session))
        for token in tokens:
            began = time.monotonic()
            code: int | None = None
            said: dict[str, Any] = {}
            try:
                if door is None:
                    return
                fields = {"cwd": str(self.machine.work)} if to.startswith("@") else {}
                said = door.ask("send", timeout=ANSWER, to=to, body=token, **fields)
                code = 0
            except PeerError as wrong:
                code, said = 1, {"error": {"code": wrong.code}}
            except OSError:
                code = -9  # nobody answered: it may have been said or not
            done = {"code": code, "said": said, "began": began, "ended": time.monotonic()}
            self._told(done, token=token, to=to)
            if code == -9:
                break
        if door is not None:
            door.close()

    def _note(self, path: str, text: str, kill_after: float | None = None) -> None:
        self._peer("note", "-p", path, text, kill_after=kill_after)

    def _claim(self, path: str, text: str, kill_after: float | None = None) -> None:
        self._peer("claim", path, "--why", text, kill_after=kill_after)

    def _release(self, path: str, text: str) -> None:
        self._peer("release", path)

    def _task(self, act: str, which: int, kill_after: float | None = None) -> None:
        if act == "add":
            self._peer("task", "add", f"task {which} of {self.who}", kill_after=kill_after)
            return
        rows = self._peer("task", "list")["said"]
        if isinstance(rows, list) and rows:
            self._peer("task", act, str(rows[which % len(rows)]["id"]), kill_after=kill_after)

    def _run(self, token: str, seconds: float, kill_after: float | None = None) -> None:
        done = self._peer(
            "run", "--detach", "--name", token, "--", "sleep", str(seconds), kill_after=kill_after
        )
        self.machine.journal.add("ran", token=token, who=self.who, code=done["code"], ended=done["ended"])


class Ears:
    """A session's client: it runs turns, keeps a waiter while it is idle, and can end and be resumed."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine, self.name = machine, name
        self._turns = threading.RLock()  # one turn at a time
        self._stopped = threading.Event()
        self._away = threading.Event()
        self._waiter: Waiter | None = None
        self._again = 0.0
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

    def turn(self, batches: int = 0, kill_after: float | None = None, prompt: str = "go on") -> str:
        """The person types, the model works and ends; what it was shown."""
        if self._away.is_set() or not self.machine.up.is_set():
            return ""
        with self._turns:
            found = self.machine.client_hook(self.name, "UserPromptSubmit", kill_after, prompt=prompt)[1]
            for _ in range(batches):
                found += self.machine.client_hook(self.name, "PostToolBatch")[1]
            for _ in range(STOPS):
                text = self.machine.client_hook(self.name, "Stop")[1]
                found += text
                if not text:
                    break
            return found

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
            self.turn(prompt=f"<task-notification>{_flat(waiter.text)[:500]}</task-notification>")

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
