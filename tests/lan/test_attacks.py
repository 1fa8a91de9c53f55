"""Strangers and hostile hosts on the LAN: nothing shown, nothing read, nothing lost.

What a stranger can do to the port itself (junk, floods, half-open handshakes, NULL and PLAIN, replays, stolen
routing ids) is in tests/mesh/test_curve.py and test_strangers.py; guessing of codes in test_handshake_attacks.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from peermesh.core.frames import Ack, Denied, Hello, Mail, Receipts
from peermesh.core.rosters import Entry, Update
from peermesh.core.words import Card, Message, MessageId, State
from peermesh.mesh import wire
from peermesh.mesh.hosts import wire as hostwire
from peermesh.mesh.hosts.curve import new_keys
from peermesh.mesh.hosts.wire import Answer, Ask, Greet, Join, No, Part, Roster
from tests.lan.hosts import ROOT, Host, pair, until
from tests.netns import Network, require

pytestmark = pytest.mark.netns

EVIL = "ev1xev1x"  # a peer id that nobody has


class Lan:
    """desk and lap trust each other; evil is there too."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.desk, self.lap, self.evil = (Host(network, name) for name in ("desk", "lap", "evil"))

    def key(self, host: Host) -> str:
        """A host's public key, in hex."""
        return str(host.ask("", "hosts")["key"])

    def attack(
        self, secret: str, *say: hostwire.HostFrame | bytes, wait: float = 1.0, pause: float = 0.05
    ) -> dict[str, Any]:
        """What desk answers to a host with that key that dials it and says those frames."""
        plan = {
            "secret": secret,
            "server": self.key(self.desk),
            "endpoint": f"tcp://{self.network.address('desk')}:{self.desk.ask('', 'hosts')['port']}",
            "say": [(one if isinstance(one, bytes) else hostwire.encode(one)).hex() for one in say],
            "wait": wait,
            "pause": pause,
        }
        argv = [sys.executable, str(ROOT / "tests/lan/attacker.py"), json.dumps(plan)]
        done = self.network.run("evil", argv, env=self.evil.environment())
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        return {"lost": said["lost"], "heard": [hostwire.decode(bytes.fromhex(one)) for one in said["heard"]]}

    def paired_evil(self) -> str:
        """Evil is let in on desk, and its own sidecars end; its secret key."""
        pair(self.desk, self.evil)
        self.evil.ask("", "down")
        until(lambda: not self.evil.pids(), "evil's own sidecars to end")
        until(lambda: not self.desk.ask("", "hosts")["hosts"][-1]["up"], "desk to see that evil left")
        return str(json.loads((self.evil.home / "p/host.key").read_text())["secret"])

    def close(self) -> None:
        """End all hosts."""
        for host in (self.desk, self.lap, self.evil):
            host.close()


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    """The three, with a session on desk and one on lap."""
    require()
    with Network("desk", "lap", "evil") as network:
        one = Lan(network)
        try:
            one.desk.start("d", "build")
            one.lap.start("l", "front")
            pair(one.desk, one.lap)
            until(lambda: one.desk.sees("lap", "front") and one.lap.sees("desk", "build"), "each other")
            yield one
        finally:
            one.close()


def peer_of(host: Host, session: str) -> str:
    """The id of a session's peer."""
    return str(host.ask(session, "status")["id"])


def entry(peer: str, name: str) -> Entry:
    """What a host would tell of a peer of its own."""
    return Entry(Card(id=peer, name=name, host=""), "idle", 0.0)


def mail(sender: str, to: str, body: str, *, host: str = "", n: int = 1) -> Mail:
    """A message as a hostile host would write it."""
    return Mail(Message(id=MessageId(sender, n), to=to, kind="message", body=body, by="user", host=host), 0)


def ask(me: str, you: str, frame: Any) -> Ask:
    """A frame from peer to peer, in a host's."""
    return Ask(me, you, wire.encode(frame))


def answers(said: dict[str, Any]) -> list[Any]:
    """The peers' frames in what came back."""
    return [wire.decode(one.frame) for one in said["heard"] if isinstance(one, Answer)]


# ---------------------------------------------------------------- strangers


def test_a_stranger_who_knows_the_public_key_is_refused(lan: Lan) -> None:
    """An old token tells the key: with keys of his own he gets no further than the handshake."""
    desk = peer_of(lan.desk, "d")
    before = lan.desk.ask("", "hosts")["strangers"]
    secret = new_keys()[1].hex()
    said = lan.attack(secret, Greet("lap", 0, ()), ask(EVIL, desk, Hello(EVIL, desk)), wait=3.0)
    assert "refused" in said["lost"]
    assert said["heard"] == []
    until(lambda: lan.desk.ask("", "hosts")["strangers"] > before, "the refusal to be counted")


def test_while_an_invitation_is_open_a_stranger_may_only_join(lan: Lan) -> None:
    """He is let into the handshake, and told no; guessing ends the invitation after three tries."""
    desk = peer_of(lan.desk, "d")
    token = lan.desk.run("invite")["token"]
    secret = new_keys()[1].hex()
    said = lan.attack(
        secret,
        Greet("lap", 0, ()),
        Roster(Update((entry(EVIL, "evil"),), whole=True)),
        ask(EVIL, desk, Hello(EVIL, desk)),
        ask(EVIL, desk, mail(EVIL, desk, "let me in")),
    )
    assert {type(one) for one in said["heard"]} == {No}
    refused = lan.desk.run("trust")["refused"]
    guesses = [Join(bytes([number]) * 16, "lap", 7337, ("10.83.0.3",)) for number in range(3)]
    said = lan.attack(secret, *guesses)
    assert [one.code for one in said["heard"]] == ["invite"] * 3
    assert lan.desk.run("trust")["refused"] == refused + 3
    done = lan.evil.run("join", token, check=False)
    assert done.returncode == 5, done.stderr
    assert [one["name"] for one in lan.desk.run("trust")["hosts"]] == ["lap"]
    assert lan.desk.inbox("d") == []


RECORD = """
import asyncio, json, sys
from peermesh.discovery.mdns import Responder
from peermesh.discovery.record import Instance
from peermesh.mesh.hosts.curve import Listener, new_keys
from peermesh.mesh.links import make_context

async def main():
    heard = asyncio.get_running_loop().create_future()
    listener = Listener(make_context(), new_keys(), addresses=["*"], ports=[0], judge=lambda key: True,
                        received=lambda *said: print("read", flush=True))
    responder = Responder()
    await responder.start()
    while not any(one.tag and one.port for one in responder.rumours()):
        await asyncio.sleep(0.05)
    theirs = [one for one in responder.rumours() if one.tag and one.port]
    if sys.argv[1] == "copy":
        await responder.publish([Instance(one.instance, listener.port, 1, one.tag) for one in theirs])
    else:
        await responder.bury([one.instance for one in theirs])
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["copy", "bury"])
def test_forged_records(lan: Lan, how: str) -> None:
    """Copied records that lead elsewhere, and goodbyes in others' names, reach nobody's mail."""
    forger = lan.network.popen(
        "evil",
        [sys.executable, "-c", textwrap.dedent(RECORD), how],
        env=lan.evil.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert forger.stdout is not None
    assert forger.stdout.readline() == "ready\n"
    lan.lap.run("send", "build@desk", f"{how}: while the link is up", "--wait", "safe", "--timeout", "10s")
    # A new keeper on lap dials anew, by what it hears.
    for pid in lan.lap.pids():
        subprocess.run(["kill", "-9", str(pid)], check=True)
    lan.lap.start("l", "front")
    until(lambda: lan.lap.sees("desk", "build"), "desk again, from lap")
    lan.lap.run("send", "build@desk", f"{how}: after a new dial", "--wait", "safe", "--timeout", "10s")
    assert lan.desk.inbox("d")[-2:] == [f"{how}: while the link is up", f"{how}: after a new dial"]
    forger.terminate()
    assert forger.stdout.read() == "", "the forger was told something"


# ---------------------------------------------------------------- a trusted host that turns bad


def test_a_trusted_host_cannot_speak_for_others(lan: Lan) -> None:
    """Its key says who it is: not the roster, not the frame, not the message."""
    desk, front = peer_of(lan.desk, "d"), peer_of(lan.lap, "l")
    until(lambda: lan.desk.sees("lap", "front"), "lap, from desk")
    had = lan.desk.inbox("d")
    secret = lan.paired_evil()
    wrong = lan.desk.ask("", "hosts")["wrong"]
    said = lan.attack(
        secret,
        Greet("lap", 7337, ("10.83.0.3",)),
        Roster(Update((entry(EVIL, "mole"), entry(front, "front"), entry(desk, "build")), whole=True)),
        # In the name of lap's session, and of desk's own.
        ask(front, desk, Hello(front, desk)),
        ask(front, desk, mail(front, desk, "as front", n=10**6)),
        ask(desk, front, Hello(desk, front)),
        # In its own name, with a message that names another.
        ask(EVIL, desk, Hello(EVIL, desk)),
        ask(EVIL, desk, mail(front, desk, "as front, inside")),
        ask(EVIL, desk, Hello(front, desk)),
        # Receipts for messages that were said to others.
        ask(EVIL, desk, Hello(EVIL, desk)),
        ask(EVIL, desk, Receipts(((1, State.SHOWN),))),
        # To a peer that is not desk's, and frames that are none.
        ask(EVIL, front, Hello(EVIL, front)),
        Ask(EVIL, desk, b"\xc1junk"),
        b"\x93\x01\xa3ask\xc0",
        # At last an honest one, but for the host that it claims.
        ask(EVIL, desk, mail(EVIL, desk, "hello", host="lap")),
    )
    parts = {(one.me, one.you) for one in said["heard"] if isinstance(one, Part)}
    assert {(front, desk), (desk, front), (EVIL, front)} <= parts
    assert Denied("not-yours") in answers(said)
    assert answers(said)[-1] == Ack(1)
    assert lan.desk.inbox("d") == [*had, "hello"]
    last = lan.desk.ask("d", "inbox", all=True, most=1)["messages"][-1]
    assert last["host"] == "evil"
    assert lan.desk.ask("", "hosts")["wrong"] > wrong
    assert lan.desk.peers("lap")["front"]["host"] == "lap"
    assert lan.desk.peers("desk")["build"]["here"]
    lan.lap.run("send", "build@desk", "still there?", "--wait", "safe", "--timeout", "10s")


def test_a_trusted_host_that_tells_without_end_is_cut_off(lan: Lan) -> None:
    """Each roster is a commit: above its measure the link ends, and desk goes on."""
    if not any(one["name"] == "evil" for one in lan.desk.run("trust")["hosts"]):
        lan.paired_evil()
    secret = str(json.loads((lan.evil.home / "p/host.key").read_text())["secret"])
    whole = hostwire.encode(Roster(Update((entry(EVIL, "mole"),), whole=True)))
    said = lan.attack(secret, Greet("evil", 0, ()), *([whole] * 150), wait=2.0, pause=0.0)
    assert hostwire.Leave() in said["heard"]
    lan.lap.run("send", "build@desk", "and now?", "--wait", "safe", "--timeout", "10s")


def test_who_is_removed_is_cut_off_at_once(lan: Lan) -> None:
    """A link that is up when its host is removed carries nothing more."""
    if not any(one["name"] == "evil" for one in lan.desk.run("trust")["hosts"]):
        lan.paired_evil()
    secret = str(json.loads((lan.evil.home / "p/host.key").read_text())["secret"])
    desk, had = peer_of(lan.desk, "d"), lan.desk.inbox("d")
    lan.desk.run("trust", "remove", "evil")
    said = lan.attack(
        secret,
        Greet("evil", 0, ()),
        Roster(Update((entry(EVIL, "mole"),), whole=True)),
        ask(EVIL, desk, Hello(EVIL, desk)),
        ask(EVIL, desk, mail(EVIL, desk, "still here", n=2)),
        wait=3.0,
    )
    assert said["heard"] == []
    assert "refused" in said["lost"]
    assert lan.desk.inbox("d") == had
    assert "evil" not in {one["host"] for one in lan.desk.ask("d", "list")["peers"]}
