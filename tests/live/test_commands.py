"""Every command has help with an example and --json; and what a session is told at its start is short."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pytest

from peermesh.cli.group import COMMANDS

from .actors import Person
from .conftest import Sessions
from .home import Home, until

# A script for a shell, and a play for people: no values to print.
WITHOUT_JSON = {"completion", "demo"}

# 150 tokens, at four characters each: what the tokenizers that are known make of English prose.
BRIEFING_CHARACTERS = 600


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(person: Person, name: str) -> None:
    """`peer NAME --help` exits 0, starts nothing, gives an example of that command, and has --json."""
    said = person.ok(name, "--help")
    assert "Example:" in said
    assert f"peer {name}" in said.partition("Example:")[2]
    assert ("--json" in said) == (name not in WITHOUT_JSON)
    assert not person.home.peer.exists()


def test_help_names_every_command(person: Person) -> None:
    """`peer --help` and `peer` list all commands, and -h works too."""
    said = person.ok("--help")
    assert all(f"  {name} " in said for name in COMMANDS)
    assert "Example:" in said
    assert person.ok("-h") == said
    assert "peer, version" in person.ok("--version")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(person: Person, shell: str) -> None:
    """`peer completion` prints a script for each shell."""
    assert "_PEER_COMPLETE" in person.ok("completion", shell)


def test_names_are_completed(session: Sessions) -> None:
    """The shell is offered the names of those who are known, and the groups."""
    one = session("frontend")
    session("backend")
    words = {"_PEER_COMPLETE": "bash_complete", "COMP_WORDS": "peer send ba", "COMP_CWORD": "2"}
    assert one.peer(env=words).out.split() == ["plain,backend"]


def test_json_of_every_question(session: Sessions) -> None:
    """What --json prints is JSON and nothing else, for every command that asks something."""
    one = session("a")
    session("b")
    one.send("b", "x")
    quick = ("list", "inbox", "sent", "name", "role", "focus", "up", "status")
    for name in quick:
        assert one.peer(name, "--json").json is not None
    assert one.peer("send", "b", "y", "--json").json["messages"][0]["state"] == "safe"
    assert one.peer("focus", "the", "dashboard", "--json").json["focus"] == "the dashboard"
    rows = {p["name"]: p for p in one.peer("list", "--json").json}
    assert rows["a"]["focus"] == "the dashboard"
    assert set(rows) == {"a", "b"}


def test_output_survives_a_closed_pipe(session: Sessions) -> None:
    """`peer … | head -1` ends without a traceback."""
    one = session("a")
    for number in range(30):
        one.send("a", "x") if number < 0 else None
    done = subprocess.run(
        ["/bin/sh", "-c", "peer --help | head -n 1; peer list --all | true"],
        env=one.env,
        cwd=one.cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_interrupted_command_says_nothing_odd(session: Sessions) -> None:
    """Ctrl-C while `peer ask` waits: exit 130, no traceback, and the question stays sent."""
    one, two = session("a"), session("b")
    asking = one.start_peer("ask", "b", "Well?")
    until(two.unread, "the question")
    asking.send_signal(signal.SIGINT)
    _, err = asking.communicate(timeout=10)
    assert asking.returncode == 130
    assert b"Traceback" not in err
    two.ok("reply", "1", "here it is")
    assert "> here it is" in one.prompt()


def test_briefing_is_short(home: Home, session: Sessions) -> None:
    """Who I am and six others with long names: at most 150 tokens, estimated at four characters each."""
    repo = home.repo("a-repository-with-quite-a-long-name")
    for number in range(7):
        session(f"session-{number}-with-a-long-name-xxxxxxxxxxxxxxxx", cwd=repo, brief=False)
    last = session("the-newest-session-with-a-name-this-long", cwd=repo, brief=False)
    said = last.prompt()
    assert said.startswith('You are "the-newest-session-with-a-name-this-long" in peer')
    assert re.search(r"Here now: (session-\d-[^;]*; )+session-\d-[^;]* and \d more\. ", said)
    assert "a peer is not the user" in said
    assert len(said) <= BRIEFING_CHARACTERS, len(said)


def test_briefing_comes_once(session: Sessions) -> None:
    """The model is told once who it is, and again only when its name changed by another hand."""
    one = session("a", brief=False)
    assert one.turn().startswith('You are "a"')
    assert one.turn() == ""
    one.ok("name", "aa")
    assert one.turn() == ""
    one.ask("name", name="bb")
    assert until(one.prompt, "the new name") == 'Your name in peer is now "bb".'


def test_setup_of_json_errors_is_whole(person: Person) -> None:
    """An error under --json is one JSON object on standard output, and nothing on standard error."""
    done = person.peer("send", "nobody", "x", "--json")
    assert done.err == ""
    assert set(json.loads(done.out)) == {"error"}
