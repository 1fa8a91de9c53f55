"""Who speaks in a run: a session's commands, or a person's."""

from __future__ import annotations

import json
import time
from typing import Any

from peermesh import config
from peermesh.door.client import knock
from peermesh.errors import PeerError

from .machine import Machine
from .plan import Step
from .words import printed

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

    def _send(
        self,
        to: str,
        token: str,
        *,
        urgent: bool = False,
        shown: float | None = None,
        kill_after: float | None = None,
    ) -> None:
        words = ["send", to, token, *(["--urgent"] if urgent else [])]
        if shown is not None:
            words += ["--wait", "shown", "--timeout", f"{shown}s"]
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

    def _ask(self, to: str, token: str, seconds: float, kill_after: float | None = None) -> None:
        """A question; its answer, or the notice that there is none, is printed by the command."""
        done = self._peer("ask", to, token, "--timeout", f"{seconds}s", kill_after=kill_after)
        said = done["said"] if isinstance(done["said"], dict) else {}
        if "body" in said:  # what came back; of the question itself nothing is told
            shown = self._printed("ask", done, [said])
            self.machine.journal.add("answered", token=token, who=self.who, by=shown, code=done["code"])
            done["said"] = None
        self._told(done, token=token, to=to)

    def reply(self, ident: str, token: str, *, kill_after: float | None = None) -> None:
        """Answer the question *ident*."""
        done = self._peer("reply", ident, token, kill_after=kill_after)
        self._told(done, token=token, to=ident)

    def inbox(self, most: int = 500, kill_after: float | None = None) -> int:
        """Read what is new; how many messages were printed."""
        return self._inbox(most=most, kill_after=kill_after)

    def _inbox(self, most: int, kill_after: float | None = None) -> int:
        done = self._peer("inbox", "-n", str(most), kill_after=kill_after)
        rows = done["said"] if isinstance(done["said"], list) else []
        self._printed("inbox", done, rows)
        return len(rows)

    def _peek(self, *, read: bool, kill_after: float | None = None) -> None:
        """Look at what is new and leave it there, but for the first of it, with *read*."""
        done = self._peer("inbox", "--peek", "-n", "500")
        rows = done["said"] if isinstance(done["said"], list) else []
        about = {"began": done["began"], "ended": done["ended"]}
        self.machine.journal.add("peeked", who=self.who, host=self.machine.name, ids=printed(rows), **about)
        if rows and read:
            done = self._peer("read", str(rows[0]["id"]), kill_after=kill_after)
            self._printed("read", done, done["said"] if isinstance(done["said"], list) else [])

    def _printed(self, how: str, done: dict[str, Any], rows: list[dict[str, Any]]) -> list[list[str]]:
        """Note what a command showed; ids and tokens."""
        ids = printed(rows)
        self.machine.journal.add(
            "hook",
            who=self.who,
            host=self.machine.name,
            began=done["began"],
            ended=done["ended"],
            ids=ids,
            event=how,
            code=done["code"],
            killed=False,
            err="",
            cut=False,
        )
        return ids

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
