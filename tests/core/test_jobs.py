"""Jobs as hosts tell of them: the newest word on each, in whatever order it is heard, and for how long."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from peermesh.core import jobs
from peermesh.core.events import Event, task_id
from peermesh.core.jobs import ENDED, JOBS, LOST, RUNNING, SHOWN, SILENT
from peermesh.core.news import news, scene
from peermesh.core.words import Card
from peermesh.hooks import recap
from tests.core.said import REPO, Host, picture

NOW = 10 * 86_400.0


def word(host: Host, job: str = "k3m9x2", state: str = RUNNING, at: float = NOW, **more: Any) -> Event:
    """What *host* says of a job of its session b."""
    said = {"name": "build", "cmd": "make", "code": None, "signal": "", "seconds": 1.0, "line": "", **more}
    return host.say("job", "b", at, job=job, state=state, **said)


def test_the_newest_word_counts() -> None:
    """In whatever order what was said of a job is heard, and heard again."""
    host = Host("b")
    said = [word(host), word(host, line="half"), word(host, state=ENDED, code=1, seconds=9.0, branch="main")]
    for order in itertools.permutations(said):
        (seen,) = picture(*order, *order).jobs(NOW + 1.0)
        assert (seen.id, seen.state, seen.code, seen.seconds, seen.line) == ("k3m9x2", ENDED, 1, 9.0, "")
        assert (seen.by, seen.by_name, seen.host_key, seen.branch) == (
            "b" * 8,
            "session-b",
            "b" * 64,
            "main",
        )
        assert (seen.name, seen.cmd, seen.signal, seen.at, seen.ended) == ("build", "make", "", NOW, True)
    (first,) = picture(*said[:2]).jobs(NOW)
    assert (first.ended, first.line) == (False, "half")


def test_hosts_count_apart() -> None:
    """Two hosts may call a job of theirs the same."""
    one, other = Host("b"), Host("c")
    seen = picture(word(one), word(other, state=LOST)).jobs(NOW)
    assert sorted((job.host_key[0], job.state) for job in seen) == [("b", RUNNING), ("c", LOST)]


@pytest.mark.parametrize(("state", "life"), [(RUNNING, SILENT), (ENDED, SHOWN), (LOST, SHOWN)])
def test_how_long_it_is_shown(state: str, life: float) -> None:
    """One that ended for a day; one that runs, as long as its host says something once a week."""
    host = Host("b")
    seen = picture(word(host, at=NOW - 1.0), word(host, state=state))
    last = {host.said[-1].id}
    assert len(seen.jobs(NOW + life - 1.0)) == 1
    assert seen.needed(NOW + life - 1.0) == last
    assert seen.jobs(NOW + life) == []
    assert seen.needed(NOW + life) == set()


def test_forgetting_shows_the_same() -> None:
    """What is not needed can go; what was heard before it changes nothing any more."""
    host = Host("b")
    said = [word(host), word(host, line="x"), word(host, "m" * 6, ENDED, at=NOW - SHOWN), word(host, "n" * 6)]
    seen = picture(*said)
    before = seen.jobs(NOW)
    seen.prune(NOW)
    seen.add(said[0])
    assert seen.jobs(NOW) == before
    assert [job.id for job in before] == ["k3m9x2", "n" * 6]
    seen.add(word(host, state=ENDED, code=0))
    assert [(job.id, job.state) for job in seen.jobs(NOW)] == [("n" * 6, RUNNING), ("k3m9x2", ENDED)]


@pytest.mark.parametrize("backwards", [False, True])
def test_the_newest_ones_are_kept(monkeypatch: pytest.MonkeyPatch, *, backwards: bool) -> None:
    """A host that says too much of too many is heard of its newest, whatever comes first."""
    assert JOBS >= 1_000
    monkeypatch.setattr(jobs, "JOBS", 5)
    host = Host("b")
    said = [word(host, f"aaaa{n // 10}{n % 10}") for n in range(40)] + [word(host, "aaaa00", ENDED)]
    seen = picture(*(reversed(said) if backwards else said))
    assert [job.id for job in seen.jobs(NOW)] == ["aaaa36", "aaaa37", "aaaa38", "aaaa39", "aaaa00"]
    assert len(seen._jobs._newest) <= 10
    assert len(seen.needed(NOW)) == 5


def test_a_task_that_mine_waits_for_came_back() -> None:
    """Whoever had it died: who waits for it is told so, once."""
    host = Host()
    task = host.task("a", "the interface")
    mine = host.task("a", "its tests", task)
    host.take("b", task)
    host.take("a", mine)
    me, seen = Card(id="a" * 8, name="a", host="desk", repo_key=REPO), picture(*host.said)
    before = scene(me, {}, seen, NOW)
    seen.add(host.gone("b", NOW, died=True, why="session-b ended without a goodbye"))
    after, board = scene(me, {}, seen, NOW), {one.id: one for one in seen.board.tasks()}
    told = news(me, before, after, board, [])
    assert [one.id for one in told.returned] == [task_id(task.id)]
    assert not news(me, after, scene(me, {}, seen, NOW), board, [])
    words = recap.news(told, me, lambda one: one.name, lambda one: one[:4], NOW)
    assert (
        f'- task {task_id(task.id)[:4]} "the interface", for which yours waits, is back on the board: nobody has it'
        " (session-b ended without a goodbye)" in words
    )
