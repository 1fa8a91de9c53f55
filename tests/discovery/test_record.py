"""What is said on the network: its shape, its limits, and that nothing else passes for it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peermesh.discovery import record
from peermesh.discovery.errors import BadRecord
from peermesh.discovery.record import Instance

NAME = "0123456789abcdef"


def test_text_golden() -> None:
    """A text without a tag is these bytes, on every version of the program that speaks version 1."""
    assert record.encode_text(1) == b"\x03v=1"


def test_text_with_tag_golden() -> None:
    """A text with a tag is these bytes."""
    assert record.encode_text(1, b"\x00=\xff") == b"\x03v=1\x05t=\x00=\xff"


def test_service_name_is_short_enough() -> None:
    """The service's name has at most the 15 characters that RFC 6763 allows."""
    name, protocol, domain, root = record.SERVICE.split(".")
    assert (protocol, domain, root) == ("_tcp", "local", "")
    assert len(name) <= 16
    assert name.startswith("_")


@given(st.integers(1, record.MAX_VERSION), st.binary(max_size=record.MAX_TAG))
def test_text_comes_back(version: int, tag: bytes) -> None:
    """What is encoded decodes to the same."""
    assert record.decode_text(record.encode_text(version, tag)) == (version, tag)


# Pieces from which hypothesis builds texts that are nearly right.
PIECES = st.sampled_from([b"\x03v=1", b"\x05v=999", b"\x02t=", b"\x04t=ab", b"\x01=", b"\x00", b"\xff", b"v"])


@given(st.one_of(st.binary(max_size=600), st.lists(PIECES, max_size=20).map(b"".join)))
def test_any_text_decodes_or_is_bad(raw: bytes) -> None:
    """Any bytes at all are a version and a tag within their limits, or a BadRecord."""
    try:
        version, tag = record.decode_text(raw)
    except BadRecord:
        return
    assert 1 <= version <= record.MAX_VERSION
    assert len(tag) <= record.MAX_TAG


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00",
        b"\x04v=1",
        b"\x02v=",
        b"\x01v",
        b"\x03v=0",
        b"\x04v=01",
        b"\x04v=-1",
        b"\x07v=65536",
        b"\x05v=\xd9\xa1a",
        b"\x03v=1" + b"\x23t=" + bytes(33),
        b"\x03v=1" + b"\xffx=" + bytes(253) + b"\xffy=" + bytes(253),
    ],
)
def test_bad_texts(raw: bytes) -> None:
    """A text without a proper version, with a long tag, or too long, is refused."""
    with pytest.raises(BadRecord):
        record.decode_text(raw)


def test_unknown_keys_are_passed_over() -> None:
    """A later version may say more; keys are read without regard to case, and the first one counts."""
    raw = b"\x05new=1\x03V=2\x00\x02=x\x03v=3\x04t=ab"
    assert record.decode_text(raw) == (2, b"ab")


@pytest.mark.parametrize(
    ("name", "port", "version", "tag"),
    [
        ("session-b", 1, 1, b""),
        ("alice", 1, 1, b""),
        (NAME.upper(), 1, 1, b""),
        (NAME[:15], 1, 1, b""),
        ("a" * 33, 1, 1, b""),
        (NAME + "\n", 1, 1, b""),
        (NAME, -1, 1, b""),
        (NAME, 65_536, 1, b""),
        (NAME, 1, 0, b""),
        (NAME, 1, 65_536, b""),
        (NAME, 1, 1, bytes(33)),
    ],
)
def test_instance_refuses(name: str, port: int, version: int, tag: bytes) -> None:
    """An instance cannot be made with a name that means something, or numbers out of range."""
    with pytest.raises(BadRecord):
        Instance(name, port, version, tag)


def test_instance_may_not_listen_yet() -> None:
    """Port 0 says that a session does not listen yet."""
    assert Instance(NAME, 0, 1).port == 0


def test_names_come_back() -> None:
    """A full name gives back its instance, in whatever case the network wrote it."""
    assert record.instance_of(record.full_name(NAME).upper()) == NAME


@given(st.one_of(st.text(max_size=80), st.text(max_size=20).map(lambda text: text + "." + record.SERVICE)))
def test_any_name_is_an_instance_or_bad(name: str) -> None:
    """Any text at all is the name of an instance of ours, or a BadRecord."""
    try:
        instance = record.instance_of(name)
    except BadRecord:
        return
    assert record.INSTANCE_NAME.fullmatch(instance)


@pytest.mark.parametrize(
    "name", ["laptop.local.", "peer-alice.local.", f"peer-{NAME}.local", f"peer-{NAME}.lan."]
)
def test_target_refuses(name: str) -> None:
    """A host's own name, and whatever else is not random, is no target."""
    assert not record.is_target(name)
    with pytest.raises(BadRecord):
        record.target_of(name)


def test_target_name() -> None:
    """A target is made of 16 hex digits and nothing else."""
    assert record.target_name(NAME) == f"peer-{NAME}.local."
    with pytest.raises(BadRecord):
        record.target_name("laptop")


@given(st.binary(max_size=20))
def test_any_bytes_are_an_address_or_bad(packed: bytes) -> None:
    """Four bytes are an IPv4 address, sixteen an IPv6 one, all others a BadRecord."""
    if len(packed) in (4, 16):
        assert record.address_of(packed).packed == packed
    else:
        with pytest.raises(BadRecord):
            record.address_of(packed)


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("192.168.1.7", True),
        ("10.0.0.1", True),
        ("100.64.0.9", True),
        ("169.254.3.4", True),
        ("fe80::1", True),
        ("fd00::1", True),
        ("8.8.8.8", False),
        ("2606:4700::1", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("224.0.0.251", False),
        ("ff02::fb", False),
        ("255.255.255.255", False),
        ("::ffff:8.8.8.8", False),
        ("::ffff:127.0.0.1", False),
    ],
)
def test_who_may_be_dialled(address: str, may: bool) -> None:
    """A stranger's record makes us dial a local network's addresses, never the internet or ourselves."""
    assert record.may_be_dialled(ip_address(address), ()) is may


def test_a_global_address_of_our_own_network_may_be_dialled() -> None:
    """Where a network uses global addresses, those of the same network are neighbours."""
    networks = (ip_network("2606:4700:1::/64"), ip_network("8.8.8.0/24"))
    assert record.may_be_dialled(ip_address("2606:4700:1::9"), networks)
    assert record.may_be_dialled(ip_address("8.8.8.8"), networks)
    assert not record.may_be_dialled(ip_address("8.8.9.8"), networks)
