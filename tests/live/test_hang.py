"""A sidecar that hangs: noticed within 15 s, the sender is told the truth, and nothing is lost."""

from __future__ import annotations

import contextlib
import socket
import time

from .conftest import Sessions
from .home import until


def test_hanging_recipient_is_noticed(session: Sessions) -> None:
    """Within 15 s the sender sees that the recipient does not answer; after SIGCONT all is delivered."""
    one, two = session("a"), session("b")
    one.send("b", "before")
    with two.hang():
        began = time.monotonic()
        ident = one.send("b", "into the silence", wait="queued")
        assert one.state(ident) == "queued"

        def silent() -> bool:
            return bool({p["name"]: p["status"] for p in one.ask("list")["peers"]}["b"] == "not answering")

        until(silent, "the silence to be noticed", 16.0)
        assert time.monotonic() - began <= 15.0
        assert "not answering" in one.ok("list")
    until(lambda: one.state(ident) == "safe", "the delivery after SIGCONT", 20.0)
    assert two.unread() == ["before", "into the silence"]


def test_hooks_of_a_hanging_sidecar_are_quick(session: Sessions) -> None:
    """No hook of the hanging session is held up: exit 0, no output, within 300 ms and a start."""
    one, two = session("a"), session("b")
    two.send("a", "waits")
    with one.hang():
        for event in ("UserPromptSubmit", "PostToolBatch", "Stop", "SessionEnd"):
            done = one.run_hook(event, prompt="x", reason="clear")
            assert (done.code, done.out, done.err) == (0, "", "")
            assert done.seconds < 0.6  # 0.28 s after the interpreter's start, with other tests beside
    assert "UserPromptSubmit" in one.home.log("hooks.log")
    # The sidecar may still be serving the hooks that gave it up, and take the mail back from them.
    assert "waits" in until(one.prompt, "the mail")


def test_hooks_of_a_sidecar_that_hangs_for_long(session: Sessions) -> None:
    """When more callers gave up than a socket's queue holds, hooks are still not held up."""
    one = session("a")
    path = str(one.directory / "door")
    with one.hang():
        for _ in range(300):
            with socket.socket(socket.AF_UNIX) as door:
                door.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    door.connect(path)
        for event in ("SessionStart", "Stop", "SessionEnd"):
            done = one.run_hook(event)
            assert (done.code, done.out, done.err) == (0, "", "")
            assert done.seconds < 0.6
    until(lambda: one.peer("status").code == 0, "the sidecar to go on")


def test_hanging_sidecar_does_not_stop_others(session: Sessions) -> None:
    """A broadcast reaches all who answer, and names the one who does not."""
    one, two, three = session("a"), session("b"), session("c")
    with two.hang():
        rows = one.peer("send", "@all", "hello", "--json").json["messages"]
        assert {row["to"]: row["state"] for row in rows} == {"b": "queued", "c": "safe"}
        assert three.unread() == ["hello"]


def test_doctor_names_a_hanging_sidecar(session: Sessions) -> None:
    """`peer doctor` says which sidecar does not answer, and what to do."""
    one, two = session("a"), session("b")
    peer = two.status["id"]
    with two.hang():
        done = one.peer("doctor", "--json")
    wrong = [f for f in done.json if f["what"] == "sidecar"]
    assert done.code == 1
    assert wrong[0]["words"] == f"{peer} runs and does not answer"
    assert wrong[0]["do"]
