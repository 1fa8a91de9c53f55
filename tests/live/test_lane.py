"""The hooks' lane: it never hurts, and what it did not surely show is shown again."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from .actors import Done, Session, run
from .conftest import Sessions
from .home import PYTHON, ROOT, Home, until

# The real lane, killed at a chosen moment.
CRASH = """
import os, signal, sys
sys.path.append(sys.argv[1])
from peermesh.door.client import Door
from peermesh.hooks import lane
ask = Door.ask
def crash(self, do, *args, **fields):
    if do == "shown" and sys.argv[3] == "flushed":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = ask(self, do, *args, **fields)
    if sys.argv[3] == "handed":
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
Door.ask = crash
sys.exit(lane.main(sys.argv[2]))
"""


def _crash(one: Session, event: str, moment: str) -> Done:
    words = [PYTHON, "-I", "-S", "-c", CRASH, str(ROOT), event, moment]
    return run(words, one.env, one.cwd, one.payload(event, prompt="x"))


def test_killed_between_flush_and_record(session: Sessions) -> None:
    """A hook that died after its output shows the same message again, with the same id."""
    one, two = session("a"), session("b")
    ident = two.send("a", "once or twice")
    died = _crash(one, "UserPromptSubmit", "flushed")
    assert died.code == -signal.SIGKILL
    assert f"[{ident}]" in json.loads(died.out)["hookSpecificOutput"]["additionalContext"]
    assert two.state(ident) == "safe"
    assert f"[{ident}]" in until(one.turn, "the message again")
    assert one.turn() == ""
    until(lambda: two.state(ident) == "shown", "the receipt")


def test_killed_before_flush(session: Sessions) -> None:
    """A hook that died with messages in hand has shown none, and the next one does, in order."""
    one, two = session("a"), session("b")
    ids = [two.send("a", f"m{n}") for n in range(3)]
    died = _crash(one, "UserPromptSubmit", "handed")
    assert (died.code, died.out) == (-signal.SIGKILL, "")
    two.send("a", "m3")
    said = until(one.turn, "the messages")
    places = [said.index(f"> m{n}\n") for n in range(4)]
    assert places == sorted(places)
    assert all(ident in said for ident in ids)


def test_killed_waiter_loses_nothing(session: Sessions) -> None:
    """A waiter that died with the message in hand leaves it to the next waiter."""
    one, two = session("a"), session("b")
    waiter = one.waiter()
    waiter.process.kill()
    waiter.process.wait()
    until(lambda: not one.status["waiter"], "the loss of the waiter")
    two.send("a", "still here")
    assert "still here" in one.waiter().text()


def test_stop_hook_tells_to_carry_on(session: Sessions) -> None:
    """What is shown at Stop and after a batch ends with a word to carry on; at a prompt it does not."""
    one, two = session("a"), session("b")
    two.send("a", "x", urgent=True)
    one.prompt()
    two.send("a", "y", urgent=True)
    assert one.hook("PostToolBatch").endswith("then carry on with what you were doing.")
    two.send("a", "z")
    assert one.stop().endswith("then carry on with what you were doing.")


GARBAGE = [b"\xff\xfe\x00{", b"[]", b'"text"', b"{", b"null", b"[" * 200_000, b'{"session_id": ']


@pytest.mark.parametrize("event", ["SessionStart", "UserPromptSubmit", "Wait"])
def test_garbage_payload(session: Sessions, event: str) -> None:
    """A payload that is none: exit 0, no output, a line in hooks.log, and the mail still waits."""
    one, two = session("a"), session("b")
    two.send("a", "kept")
    for number, garbage in enumerate(GARBAGE, 1):
        done = one.run_hook(event, stdin=garbage)
        assert (done.code, done.out, done.err) == (0, "", ""), garbage[:20]
        assert one.home.log("hooks.log").count(f"{event}: ") == number, garbage[:20]
    assert one.unread() == ["kept"]


def test_payload_of_odd_fields(session: Sessions) -> None:
    """Fields of other types, or a session id that would be a path, do no harm."""
    one = session("a")
    odd = {"session_id": ["x"], "cwd": 7, "prompt": {"a": 1}, "source": None, "more": "x" * 100_000}
    for event in ("SessionStart", "UserPromptSubmit", "SessionEnd"):
        assert one.run_hook(event, stdin=json.dumps(odd).encode()).code == 0
    bad = one.run_hook("SessionEnd", stdin=json.dumps({"session_id": "../../x", "reason": "clear"}).encode())
    assert (bad.code, bad.out, bad.err) == (0, "", "")
    assert not (one.home.peer / "x").exists()


def test_empty_standard_input(session: Sessions) -> None:
    """Without a payload the environment says which session it is; nothing is lost, nothing breaks."""
    one, two = session("a"), session("b")
    for event in ("SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"):
        done = one.run_hook(event, stdin=b"")
        assert (done.code, done.err) == (0, "")
    two.send("a", "kept")
    assert "kept" in until(one.prompt, "the mail")


def test_door_that_never_answers(home: Home, session: Sessions) -> None:
    """A door that takes the connection and says nothing costs 300 ms and an interpreter's start, no more."""
    one = session("a", start=False)
    folder = home.peer / "peers" / "aaaaaaaa"
    folder.mkdir(parents=True, mode=0o700)
    one.link.parent.mkdir()
    one.link.symlink_to(folder)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / "door"))
        door.listen(10)
        for event in ("SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"):
            done = one.run_hook(event, prompt="x")
            assert (done.code, done.out, done.err) == (0, "", "")
            assert done.seconds < 0.6
    assert home.log("hooks.log").count("TimeoutError") == 4


def test_door_that_answers_nonsense(home: Home, session: Sessions) -> None:
    """What is no answer of the protocol is a line in the log and nothing else."""
    one = session("a", start=False)
    folder = home.peer / "peers" / "aaaaaaaa"
    folder.mkdir(parents=True, mode=0o700)
    one.link.parent.mkdir()
    one.link.symlink_to(folder)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / "door"))
        door.listen(10)
        for nonsense in (b"hello\n", b"[]\n", b"\xff\n", b""):
            hook = one.start_process("UserPromptSubmit", prompt="x")
            caller, _ = door.accept()
            caller.recv(65536)
            caller.sendall(nonsense)
            caller.close()
            assert hook.communicate(timeout=10) == (b"", b"")
            assert hook.returncode == 0
    assert home.log("hooks.log").count("UserPromptSubmit: ") == 4


def test_disabled_session_is_left_alone(home: Home, session: Sessions) -> None:
    """PEER_DISABLE=1: hooks start nothing and say nothing, a command is refused with exit 5."""
    one = session("a", start=False, PEER_DISABLE="1")
    for event in ("SessionStart", "UserPromptSubmit", "Stop", "Wait", "SessionEnd"):
        done = one.run_hook(event, prompt="x")
        assert (done.code, done.out, done.err) == (0, "", "")
    assert not home.peer.exists()
    done = one.peer("list", "--json")
    assert (done.code, done.json["error"]["code"]) == (5, "off")


def test_missing_program_is_no_trouble(home: Home, session: Sessions) -> None:
    """When the interpreter of the installed plugin is gone, every hook ends with 0 and no output."""
    one = session("a", start=False)
    text = home.hook.read_text().replace(PYTHON, str(Path(PYTHON).with_name("no-python")))
    home.hook.write_text(text)
    for event in ("SessionStart", "UserPromptSubmit", "Stop", "Wait", "SessionEnd"):
        done = one.run_hook(event, prompt="x")
        assert (done.code, done.out, done.err) == (0, "", "")


def test_streams_of_a_hook_are_not_kept_open(session: Sessions) -> None:
    """The sidecar that a hook starts holds none of the hook's streams: the client would wait for it."""
    one = session("a")
    for number in (0, 1, 2):
        target = os.readlink(f"/proc/{one.pid}/fd/{number}")
        assert target in ("/dev/null", str(one.home.peer / "sidecar.log"))
