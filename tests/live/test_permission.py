"""A person is asked for permission: what others see meanwhile, and how it ends whatever the answer is."""

from __future__ import annotations

import json
import time

from .actors import Session
from .conftest import Sessions
from .home import until

# The sidecar looks once a second what the client says of itself, and believes "idle" when it saw it twice.
LOOKS = 5.0


def status(of: Session, by: Session) -> str:
    """What `peer list` tells one session of another."""
    rows = {row["name"]: row for row in by.ask("list")["peers"]}
    return str(rows[of.name]["status"])


def client_says(one: Session, word: str) -> None:
    """The client notes what it does, as Claude Code does in its own directory."""
    path = one.home.path / ".claude" / "sessions" / f"{one.client.pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".part")
    fresh.write_text(json.dumps({"status": word}))
    fresh.rename(path)


def dialog(one: Session) -> None:
    """A turn that comes to a dialog; the client notes it a moment before the hook runs."""
    client_says(one, "busy")
    one.prompt()
    client_says(one, "waiting")
    assert one.hook("PermissionRequest") == ""


def test_others_see_that_a_person_is_asked(session: Sessions) -> None:
    """A session whose person is asked is `waiting`, in the list and in its own file, until the tools are done."""
    one, two = session("a"), session("b")
    dialog(one)
    assert status(one, two) == "waiting"
    assert (one.directory / "turn").read_text() == "wait\n"
    assert "waiting" in two.ok("list")
    one.hook("PostToolBatch")
    assert status(one, two) == "busy"
    one.stop()
    assert status(one, two) == "idle"


def test_a_yes_is_seen_before_the_tool_is_done(session: Sessions) -> None:
    """No hook says that the person answered; the client's own file does."""
    one, two = session("a"), session("b")
    dialog(one)
    client_says(one, "busy")
    until(lambda: status(one, two) == "busy", "the yes to be seen", LOOKS)


def test_a_client_that_writes_late_does_not_say_yes(session: Sessions) -> None:
    """The client may note that it waits a moment after the hook has run: one look at it proves nothing."""
    one, two = session("a"), session("b")
    client_says(one, "busy")
    one.prompt()
    two.send("a", "no hurry")  # a sidecar with mail looks each second
    time.sleep(2.5)
    one.hook("PermissionRequest")
    time.sleep(0.9)  # no two looks
    client_says(one, "waiting")
    time.sleep(2.5)
    assert status(one, two) == "waiting"


def test_a_no_ends_the_turn(session: Sessions) -> None:
    """Nor does a hook say that the person refused: the session is idle, and is woken for what comes."""
    one, two = session("a"), session("b")
    waiter = one.waiter()
    dialog(one)
    client_says(one, "idle")
    until(lambda: status(one, two) == "idle", "the no to be seen", LOOKS)
    two.send("a", "wake up")
    assert "wake up" in waiter.text()


def test_without_the_clients_file_the_next_event_tells(session: Sessions) -> None:
    """The file is not documented: where it is missing a session is `waiting` until its tools are done."""
    one, two = session("a"), session("b")
    one.prompt()
    one.hook("PermissionRequest")
    two.send("a", "no hurry")  # a sidecar with mail looks each second
    until(one.unread, "the mail")
    assert status(one, two) == "waiting"
    one.hook("PostToolBatch")
    assert status(one, two) == "busy"


def test_mail_does_not_wake_a_session_that_asks(session: Sessions) -> None:
    """The turn goes on: what comes meanwhile is shown when it ends."""
    one, two = session("a"), session("b")
    waiter = one.waiter()
    dialog(one)
    two.send("a", "no hurry")
    until(lambda: one.unread() == ["no hurry"], "the mail")
    assert not waiter.ended
    one.hook("PostToolBatch")
    assert "no hurry" in one.stop()


def test_a_sidecar_that_starts_during_a_dialog_knows(session: Sessions) -> None:
    """A turn goes on for one that takes over from a sidecar that was killed while the person was asked."""
    one, two = session("a"), session("b")
    dialog(one)
    one.kill_sidecar()
    waiter = one.waiter()  # which starts another
    assert status(one, two) == "busy"
    two.send("a", "no hurry")
    until(lambda: one.unread() == ["no hurry"], "the mail")
    assert not waiter.ended
