"""Who is not known any more: forgotten by a person's word only, and never because files were damaged."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from peermesh import config
from peermesh.core.words import Card
from peermesh.sidecar.enrol import Spec, register
from peermesh.sidecar.neighbours import Neighbours, hidden, hide, roster
from peermesh.sidecar.where import look
from peermesh.store.host import HostStore
from peermesh.store.trust import TrustStore
from tests.store.trusts import LAP


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
    """With PEER_LAN=off: between the two, this host's gate may tell others who is here. Nothing is left of a try."""
    monkeypatch.setenv("PEER_LAN", "off")
    root, spec = str(tmp_path), Spec(session="s", cwd=str(tmp_path))
    with closing(HostStore(root, "desk")) as host:
        known = host.register

        def watched(wish: Card, **how: Any) -> Card:
            assert hidden(root, wish.id)
            return known(wish, **how)

        monkeypatch.setattr(host, "register", watched)
        first, again = (register(root, host, spec, look(spec.cwd), lambda _: False) for _ in range(2))
        assert first.id == again.id
    assert os.listdir(tmp_path / "peers") == [first.id]
    assert hidden(root, first.id)
