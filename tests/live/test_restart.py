"""kill -9 of a sidecar: whoever needs it next starts it again, nothing is lost and nothing shown twice."""

from __future__ import annotations

import os

import pytest

from peermesh.locks import free_lock, take_lock

from .actors import Session
from .conftest import Sessions
from .home import Home, state_of, until


def test_next_hook_starts_it_again(session: Sessions) -> None:
    """The hook after a crash finds no process, starts one, and the mail is shown once."""
    one, two = session("a"), session("b")
    ident = two.send("a", "survives the crash")
    peer, dead = one.status["id"], one.kill_sidecar()
    shown = one.turn()
    until(lambda: one.pid not in (0, dead), "a new sidecar")
    if not shown:  # a slow start: it is said at the next event instead
        shown = until(one.turn, "the mail at a later turn")
    assert one.status["id"] == peer
    assert f"[{ident}]" in shown
    assert ident not in one.turn()
    until(lambda: two.state(ident) == "shown", "the receipt")


def test_next_command_starts_it_again(session: Sessions) -> None:
    """A command after a crash works as if nothing had happened, and knows what was sent before."""
    one, two = session("a"), session("b")
    before = one.send("b", "before the crash")
    one.kill_sidecar()
    assert "safe with b" in one.ok("send", "b", "after the crash")
    ids = list(one.sent())
    assert ids[0] == before
    assert two.unread() == ["before the crash", "after the crash"]


def test_waiter_starts_it_again(session: Sessions) -> None:
    """An idle session whose sidecar crashed is woken all the same: its waiter brings the sidecar back."""
    one, two = session("a"), session("b")
    waiter = one.waiter()
    dead = one.kill_sidecar()
    two.send("a", "wake up", wait="queued")
    assert "wake up" in waiter.text()
    assert one.pid != dead
    assert "wake up" not in one.woken()


def test_sender_that_dies_after_queued_loses_nothing(session: Sessions) -> None:
    """A message that was queued before its sender's sidecar was killed is delivered, exactly once."""
    one, two = session("a"), session("b")
    with two.hang():
        ident = one.send("b", "in flight", wait="queued")
        one.kill_sidecar()
    one.prompt()
    until(lambda: "in flight" in two.unread(), "the delivery")
    until(lambda: one.pid and one.state(ident) == "safe", "the receipt")
    assert two.unread() == ["in flight"]


def test_recipient_that_dies_before_the_receipt_shows_nothing_twice(session: Sessions) -> None:
    """A recipient killed after its commit acknowledges the repeat, and keeps one copy."""
    one, two = session("a"), session("b")
    for number in range(20):
        one.send("b", f"m{number}")
    two.kill_sidecar()
    for number in range(20, 40):
        one.send("b", f"m{number}")
    said = two.turn()
    until(lambda: two.pid, "the sidecar")
    said += "".join(iter(two.turn, ""))
    assert two.unread() == []
    until(lambda: {one.state(i) for i in one.sent()} == {"shown"}, "all receipts")
    assert said.count("> m39\n") == 1


def test_a_sidecar_killed_again_and_again(session: Sessions) -> None:
    """Five crashes in a row cost no message and leave one process."""
    one, two = session("a"), session("b")
    for number in range(5):
        two.send("a", f"round {number}")
        one.kill_sidecar()
        one.ok("status")
    assert one.unread() == [f"round {n}" for n in range(5)]
    assert state_of(one.pid) not in ("", "Z")


def test_new_start_knows_what_the_model_was_told(session: Sessions) -> None:
    """After a crash the first prompt tells the session who it is, and the second does not."""
    one = session("a")
    one.kill_sidecar()
    one.ok("status")
    assert 'You are "a"' in one.turn()
    assert one.turn() == ""


def test_a_sign_that_was_not_seen_counts(session: Sessions) -> None:
    """The hooks' first step said that the turn ended, and the sidecar died before it looked: what was shown is read."""
    one, two = session("a"), session("b")
    ident = two.send("a", "read before the crash")
    assert f"[{ident}]" in one.prompt()
    until(lambda: one.status["mail"]["unread"] == 0, "the record")
    with one.hang():
        assert one.stop() == ""
        one.kill_sidecar()
    assert ident not in one.prompt()
    until(lambda: two.state(ident) == "shown", "the receipt")


def test_a_sign_while_no_sidecar_lives_counts(session: Sessions) -> None:
    """The turn ended before another sidecar was there: what was shown is read all the same."""
    one, two = session("a"), session("b")
    ident = two.send("a", "read before the crash")
    assert f"[{ident}]" in one.prompt()
    until(lambda: one.status["mail"]["unread"] == 0, "the record")
    one.kill_sidecar()
    lock = until(lambda: take_lock(str(one.directory / "lock")), "the lock")
    try:
        assert one.stop() == ""
    finally:
        free_lock(lock)
    until(lambda: one.pid, "a new sidecar")
    assert ident not in one.prompt()
    until(lambda: two.state(ident) == "shown", "the receipt")


def test_a_sign_from_before_does_not_count(session: Sessions) -> None:
    """What was shown after the client's last sign is shown again by a sidecar that was started anew."""
    one, two = session("a"), session("b")
    one.turn()  # its end is the last sign
    ident = two.send("a", "perhaps not read")
    assert f"[{ident}]" in one.prompt()
    until(lambda: one.status["mail"]["unread"] == 0, "the record")
    one.kill_sidecar()
    assert two.state(ident) == "safe"
    until(lambda: f"[{ident}]" in one.prompt(), "it to be shown again")


def _wake(one: Session, two: Session) -> str:
    """*two* wakes *one*, whose turn has not begun yet; the message's id."""
    one.turn()
    waiter = one.waiter()
    ident = two.send("a", "by which it is woken")
    assert f"[{ident}]" in waiter.text()
    until(lambda: os.path.exists(f"{one.link}/woken"), "the mark of a waking")
    return ident


@pytest.mark.parametrize("killed", [False, True])
def test_a_client_that_dies_just_woken_is_told_again(home: Home, session: Sessions, *, killed: bool) -> None:
    """It began its turn and died with it, perhaps before it had noted why: when it is resumed it hears it again."""
    one, two = session("a"), session("b")
    ident = _wake(one, two)
    pid = one.pid
    assert one.woken() == ""
    if killed:
        one.kill_sidecar()
    one.kill_client()
    until(lambda: state_of(pid) in ("", "Z"), "its sidecar to end")
    again = Session(home, "a", home.app, one.id)
    again.start("resume")
    until(lambda: f"[{ident}]" in again.prompt(), "it to be shown again")
    again.stop()
    until(lambda: two.state(ident) == "shown", "the receipt")


def test_a_woken_client_that_lives_is_not_told_again(session: Sessions) -> None:
    """It began its turn, and the sidecar died before it looked: what woke it is in its context."""
    one, two = session("a"), session("b")
    ident = _wake(one, two)
    until(lambda: one.status["mail"]["unread"] == 0, "the record")
    with one.hang():
        assert one.woken() == ""
        one.kill_sidecar()
    assert ident not in one.stop()
    until(lambda: two.state(ident) == "shown", "the receipt")
    assert ident not in one.turn()
