"""A door that gives canned answers, and rows as the sidecar sends them."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from peermesh.cli import main
from peermesh.errors import PeerError


@dataclass
class Canned:
    """Answers each verb with what the test put there, and keeps what was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    closed: int = 0

    def link_ask(self, do: str, **fields: Any) -> tuple[Canned, dict[str, Any]]:
        """In place of ``link.ask``."""
        return self, self.ask(do, **fields)

    def ask(self, do: str, timeout: float | None = None, **fields: Any) -> dict[str, Any]:
        """In place of ``Door.ask``: the answer, or the next one if there is a list of them."""
        self.asked.append((do, fields))
        answer = self.answers[do]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return dict(answer)

    def close(self) -> None:
        """In place of ``Door.close``."""
        self.closed += 1

    @property
    def last(self) -> dict[str, Any]:
        """The fields of the last question."""
        return self.asked[-1][1]


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of its standard output."""
        return self.out.splitlines()


class Typed:
    """Runs commands in this process, with an answering door behind them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.door = Canned()
        self._patch, self._capsys = monkeypatch, capsys
        monkeypatch.setattr("peermesh.cli.link.ask", self.door.link_ask)
        monkeypatch.setattr("peermesh.cli.main.leave", sys.exit)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("LINES", "24")

    def __call__(self, *words: str, **answers: dict[str, Any] | list[Any] | PeerError) -> Said:
        """Run ``peer WORDS``; *answers* is what the door says to each verb."""
        self.door.answers.update(answers)
        self._patch.setattr(sys, "argv", ["peer", *words])
        with pytest.raises(SystemExit) as ended:
            main.main()
        out, err = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)


def claim(**given: Any) -> dict[str, Any]:
    """A claim as the door tells it."""
    usual = {"path": "src/admin/", "by": "session-a", "host": "", "peer": "k3m9x2ab", "mine": False}
    times = {"why": "restyle the dashboard", "branch": "dashboard", "since": 185.0, "left": 1_615.0}
    return {**usual, **times, **given}


def task(**given: Any) -> dict[str, Any]:
    """A task as the door tells it."""
    usual = {"id": "7kq2", "full": "7kq2m3x9", "title": "move the API to v2", "state": "open", "mine": False}
    owner = {"owner": "", "owner_host": "", "owner_here": False, "confirmed": False, "tentative": False}
    rest = {
        "after": [],
        "waits_for": [],
        "by": "session-b",
        "host": "",
        "age": 7_300.0,
        "changed": 300.0,
        "why": "",
    }
    return {**usual, **owner, **rest, **given}


def note(**given: Any) -> dict[str, Any]:
    """A note as the door tells it."""
    usual = {"id": "0123456789abcdef-7", "by": "session-a", "host": "", "peer": "k3m9x2ab", "mine": False}
    rest = {"text": "the staging database is being rebuilt", "discovery": False, "paths": [], "age": 720.0}
    return {**usual, **rest, **given}


def peer(**given: Any) -> dict[str, Any]:
    """A peer as the door tells it in the list."""
    usual = {"id": "k3m9x2ab", "name": "session-a", "host": "laptop", "person": False, "here": True}
    where = {
        "repo": "shop",
        "repo_key": "remote:shop",
        "branch": "dashboard",
        "cwd": "/w",
        "worktree": "shop",
    }
    rest = {
        "roles": [],
        "focus": "new dashboard",
        "status": "busy",
        "since": time.time() - 185,
        "active": 3.0,
    }
    return {**usual, **where, **rest, "active": time.time() - 3, "files": [], **given}


def peers(*rows: dict[str, Any], **given: Any) -> dict[str, Any]:
    """The door's answer to ``list``; who asks is nobody of them."""
    usual = {"me": "zzzzzzzz", "name": "pat", "host": "laptop", "repo_key": "remote:shop", "unread": 0}
    return {**usual, "meeting": False, "peers": list(rows), **given}
