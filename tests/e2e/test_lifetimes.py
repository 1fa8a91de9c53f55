"""A peer outlives its session's ids and processes: /clear, /compact, /resume, closing, and being taken out."""

from __future__ import annotations

from pathlib import Path

import pytest

from .api import Api
from .home import Home, until
from .launch import Claude
from .model import bash, bash_until, say
from .product import BRIEFING, Product, count
from .terminal import Session

pytestmark = pytest.mark.claude

# Nothing wakes a session that has no budget: its mail waits for the next prompt.
NEVER_WOKEN = {"PEER_WAKES": "0"}


def identity(product: Product, session: Session) -> tuple[str, str]:
    """The id and name of the peer of *session*, as its sidecar says."""
    said = product.status(session)
    return str(said.get("id")), str(said.get("name"))


def clear(product: Product, session: Session) -> str:
    """/clear, until peer knows the new conversation; its id."""
    old = session.id
    session.submit("/clear")
    new = session.wait_new_id(old)
    until(lambda: product.status(session), 10.0, "the peer of the new conversation")
    return new


def test_clear_keeps_the_peer_and_its_waiter(product: Product, api: Api) -> None:
    """After /clear id and name are the same, a message wakes the new conversation, which learns who it is."""
    b = product.session("b")
    product.turn(b, "first words")
    before = identity(product, b), product.status(b)["pid"]
    clear(product, b)
    assert (identity(product, b), product.status(b)["pid"]) == before
    ident = product.send("b", "still you?")
    woken = api.wait_for_text("b", "> still you?")
    assert "first words" not in woken.text()
    assert 'You are "b" in peer' in woken.text()
    product.wait_idle(b)
    assert count(product.turn(b, "last words"), ident) == 1


def test_message_in_the_moment_of_clear_is_not_lost(product: Product, api: Api) -> None:
    """What is sent while /clear is under way is shown to the new conversation."""
    b = product.session("b")
    product.turn(b, "first words")
    old = b.id
    b.submit("/clear")
    ident = product.send("b", "in between")
    b.wait_new_id(old)
    assert count(api.wait_for_text("b", "> in between"), ident) == 1
    product.wait_idle(b)
    assert count(product.turn(b, "last words"), ident) == 1


def test_mail_waits_over_clear(product: Product) -> None:
    """Mail that the budget holds back before /clear is shown at the first prompt after it."""
    b = product.session("b", env=NEVER_WOKEN)
    product.turn(b, "first words")
    ident = product.send("b", "kept for you")
    product.wait_state(ident, "held")
    clear(product, b)
    assert count(product.turn(b, "second words"), ident) == 1
    product.wait_state(ident, "shown")


def test_compact_keeps_the_peer(product: Product, api: Api) -> None:
    """After /compact id and name are the same, the model is told who it is, and a message wakes it."""
    b = product.session("b")
    product.turn(b, "first words")
    before = identity(product, b)
    b.submit("/compact")
    b.wait_screen("Compacted")
    product.wait_idle(b)
    assert identity(product, b) == before
    ident = product.send("b", "after the compacting")
    woken = api.wait_for_text("b", "> after the compacting")
    assert 'You are "b" in peer' in woken.text()
    product.wait_idle(b)
    assert count(product.turn(b, "last words"), ident) == 1


def test_going_back_to_an_earlier_conversation_keeps_the_peer(product: Product, api: Api) -> None:
    """In-session /resume of the conversation before /clear: the same peer, which is woken as ever."""
    b = product.session("b")
    product.turn(b, "first words")
    before, first = identity(product, b), b.id
    second = clear(product, b)
    product.turn(b, "second words")
    b.submit(f"/resume {first}")
    b.wait_new_id(second)
    until(lambda: identity(product, b) == before, 10.0, "the same peer")
    product.wait_idle(b)
    product.send("b", "are you there?")
    woken = api.wait_for_text("b", "> are you there?")
    assert "first words" in woken.text()
    assert "second words" not in woken.text()
    assert identity(product, b) == before


def test_resumed_conversation_brings_its_own_peer(product: Product, api: Api) -> None:
    """In-session /resume of another session's conversation: this client is that peer now, with its mail."""
    b = product.session("b")
    product.turn(b, "words of b")
    theirs, b_id = identity(product, b), b.id
    b.exit()
    until(lambda: not product.people()["b"]["here"], 5.0, "b away")
    ident = product.send("b", "for b alone")
    c = product.session("c")
    product.turn(c, "words of c")
    mine, c_id = identity(product, c), c.id
    c.submit(f"/resume {b_id}")
    c.wait_new_id(c_id)
    woken = api.wait_for_text("c", "> for b alone")
    assert "words of b" in woken.text()
    until(lambda: identity(product, c)[0] == theirs[0], 10.0, "the peer of b")
    assert mine[0] != theirs[0]
    product.wait_state(ident, "shown")
    until(lambda: not any(p["here"] for p in product.people().values() if p["id"] == mine[0]), 5.0, "c away")


def test_closed_session_hears_on_its_return(product: Product, api: Api) -> None:
    """A message to a closed session is safe at once, and wakes it after --resume without a prompt."""
    b = product.session("b")
    product.turn(b, "first words")
    before, b_id, pid = identity(product, b), b.id, product.status(b)["pid"]
    b.exit()
    product.wait_gone(pid)
    ident = product.send("b", "while you were away")
    assert product.state(ident) == "safe"
    asked = api.last("b")
    again = product.session("b", "--resume", b_id, named=False)
    woken = api.wait_for_text("b", "> while you were away", after=asked)
    assert "first words" in woken.text()
    assert identity(product, again) == before
    product.wait_state(ident, "shown")
    product.wait_idle(again)
    assert count(product.turn(again, "last words"), ident) == 1


def test_message_at_the_end_of_a_session_waits(product: Product, api: Api, home: Home) -> None:
    """A message that its busy recipient was never shown, because it was closed, is shown on its return."""
    b = product.session("b")
    product.turn(b, "first words")
    b_id = b.id
    api.script("b", bash_until(home.path / "never"))
    b.submit("use a tool")
    b.wait_screen("never")
    ident = product.send("b", "too late for this turn")
    b.close()
    assert product.state(ident) == "safe"
    asked = api.last("b")
    product.session("b", "--resume", b_id)
    assert count(api.wait_for_text("b", "> too late for this turn", after=asked), ident) == 1


def test_ended_sessions_leave_no_process(product: Product) -> None:
    """/exit and a closed terminal take the sidecar along within seconds, and peer shows both as away."""
    a, b = product.session("a"), product.session("b")
    pids = [product.status(one)["pid"] for one in (a, b)]
    a.exit()
    b.close()
    for pid in pids:
        product.wait_gone(pid)
    assert [product.people()[name]["here"] for name in "ab"] == [False, False]
    assert not list((product.home.peer / "client").iterdir())


def test_disabled_session_is_no_peer(product: Product, api: Api) -> None:
    """With PEER_DISABLE=1 no sidecar starts, the model hears nothing, and `peer` in its Bash says why."""
    api.script("b", bash("peer list; echo code $?"))
    b = product.session("b", here=False, env={"PEER_DISABLE": "1"})
    b.submit("first words")
    api.wait_for_text("b", "code 5")
    b.wait_status("idle")
    assert "PEER_DISABLE" in api.shown_text("b")
    assert BRIEFING not in api.requests("b")[0].text()
    assert not (product.home.peer / "peers").exists()
    assert product.shell("send", "b", "hello").returncode == 3


def test_switched_off_repo_hears_nothing_until_on(product: Product, api: Api, repo: Path) -> None:
    """`peer off` ends a repo's sidecars and starts none; after `peer on` its sessions hear what was kept."""
    b = product.session("b")
    product.turn(b, "first words")
    pid = product.status(b)["pid"]
    assert product.shell("off", cwd=repo).returncode == 0
    product.wait_gone(pid)
    ident = product.send("b", "said while off")
    before = api.last("b")
    b.submit("second words")
    api.wait_for_text("b", "second words", after=before)
    b.wait_status("idle")
    late = product.session("c", here=False)
    late.submit("words of c")
    assert BRIEFING not in api.wait_for_text("c", "words of c").text()
    assert "said while off" not in api.shown_text("b")
    assert not [p for p in product.people().values() if p["here"] and not p["person"]]
    assert product.shell("on", cwd=repo).returncode == 0
    b.submit("third words")
    b.wait_status("idle")
    api.wait_for("b", lambda request: count(request, ident) == 1)


def test_two_windows_of_one_session_are_two_peers(product: Product, api: Api, claude: Claude) -> None:
    """A session resumed while it still runs elsewhere is a peer of its own; each hears its own mail."""
    b = product.session("b")
    product.turn(b, "first words")
    first = identity(product, b)
    api.script("second", say("ok"))
    second = claude("second", "--resume", b.id, plugins=(product.plugin,), named=False)
    second.submit("words in the second window")
    api.wait_for_text("second", "words in the second window")

    def two() -> bool:
        return sum(bool(p["here"]) and not p["person"] for p in product.people().values()) == 2

    until(two, 10.0, "two peers")
    product.send(first[0], "for the first window")
    api.wait_for_text("b", "> for the first window")
    assert "for the first window" not in api.shown_text("second")
