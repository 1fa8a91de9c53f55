"""Waking an idle session: once for a burst, not for ever, and cut when two models only answer each other."""

from __future__ import annotations

import os
import re

from peermesh.errors import ChainTooLong

from .conftest import Sessions
from .home import until


def test_burst_is_one_waking(session: Sessions) -> None:
    """Ten messages within 0.3 s wake the session once, with all of them."""
    one, two = session("a"), session("b")
    waiter = two.waiter()
    for number in range(10):
        one.send("b", f"burst {number}", wait="queued")
    said = waiter.text()
    # What came too late for the waking, on a busy machine, is in the turn that it made.
    said += two.woken()
    assert [said.count(f"> burst {n}\n") for n in range(10)] == [1] * 10
    assert two.status["wakes"] == 1


def test_single_message_wakes_quickly(session: Sessions) -> None:
    """One message wakes an idle session, and is shown to its sender once the hook has written it."""
    one, two = session("a"), session("b")
    waiter = two.waiter()
    ident = one.send("b", "wake")
    assert "> wake" in waiter.text()
    assert one.state(ident) == "safe"
    assert two.woken() == ""
    until(lambda: one.state(ident) == "shown", "the receipt")


def test_a_woken_turn_is_seen_by_its_file(session: Sessions) -> None:
    """After a waking no hook's second step is due; the sidecar looks for the first one's sign at once."""
    one, two = session("a"), session("b")
    two.prompt()
    two.stop()
    waiter = two.waiter()
    ident = one.send("b", "wake")
    assert "> wake" in waiter.text()
    link = two.link
    until(lambda: os.path.exists(f"{link}/woken"), "the mark of a waking")
    assert os.listdir(f"{link}/due") == []
    assert two.woken() == ""
    until(lambda: one.state(ident) == "shown", "the receipt")
    until(lambda: not os.path.exists(f"{link}/woken"), "the end of the waking")
    until(lambda: os.listdir(f"{link}/due") == ["UserPromptSubmit"], "a look at the next prompt")
    assert two.status["wakes"] == 1


def test_one_waiter_stays(session: Sessions) -> None:
    """A second waiter ends at once while the first one listens, and the first one wakes."""
    one, two = session("a"), session("b")
    first = two.waiter()
    second = two.waiter()
    assert second.code() == 0
    assert not first.ended
    one.send("b", "for the first")
    assert "for the first" in first.text()


def test_busy_session_is_not_woken(session: Sessions) -> None:
    """In the middle of a turn nothing is said; at its end the message is there."""
    one, two = session("a"), session("b")
    waiter = two.waiter()
    two.prompt()
    one.send("b", "later")
    assert two.hook("PostToolBatch") == ""
    assert not waiter.ended
    assert "> later" in two.stop()


def test_waiter_ends_with_its_client(session: Sessions) -> None:
    """A waiter whose client was killed ends by itself and wakes nobody."""
    one = session("a")
    waiter = one.waiter()
    one.kill_client()
    assert waiter.code() == 0


def test_budget_holds_the_seventh_wake(session: Sessions) -> None:
    """The seventh wake within a minute is held, the sender sees it, and the person's prompt shows it."""
    one, two = session("a"), session("b")
    for number in range(6):
        waiter = two.waiter()
        one.send("b", f"wake {number}")
        assert f"> wake {number}" in waiter.text()
        two.woken()
        two.stop()
    waiter = two.waiter()
    ident = one.send("b", "one too many")
    until(lambda: one.state(ident) == "held", "the held state")
    assert "⏸ held" in one.ok("sent")
    assert not waiter.ended
    assert "> one too many" in two.turn("I am back")
    until(lambda: one.state(ident) == "shown", "the receipt")
    one.send("b", "free again")
    assert "> free again" in waiter.text()


def test_chain_of_answers_is_cut(session: Sessions) -> None:
    """Two sessions that only answer each other are stopped with exit 5 and a sentence; a person frees them."""
    pair = [session(name, PEER_WAKES_PER_MINUTE="1000", PEER_WAKES="1000") for name in "ab"]
    pair[0].prompt("begin")
    pair[0].send("b", "hop 0")
    hops, cut, ident = 0, False, ""
    while not cut and hops < 40:
        hops += 1
        reader = pair[hops % 2]
        pair[(hops + 1) % 2].stop()
        ident = re.findall(r"\[(\w+-\d+)\]", reader.waiter().text())[0]
        reader.woken()
        try:
            reader.ask("send", reply_to=ident, body=f"hop {hops}")
        except ChainTooLong:
            cut = True
    said = reader.peer("reply", ident, "and on")
    assert said.code == 5
    assert hops == 16
    assert "sessions have answered each other 16 times since a person spoke" in said.err
    assert said.err.count("\n") == 1
    pair[hops % 2].prompt("go on, I am here")
    assert pair[hops % 2].peer("send", "@all", "thanks").code == 0
