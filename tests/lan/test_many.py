"""A host where many sessions were and few are: a word to all of them is no burden."""

from __future__ import annotations

import os
import time

import pytest

from peermesh.core.words import Card
from peermesh.sidecar.enrol import new_id
from peermesh.store.host import HostStore
from tests.lan.hosts import Host, pair, until
from tests.netns import Network

pytestmark = pytest.mark.netns

ABSENT = 150


def absent(host: Host, count: int) -> None:
    """So many sessions of *host* that were here today and are away."""
    root = str(host.home / "p")
    os.makedirs(f"{root}/peers", mode=0o700)
    os.chmod(root, 0o700)
    store = HostStore(root, host.name)
    for number in range(count):
        card = store.register(
            Card(id=new_id(), name=f"s{number}", host=host.name, repo="app", repo_key="remote:example/app"),
            session=f"old-{number}",
            is_live=lambda _: False,
            clock=time.time(),
        )
        os.makedirs(f"{root}/peers/{card.id}")
    store.close()


def test_a_word_to_many_who_are_away() -> None:
    """Each has it on its disk soon, with few files open at a time, and nobody falls over."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        try:
            absent(desk, ABSENT)
            desk.start("d", "build")
            lap.start("l", "front")
            pair(desk, lap)
            until(lambda: len(lap.peers("desk")) >= ABSENT, "lap to know them all")
            keeper = desk.ask("d", "status")["pid"]
            said = lap.ask("l", "send", to="@host:desk", body="main is frozen", wait="queued", within=1)
            assert len(said["messages"]) == ABSENT + 1
            most = 0

            def all_safe() -> bool:
                nonlocal most
                most = max(most, len(os.listdir(f"/proc/{keeper}/fd")))
                states = {m["state"] for m in lap.ask("l", "sent", most=500)["messages"]}
                return states == {"safe"}

            until(all_safe, "all of it to be safe")
            assert most < 1_500
            assert desk.ask("d", "status")["pid"] == keeper
            assert "Traceback" not in desk.log() + lap.log()
        finally:
            desk.close()
            lap.close()
