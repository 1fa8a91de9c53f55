"""Sidecars on two hosts of one LAN see each other's advertisement, and nothing private in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from peermesh import config
from peermesh.door.client import knock
from peermesh.errors import PeerError
from peermesh.sidecar.keeper import living
from tests.netns import Network, require

pytestmark = pytest.mark.netns

PATIENCE = 15.0  # seconds


class Host:
    """A host of the LAN with a state directory of its own, in which sidecars of sessions run."""

    def __init__(self, lan: Network, name: str) -> None:
        self._lan, self._name = lan, name
        self.home = Path(tempfile.mkdtemp(prefix="plan", dir="/tmp"))
        self.client = subprocess.Popen(["sleep", "120"])

    def start(self, session: str) -> None:
        """Start the sidecar of a session, and wait for its door."""
        spec = json.dumps({"session": session, "client": self.client.pid, "cwd": str(self.home)})
        env = {**os.environ, "PEER_HOME": str(self.home), "PEER_HOST": self._name, "PEER_LAN": "on"}
        self._lan.popen(self._name, [sys.executable, "-I", "-m", "peermesh.sidecar", spec], env=env)
        until(lambda: self.status(session), f"the sidecar of {session}")

    def status(self, session: str) -> dict[str, Any]:
        """What `peer status` says of a session; {} while nobody answers."""
        door = knock(config.session_link(str(self.home), session))
        if door is None:
            return {}
        try:
            return door.ask("status", timeout=5)
        except (PeerError, OSError):
            return {}
        finally:
            door.close()

    def keeper(self) -> str:
        """The session whose sidecar is the host's keeper; "" while there is none."""
        sessions = os.listdir(self.home / "session")
        return next((one for one in sessions if self.status(one).get("keeper")), "")

    def rumours(self) -> list[str]:
        """The instances that this host hears of."""
        keeper = self.keeper()
        return [r["instance"] for r in self.status(keeper)["rumours"]] if keeper else []

    def close(self) -> None:
        """End the client, and with it the sidecars."""
        self.client.kill()
        self.client.wait()
        until(lambda: not living(str(self.home)), "the sidecars to end")
        shutil.rmtree(self.home, ignore_errors=True)


def until(true: Callable[[], object], what: str) -> None:
    """Wait until *true*."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.05)


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts on one LAN."""
    require()
    with Network("desk", "lap", interface="lan0") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        try:
            yield desk, lap
        finally:
            desk.close()
            lap.close()


def test_sessions_of_another_host_are_seen(hosts: tuple[Host, Host]) -> None:
    """Each host sees an instance for each session of the other, whoever of them is the keeper."""
    desk, lap = hosts
    for session in ("a", "b"):
        desk.start(session)
    lap.start("c")
    until(lambda: len(lap.rumours()) == 2, "lap to see both of desk's")
    until(lambda: len(desk.rumours()) == 1, "desk to see lap's")


def test_the_keeper_is_followed_within_a_second(hosts: tuple[Host, Host]) -> None:
    """Kill -9 of the keeper: another takes over, and the dead one's ghost gets its goodbye."""
    desk, lap = hosts
    for session in ("a", "b"):
        desk.start(session)
    lap.start("c")
    until(lambda: len(lap.rumours()) == 2, "lap to see both of desk's")
    keeper = desk.keeper()
    os.kill(desk.status(keeper)["pid"], signal.SIGKILL)
    began = time.monotonic()
    until(lambda: desk.keeper() not in ("", keeper), "another keeper")
    assert time.monotonic() - began < 2.0  # a second, and what the looking takes
    until(lambda: len(lap.rumours()) == 1, "the goodbye of the dead")


def test_without_a_network_the_host_works() -> None:
    """With nothing but a loopback, sidecars start, and say why there is no mDNS."""
    require()
    with Network("alone", unplugged=["alone"]) as lan:
        host = Host(lan, "alone")
        try:
            host.start("a")
            until(lambda: host.status("a")["lan"] not in ("starting", "on"), "the reason")
            assert "network" in host.status("a")["lan"]
        finally:
            host.close()
