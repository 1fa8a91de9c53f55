"""What machines are called: alarms, machines of one name, renaming, and names on several machines."""

from __future__ import annotations

import pytest

from tests.lan.hosts import Host, pair, until
from tests.lan.machines import PORT, closing, error, met, rewrite, trusted, two
from tests.netns import Network

pytestmark = pytest.mark.netns


def test_a_taken_name_is_an_alarm() -> None:
    """Another machine by a trusted one's name: exit 5 on either side, and --as tells them apart."""
    with Network("desk", "lap", "spare") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        other = Host(lan, "spare", PEER_HOST="lap")
        with closing(desk, lap, other):
            desk.start("d1", "build")
            lap.start("l1", "front")
            other.start("o1", "test")
            pair(desk, lap)
            # It comes as a guest: the inviter sounds the alarm, and nothing has changed.
            token = desk.run("invite")["token"]
            code, kind, words = error(other, "join", token)
            assert (code, kind) == (5, "key-changed")
            assert "a host by your name with another key" in words
            assert "lap is trusted already, with another key" in str(
                desk.ask(desk.keeper() or "", "status")["trouble"]
            )
            assert (trusted(desk), trusted(other)) == (["lap"], [])
            # It invites: the guest sounds the alarm.
            code, kind, words = error(desk, "join", other.run("invite")["token"])
            assert (code, kind) == (5, "key-changed")
            assert "--as NAME" in words
            assert trusted(desk) == ["lap"]
            # The inviter gives its guest a name of its own.
            token = desk.run("invite", "--as", "Lap Two")["token"]
            assert other.run("join", token)["name"] == "desk"
            assert trusted(desk) == ["lap", "Lap-Two"]
            until(lambda: desk.sees("Lap-Two", "test") and desk.sees("lap", "front"), "both")


def test_as_of_the_guest() -> None:
    """The guest that sounded the alarm uses the same invitation again, with --as."""
    with Network("desk", "lap", "spare") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        other = Host(lan, "spare", PEER_HOST="desk")
        with closing(desk, lap, other):
            desk.start("d1", "build")
            lap.start("l1", "front")
            other.start("o1", "test")
            pair(desk, lap)
            token = other.run("invite")["token"]
            assert error(lap, "join", token)[:2] == (5, "key-changed")
            assert lap.run("join", token, "--as", "desk2")["name"] == "desk2"
            until(lambda: lap.sees("desk2", "test") and lap.sees("desk", "build"), "both")
            assert trusted(lap) == ["desk", "desk2"]


def test_the_refused_guest_is_told_what_to_do() -> None:
    """The alarm of the inviter reaches the guest whole."""
    name = "workstation-in-the-attic"
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap", PEER_HOST=name)
        with closing(desk, lap):
            token = desk.run("invite")["token"]
            taken = {"name": name, "key": "aa" * 32, "since": 1.0, "addresses": []}
            rewrite(desk, lambda record: record.update(hosts=[taken]))
            code, kind, words = error(lap, "join", token)
            assert (code, kind) == (5, "key-changed")
            assert "--as" in words


def test_two_hosts_of_one_name() -> None:
    """Both are called "box": each calls the other "box-2", and name@host is clear on both."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk", PEER_HOST="box"), Host(lan, "lap", PEER_HOST="box")
        with closing(desk, lap):
            desk.start("d1", "build")
            lap.start("l1", "front")
            pair(desk, lap)
            met(desk, lap, "box-2", "box-2")
            lap.run("send", "build@box-2", "over there", "--wait", "safe")
            assert desk.inbox("d1") == ["over there"]


def test_several_users_of_one_machine() -> None:
    """Each has a gate of its own, at the next port; they may be paired like any two hosts."""
    with Network("desk") as lan:
        pat, kim = Host(lan, "desk"), Host(lan, "desk", USER="kim")
        with closing(pat, kim):
            pat.start("d1", "build")
            kim.start("l1", "front")
            kim.run("invite")  # has its port before the other comes
            pair(pat, kim)
            met(pat, kim, "desk-2", "desk-2")
            assert {pat.run("lan")["port"], kim.run("lan")["port"]} == {PORT, PORT + 1}


def test_renaming() -> None:
    """Names in every list follow, also of sessions that run, and the old one is not known any more."""
    with two() as (desk, lap):
        pair(desk, lap)
        met(desk, lap)
        assert desk.run("trust", "rename", "lap", "laptop")["name"] == "laptop"
        until(lambda: desk.sees("laptop", "front"), "the new name", timeout=2)
        assert desk.peers("lap") == {}
        desk.run("send", "front@laptop", "hi", "--wait", "safe", session="d1")
        assert lap.inbox("l1") == ["hi"]
        code, kind, _ = error(desk, "send", "front@lap", "hi")
        assert (code, kind) == (3, "unknown-peer")
        assert error(desk, "trust", "rename", "laptop", "desk")[0] == 2
        assert error(desk, "trust", "rename", "lap", "x")[:2] == (3, "not-trusted")
        assert trusted(lap) == ["desk"]


def test_a_name_on_two_hosts() -> None:
    """A plain name that two other hosts have is refused with both to choose from; and trust is not passed on."""
    with Network("desk", "lap", "spare") as lan:
        desk, lap, spare = (Host(lan, name) for name in lan.hosts)
        with closing(desk, lap, spare):
            desk.start("d1", "app")
            lap.start("l1", "app")
            spare.start("s1", "other")
            pair(spare, desk)
            pair(spare, lap)
            until(lambda: len([p for p in spare.run("list", "--all") if p["name"] == "app"]) == 2, "both")
            code, kind, words = error(spare, "send", "app", "hi")
            assert (code, kind) == (3, "ambiguous-peer")
            assert "app@desk" in words
            assert "app@lap" in words
            spare.run("send", "app@lap", "hi", "--wait", "safe")
            assert (desk.inbox("d1"), lap.inbox("l1")) == ([], ["hi"])
            assert (trusted(desk), trusted(lap)) == (["spare"], ["spare"])
            assert desk.peers("lap") == {}
            # At home a plain name means the one of this host.
            desk.run("send", "app", "to myself", "--wait", "safe")
            assert desk.inbox("d1") == ["to myself"]
            # Any two of them may be paired too.
            pair(desk, lap)
            until(lambda: desk.sees("lap", "app") and lap.sees("desk", "app"), "each other")
