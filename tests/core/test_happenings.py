"""What a feed tells of events: each in words, with what earlier ones said of the same thing."""

from __future__ import annotations

from typing import Any

import pytest

from peermesh.core.events import Event, task_id
from peermesh.core.happenings import REMEMBERED, Happening, Telling

from .said import Host


def told(*events: Event) -> list[Happening]:
    """All that there is to tell of *events*."""
    telling = Telling()
    return [one for event in events for one in telling.of(event)]


def short(*events: Event) -> list[tuple[str, str, str, str]]:
    """The same in short: kind, state, path, text."""
    return [(one.kind, one.state, one.path, one.text) for one in told(*events)]


def test_claims_are_told_by_their_paths() -> None:
    """A renewal and a release name the path that the claim did, one for each claim."""
    host = Host()
    one, two = host.claim("a", "src/"), host.claim("a", "docs/")
    renewed = host.renew("a", one, 5.0, 60.0, why="longer")
    released = host.release("a", one, two, at=9.0)
    assert short(one, two, renewed, released) == [
        ("claim", "held", "src/", ""),
        ("claim", "held", "docs/", ""),
        ("claim", "renewed", "src/", "longer"),
        ("release", "released", "src/", ""),
        ("release", "released", "docs/", ""),
    ]
    assert short(renewed) == []  # of a claim that is not known


def test_claims_of_two_hosts_are_two() -> None:
    """The same number in another log is another claim."""
    here, there = Host("a"), Host("b")
    mine, theirs = here.claim("a", "src/"), there.claim("b", "web/")
    assert [one.path for one in told(mine, theirs, there.release("b", theirs))] == ["src/", "web/", "web/"]
    assert told(theirs)[0].host_key == "b" * 64


def test_an_end() -> None:
    """A session that died, and one that said goodbye."""
    host = Host()
    events = host.gone("a", died=True, why="a ended without a goodbye"), host.gone("b", why="b ended")
    assert short(*events) == [
        ("release", "died", "", "a ended without a goodbye"),
        ("release", "ended", "", "b ended"),
    ]


def test_tasks_are_told_by_their_titles() -> None:
    """Every step names the task, with the reason and whom it goes to."""
    host = Host()
    made = host.say("task", "a", title="move the API", after=[])
    one = task_id(made.id)
    take = host.say("take", "a", task=one, to="b" * 8, to_name="b")
    word = host.say("verdict", "a", task=one, take=[take.id.log, take.id.n], granted=False, why="taken")
    done = host.say("done", "b", task=one, why="merged")
    found = told(made, take, word, done)
    assert [(each.id, each.state, each.text, each.to) for each in found] == [
        (one, "open", "move the API", ""),
        (one, "taken", "move the API", "b"),
        (one, "refused", "move the API: taken", ""),
        (one, "done", "move the API: merged", ""),
    ]


def _job(host: Host, state: str, **more: Any) -> Event:
    data = {"job": "k3m9x2", "name": "build", "cmd": "npm run build", "state": state, "code": None}
    return host.say("job", "a", **{**data, "signal": "", "seconds": 0.0, "line": "", **more})


def test_a_job_is_told_twice() -> None:
    """Its start and its end, and not how far it is in between."""
    host = Host()
    events = [
        _job(host, "running"),
        _job(host, "running", line="50 %"),
        _job(host, "ended", code=1, seconds=192.0),
    ]
    assert [(one.state, one.what, one.text) for one in told(*events)] == [
        ("running", "", "build (npm run build)"),
        ("ended", "failed", "exit 1 after 3 min: build (npm run build)"),
    ]


@pytest.mark.parametrize(
    ("more", "text", "what"),
    [
        ({"signal": "SIGSEGV"}, "SIGSEGV after 2 s: build (npm run build)", "failed"),
        ({"code": 0}, "done after 2 s: build (npm run build)", "fine"),
        ({}, "ended after 2 s: build (npm run build)", "unknown"),
        ({"state": "lost"}, "lost after 2 s: build (npm run build)", "failed"),
        ({"code": 0, "cmd": ""}, "done after 2 s: build", "fine"),
        ({"code": 0, "cmd": "build"}, "done after 2 s: build", "fine"),
        (
            {"code": 3, "name": "sh -c 'cd…", "cmd": "sh -c 'cd x'"},
            "exit 3 after 2 s: sh -c 'cd x'",
            "failed",
        ),
    ],
)
def test_how_a_job_ended_comes_first(more: dict[str, Any], text: str, what: str) -> None:
    """And its command last, once."""
    (one,) = told(_job(Host(), **{"state": "ended", "seconds": 2.0, **more}))
    assert (one.text, one.what) == (text, what)


def test_what_a_later_version_says_is_passed_over() -> None:
    """Kinds that are not known are not told of."""
    assert told(Host().say("dance", "a", x=1)) == []


def test_memory_is_bounded() -> None:
    """Of the claims that were heard of long ago the paths are forgotten."""
    host, telling = Host(), Telling()
    first = host.claim("a", "src/0")
    for event in (first, *(host.claim("a", f"src/{n}") for n in range(1, REMEMBERED + 1))):
        telling.of(event)
    assert [one.path for one in telling.of(host.release("a", first))] == [""]
