"""The picture of a repo, as one sidecar of several sees it: always whole, and made only of what is new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from peermesh.core.events import Draft, What
from peermesh.core.words import Card
from peermesh.errors import StoreBroken
from peermesh.sidecar.shared import Shared
from peermesh.store.log import LogStore

REPO, CLOCK = "dir:/srv/app", 1_000_000.0
ANN = Card(id="aaaaaaaa", name="ann", host="h", repo="app", repo_key=REPO)


class Reads:
    """Counts the times that the log is asked for events."""

    def __init__(self, shared: Shared) -> None:
        self.count, self._each = 0, shared.log.each
        shared.log.each = self._ask  # type: ignore[method-assign]

    def _ask(self, *some: Any) -> Any:
        self.count += 1
        return self._each(*some)


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Shared]:
    """One sidecar's view."""
    known = SimpleNamespace(card=ANN, hidden=lambda: False, hides=lambda _: False, poke=lambda: None)
    with closing(Shared(LogStore(str(tmp_path)), cast("Any", known))) as shared:
        yield shared


def note(text: str) -> Draft:
    """Something that is said."""
    return Draft(by=ANN.id, name="ann", repo=REPO, kind=What.NOTE, data={"text": text})


def test_asked_for_often_it_is_read_once(mine: Shared) -> None:
    """As long as nothing is said, here or elsewhere."""
    reads = Reads(mine)
    for _ in range(10):
        mine.picture(REPO)
    assert reads.count == 1


def test_what_another_process_says_is_in_it(mine: Shared, tmp_path: Path) -> None:
    """Each time that it does."""
    with closing(LogStore(str(tmp_path))) as other:
        for count in range(1, 4):
            other.say(note(str(count)), CLOCK)
            assert mine.log.count(REPO) == count
            assert mine.picture(REPO) is mine.picture(REPO)
            assert mine._kept[REPO].seq == mine.log.last_seq()


def rested(root: Path) -> None:
    """Nobody has written for a while."""
    for end in ("", "-wal"):
        os.utime(root / f"log.db{end}", (CLOCK, CLOCK))


def test_a_log_in_which_nothing_is_written_is_not_asked(
    mine: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its journal's time tells enough, once that is long ago."""
    assert mine.changed()
    rested(tmp_path)
    assert not mine.changed()
    asked: list[int] = []
    revision = mine.log.revision
    monkeypatch.setattr(mine.log, "revision", lambda: [asked.append(1), revision()][1])
    for _ in range(10):
        assert not mine.changed()
    assert not asked


def test_whatever_is_written_is_a_change(mine: Shared, tmp_path: Path) -> None:
    """By another process or this one; soon after another write, and after a rest."""
    with closing(LogStore(str(tmp_path))) as other:
        mine.changed()
        for round_ in range(6):
            if round_ % 2:
                rested(tmp_path)
                assert not mine.changed()
            (other if round_ % 3 else mine.log).say(note(str(round_)), CLOCK)
            assert mine.changed()
            assert not mine.changed()


def test_a_log_that_could_not_be_asked_is_asked_again(
    mine: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came while it could not is not taken for seen."""
    mine.changed()
    mine.log.say(note("one"), CLOCK)
    rested(tmp_path)

    def busy() -> object:
        raise StoreBroken("locked")

    with monkeypatch.context() as patched:
        patched.setattr(mine.log, "revision", busy)
        with pytest.raises(StoreBroken):
            mine.changed()
    assert mine.changed()


def test_a_log_that_was_taken_away_is_noticed(mine: Shared, tmp_path: Path) -> None:
    """Though its journal stands there as before."""
    rested(tmp_path)
    mine.changed()
    os.rename(tmp_path / "log.db", tmp_path / "elsewhere")
    assert mine.changed()
    assert (tmp_path / "log.db").exists()


def test_what_this_one_says_is_in_it(mine: Shared) -> None:
    """Though the file's own number of changes by others stays."""
    for count in range(1, 4):
        mine.picture(REPO)
        mine.say(REPO, What.NOTE, {"text": str(count)})
        mine.picture(REPO)
        assert mine._kept[REPO].seq == mine.log.last_seq()
