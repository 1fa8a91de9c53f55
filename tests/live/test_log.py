"""`peer log`: the feed as lines, as JSON, filtered and followed; and what else is noted, in `peer doctor --log`."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .actors import Person, Session
from .conftest import Sessions
from .home import Home, until


@pytest.fixture
def repo(home: Home) -> Path:
    """A repo in which sessions work."""
    return home.repo("shop")


class Lines:
    """`peer log -f --json`, read as it comes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process, self.items = process, list[dict[str, Any]]()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.items.append(json.loads(line))

    def texts(self) -> list[str]:
        """What the items say."""
        return [item["text"] for item in list(self.items)]


@pytest.fixture
def follow(repo: Path) -> Callable[..., Lines]:
    """Starts followers; comes back when they wait for more than what was there before: one note."""

    def start(one: Session | Person) -> Lines:
        one.cwd = repo
        one.ok("note", "before")
        lines = Lines(one.start_peer("log", "-f", "--json"))
        until(lambda: lines.texts() == ["before"], "what was there before")
        time.sleep(0.5)  # it says nothing when it asks again
        return lines

    return start


def test_log_prints_lines(session: Sessions, repo: Path) -> None:
    """`peer log` says who did what, cleaned, one line each; a safe message is not worth a line."""
    one, two = session("one", cwd=repo), session("two", cwd=repo)
    one.send("two", "first\nsecond \x1b[31mred")
    two.turn()
    one.ok("claim", "src/", "--why", "new colours")
    until(lambda: any(i["state"] == "shown" for i in one.ask("feed", cwd=str(repo))["items"]), "the receipt")
    lines = one.ok("log").splitlines()
    assert len(lines) == 3
    assert "message    one (you) → two: first second red" in lines[0]
    assert any("receipt    one (you) → two: ✓✓ shown" in line for line in lines)
    assert any("claim      one (you) src/ (new colours)" in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_log_is_filtered(session: Sessions, repo: Path) -> None:
    """By kind, by who, by age and by number; --json is one object a line."""
    one, two = session("one", cwd=repo), session("two", cwd=repo)
    for each, text in ((one, "by one"), (two, "by two"), (one, "by one again")):
        each.ok("note", text)
    one.send("two", "a message")

    def texts(*words: str) -> list[str]:
        lines = [json.loads(line) for line in one.ok("log", "--json", *words).splitlines()]
        return [line["text"] for line in lines if line["kind"] != "receipt"]

    assert texts() == ["by one", "by two", "by one again", "a message"]
    assert texts("--kind", "note") == ["by one", "by two", "by one again"]
    assert texts("--kind", "note", "--from", "ONE") == ["by one", "by one again"]
    assert texts("--from", "two@box") == ["by two"]
    assert texts("-n", "1", "--kind", "message") == ["a message"]
    time.sleep(1.1)
    assert texts("--since", "1s") == []
    assert one.ok("log", "--kind", "job") == "nothing like that happened\n"


def test_log_follows_over_a_crash(
    session: Sessions, person: Person, repo: Path, follow: Callable[..., Lines]
) -> None:
    """`peer log -f` prints what happens as it happens, starts a sidecar that died, and repeats nothing."""
    one = session("one", cwd=repo)
    lines = follow(person)
    one.ok("note", "as it happens")
    until(lambda: lines.texts() == ["before", "as it happens"], "the note", 2.0)
    person.kill_sidecar()
    one.ok("note", "after the crash")
    until(lambda: lines.texts() == ["before", "as it happens", "after the crash"], "the note after the crash")
    lines.process.send_signal(signal.SIGINT)
    assert lines.process.wait(10) == 130


def test_log_waits_for_one_that_ended(
    session: Sessions, person: Person, repo: Path, follow: Callable[..., Lines]
) -> None:
    """A sidecar that was ended by intention is not started again by a follower, which goes on with the next."""
    one = session("one", cwd=repo)
    lines = follow(person)
    person.ok("down")
    person.gone()
    time.sleep(1.0)
    assert not person.pid
    one.ok("note", "meanwhile")
    person.ok("list")
    until(lambda: lines.texts() == ["before", "meanwhile"], "the note")


def test_a_follower_keeps_a_shells_sidecar(home: Home, person: Person, follow: Callable[..., Lines]) -> None:
    """The sidecar of a shell stays as long as somebody follows, and ends when nobody does."""
    person.env["PEER_PERSON_QUIET"] = "1"
    lines = follow(person)
    time.sleep(3.0)
    assert person.pid
    lines.process.kill()
    lines.process.wait()
    person.gone(12.0)


def test_doctor_shows_what_was_noted(home: Home, session: Sessions) -> None:
    """`peer doctor --log` shows what sidecars and hooks noted, as lines and as JSON."""
    one = session("one")
    assert "nothing was noted" in one.ok("doctor", "--log")
    one.run_hook("SessionStart", stdin=b"garbage")
    assert "SessionStart" in one.ok("doctor", "--log")
    assert any("SessionStart" in line for line in json.loads(one.ok("doctor", "--log", "--json")))
