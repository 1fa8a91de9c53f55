"""Which repo a directory is in, asked of real git: worktrees, clones and hosts agree, and nobody else does."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from peermesh.core.words import REPO_LIMIT
from peermesh.sidecar import git as asking
from peermesh.sidecar import where
from peermesh.sidecar.checkouts import REMEMBERED, Repos
from peermesh.sidecar.where import NOWHERE, Places, Where, look

BIRTH = 1_700_000_000  # of the first repo, in seconds
REMOTE = "git@git.example:team/app.git"
KEY = "remote:git.example/team/app"


class Desk:
    """A directory with repos in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, where: Path, *words: str, at: int = 0) -> str:
        """Run git there, so many seconds after the first repo was born."""
        when = f"{BIRTH + at} +0000"
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            "GIT_AUTHOR_DATE": when,
            "GIT_COMMITTER_DATE": when,
        }
        options = ["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"]
        command = ["git", "-C", str(where), *options, *words]
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.strip()

    def repo(self, name: str, *, at: int = 0, commits: int = 1, remote: str = "") -> Path:
        """A repo with so many commits, the first at that time."""
        path = self.root / name
        path.mkdir(parents=True)
        self.git(path, "init", "-q")
        for n in range(commits):
            self.git(path, "commit", "-q", "--allow-empty", "-m", f"{name} {n}", at=at + n)
        if remote:
            self.git(path, "remote", "add", "origin", remote)
        return path

    def worktree(self, repo: Path, name: str, *words: str) -> Path:
        """A worktree of *repo*."""
        path = self.root / name
        self.git(repo, "worktree", "add", "-q", str(path), *words)
        return path

    def clone(self, source: str | Path, name: str, *words: str) -> Path:
        """A clone."""
        self.git(self.root, "clone", "-q", *words, str(source), name)
        return self.root / name

    def first(self, repo: Path, branch: str = "HEAD") -> str:
        """The sha of a branch's first commit."""
        return self.git(repo, "rev-list", "--max-parents=0", branch)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """An empty one; the settings of whoever runs the tests do not count, and nothing is remembered."""
    root = (tmp_path / "desk").resolve()
    root.mkdir()
    for name in [one for one in os.environ if one.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setattr(where, "_REPOS", Repos())
    return Desk(root)


def key(path: Path | str) -> str:
    """The key of the repo at *path*."""
    return look(str(path)).key


# ---------------------------------------------------------------- which repo


def test_a_remote(desk: Desk) -> None:
    """Its address makes the key and the name; the rest is the checkout's own."""
    app = desk.repo("mine", remote=REMOTE)
    (app / "src").mkdir()
    here = look(str(app / "src"))
    assert here == Where("app", KEY, str(app / ".git"), str(app), "mine", f"dir:{app}/.git")
    assert here.branch == "main"


@pytest.mark.parametrize(
    ("remotes", "expected"),
    [
        ({"upstream": "https://git.example/up/app", "origin": REMOTE}, KEY),
        ({"upstream": "https://git.example/up/app"}, "remote:git.example/up/app"),
        ({"zed": "git.example:z/app", "ann": "git.example:a/app"}, "remote:git.example/a/app"),
        ({"origin": "/srv/nowhere/app.git", "zed": "git.example:z/app"}, "remote:git.example/z/app"),
    ],
)
def test_several_remotes(desk: Desk, remotes: dict[str, str], expected: str) -> None:
    """origin; else the only one; else the first by name; a path on this machine is none."""
    app = desk.repo("app")
    for name, url in remotes.items():
        desk.git(app, "remote", "add", name, url)
    assert key(app) == expected


def test_an_abbreviated_address(desk: Desk) -> None:
    """What the person's settings make of a remote's address counts: the other clone has it in full."""
    (desk.root / ".gitconfig").write_text('[url "ssh://git@git.example/"]\n\tinsteadOf = ex:\n')
    assert key(desk.repo("app", remote="ex:team/app")) == KEY


def test_a_long_address(desk: Desk) -> None:
    """Is told by its digest, the same in each clone; the name is the directory's."""
    long = f"https://git.example/{'deep/' * 80}app"
    one, two = (look(str(desk.repo(name, remote=long))) for name in ("one", "two"))
    assert one.key == two.key
    assert one.key.startswith("remote#")
    assert len(one.key) < 100
    assert (one.repo, two.repo) == ("one", "two")


def test_worktrees(desk: Desk) -> None:
    """Are one repo, with a remote and without, whatever is checked out in which."""
    app = desk.repo("app", commits=2)
    trees = [desk.worktree(app, "one", "-b", "one"), desk.worktree(app, "two", "--detach", "main~1")]
    assert {key(one) for one in (app, *trees)} == {f"root:{desk.first(app)}"}
    assert [look(str(one)).worktree for one in (app, *trees)] == ["app", "one", "two"]
    assert {look(str(one)).repo for one in (app, *trees)} == {"app"}
    assert [look(str(one)).branch for one in (app, *trees)] == [
        "main",
        "one",
        desk.git(trees[1], "rev-parse", "HEAD")[:8],
    ]
    desk.git(trees[0], "remote", "add", "origin", REMOTE)
    assert {key(one) for one in (app, *trees)} == {KEY}


def test_a_worktree_inside_the_main_checkout(desk: Desk) -> None:
    """As Claude Code makes them."""
    app = desk.repo("app")
    tree = desk.worktree(app, "app/.claude/worktrees/x", "-b", "x")
    (tree / "src").mkdir()
    inner = look(str(tree / "src"))
    assert (inner.key, inner.worktree, inner.branch) == (key(app), "x", "x")


def test_unrelated_branches(desk: Desk) -> None:
    """A branch that begins anew, checked out in the main worktree, makes the project no other one."""
    app = desk.repo("app")
    tree = desk.worktree(app, "tree", "-b", "work")
    before = key(app)
    assert before == f"root:{desk.first(app)}"
    desk.git(app, "checkout", "-q", "--orphan", "pages")
    where._REPOS = Repos()
    assert key(app) == key(tree) == before, "with a branch that has no commit yet"
    desk.git(app, "commit", "-q", "--allow-empty", "-m", "pages", at=100)
    where._REPOS = Repos()
    assert desk.first(app) != desk.first(tree)
    assert key(app) == key(tree) == before


def test_several_first_commits(desk: Desk) -> None:
    """Where histories were joined, the oldest counts, and of two as old the smallest."""
    app = desk.repo("app", at=500)
    roots = [desk.first(app)]
    for n in range(3):
        desk.git(app, "checkout", "-q", "--orphan", f"old{n}")
        desk.git(app, "commit", "-q", "--allow-empty", "-m", f"old {n}")
        roots.append(desk.first(app))
    desk.git(app, "checkout", "-q", "main")
    desk.git(
        app, "merge", "-q", "--allow-unrelated-histories", "old0", "old1", "old2", "-m", "join", "-s", "ours"
    )
    desk.git(app, "branch", "-D", "old0", "old1", "old2")
    assert set(desk.git(app, "rev-list", "--max-parents=0", "HEAD").split()) == set(roots)
    assert key(app) == f"root:{min(roots[1:])}"


def test_clones_of_one_remote(desk: Desk) -> None:
    """By whatever address."""
    for n, url in enumerate(
        [REMOTE, "https://me:pw@git.example/team/app", "ssh://git.example:22/team/app.git"]
    ):
        assert key(desk.repo(f"app{n}", at=n, remote=url)) == KEY


def test_clones_by_path(desk: Desk) -> None:
    """Are what they were cloned from, by any spelling of a path, and over several steps."""
    app = desk.repo("app", remote=REMOTE)
    one = desk.clone(app, "one")
    clones = [
        one,
        desk.clone(f"file://{app}", "two"),
        desk.clone(one, "three"),
        desk.clone(app, "four", "--bare"),
        desk.clone(desk.root / "four", "five"),
    ]
    (desk.root / "four").rename(desk.root / "four.git")  # git adds the ending by itself
    desk.git(one, "remote", "set-url", "origin", "../app")
    assert [key(clone) for clone in clones[:3]] == [KEY] * 3
    assert key(desk.root / "four.git") == KEY
    assert key(desk.root / "five") == KEY


def test_clones_without_a_remote(desk: Desk) -> None:
    """Agree by the first commit, as hosts do, also when what they were cloned from is gone."""
    app = desk.repo("app", commits=3)
    one, two = desk.clone(app, "one"), desk.clone(app, "two")
    desk.git(two, "remote", "remove", "origin")
    desk.git(two, "commit", "-q", "--allow-empty", "-m", "more")
    expected = f"root:{desk.first(app)}"
    assert key(app) == key(one) == key(two) == expected
    app.rename(desk.root / "away")
    where._REPOS = Repos()
    assert key(one) == key(two) == expected


def test_two_that_were_cloned_from_each_other(desk: Desk) -> None:
    """Asking goes round no longer than there is something to find."""
    app = desk.repo("app")
    one = desk.clone(app, "one")
    desk.git(app, "remote", "add", "origin", str(one))
    assert key(app) == key(one) == f"root:{desk.first(app)}"


def test_different_projects(desk: Desk) -> None:
    """Differ, with the same name and history as long."""
    assert key(desk.repo("a/app", at=1)) != key(desk.repo("b/app", at=2))
    assert key(desk.repo("c/app", remote=REMOTE)) != key(desk.repo("d/app", remote=f"{REMOTE}x"))


def test_no_commit_yet(desk: Desk) -> None:
    """A repo is this host's own by its common directory, for its worktrees too, until it has one."""
    app = desk.repo("app", commits=0)
    assert look(str(app)) == Where(
        "app", f"dir:{app}/.git", f"{app}/.git", str(app), "app", f"dir:{app}/.git"
    )
    assert look(str(app)).branch == "main"


def test_no_repo(desk: Desk) -> None:
    """A directory is this host's own, symlinks resolved."""
    plain = desk.root / "plain"
    plain.mkdir()
    (desk.root / "link").symlink_to(plain)
    assert look(str(plain)) == look(str(desk.root / "link"))
    assert look(str(plain)) == Where("plain", f"dir:{plain}", "", str(plain), "", f"dir:{plain}")
    assert look(str(plain)).branch == ""
    assert look("/").repo == "/"
    assert key(desk.root / "not" / "there") == f"dir:{desk.root}/not/there"
    assert look("a\0b") == NOWHERE


def test_submodules(desk: Desk) -> None:
    """Are repos of their own, as is a clone that lies inside another repo."""
    lib, app = desk.repo("lib", at=5), desk.repo("app")
    desk.git(app, "submodule", "add", "-q", str(lib), "libs/lib")
    inner = app / "libs" / "lib"
    assert key(inner) == key(lib) == f"root:{desk.first(lib)}"
    assert (look(str(inner)).repo, look(str(inner)).worktree) == ("lib", "lib")
    assert key(app) == f"root:{desk.first(app)}"
    other = desk.repo("app/vendor/other", at=9)
    assert key(other) == f"root:{desk.first(other)}"


def test_a_bare_repo_with_worktrees(desk: Desk) -> None:
    """All that belong to it agree, also where the bare repo hides beside them and has no branch of its name."""
    app = desk.repo("app")
    bare = desk.clone(app, "proj/.bare", "--bare")
    desk.git(bare, "remote", "remove", "origin")
    proj = desk.root / "proj"
    (proj / ".git").write_text("gitdir: ./.bare\n")
    trees = [proj, desk.worktree(proj, "proj/main", "main"), desk.worktree(proj, "proj/fix", "-b", "fix")]
    assert {key(one) for one in trees} == {f"root:{desk.first(app)}"}
    assert {look(str(one)).repo for one in trees} == {"proj"}
    assert key(bare) == key(proj)
    desk.git(bare, "symbolic-ref", "HEAD", "refs/heads/master")
    where._REPOS = Repos()
    assert {key(one) for one in trees} == {f"root:{desk.first(app)}"}


def test_shallow(desk: Desk) -> None:
    """A shallow clone without a remote's address begins elsewhere; with one it is the same."""
    app = desk.repo("app", commits=3)
    one = desk.clone(f"file://{app}", "one", "--depth", "1")
    assert key(one) == key(app), "its source is there"
    desk.git(one, "remote", "remove", "origin")
    assert key(one) == f"root:{desk.git(app, 'rev-parse', 'HEAD')}"
    for repo in (app, one):
        desk.git(repo, "remote", "add", "origin", REMOTE)
    assert key(one) == key(app) == KEY


@pytest.mark.parametrize("name", ["a b", "a\nb", "ä'\"$(x)\\", "-x", os.fsdecode(b"a\xffb"), "d" * 200])
def test_names_of_directories(desk: Desk, name: str) -> None:
    """Whatever bytes a directory's name has, worktrees agree, and what others are told of it is one short line."""
    app = desk.repo(f"{name}/app")
    tree = desk.worktree(app, f"{name}/tree\n2", "-b", "x")
    young = desk.repo(f"{name}/young", commits=0)
    (desk.root / name / "plain").mkdir()
    assert key(app) == key(tree) == f"root:{desk.first(app)}"
    for one in (app, tree, young, desk.root / name, desk.root / name / "plain"):
        here = look(str(one))
        assert len(here.key.encode()) > 4
        assert here.repo.isprintable()
        assert here.worktree.isprintable()
        assert 0 < len(here.repo) <= REPO_LIMIT
    assert Places().place("x", str(tree), key(app)) == "x"
    assert Places().place("plain/x", str(desk.root / name), key(desk.root / name)) == "plain/x"
    assert key(young) == look(str(young)).here


def test_symlinked(desk: Desk) -> None:
    """A checkout is the same by whatever way one came."""
    app = desk.repo("app")
    (desk.root / "way").symlink_to(app)
    (app / "src").mkdir()
    (desk.root / "in").symlink_to(app / "src")
    assert look(str(desk.root / "way")) == look(str(desk.root / "in")) == look(str(app))


def test_the_git_directory_elsewhere(desk: Desk) -> None:
    """Named by a file, or a symlink."""
    app = desk.repo("app")
    (app / ".git").rename(desk.root / "store")
    (app / ".git").symlink_to(desk.root / "store")
    assert key(app) == f"root:{desk.first(app)}"
    (app / ".git").unlink()
    (app / ".git").write_text(f"gitdir: {desk.root}/store\n")
    assert key(app) == f"root:{desk.first(app)}"


@pytest.mark.parametrize("said", ["", "gitdir: ", "gitdir: ../gone\n", "nonsense", "gitdir: a\0b"])
def test_a_broken_git_file(desk: Desk, said: str) -> None:
    """Makes no repo of a directory."""
    (desk.root / ".git").write_text(said)
    assert key(desk.root) == f"dir:{desk.root}"
    (desk.root / ".git").unlink()
    (desk.root / ".git").mkdir()
    assert key(desk.root) == f"dir:{desk.root}"


def test_variables_of_git(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sidecar that was started by a hook of git's in another repo does not ask about that one."""
    other, app = desk.repo("other", at=3, remote="git.example:other/x"), desk.repo("app")
    for name, value in {
        "GIT_DIR": other / ".git",
        "GIT_WORK_TREE": other,
        "GIT_COMMON_DIR": other / ".git",
        "GIT_OBJECT_DIRECTORY": other / ".git" / "objects",
        "GIT_CEILING_DIRECTORIES": desk.root,
        "GIT_NAMESPACE": "x",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "remote.origin.url",
        "GIT_CONFIG_VALUE_0": REMOTE,
    }.items():
        monkeypatch.setenv(name, str(value))
    (app / "src").mkdir()
    assert key(app / "src") == f"root:{desk.first(app)}"


def test_a_replaced_commit(desk: Desk) -> None:
    """A history that somebody spliced for himself begins where it does for the others."""
    app = desk.repo("app", commits=2)
    before = desk.first(app)
    desk.git(app, "replace", "--graft", "HEAD")
    assert key(app) == f"root:{before}"


# ---------------------------------------------------------------- without git, and with a slow one


def program(path: Path, text: str) -> None:
    """A program in place of git."""
    path.mkdir(exist_ok=True)
    (path / "git").write_text(text)
    (path / "git").chmod(0o755)


def test_no_git(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Worktrees still agree, on this host."""
    app = desk.repo("app", remote=REMOTE)
    tree = desk.worktree(app, "tree", "-b", "x")
    monkeypatch.setenv("PATH", str(desk.root))
    assert key(app) == key(tree) == f"dir:{app}/.git"


@pytest.fixture
def slow(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes git wait, at questions with that word, for a file; its path."""
    real = subprocess.run(
        ["sh", "-c", "command -v git"], capture_output=True, text=True, check=True
    ).stdout.strip()
    monkeypatch.setattr("peermesh.sidecar.checkouts.PATIENCE", 0.5)
    monkeypatch.setattr(where, "_REPOS", Repos())

    def begin(word: str) -> Path:
        go = desk.root / "go"
        wait = f'while [ ! -e "{go}" ]; do sleep 0.01; done'
        program(
            desk.root / "bin", f'#!/bin/sh\ncase " $* " in *" {word} "*) {wait} ;; esac\nexec {real} "$@"\n'
        )
        monkeypatch.setenv("PATH", f"{desk.root / 'bin'}:{os.environ['PATH']}")
        return go

    return begin


@pytest.mark.parametrize("word", ["rev-list", "remote"])
def test_git_is_slow(desk: Desk, slow: Callable[[str], Path], word: str) -> None:
    """The key is for this host at first, without standing still for long; and as it must be when git has answered."""
    app = desk.repo("app", remote=REMOTE if word == "remote" else "")
    tree = desk.worktree(app, "tree", "-b", "x")
    expected = KEY if word == "remote" else f"root:{desk.first(app)}"
    go = slow(word)
    began = time.monotonic()
    here, there = look(str(app)), look(str(tree))
    assert time.monotonic() - began < 3.0
    assert here.key == there.key == f"dir:{app}/.git"
    began = time.monotonic()
    assert not here.stale()
    assert key(app) == here.key
    assert time.monotonic() - began < 0.4, "it is not asked twice"
    go.touch()
    until(here.stale)
    assert key(app) == key(tree) == expected
    assert not look(str(app)).stale()


def test_git_never_answers(desk: Desk, slow: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, and the repo stays this host's own."""
    app = desk.repo("app")
    slow("rev-list")
    here = look(str(app))
    [(process, _)] = where._REPOS._git._running.values()
    monkeypatch.setattr(asking, "LONGEST", 0.0)
    until(here.stale)
    assert key(app) == here.key
    assert process.returncode == -9
    assert not look(str(app)).stale()


def test_many_slow_ones(desk: Desk, slow: Callable[[str], Path]) -> None:
    """Not more than a few run beside the sidecar, and none is left when it ends."""
    apps = [desk.repo(f"app{n}", at=n + 1) for n in range(asking.SIDE + 2)]
    slow("remote")
    for app in apps:
        look(str(app))
    running = [process for process, _ in where._REPOS._git._running.values()]
    assert len(running) == asking.SIDE
    where._REPOS._git.close()
    assert all(one.returncode == -9 for one in running)


def until(check: Callable[[], Any]) -> None:
    """Wait for it."""
    end = time.monotonic() + 10
    while not check():
        assert time.monotonic() < end
        time.sleep(0.01)


# ---------------------------------------------------------------- what changes


def test_nothing_changed(desk: Desk) -> None:
    """What happens in a repo all day makes nothing stale, and git is not asked."""
    app = desk.repo("app")
    tree = desk.worktree(app, "tree", "-b", "x")
    plain = desk.root / "plain"
    plain.mkdir()
    all_of = [look(str(one)) for one in (app, tree, plain)]
    desk.git(tree, "commit", "-q", "--allow-empty", "-m", "more")
    desk.git(app, "checkout", "-q", "-b", "other")
    desk.git(app, "gc", "-q")
    (plain / "x").touch()
    assert [one.stale() for one in all_of] == [False] * 3
    assert not NOWHERE.stale()


def test_git_init_and_the_first_commit(desk: Desk) -> None:
    """Each step of a new repo is noticed, in a worktree's directory as below it."""
    app = desk.root / "app"
    (app / "src").mkdir(parents=True)
    before = look(str(app / "src"))
    assert not before.stale()
    desk.git(app, "init", "-q")
    assert before.stale()
    young = look(str(app / "src"))
    assert (young.key, young.worktree) == (f"dir:{app}/.git", "app")
    assert not young.stale()
    desk.git(app, "checkout", "-q", "-b", "feature/x")
    assert not young.stale()
    desk.git(app, "commit", "-q", "--allow-empty", "-m", "first")
    assert young.stale()
    grown = look(str(app / "src"))
    assert grown.key == f"root:{desk.first(app)}"
    assert grown.here == young.here
    assert not grown.stale()
    (app / ".git").rename(desk.root / "gone")
    assert grown.stale()
    assert key(app / "src") == f"dir:{app}/src"


def test_a_remote_is_added_and_changed(desk: Desk) -> None:
    """Noticed in every worktree, and in clones by path."""
    app = desk.repo("app")
    tree, clone = desk.worktree(app, "tree", "-b", "x"), desk.clone(app, "clone")
    for url, expected in ((REMOTE, KEY), ("git.example:new/place", "remote:git.example/new/place")):
        seen = [look(str(one)) for one in (app, tree, clone)]
        assert not any(one.stale() for one in seen)
        if url == REMOTE:
            desk.git(tree, "remote", "add", "origin", url)
        else:
            desk.git(tree, "remote", "set-url", "origin", url)
        assert all(one.stale() for one in seen)
        assert [key(one) for one in (app, tree, clone)] == [expected] * 3


def test_another_checkout_in_its_place(desk: Desk) -> None:
    """The directory is another worktree's now; and one that was removed under a session stays what it was."""
    app = desk.repo("app")
    tree = desk.worktree(app, "app/trees/x", "-b", "x")
    here = look(str(tree))
    desk.git(app, "worktree", "remove", str(tree))
    assert not here.stale()
    tree.mkdir()
    assert here.stale()
    assert (look(str(tree)).worktree, look(str(tree)).branch) == ("app", "main")


def test_the_branch_is_live(desk: Desk) -> None:
    """Each change is seen at once, and the file is read only then."""
    app = desk.repo("app")
    tree = desk.worktree(app, "tree", "-b", "x")
    here, there = look(str(app)), look(str(tree))
    for branch in ("one", "two", "three/four", "b" * 150):
        desk.git(app, "checkout", "-q", "-b", branch)
        assert here.branch == (branch if len(branch) < 100 else f"{'b' * 99}…")
        assert there.branch == "x"
    desk.git(app, "checkout", "-q", "--detach")
    assert here.branch == desk.git(app, "rev-parse", "HEAD")[:8]
    (app / ".git" / "HEAD").unlink()
    assert here.branch == ""


def test_the_format_reftable(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file HEAD does not tell the branch, git is asked, when its tables changed."""
    app = desk.repo("app")
    said, asked = desk.root / "said", desk.root / "asked"
    program(
        desk.root / "bin",
        f'#!/bin/sh\necho "$3" >>"{asked}"\ncase $3 in symbolic-ref) cat "{said}" ;; rev-parse) echo {"f" * 40} ;; esac\n',
    )
    monkeypatch.setenv("PATH", f"{desk.root / 'bin'}:{os.environ['PATH']}")
    (app / ".git" / "HEAD").write_text("ref: refs/heads/.invalid\n")
    tables = app / ".git" / "reftable" / "tables.list"
    tables.parent.mkdir()
    tables.write_text("1")
    said.write_text("refs/heads/main\n")
    here = look(str(app))
    asked.unlink()
    assert [here.branch, here.branch] == ["main", "main"]
    assert asked.read_text() == "symbolic-ref\n"
    said.write_text("refs/heads/a/b\n")
    tables.write_text("22")
    assert here.branch == "a/b"
    said.unlink()
    tables.write_text("333")
    assert here.branch == "ffffffff"


# ---------------------------------------------------------------- places


def test_places(desk: Desk) -> None:
    """A path has one place in its repo, in whichever checkout it lies, by whatever way it is given."""
    app = desk.repo("app", remote=REMOTE)
    tree = desk.worktree(app, "app/.claude/worktrees/x", "-b", "x")
    clone, other = desk.repo("else/clone", at=7, remote=REMOTE), desk.repo("other", at=9)
    outside = desk.root / "outside"
    outside.mkdir()
    (app / "src").mkdir()
    (desk.root / "way").symlink_to(app)
    (app / "src" / "out").symlink_to(outside)
    (outside / "into").symlink_to(tree)
    (app / "src" / "b.py").symlink_to("../a.py")
    places = Places()
    for path, cwd, expected in [
        (f"{app}/src/a.py", "/", "src/a.py"),
        ("src/a.py", str(app), "src/a.py"),
        ("a.py", f"{app}/src", "src/a.py"),
        ("../a.py", f"{app}/src", "a.py"),
        ("new/dir/a.py", str(app), "new/dir/a.py"),
        (f"{tree}/src/a.py", str(app), "src/a.py"),
        ("src/a.py", str(tree), "src/a.py"),
        (f"{clone}/src/a.py", str(app), "src/a.py"),
        (f"{desk.root}/way/src/a.py", "/", "src/a.py"),
        ("src/b.py", str(app), "a.py"),
        (f"{outside}/into/src/a.py", "/", "src/a.py"),
        (".", str(app), "."),
        ("", str(tree), "."),
        (str(tree), str(app), "."),
        ("~/x", str(app), "~/x"),
        ("a b\n.py", str(app), "a b\n.py"),
        ("src/out/a.py", str(app), None),
        (f"{other}/a.py", str(app), None),
        (f"{outside}/a.py", str(app), None),
        (f"{desk.root}/apples/a.py", str(app), None),
        ("../x", str(app), None),
        (".git/config", str(app), None),
        (".git/worktrees/x/HEAD", str(app), None),
        ("/", "/", None),
        ("a\0b", str(app), None),
        ("\ud800", str(app), None),
        ("x" * 300, str(app), "x" * 300),
        ("x/" * 3_000, str(app), ("x/" * 3_000)[:-1]),
        ("a.py", "", None),
        ("a.py", "relative", None),
    ]:
        assert places.place(path, cwd, KEY) == expected, (path, cwd)


def test_places_of_a_plain_directory(desk: Desk) -> None:
    """Are counted from it, whatever lies below; nothing of a git directory has one."""
    plain = desk.root / "plain"
    (plain / "sub").mkdir(parents=True)
    inner = desk.repo("plain/inner")
    places, mine = Places(), key(plain)
    assert places.place("sub/a.py", str(plain), mine) == "sub/a.py"
    assert places.place("sub", str(plain), mine) == "sub"
    assert places.place(str(plain), "/", mine) == "."
    assert places.place(f"{inner}/a.py", "/", mine) == "inner/a.py"
    assert places.place(f"{inner}/a.py", "/", key(inner)) == "a.py"
    assert places.place(f"{desk.root}/plainer", "/", mine) is None
    assert places.place("/etc/x", "/", "dir:/") == "etc/x"
    young = desk.repo("young", commits=0)
    assert places.place("a.py", str(young), key(young)) == "a.py"
    assert places.place(".git/config", str(young), key(young)) is None
    desk.git(plain, "init", "-q")
    assert places.place("sub/a.py", str(plain), mine) == "sub/a.py", "until the session has looked again"


def test_places_in_a_bare_layout(desk: Desk) -> None:
    """A path beside the worktrees is in the repo's own directory, one inside the bare repo in none."""
    app = desk.repo("app", remote=REMOTE)
    bare = desk.clone(app, "proj/.bare", "--bare")
    (desk.root / "proj" / ".git").write_text("gitdir: ./.bare\n")
    tree = desk.worktree(desk.root / "proj", "proj/main", "main")
    places = Places()
    assert places.place("a.py", str(tree), KEY) == "a.py"
    assert places.place("notes.md", str(desk.root / "proj"), KEY) == "notes.md"
    assert places.place("config", str(bare), KEY) is None


def test_a_repo_made_meanwhile(desk: Desk) -> None:
    """A path is in it at once, and not in it any more when it is gone."""
    app = desk.repo("app")
    places, mine = Places(), key(app)
    assert places.place("lib/a.py", str(app), mine) == "lib/a.py"
    lib = desk.repo("app/lib", at=8)
    assert places.place("lib/a.py", str(app), mine) is None
    assert places.place("lib/a.py", str(app), key(lib)) == "a.py"
    (lib / ".git").rename(desk.root / "gone")
    assert places.place("lib/a.py", str(app), mine) == "lib/a.py"


def test_what_is_remembered_is_bounded(desk: Desk) -> None:
    """Many checkouts do not fill the memory."""
    repos = Repos()
    for n in range(REMEMBERED + 5):
        git_dir = desk.root / f"r{n}" / ".git"
        (git_dir / "objects").mkdir(parents=True)
        (git_dir / "refs").mkdir()
        (git_dir / "HEAD").write_text("ref: refs/heads/main\n")
        assert repos.find(f"{desk.root}/r{n}/a/b") is not None
    assert len(repos._checkouts) == REMEMBERED


def test_how_long_it_takes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place, a branch and a look at what changed run no process once known, and cost microseconds."""
    app = desk.repo("app", remote=REMOTE)
    tree = desk.worktree(app, "app/.claude/worktrees/x", "-b", "x")
    deep = tree / "a" / "b" / "c" / "d" / "e"
    deep.mkdir(parents=True)
    places = Places()
    began = time.perf_counter()
    assert places.place("x.py", str(deep), KEY) == "a/b/c/d/e/x.py"
    first = time.perf_counter() - began
    here = look(str(deep))
    monkeypatch.setenv("PATH", str(desk.root))  # no git from here on
    took = {
        "place": best(lambda: places.place("x.py", str(deep), KEY)),
        "branch": best(lambda: here.branch),
        "stale": best(here.stale),
        "look": best(lambda: look(str(deep))),
    }
    print(f"first {first * 1e3:.1f} ms;", {name: f"{one * 1e6:.0f} µs" for name, one in took.items()})
    assert first < 0.5  # about 5 ms, on a machine that does nothing else
    # With nothing else on the machine: 4, 90, 40 and 80 µs.
    assert took["branch"] < 0.3e-3
    assert max(took.values()) < 1.5e-3
    assert not here.stale()


def best(what: Callable[[], object], rounds: int = 5, times: int = 200) -> float:
    """Seconds that *what* takes when nothing else runs."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(times):
            what()
        found.append((time.perf_counter() - began) / times)
    return min(found)
