"""A log of many events is compacted in small steps: bounded rows each, and the same picture at any moment."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peermesh.core.events import Draft, EventId, task_id
from peermesh.core.picture import Picture
from peermesh.sidecar.shared import COMPACT_AT, Shared
from peermesh.store.compaction import ROWS
from peermesh.store.log import LogStore
from tests.store.boxes import CLOCK
from tests.store.logs import LAP, REPO, log, say, texts

MANY = 2_000
LONG = os.environ.get("PEER_TEST") == "long"
NOW = CLOCK + 4_000.0
NOTES = 2


def view(store: LogStore, now: float = NOW) -> dict[str, Any]:
    """What a sidecar that starts just now sees of the repo."""
    picture = Picture(NOTES)
    for _, event in store.since(REPO, 0):
        picture.add(event)
    return {
        "claims": {(one.id, one.by, one.path, one.until) for one in picture.claims.live(now)},
        "tasks": {(one.id, one.title, one.state, one.owner) for one in picture.board.tasks()},
        "notes": [one.id for one in picture.notes()],
        "edits": {one.id for one in picture.edits(now)},
    }


def needed(store: LogStore, now: float = NOW) -> set[EventId]:
    """What the picture of all stands on."""
    picture = Picture(NOTES)
    for _, event in store.since(REPO, 0):
        picture.add(event)
    return picture.needed(now)


def test_steps_are_bounded(tmp_path: Path) -> None:
    """No step looks at more rows than it may; readers are told to begin anew once, behind the last."""
    with log(tmp_path) as store:
        said = say_many(store, MANY)
        before, gone = store.generation(), [0]
        for count in store.compacting(REPO, {said[-1]}, store.last_seq(), rows=100):
            if count < MANY - 1 or gone[-1] < MANY - 1:
                assert store.generation() == before
            gone.append(count)
        steps = [b - a for a, b in pairwise(gone)]
        assert (max(steps), sum(steps)) == (100, MANY - 1)
        assert len(steps) >= MANY // 100
        assert store.generation() == before + 1
        assert len(texts(store)) == 1


def say_many(store: LogStore, count: int) -> list[EventId]:
    """So many notes."""
    with store.writing() as writer:
        drafts = [
            Draft(by="aaaaaaaa", name="ann", repo=REPO, kind="note", data={"text": str(n)})
            for n in range(count)
        ]
        return [writer.say(draft, CLOCK).id for draft in drafts]


def test_a_death_in_the_middle(tmp_path: Path) -> None:
    """What is left goes with the next compaction, and then other hosts hear of all of it."""
    with log(tmp_path) as store, log(tmp_path / "other", 0xB0) as other:
        said = say(store, *map(str, range(10)))
        other.take_in(LAP, store.tell(0))
        work = store.compacting(REPO, {said[-1].id}, store.last_seq(), rows=3)
        assert [next(work), next(work)] == [3, 6]
        work.close()  # type: ignore[attr-defined]
        assert store.tell(10).kept is None
        assert texts(store) == ["6", "7", "8", "9"]
        assert store.compact(REPO, {said[-1].id}, store.last_seq()) == 3
        assert store.tell(10).kept == (10,)
        other.take_in(LAP, store.tell(10))
        assert texts(other) == texts(store) == ["9"]


def test_a_lost_file_ends_it(tmp_path: Path) -> None:
    """A log that was set aside in the middle: nothing of the new one is deleted."""
    with log(tmp_path) as store:
        say(store, *map(str, range(10)))
        work = store.compacting(REPO, set(), store.last_seq(), rows=3)
        next(work)
        for end in ("", "-wal", "-shm"):
            (tmp_path / f"log.db{end}").unlink(missing_ok=True)
        store.revision()
        again = say(store, *map(str, range(10)))
        assert store.id == again[0].id.log
        for _ in work:
            pass
        assert len(texts(store)) == 10


acts = st.lists(
    st.tuples(
        st.sampled_from(
            ["note", "edit", "claim", "release", "gone", "task", "take", "done", "reopen", "drop"]
        ),
        st.integers(0, 2),
        st.integers(0, 3),
        st.sampled_from([0.0, 100.0, 2_000.0, 8 * 86_400.0]),
    ),
    min_size=4,
    max_size=30,
)


@settings(max_examples=2_000 if LONG else 20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts, st.integers(1, 4))
def test_the_same_picture_at_any_moment(told: list[tuple[str, int, int, float]], rows: int) -> None:
    """Whoever looks between two steps, or after a death there, sees what was seen before the first."""
    with TemporaryDirectory(prefix="peer-test-") as root, log(Path(root)) as store:
        now = CLOCK
        made: dict[str, list[EventId]] = {"claim": [], "task": []}
        for kind, by, which, pause in told:
            now += pause
            data = _data(kind, which, made)
            if data is not None:
                event = store.say(Draft(by="abc"[by] * 8, name="n", repo=REPO, kind=kind, data=data), now)
                made.setdefault(kind, []).append(event.id)
        before = view(store, now)
        for _ in store.compacting(REPO, needed(store, now), store.last_seq(), rows=rows):
            assert _lasting(view(store, now)) == _lasting(before)


def _lasting(seen: dict[str, Any]) -> dict[str, Any]:
    """A compaction may forget tasks that were closed long ago."""
    return {**seen, "tasks": {one for one in seen["tasks"] if one[2] not in ("done", "dropped")}}


def _data(kind: str, which: int, made: dict[str, list[EventId]]) -> dict[str, Any] | None:
    """What an event of that kind says; ``None`` if there is nothing to say it of."""
    path = f"src/{which}.py"
    if kind in ("release", "take", "done", "reopen", "drop"):
        known = made["claim" if kind == "release" else "task"]
        if not known:
            return None
        one = known[which % len(known)]
        if kind == "release":
            return {"claims": [one.n]}
        task = {"task": task_id(one)}
        return {**task, "to": "abc"[which % 3] * 8, "to_name": "n"} if kind == "take" else {**task, "why": ""}
    return {
        "note": {"text": path, "discovery": False, "paths": [], "sent": []},
        "edit": {"path": path, "branch": "main"},
        "claim": {"path": path, "why": "", "lease": 1_800, "branch": "main", "over": []},
        "gone": {"died": bool(which % 2), "why": ""},
        "task": {"title": path, "after": []},
    }[kind]


def test_the_keeper_gives_others_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its look through a log that has grown is cut up, too, and what cannot be is given out."""
    pages: list[int] = []
    with log(tmp_path) as store:
        say_many(store, 4 * COMPACT_AT)
        real = store.pages

        def counted(repo: str, rows: int = ROWS) -> Any:
            for seq, events in real(repo, rows):
                pages.append(len(events))
                yield seq, events

        monkeypatch.setattr(store, "pages", counted)
        shared = Shared(store, SimpleNamespace(card=SimpleNamespace(repo_key=REPO)))  # type: ignore[arg-type]
        steps: list[Callable[[], object] | None] = []
        for work in shared.tidying():
            steps.append(work)
            if work is not None:
                work()
        assert max(pages) == ROWS
        assert len(steps) >= 2 * 4 * COMPACT_AT // ROWS
        assert sum(one is not None for one in steps) == 1
        assert store.count(REPO) == 1_000
        assert list(shared.tidying()) == []  # it has not grown since
