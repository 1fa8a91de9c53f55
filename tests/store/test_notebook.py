"""What a session keeps for itself, beyond what test_log.py shows: what is forgotten, and what processes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from peermesh.errors import StoreBroken
from tests.store.boxes import ANN, BOB, CLOCK
from tests.store.logs import REPO, log


def test_who_is_forgotten(tmp_path: Path) -> None:
    """With all that it kept and where it was; nobody else, and nothing of the repo."""
    with log(tmp_path) as store:
        book = store.notebook
        for peer in (ANN, BOB):
            book.state_set(peer, "plan", "ship", CLOCK)
            book.state_set(peer, "", "without a key", CLOCK)
            book.set_told(peer, 7, {"tasks": {}})
        book.set_mode(REPO, "ask")
        book.forget(ANN)
        book.forget("cccccccc")
        assert (book.state_all(ANN), book.state_get(ANN, "plan"), book.told(ANN)) == ([], None, None)
        assert (len(book.state_all(BOB)), book.told(BOB), book.mode(REPO)) == (
            2,
            (7, {"tasks": {}}),
            "ask",
        )


def test_clearing(tmp_path: Path) -> None:
    """One key, all keys, or one that there is not; each peer's own only."""
    with log(tmp_path) as store:
        book = store.notebook
        for key in ("a", "b", "c"):
            book.state_set(ANN, key, key, CLOCK)
            book.state_set(BOB, key, key, CLOCK)
        book.state_clear(ANN, "none")
        book.state_clear(ANN, "b")
        assert [key for key, _, _ in book.state_all(ANN)] == ["a", "c"]
        book.state_clear(ANN)
        assert book.state_all(ANN) == []
        assert len(book.state_all(BOB)) == 3


def test_each_repo_has_its_mode(tmp_path: Path) -> None:
    """And none is taken back by setting another's."""
    with log(tmp_path) as store:
        book = store.notebook
        book.set_mode(REPO, "ask")
        book.set_mode("other", "note")
        book.set_mode("other", "off")
        assert (book.mode(REPO), book.mode("other"), book.mode("third")) == ("ask", "off", "")
        book.set_mode(REPO, "")
        book.set_mode(REPO, "")
        assert (book.mode(REPO), book.mode("other")) == ("", "off")


def test_what_somebody_was_told(tmp_path: Path) -> None:
    """With what it knew then, of which only the last counts; also when the file was closed in between."""
    known = {"tasks": {"k3m9x2ab": ["taken", ANN, True]}, "lost": [["a" * 16, 3]], "é": None}
    with log(tmp_path) as store:
        assert store.notebook.told(ANN) is None
        store.notebook.set_told(ANN, 5, {"tasks": {"old": 1}})
        store.notebook.set_told(ANN, 9, known)
        store.notebook.set_told(BOB, 0, {})
    with log(tmp_path) as store:
        assert (store.notebook.told(ANN), store.notebook.told(BOB)) == ((9, known), (0, {}))


def test_which_repo_was_at_a_place(tmp_path: Path) -> None:
    """The last one; none where none was."""
    with log(tmp_path) as store:
        book = store.notebook
        book.set_repo_at("1:2", "dir:/srv/app")
        book.set_repo_at("1:2", REPO)
        book.set_repo_at("1:3", "other")
        assert [book.repo_at(one) for one in ("1:2", "1:3", "1:4", "")] == [REPO, "other", "", ""]


def test_the_sidecars_of_a_host_share_it(tmp_path: Path) -> None:
    """What one sets another reads, without opening the file anew."""
    with log(tmp_path) as one, log(tmp_path) as two:
        one.notebook.set_mode(REPO, "note")
        one.notebook.state_set(ANN, "plan", "x" * 2_000, CLOCK)
        assert two.notebook.mode(REPO) == "note"
        assert two.notebook.state_all(ANN) == [("plan", "x" * 2_000, CLOCK)]
        two.notebook.state_clear(ANN, "plan")
        assert one.notebook.state_get(ANN, "plan") is None


def test_a_table_that_is_lost(tmp_path: Path) -> None:
    """Each reading and writing says which file is broken."""
    with log(tmp_path) as store:
        book = store.notebook
        for table in ("state", "told", "modes", "places"):
            store._db.execute(f"DROP TABLE {table}")
        for ask in (
            lambda: book.state_set(ANN, "plan", "ship", CLOCK),
            lambda: book.state_get(ANN, "plan"),
            lambda: book.state_all(ANN),
            lambda: book.state_clear(ANN),
            lambda: book.told(ANN),
            lambda: book.set_told(ANN, 1, {}),
            lambda: book.forget(ANN),
            lambda: book.mode(REPO),
            lambda: book.set_mode(REPO, "ask"),
            lambda: book.set_mode(REPO, ""),
            lambda: book.repo_at("1:2"),
            lambda: book.set_repo_at("1:2", REPO),
        ):
            with pytest.raises(StoreBroken, match=r"log\.db"):
                ask()
