"""Every error is one sentence and the exit code of its kind, and --json gives it as values."""

from __future__ import annotations

import json
import os
import socket

from .actors import Actor, Person
from .conftest import Sessions
from .home import Home, until


def refused(actor: Actor, code: int, *words: str, stdin: bytes = b"") -> str:
    """Both ways of a command that must fail with *code*; the sentence, which is one line."""
    plain = actor.peer(*words, stdin=stdin)
    assert (plain.code, plain.out) == (code, ""), plain
    said = plain.err.strip()
    assert "Traceback" not in said
    values = actor.peer(*words, "--json", stdin=stdin)
    assert values.code == code
    assert values.json["error"]["code"]
    assert values.json["error"]["message"]
    return said


def one_sentence(said: str) -> str:
    """*said*, which is one line that begins with the program's name."""
    assert said.startswith("peer: ")
    assert "\n" not in said
    return said


def test_unknown_name_offers_the_nearest(session: Sessions) -> None:
    """A name that nobody has: exit 3, with the nearest one."""
    one = session("frontend")
    session("backend")
    said = one_sentence(refused(one, 3, "send", "backnd", "hello"))
    assert "did you mean backend?" in said
    assert one.peer("send", "backnd", "x", "--json").json["error"]["detail"] == {"nearest": ["backend"]}
    assert one.sent() == {}


def test_ambiguous_message(session: Sessions) -> None:
    """A number that two senders used: exit 3, with the ids to choose from."""
    one, two, three = session("a"), session("b"), session("c")
    ids = {two.send("a", "x"), three.send("a", "y")}
    said = one_sentence(refused(one, 3, "reply", "1", "which?"))
    assert all(ident in said for ident in ids)


def test_unknown_message(session: Sessions) -> None:
    """A message that is not here, or is no id at all: exit 3."""
    one = session("a")
    for spelled in ("17", "k3m9x2ab-17", "../x", "١٢", "%", "1 OR 1=1"):
        assert "there is no message" in one_sentence(refused(one, 3, "read", spelled))


def test_message_to_oneself(session: Sessions) -> None:
    """A message to oneself: exit 2."""
    assert "is you" in one_sentence(refused(session("a"), 2, "send", "a", "hello me"))


def test_empty_text(session: Sessions) -> None:
    """Nothing to say: exit 2, from arguments and from standard input."""
    one = session("a")
    session("b")
    for text in ("", "  \n ", "\t"):
        one_sentence(refused(one, 2, "send", "b", text))
    one_sentence(refused(one, 2, "send", "b", "-", stdin=b" \n"))
    assert one.sent() == {}


def test_text_that_is_not_utf8(session: Sessions) -> None:
    """Bytes that are no text: exit 2, from arguments and from standard input."""
    one = session("a")
    session("b")
    assert "UTF-8" in one_sentence(refused(one, 2, "send", "b", os.fsdecode(b"caf\xe9")))
    assert "at byte 3" in one_sentence(refused(one, 2, "send", "b", "-", stdin=b"caf\xe9"))
    assert one.sent() == {}


def test_wrong_usage(session: Sessions) -> None:
    """What click refuses is exit 2 too, and --json tells it as values."""
    one = session("a")
    for words in (
        ("send",),
        ("send", "b", "x", "--wait", "later"),
        ("ask", "@all", "x"),
        ("inbox", "-n", "0"),
    ):
        refused(one, 2, *words)
    near = one.peer("snd", "b", "x")
    assert near.code == 2
    assert "Did you mean 'peer send'?" in near.err
    assert one.peer("send", "b", "x", "--timeout", "soon").code == 2


def test_name_that_is_taken(session: Sessions) -> None:
    """A name that a running session has: exit 5, and both keep theirs."""
    one = session("a")
    session("b")
    one_sentence(refused(one, 5, "name", "B"))
    assert one.ok("name").startswith("a ")
    one_sentence(refused(one, 2, "name", "@@@"))


def test_home_with_a_long_path(home: Home, session: Sessions) -> None:
    """A PEER_HOME too long for sockets: exit 1 with what to do; hooks say nothing."""
    long = str(home.path / ("x" * 100))
    shell = Person(home, PEER_HOME=long)
    assert "set PEER_HOME to a shorter one" in one_sentence(refused(shell, 1, "list"))
    one = session("a", start=False, PEER_HOME=long)
    done = one.run_hook("SessionStart")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_home_that_is_a_file(home: Home) -> None:
    """A PEER_HOME that is no directory: exit 1, one sentence."""
    home.peer.write_text("not a directory")
    said = one_sentence(refused(Person(home), 1, "list"))
    assert "set PEER_HOME to another" in said
    home.peer.unlink()


def test_off_and_on(home: Home, session: Sessions) -> None:
    """`peer off` takes the repo's sessions out at once and quickly, `peer on` lets them in, mail included."""
    repo = home.repo("shop")
    one, two = session("a", cwd=repo), session("b")
    waiter = one.waiter()
    assert "shop is out" in one.ok("off")
    assert waiter.code() == 0
    assert not one.pid
    for event in ("UserPromptSubmit", "Stop", "SessionStart", "Wait"):
        done = one.run_hook(event, prompt="x")
        assert (done.code, done.out, done.err) == (0, "", "")
    done = one.peer("send", "b", "hello", "--json")
    assert (done.code, done.json["error"]["code"]) == (5, "off")
    assert done.seconds < 5.0
    two.send("a", "for later")
    assert "takes part" in one.ok("on")
    said = until(one.prompt, "the briefing and the mail")
    assert "for later" in said + one.prompt()


def test_other_version_at_the_door(session: Sessions) -> None:
    """A sidecar of another version says so in a sentence; the door stays open."""
    one = session("a")
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(str(one.directory / "door"))
        door.sendall(b'{"v": 99, "id": 1, "do": "status"}\n{"v": 1, "id": 2, "do": "status"}\n')
        with door.makefile() as lines:
            first, second = json.loads(lines.readline()), json.loads(lines.readline())
    assert first["error"]["code"] == "other-version"
    assert "peer down" in first["error"]["message"]
    assert second["ok"]["name"] == "a"
