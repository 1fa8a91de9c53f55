"""The LAN switched off and on, invitations taken back, and what a person is told when something is in the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lan.hosts import Host, pair, until
from tests.netns import Network, require

pytestmark = pytest.mark.netns

Two = tuple[Host, Host]


@pytest.fixture
def two() -> Iterator[Two]:
    """Two hosts that trust each other, with a session on each."""
    require()
    with Network("desk", "lap") as lan:
        desk, lap = hosts = Host(lan, "desk"), Host(lan, "lap")
        try:
            desk.start("d", "build")
            lap.start("l", "front")
            pair(desk, lap)
            until(lambda: desk.sees("lap", "front") and lap.sees("desk", "build"), "each other")
            yield hosts
        finally:
            desk.close()
            lap.close()


def test_off_means_off_when_the_command_has_said_so(two: Two) -> None:
    """Right behind `peer lan off` nothing crosses any more, and it is said why; `peer lan on` brings all back."""
    desk, lap = two
    assert lap.run("lan", "off")["gate"] is False
    said = lap.run("send", "build@desk", "after off")["messages"][0]
    assert (said["state"], "peer lan on" in said["waits_for"]) == ("queued", True)
    done = lap.run("invite", check=False)
    assert (done.returncode, "peer lan on" in done.stderr) == (5, True)
    assert desk.inbox("d") == []
    assert lap.lan.run("lap", ["ss", "-Htln", "sport", "=", ":7337"]).stdout == ""
    assert lap.run("lan", "on")["port"] == 7337
    until(lambda: desk.inbox("d") == ["after off"], "the mail after `peer lan on`")


def test_a_command_that_was_told_off(two: Two) -> None:
    """PEER_LAN=off before one command: it says nothing to other machines, whatever its sidecar does."""
    desk, lap = two
    lap.extra["PEER_LAN"] = "off"
    done = lap.run("send", "build@desk", "no", check=False)
    assert (done.returncode, "PEER_LAN=off" in done.stderr) == (5, True)
    assert [row["to"] for row in lap.run("send", "@all", "here")["messages"]] == ["front"]
    assert desk.inbox("d") == []


def test_a_session_that_keeps_from_the_lan(two: Two) -> None:
    """Started with PEER_LAN=off it is told to no other machine, also when it has ended; the others of its host are."""
    desk, lap = two
    lap.extra["PEER_LAN"] = "off"
    lap.start("q", "quiet")
    del lap.extra["PEER_LAN"]
    lap.start("n", "next")
    until(lambda: desk.sees("lap", "next"), "the one that came after it")
    assert "quiet" not in desk.peers("lap")
    assert "quiet" in lap.peers("lap")
    lap.end("q")
    lap.start("l", "last")
    until(lambda: desk.sees("lap", "last"), "the one that came after its end")
    assert "quiet" not in desk.peers("lap")


def test_invitations_are_seen_and_taken_back(two: Two) -> None:
    """`peer trust` shows one that is open; one that was cancelled lets nobody in."""
    desk, lap = two
    token = desk.run("invite")["token"]
    assert len(desk.run("trust")["invites"]) == 1
    assert desk.run("invite", "--cancel") == {"cancelled": 1}
    assert desk.run("trust")["invites"] == []
    lap.run("trust", "remove", "desk")
    desk.run("trust", "remove", "lap")
    assert lap.run("join", token, check=False).returncode in (4, 5)
    assert lap.run("trust")["hosts"] == []


def test_an_old_token_is_no_guess(two: Two) -> None:
    """The used one out of the shell's history, three times: it is told from a guess, and the fresh one still works."""
    desk, lap = two
    old = desk.run("invite")["token"]
    lap.run("trust", "remove", "desk")
    lap.run("join", old)
    desk.run("trust", "remove", "lap")
    lap.run("trust", "remove", "desk")
    fresh = desk.run("invite")["token"]
    for _ in range(3):
        done = lap.run("join", old, check=False)
        assert (done.returncode, "was used already" in done.stderr) == (5, True)
    assert lap.run("join", fresh)["name"] == "desk"


def test_who_was_removed_is_told_so(two: Two) -> None:
    """Doctor, `peer trust` and a send say that the other side trusts this one no more, and no firewall is blamed."""
    desk, lap = two
    desk.run("trust", "remove", "lap")
    until(lambda: lap.run("trust")["hosts"][0]["refuses"], "lap to be refused")
    said = lap.run("send", "build@desk", "hello?")["messages"][0]
    assert said["waits_for"] == "desk does not trust this machine any more"
    doctor = lap.run("doctor", check=False).stdout
    assert "does not trust this machine" in doctor
    assert "peer invite" in doctor
    assert "firewall" not in doctor


def test_without_a_network(two: Two) -> None:
    """A pulled cable is seen at once on the side that lost it, and an invitation says that nobody could use it."""
    _, lap = two
    lap.lan.unplug("lap")
    until(lambda: not lap.run("trust")["hosts"][0]["up"], "lap to see that it is alone", 5.0)
    done = lap.run("invite", check=False)
    assert (done.returncode, "no address" in done.stderr) == (4, True)
    assert "connect it" in lap.run("doctor", check=False).stdout


def test_addresses_that_are_looked_at(two: Two) -> None:
    """`peer connect` alone lists them; what is no address is refused."""
    _, lap = two
    lap.run("connect", "10.83.0.77")
    assert [one["address"] for one in lap.run("connect")["connect"]] == ["10.83.0.77"]
    assert lap.run("connect", "10.83.0.300", check=False).returncode == 2
