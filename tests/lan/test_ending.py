"""Trust ends, or the LAN does: at once, and the other side is told why."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.lan.hosts import Host, pair, until
from tests.lan.machines import closing, error, met, port_is_open, speaks_mdns, trusted, two
from tests.netns import Network

pytestmark = pytest.mark.netns

# A removed host's sessions are gone from sight within this.
AT_ONCE = 1.0  # seconds


def test_removing() -> None:
    """Links are cut at once: its sessions are gone from sight, and what it says afterwards is not taken."""
    with two() as (desk, lap):
        pair(desk, lap)
        met(desk, lap)
        lap.run("send", "build@desk", "before", "--wait", "safe")
        assert desk.ask("", "remove_host", name="lap")["name"] == "lap"
        began = time.monotonic()
        lap.ask("l1", "send", to="build@desk", body="after", wait=None)
        until(lambda: not desk.peers("lap"), "its sessions to go", timeout=AT_ONCE)
        gone = time.monotonic() - began
        until(lambda: not lap.sees("desk", "build"), "the other side to notice")
        noticed = time.monotonic() - began
        print(f"\nafter a removal: gone here after {gone:.3f} s, noticed there after {noticed:.3f} s")
        assert noticed < AT_ONCE
        assert (trusted(desk), trusted(lap)) == ([], ["desk"])
        done = lap.run("send", "build@desk", "later", "--wait", "safe", "--timeout", "2s", check=False)
        assert done.returncode == 4
        assert desk.inbox("d1") == ["before"]
        assert error(desk, "send", "front@lap", "hi")[:2] == (3, "unknown-peer")
        # With the last trusted host the port is closed.
        until(lambda: not port_is_open(desk), "the port to be closed")


def test_a_state_directory_that_is_removed() -> None:
    """Nobody lives on without it, the keeper with its links neither, and the other host sees them go."""
    with two() as (desk, lap):
        pair(desk, lap)
        met(desk, lap)
        pids = desk.pids()
        assert len(pids) > 1
        shutil.rmtree(desk.home / "p")
        until(lambda: not desk.leftovers(), "its sidecars to end", timeout=5.0)
        until(lambda: not lap.sees("desk", "build"), "the other side to notice")


def test_a_removed_host_is_told_why() -> None:
    """As long as others are trusted the port is open, and `peer trust` there says that this one is not."""
    with Network("desk", "lap", "spare") as lan:
        desk, lap, spare = (Host(lan, name) for name in lan.hosts)
        with closing(desk, lap, spare):
            desk.start("d1", "build")
            lap.start("l1", "front")
            spare.start("s1", "test")
            pair(desk, lap)
            pair(desk, spare)
            met(desk, lap)
            until(lambda: desk.sees("spare", "test"), "spare")
            desk.run("trust", "remove", "lap")

            def reasons() -> list[str]:
                [row] = lap.run("trust")["hosts"]
                return [why for _, why, _ in row["tried"] if why]

            until(lambda: any("does not trust" in why for why in reasons()), "the reason")
            # The other link has come back meanwhile.
            until(lambda: desk.sees("spare", "test") and spare.sees("desk", "build"), "spare again")
            # Paired again they see each other, without a restart.
            pair(desk, lap)
            met(desk, lap)


def test_lan_off_and_on() -> None:
    """Off: the port and mDNS are closed for all sessions of the host; on: everything is back."""
    with two() as (desk, lap):
        pair(desk, lap)
        met(desk, lap)
        assert port_is_open(desk)
        assert speaks_mdns(desk)
        assert desk.run("lan", "off")["lan"] is False
        until(lambda: not port_is_open(desk) and not speaks_mdns(desk), "silence", timeout=3)
        until(lambda: not lap.sees("desk", "build"), "lap to notice")
        until(lambda: not desk.sees("lap", "front"), "desk to notice")
        for words in (("invite",), ("join", "peer1-x"), ("connect", "10.83.0.2")):
            assert error(desk, *words)[:2] == (5, "lan-off")
        assert "nothing listens" in desk.run("lan", check=False).stdout
        assert desk.run("lan", "on")["lan"] is True
        until(lambda: port_is_open(desk) and speaks_mdns(desk), "the LAN", timeout=5)
        met(desk, lap)


def test_the_environment_decides_about_the_lan() -> None:
    """What PEER_LAN says cannot be switched by a command, which says so."""
    with Network("desk") as lan:
        desk = Host(lan, "desk", PEER_LAN="off")
        with closing(desk):
            code, kind, words = error(desk, "lan", "on")
            assert (code, kind) == (5, "off")
            assert "PEER_LAN=off" in words
            assert desk.run("lan")["lan"] is False
            assert not speaks_mdns(desk)
