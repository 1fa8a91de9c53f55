"""The shared picture: what the hook before an edit costs, how many words a model is given, how long news takes.

The second part needs Linux and root: two machines are played by network namespaces, on a bridge in a third one.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from hooks import hook_file
from stage import Stage, interleaved, ms, ratio, stage, until

from peermesh.core.events import Draft
from peermesh.store.log import LogStore
from tests.lan.hosts import Host, pair
from tests.netns import Network

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "60"))
CLAIMS = 20
EVENTS = 10_000
MANY = 100_000
CHARACTERS_A_TOKEN = 4.0
PATIENCE = 60.0


def git(path: str, *words: str) -> None:
    """Run git in *path*."""
    who = ["-c", "user.name=Bench", "-c", "user.email=bench@example.invalid", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", path, *who, *words], check=True, capture_output=True)


def repo(path: str, remote: str = "") -> str:
    """A repository with one commit at *path*."""
    os.makedirs(path, exist_ok=True)
    git(path, "init", "-q", "-b", "main")
    git(path, "commit", "-q", "--allow-empty", "-m", "First")
    if remote:
        git(path, "remote", "add", "origin", remote)
    return path


def payload(session: str, cwd: str, path: str) -> bytes:
    """What the client gives the hook before an edit."""
    said = {"session_id": session, "cwd": cwd, "tool_name": "Edit", "tool_input": {"file_path": path}}
    return json.dumps(said).encode()


class Hook:
    """The hook before an edit, of one session."""

    def __init__(self, here: Stage, session: str, cwd: str) -> None:
        self._path, self._env = hook_file(here), here.environment(session)
        self._session, self._cwd = session, cwd

    def __call__(self, path: str, event: str = "PreToolUse") -> str:
        """What it prints."""
        said = payload(self._session, self._cwd, os.path.join(self._cwd, path))
        done = subprocess.run([self._path, event], env=self._env, input=said, capture_output=True, check=True)
        return done.stdout.decode()


def flagged(here: Stage, session: str, event: str = "PreToolUse") -> bool:
    """Whether the second step of a hook is wanted."""
    return os.path.exists(os.path.join(here.home, "session", session, "due", event))


def hook_costs() -> None:
    """The first table."""
    with stage() as here:
        place = repo(os.path.join(here.home, "r"))
        for name in ("a", "b"):
            here.session(name, place)
        hook, other = Hook(here, "b", place), here.open("a")

        def claim(*paths: str) -> None:
            said = other.ask("claim", cwd=place, paths=list(paths), lease=None, why="a bench")
            assert not said["refused"], said

        rows: dict[str, list[float]] = {}
        shell = {"`/bin/sh -c :`": lambda: subprocess.run(["/bin/sh", "-c", ":"], input=b"", check=True)}
        found = interleaved({**shell, "nothing is held": lambda: hook("x.py")}, ROUNDS)
        base, rows["nothing is held"] = found["`/bin/sh -c :`"], found["nothing is held"]
        rows = {"`/bin/sh -c :`": base, **rows}
        claim("held.py")
        until(lambda: flagged(here, "b"))
        assert "is held by" in hook("held.py")
        bases = [base, base]
        for count in (1, 1_000):
            if count > 1:
                claim(*(f"src/{number}.py" for number in range(count - 1)))
            found = interleaved(
                {**shell, "free": lambda: hook("x.py"), "passed": lambda: hook("held.py")}, ROUNDS
            )
            rows[f"{count:,} held, this one is free"] = found["free"]
            rows[f"{count:,} held, this one was warned of before"] = found["passed"]
            bases += [found["`/bin/sh -c :`"]] * 2
        warned: list[float] = []
        for number in range(ROUNDS):
            began = time.perf_counter()
            assert "is held by" in hook(f"src/{number}.py")
            warned.append(time.perf_counter() - began)
        rows["1,000 held, this one is turned back"] = warned
        bases.append(bases[-1])
        log = LogStore(here.home)
        me, key = other.ask("status")["id"], other.ask("list")["repo_key"]
        with log.writing() as writer:
            for number in range(MANY):
                said = Draft(by=me, name="a", repo=key, kind="note", data={"text": f"note {number}"})
                writer.say(said, time.time())
        log.close()
        other.ask("claims", cwd=place)  # both have heard of them
        until(
            lambda: here.open("b").ask("notes", cwd=place, most=1)["notes"][-1]["text"] == f"note {MANY - 1}"
        )
        found = interleaved({**shell, "free": lambda: hook("x.py")}, ROUNDS)
        rows[f"{MANY:,} events in the log, 1,000 held, this one is free"] = found["free"]
        bases.append(found["`/bin/sh -c :`"])
        print("| hook before an edit | median ms | 90 % ms | ratio to `/bin/sh -c :` |\n|---|---|---|---|")
        for (name, seconds), shells in zip(rows.items(), bases, strict=True):
            median, ninety = ms(seconds).split(" | ")
            print(f"| {name} | {median} | {ninety} | {ratio(seconds, shells):.2f} |")


def words() -> None:
    """The second table: what a model reads."""
    with stage() as here:
        place = repo(os.path.join(here.home, "r"))
        here.session("a", place)
        here.session("b", place)
        hook, other = Hook(here, "b", place), here.open("a")
        mine = here.open("b")

        def context(event: str, **given: str) -> str:
            said = json.dumps({"session_id": "b", "cwd": place, **given}).encode()
            done = subprocess.run(
                [hook_file(here), event],
                env=here.environment("b"),
                input=said,
                capture_output=True,
                check=True,
            ).stdout
            return str(json.loads(done)["hookSpecificOutput"]["additionalContext"]) if done else ""

        rows = {"a session's start": context("UserPromptSubmit", prompt="go on")}
        rows["a quiet turn"] = context("UserPromptSubmit", prompt="go on") + context("Stop")
        other.ask("claim", cwd=place, paths=["src/"], lease=None, why="new colours for the admin dashboard")
        until(lambda: flagged(here, "b"))
        denied = json.loads(hook("src/a.py"))["hookSpecificOutput"]["permissionDecisionReason"]
        rows["a warning before an edit"] = denied
        other.ask(
            "note", cwd=place, text="the colours live in theme.css from now on", discovery=False, paths=[]
        )
        until(lambda: flagged(here, "b", "UserPromptSubmit"))
        rows["a turn with one note"] = context("UserPromptSubmit", prompt="go on")
        for number in range(6):
            mine.ask("state", act="set", key=f"key-{number}", text="what must not be forgotten " * 8)
        for number in range(8):
            mine.ask("claim", cwd=place, paths=[f"web/{number}.css"], lease=None, why="")
            task = mine.ask("task", act="add", cwd=place, title=f"task number {number} of the list")["task"][
                "full"
            ]
            mine.ask("task", act="take", cwd=place, task=task)
        rows["a start after a compaction, with much to give back"] = context("SessionStart", source="compact")
        print("\n| what the model reads | characters | tokens, at 4 characters each |\n|---|---|---|")
        for name, text in rows.items():
            print(f"| {name} | {len(text)} | {len(text) / CHARACTERS_A_TOKEN:.0f} |")


def between() -> None:
    """The third table: two machines."""
    remote = "git@example.invalid:acme/bench.git"
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        try:
            for host, session in ((desk, "d"), (lap, "l")):
                host.start(session, session, cwd=repo(str(host.work), remote))
            pair(desk, lap)
            until(lambda: desk.sees("lap", "l") and lap.sees("desk", "d"), PATIENCE)
            mark = lap.home / "p" / "session" / "l" / "due" / "PreToolUse"
            cwd, seen = {"cwd": str(desk.work)}, []
            for number in range(CLAIMS):
                began = time.perf_counter()
                desk.ask("d", "claim", **cwd, paths=[f"{number}.py"], lease=None, why="")
                until(mark.exists, PATIENCE)
                seen.append(time.perf_counter() - began)
                desk.ask("d", "release", **cwd, paths=[], all=True)
                until(lambda: not mark.exists(), PATIENCE)
            lap.end("l")
            lap.run("down", "--all")
            store = LogStore(str(desk.home / "p"))
            me, key = desk.ask("d", "status")["id"], desk.ask("d", "list")["repo_key"]
            with store.writing() as writer:
                for number in range(EVENTS):
                    data: dict[str, Any] = {
                        "text": f"note {number}, of an ordinary length, as sessions write them"
                    }
                    writer.say(Draft(by=me, name="d", repo=key, kind="note", data=data), time.time())
            store.close()
            began = time.perf_counter()
            lap.start("l", cwd=str(lap.work))
            opened = time.perf_counter()
            last = f"note {EVENTS - 1},"

            def caught_up() -> bool:
                notes = lap.ask("l", "notes", cwd=str(lap.work), most=1).get("notes", [])
                return bool(notes) and notes[-1]["text"].startswith(last)

            until(caught_up, PATIENCE)
            took = time.perf_counter()
            print("\n| between two machines | |\n|---|---|")
            ninety = sorted(seen)[int(0.9 * len(seen))]
            print(
                "| from `peer claim` on one until the hook on the other warns, ms, median and 90 % "
                f"| {statistics.median(seen) * 1_000:.1f}, {ninety * 1_000:.1f} |"
            )
            print(
                f"| {EVENTS:,} events that were said while the other was away: s from its start, from its open door "
                f"| {took - began:.2f}, {took - opened:.2f} |"
            )
        finally:
            desk.close()
            lap.close()


if __name__ == "__main__":
    hook_costs()
    words()
    between()
