"""The host's shared file: who is known, under which name, and what survives its loss."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from peermesh.core.rosters import Entry
from peermesh.core.words import Card, PeerId
from peermesh.errors import NameTaken
from peermesh.store.host import STEPS, HostStore
from peermesh.store.sqlite import open_file
from tests.store.boxes import ANN, BOB, CLEO, CLOCK, card, host

ROOT = Path(__file__).parents[2]


def nobody(_: PeerId) -> bool:
    """All are away."""
    return False


def everybody(_: PeerId) -> bool:
    """All are here."""
    return True


def register(store: HostStore, wish: Card, session: str | None = None, *, live: object = everybody) -> Card:
    """A session comes; its own id is its session's, unless it says otherwise."""
    return store.register(wish, session=session or wish.id, is_live=live, clock=CLOCK)  # type: ignore[arg-type]


# ---------------------------------------------------------------- who is known


def test_a_session_is_one_peer(tmp_path: Path) -> None:
    """A session that comes again is the peer that it was; the new id that was offered is not used."""
    with host(tmp_path) as store:
        first = register(store, card(ANN), "s1")
        again = register(store, card(BOB, branch="other"), "s1")
        assert (first.id, again.id) == (ANN, ANN)
        assert again.branch == "other"
        assert len(store.cards()) == 1


def test_two_sessions_are_two_peers(tmp_path: Path) -> None:
    """Even in the same directory."""
    with host(tmp_path) as store:
        register(store, card(ANN), "s1")
        register(store, card(BOB), "s2")
        assert [one.id for one in store.cards()] == [ANN, BOB]
        assert (store.by_session("s1"), store.by_session("s2"), store.by_session("s3")) == (ANN, BOB, None)


def test_a_session_that_runs_elsewhere_is_a_new_peer(tmp_path: Path) -> None:
    """Resumed in a second window while the first is open: a peer of its own."""
    with host(tmp_path) as store:
        register(store, card(ANN), "s1")
        other = store.register(card(BOB), session="s1", is_live=everybody, clock=CLOCK, fresh=True)
        assert other.id == BOB
        assert store.by_session("s1") == BOB


def test_the_person_is_one_peer(tmp_path: Path) -> None:
    """All shells of the person are the same."""
    with host(tmp_path) as store:
        for peer in (ANN, BOB):
            wish = card(peer, "me", person=True)
            assert store.register(wish, session=None, is_live=everybody, clock=CLOCK).id == ANN
        assert store.person() == ANN


def test_clear_gives_a_session_another_id(tmp_path: Path) -> None:
    """From then on the new id is that peer, and the old one still."""
    with host(tmp_path) as store:
        register(store, card(ANN), "s1")
        store.bind("s2", ANN)
        assert store.by_session("s2") == ANN
        assert sorted(store.sessions(ANN)) == ["s1", "s2"]


def test_forgotten(tmp_path: Path) -> None:
    """Who is forgotten is known by nobody, and its name is free."""
    with host(tmp_path) as store:
        register(store, card(ANN), "s1")
        store.forget(ANN)
        assert (store.card(ANN), store.by_session("s1"), store.cards()) == (None, None, [])
        assert register(store, card(BOB), "s2").name == "app"


def test_a_card_is_kept_whole(tmp_path: Path) -> None:
    """All that others may know of a peer, after opening again."""
    wish = card(
        ANN,
        "näme",
        oneshot=True,
        roles=("tester", "é"),
        focus="a 'quoted' focus",
        branch="x/y",
        worktree="app-2",
    )
    with host(tmp_path) as store:
        register(store, wish)
    with host(tmp_path) as store:
        assert store.card(ANN) == wish


def test_a_card_is_updated(tmp_path: Path) -> None:
    """What may change does, and the name does not by this."""
    with host(tmp_path) as store:
        register(store, card(ANN))
        changed = card(
            ANN, focus="tests", roles=("r",), repo="b", repo_key="root:1", branch="x", worktree="w", cwd="/"
        )
        store.update(replace(changed, name="other"))
        assert store.card(ANN) == changed


def test_a_session_comes_again_elsewhere(tmp_path: Path) -> None:
    """In another worktree, with another branch."""
    with host(tmp_path) as store:
        register(store, card(ANN, worktree="one"), "s1")
        again = card(ANN, worktree="two", branch="x", repo_key="root:1", cwd="/two")
        assert register(store, again, "s1") == again


def test_births_are_counted(tmp_path: Path) -> None:
    """Each mailbox of a peer is one, over opening again."""
    with host(tmp_path) as store:
        register(store, card(ANN))
        assert (store.births(ANN), store.birth(ANN), store.birth(ANN)) == (0, 1, 2)
    with host(tmp_path) as store:
        assert (store.births(ANN), store.births(BOB)) == (2, 0)


def test_seen(tmp_path: Path) -> None:
    """When a peer last came or went."""
    with host(tmp_path) as store:
        register(store, card(ANN))
        store.saw(ANN, CLOCK + 5)
        assert store.seen() == {ANN: CLOCK + 5}


def test_switching_off(tmp_path: Path) -> None:
    """A repo is taken out and let in again."""
    with host(tmp_path) as store:
        store.switch("dir:/srv/app", "app", off=True)
        assert (store.switched_off("dir:/srv/app"), store.switched_off("dir:/srv/b")) == (True, False)
        store.switch("dir:/srv/app", "app", off=False)
        assert not store.switched_off("dir:/srv/app")


def test_switched_off_whatever_becomes_of_it(tmp_path: Path) -> None:
    """A repo that was taken out stays out when it gets its first commit or another remote, and so another key."""
    here, elsewhere = "dir:/srv/app/.git", "dir:/srv/b/.git"
    with host(tmp_path) as store:
        store.switch("root:1", "app", off=True, here=here)
        assert store.switched_off("root:1", here)
        assert store.switched_off("remote:git.example/app", here)
        assert store.switched_off("root:1", elsewhere)  # a clone
        assert not store.switched_off("remote:git.example/app", elsewhere)
        assert not store.switched_off("root:2")


@pytest.mark.parametrize("here", ["dir:/srv/app/.git", "dir:/srv/b/.git"])
def test_let_in_again_from_any_clone(tmp_path: Path, here: str) -> None:
    """Then no clone of it is out any more, and nothing else was let in."""
    with host(tmp_path) as store:
        store.switch("root:1", "app", off=True, here="dir:/srv/app/.git")
        store.switch("root:2", "other", off=True, here="dir:/srv/other/.git")
        store.switch("root:1", "app", off=False, here=here)
        assert not store.switched_off("root:1", "dir:/srv/app/.git")
        assert store.switched_off("root:3", "dir:/srv/other/.git")
        store.switch("root:2", "other", off=True, here="dir:/srv/other/.git")
        store.switch("remote:new", "other", off=False, here="dir:/srv/other/.git")
        assert not store.switched_off("remote:new", "dir:/srv/other/.git")


# ---------------------------------------------------------------- of an earlier version


def test_a_file_of_an_earlier_version(tmp_path: Path) -> None:
    """What it held is there, and what it did not know is empty; a repo that was taken out by its place stays out."""
    db, _ = open_file(str(tmp_path / "host.db"), STEPS[:2])
    fields = "id, name, name_key, named, person, oneshot, repo, repo_key, branch, cwd, roles, focus, seen_at"
    row = (ANN, "App", "app", 1, 0, 0, "app", "dir:/srv/app", "main", "/srv/app", "[]", "", CLOCK)
    db.execute(f"INSERT INTO peers ({fields}) VALUES ({', '.join('?' * len(row))})", row)
    db.execute("INSERT INTO off VALUES ('dir:/srv/b/.git', 'b')")
    elsewhere = {one: value for one, value in asdict(card(BOB, host_key="aa")).items() if one != "worktree"}
    db.execute("INSERT INTO remotes VALUES (?, 'aa', ?, 'busy', ?)", (BOB, json.dumps(elsewhere), CLOCK))
    db.close()
    with host(tmp_path) as store:
        assert store.set_aside is None
        assert store.cards() == [card(ANN, "App")]
        assert store.remotes.entries() == [Entry(card(BOB, host_key="aa"), "busy", CLOCK, 0.0)]
        assert store.switched_off("root:1", "dir:/srv/b/.git")
        store.switch("root:1", "b", off=False, here="dir:/srv/b/.git")
        assert not store.switched_off("root:1", "dir:/srv/b/.git")


def test_a_card_of_an_earlier_version(tmp_path: Path) -> None:
    """The copy that it left in its directory is taken in."""
    path = left(tmp_path, card(ANN, "api", worktree="w"), ["s1"], 3)
    record = json.loads(path.read_text("utf-8"))
    del record["worktree"]
    path.write_text(json.dumps(record), "utf-8")
    with host(tmp_path) as store:
        assert store.card(ANN) == card(ANN, "api")


# ---------------------------------------------------------------- names


def names(store: HostStore) -> dict[str, str]:
    """Each peer's name."""
    return {one.id: one.name for one in store.cards()}


def test_numbered_among_the_living(tmp_path: Path) -> None:
    """The second of a name gets a number, and the third the next."""
    with host(tmp_path) as store:
        for peer in (ANN, BOB, CLEO):
            register(store, card(peer))
        assert names(store) == {ANN: "app", BOB: "app-2", CLEO: "app-3"}


def test_case_does_not_tell_names_apart(tmp_path: Path) -> None:
    """People take App and app for the same."""
    with host(tmp_path) as store:
        register(store, card(ANN, "App"))
        register(store, card(BOB, "app"))
        assert names(store) == {ANN: "App", BOB: "app-2"}


def test_taken_over_from_the_away(tmp_path: Path) -> None:
    """A name belongs to the living: who is away gets the number."""
    with host(tmp_path) as store:
        register(store, card(ANN))
        register(store, card(BOB), live=nobody)
        assert names(store) == {BOB: "app", ANN: "app-2"}


def test_who_comes_back_keeps_the_number(tmp_path: Path) -> None:
    """It does not take the name from who has it now."""
    with host(tmp_path) as store:
        register(store, card(ANN))
        register(store, card(BOB), live=nobody)
        assert register(store, card(ANN)).name == "app-2"


def test_renamed(tmp_path: Path) -> None:
    """To what was asked for, if nobody here has it."""
    with host(tmp_path) as store:
        register(store, card(ANN))
        assert store.rename(ANN, "api", given=True, is_live=everybody) == "api"
        assert names(store) == {ANN: "api"}
        assert store.named(ANN)


def test_renamed_to_a_name_that_is_taken(tmp_path: Path) -> None:
    """A person who asks for just that name is told; a name from elsewhere gets a number."""
    with host(tmp_path) as store:
        register(store, card(ANN, "api"))
        register(store, card(BOB, "web"))
        with pytest.raises(NameTaken, match="API"):
            store.rename(BOB, "API", given=True, is_live=everybody)
        assert names(store) == {ANN: "api", BOB: "web"}
        assert store.rename(BOB, "api", given=False, is_live=everybody) == "api-2"


def test_renamed_to_a_name_of_the_away(tmp_path: Path) -> None:
    """That is taken over."""
    with host(tmp_path) as store:
        register(store, card(ANN, "api"))
        register(store, card(BOB, "web"))
        assert store.rename(BOB, "api", given=True, is_live=nobody) == "api"
        assert names(store) == {BOB: "api", ANN: "api-2"}


def test_two_trade_places(tmp_path: Path) -> None:
    """Renaming to the number of the other, and back, never ends in two of the same name."""
    with host(tmp_path) as store:
        register(store, card(ANN, "app"))
        register(store, card(BOB, "app-2"))
        store.rename(ANN, "app-2", given=True, is_live=nobody)
        store.rename(BOB, "app", given=True, is_live=nobody)
        assert names(store) == {ANN: "app-2", BOB: "app"}


def test_the_same_name_again(tmp_path: Path) -> None:
    """Renaming to one's own name, or its other case, is no clash with oneself."""
    with host(tmp_path) as store:
        register(store, card(ANN, "api"))
        assert store.rename(ANN, "API", given=True, is_live=everybody) == "API"


# ---------------------------------------------------------------- several processes

RACE = """
import sys
sys.path.append(sys.argv[1])
from peermesh.core.words import Card
from peermesh.store.host import HostStore
sys.stdin.readline()
store = HostStore(sys.argv[2], "desk")
me = Card(id=sys.argv[3] * 8, name="app", host="desk")
got = store.register(me, session=sys.argv[4] or None, is_live=lambda _: True, clock=1.0)
print(got.id, got.name, store.set_aside)
"""


def race(root: Path, sessions: list[str]) -> list[list[str]]:
    """Processes that open the shared file at once, each as one of *sessions*; what each got."""
    letters = "abcdefghjk"[: len(sessions)]
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(ROOT), str(root), letter, session],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for letter, session in zip(letters, sessions, strict=True)
    ]
    for run in runs:
        assert run.stdin
        run.stdin.write("go\n")
        run.stdin.flush()
    return [run.communicate(timeout=60)[0].split() for run in runs]


@pytest.mark.parametrize("again", range(3))
def test_processes_that_make_the_file_at_once(tmp_path: Path, again: int) -> None:
    """None takes what another is just making for damage, and each gets a name of its own."""
    got = race(tmp_path, ["s1", "s2", "s3", "s4", "s5", "s6"])
    assert [aside for _, _, aside in got] == ["None"] * 6
    assert sorted(name for _, name, _ in got) == ["app", "app-2", "app-3", "app-4", "app-5", "app-6"]
    assert [one.name for one in tmp_path.glob("*damaged*")] == []


def test_one_session_registered_by_two_processes_at_once(tmp_path: Path) -> None:
    """They are the same peer."""
    got = race(tmp_path, ["s1", "s1", "s1", "s1"])
    assert len({peer for peer, _, _ in got}) == 1


def test_what_another_process_wrote_is_noticed(tmp_path: Path) -> None:
    """The revision changes, and only then."""
    with host(tmp_path) as store:
        before = store.revision()
        assert store.revision() == before
        race(tmp_path, ["s1"])
        assert store.revision() != before
        assert len(store.cards()) == 1


def test_a_file_that_was_set_aside_by_another_process(tmp_path: Path) -> None:
    """Who has the old one open follows to the new one."""
    with host(tmp_path) as store:
        register(store, card(ANN))
        store.revision()
        os.replace(tmp_path / "host.db", tmp_path / "host.db.damaged-x")
        for end in ("-wal", "-shm"):
            if (tmp_path / f"host.db{end}").exists():
                os.replace(tmp_path / f"host.db{end}", tmp_path / f"host.db.damaged-x{end}")
        race(tmp_path, ["s2"])
        store.revision()
        assert [one.id for one in store.cards()] == [ANN]


# ---------------------------------------------------------------- made again from the cards


def left(root: Path, one: Card, sessions: list[str], births: int) -> Path:
    """The copy of its card that a peer leaves in its directory."""
    path = root / "peers" / one.id / "card.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**asdict(one), "sessions": sessions, "births": births}), "utf-8")
    return path


def test_a_lost_file_is_made_again_from_the_cards(tmp_path: Path) -> None:
    """Peers, their sessions and how many mailboxes they had: none is a stranger afterwards."""
    left(tmp_path, card(ANN, "api", roles=("r",)), ["s1", "s2"], 3)
    left(tmp_path, card(BOB, "api"), ["s3"], 1)
    with host(tmp_path) as store:
        assert names(store) == {ANN: "api", BOB: "api-2"}
        assert (store.by_session("s2"), store.by_session("s3")) == (ANN, BOB)
        assert (store.births(ANN), store.birth(BOB)) == (3, 2)


def test_a_damaged_file_is_made_again_from_the_cards(tmp_path: Path) -> None:
    """And so is one that was set aside."""
    left(tmp_path, card(ANN, "api"), ["s1"], 3)
    (tmp_path / "host.db").write_bytes(b"garbage" * 1000)
    with host(tmp_path) as store:
        assert store.set_aside
        assert names(store) == {ANN: "api"}


def test_who_died_before_taking_in_the_cards(tmp_path: Path) -> None:
    """A file that was made and left empty takes them in when it is opened next."""
    with host(tmp_path):
        pass
    left(tmp_path, card(ANN, "api"), ["s1"], 3)
    with host(tmp_path) as store:
        assert names(store) == {ANN: "api"}


@pytest.mark.parametrize(
    "words",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"id": "bbbbbbbb"}',
        json.dumps({**asdict(card(BOB)), "sessions": [], "births": "many"}),
        json.dumps({**asdict(card(BOB)), "sessions": 7, "births": 1}),
        json.dumps({**asdict(card(BOB)), "sessions": [], "births": 1, "mood": "of a later version"}),
        json.dumps({**asdict(card(BOB)), "name": 7, "sessions": [], "births": 1}),
        json.dumps({**asdict(card(BOB)), "name": None, "sessions": [], "births": 1}),
        json.dumps({**asdict(card(BOB)), "repo": None, "sessions": [], "births": 1}),
        json.dumps({**asdict(card(BOB)), "repo": {}, "sessions": [], "births": 1}),
        json.dumps({**asdict(card(BOB)), "id": ANN, "sessions": [], "births": 1}),
        json.dumps({**asdict(card(BOB)), "roles": 7, "sessions": [], "births": 1}),
    ],
)
def test_a_card_that_cannot_be_read(tmp_path: Path, words: str) -> None:
    """It keeps nobody else from being taken in."""
    left(tmp_path, card(ANN, "api"), ["s1"], 1)
    left(tmp_path, card(CLEO, "web"), ["s2"], 1)
    left(tmp_path, card(BOB), [], 1).write_text(words, "utf-8")
    with host(tmp_path) as store:
        assert {ANN: "api", CLEO: "web"}.items() <= names(store).items()


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    """The file is for this user alone, when the process's mask says so as the sidecar's does."""
    before = os.umask(0o077)
    try:
        with host(tmp_path) as store:
            register(store, card(ANN))
            for file in tmp_path.iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    finally:
        os.umask(before)


def test_who_is_missing_is_taken_in_again(tmp_path: Path) -> None:
    """A journal that was cut forgot a peer, and how many mailboxes it had; its own directory has not."""
    with host(tmp_path) as store:
        register(store, card(ANN), "s1")
    old = (tmp_path / "host.db").read_bytes()
    with host(tmp_path) as store:
        register(store, card(BOB), "s2")
        for peer in (ANN, BOB):
            record = {**asdict(card(peer)), "births": store.birth(peer), "sessions": store.sessions(peer)}
            folder = tmp_path / "peers" / peer
            folder.mkdir(parents=True)
            (folder / "card.json").write_text(json.dumps(record))
    (tmp_path / "host.db").write_bytes(old)
    with host(tmp_path) as store:
        assert str(store.set_aside).endswith("-cut")
        assert store.by_session("s2") == BOB
        assert (store.birth(ANN), store.birth(BOB)) == (2, 2)
    with host(tmp_path) as store:
        assert store.set_aside is None


def test_a_card_that_cannot_be_read_says_nothing_of_the_file(tmp_path: Path) -> None:
    """Nor does it say so again and again."""
    with host(tmp_path) as store:
        register(store, card(ANN), "s1")
    (tmp_path / "peers" / BOB).mkdir(parents=True)
    (tmp_path / "peers" / BOB / "card.json").write_text("{")
    with host(tmp_path) as store:
        assert store.set_aside is None
        assert [one.id for one in store.cards()] == [ANN]
