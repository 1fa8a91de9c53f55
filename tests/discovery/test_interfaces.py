"""Which interfaces are spoken on, and with which addresses."""

from __future__ import annotations

from ipaddress import ip_interface

import pytest

from peermesh.discovery.interfaces import (
    IFF_LOOPBACK,
    IFF_MULTICAST_LINUX,
    IFF_MULTICAST_MACOS,
    IFF_UP,
    MAX_ADDRESSES,
    Adapter,
    attachment,
    usable,
)


def _adapter(name: str, *addresses: str, index: int = 1, usable: bool = True) -> Adapter:
    return Adapter(name, index, usable, tuple(ip_interface(text) for text in addresses))


def _names(found: list[Adapter], named: list[str] | None = None) -> list[str]:
    return [each.name for each in attachment(found, named).adapters]


def test_networks_are_taken_and_bridges_are_not() -> None:
    """Without a setting, cards and Wi-Fi are used, and containers, machines and tunnels are not."""
    good = ["br0", "en0", "enp3s0", "eth0", "wlan0", "wlp2s0"]
    bad = [
        "docker0",
        "br-1f2e3d4c5b6a",
        "veth12ab",
        "virbr0",
        "tun0",
        "tailscale0",
        "utun3",
        "wg0",
        "bridge100",
    ]
    assert _names([_adapter(name, "10.0.0.1/8") for name in bad + good]) == good


def test_the_setting_decides_alone() -> None:
    """With a setting, the interfaces it names are used and no others, patterns allowed."""
    found = [_adapter(name, "10.0.0.1/8") for name in ("eth0", "veth1", "veth2", "docker0")]
    assert _names(found, ["veth*"]) == ["veth1", "veth2"]
    assert _names(found, ["docker0"]) == ["docker0"]
    assert _names(found, []) == []


def test_what_is_down_or_bare_is_not_used() -> None:
    """An interface that is down, or has no address, is of no use even when named."""
    found = [_adapter("eth0", "10.0.0.1/8", usable=False), _adapter("eth1")]
    assert _names(found) == _names(found, ["eth*"]) == []


@pytest.mark.parametrize(
    ("flags", "macos", "good"),
    [
        (IFF_UP | IFF_MULTICAST_LINUX, False, True),
        (IFF_UP | IFF_MULTICAST_MACOS, True, True),
        (IFF_UP | IFF_MULTICAST_LINUX, True, False),
        (IFF_UP, False, False),
        (IFF_MULTICAST_LINUX, False, False),
        (IFF_UP | IFF_MULTICAST_LINUX | IFF_LOOPBACK, False, False),
        (IFF_UP | IFF_MULTICAST_MACOS | IFF_LOOPBACK, True, False),
    ],
)
def test_flags(flags: int, macos: bool, good: bool) -> None:
    """An interface is usable when it is up, does multicast and is not the loopback."""
    assert usable(flags, macos) is good


def test_joins_once_for_each_interface_and_family() -> None:
    """Of several addresses of one interface one of each family is joined, link-local before others."""
    one = _adapter("eth0", "10.0.0.1/8", "10.0.0.2/8", "2001:db8::1/64", "fe80::1/64", index=3)
    assert attachment([one], None).joins() == ["10.0.0.1", "fe80::1"]


def test_an_address_on_two_interfaces_is_joined_by_number() -> None:
    """Where two interfaces have the same IPv6 address, their numbers tell them apart."""
    found = [_adapter("br0", "fe80::1/64", index=7), _adapter("eth0", "fe80::1/64", index=3)]
    assert attachment(found, None).joins() == [7, 3]


def test_addresses_are_told_best_first_and_not_too_many() -> None:
    """IPv4 comes first and link-local last, each address once, sixteen at most."""
    many = [f"2001:db8::{number}/64" for number in range(1, 20)]
    found = [_adapter("eth0", "fe80::1/64", *many, "10.0.0.1/8"), _adapter("eth1", "10.0.0.1/8", index=2)]
    told = attachment(found, None).addresses()
    assert str(told[0]) == "10.0.0.1"
    assert len(told) == len(set(told)) == MAX_ADDRESSES
    few = attachment([_adapter("eth0", "fe80::1/64", "fd00::1/64", "10.0.0.1/8")], None).addresses()
    assert [str(address) for address in few] == ["10.0.0.1", "fd00::1", "fe80::1"]


def test_a_new_interface_with_the_old_address_is_a_change() -> None:
    """An interface that was taken out and put back has another number, and so is not the same."""
    before = attachment([_adapter("eth0", "10.0.0.1/8", index=2)], None)
    after = attachment([_adapter("eth0", "10.0.0.1/8", index=5)], None)
    assert before != after
    assert after.numbered() - before.numbered() == {(5, "10.0.0.1")}


def test_order_is_no_change() -> None:
    """The system may list interfaces in any order without that being a change."""
    one, two = _adapter("eth0", "10.0.0.1/8"), _adapter("eth1", "10.0.0.2/8", index=2)
    assert attachment([one, two], None) == attachment([two, one], None)
