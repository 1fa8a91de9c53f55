"""Two machines come to trust each other, by the real commands: once, in time, and nobody else."""

from __future__ import annotations

import secrets
import time

import pytest

from peermesh.mesh.hosts.token import PREFIX, Token
from tests.lan.hosts import Host, until
from tests.lan.machines import PORT, closing, error, met, port_is_open, rewrite, trusted, two
from tests.netns import Network

pytestmark = pytest.mark.netns


def forged(token: str) -> str:
    """The same invitation with another secret, and a check that is right."""
    real = Token.parse(token)
    return str(Token(real.key, secrets.token_bytes(16), real.port, real.addresses))


def test_pairing_as_one_line_of_a_shell() -> None:
    """`peer join "$(peer invite)"` needs no more: sessions that already run see each other, and write."""
    with two() as (desk, lap):
        invited = desk.run("invite", check=False)
        assert invited.returncode == 0
        [token] = invited.stdout.splitlines()
        assert token.startswith(PREFIX)
        assert "peer join TOKEN" in invited.stderr
        joined = lap.run("join", token, check=False)
        assert joined.returncode == 0, joined
        assert joined.stdout.startswith("desk is trusted, and trusts this machine (1 session there)")
        met(desk, lap)
        lap.run("send", "build@desk", "hello", "--wait", "safe")
        desk.run("send", "front", "hello too", "--wait", "safe")
        assert (desk.inbox("d1"), lap.inbox("l1")) == (["hello"], ["hello too"])
        for host, other in ((desk, "lap"), (lap, "desk")):
            said = host.run("trust")
            [row] = said["hosts"]
            assert (row["name"], row["up"], row["sessions"]) == (other, True, 1)
            assert (said["refused"], said["invites"]) == (0, [])
        # Each shows the other's fingerprint as the other shows its own.
        assert lap.run("trust")["hosts"][0]["fingerprint"] == desk.run("trust")["fingerprint"]
        # Who was not there when they were paired is seen too.
        desk.start("d2", "later")
        until(lambda: lap.sees("desk", "later"), "lap to see a new session")


def test_an_invitation_lets_one_in() -> None:
    """A second guest with the same token is refused with exit 5, and `peer trust` counts it."""
    with Network("desk", "lap", "spare") as lan:
        desk, lap, spare = (Host(lan, name) for name in lan.hosts)
        with closing(desk, lap, spare):
            desk.start("d1", "build")
            token = desk.run("invite")["token"]
            assert lap.run("join", token)["name"] == "desk"
            # The inviter listens for those it trusts; a stranger does not even come to the words.
            code, _, _ = error(spare, "join", token)
            assert code in {4, 5}
            desk.run("invite")
            code, kind, words = error(spare, "join", token)
            assert (code, kind) == (5, "invite")
            assert "used" in words
            said = desk.run("trust")
            assert (said["refused"], [one["name"] for one in said["hosts"]]) == (1, ["lap"])
            assert "refused so far: 1" in desk.run("trust", check=False).stdout
            assert trusted(spare) == []
            # The guest whose answer was lost asks again, and is told the same.
            assert lap.run("join", token)["name"] == "desk"
            assert desk.run("trust")["refused"] == 1


def test_three_wrong_secrets_end_an_invitation() -> None:
    """Guessing ends after three tries; the real guest comes too late then."""
    with two() as (desk, lap):
        token = desk.run("invite")["token"]
        for _ in range(3):
            code, kind, _ = error(lap, "join", forged(token))
            assert (code, kind) == (5, "invite")
        code, kind, _ = error(lap, "join", token)
        assert (code, kind) in {(5, "invite"), (4, "not-reached")}
        assert desk.run("trust")["refused"] in {3, 4}
        assert (trusted(desk), trusted(lap)) == ([], [])
        until(lambda: not port_is_open(desk), "the port to be closed again")


def test_a_late_guest() -> None:
    """After ten minutes the port is closed, and what comes later is refused."""
    with two() as (desk, lap):
        token = desk.run("invite")["token"]
        assert port_is_open(desk)
        rewrite(desk, lambda record: record["invites"][0].update(until=time.time() - 1))
        until(lambda: not port_is_open(desk), "the port to be closed")
        desk.run("invite")  # the door is open, but not for that one
        code, kind, words = error(lap, "join", token)
        assert (code, kind) == (5, "invite")
        assert "ten minutes" in words
        assert trusted(desk) == []


def test_words_that_are_no_invitation() -> None:
    """On the same host, cut off, or something else: exit 2 with what is wrong, and nothing counted."""
    with Network("desk") as lan:
        desk = Host(lan, "desk")
        with closing(desk):
            token = desk.run("invite")["token"]
            for text, words in (
                (token, "on this host"),
                (token[:-3], "cut off"),
                ("hello", "peer1-"),
            ):
                code, _, said = error(desk, "join", text)
                assert code == 2
                assert words in said
            assert desk.run("trust")["refused"] == 0


def test_nobody_there() -> None:
    """The inviting host cannot be reached: exit 4 within ten seconds, with where it was looked for."""
    with two() as (desk, lap):
        token = desk.run("invite")["token"]
        desk.link("down")
        began = time.monotonic()
        code, kind, words = error(lap, "join", token)
        assert (code, kind) == (4, "not-reached")
        assert f"10.83.0.1:{PORT}" in words
        assert time.monotonic() - began < 10
