"""The shared picture of two machines: claims, notes, tasks and edits over a link, and over a cable that is pulled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from peermesh.core.events import Draft
from peermesh.store.log import LogStore

from .hosts import Host, until
from .machines import clone, sharing

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

Two = tuple[Host, Host]

AWAY = 20.0
BACK = 35.0


@pytest.fixture
def two() -> Iterator[Two]:
    """Two hosts that trust each other, each with a session in a clone of the same repo."""
    with sharing() as hosts:
        yield hosts


def tasks(host: Host, session: str) -> dict[str, dict[str, Any]]:
    """The board by titles."""
    return {one["title"]: one for one in host.ask(session, "tasks", cwd=str(host.work), all=True)["tasks"]}


def held(host: Host, session: str) -> dict[str, str]:
    """Who holds which path, as this host sees it."""
    claims = host.ask(session, "claims", cwd=str(host.work))["claims"]
    return {one["path"]: f"{one['by']}@{one['host'] or host.name}" for one in reversed(claims)}


def before_edit(host: Host, session: str, path: str) -> dict[str, Any]:
    """What the hook before an edit is answered."""
    spec = {"session": session, "client": host.clients[session].pid, "cwd": str(host.work)}
    return host.ask(
        session,
        "hook",
        event="PreToolUse",
        client=host.clients[session].pid,
        spec=spec,
        cwd=str(host.work),
        source="",
        reason="",
        prompt="",
        prompt_id="",
        tool="Edit",
        path=str(host.work / path),
    )


def apart(desk: Host, lap: Host) -> None:
    """Pull the cable; come back when both know."""
    desk.lan.unplug("lap")
    until(lambda: not desk.sees("lap", "front"), "desk to miss lap", AWAY)
    until(lambda: not lap.sees("desk", "build"), "lap to miss desk", AWAY)


def together(desk: Host, lap: Host) -> None:
    """Plug it in again; come back when both see each other."""
    desk.lan.plug("lap")
    until(lambda: desk.sees("lap", "front"), "desk to see lap", BACK)
    until(lambda: lap.sees("desk", "build"), "lap to see desk", BACK)


def test_a_claim_warns_on_the_other_machine(two: Two) -> None:
    """A claim on one machine turns an edit back on the other, with who, host and why; a release ends it."""
    desk, lap = two
    desk.run("claim", "a.css", "--why", "new colours", session="build")
    until(lambda: held(lap, "front") == {"a.css": "build@desk"}, "the claim")
    answer = before_edit(lap, "front", "a.css")
    assert '"a.css" is held by the session build@desk (branch "main"' in answer["deny"]
    assert "new colours" in answer["deny"]
    refused = lap.run("claim", "a.css", "--json", session="front", check=False)
    assert refused.returncode == 5
    assert json.loads(refused.stdout)["refused"][0]["host"] == "desk"
    desk.run("release", "--all", session="build")
    until(lambda: held(lap, "front") == {}, "the release")


def test_notes_edits_and_other_repos(two: Two) -> None:
    """Notes and edited files are seen on the other machine, those of a repo that it has not are in no list."""
    desk, lap = two
    other = clone(desk, "other", "git@example.invalid:acme/blog.git")
    desk.start("blog", "blog", cwd=other)
    desk.ask("blog", "note", cwd=other, text="of the blog")
    desk.run("note", "the colours live in theme.css", session="build")
    spec = {"session": "build", "client": desk.clients["build"].pid, "cwd": str(desk.work)}
    edited = {"event": "PostToolUse", "path": str(desk.work / "a.css"), "tool": "Edit"}
    desk.ask("build", "hook", **edited, client=desk.clients["build"].pid, spec=spec, cwd=str(desk.work))
    notes = until(lambda: lap.ask("front", "notes", cwd=str(lap.work))["notes"], "the note")
    assert [(one["by"], one["host"], one["text"]) for one in notes] == [
        ("build", "desk", "the colours live in theme.css")
    ]
    until(lambda: [f["path"] for f in lap.peers("desk")["build"]["files"]] == ["a.css"], "the edited file")
    lap.hook("front", "UserPromptSubmit", prompt="go on")
    desk.run("note", "and the fonts too", session="build")
    until(lambda: "note by build@desk" in lap.hook("front", "UserPromptSubmit", prompt="go on"), "the news")


def test_taking_is_confirmed_by_the_other_machine(two: Two) -> None:
    """A task of the other machine is taken for certain; a second taker is refused by name."""
    desk, lap = two
    desk.run("task", "add", "restyle the footer", session="build")
    task = until(lambda: tasks(lap, "front").get("restyle the footer"), "the task")
    said = lap.run("task", "take", task["full"], session="front")
    assert (said["confirmed"], said["task"]["owner"]) == (True, "front")
    until(lambda: tasks(desk, "build")["restyle the footer"]["owner"] == "front", "desk to know")
    refused = desk.run("task", "take", task["full"], "--json", session="build", check=False)
    assert refused.returncode == 5
    assert "front@lap" in json.loads(refused.stdout)["error"]["message"]


def test_a_partition_in_the_middle(two: Two) -> None:
    """While the cable is out both claim the same file and take the same task; afterwards one has each, everywhere."""
    desk, lap = two
    desk.run("task", "add", "restyle the footer", session="build")
    task = until(lambda: tasks(lap, "front").get("restyle the footer"), "the task")["full"]
    apart(desk, lap)
    said = lap.run("task", "take", task, session="front")
    assert (said["confirmed"], said["waits_for_host"]) == (False, "desk")
    assert desk.run("task", "take", task, session="build")["confirmed"] is True
    lap.run("claim", "a.css", session="front")
    desk.run("claim", "a.css", session="build")
    assert (held(desk, "build"), held(lap, "front")) == ({"a.css": "build@desk"}, {"a.css": "front@lap"})
    for host, session in ((desk, "build"), (lap, "front")):
        host.hook(session, "UserPromptSubmit", prompt="go on")
    together(desk, lap)
    until(lambda: held(desk, "build") == held(lap, "front"), "one holder", BACK)
    owners = [tasks(desk, "build"), tasks(lap, "front")]
    until(
        lambda: (
            tasks(desk, "build")["restyle the footer"]["owner"]
            == tasks(lap, "front")["restyle the footer"]["owner"]
            == "build"
        ),
        f"one owner, not {owners}",
        BACK,
    )
    loser = lap if held(lap, "front")["a.css"] == "build@desk" else desk
    said = ""

    def told(host: Host, session: str, *words: str) -> bool:
        nonlocal said
        said += host.hook(session, "UserPromptSubmit", prompt="go on")
        return all(word in said for word in words)

    until(
        lambda: told(lap, "front", "is no longer yours: it went to build"), "the loser of the task to be told"
    )
    session = "front" if loser is lap else "build"
    until(
        lambda: told(loser, session, "your claim on a.css came second"), "the loser of the claim to be told"
    )


def test_a_machine_that_was_away_catches_up(two: Two) -> None:
    """Thousands of events that were said while the other was away are there soon after it is back."""
    desk, lap = two
    apart(desk, lap)
    store = LogStore(str(desk.home / "p"))
    key = desk.ask("build", "list")["repo_key"]
    me = desk.ask("build", "status")["id"]
    with store.writing() as writer:
        for number in range(3_000):
            writer.say(
                Draft(by=me, name="build", repo=key, kind="note", data={"text": f"note {number}"}), 0.0
            )
    store.close()
    together(desk, lap)
    until(
        lambda: (
            [one["text"] for one in lap.ask("front", "notes", cwd=str(lap.work), most=1)["notes"]]
            == ["note 2999"]
        ),
        "the last note",
        BACK,
    )


def test_a_lease_is_counted_by_each_machine(two: Two) -> None:
    """A claim is held for as long as it says, on both; with clocks apart: tests/store/test_property_log.py."""
    desk, lap = two
    desk.run("claim", "a.css", "--for", "20m", session="build")
    until(lambda: held(lap, "front") == {"a.css": "build@desk"}, "the claim")
    left = lap.ask("front", "claims", cwd=str(lap.work))["claims"][0]["left"]
    assert 1_150 < left <= 1_200


def test_a_removed_machine_is_forgotten(two: Two) -> None:
    """When trust ends, what that machine said is in no view any more."""
    desk, lap = two
    desk.run("note", "the colours live in theme.css", session="build")
    desk.run("claim", "a.css", session="build")
    until(lambda: held(lap, "front"), "the claim")
    lap.run("trust", "remove", "desk")
    until(lambda: not held(lap, "front"), "no claim")
    assert lap.ask("front", "notes", cwd=str(lap.work))["notes"] == []
