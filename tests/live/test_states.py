"""The sender is told the truth: states, times, exit codes, and the limits of a body."""

from __future__ import annotations

import time

import pytest

from .conftest import Sessions
from .home import until

MIB = 1024 * 1024


def test_wait_safe(session: Sessions) -> None:
    """`--wait safe` exits 0 when it is on the recipient's disk, and 4 when the recipient hangs."""
    one, two = session("a"), session("b")
    assert one.peer("send", "b", "x", "--wait", "safe").code == 0
    with two.hang():
        done = one.peer("send", "b", "y", "--wait", "safe", "--timeout", "0.5s")
        assert done.code == 4
        assert "queued: b does not answer just now" in done.out


def test_wait_shown(session: Sessions) -> None:
    """`--wait shown` exits 4 while the model has not read it, and 0 as soon as it has."""
    one, two = session("a"), session("b")
    done = one.peer("send", "b", "first", "--wait", "shown", "--timeout", "0.4s", "--json")
    assert (done.code, done.json["reached"], done.json["messages"][0]["state"]) == (4, False, "safe")
    waiting = one.start_peer("send", "b", "second", "--wait", "shown", "--timeout", "20s")
    until(lambda: len(two.unread()) == 2, "the second message")
    two.turn()
    assert waiting.wait(10) == 0


def test_sent_tells_states_with_their_times(session: Sessions) -> None:
    """`peer sent --json` has when each state was reached, in order, and the table has a word for each."""
    began = time.time()
    one, two = session("a"), session("b")
    first = one.send("b", "read this")
    two.turn()
    until(lambda: one.state(first) == "shown", "the receipt")
    with two.hang():
        one.send("b", "not yet there", wait="queued")
        table = one.ok("sent")
        rows = one.peer("sent", "--json").json
    assert [row["state"] for row in rows] == ["shown", "queued"]
    assert began <= rows[0]["said_at"] <= rows[0]["safe_at"] <= rows[0]["shown_at"] <= time.time()
    assert rows[1]["safe_at"] is rows[1]["shown_at"] is None
    assert "✓✓ shown" in table
    assert "… queued" in table


def test_urgent_is_shown_after_a_tool_batch(session: Sessions) -> None:
    """PostToolBatch shows what was marked urgent and leaves the rest to the turn's end."""
    one, two = session("a"), session("b")
    two.prompt()
    one.send("b", "no hurry")
    assert two.hook("PostToolBatch") == ""
    one.ok("send", "b", "stop the deploy", "--urgent")
    said = two.hook("PostToolBatch")
    assert "URGENT" in said
    assert "> stop the deploy" in said
    assert "no hurry" not in said
    assert "> no hurry" in two.stop()


@pytest.mark.parametrize("letter", ["é", "\x01"])
def test_one_mib_comes_back_byte_for_byte(session: Sessions, letter: str) -> None:
    """A body of just 1 MiB is taken, its preview is bounded, and `peer read --json` gives all of it."""
    one, two = session("a"), session("b")
    text = letter * (MIB // len(letter.encode()) - 1) + "." * len(letter.encode())
    ident = one.peer("send", "b", "-", "--json", stdin=text.encode()).json["messages"][0]["id"]
    said = two.prompt()
    assert len(said) < 4_000
    assert f"peer read {ident}" in said
    assert two.peer("read", ident, "--json").json[0]["body"] == text
    assert len(two.ok("read", ident)) > (MIB / 2 if letter != "\x01" else 100)


def test_one_byte_more_is_refused(session: Sessions) -> None:
    """1 MiB and one byte: exit 5, one sentence, nothing sent; the same through the door."""
    one, two = session("a"), session("b")
    done = one.peer("send", "b", "-", "--json", stdin=b"x" * (MIB + 1))
    assert (done.code, done.json["error"]["code"]) == (5, "too-large")
    assert str(MIB) in done.json["error"]["message"]
    assert one.sent() == {}
    assert two.unread() == []


def test_many_waiting_messages_stay_below_the_clients_limit(session: Sessions) -> None:
    """With 50 long messages a hook's whole output stays below 10,000 characters, and all are shown in turn."""
    one, two = session("a"), session("b")
    for number in range(50):
        one.send("b", f"m{number} " + "long " * 600, wait="queued")
    until(lambda: len(two.unread()) == 50, "all messages")
    first = two.run_hook("UserPromptSubmit", prompt="x")
    assert len(first.out) < 10_000
    assert "more wait: peer inbox" in first.out
    rest = two.stop() + "".join(iter(two.turn, ""))
    for number in range(50):
        assert (first.out + rest).count(f"> m{number} ") == 1


def test_large_mail_can_be_read_in_a_row(session: Sessions) -> None:
    """Nine messages of 1 MiB do not stop `peer inbox` or `peer sent` from working."""
    one, two = session("a"), session("b")
    for number in range(9):
        one.send("b", f"{number:02}" + "x" * (MIB - 2))
    done = two.peer("inbox", "--json")
    assert done.code == 0, done.err[-300:]
    assert one.peer("sent", "--json").code == 0
    assert one.peer("sent").code == 0
    assert two.peer("inbox", "--all", "--json").code == 0
    bodies = [m["body"][:2] for m in done.json]
    while more := two.peer("inbox", "--json").json:
        bodies += [m["body"][:2] for m in more]
    assert bodies == [f"{n:02}" for n in range(9)]
