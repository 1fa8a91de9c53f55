"""Who is not known any more: forgotten by a person's word only, and never because files were damaged."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from peermesh import config
from peermesh.core.words import Card
from peermesh.sidecar import keeper
from peermesh.sidecar.enrol import Spec, register
from peermesh.sidecar.keeper import instance_name
from peermesh.sidecar.neighbours import Neighbours, hidden, hide, roster
from peermesh.sidecar.shared import Shared
from peermesh.sidecar.where import look
from peermesh.store.host import HostStore
from peermesh.store.log import LogStore
from peermesh.store.trust import TrustStore
from tests.store.trusts import LAP

ANN = Card(id="annannan", name="ann", host="desk")


def test_a_peer_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All trusted hosts were heard, and none has it: it never will be reached."""
    monkeypatch.setenv("PEER_LAN", "on")
    with closing(HostStore(str(tmp_path), "desk")) as host:
        trust = TrustStore(str(tmp_path), "desk")
        trust.add(LAP, "lap", ())
        near = Neighbours(str(tmp_path), host, trust)
        assert near.elsewhere("k3m9x2ab") == config.gate_link(str(tmp_path))  # lap may know it
        host.remotes.link(LAP, up=True, clock=1.0)
        assert near.elsewhere("k3m9x2ab") is None


def test_a_peer_whose_host_was_lost_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the list of trusted hosts nor what was known of peers is left: mail to it waits for the next pairing."""
    monkeypatch.setenv("PEER_LAN", "on")
    TrustStore(str(tmp_path), "desk").add(LAP, "lap", ())
    (tmp_path / "trust.json").write_bytes(b"{")
    with closing(HostStore(str(tmp_path), "desk")) as host:
        trust = TrustStore(str(tmp_path), "desk")
        near = Neighbours(str(tmp_path), host, trust)
        assert trust.read().hosts == ()
        assert near.elsewhere("k3m9x2ab") == config.gate_link(str(tmp_path))
        for name in os.listdir(tmp_path):  # as `peer doctor` says
            if name.startswith("trust.json.damaged"):
                os.unlink(tmp_path / name)
        assert near.elsewhere("k3m9x2ab") is None


@pytest.mark.parametrize("live", [True, False])
def test_only_a_sign_of_its_own_hides_a_peer(tmp_path: Path, *, live: bool) -> None:
    """Not that it has no record of mDNS, as while it comes or goes; and it is hidden when it has ended, too."""
    card = Card(id="k3m9x2ab", name="build", host="desk")
    folder = Path(config.peer_dir(str(tmp_path), card.id))
    folder.mkdir(parents=True)

    def told() -> bool:
        return card.id in roster(str(tmp_path), [card], lambda _: live, {}, b"secret")

    assert told()
    hide(str(folder), hidden=True)
    assert not told()
    hide(str(folder), hidden=False)
    assert told()
    assert os.listdir(folder) == []


def test_a_peer_is_hidden_before_it_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With PEER_LAN=off: as soon as its card is written, this host's gate may tell others who is here, and where."""
    root, spec = str(tmp_path), Spec(session="s", cwd=str(tmp_path))
    with closing(HostStore(root, "desk")) as host:
        known = host.register

        def watched(wish: Card, **how: Any) -> Card:
            card = known(wish, **how)
            if config.lan_forbidden():
                assert not roster(root, [card], lambda _: False, {}, b"secret")
            return card

        def entered() -> Card:
            return register(root, host, spec, look(spec.cwd), lambda _: False)

        monkeypatch.setattr(host, "register", watched)
        monkeypatch.setenv("PEER_LAN", "off")
        first = entered()
        assert hidden(root, first.id)
        hide(config.peer_dir(root, first.id), hidden=False)  # as its next sidecar would, with a LAN
        monkeypatch.setenv("PEER_LAN", "on")
        assert roster(root, [entered()], lambda _: False, {}, b"secret")
        monkeypatch.setenv("PEER_LAN", "off")
        assert entered().id == first.id
        assert hidden(root, first.id)


def test_the_death_of_a_hidden_session_is_for_its_host(tmp_path: Path) -> None:
    """Also if it never said anything by which that could be known: others are not told its name at its end."""
    card = Card(id="k3m9x2ab", name="secret", host="desk", repo_key="remote:x")
    known = SimpleNamespace(
        card=ANN, hidden=lambda: False, hides=lambda peer: peer == card.id, poke=lambda: None
    )
    with closing(LogStore(str(tmp_path))) as log:
        Shared(log, known).left(card, died=True)
        Shared(log, known).left(replace(ANN, repo_key="remote:x"), died=True)
        assert [event.by for event in log.tell(0).events] == [ANN.id]
        assert log.count("remote:x") == 2


def test_what_a_life_before_left_advertises_nobody(tmp_path: Path) -> None:
    """A session that crashed with a name for mDNS, and was resumed with PEER_LAN=off."""
    instance_name(str(tmp_path), make=True)
    assert keeper._advertised(str(tmp_path))
    hide(str(tmp_path), hidden=True)
    assert not keeper._advertised(str(tmp_path))
