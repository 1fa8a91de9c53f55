"""What is really on the wire: nothing private, no probing, and questions that everyone hears answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns import Network

from .hosts import Remote
from .packets import AAAA, GROUPS, NSEC, PTR, SRV, TXT, A, Packet, Sniffer, texts

pytestmark = pytest.mark.netns

NAMES = ["%016x" % (0x1234567 * number) for number in range(1, 4)]
# How long anything may take that is said at once, in seconds: much more than it does.
SOON = 5.0
TAG = b"\x01\x02=\xff"
# Words that would give somebody away, set so that they cannot be in a packet by chance.
HOST = "margarets-macbook"
USER = "margaret-thatcher"
PROJECT = "secret-merger-plans"
SESSION = "session-about-layoffs"
SERVICE = "_peer-mesh._tcp.local."
ALLOWED = re.compile(r"[0-9a-f]{16}|peer-[0-9a-f]{16}|_peer-mesh|_tcp|local")


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Packet]]:
    """All that one host says from its start to its end, while another one asks, hears and changes its cable."""
    cwd: Path = tmp_path_factory.mktemp(PROJECT)
    private = {"USER": USER, "LOGNAME": USER, "HOME": f"/home/{USER}", "CLAUDE_CODE_SESSION_ID": SESSION}
    with Network("desk", "lap") as lan, Sniffer(lan, "desk") as sniffer:
        lap = Remote(lan, "lap").started()
        lap("publish", [[NAMES[2], 5, ""]])
        desk = Remote(lan, "desk", called=HOST, cwd=cwd, environment=private).started()
        desk("publish", [[NAMES[0], 0, ""], [NAMES[1], 4711, TAG.hex()]])
        desk("until", {"has": NAMES[2]}, SOON)
        lap("until", {"has": NAMES[1]}, SOON)
        desk("pause", 1.2)  # It asks a second time.
        desk("publish", [[NAMES[0], 99, ""]])
        lan.unplug("desk")
        lan.plug("desk")
        with Sniffer(lan, "desk") as again:
            desk("follow")
            desk("until", {"has": NAMES[2]}, SOON)
            desk("doubt", NAMES[2])
            lap("until", {"port": [NAMES[0], 99]}, SOON)
            lap("until", {"lacks": NAMES[1]}, SOON)
            desk("close")
            assert desk.words() == ""
            mine = {lan.address("desk"), "fe80::1"}
            yield [p for p in sniffer.heard() + again.heard() if str(p.source) in mine]


def _answers(packets: list[Packet]) -> list[Packet]:
    return [packet for packet in packets if packet.is_answer]


def _questions(packets: list[Packet]) -> list[Packet]:
    return [packet for packet in packets if not packet.is_answer]


def test_there_was_something_to_look_at(packets: list[Packet]) -> None:
    """The host spoke over IPv4 and IPv6, asked, answered, and said goodbye."""
    assert {packet.source.version for packet in packets} == {4, 6}
    assert len(_questions(packets)) >= 4  # Two at least, in each of two languages.
    records = [record for packet in _answers(packets) for record in packet.records]
    assert {PTR, SRV, TXT, A, AAAA} <= {type_ for _, type_, _, _ in records}
    assert any(type_ == PTR and ttl == 0 for _, type_, ttl, _ in records)


@pytest.mark.parametrize("word", [HOST, USER, PROJECT, SESSION, "margaret", "secret", "session", "python"])
def test_no_word_gives_anyone_away(packets: list[Packet], word: str) -> None:
    """The host's name, the user's, the directory's and the session's are in no packet."""
    for packet in packets:
        assert word.encode() not in packet.raw.lower()


def test_names_are_random_or_the_service(packets: list[Packet]) -> None:
    """Every label of every name is hex digits, or belongs to the name of the service."""
    labels = {label for packet in packets for label in packet.labels}
    assert [label for label in labels if not ALLOWED.fullmatch(label)] == []


def test_records_are_of_six_kinds(packets: list[Packet]) -> None:
    """There are pointers, services, texts, addresses, and who has which; nothing about system or hardware."""
    kinds = {type_ for packet in packets for _, type_, _, _ in packet.records}
    assert kinds <= {PTR, SRV, TXT, A, AAAA, NSEC}


def test_texts_hold_version_and_tag(packets: list[Packet]) -> None:
    """A text holds the version and, where there is one, the tag."""
    said = {tuple(texts(data)) for packet in packets for _, type_, _, data in packet.records if type_ == TXT}
    assert said == {(b"v=1",), (b"v=1", b"t=" + TAG)}


def test_all_goes_to_everyone(packets: list[Packet]) -> None:
    """Every packet goes to the group, and no further than this network's routers."""
    assert {packet.target for packet in packets} == set(GROUPS)
    assert {packet.hops for packet in packets} == {255}


def test_questions_want_answers_that_all_can_hear(packets: list[Packet]) -> None:
    """Only our service is asked for, and never "answer me alone": another responder would take it."""
    asked = {question for packet in packets for question in packet.questions}
    assert asked == {(SERVICE, False)}


def test_nobody_is_probed(packets: list[Packet]) -> None:
    """No packet proposes records that it would like to have (that is what a probe is)."""
    assert [packet for packet in packets if packet.authorities] == []


def test_the_first_word_is_no_longer_delayed_than_it_must(packets: list[Packet]) -> None:
    """The announcement is the first answer, complete in one packet."""
    first = _answers(packets)[0]
    assert [type_ for _, type_, _, _ in first.records][:3] == [PTR, SRV, TXT]
    assert {A, AAAA} <= {type_ for _, type_, _, _ in first.records}


def test_questions_list_whom_we_know(packets: list[Packet]) -> None:
    """A later question says who need not answer: we ourselves, and whom we have just heard."""
    listed = [{data[1:17].decode() for _, _, _, data in packet.answers} for packet in _questions(packets)]
    assert set(NAMES) in listed
