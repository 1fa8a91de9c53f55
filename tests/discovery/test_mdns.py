"""Real multicast DNS between network namespaces: who is found, how soon, and what happens when it goes wrong."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.netns import Network

from .hosts import RefusedError, Remote

pytestmark = pytest.mark.netns

A, B, C = "a" * 16, "b" * 16, "c" * 16
# How long anything may take that is said at once: a thousand times what it takes on a quiet machine.
SOON = 5.0


@pytest.fixture
def lan() -> Iterator[Network]:
    """Three hosts, of which the last has no cable yet."""
    with Network("desk", "lap", "late", unplugged=["late"]) as network:
        yield network


def _figure(what: str, seconds: float) -> None:
    """Print what was measured; `pytest -rP` shows it."""
    print(f"{what} {seconds * 1000:.1f} ms")


def _port(name: str, port: int) -> list[object]:
    return [name, port, ""]


def test_an_instance_is_found_by_another_host(lan: Network) -> None:
    """What one host publishes, another hears at once, with address, port, version and tag."""
    desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
    lap.begin("until", {"has": A}, SOON)
    began = desk("publish", [[A, 4711, "c0ffee"]])
    _figure("seen after", (lap.answer() - began))
    assert lap("rumours") == [[A, [lan.address("desk"), "fe80::1%2"], 4711, 1, "c0ffee"]]
    assert desk("rumours") == []
    assert desk("health") == [["lan0"], 1, 0, 0, 0]
    assert lap("health") == [["lan0"], 0, 1, 0, 0]


def test_who_comes_later_finds_by_asking(lan: Network) -> None:
    """A host that starts when all has been said long ago asks, and is told within a moment."""
    desk = Remote(lan, "desk").started()
    desk("publish", [_port(f"{number:016x}", number + 1) for number in range(20)])
    lap = Remote(lan, "lap")
    took = lap("start")
    for number in range(20):  # the answer may come in several packets
        lap("until", {"has": f"{number:016x}"}, SOON)
    assert len(lap("rumours")) == 20
    _figure("start took", took)


def test_a_goodbye_is_heard(lan: Network) -> None:
    """An instance that is published no more is no rumour any more; the others stay."""
    desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
    desk("publish", [_port(A, 1), _port(B, 2)])
    lap("until", {"has": A}, SOON)
    lap("until", {"has": B}, SOON)
    lap.begin("until", {"lacks": A}, SOON)
    began = desk("publish", [_port(B, 2)])
    _figure("gone after", (lap.answer() - began))
    assert [rumour[0] for rumour in lap("rumours")] == [B]


def test_a_change_is_heard(lan: Network) -> None:
    """A session that begins to listen is heard with its port."""
    desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
    desk("publish", [_port(A, 0)])
    lap("until", {"port": [A, 0]}, SOON)
    desk("publish", [_port(A, 4711)])
    lap("until", {"port": [A, 4711]}, SOON)


def test_close_says_goodbye_for_all_and_leaves_nothing(lan: Network) -> None:
    """At the end all instances are gone, within a second, and no task, thread, socket or word is left."""
    desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
    names = [f"{number:016x}" for number in range(20)]
    desk("publish", [_port(name, 1) for name in names])
    for name in names:
        lap("until", {"has": name}, SOON)
    left = desk("close")
    assert left.pop("took") < 1.0
    assert left == {"tasks": 0, "threads": 0, "sockets": 0}
    assert lap("rumours") == []
    assert desk.words() == ""
    assert lap("close")["sockets"] == 0
    assert lap.words() == ""


def test_one_that_was_killed_stays_a_rumour_until_doubted(lan: Network) -> None:
    """A kill -9 says no goodbye: the rumour stays until it is doubted, and the living stay after."""
    desk, lap, other = (
        Remote(lan, "desk").started(),
        Remote(lan, "lap").started(),
        Remote(lan, "desk").started(),
    )
    desk("publish", [_port(A, 1)])
    other("publish", [_port(B, 2)])
    lap("until", {"has": A}, SOON)
    lap("until", {"has": B}, SOON)
    desk.kill()
    lap("life", 3.0)
    assert [rumour[0] for rumour in lap("rumours")] == [A, B]
    lap("doubt", A)
    lap("doubt", B)
    lap("until", {"lacks": A}, 3.0 + SOON)
    assert [rumour[0] for rumour in lap("rumours")] == [B]


def test_a_successor_takes_over_at_once(lan: Network) -> None:
    """When the responder of a host is killed, the next one's word counts, and it can bury the dead."""
    desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
    desk("publish", [_port(A, 1), _port(B, 2)])
    lap("until", {"has": A}, SOON)
    lap("until", {"has": B}, SOON)
    heir = Remote(lan, "desk")
    assert heir("rumours") == []  # Its interpreter is up, as a sidecar's is that waits for the lock.
    desk.kill()
    took = heir("start")
    lap.begin("until", {"port": [B, 3]}, SOON)
    began = heir("publish", [_port(B, 3)])
    _figure("taken over after", (took + lap.answer() - began))
    heir("bury", [A, B])
    lap("until", {"lacks": A}, SOON)
    assert [rumour[0] for rumour in lap("rumours")] == [B]


def test_no_network_at_all(lan: Network) -> None:
    """With nothing but a loopback it is said so; when a cable has come, it starts."""
    late, desk = Remote(lan, "late"), Remote(lan, "desk").started()
    desk("publish", [_port(A, 1)])
    with pytest.raises(RefusedError, match="no network to find others on") as refused:
        late("start")
    assert refused.value.kind == "DiscoveryUnavailable"
    lan.plug("late")
    late("start")
    late("until", {"has": A}, SOON)


def test_a_cable_that_comes_later(lan: Network) -> None:
    """A network that comes while we run is found at the next look, in both directions."""
    desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
    lap("publish", [_port(B, 2)])
    lan.unplug("lap")
    lap("follow")
    assert lap("health")[0] == []
    desk("publish", [_port(A, 1)])
    lan.plug("lap")
    lap.begin("follow")
    took = lap.answer()
    lap("until", {"has": A}, SOON)
    desk("until", {"has": B}, SOON)
    _figure("follow took", took)
    assert lap("health")[0] == ["lan0"]


@pytest.mark.parametrize("ipv6", [False, True])
def test_a_cable_that_was_out_between_two_looks(ipv6: bool) -> None:
    """The same address on a new interface is joined anew, though no look saw it missing."""
    with Network("desk", "lap", ipv6=ipv6) as lan:
        desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
        lap("publish", [_port(B, 2)])
        lan.unplug("lap")
        lan.plug("lap")
        desk("publish", [_port(A, 1)])
        lap("follow")
        lap("until", {"has": A}, SOON)
        desk("until", {"has": B}, SOON)


def test_speaking_without_a_cable_is_no_word_and_no_harm(lan: Network) -> None:
    """Between a cable's end and the next look nothing that is said arrives, and nobody writes about it."""
    lap = Remote(lan, "lap").started()
    lan.unplug("lap")
    lap("publish", [_port(B, 2)])
    lap("doubt", A)
    lap("publish", [])
    assert lap("close")["took"] < 1.0
    assert lap.words() == ""


def test_another_address_is_told(lan: Network) -> None:
    """When a host's address changes, the others hear the new one and forget the old one."""
    desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
    desk("publish", [_port(A, 1)])
    lap("until", {"has": A}, SOON)
    time.sleep(1.1)  # What is said within a second belongs together, and does not replace itself.
    lan.run("desk", ["ip", "address", "delete", "10.83.0.1/24", "dev", "lan0"])
    lan.run("desk", ["ip", "address", "add", "10.83.0.77/24", "dev", "lan0"])
    desk("follow")
    lap("until", {"address": [A, ["10.83.0.77", "fe80::1%2"]]}, SOON)


def test_ipv6_alone_is_enough(lan: Network) -> None:
    """Hosts without an IPv4 address find each other by their link-local ones."""
    for host in ("desk", "lap"):
        lan.run(host, ["ip", "-4", "address", "flush", "dev", "lan0"])
    desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
    desk("publish", [_port(A, 1)])
    lap("until", {"has": A}, SOON)
    assert lap("rumours")[0][1] == ["fe80::1%2"]


def test_ipv4_alone_is_enough() -> None:
    """Hosts without IPv6 find each other."""
    with Network("desk", "lap", ipv6=False) as lan:
        desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
        desk("publish", [_port(A, 1)])
        lap("until", {"has": A}, SOON)
        assert lap("rumours")[0][1] == [lan.address("desk")]


def test_the_setting_names_the_interfaces() -> None:
    """A container's cable is passed over unless the setting names it."""
    with Network("desk", "lap", interface="veth7") as lan:
        desk, lap = Remote(lan, "desk"), Remote(lan, "lap").started(["veth*"])
        with pytest.raises(RefusedError, match="no network to find others on"):
            desk("start")
        desk("start", ["veth7"])
        desk("publish", [_port(A, 1)])
        lap("until", {"has": A}, SOON)


def test_a_port_that_another_keeps(lan: Network) -> None:
    """Beside a responder that shares with nobody, it is said so; when that one is gone, it starts."""
    desk = Remote(lan, "desk")
    with lan.socket("desk", lambda: _bound(shared=False)):
        with pytest.raises(RefusedError, match="another program keeps UDP port 5353") as refused:
            desk("start")
        assert refused.value.kind == "DiscoveryUnavailable"
    desk("start")
    assert desk("close")["sockets"] == 0
    assert desk.words() == ""


def test_a_port_that_another_shares(lan: Network) -> None:
    """Beside a responder that shares the port, as avahi does by default, others are found."""
    with lan.socket("desk", lambda: _bound(shared=True)):
        desk, lap = Remote(lan, "desk").started(), Remote(lan, "lap").started()
        desk("publish", [_port(A, 1)])
        lap("publish", [_port(B, 2)])
        lap("until", {"has": A}, SOON)
        desk("until", {"has": B}, SOON)


def _bound(*, shared: bool) -> socket.socket:
    """A socket on the port of mDNS."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("0.0.0.0", 5353))
    return bound
