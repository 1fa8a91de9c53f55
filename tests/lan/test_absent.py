"""Mail to who is not there: a session that was closed on a host that is up, and a host that is away altogether."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from peermesh.locks import free_lock, take_lock
from tests.netns import Network

from .hosts import Host, pair, until

pytestmark = pytest.mark.netns

Two = tuple[Host, Host]


@pytest.fixture
def two() -> Iterator[Two]:
    """Two hosts that see each other: build and docs on desk, front and tests on lap."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        try:
            for host, names in ((desk, ("build", "docs")), (lap, ("front", "tests"))):
                for name in names:
                    host.start(name, name)
            pair(desk, lap)
            until(
                lambda: desk.sees("lap", "front", "tests") and lap.sees("desk", "build", "docs"),
                "all to be seen",
            )
            yield desk, lap
        finally:
            desk.close()
            lap.close()


def test_a_lock_that_is_held_hides_nobody(two: Two) -> None:
    """A session that just comes, just goes or is stood in for stays known elsewhere: mail to it is not refused."""
    desk, lap = two
    lap.end("front")
    until(lambda: not desk.here("front"), "desk to see its end")
    lock = take_lock(os.path.join(lap.home, "p", "session", "front", "lock"))
    assert lock is not None
    try:
        lap.ask("tests", "focus", focus="something else")
        until(
            lambda: desk.peers("lap")["tests"]["focus"] == "something else", "lap's next word of who is there"
        )
        assert "front" in desk.peers("lap")
        said = desk.run("send", "front@lap", "wait for me", session="build")["messages"][0]
        assert said["state"] == "queued"
        assert desk.sent("build") == {said["id"]: "queued"}
    finally:
        free_lock(lock)
    until(lambda: set(desk.sent("build").values()) == {"safe"}, "the mail to be safe")


def everything(host: Host) -> list[str]:
    """The sessions that run, and the person's sidecar."""
    return [one for one in host.sessions() if host.ask(one, "status")]


def test_a_closed_session_on_a_host_that_is_up(two: Two) -> None:
    """Mail to it is safe at once, on its own host's disk, and there when it is resumed."""
    desk, lap = two
    lap.end("front")
    until(lambda: not desk.here("front"), "desk to see its end")
    began = time.monotonic()
    done = desk.run("send", "front@lap", "for later", "--wait", "safe", session="build")
    assert done["messages"][0]["state"] == "safe"
    assert time.monotonic() - began < 3.0  # of which the command takes a good part
    ident = done["messages"][0]["id"]
    lap.start("front")
    assert [m["body"] for m in lap.run("inbox", session="front")] == ["for later"]
    until(lambda: desk.sent("build")[ident] == "shown", "the receipt")


def test_a_host_that_is_away_and_comes_back(two: Two) -> None:
    """All its sidecars ended: mail stays queued, the sender is told, and gets it when one of them is back."""
    desk, lap = two
    lap.end(*everything(lap))
    until(lambda: not desk.here("front") and not desk.here("tests"), "desk to see them go")
    done = desk.run("send", "front@lap", "you there?", session="build", check=False)
    assert "queued" in done.stdout, done
    assert "front@lap" in done.stdout
    late = desk.run(
        "send", "front@lap", "and now?", "--wait", "safe", "--timeout", "1s", session="build", check=False
    )
    assert late.returncode == 4, late
    assert set(desk.sent("build").values()) == {"queued"}
    lap.start("tests")  # another session's sidecar is enough: the host is there
    until(lambda: set(desk.sent("build").values()) == {"safe"}, "the mail to be safe")
    lap.start("front")
    assert [m["body"] for m in lap.run("inbox", session="front")] == ["you there?", "and now?"]
    until(lambda: set(desk.sent("build").values()) == {"shown"}, "the receipts")


def test_the_sender_ended_meanwhile(two: Two) -> None:
    """Another sidecar of the sender's host delivers what it left, and the sender sees it when it is resumed."""
    desk, lap = two
    lap.end(*everything(lap))
    until(lambda: not desk.here("front"), "desk to see them go")
    desk.say("build", "front@lap", "my last words", "and a postscript")
    desk.end("build")
    lap.start("front")
    until(
        lambda: lap.inbox("front") == ["my last words", "and a postscript"], "delivery for the absent sender"
    )
    assert len(lap.run("inbox", session="front")) == 2
    time.sleep(1.0)  # so that receipts go to one who is away, and nobody resends
    desk.start("build")
    until(lambda: list(desk.sent("build").values()) == ["shown", "shown"], "the sender to know")
    assert lap.inbox("front") == ["my last words", "and a postscript"]


def test_a_whole_host_restarts(two: Two) -> None:
    """Mail queued by a host whose sidecars all ended leaves when it is up again, with nobody typing anything."""
    desk, lap = two
    lap.end(*everything(lap))
    until(lambda: not desk.here("front"), "desk to see them go")
    desk.say("build", "front@lap", "before the restart")
    desk.end(*everything(desk))
    lap.start("front")
    desk.start("docs")
    until(lambda: lap.inbox("front") == ["before the restart"], "delivery after both restarted", 30)
