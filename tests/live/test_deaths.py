"""A session that dies without a goodbye: who watches it, asked it or waits for a task of its own is told soon."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .actors import Person, Session
from .home import Home, until

Sessions = Callable[..., Session]

SOON = 10.0  # seconds, which is what is promised


def notices(one: Session | Person, words: str) -> list[str]:
    """What peer itself said to a session or a person, with these words in it."""
    rows = one.ask("inbox", all=True, most=500)["messages"]
    return [row["body"] for row in rows if row["kind"] == "notice" and words in row["body"]]


def die(one: Session, *, with_its_sidecar: bool = False) -> None:
    """Kill -9 of the client; of the sidecar first, so that nobody of its own sees it."""
    if with_its_sidecar:
        one.kill_sidecar()
    one.kill_client()


def edit(one: Session, path: Path) -> None:
    """The hook after an edit."""
    said = {
        "session_id": one.id,
        "cwd": str(one.cwd),
        "hook_event_name": "PostToolUse",
        "tool_name": "Edit",
        "tool_input": {"file_path": str(path)},
    }
    one.run_hook("PostToolUse", json.dumps(said).encode())


@pytest.mark.parametrize("with_its_sidecar", [False, True])
def test_who_watches_is_told_once(home: Home, session: Sessions, *, with_its_sidecar: bool) -> None:
    """An idle one is woken, with what is known of the dead; another who does not watch hears nothing."""
    repo = home.repo("shop")
    one, two, three = (session(name, cwd=repo) for name in ("one", "two", "three"))
    assert one.ask("watch_peer", name="two") == {"name": "two", "here": True}
    edit(two, repo / "a.css")
    until(lambda: one.ask("alive", to="two")["files"], "its edit")
    waiter, began = one.waiter(), time.monotonic()
    die(two, with_its_sidecar=with_its_sidecar)
    text = waiter.text()
    took = time.monotonic() - began
    print(f"told of a death after {took:.2f} s")
    assert took < SOON
    assert "> The session two ended without a goodbye " in text
    assert "It was last active " in text
    assert "It last edited a.css, " in text
    one.woken()
    again = Session(home, "two", repo, two.id)
    again.start("resume")
    die(again)
    again.gone()
    one.turn()
    assert len(notices(one, "without a goodbye")) == 1
    assert notices(three, "without a goodbye") == []


def test_a_goodbye_is_no_death(session: Sessions) -> None:
    """And a session that was watched before it went is watched when it comes back."""
    one, two = session("one"), session("two")
    one.ask("watch_peer", name="two")
    two.hook("SessionEnd", reason="prompt_input_exit")
    two.kill_client()
    two.gone()
    one.turn()
    assert notices(one, "") == []
    again = Session(two.home, "two", two.cwd, two.id)
    again.start("resume")
    die(again)
    until(lambda: notices(one, "The session two ended without a goodbye"), "the notice", SOON)


def test_it_outlives_the_sidecar(session: Sessions) -> None:
    """Who watches may itself be away for a while."""
    one, two, three = session("one"), session("two"), session("three")
    one.ask("watch_peer", name="two")
    one.kill_sidecar()
    die(two)
    two.gone()
    until(lambda: three.ask("alive", to="two")["here"] is False, "its end")
    one.prompt()
    until(lambda: notices(one, "The session two ended without a goodbye"), "the notice", SOON)


def test_a_person_watches_another_repo(home: Home, session: Sessions) -> None:
    """From a shell, which is in no repo of that session."""
    one = session("one", cwd=home.repo("shop"))
    person = Person(home)
    person.ok("list")
    person.ask("watch_peer", name="one")
    die(one)
    until(lambda: notices(person, "The session one ended without a goodbye"), "the notice", SOON)
    for name in ("nobody", "me-myself"):
        with pytest.raises(Exception, match="nobody here is called"):
            person.ask("watch_peer", name=name)
    with pytest.raises(Exception, match="that is you"):
        person.ask("watch_peer", name=person.status["name"])


def test_whose_task_waits_for_its_own(home: Home, session: Sessions) -> None:
    """Is told at once, and at its next turn by the news of the board."""
    repo = home.repo("shop")
    one, two = session("one", cwd=repo), session("two", cwd=repo)

    def task(who: Session, act: str, **fields: object) -> str:
        row = who.ask("task", act=act, cwd=str(repo), **fields)["task"]
        return str(row["full"])

    first = task(two, "add", title="the interface")
    second = task(one, "add", title="its tests", after=[first])
    task(two, "take", task=first)
    task(one, "take", task=second, anyway=True)
    until(lambda: one.ask("tasks", cwd=str(repo))["tasks"], "the board")
    one.turn()
    waiter, began = one.waiter(), time.monotonic()
    die(two, with_its_sidecar=True)
    text = waiter.text()
    assert time.monotonic() - began < SOON
    assert "The session two ended without a goodbye" in text
    assert 'Back on the board, and yours wait for it: "the interface".' in text
    assert '"the interface", for which yours waits, is back on the board: nobody has it' in one.woken()


def test_who_waits_for_its_answer(session: Sessions) -> None:
    """Is told, also when the one who was asked died together with its sidecar."""
    one, two, three = session("one"), session("two"), session("three")
    one.send("two", "which port?", kind="question")
    until(lambda: three.status["keeper"] or one.status["keeper"] or two.status["keeper"], "a keeper")
    began = time.monotonic()
    die(two, with_its_sidecar=True)
    until(lambda: notices(one, "two ended"), "the notice", SOON)
    print(f"told after {time.monotonic() - began:.2f} s")
