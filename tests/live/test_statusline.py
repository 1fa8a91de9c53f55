"""`peer statusline`: what it says, when it is silent, and what it costs."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from peermesh.hooks import plugin

from .actors import Session, run
from .conftest import Sessions
from .home import PYTHON, ROOT, Home, until

LIMIT = 120


@pytest.fixture
def repo(home: Home) -> Path:
    """A repo in which sessions work."""
    return home.repo("shop")


@pytest.fixture
def quick(home: Home) -> list[str]:
    """The plugin's own `peer`, which starts no interpreter for this."""
    plugin.write(str(home.peer), "/nowhere/python", str(ROOT))
    return ["/bin/sh", str(home.peer / "plugin/peer/bin/peer"), "statusline"]


@pytest.fixture
def command() -> list[str]:
    """The command of those who have `peer` on their PATH."""
    return [str(Path(PYTHON).with_name("peer")), "statusline"]


def said(one: Session, words: list[str], stdin: bytes = b"", **env: str) -> str:
    """What the command prints for the session *one*; it never fails and never complains."""
    done = run(words, {**one.env, **env}, one.cwd, stdin)
    assert (done.code, done.err) == (0, ""), done
    return done.out


def line(one: Session, what: str) -> str:
    """The line, as soon as *what* stands in it."""
    path = one.directory / "statusline"
    until(lambda: path.exists() and what in path.read_text(), f"{what!r} in the line")
    return path.read_text()


def edit(one: Session, path: str) -> None:
    """A whole edit."""
    given = {"session_id": one.id, "cwd": str(one.cwd), "tool_name": "Edit"}
    payload = {**given, "hook_event_name": "PostToolUse", "tool_input": {"file_path": str(one.cwd / path)}}
    assert one.run_hook("PostToolUse", json.dumps(payload).encode()).code == 0


def test_what_it_says(session: Sessions, repo: Path, quick: list[str], command: list[str]) -> None:
    """Nothing while alone; then who is here, what is unread, and who holds the file that was edited last."""
    one = session("one", cwd=repo)
    assert said(one, quick) == said(one, command) == ""
    two = session("two", cwd=repo)
    assert line(one, "two") == "with two\n"
    two.send("one", "a word")
    assert line(one, "unread") == "1 unread · with two\n"
    assert said(one, quick) == said(one, command) == "1 unread · with two\n"
    one.turn()
    until(lambda: said(one, quick) == "with two\n", "the message to be read")
    edit(one, "src/a.css")
    two.ok("claim", "src/")
    assert line(one, "holds") == "with two · two holds src/a.css\n"
    two.ok("release", "--all")
    edit(two, "src/a.css")
    assert line(one, "edited").startswith("with two · two edited src/a.css ")
    assert "edited" in said(one, quick)
    assert json.loads(said(one, [*command, "--json"]))["line"] == said(one, command).strip()


def test_it_is_short(session: Sessions, home: Home, repo: Path) -> None:
    """Three names and how many more, long names and paths cut: never more than a line of 120 letters."""
    names = [f"a-session-with-a-long-name-{number}" for number in range(5)]
    others = [session(name, cwd=repo, brief=False) for name in names]
    one = session("one", cwd=repo)
    path = f"{'a-long-directory/' * 8}dashboard.css"
    edit(one, path)
    others[0].ok("claim", path)
    others[1].send("one", "x")
    text = until(lambda: "unread" in line(one, "holds") and line(one, "+2"), "all of it")
    assert text.startswith(
        "1 unread · with a-session-with-…, a-session-with-…, a-session-with-… +2 · a-session-with-… holds …"
    )
    assert text.endswith("/dashboard.css\n")
    assert len(text) <= LIMIT + 1


def test_others_elsewhere_are_not_named(session: Sessions, home: Home, repo: Path) -> None:
    """Sessions of another repo are not in the line, nor is a session itself."""
    one = session("one", cwd=repo)
    session("two", cwd=home.repo("other"))
    time.sleep(6.0)  # in which the sidecar looks around at least once
    assert (one.directory / "statusline").read_text() == ""


def test_which_session_is_meant(session: Sessions, repo: Path, quick: list[str], command: list[str]) -> None:
    """By the environment, else by what Claude Code writes to standard input, on one line or on several."""
    one = session("one", cwd=repo)
    session("two", cwd=repo)
    line(one, "two")
    payload = {"hook_event_name": "Status", "session_id": one.id, "cwd": "/x", "model": {"id": "y"}}
    env = {"CLAUDE_CODE_SESSION_ID": ""}
    for words in (quick, command):
        for indent in (None, 2):
            stdin = json.dumps(payload, indent=indent).encode()
            assert said(one, words, stdin, **env) == "with two\n"
            assert said(one, words, stdin + b"\n", **env) == "with two\n"
        odd = (
            b"",
            b"{}",
            b"[]",
            b"\xff\xfe",
            b'{"session_id": 7}',
            b'{"session_id": "../../x"}',
            b'{"session_id"',
        )
        for stdin in (*odd, b'{"session_id": "' + b"x" * 100_000 + b'"}'):
            assert said(one, words, stdin, **env) == "", stdin[:40]
        assert said(one, words, CLAUDE_CODE_SESSION_ID="another") == ""
        assert said(one, words, PEER_DISABLE="1") == ""


def test_no_line_of_the_dead(session: Sessions, repo: Path, quick: list[str], command: list[str]) -> None:
    """When the sidecar has died, or the session has ended, nothing is printed; the next sidecar goes on."""
    one = session("one", cwd=repo)
    session("two", cwd=repo)
    line(one, "two")
    one.kill_sidecar()
    assert (one.directory / "statusline").exists()
    assert said(one, quick) == said(one, command) == ""
    one.turn()
    until(lambda: said(one, quick) == "with two\n", "the line of the next one")
    one.end()
    assert not (one.directory / "statusline").exists()
    assert said(one, quick) == said(one, command) == ""


def test_written_when_it_changes(session: Sessions, repo: Path) -> None:
    """While nothing changes the file stays as it is."""
    one = session("one", cwd=repo)
    session("two", cwd=repo)
    line(one, "two")
    path = one.directory / "statusline"
    before = (path.stat().st_mtime_ns, path.stat().st_ino)
    time.sleep(6.0)
    one.ask("note", cwd=str(repo), text="no news for the line")
    time.sleep(1.5)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


RUNS = 60


def _median(does: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        does()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def test_it_costs_a_shell(session: Sessions, repo: Path, quick: list[str]) -> None:
    """The plugin's command takes little more than a shell that does nothing, with and without standard input."""
    one = session("one", cwd=repo)
    session("two", cwd=repo)
    line(one, "two")
    payload = json.dumps({"session_id": one.id, "workspace": {"current_dir": "x" * 2_000}}).encode()

    def start(words: list[str], env: dict[str, str], stdin: bytes = b"") -> Callable[[], object]:
        return lambda: subprocess.run(words, env=env, input=stdin, capture_output=True, check=True)

    no_id = {**one.env, "CLAUDE_CODE_SESSION_ID": ""}
    nothing = _median(start(["/bin/sh", "-c", ":"], one.env))
    by_env, by_stdin = _median(start(quick, one.env)), _median(start(quick, no_id, payload))
    print(
        f"sh -c : {nothing * 1e3:.2f} ms, statusline {by_env * 1e3:.2f} ms, by stdin {by_stdin * 1e3:.2f} ms"
    )
    assert by_env < 2 * nothing + 0.002
    assert by_stdin < 3 * nothing + 0.005
