"""What changed in the host's shared file, numbered, for whoever knows it as of a number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from peermesh.core.rosters import Entry, Update
from peermesh.core.words import PeerId
from peermesh.store.changes import KEPT
from peermesh.store.host import STEPS, HostStore
from peermesh.store.sqlite import open_file
from tests.store.boxes import ANN, BOB, CLEO, CLOCK, card, host

LAP = "aa" * 32


def come(store: HostStore, *peers: PeerId) -> None:
    """Sessions begin."""
    for peer in peers:
        store.register(card(peer, f"n-{peer}"), session=peer, is_live=lambda _: False, clock=CLOCK)


def told(peer: PeerId) -> Update:
    """Another host has one peer."""
    return Update((Entry(replace(card(peer, host_key=LAP), host="", cwd=""), "idle", CLOCK),))


def after(store: HostStore, known: int | None) -> set[PeerId] | None:
    """Who changed since."""
    _, who = store.changes.since(known)
    return None if who is None else set(who)


def test_a_new_reader_reads_all(tmp_path: Path) -> None:
    """And then nothing, until something changes; also in a file in which nobody is."""
    with host(tmp_path) as store:
        assert store.changes.since(None) == (0, None)
        assert store.changes.since(0) == (0, [])
        come(store, ANN)
        assert after(store, 0) == {ANN}
        last, who = store.changes.since(None)
        assert who is None
        assert store.changes.since(last) == (last, [])


def test_whatever_a_card_tells_is_a_change(tmp_path: Path) -> None:
    """Each of these changes the one whom it is about, and nobody else."""
    with host(tmp_path) as store:
        come(store, ANN, BOB, CLEO)
        steps = [
            lambda: store.saw(BOB, CLOCK + 1),
            lambda: store.update(card(BOB, focus="x")),
            lambda: store.rename(BOB, "bo", given=True, is_live=lambda _: False),
            lambda: store.register(card(BOB), session=BOB, is_live=lambda _: False, clock=CLOCK),
            lambda: store.forget(BOB),
        ]
        for step in steps:
            last, _ = store.changes.since(None)
            step()
            assert after(store, last) == {BOB}
        assert store.known([BOB, CLEO]).keys() == {CLEO}


def test_a_mailbox_is_no_news(tmp_path: Path) -> None:
    """How many there were, and which session somebody is, is told to nobody: nothing is read again for that."""
    with host(tmp_path) as store:
        come(store, ANN)
        last, _ = store.changes.since(None)
        store.birth(ANN)
        store.bind("s2", ANN)
        store.switch("root:1", "app", off=True)
        assert after(store, last) == set()


def test_other_hosts_peers_are_among_them(tmp_path: Path) -> None:
    """Those who came, are otherwise, or went."""
    with host(tmp_path) as store:
        for peer in (CLEO, ANN):
            store.remotes.learn(LAP, told(peer))
        last, _ = store.changes.since(None)
        store.remotes.learn(LAP, told(BOB))
        assert after(store, last) == {BOB}
        store.remotes.learn(LAP, told(BOB))
        store.remotes.learn(LAP, Update((), gone=(ANN,)))
        assert after(store, last) == {ANN, BOB}
        assert [one.card.id for one in store.remotes.entries([ANN, BOB])] == [BOB]


def test_the_last_one_changes_again_and_again(tmp_path: Path) -> None:
    """Its row is replaced each time, and yet no number comes twice."""
    with host(tmp_path) as store:
        come(store, ANN, BOB)
        numbers = set()
        for at in range(5):
            last, _ = store.changes.since(None)
            numbers.add(last)
            store.saw(BOB, CLOCK + at)
            assert after(store, last) == {BOB}
        assert len(numbers) == 5


def test_who_slept_through_too_much_reads_all(tmp_path: Path) -> None:
    """The table stays small; who follows is not hurt by that."""
    with host(tmp_path) as store:
        come(store, ANN)
        slept, _ = store.changes.since(None)
        store.forget(ANN)
        come(store, BOB)
        awake, _ = store.changes.since(None)
        db = store._db
        db.execute("BEGIN")
        for at in range(KEPT + 1):
            db.execute("UPDATE peers SET seen_at = ? WHERE id = ?", (CLOCK + at, BOB))
        db.execute("COMMIT")
        assert db.execute("SELECT count(*) FROM changes").fetchone()[0] == 1
        assert after(store, slept) is None
        last, _ = store.changes.since(None)
        assert last - awake == KEPT + 1
        store.saw(BOB, CLOCK)
        assert after(store, last) == {BOB}


def test_a_number_from_another_file_is_not_believed(tmp_path: Path) -> None:
    """One that is ahead of this file's: it was put back from an older copy."""
    with host(tmp_path) as store:
        come(store, ANN)
        last, _ = store.changes.since(None)
        assert after(store, last + 7) is None


def test_a_file_of_the_version_before(tmp_path: Path) -> None:
    """It is stepped forward under a program that has it open, whose changes are numbered from then on."""
    db, _ = open_file(str(tmp_path / "host.db"), STEPS[:3])
    fields = "id, name, name_key, named, person, oneshot, repo, repo_key, branch, cwd, roles, focus, seen_at"
    for peer in (ANN, BOB):
        row = (peer, peer, peer, 0, 0, 0, "app", "root:1", "main", "/srv", "[]", "", CLOCK)
        db.execute(f"INSERT INTO peers ({fields}) VALUES ({', '.join('?' * len(row))})", row)
    with host(tmp_path) as store:
        assert store.set_aside is None
        assert store.changes.since(None) == (0, None)
        assert store.known().keys() == {ANN, BOB}
        db.execute("UPDATE peers SET seen_at = seen_at + 1 WHERE id = ?", (BOB,))
        assert after(store, 0) == {BOB}
        assert store.known([BOB])[BOB][1] == CLOCK + 1
    db.close()
