"""Beside Debian's own avahi: it sees what we publish, and on one host neither harms the other."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import netns
from tests.netns import Network

from . import avahi
from .avahi import Avahi, Resolved
from .hosts import RefusedError, Remote

A, B = "a" * 16, "b" * 16
OURS, PRINTERS = "_peer-mesh._tcp", "_ipp._tcp"
# How long our own responders may take to hear of something, in seconds.
SOON = 5.0
# A tag is any bytes: some that cannot be printed, and all that avahi-browse and its readers might trip over.
TAG = b'\x00\xc0\xff;"\\ '


@pytest.fixture
def lan() -> Iterator[Network]:
    """Three hosts."""
    avahi.require()
    with Network("desk", "lap", "den") as network:
        yield network


@pytest.mark.netns
def test_avahi_resolves_what_we_publish(lan: Network, tmp_path: Path) -> None:
    """`avahi-browse` lists our instances with address, port, version and tag, as long as they are there."""
    desk, lap = Avahi(lan, "desk", tmp_path), Remote(lan, "lap").started()
    lap("publish", [[A, 4711, TAG.hex()], [B, 4712, ""]])
    listed = desk.ready().browse(OURS, A, B)
    for resolved in listed.values():
        assert resolved.address in _addresses(lan, "lap")
        assert resolved.target.startswith("peer-")
    assert (listed[A].port, listed[A].text) == (4711, {b"v=1", b"t=" + TAG})
    assert (listed[B].port, listed[B].text) == (4712, {b"v=1"})


@pytest.mark.netns
def test_avahi_hears_our_goodbyes(lan: Network, tmp_path: Path) -> None:
    """What is published no more is soon listed no more, whether its responder goes on or ends."""
    desk, lap = Avahi(lan, "desk", tmp_path).ready(), Remote(lan, "lap").started()
    lap("publish", [[A, 4711, ""], [B, 4712, ""]])
    browsing = desk.browsing(OURS)
    browsing.until_has(A, B)
    began = lap("publish", [[B, 4712, ""]])
    _figure("gone from avahi after", browsing.until_lacks(A) - began)
    assert B in browsing.listed()
    began = time.monotonic()
    lap("close")
    _figure("gone from avahi after close", browsing.until_lacks(B) - began)
    desk.browse(OURS)  # Lists nothing.


@pytest.mark.netns
@pytest.mark.parametrize("first", ["avahi", "ours"])
def test_both_on_one_host(lan: Network, tmp_path: Path, first: str) -> None:
    """Whichever was there first, both speak and hear; and our goodbye takes nothing of avahi's with it."""
    den = Avahi(lan, "den", tmp_path)
    if first == "avahi":
        desk = Avahi(lan, "desk", tmp_path).ready()
    ours = Remote(lan, "desk").started()
    if first == "ours":
        desk = Avahi(lan, "desk", tmp_path).ready()
    lap = Remote(lan, "lap").started()
    ours("publish", [[A, 4711, ""]])
    lap("publish", [[B, 4712, ""]])
    desk.publish("Printer", PRINTERS, 631, "note=here")
    instances, printers = den.ready().browsing(OURS), den.browsing(PRINTERS)

    lap("until", {"has": A}, SOON)
    ours("until", {"has": B}, SOON)
    assert [lap("rumours")[0][2], ours("rumours")[0][2]] == [4711, 4712]
    listed = desk.browse(OURS, A, B)
    assert [listed[A].port, listed[B].port] == [4711, 4712]
    assert listed[B].address in _addresses(lan, "lap")
    instances.until_has(A, B)
    assert instances.listed()[A].address in _addresses(lan, "desk")
    printers.until_has("Printer")
    assert den.resolve("desk.local") == lan.address("desk")

    # While desk's avahi is silent, den can only tell what it remembers: what was flushed would be missing.
    desk.daemon.send_signal(signal.SIGSTOP)
    ours("close")
    instances.until_lacks(A)
    assert den.resolve("desk.local") == lan.address("desk")
    assert "Printer" in printers.listed()
    assert B in instances.listed()
    # And when it reads what we said, it minds nothing of it.
    desk.daemon.send_signal(signal.SIGCONT)
    desk.browse(OURS, B)
    assert desk.resolve("desk.local") == lan.address("desk")
    assert _is_printer(den.browse(PRINTERS, "Printer")["Printer"], lan)


@pytest.mark.netns
def test_avahi_that_shares_with_nobody(lan: Network, tmp_path: Path) -> None:
    """Beside an avahi with disallow-other-stacks=yes it is said so; when that one has ended, it starts."""
    keeps = Avahi(lan, "desk", tmp_path, alone=True).ready()
    desk = Remote(lan, "desk")
    with pytest.raises(RefusedError) as refused:
        desk("start")
    assert refused.value.kind == "DiscoveryUnavailable"
    assert refused.value.message == (
        "nobody can be found on the network: another program keeps UDP port 5353 to itself "
        "(avahi with disallow-other-stacks=yes?)"
    )
    keeps.end()
    desk("start")
    assert desk("close")["sockets"] == 0
    assert desk.words() == ""


@pytest.mark.parametrize("on_ci", [False, True])
def test_it_says_which_program_is_missing(monkeypatch: pytest.MonkeyPatch, on_ci: bool) -> None:
    """Without avahi a test is skipped with the reason, on CI it fails."""
    monkeypatch.setattr(netns, "unavailable", lambda: None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", "true" if on_ci else "")
    outcome = pytest.fail.Exception if on_ci else pytest.skip.Exception
    with pytest.raises(outcome, match="beside avahi needs avahi-daemon, avahi-browse, dbus-daemon"):
        avahi.require()


def _is_printer(found: Resolved, lan: Network) -> bool:
    """Whether it is the one that desk's avahi publishes."""
    told = (found.target, found.port, found.text)
    return told == ("desk.local", 631, {b"note=here"}) and found.address in _addresses(lan, "desk")


def _addresses(lan: Network, host: str) -> set[str]:
    """The addresses of *host*, of which avahi-browse shows one or the other."""
    return {lan.address(host), f"fe80::{lan.hosts.index(host) + 1}"}


def _figure(what: str, seconds: float) -> None:
    """Print what was measured; `pytest -rP` shows it."""
    print(f"{what} {seconds * 1000:.0f} ms")
