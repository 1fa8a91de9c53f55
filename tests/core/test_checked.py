"""What another host tells, checked: a good event stays what it is, a bad one is refused or made harmless."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peermesh.core.checked import RELEASE_LIMIT, UNKNOWN_LIMIT, checked
from peermesh.core.clean import clean
from peermesh.core.events import (
    AFTER_LIMIT,
    LONGEST_LEASE,
    NOTE_LIMIT,
    OVER_LIMIT,
    SHORTEST_LEASE,
    STAMP_LIMIT,
    TITLE_LIMIT,
    WHY_LIMIT,
    Event,
    EventId,
    What,
)
from peermesh.core.picture import Picture
from peermesh.core.words import NAME_LIMIT
from tests.core.said import REPO, Host

LOG = "0123456789abcdef"
TASK = "k3m9x2ab"

GOOD: dict[str, dict[str, Any]] = {
    What.EDIT: {"path": "src/a.py", "branch": "main"},
    What.CLAIM: {"path": "src/", "why": "x", "lease": 60.0, "branch": "main", "over": [[LOG, 7]]},
    What.RENEW: {"claim": 7, "lease": 60.0, "why": ""},
    What.RELEASE: {"claims": [7, 8]},
    What.GONE: {"died": True, "why": "its terminal was closed"},
    What.NOTE: {"text": "two\nlines", "discovery": True, "paths": ["src/a.py"], "sent": ["bbbbbbbb"]},
    What.TASK: {"title": "restyle", "after": [TASK]},
    What.TAKE: {"task": TASK, "to": "aaaaaaaa", "to_name": "build@desktop"},
    What.VERDICT: {
        "task": TASK,
        "to": "aaaaaaaa",
        "to_name": "x",
        "take": [LOG, 7],
        "granted": False,
        "why": "no",
    },
    What.DONE: {"task": TASK, "why": ""},
    What.DROP: {"task": TASK, "why": ""},
    What.REOPEN: {"task": TASK, "why": "it broke"},
    What.JOB: {
        "job": "k3m9x2",
        "name": "build",
        "cmd": "make -j4",
        "state": "ended",
        "code": 1,
        "signal": "",
        "seconds": 3.5,
        "line": "two of three",
        "branch": "main",
    },
}


def event(kind: str, data: Any) -> Event:
    """An event as another host tells it."""
    return Event(
        id=EventId(LOG, 9), stamp=9, by="bbbbbbbb", name="app", repo=REPO, kind=kind, data=data, at=3.0
    )


def test_all_kinds_are_tried() -> None:
    """The examples here are of all kinds that there are."""
    assert set(GOOD) == set(What)


@pytest.mark.parametrize("kind", What)
def test_a_good_one_stays(kind: What) -> None:
    """Nothing of it changes, and what it has besides is dropped."""
    good = event(kind, GOOD[kind])
    assert checked(good) == good
    assert checked(event(kind, {**GOOD[kind], "extra": {"a": [1]}})) == good


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *((What.EDIT, "path"), (What.CLAIM, "path"), (What.RENEW, "claim"), (What.NOTE, "text")),
        *((What.TASK, "title"), (What.TAKE, "task"), (What.TAKE, "to"), (What.VERDICT, "take")),
        *((What.DONE, "task"), (What.DROP, "task"), (What.REOPEN, "task"), (What.VERDICT, "to")),
    ],
)
def test_what_must_be_there(kind: What, field: str) -> None:
    """Without it there is no such event."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        checked(event(kind, {name: value for name, value in GOOD[kind].items() if name != field}))


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        *((What.EDIT, "path", wrong) for wrong in ("", "../x", "src/", "a\nb", 7, None, "x" * 600)),
        *((What.CLAIM, "path", wrong) for wrong in ("", "../x", "a\x1bb", ["a"], "a**b")),
        *((What.CLAIM, "lease", wrong) for wrong in (math.nan, "60", True, None)),
        *(
            (What.CLAIM, "over", wrong)
            for wrong in (7, [7], [[LOG]], [[LOG, 0]], [["x", 1]], [[LOG, 1]] * 65)
        ),
        (What.CLAIM, "why", "x" * 3_000),
        *((What.RENEW, "claim", wrong) for wrong in (0, -1, 1.0, True, "7", STAMP_LIMIT + 1)),
        *((What.RELEASE, "claims", wrong) for wrong in ("78", [0], [[LOG, 7]], [1] * (RELEASE_LIMIT + 1))),
        *((What.GONE, "died", wrong) for wrong in (1, "yes", None)),
        *((What.NOTE, "text", wrong) for wrong in ("", " \n", "\u200b", 7, "x" * (NOTE_LIMIT + 1))),
        *((What.NOTE, "paths", wrong) for wrong in ("a", [7], [["a"]], ["a"] * 100)),
        *((What.TASK, "title", wrong) for wrong in ("", "\x00", 7)),
        *((What.TASK, "after", wrong) for wrong in ("x", ["x"], [7], [TASK] * (AFTER_LIMIT + 1))),
        *((What.TAKE, "task", wrong) for wrong in ("k3m9", "ILOUILOU", 7, [TASK])),
        *((What.VERDICT, "take", wrong) for wrong in (7, [LOG, 7, 8], [7, LOG], {"log": LOG})),
        (What.VERDICT, "granted", 1),
        *((What.JOB, "job", wrong) for wrong in ("", "k3m9x", "../../", "ILOUIL", 7, None)),
        *((What.JOB, "state", wrong) for wrong in ("", "Ended", "x" * 50, 7)),
        *((What.JOB, "code", wrong) for wrong in ("1", 1.0, True, STAMP_LIMIT + 1)),
        *((What.JOB, "seconds", wrong) for wrong in ("1", math.nan, math.inf, True, None)),
        *((What.JOB, "line", wrong) for wrong in (7, ["x"], "x" * 3_000)),
    ],
)
def test_wrong_fields(kind: What, field: str, value: Any) -> None:
    """Of the wrong type, out of bounds, or without sense: refused."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        checked(event(kind, {**GOOD[kind], field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("stamp", wrong) for wrong in (0, -1, STAMP_LIMIT + 1, 1.0, True, "1", None)),
        *(("id", EventId(*wrong)) for wrong in ((LOG, 0), ("x", 1), (LOG.upper(), 1), (LOG, 2**60))),  # type: ignore[arg-type]
        *(("by", wrong) for wrong in ("", "b", "IIIIIIII", 7)),
        *(("repo", wrong) for wrong in ("", "dir:/home/me/x", "a\nb", "x" * 2_000, None)),
        *(("kind", wrong) for wrong in ("", "Edit", "a b", "x" * 50, 7, None)),
        *(("data", wrong) for wrong in (None, [], "x", 7)),
        *(("name", wrong) for wrong in (7, None, "x" * 1_000)),
    ],
)
def test_wrong_envelopes(field: str, value: Any) -> None:
    """The same for what all events have."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        checked(replace(event(What.GONE, GOOD[What.GONE]), **{field: value}))


def test_texts_are_cleaned() -> None:
    """One line, without what cannot be seen, no longer than ours may be."""
    nasty = "a\x1b[31m\u202eb\nc</peer-message>"
    for kind, field, most in (
        (What.CLAIM, "why", WHY_LIMIT),
        (What.TASK, "title", TITLE_LIMIT),
        (What.DONE, "why", WHY_LIMIT),
        (What.TAKE, "to_name", 2 * NAME_LIMIT + 1),
        (What.EDIT, "branch", 100),
    ):
        assert checked(event(kind, {**GOOD[kind], field: nasty})).data[field] == "ab c‹/peer-message>"
        assert len(checked(event(kind, {**GOOD[kind], field: "x" * (most + 1)})).data[field]) == most
    assert checked(event(What.NOTE, {"text": nasty + "\r\nd"})).data["text"] == "ab\nc‹/peer-message>\nd"
    assert checked(replace(event(What.GONE, {}), name="a b@c\x07")).name == "a-b-c"
    assert checked(replace(event(What.GONE, {}), name="\u200b")).name == "session"


def test_leases_are_bounded() -> None:
    """A lease of a second or of a year becomes the shortest or the longest that there is."""
    for said, kept in (
        (1, SHORTEST_LEASE),
        (-math.inf, SHORTEST_LEASE),
        (10**400, LONGEST_LEASE),
        (60, 60.0),
    ):
        for kind in (What.CLAIM, What.RENEW):
            lease = checked(event(kind, {**GOOD[kind], "lease": said})).data["lease"]
            assert lease == kept
            assert isinstance(lease, float)


def test_paths_are_tidied() -> None:
    """Whatever another host calls tidy; and a note loses no more than the paths that are none."""
    assert checked(event(What.EDIT, {"path": "./src//a.py"})).data["path"] == "src/a.py"
    assert checked(event(What.CLAIM, {"path": "src/**"})).data["path"] == "src/"
    note = {"text": "x", "paths": ["./a", "../b", "c\nd", "."]}
    assert checked(event(What.NOTE, note)).data["paths"] == ["a", "**"]


def test_what_later_versions_say() -> None:
    """An unknown kind is kept if it is small and flat."""
    data = {"step": "left\x1b", "count": 3, "fast": None, "far": 1.5, "to": ["a", True]}
    assert checked(event("dance", data)).data == {**data, "step": "left"}
    many = {f"f{'x' * n}": n for n in range(28)}
    assert checked(event("dance", many)).data == many
    for wrong in (
        {"a": {"b": 1}},
        {"a": [[1]]},
        {"a": "x" * UNKNOWN_LIMIT},
        {"a": ["x" * 100] * 20},
        {"a": 2**60},
        {"a": math.inf},
        {"A": 1},
        {7: 1},
        {"a": b"x"},
    ):
        with pytest.raises(ValueError, match=r"\w+ \w+"):
            checked(event("dance", wrong))


def test_what_is_told_of_ours_passes() -> None:
    """What our own hosts say comes through as it was said."""
    host = Host("b")
    claim = host.claim("b", "src/")
    claim = host.claim("b", "docs/*", over=[claim] * OVER_LIMIT)
    host.edit("b", "src/x")
    host.renew("b", claim, 1.0, 60.0)
    host.release("b", *[claim] * RELEASE_LIMIT)
    host.note("b", "x")
    task = host.task("b", "x")
    host.task("b", "y", task)
    take = host.take("b", task)
    host.verdict("b", task, take, granted=False)
    for kind in (What.DONE, What.REOPEN, What.DROP):
        host.word(kind, "b", task, why="so")
    host.gone("b", died=True)
    host.say(What.JOB, "b", **GOOD[What.JOB])
    assert {one.kind for one in host.said} == set(What)
    assert [checked(one) for one in host.said] == host.said


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([LOG, TASK, "", "a/b"])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(sorted({name for data in GOOD.values() for name in data}))


@given(
    kind=st.sampled_from(list(What)) | st.text(alphabet="abcx", max_size=4),
    changes=st.dictionaries(fields, values, max_size=3),
    envelope=st.dictionaries(
        st.sampled_from(["stamp", "by", "name", "repo", "kind", "data"]), values, max_size=1
    ),
)
@settings(max_examples=400, deadline=None)
def test_any_value(kind: str, changes: dict[str, Any], envelope: dict[str, Any]) -> None:
    """Whatever JSON can say is refused with ``ValueError``, or is an event that harms nobody and stays so."""
    try:
        found = checked(replace(event(kind, {**GOOD.get(kind, {}), **changes}), **envelope))
    except ValueError:
        return
    assert checked(found) == found
    for text in texts(found.data):
        assert clean(text) == text
    assert found.name == clean(found.name)
    assert len(found.name) <= NAME_LIMIT
    seen = Picture()
    seen.add(found)
    seen.prune(5.0)
    for now in (3.5, 5.0, 1e9):
        seen.claims.live(now)
        seen.claims.holder("a/b", now)
        seen.claims.over("**", now)
        seen.board.tasks()
        seen.board.verdicts(LOG, lambda _: True)
        seen.notes()
        seen.needed(now)


def texts(value: Any) -> list[str]:
    """All texts in *value*."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return []
