"""`peer jobs`, `run`, `watch` and `log` as a person reads them, and what is said of what cannot be done."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click
import pytest

from peermesh.cli import draw
from peermesh.errors import AmbiguousPeer, UnknownPeer

from .canned import Typed

LINE = "src/admin/users.tsx(41,7): error TS2339: Property 'userId' does not exist on this type"


def job(**given: Any) -> dict[str, Any]:
    """A job as the door tells it."""
    usual = {"id": "k3m9x2", "name": "build", "cmd": "make -j8", "kind": "run", "state": "ended", "code": 0}
    rest = {"signal": "", "why": "", "by": "session-a", "host": "", "mine": True, "here": True}
    times = {"reached": True, "age": 31.0, "seconds": 12.0, "line": LINE, "branch": "main", "repo": "shop"}
    return {**usual, **rest, **times, "told": ["session-a"], "detached": True, "pid": 4711, **given}


def jobs(*rows: dict[str, Any]) -> dict[str, Any]:
    """The door's answer to ``jobs``."""
    return {"jobs": list(rows), "repo": "shop"}


def happened(kind: str, **given: Any) -> dict[str, Any]:
    """An item of the feed as the door tells it."""
    empty = dict.fromkeys(("to", "group", "what", "state", "text", "path"), "")
    head = {"n": 1, "at": time.time(), "kind": kind, "who": "session-b", "host": "", "mine": False}
    return {**head, **empty, "id": "x", **given}


def feed(*items: dict[str, Any]) -> dict[str, Any]:
    """The door's answer to ``feed``."""
    return {"items": list(items), "after": 1, "missed": False}


# ------------------------------------------------------------ the list


def test_the_state_is_whole(typed: Typed) -> None:
    """How it ended and when is not cut at 80 columns; who started it is left out where that was always me."""
    rows = [job(code=None, signal="SIGTERM"), job(name="a-name-that-is-longer-than-most", branch="fix/" * 9)]
    said = typed("jobs", jobs=jobs(*rows))
    assert "SIGTERM, 31 s ago" in said.out
    assert said.lines[0].split("  ")[0] == "ID"
    assert "BY" not in said.lines[0].split()
    assert all(draw.cells(text) <= 80 for text in said.lines)
    others = typed("jobs", jobs=jobs(rows[0], job(mine=False, by="build", host="desktop", branch="")))
    assert "BY" in others.lines[0].split()
    assert "SIGTERM, 31 s ago" in others.out


def test_the_newest_are_printed(typed: Typed) -> None:
    """Twenty, with a word about the rest; more or fewer with -n; as JSON all, if nothing else is said."""
    rows = [job(id=f"aaaa{n:02}") for n in range(30)]
    said = typed("jobs", jobs=jobs(*rows))
    assert (len(said.lines), said.lines[-1]) == (22, "and 10 more: peer jobs -n 30")
    assert len(typed("jobs", "-n", "30").lines) == 31
    assert len(json.loads(typed("jobs", "--json").out)) == 30
    assert len(json.loads(typed("jobs", "--json", "-n", "3").out)) == 3


def test_only_mine_and_only_what_runs(typed: Typed) -> None:
    """--mine and --running leave the others out, and say so if none is left."""
    rows = [job(id="aaaaaa", state="running"), job(id="bbbbbb", mine=False), job(id="cccccc")]

    def ids(*words: str) -> list[str]:
        return [one["id"] for one in json.loads(typed("jobs", "--json", *words).out)]

    typed("jobs", jobs=jobs(*rows))
    assert ids("--mine") == ["aaaaaa", "cccccc"]
    assert ids("--running") == ["aaaaaa"]
    assert typed("jobs", "--running", jobs=jobs(rows[1])).out.startswith("no job of that kind in shop")


def test_columns_that_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are cut last, and then too rather than that a line is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", "40")
    _, text = draw.rows(("A", "B"), [("x" * 30, "y" * 30)], whole=(1,))
    assert click.unstyle(text) == f"{'x' * 7}…  {'y' * 30}"
    _, text = draw.rows(("A", "B"), [("x" * 60, "y" * 60)], whole=(0, 1))
    assert draw.cells(click.unstyle(text)) == 40


# ------------------------------------------------------------ one of them


def test_a_log_by_name(typed: Typed) -> None:
    """The answer is about the job's id, which is asked for from then on; with -f its end is told beside."""
    texts = [
        {"job": "k3m9x2", "text": "one\n", "after": 4, "ended": True, "host": ""},
        {"job": "k3m9x2", "text": "", "after": 4, "ended": True, "host": ""},
    ]
    said = typed("jobs", "log", "build", "--json", job_log=list(texts))
    assert json.loads(said.out) == {"job": "k3m9x2", "text": "one\n", "ended": True}
    assert [fields["job"] for _, fields in typed.door.asked] == ["build", "k3m9x2"]
    said = typed("jobs", "log", "build", "-f", job_log=texts, jobs=jobs(job(code=3)))
    assert (said.out, said.err) == ("one\n", "build: exit 3 after 12 s\n")


def test_stop(typed: Typed) -> None:
    """A watched process is not frightened away; of two of one name neither is stopped."""
    said = typed("jobs", "stop", "dev", job_stop={"stopping": "k3m9x2", "kind": "watch", "pid": 1})
    assert said.out == "✓ k3m9x2: process 1 is no longer watched\n"
    said = typed("jobs", "stop", "dev", job_stop={"stopping": "k3m9x2", "kind": "run", "pid": 5})
    assert said.out == "✓ k3m9x2 is told to end\n"
    both = AmbiguousPeer("'dev' may be any of k3m9x2 (dev), wxetds (dev); say which by its id")
    assert typed("jobs", "stop", "dev", job_stop=both).code == 3


def test_watch_of_who_is_away(typed: Typed) -> None:
    """Nothing will end any more: exit 4, also as JSON."""
    away = {"name": "session-b", "here": False}
    said = typed("watch", "session-b", watch_peer=away)
    assert (said.code, said.out, said.err) == (4, "", "session-b is away already\n")
    assert typed("watch", "session-b", "--json").code == 4
    said = typed("watch", "session-b", watch_peer={**away, "here": True})
    assert (said.code, said.out) == (0, "✓ you are told if session-b ends without a goodbye\n")


def test_a_line_of_a_shell(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given as one word it is no command; what would run it is said, ready to be pasted."""
    monkeypatch.setattr("peermesh.jobs.foreground.summon", lambda: None)  # it is not needed
    said = typed("run", "echo 'a' | wc -c")
    assert (said.code, typed.door.asked) == (127, [])
    shell = """'echo '"'"'a'"'"' | wc -c'"""
    assert said.err.endswith(f"command not found; for a line of a shell: peer run -- sh -c {shell}\n")
    assert typed("run", "no such", "x").err == "peer: no such: command not found\n"


# ------------------------------------------------------------ what happened


def test_jobs_and_tasks_in_the_log(typed: Typed) -> None:
    """What became of a job stands first; what was done with a task is a sentence with the board's short id."""
    task = {"kind": "task", "id": "7kq2m3x9", "text": "move the API"}
    items = [
        happened("job", state="running", text="build (make)"),
        happened("job", state="ended", what="fine", text="done after 2 s: build (make)"),
        happened("job", state="ended", what="failed", text="exit 3 after 2 s: build (make)"),
        *(
            happened(**task, state=state, to=to)
            for state, to in (
                ("open", ""),
                ("taken", "session-b"),
                ("taken", "session-a"),
                ("done", ""),
                ("later-word", ""),
            )
        ),
    ]
    said = typed("log", feed=feed(*items))
    assert [text.partition("session-b ")[2].rstrip(" x") for text in said.lines] == [
        "started build (make)",
        "✓ done after 2 s: build (make)",
        "✗ exit 3 after 2 s: build (make)",
        "added 7kq2: move the API",
        "took 7kq2: move the API",
        "gave 7kq2 to session-a: move the API",
        "finished 7kq2: move the API",
        "later-word 7kq2: move the API",
    ]


def test_log_of_somebody_unknown(typed: Typed) -> None:
    """A name that is neither in the feed nor known is a slip, with the names like it; one in the feed is none."""
    nobody = UnknownPeer("nobody here is called 'sesion-b'; did you mean session-b?")
    said = typed("log", "--from", "sesion-b", feed=feed(happened("note", text="hi")), alive=nobody)
    assert (said.code, said.out) == (3, "")
    assert "did you mean session-b" in said.err
    said = typed("log", "--from", "session-b", "--kind", "edit")
    assert (said.code, said.out) == (0, "nothing like that happened\n")
    assert typed("log", "--from", "session-c", alive={"here": True}).code == 0


# ------------------------------------------------------------ texts


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["state", "set", "plan"], "there is no text to keep"),
        (["note"], "there is no text to note"),
        (["note", " "], "there is no text to note"),
        (["task", "add", " "], "a task needs a title"),
        (["task", "done", "7kq2", ""], "the word why is empty"),
        (["send", "b"], "There is no text to send"),
    ],
)
def test_nothing_was_written(typed: Typed, words: list[str], why: str) -> None:
    """Each command says what it would have done with a text."""
    said = typed(*words)
    assert (said.code, typed.door.asked) == (2, [])
    assert why in said.err


@pytest.mark.parametrize("none", ["0", "00"])
def test_a_claim_for_no_time(typed: Typed, none: str) -> None:
    """It is not asked in which unit."""
    said = typed("claim", "y", "--for", none)
    assert (said.code, f"'{none}' is no length of time; write 30m" in said.err) == (2, True)
    assert f"{none}s" not in said.err


def test_help_of_statusline(typed: Typed) -> None:
    """Its example stands in lines of its own."""
    said = typed("statusline", "--help")
    assert "  Example:\n    peer statusline\n" in said.out
    assert "\\b" not in said.out


# ------------------------------------------------------------ standard input


@pytest.mark.parametrize(("content", "told"), [(b"hello", True), (b"", False)])
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_input_that_nobody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, content: bytes, told: bool
) -> None:
    """What was piped or redirected to a detached job is told to be dropped, if there was anything."""
    from peermesh.cli import run

    if kind == "pipe":
        read, write = os.pipe()
        os.write(write, content)
        os.close(write)
    else:
        (tmp_path / "in").write_bytes(content)
        read = os.open(tmp_path / "in", os.O_RDONLY)
    kept = os.dup(0)
    try:
        os.dup2(read, 0)
        assert run._unread() is told
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(read)
