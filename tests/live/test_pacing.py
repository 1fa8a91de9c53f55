"""Who says too much to everybody is told so; others are not kept from anything."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from peermesh.door.client import Door
from peermesh.errors import TooMany
from peermesh.sidecar import pacing
from peermesh.sidecar.pacing import CHANGES, NOTES, Pacing

from .conftest import Sessions
from .home import Home

MORE = 15


def test_more_notes_than_anybody_reads(home: Home, session: Sessions) -> None:
    """A session's sixty-first note in a minute is refused with what to do, by code and exit code; others go on."""
    shop = home.repo("shop")
    one, two = session("one", cwd=shop), session("two", cwd=shop)
    answers = many_notes(one.directory / "door", shop, NOTES + MORE)
    assert [said.get("error", {}).get("code", "ok") for said in answers] == ["ok"] * NOTES + [
        "too-many"
    ] * MORE
    wrong = answers[-1]["error"]
    assert 0 < wrong["detail"]["wait"] <= 60
    done = one.peer("note", "one more", "--json")
    assert (done.code, done.json["error"]["code"]) == (5, "too-many")
    assert "gather the rest into one note" in one.peer("note", "one more").err
    assert one.ok("claim", "src/")
    two.ok("note", "mine is heard")
    texts = [row["text"] for row in two.ask("notes", cwd=str(shop), most=500)["notes"]]
    assert texts == [f"note {number}" for number in range(1, NOTES + 1)] + ["mine is heard"]


def many_notes(door: Path, repo: Path, count: int) -> list[dict[str, Any]]:
    """So many at once; their answers."""
    asked = Door(str(door), 30.0)
    for number in range(1, count + 1):
        asked.write("note", number, {"cwd": str(repo), "text": f"note {number}"})
    answers = [asked.read() for _ in range(count)]
    asked.close()
    return answers


@pytest.mark.parametrize(
    ("verb", "most"), [("note", NOTES), ("task", CHANGES), ("claim", CHANGES), ("release", CHANGES)]
)
def test_each_is_counted_by_itself(monkeypatch: pytest.MonkeyPatch, verb: str, most: int) -> None:
    """What reaches everybody is counted, each kind for itself; a minute later there is room again."""
    now = 100.0
    monkeypatch.setattr(pacing, "time", SimpleNamespace(monotonic=lambda: now))
    every = Pacing()
    asked = every.paced(verb, lambda *_: {})
    for _ in range(most):
        asked(None, 1, {})  # type: ignore[arg-type]
    with pytest.raises(TooMany, match="go on in 60 s, or") as refused:
        asked(None, 1, {})  # type: ignore[arg-type]
    assert json.dumps(refused.value.detail) == '{"wait": 60}'
    other = "claim" if verb == "note" else "note"
    assert every.paced(other, lambda *_: {})(None, 1, {}) == {}  # type: ignore[arg-type]
    now += 60.0
    assert asked(None, 1, {}) == {}  # type: ignore[arg-type]


def test_looking_is_not_counted() -> None:
    """Whoever only looks may do so as often as he likes."""

    def look(*_: object) -> dict[str, Any]:
        return {}

    assert Pacing().paced("notes", look) is look
