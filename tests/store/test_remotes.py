"""What other hosts tell of their peers: told whole or in parts, never of anybody else's, and bounded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peermesh.core.rosters import AWAY, PEERS_LIMIT, Entry, Update
from peermesh.core.words import PEER_ID_ALPHABET, PeerId
from peermesh.store.host import HostStore
from peermesh.store.remotes import HostState, Remotes
from tests.store.boxes import ANN, BOB, CLEO, CLOCK, card, host

LAP, OLD = "aa" * 32, "bb" * 32
DORA = "dddddddd"


def entry(peer: PeerId, name: str = "app", status: str = "idle", key: str = LAP) -> Entry:
    """A peer of the host *key*."""
    return Entry(replace(card(peer, name, host_key=key), host="", cwd=""), status, CLOCK)


def whole(*entries: Entry) -> Update:
    """All that there is."""
    return Update(entries, whole=True)


def known(remotes: Remotes) -> dict[PeerId, str]:
    """Who is known, by whose word."""
    return {one.card.id: one.card.host_key for one in remotes.entries()}


def ident(number: int) -> PeerId:
    """A peer id for each number."""
    letters = ""
    for _ in range(8):
        number, digit = divmod(number, len(PEER_ID_ALPHABET))
        letters = PEER_ID_ALPHABET[digit] + letters
    return letters


def test_nobody_at_first(tmp_path: Path) -> None:
    """A new file knows no host and no remote peer."""
    with host(tmp_path) as store:
        assert (store.remotes.hosts(), store.remotes.entries()) == ({}, [])
        assert store.remotes.host_of(ANN) is None


def test_what_was_told_is_known(tmp_path: Path) -> None:
    """All of a card, its status and its time come back, also after the file was opened again."""
    one = entry(ANN, "front", "busy")
    card = replace(one.card, roles=("ui", "test"), focus="tidy ✓", oneshot=True, worktree="app-ui")
    one = replace(one, card=card, active=CLOCK - 60)
    with host(tmp_path) as store:
        assert store.remotes.learn(LAP, whole(one, entry(BOB))) == []
        assert set(store.remotes.entries()) == {one, entry(BOB)}
        assert store.remotes.host_of(ANN) == LAP
    with host(tmp_path) as store:
        assert set(store.remotes.entries()) == {one, entry(BOB)}


def test_parts(tmp_path: Path) -> None:
    """Changes are made on top of what is known: new, changed and gone."""
    with host(tmp_path) as store:
        store.remotes.learn(LAP, whole(entry(ANN), entry(BOB)))
        store.remotes.learn(LAP, Update((entry(ANN, "new", AWAY), entry(CLEO)), gone=(BOB, DORA)))
        assert {e.card.id: (e.card.name, e.status) for e in store.remotes.entries()} == {
            ANN: ("new", AWAY),
            CLEO: ("app", "idle"),
        }


def test_whole_begins_anew(tmp_path: Path) -> None:
    """It makes void what that host told before, and nothing that another told."""
    with host(tmp_path) as store:
        store.remotes.learn(LAP, whole(entry(ANN), entry(BOB)))
        store.remotes.learn(OLD, whole(entry(DORA, key=OLD)))
        store.remotes.learn(LAP, whole(entry(CLEO)))
        assert known(store.remotes) == {CLEO: LAP, DORA: OLD}
        store.remotes.learn(LAP, whole())
        assert known(store.remotes) == {DORA: OLD}


def test_a_host_speaks_of_its_own_only(tmp_path: Path) -> None:
    """Another host's peer is neither changed nor taken nor removed; the rest of the word counts."""
    with host(tmp_path) as store:
        store.remotes.learn(LAP, whole(entry(ANN, "front")))
        said = whole(entry(ANN, "stolen", key=OLD), entry(BOB, key=OLD))
        assert store.remotes.learn(OLD, said) == [ANN]
        store.remotes.learn(OLD, Update((), gone=(ANN,)))
        assert known(store.remotes) == {ANN: LAP, BOB: OLD}
        assert store.remotes.host_of(ANN) == LAP
        assert next(e for e in store.remotes.entries() if e.card.id == ANN).card.name == "front"


def registered(store: HostStore, peer: PeerId) -> None:
    """A session of this host."""
    store.register(card(peer), session=peer, is_live=lambda _: True, clock=CLOCK)


def test_a_host_does_not_speak_of_ours(tmp_path: Path) -> None:
    """Who is of this host stays so, whatever another says."""
    with host(tmp_path) as store:
        registered(store, ANN)
        assert store.remotes.learn(LAP, whole(entry(ANN, "stolen"), entry(BOB))) == [ANN]
        store.remotes.learn(LAP, Update((), gone=(ANN,)))
        assert known(store.remotes) == {BOB: LAP}
        assert store.remotes.host_of(ANN) is None
        assert [one.name for one in store.cards()] == ["app"]


def test_the_same_peer_twice_in_one_word(tmp_path: Path) -> None:
    """The last counts, once."""
    with host(tmp_path) as store:
        assert store.remotes.learn(LAP, whole(entry(ANN, "one"), entry(ANN, "two"))) == []
        assert [one.card.name for one in store.remotes.entries()] == ["two"]


def test_gone_and_here_in_one_word(tmp_path: Path) -> None:
    """Who went and came is here."""
    with host(tmp_path) as store:
        store.remotes.learn(LAP, whole(entry(ANN)))
        store.remotes.learn(LAP, Update((entry(ANN, "back"),), gone=(ANN,)))
        assert [one.card.name for one in store.remotes.entries()] == ["back"]


def test_a_host_has_so_many_peers(tmp_path: Path) -> None:
    """More are not remembered; those that are can be changed, and room is made by those that go."""
    with host(tmp_path) as store:
        everybody = [entry(ident(n)) for n in range(PEERS_LIMIT)]
        assert store.remotes.learn(LAP, whole(*everybody)) == []
        more = entry(ident(PEERS_LIMIT))
        assert store.remotes.learn(LAP, Update((more, entry(ident(0), "new")))) == [more.card.id]
        assert len(known(store.remotes)) == PEERS_LIMIT
        assert store.remotes.host_of(more.card.id) is None
        assert store.remotes.learn(LAP, Update((more,), gone=(ident(1),))) == []
        assert store.remotes.learn(OLD, whole(entry(ANN, key=OLD))) == []  # each host has its own room


def test_a_fault_changes_nothing(tmp_path: Path) -> None:
    """A word that cannot be kept is not kept by half."""
    with host(tmp_path) as store:
        store.remotes.learn(LAP, whole(entry(ANN)))
        wrong = replace(entry(CLEO), since=None)  # type: ignore[arg-type]
        with pytest.raises(Exception, match="NOT NULL"):
            store.remotes.learn(LAP, whole(entry(BOB), wrong))
        assert known(store.remotes) == {ANN: LAP}


# ---------------------------------------------------------------- hosts


def test_links_come_and_go(tmp_path: Path) -> None:
    """Whether a link is up, and since when it is known; for the next process too."""
    with host(tmp_path) as store:
        store.remotes.link(LAP, up=True, clock=CLOCK)
        store.remotes.link(OLD, up=True, clock=CLOCK + 1)
        store.remotes.link(OLD, up=False, clock=CLOCK + 2)
    with host(tmp_path) as store:
        assert store.remotes.hosts() == {LAP: HostState(True, CLOCK), OLD: HostState(False, CLOCK + 2)}


def test_a_new_gate(tmp_path: Path) -> None:
    """What the last one left standing is not so any more; when each host was seen stays."""
    with host(tmp_path) as store:
        store.remotes.link(LAP, up=True, clock=CLOCK)
        store.remotes.learn(LAP, whole(entry(ANN)))
        store.remotes.nobody_is_up()
        assert store.remotes.hosts() == {LAP: HostState(False, CLOCK)}
        assert known(store.remotes) == {ANN: LAP}


def test_forgetting_hosts(tmp_path: Path) -> None:
    """With their peers; also a host that only told of peers. The others stay."""
    with host(tmp_path) as store:
        store.remotes.link(LAP, up=True, clock=CLOCK)
        store.remotes.learn(LAP, whole(entry(ANN)))
        store.remotes.learn(OLD, whole(entry(BOB, key=OLD)))
        store.remotes.link("cc" * 32, up=False, clock=CLOCK)
        store.remotes.forget([OLD, "cc" * 32])
        assert known(store.remotes) == {ANN: LAP}
        assert set(store.remotes.hosts()) == {LAP}
        store.remotes.forget([LAP])
        assert (known(store.remotes), store.remotes.hosts()) == ({}, {})


def test_forgetting_nobody_writes_nothing(tmp_path: Path) -> None:
    """Which happens at each change of trust, and must not wake every sidecar."""
    with host(tmp_path) as store, host(tmp_path) as other:
        store.remotes.link(LAP, up=True, clock=CLOCK)
        was = other.revision()
        store.remotes.forget([OLD])
        assert other.revision() == was


def test_others_see_what_was_learned(tmp_path: Path) -> None:
    """Another process of this host notices, and reads it."""
    with host(tmp_path) as store, host(tmp_path) as other:
        was = other.revision()
        store.remotes.learn(LAP, whole(entry(ANN)))
        assert other.revision() != was
        assert known(other.remotes) == {ANN: LAP}


def test_a_peer_that_forgot_where_it_was(tmp_path: Path) -> None:
    """Once its first host says that it is gone, another may have it."""
    with host(tmp_path) as store:
        store.remotes.learn(LAP, whole(entry(ANN)))
        store.remotes.learn(LAP, Update((), gone=(ANN,)))
        assert store.remotes.learn(OLD, whole(entry(ANN, key=OLD))) == []
        assert known(store.remotes) == {ANN: OLD}


peers = st.sampled_from([ident(n) for n in range(6)])
keys = st.sampled_from([LAP, OLD])
words = st.tuples(keys, st.lists(peers, max_size=4), st.lists(peers, max_size=3), st.booleans())


@given(st.lists(words, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_words_of_two_hosts(tmp_path: Path, said: list[tuple[str, list[str], list[str], bool]]) -> None:
    """Whatever two hosts say: each peer is of the one that had it first, and ours of none."""
    path = tmp_path / str(len(list(tmp_path.iterdir())))
    path.mkdir()
    ours, model = ident(0), dict[str, str]()
    with host(path) as store:
        registered(store, ours)
        for key, entries, gone, is_whole in said:
            update = Update(tuple(entry(p, key=key) for p in entries), tuple(gone), whole=is_whole)
            strange = store.remotes.learn(key, update)
            model = {p: k for p, k in model.items() if k != key or not (is_whole or p in gone)}
            assert strange == [p for p in entries if p == ours or model.get(p, key) != key]
            model.update({p: key for p in entries if p not in strange})
            assert known(store.remotes) == model
