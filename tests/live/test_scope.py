"""What sessions see of each other's place and doings, live: repo, worktree, branch, status, since when."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from peermesh.core.rosters import AWAY
from peermesh.core.script import Turn
from peermesh.core.turns import Turns
from peermesh.core.words import Card
from peermesh.sidecar.neighbours import roster
from peermesh.sidecar.session import QUIET, Doing, turn_of
from peermesh.sidecar.session import Session as Seen
from tests.live.test_where import best

from .actors import Session
from .conftest import Sessions
from .home import Home, until

# "Within about a second", on a machine that runs other tests beside.
SOON = 3.0


def row(one: Session, name: str) -> dict[str, Any]:
    """What *one* is told of the session *name*."""
    return next(p for p in one.ask("list")["peers"] if p["name"] == name)


def worktree(home: Home, repo: Path, name: str, *words: str) -> Path:
    """A worktree of *repo*."""
    path = home.path / name
    home.git(repo, "worktree", "add", "-q", str(path), *words)
    return path


# ---------------------------------------------------------------- one repo


def test_worktrees_and_clones_are_one_repo(home: Home, session: Sessions) -> None:
    """By whatever way they belong together; another repo's sessions are not among them."""
    repo = home.repo("work")
    tree = worktree(home, repo, "work-ui", "-b", "ui")
    home.git(home.path, "clone", "-q", str(repo), "copy")
    home.git(home.path / "copy", "remote", "remove", "origin")
    other = home.repo("other")
    home.git(other, "commit", "-q", "--amend", "--allow-empty", "-m", "Another first")
    one = session("one", cwd=repo)
    session("two", cwd=tree), session("three", cwd=home.path / "copy"), session("four", cwd=other)
    rows = {p["name"]: p for p in one.ask("list")["peers"]}
    keys = {name: p["repo_key"] for name, p in rows.items()}
    assert keys["one"] == keys["two"] == keys["three"] != keys["four"]
    assert [rows[name]["worktree"] for name in ("one", "two", "three")] == ["work", "work-ui", "copy"]
    one.ask("send", to="@repo", body="hello", wait="safe", within=5.0)
    assert sorted(m["to"] for m in one.sent().values()) == ["three", "two"]


def test_a_repo_that_grows_up(home: Home, session: Sessions) -> None:
    """`git init`, a first commit and a remote are noticed by sessions that run, and they stay together."""
    one, two = session("one"), session("two")
    keys = {row(one, "one")["repo_key"]}
    assert keys == {f"dir:{home.app}"}

    def together() -> bool:
        found = {row(s, name)["repo_key"] for s in (one, two) for name in ("one", "two")}
        if len(found) == 1 and not found & keys:
            keys.update(found)
            return True
        return False

    home.git(home.app, "init", "-q", "-b", "main")
    until(together, "git init", SOON + 5)
    assert f"dir:{home.app}/.git" in keys
    assert row(two, "one")["worktree"] == "app"
    home.git(home.app, "commit", "-q", "--allow-empty", "-m", "First")
    until(together, "the first commit", SOON + 5)
    home.git(home.app, "remote", "add", "origin", "https://git.example/team/thing.git")
    until(together, "the remote", SOON + 5)
    assert "remote:git.example/team/thing" in keys
    assert row(two, "one")["repo"] == "thing"


def test_a_repo_becomes_one_that_was_taken_out(home: Home, session: Sessions) -> None:
    """A session whose repo gets the remote of one that is off leaves, and its hooks end at a file test."""
    off, mine = home.repo("off"), home.repo("mine")
    home.git(off, "remote", "add", "origin", "https://git.example/off.git")
    one = session("one", cwd=mine)
    assert session("two", cwd=off).peer("off").code == 0
    pid = one.pid
    assert pid
    home.git(mine, "remote", "add", "origin", "https://git.example/off")
    until(lambda: not one.pid, "its sidecar to end", SOON + 5)
    assert (one.link / "off").exists()
    assert one.prompt() == ""
    assert not one.pid


def test_the_branch_is_live(home: Home, session: Sessions) -> None:
    """Another session sees within about a second which branch is checked out, in each worktree."""
    repo = home.repo("work")
    tree = worktree(home, repo, "work-ui", "-b", "ui")
    one, two = session("one", cwd=repo), session("two", cwd=tree)
    assert (row(two, "one")["branch"], row(one, "two")["branch"]) == ("main", "ui")
    for branch in ("feature/a", "feature/b"):
        home.git(repo, "checkout", "-q", "-b", branch)
        began = time.monotonic()
        until(lambda branch=branch: row(two, "one")["branch"] == branch, f"the branch {branch}", SOON)  # type: ignore[misc]
        print(f"{branch} was seen after {time.monotonic() - began:.2f} s")
    assert row(one, "two")["branch"] == "ui"


# ---------------------------------------------------------------- doings


def test_busy_since_the_turn_began(session: Sessions) -> None:
    """Tool batches and a question to the person do not begin a turn anew; they are its last activity."""
    one, two = session("one"), session("two")
    one.prompt()
    until(lambda: "busy" in (one.link / "began").read_text(), "the sidecar to see the turn", SOON)
    first = row(two, "one")
    assert first["status"] == "busy"
    time.sleep(0.3)
    one.hook("PostToolBatch")
    after = row(two, "one")
    assert (after["status"], after["since"]) == ("busy", first["since"])
    assert first["active"] + 0.2 < after["active"] <= time.time()
    (one.link / "turn").write_text("wait\n")
    until(lambda: "wait" in (one.link / "began").read_text(), "the sidecar to see the question", SOON)
    asked = row(two, "one")
    assert asked["status"] == "waiting"
    assert first["since"] < asked["since"] <= asked["active"]
    one.hook("PostToolBatch")
    until(lambda: "busy" in (one.link / "began").read_text(), "the sidecar to see it go on", SOON)
    assert (row(two, "one")["status"], row(two, "one")["since"]) == ("busy", first["since"])
    one.stop()
    idle = row(two, "one")
    assert idle["status"] == "idle"
    assert asked["since"] < idle["since"] <= time.time()


def test_a_turn_that_was_broken_off(session: Sessions, home: Home) -> None:
    """Esc has no hook: after some seconds the client's own word is believed, though no mail waits."""
    one, two = session("one"), session("two")
    folder = home.path / ".claude" / "sessions"
    folder.mkdir(parents=True)
    says = folder / f"{one.client.pid}.json"
    one.prompt()
    says.write_text('{"status": "busy"}')
    old = time.time() - QUIET
    os.utime(one.link / "turn", (old, old))
    time.sleep(SOON)
    assert row(two, "one")["status"] == "busy"
    says.write_text('{"status": "idle"}')
    until(lambda: row(two, "one")["status"] == "idle", "the end of the turn", SOON + 3)


class Box:
    """As much of a post as a session looks at."""

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory)
        self.told: list[Turn] = []
        turns = Turns(None)  # type: ignore[arg-type]
        self.engine = SimpleNamespace(
            turns=turns,
            incoming=SimpleNamespace(due={}, unproven=set()),
            occasions=lambda _: frozenset(),
            waking=False,
            card=SimpleNamespace(name="one"),
        )

    @staticmethod
    def loop_time() -> float:
        """Not used."""
        return 0.0

    def put(self, turn: Turn) -> None:
        """Tell the engine."""
        self.put_first(turn)

    def put_first(self, turn: Turn) -> None:
        """Tell the engine."""
        self.told.append(turn)
        self.engine.turns.busy = turn.busy


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    """A session's directory, on a machine where no client runs."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "none"))
    return Box(tmp_path)


def says(box: Box, word: str, at: float) -> None:
    """The hooks' first step writes that."""
    path = Path(box.directory, "turn")
    path.write_text(f"{word}\n")
    os.utime(path, (at, at))


def test_each_word_has_its_own_beginning(box: Box) -> None:
    """Whatever the hooks write, and however often; a turn goes on over a question to the person."""
    seen = Seen(box, 0)  # type: ignore[arg-type]
    assert not seen.look()
    story = [
        ("busy", 100.25, 100.25),
        ("busy", 130.0, 100.25),
        ("wait", 140.0, 140.0),
        ("wait", 150.0, 140.0),
        ("busy", 160.0, 100.25),
        ("idle", 170.0, 170.0),
        ("wait", 180.0, 180.0),
        ("busy", 190.0, 180.0),
        ("idle", 200.0, 200.0),
        ("busy", 210.5, 210.5),
    ]
    for word, at, since in story:
        says(box, word, at)
        assert seen.look()
        seen.observe()
        assert not seen.look()
        assert turn_of(box.directory) == Doing(word, since, at)
        assert box.told[-1].busy == (word != "idle")


def test_what_the_sidecar_writes_itself(box: Box) -> None:
    """A prompt that came through the door begins a turn too."""
    seen = Seen(box, 0)  # type: ignore[arg-type]
    idle = turn_of(box.directory)
    assert (idle.word, idle.since) == ("idle", idle.active)
    box.engine.turns.busy = True
    seen.publish()
    began = turn_of(box.directory)
    assert (began.word, began.since) == ("busy", began.active)
    says(box, "busy", began.active + 10)
    seen.observe()
    assert turn_of(box.directory) == Doing("busy", began.since, began.active + 10)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "idle 5",
        "busy",
        "busy x",
        "busy 9999999999000000000",
        "busy 5.0",
        "busy -5",
        "busy " + "9" * 5_000,
        "\xff\0",
    ],
)
def test_a_beginning_that_is_not_known(box: Box, text: str) -> None:
    """Then the last that was written is told."""
    says(box, "busy", 100.0)
    Path(box.directory, "began").write_text(text, "latin-1")
    assert turn_of(box.directory) == Doing("busy", 100.0, 100.0)


def test_a_peer_that_has_no_turn(tmp_path: Path) -> None:
    """Nothing is known of it."""
    assert turn_of(str(tmp_path)) == Doing("", 0.0, 0.0)


def test_a_beginning_that_cannot_be_written(box: Box) -> None:
    """Keeps the sidecar from nothing else."""
    Path(box.directory, "began").mkdir()
    seen = Seen(box, 0)  # type: ignore[arg-type]
    says(box, "busy", 100.0)
    seen.observe()
    assert box.told == [Turn(busy=True, sign=True)]
    assert turn_of(box.directory) == Doing("busy", 100.0, 100.0)


def test_what_a_second_costs(box: Box) -> None:
    """Looking whether a hook wrote something is two small files."""
    seen = Seen(box, 0)  # type: ignore[arg-type]
    took = best(seen.look)
    print(f"{took * 1e6:.0f} µs")
    assert took < 1e-3  # 20 µs, with nothing else on the machine


# ---------------------------------------------------------------- as other hosts are told


def test_what_other_hosts_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worktree's name and no path; since when, exactly, and the last activity to the minute."""
    directory = tmp_path / "peers" / "aaaaaaaa"
    directory.mkdir(parents=True)
    (tmp_path / "peers" / "bbbbbbbb").mkdir()
    (directory / "instance").touch()
    (directory / "turn").write_text("wait\n")
    os.utime(directory / "turn", (179.0, 179.0))
    (directory / "began").write_text("wait 70500000000\n")
    card = Card(
        id="aaaaaaaa",
        name="a",
        host="desk",
        cwd="/srv/secret/ui",
        worktree="ui",
        repo_key="dir:/srv/secret/.git",
    )
    gone = Card(id="bbbbbbbb", name="b", host="desk", repo_key="root:1234")
    seen = {"aaaaaaaa": 1.0, "bbbbbbbb": 44.0}
    told = roster(str(tmp_path), [card, gone], lambda one: one == "aaaaaaaa", seen, b"secret")
    one, two = told["aaaaaaaa"], told["bbbbbbbb"]
    assert (one.card.worktree, one.status, one.since, one.active) == ("ui", "waiting", 70.5, 120.0)
    assert "secret" not in repr(one)
    assert one.card.repo_key.startswith("dir:")
    assert (two.card.repo_key, two.status, two.since, two.active) == ("root:1234", AWAY, 44.0, 44.0)
