"""What users tell: two sessions on one repo meet before the conflict, share what they find, and forget nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .api import Api
from .home import Home, until
from .model import Request, bash, say, use
from .product import Product
from .terminal import Session

pytestmark = pytest.mark.claude

STYLE = "src/admin/dashboard.css"
BEFORE = "body { color: black; }\n"


def commit(repo: Path) -> None:
    """The file that both sessions want."""
    (repo / "src/admin").mkdir(parents=True)
    (repo / STYLE).write_text(BEFORE)
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "A dashboard")


def git(repo: Path, *words: str) -> None:
    """Run git in *repo*."""
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(repo), *who, *words], check=True, capture_output=True, timeout=30)


@pytest.fixture
def worktree(home: Home, repo: Path) -> Path:
    """A second checkout of the repo, on a branch of its own."""
    commit(repo)
    path = home.path / "restyle"
    git(repo, "worktree", "add", "-q", "-b", "restyle", str(path))
    home.trust(path)
    return path


def edit(checkout: Path, colour: str) -> object:
    """A model's edit of the style sheet."""
    return use("Write", file_path=str(checkout / STYLE), content=f"body {{ color: {colour}; }}\n")


def does(product: Product, api: Api, session: Session, words: str, *turns: object) -> Request:
    """A person types *words*, the model does *turns* and says "ok"; the last request of that turn."""
    api.script(session.name, *turns, say(f"that was: {words}"))  # type: ignore[arg-type]
    before = api.last(session.name)
    session.submit(words)
    session.wait_screen(f"that was: {words}")
    product.wait_idle(session)
    return [one for one in api.requests(session.name) if one.number > before][-1]


def test_warned_before_the_edit(product: Product, api: Api, repo: Path, worktree: Path) -> None:
    """B, in a worktree, is told who holds the file before its edit is done; the second try passes."""
    a, b = product.session("a", cwd=repo), product.session("b", cwd=worktree)
    does(product, api, a, "claim it", bash(f"peer claim {STYLE} --why 'new admin colours'"))
    read = use("Read", file_path=str(worktree / STYLE))
    warned = does(product, api, b, "restyle", read, edit(worktree, "red"))
    assert f'peer: "{STYLE}" is held by the session a (branch "main", since' in warned.news()
    assert 'its words: "new admin colours". Ask it first' in warned.news()
    assert 'peer ask a "…"' in warned.news()
    assert (worktree / STYLE).read_text() == BEFORE
    does(product, api, b, "all the same", edit(worktree, "red"))
    assert "red" in (worktree / STYLE).read_text()
    does(product, api, a, "claim anew", bash(f"peer release --all; peer claim {STYLE}"))
    # Twice in one turn: the first is turned back, and what the model does after that passes.
    does(product, api, b, "now green", edit(worktree, "green"), edit(worktree, "green"))
    assert "green" in (worktree / STYLE).read_text()
    assert "is held by" not in does(product, api, b, "again", edit(worktree, "blue")).news()
    assert "blue" in (worktree / STYLE).read_text()


def test_an_edit_is_seen_by_the_others(product: Product, api: Api, repo: Path, worktree: Path) -> None:
    """What A edited is in the list, and B that edits the same is told with its edit, which is done."""
    a, b = product.session("a", cwd=repo), product.session("b", cwd=worktree)
    does(product, api, a, "edit", use("Read", file_path=str(repo / STYLE)), edit(repo, "green"))
    until(
        lambda: [f["path"] for f in product.row(a).get("files", [])] == [STYLE], 8.0, "A's edit in the list"
    )
    read = use("Read", file_path=str(worktree / STYLE))
    noted = does(product, api, b, "restyle", read, edit(worktree, "red"))
    assert f'the session a edited "{STYLE}" on branch "main"' in noted.news()
    assert "red" in (worktree / STYLE).read_text()


def test_notes_and_discoveries_arrive(product: Product, api: Api, repo: Path, worktree: Path) -> None:
    """A's note is in B's next turn and woke nobody; B's discovery about A's file wakes A."""
    a, b = product.session("a", cwd=repo), product.session("b", cwd=worktree)
    does(product, api, a, "edit", use("Read", file_path=str(repo / STYLE)), edit(repo, "green"))
    product.turn(b, "first words")
    does(product, api, a, "note", bash("peer note 'the colours live in theme.css from now on'"))
    asked = api.last("b")
    heard = product.turn(b, "next words")
    assert "note by a" in heard.news()
    assert "the colours live in theme.css from now on" in heard.news()
    assert heard.number == asked + 1  # nothing woke it in between
    assert "theme.css" not in product.turn(b, "quiet words").news()
    does(product, api, b, "tell", bash("peer note --discovery 'dashboard.css is generated: edit the scss'"))
    woken = api.wait_for_text("a", "dashboard.css is generated", 15.0)
    assert "discovery from b" in woken.news()


def test_compaction_forgets_nothing(product: Product, api: Api, repo: Path, worktree: Path) -> None:
    """After /compact B still knows its state, its tasks, its claims and the question that it owes an answer to."""
    product.session("a", cwd=repo)
    b = product.session("b", cwd=worktree)
    commands = (
        "peer state set plan 'first the header, then the footer'",
        f"peer claim {STYLE} --why 'restyling'",
        "peer task take $(peer task add 'restyle the footer' --json | sed -n 's/.*\"full\": \"\\([a-z0-9]*\\)\".*/\\1/p')",
    )
    does(product, api, b, "prepare", *map(bash, commands))
    product.send("b", "which branch is yours?", "--kind", "question")
    api.wait_for_text("b", "which branch is yours?")
    product.wait_idle(b)
    b.submit("/compact")
    b.wait_screen("Compacted")
    product.wait_idle(b)
    told = product.turn(b, "go on").text()
    assert 'You are "b" in peer' in told
    assert "Your state: plan: first the header, then the footer" in told
    assert '"restyle the footer"' in told
    assert f"Your claims: {STYLE}" in told
    assert "which branch is yours?" in told.partition("You owe an answer")[2]
