"""Sessions on two hosts talk through the real Claude Code, from the pairing to the mail of one who was away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.netns import Network, require

from .home import until
from .model import Request, Turn, bash, say
from .product import PATIENCE, count
from .terminal import Session
from .two_hosts import Host

pytestmark = [pytest.mark.claude, pytest.mark.netns]

FENCED = re.compile(r"<peer-messages>\n(.*?)</peer-messages>", re.DOTALL)


@pytest.fixture
def hosts(binary: Path) -> Iterator[tuple[Host, Host]]:
    """`desk` and `lap` on one LAN, with nothing running yet."""
    require()
    with ExitStack() as stack:
        lan = stack.enter_context(Network("desk", "lap"))
        yield Host(lan, "desk", binary, stack), Host(lan, "lap", binary, stack)


def pair(desk: Host, lap: Host) -> None:
    """An invitation printed by a shell on *desk*, used in a shell on *lap*."""
    token = desk.typed("invite").strip()
    assert "desk is trusted, and trusts this machine" in lap.typed("join", token)


def sees(host: Host, session: str, other: str, *, here: bool = True) -> bool:
    """Whether *host* knows that *session* on *other* is there, or away."""
    row = host.people().get(session, {})
    return row.get("host") == other and row["here"] is here


def fenced(request: Request) -> str:
    """The messages of peers among what the model was shown last."""
    return "\n".join(FENCED.findall(request.news()))


def results(request: Request) -> list[Mapping[str, Any]]:
    """What the tools gave that the model used last."""
    return [block for block in request.messages[-1]["content"] if block["type"] == "tool_result"]


def answer_questions(request: Request) -> Turn:
    """A model that answers whoever asks it, by the command that it is told."""
    asked = re.search(r"Answer: peer reply (\w+-\d+)", request.news())
    return bash(f"peer reply {asked[1]} 'Yes, since ten minutes'") if asked else say("ok")


def both_are_told_of_each_other(desk: Host, lap: Host, build: Session, front: Session) -> None:
    """The first prompt on either host names the other's session with its host, and so does `peer list`."""
    assert re.search(r"Here now: build@desk\b", lap.turn(front, "first words of front").text())
    assert re.search(r"Here now: front@lap\b", desk.turn(build, "first words of build").text())
    lap.wait_typed(r"build@desk +idle\b", "list", "--all")
    desk.wait_typed(r"front@lap +idle\b", "list", "--all")


def a_shell_wakes_a_session(desk: Host, lap: Host, build: Session) -> None:
    """`peer send` in a shell on *lap* wakes the idle session on *desk*, and `peer sent` there says shown."""
    before = desk.api.last("build")
    ident = lap.send("build@desk", "the API changed")
    woken = desk.api.wait_for_text("build", "> the API changed", PATIENCE, after=before)
    assert "[SYSTEM NOTIFICATION - NOT USER INPUT]" in woken.news()
    assert re.search(
        rf"^\[{ident}\] message from \S+@lap\b.*\n> the API changed$", fenced(woken), re.MULTILINE
    )
    lap.wait_typed(rf"{ident} +build\S* +\S+ shown\b", "sent")
    desk.wait_idle(build)
    assert count(desk.turn(build, "second words of build"), ident) == 1


def one_model_asks_the_other(desk: Host, lap: Host, build: Session, front: Session) -> None:
    """`peer ask` in a Bash on *lap* comes back with what the model on *desk* says by `peer reply`."""
    desk.api.script_by("build", answer_questions)
    lap.api.script("front", bash("peer ask build@desk 'Is the migration on main?'"))
    front.submit("ask build")
    asked = desk.api.wait_for_text("build", "> Is the migration on main?", PATIENCE)
    assert "question from front@lap" in fenced(asked)
    answered = lap.api.wait_for_text("front", "> Yes, since ten minutes", PATIENCE)
    (result,) = results(answered)
    assert "answer from build@desk" in str(result["content"])
    assert "> Yes, since ten minutes" in str(result["content"])
    desk.wait_idle(build)
    lap.wait_idle(front)


def a_closed_session_hears_on_its_return(desk: Host, lap: Host, build: Session) -> None:
    """What is sent from *lap* after /exit is safe on *desk*, and is in the resumed session's first request."""
    ident, pid, me = build.id, desk.status(build)["pid"], desk.status(build)["id"]
    build.exit()
    desk.wait_gone(pid)
    until(lambda: sees(lap, "build", "desk", here=False), PATIENCE, "build away, seen from lap")
    said = lap.typed("send", "build@desk", "while you were away", "--wait", "safe")
    assert re.search(r"safe for build\S*, who is away and reads it on return", said)
    before = desk.api.last("build")
    again = desk.session("build", "--resume", ident, named=False)
    first = desk.api.wait_for("build", lambda _: True, PATIENCE, after=before)
    assert "> while you were away" in fenced(first)
    assert re.search(r"message from \S+@lap\b", fenced(first))
    assert "first words of build" in first.text()
    assert desk.status(again)["id"] == me
    lap.wait_typed(r"\S+ +build\S* +\S+ shown\b.*while you were away", "sent")
    desk.wait_idle(again)
    assert desk.turn(again, "last words").text().count("> while you were away") == 1


def test_sessions_on_two_hosts_talk(hosts: tuple[Host, Host]) -> None:
    """Paired once, two hosts' sessions, models and shells reach each other as if they were on one."""
    desk, lap = hosts
    build, front = desk.session("build"), lap.session("front")
    pair(desk, lap)
    until(
        lambda: sees(desk, "front", "lap") and sees(lap, "build", "desk"), PATIENCE, "each other's sessions"
    )
    assert (desk.strays(), lap.strays()) == ([], [])
    both_are_told_of_each_other(desk, lap, build, front)
    a_shell_wakes_a_session(desk, lap, build)
    one_model_asks_the_other(desk, lap, build, front)
    a_closed_session_hears_on_its_return(desk, lap, build)
    assert (desk.strays(), lap.strays()) == ([], [])
