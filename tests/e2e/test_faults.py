"""What breaks under a session costs no message: killed sidecars and clients, and turns that are taken back."""

from __future__ import annotations

import signal
import time

import pytest

from .api import Api
from .home import Home, send_signal, until
from .model import bash_until, say
from .product import Product, count
from .terminal import Session

pytestmark = pytest.mark.claude


def attended(product: Product, name: str = "b") -> Session:
    """A session that had its first turn and is idle."""
    session = product.session(name)
    product.turn(session, "first words")
    return session


def in_a_tool(product: Product, api: Api, home: Home, session: Session) -> None:
    """Let *session* work until `finish`."""
    before = api.last(session.name)
    api.script(session.name, bash_until(home.path / "done"))
    session.submit("use a tool")
    api.wait_for_text(session.name, "use a tool", after=before)
    session.wait_screen("done")


def finish(home: Home) -> None:
    """Let the tool end."""
    (home.path / "done").touch()


def shown_once(product: Product, session: Session, ident: str) -> None:
    """One turn more, and the conversation holds the message exactly once."""
    product.wait_idle(session)
    assert count(product.turn(session, "last words"), ident) == 1


def test_idle_session_without_sidecar_is_woken(product: Product, api: Api) -> None:
    """After kill -9 of an idle session's sidecar: its waiter starts another, and a message wakes it, once."""
    b = attended(product)
    dead = product.kill_sidecar(b)
    ident = product.send("b", "after the crash")
    api.wait_for_text("b", "> after the crash", 20.0)
    product.wait_state(ident, "shown")
    assert product.status(b)["pid"] != dead
    shown_once(product, b, ident)


def test_sidecar_dies_right_after_the_send(product: Product, api: Api) -> None:
    """After kill -9 in the moment when the sender was told *safe* it is shown: once, or again by the same id."""
    b = attended(product)
    pid = product.status(b)["pid"]
    ident = product.send("b", "just in time")
    send_signal(pid, signal.SIGKILL)
    api.wait_for_text("b", "> just in time", 20.0)
    product.wait_idle(b)
    # Twice, if it died between the waiter's flush and its record: a nuisance, where never would be a bug.
    assert count(product.turn(b, "last words"), ident) in (1, 2)
    product.wait_state(ident, "shown")
    assert count(product.turn(b, "words after that"), ident) in (1, 2)


def test_sidecar_dies_while_its_session_works(product: Product, api: Api, home: Home) -> None:
    """Killed during a tool, with a message waiting: it is shown once, at the turn's end or soon after."""
    b = attended(product)
    in_a_tool(product, api, home, b)
    ident = product.send("b", "wait for the end")
    product.kill_sidecar(b)
    finish(home)
    api.wait_for_text("b", "> wait for the end", 20.0)
    shown_once(product, b, ident)
    product.wait_state(ident, "shown")


def test_senders_sidecar_dies_with_a_queued_message(product: Product, api: Api) -> None:
    """A message that the recipient's sidecar could not take, from a sender that was killed: shown once."""
    attended(product)
    a = attended(product, "a")
    product.kill_sidecar(a)
    done = product.shell("send", "b", "hello")
    assert done.returncode == 0
    api.wait_for_text("b", "> hello")
    until(lambda: product.status(a), 20.0, "the sidecar that the waiter of a started")
    ident = product.send("a", "are you back?")
    api.wait_for_text("a", "> are you back?", 20.0)
    shown_once(product, a, ident)


def test_client_dies_in_a_tool(product: Product, api: Api, home: Home) -> None:
    """After kill -9 of the client with a message waiting: the sidecar ends within 5 s, --resume shows it."""
    b = attended(product)
    b_id, pid = b.id, product.status(b)["pid"]
    in_a_tool(product, api, home, b)
    ident = product.send("b", "not seen yet")
    b.kill()
    product.wait_gone(pid)
    assert product.state(ident) == "safe"
    before = api.last("b")
    finish(home)
    again = product.session("b", "--resume", b_id)
    api.wait_for_text("b", "> not seen yet", after=before)
    shown_once(product, again, ident)
    product.wait_state(ident, "shown")


def test_client_dies_right_after_a_waking(product: Product, api: Api) -> None:
    """After kill -9 while the model's answer to a waking is outstanding: after --resume its model has the message."""
    b = attended(product)
    b_id, pid = b.id, product.status(b)["pid"]
    api.script("b", say("never said", gate=api.gate()))
    ident = product.send("b", "woken for nothing")
    api.wait_for_text("b", "> woken for nothing")
    b.kill()
    product.wait_gone(pid)
    again = product.session("b", "--resume", b_id)
    again.submit("what did you hear?")
    request = api.wait_for_text("b", "what did you hear?")
    assert count(request, ident) >= 1
    product.wait_state(ident, "shown")


def test_client_dies_right_after_a_prompt(product: Product, api: Api, home: Home) -> None:
    """After kill -9 after a prompt's hook showed a message, before the model answered: --resume, and it is there."""
    b = product.session("b", env={"PEER_WAKES": "0"})
    product.turn(b, "first words")
    b_id, pid = b.id, product.status(b)["pid"]
    ident = product.send("b", "shown in vain")
    product.wait_state(ident, "held")
    api.script("b", say("never said", gate=api.gate()))
    b.submit("second words")
    assert count(api.wait_for_text("b", "second words"), ident) == 1
    b.kill()
    product.wait_gone(pid)
    assert product.state(ident) != "shown"
    before = api.last("b")
    again = product.session("b", "--resume", b_id, env={"PEER_WAKES": "0"})
    again.submit("third words")
    assert count(api.wait_for_text("b", "third words", after=before), ident) >= 1
    product.wait_idle(again)
    product.wait_state(ident, "shown")


def test_prompt_taken_back_shows_its_message_again(product: Product, api: Api) -> None:
    """Esc before the model's first word undoes prompt and message: it comes with the next prompt, then counts."""
    b = product.session("b", env={"PEER_WAKES": "0"})
    product.turn(b, "first words")
    ident = product.send("b", "do not lose me")
    product.wait_state(ident, "held")
    api.script("b", say("never said", gate=api.gate()))
    b.submit("second words")
    assert count(api.wait_for_text("b", "second words"), ident) == 1
    time.sleep(1.5)  # an absence: longer than a receipt takes
    assert product.state(ident) == "held"
    b.interrupt()
    until(lambda: b.input_line() == "second words", 5.0, "the prompt to be given back")
    b.press("C-u")
    assert product.state(ident) == "held"
    assert count(product.turn(b, "third words"), ident) == 1
    product.wait_state(ident, "shown")
    assert count(product.turn(b, "last words"), ident) == 1


def test_prompt_taken_back_and_not_sent_again(product: Product, api: Api) -> None:
    """A message undone by Esc wakes the session that stays idle after it, and is there once."""
    b = attended(product)
    api.script("b", say("never said", gate=api.gate()))
    b.submit("second words")
    api.wait_for_text("b", "second words")
    ident = product.send("b", "came while you thought")
    b.interrupt()
    b.press("C-u")
    api.wait_for_text("b", "> came while you thought", 20.0)
    product.wait_state(ident, "shown")
    shown_once(product, b, ident)


def test_queued_prompt_does_not_repeat_a_message(product: Product, api: Api, home: Home) -> None:
    """A prompt typed while a tool runs is no sign that the last one was undone: its message comes once."""
    b = product.session("b", env={"PEER_WAKES": "0"})
    product.turn(b, "first words")
    ident = product.send("b", "only once")
    product.wait_state(ident, "held")
    in_a_tool(product, api, home, b)
    assert count(api.requests("b")[-1], ident) == 1
    b.submit("queued words")
    b.wait_screen("queued words")
    finish(home)
    api.wait_for("b", lambda request: "queued words" in request.text())
    shown_once(product, b, ident)
    product.wait_state(ident, "shown")


def test_queued_prompt_taken_back_loses_no_message(product: Product, api: Api, home: Home) -> None:
    """A prompt typed while a tool runs and taken back with Up shows its hook's words to nobody: they come later."""
    b = attended(product)
    in_a_tool(product, api, home, b)
    ident = product.send("b", "not lost with the prompt")
    b.submit("queued words")
    b.wait_screen("queued words")
    time.sleep(0.5)  # its hook has answered, or will never: nothing shows that from outside
    b.press("Up")
    until(lambda: b.input_line() == "queued words", 5.0, "the prompt back in the input line")
    b.press("C-u")
    finish(home)
    api.wait_for("b", lambda request: count(request, ident) == 1)
    product.wait_state(ident, "shown")


def test_interrupted_session_is_woken(product: Product, api: Api, home: Home) -> None:
    """A turn ended by Esc in a tool has no Stop; a message wakes the idle session all the same."""
    b = attended(product)
    in_a_tool(product, api, home, b)
    b.interrupt()
    ident = product.send("b", "where were we?")
    api.wait_for_text("b", "> where were we?")
    product.wait_state(ident, "shown")
    shown_once(product, b, ident)


def test_message_of_an_interrupted_turn_is_shown(product: Product, api: Api, home: Home) -> None:
    """A message that came during a tool that Esc broke off wakes the session, once."""
    b = attended(product)
    in_a_tool(product, api, home, b)
    ident = product.send("b", "during the tool")
    b.interrupt()
    api.wait_for_text("b", "> during the tool")
    shown_once(product, b, ident)
