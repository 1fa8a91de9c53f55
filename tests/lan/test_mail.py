"""Three hosts that trust each other, with real mDNS, CURVE links, sidecars, commands and hooks: who is seen, and mail."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns import Network

from .hosts import Host, pair, until

pytestmark = [pytest.mark.netns, pytest.mark.xdist_group("lan-mail")]

SESSIONS = {"desk": ("build", "docs"), "lap": ("front", "tests"), "farm": ("nightly",)}
REMOTE = "git@git.example.org:team/shop.git"

Mesh = dict[str, Host]


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    """Three hosts with their sessions, whose ids are their first names."""
    with Network(*SESSIONS) as lan:
        hosts = {name: Host(lan, name) for name in SESSIONS}
        try:
            for name, host in hosts.items():
                for session in SESSIONS[name]:
                    host.start(session, session, cwd=checkout(host) if session in ("build", "front") else "")
            for one, other in (("desk", "lap"), ("desk", "farm"), ("lap", "farm")):
                pair(hosts[one], hosts[other])
            yield hosts
        finally:
            for host in hosts.values():
                host.close()


def checkout(host: Host) -> str:
    """A clone of the shop, in a directory called otherwise on each host."""
    path = host.home / f"shop-on-{host.name}"
    for words in (
        ["init", "-q", "-b", "main", str(path)],
        ["-C", str(path), "remote", "add", "origin", REMOTE],
    ):
        subprocess.run(["git", *words], check=True, capture_output=True)
    return str(path)


def bodies(host: Host, session: str, start: str) -> list[str]:
    """What a session has of the texts that begin with *start*."""
    return [body for body in host.inbox(session) if body.startswith(start)]


def test_each_sees_all_others(mesh: Mesh) -> None:
    """Every host sees every session of the two others, and `peer list --all` names them name@host."""
    for host in mesh.values():
        for other in mesh.values():
            if other is not host:
                until(lambda: host.sees(other.name, *SESSIONS[other.name]), f"{host.name} to see all")  # noqa: B023
    listed = mesh["farm"].run("list", "--all", check=False).stdout
    for name in ("build@desk", "docs@desk", "front@lap", "tests@lap"):
        assert name in listed


def test_a_later_session_is_seen_and_its_end_too(mesh: Mesh) -> None:
    """A session that starts is seen by both other hosts within two seconds, and its end as soon."""
    others = [mesh["lap"], mesh["farm"]]
    mesh["desk"].start("late", "late")
    began = time.monotonic()
    until(lambda: all(one.sees("desk", "late") for one in others), "the newcomer to be seen")
    assert time.monotonic() - began < 2.0
    mesh["desk"].end("late")
    began = time.monotonic()
    until(lambda: not any(one.here("late", "desk") for one in others), "its end to be seen")
    assert time.monotonic() - began < 3.0
    assert all(one.peers("desk")["late"]["status"] == "away" for one in others)


@pytest.mark.parametrize(
    ("here", "there"),
    [("build@desk", "front@lap"), ("front@lap", "build@desk"), ("nightly@farm", "docs@desk")],
)
def test_mail_is_safe_and_says_where_it_is_from(mesh: Mesh, here: str, there: str) -> None:
    """`peer send --wait safe` across hosts, each way; the recipient knows sender and host."""
    (name, host), (to, other) = here.split("@"), there.split("@")
    done = mesh[host].run("send", there, f"from {here}", "--wait", "safe", session=name)
    assert (done["reached"], done["messages"][0]["state"]) == (True, "safe")
    found = next(m for m in mesh[other].run("inbox", session=to) if m["body"] == f"from {here}")
    assert (found["from"], found["host"]) == (name, host)


def test_shown_comes_back(mesh: Mesh) -> None:
    """A message read by `peer inbox` is shown, and the sender's `--wait shown` and `peer sent` say so."""
    desk, lap = mesh["desk"], mesh["lap"]
    command = [
        sys.executable,
        "-m",
        "peermesh.cli",
        "send",
        "tests@lap",
        "read me",
        "--wait",
        "shown",
        "--json",
    ]
    env = desk.environment(CLAUDE_CODE_SESSION_ID="docs", CLAUDE_PID=str(desk.clients["docs"].pid))
    waiting = desk.lan.popen("desk", command, env=env, cwd=desk.work, stdout=subprocess.PIPE, text=True)
    until(lambda: "read me" in lap.inbox("tests"), "the message")
    assert waiting.poll() is None
    assert "read me" in [m["body"] for m in lap.run("inbox", session="tests")]
    out, _ = waiting.communicate(timeout=20)
    assert (waiting.returncode, json.loads(out)["messages"][0]["state"]) == (0, "shown")
    sent = desk.run("sent", session="docs")
    assert [m["state"] for m in sent if m["body"] == "read me"] == ["shown"]


def test_a_hook_shows_it_and_the_sender_is_told(mesh: Mesh) -> None:
    """Mail of another host is put before the model at its prompt, in a fence that names name@host."""
    desk, lap = mesh["desk"], mesh["lap"]
    lap.hook("front", "UserPromptSubmit", prompt="hello")  # the first one brings the briefing
    lap.hook("front", "Stop")
    ident = desk.say("build", "front@lap", "the hook's turn")[0]
    until(lambda: "the hook's turn" in lap.inbox("front"), "the message")
    said = lap.hook("front", "UserPromptSubmit", prompt="go on")
    assert "the hook's turn" in said
    assert "build@desk" in said
    lap.hook("front", "Stop")
    until(lambda: desk.sent("build")[ident] == "shown", "the receipt")


def test_question_and_answer(mesh: Mesh) -> None:
    """`peer ask` waits for the other host's `peer reply`, and prints it."""
    desk, farm = mesh["desk"], mesh["farm"]
    command = [sys.executable, "-m", "peermesh.cli", "ask", "nightly@farm", "Is it green?", "--json"]
    env = desk.environment(CLAUDE_CODE_SESSION_ID="build", CLAUDE_PID=str(desk.clients["build"].pid))
    asking = desk.lan.popen("desk", command, env=env, cwd=desk.work, stdout=subprocess.PIPE, text=True)
    until(lambda: "Is it green?" in farm.inbox("nightly"), "the question")
    question = next(m for m in farm.run("inbox", session="nightly") if m["body"] == "Is it green?")
    assert question["kind"] == "question"
    farm.run("reply", question["id"], "Yes, all of it", "--wait", "safe", session="nightly")
    out, _ = asking.communicate(timeout=20)
    answer = json.loads(out)
    assert (asking.returncode, answer["body"], answer["host"]) == (0, "Yes, all of it", "farm")


def test_a_reply_reaches_a_persons_shell(mesh: Mesh) -> None:
    """What a session replies to somebody's shell on another host is read there by `peer inbox`."""
    desk, farm = mesh["desk"], mesh["farm"]
    desk.run("send", "nightly@farm", "from a shell", "--wait", "safe")
    ident = next(m["id"] for m in farm.run("inbox", session="nightly") if m["body"] == "from a shell")
    done = farm.run("reply", ident, "to the shell", "--wait", "safe", session="nightly")
    assert done["reached"]
    assert [(m["body"], m["from"]) for m in desk.run("inbox") if m["body"] == "to the shell"] == [
        ("to the shell", "nightly")
    ]


@pytest.mark.parametrize(
    ("to", "by", "reached"),
    [
        ("@all", "build", {"docs", "front", "tests", "nightly"}),
        ("@repo", "build", {"front"}),
        ("@host:lap", "build", {"front", "tests"}),
        ("@role:qa", "build", {"tests", "nightly"}),
    ],
)
def test_groups_reach_across_hosts(mesh: Mesh, to: str, by: str, reached: set[str]) -> None:
    """A group's message reaches exactly its members, on whichever host; clones are known by their remote."""
    mesh["lap"].run("role", "qa", session="tests")
    mesh["farm"].run("role", "qa", session="nightly")
    until(
        lambda: all(
            mesh["desk"].peers(h)[n]["roles"] == ["qa"] for h, n in (("lap", "tests"), ("farm", "nightly"))
        ),
        "the roles to be seen",
    )
    text = f"to {to}"
    cwd = next((p for p in mesh["desk"].home.glob("shop-*")), Path())
    command = [sys.executable, "-m", "peermesh.cli", "send", to, text, "--wait", "safe", "--json"]
    env = mesh["desk"].environment(CLAUDE_CODE_SESSION_ID=by, CLAUDE_PID=str(mesh["desk"].clients[by].pid))
    done = mesh["desk"].lan.run("desk", command, env=env, cwd=cwd)
    rows = json.loads(done.stdout)["messages"]
    living = {n for names in SESSIONS.values() for n in names}
    assert {r["to"].partition("@")[0] for r in rows} & living == reached
    got = {n for name, host in mesh.items() for n in SESSIONS[name] if bodies(host, n, text)}
    assert got == reached


def test_a_mebibyte_crosses(mesh: Mesh) -> None:
    """The longest body that is allowed arrives whole."""
    desk, lap = mesh["desk"], mesh["lap"]
    text = ("ä" + "x" * 1022) * 1024
    assert len(text.encode()) == 1024 * 1024
    ident = desk.say("docs", "tests@lap", text)[0]
    until(lambda: desk.sent("docs", most=1).get(ident) in ("safe", "shown"), "it to be safe")
    message = lap.ask("tests", "read", message=ident)["messages"][0]
    assert message["body"] == text


def test_a_burst_keeps_its_order(mesh: Mesh) -> None:
    """300 messages said in one go, both ways at once, arrive in order and exactly once."""
    desk, farm = mesh["desk"], mesh["farm"]
    there = [f"burst there {n}" for n in range(300)]
    back = [f"burst back {n}" for n in range(300)]
    desk.say("docs", "nightly@farm", *there)
    farm.say("nightly", "docs@desk", *back)
    until(lambda: len(bodies(farm, "nightly", "burst there")) >= 300, "the burst there")
    until(lambda: len(bodies(desk, "docs", "burst back")) >= 300, "the burst back")
    assert bodies(farm, "nightly", "burst there") == there
    assert bodies(desk, "docs", "burst back") == back


def test_nobody_noted_trouble(mesh: Mesh) -> None:
    """After all that no sidecar has a traceback or a wrong frame in its log."""
    for host in mesh.values():
        log = host.log()
        for word in ("Traceback", "never retrieved", "wrong frames", "cannot be read"):
            assert word not in log, log
