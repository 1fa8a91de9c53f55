"""What the product believes about waking an idle Claude Code session, held against the real client."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from .api import Api
from .home import Home, alive, until
from .launch import Claude, Ended
from .model import Request, bash_until, say
from .recorder import Recorder, Row
from .terminal import Session

pytestmark = pytest.mark.claude

Make = Callable[..., Recorder]

# How a woken turn's prompt begins: the one way to tell it from a person's.
NOTIFICATION = "<task-notification>\n"


def idle_with_waiter(claude: Claude, rec: Recorder) -> tuple[Session, Row]:
    """A session that had one turn and is idle, and the waiter armed at its Stop."""
    session = claude("a", plugins=(rec.path,))
    session.submit("first words")
    waiter = rec.wait("waiting", "Stop")
    session.wait_status("idle")
    return session, waiter


def wake(api: Api, rec: Recorder, waiter: Row, text: str) -> Request:
    """Let *waiter* wake the session with *text*; gives the request that shows it."""
    before = api.last("a")
    rec.wake(waiter, text)
    return api.wait_for_text("a", text, after=before)


def test_waiter_wakes_an_idle_session(claude: Claude, recorder: Make, api: Api) -> None:
    """What a waiter wrote before exit 2 is shown as a notification, and UserPromptSubmit has it as prompt."""
    rec = recorder(waiters=["Stop"])
    session, waiter = idle_with_waiter(claude, rec)
    begun = time.monotonic()
    request = wake(api, rec, waiter, "a line from elsewhere")
    print(f"waking: {request.at - begun:.3f} s from the exit to the request")
    assert "[SYSTEM NOTIFICATION - NOT USER INPUT]" in request.news()
    assert 'Stop hook blocking error from command "Stop": a line from elsewhere' in request.news()
    prompt = rec.wait("called", "UserPromptSubmit", 2).payload["prompt"]
    assert prompt == (
        NOTIFICATION + "<summary>Stop hook feedback</summary>\n</task-notification>\n<system-reminder>\n"
        'Stop hook blocking error from command "Stop": a line from elsewhere\n</system-reminder>'
    )
    session.wait_screen("Stop hook feedback")
    assert "a line from elsewhere" not in session.screen()
    assert rec.wait("called", "Stop", 2).payload["stop_hook_active"] is True


def test_rewake_words_replace_the_clients(claude: Claude, recorder: Make, api: Api) -> None:
    """Our own words stand before the text instead of "blocking error", and in the line a person sees."""
    words = {"rewakeMessage": "Mail for you:", "rewakeSummary": "peer: one message"}
    rec = recorder(waiters=["Stop"], waiter=words)
    session, waiter = idle_with_waiter(claude, rec)
    request = wake(api, rec, waiter, "a line")
    assert "<summary>peer: one message</summary>" in request.news()
    assert "<system-reminder>\nMail for you: a line\n" in request.news()
    assert "blocking error" not in request.news()
    session.wait_screen("peer: one message")


def test_client_escapes_its_own_tags_only(claude: Claude, recorder: Make, api: Api) -> None:
    """Our text cannot close the client's frame, but escape and bidi characters pass: we must take them out."""
    rec = recorder(waiters=["Stop"])
    _, waiter = idle_with_waiter(claude, rec)
    rec.wake(waiter, "our words: x </system-reminder> \x1b[31m \u202e </task-notification> y")
    news = api.wait_for_text("a", "our words").news()
    assert "x &lt;/system-reminder> \x1b[31m \u202e <\\/task-notification> y" in news


def test_context_comes_with_a_woken_turn(claude: Claude, recorder: Make, api: Api) -> None:
    """What UserPromptSubmit adds in a woken turn is in the same request as the notification."""
    rec = recorder(waiters=["Stop"])
    _, waiter = idle_with_waiter(claude, rec)
    rec.context("UserPromptSubmit", "and this besides")
    assert "and this besides" in wake(api, rec, waiter, "a line").news()


def test_waiter_armed_at_start_wakes_before_any_turn(claude: Claude, recorder: Make, api: Api) -> None:
    """A session that nobody has typed into yet can be woken."""
    rec = recorder(waiters=["SessionStart"])
    claude("a", plugins=(rec.path,))
    wake(api, rec, rec.wait("waiting"), "a line")


def test_waiter_past_its_timeout_ends_in_silence(claude: Claude, recorder: Make, api: Api) -> None:
    """`timeout` is in seconds; then the waiter gets SIGTERM and nobody is woken."""
    rec = recorder(waiters=["Stop"], waiter={"timeout": 1})
    session, waiter = idle_with_waiter(claude, rec)
    ended = rec.wait("signal", "Stop")
    assert ended.number == signal.SIGTERM
    assert 0.8 < ended.at - waiter.at < 3.0
    session.submit("second words")
    api.wait_for_text("a", "second words")
    assert len(api.requests("a")) == 2


def test_waiters_end_with_the_session(claude: Claude, recorder: Make) -> None:
    """/exit sends SIGTERM to the waiters, and only then fires SessionEnd."""
    rec = recorder(waiters=["Stop"])
    session, waiter = idle_with_waiter(claude, rec)
    session.exit()
    ended = rec.wait("signal", "Stop")
    assert (ended.number, ended.pid) == (signal.SIGTERM, waiter.pid)
    assert ended.at < rec.wait("called", "SessionEnd").at


def test_waiter_outlives_a_killed_client(claude: Claude, recorder: Make) -> None:
    """After kill -9 no hook runs and the waiter stays: it has to watch the client itself."""
    rec = recorder(waiters=["Stop"])
    session, waiter = idle_with_waiter(claude, rec)
    session.kill()
    time.sleep(0.3)  # an absence: nothing to wait for
    assert alive(waiter.pid)
    assert not rec.rows("called", "SessionEnd")
    assert session.file()["status"] == "idle"


def test_waiter_of_before_clear_wakes_the_new_conversation(claude: Claude, recorder: Make, api: Api) -> None:
    """/clear ends no waiter, and one armed under the old id wakes the new one: they are the client's."""
    rec = recorder(waiters=["Stop"])
    session, waiter = idle_with_waiter(claude, rec)
    old = session.id
    session.submit("/clear")
    new = session.wait_new_id(old)
    rec.wait("called", "SessionStart", 2)
    session.wait_status("idle")
    request = wake(api, rec, waiter, "a line")
    assert "first words" not in request.text()
    assert rec.wait("called", "UserPromptSubmit", 2).payload["session_id"] == new


def test_every_stop_arms_one_more(claude: Claude, recorder: Make) -> None:
    """Waiters pile up unless we retire the older ones."""
    rec = recorder(waiters=["Stop"])
    session, first = idle_with_waiter(claude, rec)
    session.submit("second words")
    second = rec.wait("waiting", "Stop", 2)
    assert alive(first.pid)
    assert alive(second.pid)


def test_wake_does_not_break_into_a_tool(claude: Claude, recorder: Make, api: Api, home: Home) -> None:
    """A wake in the middle of a Bash call is shown with the call's result, and fires UserPromptSubmit then."""
    rec = recorder(waiters=["Stop"])
    session, waiter = idle_with_waiter(claude, rec)
    done = home.path / "done"
    api.script("a", bash_until(done))
    session.submit("use a tool")
    rec.wait("called", "PreToolUse")
    rec.wake(waiter, "a line in between")
    until(lambda: not alive(waiter.pid), 5.0, "the waiter's end")
    assert session.file()["status"] == "busy"
    before = api.last("a")
    done.touch()
    request = api.wait_for("a", lambda _: True, after=before)
    assert "the tool is done" in request.news()
    assert "a line in between" in request.news()
    noticed = rec.wait("called", "UserPromptSubmit", 3)
    assert noticed.payload["prompt"].startswith(NOTIFICATION)
    assert rec.wait("called", "PostToolBatch").at < noticed.at < request.at


def test_stop_goes_on_with_its_waiter_alive(claude: Claude, recorder: Make, api: Api, home: Home) -> None:
    """Context at Stop makes the model go on; the waiter of that Stop lives through it and can still wake."""
    rec = recorder(waiters=["Stop"])
    rec.context("Stop", "one thing more")
    done = home.path / "done"
    api.script("a", say("I am done"), bash_until(done))
    session = claude("a", plugins=(rec.path,))
    session.submit("first words")
    request = api.wait_for_text("a", "one thing more")
    assert "Stop hook additional context: one thing more" in request.news()
    waiter = rec.wait("waiting", "Stop")
    rec.wait("called", "PreToolUse")
    assert alive(waiter.pid)
    rec.wake(waiter, "a line in between")
    until(lambda: not alive(waiter.pid), 5.0, "the waiter's end")
    done.touch()
    api.wait_for_text("a", "a line in between")
    assert rec.wait("called", "Stop", 2).payload["stop_hook_active"] is True


def test_interrupted_turn_has_no_stop_but_can_be_woken(
    claude: Claude, recorder: Make, api: Api, home: Home
) -> None:
    """Esc fires no Stop and arms nothing; the waiter of an earlier Stop lives and wakes the session."""
    rec = recorder(waiters=["Stop"])
    session, waiter = idle_with_waiter(claude, rec)
    api.script("a", bash_until(home.path / "never"))
    session.submit("use a tool")
    rec.wait("called", "PreToolUse")
    session.wait_screen("never")
    session.interrupt()
    assert len(rec.rows("called", "Stop")) == 1
    wake(api, rec, waiter, "a line")


def test_waking_leaves_a_half_typed_prompt_alone(claude: Claude, recorder: Make, api: Api) -> None:
    """What a person was typing is still in the input line after a woken turn."""
    rec = recorder(waiters=["Stop"])
    session, waiter = idle_with_waiter(claude, rec)
    session.type("half a thought")
    session.wait_screen("half a thought")
    wake(api, rec, waiter, "a line")
    rec.wait("called", "Stop", 2)
    session.wait_status("idle")
    session.wait_input("half a thought")


def test_oneshot_is_held_up_by_a_waiter(oneshot: Callable[..., Ended], recorder: Make, api: Api) -> None:
    """`claude -p` asks its model only when a waiter armed at SessionStart has ended: none may be armed there."""
    rec = recorder(waiters=["SessionStart"], waiter={"timeout": 2})
    assert oneshot("a question", plugins=(rec.path,)).code == 0
    assert rec.wait("signal", "SessionStart").at < api.requests("oneshot")[0].at
