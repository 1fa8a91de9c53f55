"""Where a machine listens, and where others find it: ports, interfaces, IPv6, networks without multicast."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lan.hosts import Host, pair, until
from tests.lan.machines import PORT, closing, error, met, open_ports, port_is_open, speaks_mdns, two
from tests.netns import Network

pytestmark = pytest.mark.netns


def test_nothing_listens_before_and_after() -> None:
    """Not before somebody is invited, and not after the last trusted host was removed; mDNS names no port."""
    with two() as (desk, lap):
        until(lambda: speaks_mdns(desk) and speaks_mdns(lap), "mDNS")
        rumours = until(lambda: lap.ask("l1", "status").get("rumours"), "desk by mDNS")
        assert [one["port"] for one in rumours] == [0]
        assert (open_ports(desk), open_ports(lap)) == (set(), set())
        pair(desk, lap)
        met(desk, lap)
        assert port_is_open(desk)
        assert port_is_open(lap)
        for host, other in ((desk, "lap"), (lap, "desk")):
            host.run("trust", "remove", other)
            until(lambda: open_ports(host) == set(), "the port to be closed")  # noqa: B023


def test_port_and_interfaces_are_honoured() -> None:
    """PEER_PORT and PEER_INTERFACES: it listens just there, and invitations name it."""
    with Network("desk", "lap") as lan:
        desk = Host(lan, "desk", PEER_PORT="7400", PEER_INTERFACES=lan.interface)
        lap = Host(lan, "lap")
        with closing(desk, lap):
            for words in (
                "link add lan1 type veth peer name far1",
                "link set lan1 up",
                "link set far1 up",
                "address add 10.99.0.1/24 dev lan1",
            ):
                assert lan.run("desk", ["ip", *words.split()]).returncode == 0
            desk.start("d1", "build")
            lap.start("l1", "front")
            answer = desk.run("invite")
            assert (answer["port"], answer["addresses"]) == (7400, [lan.address("desk")])
            assert open_ports(desk) == {f"{lan.address('desk')}:7400"}
            lap.run("join", answer["token"])
            met(desk, lap)


def test_a_port_that_is_taken() -> None:
    """The next one is used; if a person named the port, it is said that it is taken."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap", PEER_PORT=str(PORT))
        with closing(desk, lap):
            taken = [lan.socket(name, lambda: socket.create_server(("", PORT))) for name in ("desk", "lap")]
            try:
                assert desk.run("invite")["port"] == PORT + 1
                code, kind, words = error(lap, "invite")
                assert (code, kind) == (1, "cannot-listen")
                assert str(PORT) in words
            finally:
                for one in taken:
                    one.close()


# ---------------------------------------------------------------- networks of other kinds


def only_ipv6(host: Host, *addresses: str) -> None:
    """Take the host's IPv4 address away, and give it others."""
    lines = [["address", "flush", "dev", host.lan.interface, "scope", "global"]]
    lines += [["address", "add", one, "dev", host.lan.interface, "nodad"] for one in addresses]
    for words in lines:
        done = host.lan.run(host.name, ["ip", *words])
        assert done.returncode == 0, done.stderr


def test_only_ipv6() -> None:
    """With a local prefix: the token names its address, and all works."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        with closing(desk, lap):
            only_ipv6(desk, "fd83::1/64")
            only_ipv6(lap, "fd83::2/64")
            desk.start("d1", "build")
            lap.start("l1", "front")
            answer = desk.run("invite")
            assert answer["addresses"] == ["fd83::1"]
            lap.run("join", answer["token"])
            met(desk, lap)
            lap.run("send", "build@desk", "over six", "--wait", "safe")
            assert desk.inbox("d1") == ["over six"]


def test_only_link_local() -> None:
    """Two machines on a cable: the address is named with its interface, or found by mDNS afterwards."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        with closing(desk, lap):
            only_ipv6(desk)
            only_ipv6(lap)
            desk.start("d1", "build")
            lap.start("l1", "front")
            code, _, words = error(desk, "invite")
            assert (code, "no address" in words, "--address" in words) == (4, True, True)
            answer = desk.run("invite", "--address", f"[fe80::1%{lan.interface}]")
            lap.run("join", answer["token"])
            met(desk, lap)


def no_multicast(host: Host) -> None:
    """As over a VPN: mDNS is not heard there."""
    words = ["ip", "link", "set", "dev", host.lan.interface, "multicast", "off"]
    assert host.lan.run(host.name, words).returncode == 0


def resolvable(host: Host, **names: str) -> Path:
    """Let programs of *host* know *names* by their addresses; the file, to be removed."""
    folder = Path("/etc/netns") / host.lan.namespace(host.name)
    folder.mkdir(parents=True)
    (folder / "hosts").write_text("".join(f"{address} {name}\n" for name, address in names.items()))
    return folder


@contextmanager
def name_service(host: Host, **names: str) -> Iterator[None]:
    """The same, for as long as the context lasts."""
    folder = resolvable(host, **names)
    try:
        yield
    finally:
        (folder / "hosts").unlink()
        folder.rmdir()
        with contextlib.suppress(OSError):  # another test has one there
            folder.parent.rmdir()


@pytest.mark.parametrize("by_name", [False, True], ids=["address", "name"])
def test_connect_where_mdns_is_not(*, by_name: bool) -> None:
    """A host that moved and is not heard is found where a person says that it is."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        with name_service(lap, desk="10.83.0.77"), closing(desk, lap):
            no_multicast(lap)
            desk.start("d1", "build")
            lap.start("l1", "front")
            pair(desk, lap)
            met(desk, lap)
            desk.end("d1", "")
            until(lambda: not lap.sees("desk", "build"), "lap to notice")
            desk.address(lan.address("desk"), "10.83.0.77")
            desk.start("d1", "build")
            # What is remembered leads nowhere, and nobody is heard: nothing but the word can help.
            until(lambda: port_is_open(desk), "desk to listen")
            time.sleep(1)
            assert not lap.sees("desk", "build")
            place = "desk" if by_name else f"10.83.0.77:{PORT}"
            assert lap.run("connect", place)["connect"] == [place]
            met(desk, lap)
            lap.run("send", "build@desk", "found", "--wait", "safe")
            assert lap.run("connect", place, "--forget")["connect"] == []
            assert error(lap, "connect", place, "--forget")[0] == 2
            assert error(lap, "connect", "no address!")[0] == 2


def test_an_invitation_names_an_address() -> None:
    """Of a tunnel, by name and with a port: that is where the guest comes, and not at our own addresses."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        with name_service(lap, tunnel=lan.address("desk")), closing(desk, lap):
            desk.start("d1", "build")
            lap.start("l1", "front")
            answer = desk.run("invite", "--address", "tunnel:7337", "--address", "10.99.0.9:1")
            assert answer["addresses"] == ["tunnel:7337", "10.99.0.9:1"]
            lap.run("join", answer["token"])
            met(desk, lap)
            assert error(desk, "invite", "--address", "no address!")[0] == 2
            code, kind, words = error(
                lap, "join", desk.run("invite", "--address", "nowhere.invalid")["token"]
            )
            assert (code, kind) == (4, "not-reached")
            assert "nowhere.invalid" in words
