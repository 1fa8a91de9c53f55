"""The network in a box itself: hosts hear each other, nothing is left over, and it says why it cannot be had."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from tests import netns
from tests.netns import Network


def _spaces() -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.startswith(f"peer{os.getpid()}-")]


def _datagrams() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@pytest.mark.netns
def test_hosts_hear_each_other_and_nobody_else() -> None:
    """A packet reaches the other host, by its address; the machine's own interfaces are not in a host."""
    with Network("desk", "lap") as lan:
        with lan.socket("lap", _datagrams) as lap, lan.socket("desk", _datagrams) as desk:
            lap.bind((lan.address("lap"), 4711))
            lap.settimeout(5)
            desk.sendto(b"hello", (lan.address("lap"), 4711))
            assert lap.recvfrom(10)[1][0] == lan.address("desk")
        listed = lan.run("desk", ["ip", "-br", "link"]).stdout
        assert [line.partition("@")[0].split()[0] for line in listed.splitlines()] == ["lo", "lan0"]


@pytest.mark.netns
def test_nothing_is_left_over_after_a_failure() -> None:
    """Namespaces and processes are gone after the network, also when the test in it failed."""
    started: list[subprocess.Popen[bytes]] = []

    def failing(lan: Network) -> None:
        started.append(lan.popen("desk", ["sleep", "60"]))
        assert len(_spaces()) == 2
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Network("desk", unplugged=["desk"]) as lan:
        failing(lan)
    assert started[0].poll() is not None
    assert _spaces() == []


@pytest.mark.netns
def test_nothing_is_left_over_when_it_cannot_be_built() -> None:
    """A network that fails half-way takes away what it has made."""
    with (
        pytest.raises(RuntimeError, match="ip could not do"),
        Network("desk", interface="far-too-long-a-name"),
    ):
        pass
    assert _spaces() == []


@pytest.mark.parametrize("on_ci", [False, True])
def test_it_says_why_it_cannot_be_had(monkeypatch: pytest.MonkeyPatch, on_ci: bool) -> None:
    """Without root a test is skipped with the reason, on CI it fails."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("CI", "true" if on_ci else "")
    outcome = pytest.fail.Exception if on_ci else pytest.skip.Exception
    with pytest.raises(outcome, match="network namespaces need root"), Network("desk"):
        pass


def test_it_says_which_program_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without iproute2 that is the reason."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "")
    assert netns.unavailable() == "network namespaces need the program `ip` (iproute2)"
