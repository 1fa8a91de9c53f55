"""What the product believes about Claude Code's hooks, sessions and names, held against the real client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .api import Api
from .home import Home, until
from .launch import Claude, Ended
from .model import bash, bash_until, say, use
from .recorder import Recorder

pytestmark = pytest.mark.claude

Make = Callable[..., Recorder]


def test_hook_runs_right_under_the_client(claude: Claude, recorder: Make, home: Home) -> None:
    """A hook without a shell is the client's own child, and its environment names client and session."""
    rec = recorder()
    session = claude("a", plugins=(rec.path,))
    started = rec.wait("called", "SessionStart")
    assert started.ppid == session.pid
    assert started.payload["source"] == "startup"
    assert started.env["CLAUDE_PID"] == str(session.pid)
    assert started.env["CLAUDE_CODE_SESSION_ID"] == started.payload["session_id"] == session.id
    assert started.env["CLAUDE_CODE_ENTRYPOINT"] == "cli"
    assert started.env["CLAUDE_CODE_SESSION_ATTENDED"] == "1"
    assert started.env["CLAUDE_PLUGIN_ROOT"] == str(rec.path)
    assert started.env["PEER_HOME"] == str(home.peer)


def test_clear_gives_a_new_id_in_the_same_process(claude: Claude, recorder: Make, api: Api) -> None:
    """/clear ends the old id and starts a new one, in that order, and hooks and Bash both have the new one."""
    rec = recorder()
    session = claude("a", plugins=(rec.path,))
    old = session.id
    session.submit("/clear")
    ended = rec.wait("called", "SessionEnd")
    started = rec.wait("called", "SessionStart", 2)
    new = session.wait_new_id(old)
    assert (ended.payload["reason"], ended.payload["session_id"]) == ("clear", old)
    assert (started.payload["source"], started.payload["session_id"]) == ("clear", new)
    assert ended.at < started.at
    assert started.env["CLAUDE_CODE_SESSION_ID"] == new
    assert started.env["CLAUDE_PID"] == str(session.pid)
    api.script("a", bash("echo id=$CLAUDE_CODE_SESSION_ID pid=$CLAUDE_PID"))
    session.submit("which session?")
    api.wait_for_text("a", f"id={new} pid={session.pid}")


def test_compact_keeps_the_id_and_shows_the_context(claude: Claude, recorder: Make, api: Api) -> None:
    """/compact keeps id and process, and what SessionStart adds is in the next request."""
    rec = recorder()
    session = claude("a", plugins=(rec.path,))
    session.submit("some words")
    rec.wait("called", "Stop")
    old = session.id
    rec.context("SessionStart", "after the compacting")
    session.submit("/compact")
    started = rec.wait("called", "SessionStart", 2)
    assert (started.payload["source"], started.payload["session_id"]) == ("compact", old)
    assert not rec.rows("called", "SessionEnd")
    rec.wait("answered", "SessionStart")
    session.submit("more words")
    request = api.wait_for_text("a", "more words")
    assert "SessionStart hook additional context: after the compacting" in request.text()


def test_exit_and_resume_keep_the_id(claude: Claude, recorder: Make) -> None:
    """/exit says why, removes the session's file, and --resume brings the id back in a new process."""
    rec = recorder()
    first = claude("a", plugins=(rec.path,))
    first.submit("some words")
    rec.wait("called", "Stop")
    first.wait_status("idle")
    old = first.id
    first.exit()
    assert rec.wait("called", "SessionEnd").payload["reason"] == "prompt_input_exit"
    assert first.file() == {}
    second = claude("a", "--resume", old, plugins=(rec.path,))
    started = rec.wait("called", "SessionStart", 2)
    assert (started.payload["source"], started.payload["session_id"]) == ("resume", old)
    assert started.env["CLAUDE_PID"] == str(second.pid) != str(first.pid)


def test_closed_terminal_ends_the_session_in_order(claude: Claude, recorder: Make) -> None:
    """A client whose terminal is closed still says SessionEnd."""
    rec = recorder()
    session = claude("a", plugins=(rec.path,))
    session.close()
    assert rec.wait("called", "SessionEnd").payload["reason"] == "other"


def test_oneshot_fires_start_and_end(oneshot: Callable[..., Ended], recorder: Make, api: Api) -> None:
    """`claude -p` is told apart by its environment, and fires SessionStart and SessionEnd."""
    rec = recorder()
    api.script("oneshot", say("the answer"))
    ended = oneshot("a question", plugins=(rec.path,))
    assert (ended.code, ended.out.strip()) == (0, "the answer")
    rows = rec.rows("called")
    assert [row.event for row in rows] == ["SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"]
    assert rows[-1].payload["reason"] == "other"
    assert rows[0].env["CLAUDE_CODE_ENTRYPOINT"] == "sdk-cli"
    assert rows[0].env["CLAUDE_CODE_SESSION_ATTENDED"] == "0"


def test_first_request_waits_for_the_start_hook(claude: Claude, recorder: Make, api: Api, home: Home) -> None:
    """The prompt is there while a slow SessionStart hook runs, but the model is asked only after it."""
    rec = recorder()
    release = home.path / "release"
    rec.answer("SessionStart", until=str(release))
    session = claude("a", plugins=(rec.path,))
    session.submit("quick words")
    session.wait_status("busy")
    assert not rec.rows("answered", "SessionStart")
    assert not api.requests("a")
    release.touch()
    request = api.wait_for_text("a", "quick words")
    assert rec.wait("answered", "SessionStart").at < rec.wait("called", "UserPromptSubmit").at < request.at


def test_batch_context_is_in_the_next_request(claude: Claude, recorder: Make, api: Api) -> None:
    """What PostToolBatch adds reaches the model together with the tool's result."""
    rec = recorder()
    rec.context("PostToolBatch", "between two tools")
    api.script("a", bash("echo the tool ran"))
    claude("a", plugins=(rec.path,)).submit("use a tool")
    request = api.wait_for_text("a", "the tool ran")
    assert "PostToolBatch hook additional context: between two tools" in request.news()


def test_denied_edit_leaves_the_file_and_gives_the_reason(
    claude: Claude, recorder: Make, api: Api, repo: Path
) -> None:
    """A PreToolUse hook that denies is read before the edit; the second try, let pass, goes through."""
    rec = recorder()
    rec.output("PreToolUse", permissionDecision="deny", permissionDecisionReason="somebody holds this file")
    path = repo / "new.txt"
    write = use("Write", file_path=str(path), content="words")
    api.script("a", write, write)
    session = claude("a", plugins=(rec.path,))
    session.submit("write it")
    refused = api.wait_for_text("a", "somebody holds this file")
    until(path.exists, 10.0, "the second try")
    assert rec.wait("called", "PreToolUse", 2).at > refused.at
    assert path.read_text() == "words"


@pytest.mark.parametrize(("length", "whole"), [(9_900, True), (10_100, False)])
def test_context_has_ten_thousand_characters(
    claude: Claude, recorder: Make, api: Api, length: int, whole: bool
) -> None:
    """Longer context is replaced by a pointer to a file; characters are counted, not bytes."""
    rec = recorder()
    rec.context("UserPromptSubmit", "é" * length)
    claude("a", plugins=(rec.path,)).submit("some words")
    request = api.wait_for_text("a", "some words")
    assert ("é" * length in request.text()) is whole
    assert ("Output too large" in request.text()) is not whole


def test_prompt_taken_back_takes_its_context_along(claude: Claude, recorder: Make, api: Api) -> None:
    """After Esc before the first word of an answer, later requests hold neither prompt nor its context."""
    rec = recorder()
    rec.context("UserPromptSubmit", "context of the first")
    api.script("a", say("never seen", gate=api.gate()))
    session = claude("a", plugins=(rec.path,))
    session.submit("first words")
    assert "context of the first" in api.wait_for_text("a", "first words").text()
    session.interrupt()
    session.wait_input("first words")
    session.press("C-u")
    session.submit("second words")
    later = api.wait_for_text("a", "second words").text()
    assert "first words" not in later
    assert "context of the first" not in later


def test_queued_prompt_taken_back_never_showed_its_context(
    claude: Claude, recorder: Make, api: Api, home: Home
) -> None:
    """UserPromptSubmit fires at once for a prompt typed during a tool; taken back, no request has its context."""
    rec = recorder()
    done = home.path / "done"
    api.script("a", bash_until(done))
    session = claude("a", plugins=(rec.path,))
    session.submit("use a tool")
    rec.wait("called", "PreToolUse")
    rec.context("UserPromptSubmit", "context of the queued")
    session.submit("queued words")
    rec.wait("answered", "UserPromptSubmit")
    session.wait_screen("queued words")
    session.press("Up")
    until(lambda: session.input_line() == "queued words", 5.0, "the prompt back in the input line")
    done.touch()
    rec.wait("called", "Stop")
    assert "context of the queued" not in api.shown_text("a")


def test_name_shows_in_the_sessions_file(claude: Claude) -> None:
    """`-n` and /rename show in ~/.claude/sessions as a name that the user gave, and /clear keeps it."""
    session = claude("first-name")
    assert (session.file()["name"], session.file()["nameSource"]) == ("first-name", "user")
    session.submit("/rename second-name")
    until(lambda: session.file()["name"] == "second-name", 5.0, "the new name")
    assert session.file()["nameSource"] == "user"
    old = session.id
    session.submit("/clear")
    session.wait_new_id(old)
    assert session.file()["name"] == "second-name"


def test_plugins_bin_is_on_the_path_of_bash(claude: Claude, recorder: Make, api: Api) -> None:
    """A program in a plugin's bin/ runs by its name in the Bash tool."""
    rec = recorder()
    program = rec.path / "bin" / "peer-test-program"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho it ran from the plugin\n")
    program.chmod(0o755)
    api.script("a", bash("peer-test-program"))
    claude("a", plugins=(rec.path,)).submit("run it")
    api.wait_for_text("a", "it ran from the plugin")


def test_clients_own_messages_arrive(claude: Claude, api: Api) -> None:
    """SendMessage, once loaded by ToolSearch, wakes an idle session: what peer is measured against."""
    sender, receiver = claude("sender"), claude("receiver")
    receiver.submit("some words")
    api.wait_for_text("receiver", "some words")
    receiver.wait_status("idle")
    api.script("sender", use("ToolSearch", query="select:SendMessage", max_results=5))
    api.script("sender", use("SendMessage", to="receiver", message="a line for you"))
    sender.submit("tell it")
    loaded = api.wait_for("sender", lambda request: "SendMessage" in request.tools())
    shown = api.wait_for_text("receiver", "a line for you")
    assert "<cross-session-message from=" in shown.news()
    print(f"SendMessage: {shown.at - loaded.at:.3f} s from the model's call to the other model's request")
