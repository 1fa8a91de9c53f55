"""What the product believes about Claude Code's edits and permission dialogs, held against the real client."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .api import Api
from .home import Home, until
from .launch import Claude, Ended
from .model import bash, bash_until, use
from .recorder import Recorder

pytestmark = pytest.mark.claude

Make = Callable[..., Recorder]

EDITS = "Edit|Write|NotebookEdit|MultiEdit"
BEFORE, AFTER, ASKED, BATCH = "PreToolUse", "PostToolUse", "PermissionRequest", "PostToolBatch"

DIALOG = "Do you want to "
REASON = "somebody holds this file"


def watching(recorder: Make) -> Recorder:
    """Hooks as the product has them: for edits alone, and in the background after them."""
    events = (BEFORE, AFTER, "PostToolUseFailure", ASKED, "PermissionDenied", "Notification", BATCH, "Stop")
    return recorder(events=events, background=(AFTER, ASKED), tools={BEFORE: EDITS, AFTER: EDITS})


def test_edits_name_their_file(claude: Claude, recorder: Make, api: Api, repo: Path) -> None:
    """An absolute path before and after each edit, in a field of its own for notebooks; nothing when it failed."""
    rec = watching(recorder)
    text, book = str(repo / "a.txt"), repo / "n.ipynb"
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "c",
        "metadata": {},
        "source": "1",
        "outputs": [],
        "execution_count": None,
    }
    book.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    api.script(
        "a",
        use("Write", file_path="a.txt", content="words"),
        use("Edit", file_path=text, old_string="words", new_string="other words"),
        use("Edit", file_path=text, old_string="no such words", new_string="x"),
        use("Write", file_path=f"{text}/below-a-file", content="x"),
        use("Read", file_path=str(book)),
        use("NotebookEdit", notebook_path=str(book), cell_id="c", new_source="2"),
        bash("echo done"),
    )
    claude("a", plugins=(rec.path,)).submit("edit")
    rec.wait("called", "Stop")
    until(lambda: len(rec.rows("called", AFTER)) == 3, 5.0, "the hooks in the background")
    wanted = [
        ("Write", "file_path", text),
        ("Edit", "file_path", text),
        ("NotebookEdit", "notebook_path", str(book)),
    ]
    for event in (BEFORE, AFTER):
        rows = [row.payload for row in rec.rows("called", event)]
        assert [
            (p["tool_name"], f, p["tool_input"][f]) for p, (_, f, _) in zip(rows, wanted, strict=True)
        ] == wanted
    assert not rec.rows("called", "PostToolUseFailure")
    assert len(rec.rows("called", BATCH)) == 7


def test_hook_after_an_edit_holds_nobody_up(claude: Claude, recorder: Make, api: Api, home: Home) -> None:
    """With `async` the turn ends while it runs; what it prints late is in the next prompt's request."""
    rec = watching(recorder)
    said = {"hookSpecificOutput": {"hookEventName": AFTER, "additionalContext": "much too late"}}
    rec.answer(AFTER, until=str(home.path / "release"), stdout=json.dumps(said))
    api.script("a", use("Write", file_path="a.txt", content="words"))
    session = claude("a", plugins=(rec.path,))
    session.submit("write it")
    rec.wait("called", "Stop")
    session.wait_status("idle")
    assert rec.rows("called", AFTER)
    assert not rec.rows("answered", AFTER)
    (home.path / "release").touch()
    rec.wait("answered", AFTER)
    session.submit("more words")
    assert "much too late" in api.wait_for_text("a", "more words").text()


def test_note_before_an_edit_comes_with_its_result(
    claude: Claude, recorder: Make, api: Api, repo: Path
) -> None:
    """What PreToolUse adds is read only when the edit is done."""
    rec = watching(recorder)
    rec.context(BEFORE, REASON)
    api.script("a", use("Write", file_path="a.txt", content="words"))
    claude("a", plugins=(rec.path,)).submit("write it")
    request = api.wait_for_text("a", f"PreToolUse:Write hook additional context: {REASON}")
    assert "File created successfully" in request.news()
    assert (repo / "a.txt").read_text() == "words"


def test_denied_edit_shows_the_person_why(claude: Claude, recorder: Make, api: Api) -> None:
    """The reason is on the screen too, where the edit would have been."""
    rec = watching(recorder)
    rec.output(BEFORE, permissionDecision="deny", permissionDecisionReason=REASON)
    api.script("a", use("Write", file_path="a.txt", content="words"))
    session = claude("a", plugins=(rec.path,))
    session.submit("write it")
    session.wait_screen(f"Error: {REASON}")


def test_asked_edit_does_not_show_why(claude: Claude, recorder: Make, api: Api, repo: Path) -> None:
    """`ask` opens the dialog also in a mode that accepts edits, but the reason is shown for commands only."""
    rec = recorder(events=(BEFORE, ASKED, "Stop"))
    reason = {"permissionDecision": "ask", "permissionDecisionReason": REASON}
    api.script("a", use("Write", file_path="a.txt", content="words"), bash("echo a command"))
    session = claude("a", plugins=(rec.path,))
    rec.output(BEFORE, **reason)
    session.submit("write it")
    session.wait_screen(DIALOG)
    rec.wait("called", ASKED)
    assert "create a.txt?" in session.screen()
    assert REASON not in session.screen()
    rec.output(BEFORE, **reason)
    session.answer("Enter")
    session.wait_screen(REASON)
    assert "requires confirmation" in session.screen()
    assert (repo / "a.txt").read_text() == "words"


def test_dialog_is_told_at_once_and_the_answer_is_not(
    claude: Claude, recorder: Make, api: Api, home: Home
) -> None:
    """PermissionRequest fires with the dialog, and after a yes no hook but the batch's; the client's file knows."""
    rec = watching(recorder)
    done = home.path / "done"
    api.script("a", bash_until(done))
    session = claude("a", plugins=(rec.path,), asks=True)
    session.submit("use a tool")
    session.wait_screen(DIALOG)
    asked = rec.wait("called", ASKED)
    assert asked.payload["tool_name"] == "Bash"
    session.wait_status("waiting")  # written down a moment before the hook runs, or after
    assert session.file()["waitingFor"] == "permission prompt"
    session.answer("Enter")
    session.wait_status("busy")
    assert [row.event for row in rec.rows("called")] == [ASKED]
    done.touch()
    rec.wait("called", "Stop")
    assert [row.event for row in rec.rows("called")] == [ASKED, BATCH, "Stop"]


def test_refused_dialog_ends_the_turn_without_a_word(claude: Claude, recorder: Make, api: Api) -> None:
    """After Esc no hook fires, neither Stop; the client's file says idle, and the prompt stays in the conversation."""
    rec = watching(recorder)
    api.script("a", use("Write", file_path="a.txt", content="words"))
    session = claude("a", plugins=(rec.path,), asks=True)
    session.submit("write it")
    session.wait_screen(DIALOG)
    rec.wait("called", ASKED)
    session.answer("Escape")
    session.wait_status("idle")
    session.submit("more words")
    request = api.wait_for_text("a", "more words")
    assert "write it" in request.text()
    rec.wait("called", "Stop")
    assert [row.event for row in rec.rows("called")] == [BEFORE, ASKED, "Stop"]


def test_oneshot_says_that_it_asks_though_it_does_not(
    oneshot: Callable[..., Ended], recorder: Make, api: Api
) -> None:
    """`claude -p` fires PermissionRequest too, and refuses in the same moment."""
    rec = watching(recorder)
    api.script("oneshot", use("Write", file_path="a.txt", content="words"))
    assert oneshot("write it", plugins=(rec.path,), asks=True).code == 0
    assert [row.event for row in rec.rows("called") if row.event != ASKED] == [BEFORE, BATCH, "Stop"]
    assert "requested permissions to write" in api.requests("oneshot")[-1].text()
    assert rec.rows("called", ASKED)
