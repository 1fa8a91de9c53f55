"""What the commands of the shared picture ask the door, what they print, and their exit codes."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from peermesh.cli import together
from peermesh.errors import NoSuchTask, TaskTaken, UnknownPeer

from .canned import Typed, claim, note, peer, peers, task

OPEN: dict[str, Any] = {"confirmed": True, "waits_for_host": ""}
CHANGED: dict[str, Any] = {"changed": True, "was_with": "", "freed": []}
TAKEN = {"state": "taken", "owner": "session-b", "owner_here": True, "confirmed": True, "mine": True}


# ------------------------------------------------------------ claims


def test_claim_asks_for_what_was_typed(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths, the lease in seconds, the reason and the directory go to the door; the door hangs up."""
    monkeypatch.chdir(tmp_path)
    said = typed(
        "claim",
        "src/a.py",
        "web/",
        "--for",
        "2h",
        "--why",
        "tidy up",
        claim={"claims": [claim()], "refused": []},
    )
    assert said.code == 0
    asked = {"paths": ["src/a.py", "web/"], "lease": 7_200.0, "why": "tidy up", "cwd": str(tmp_path)}
    assert {key: typed.door.last[key] for key in asked} == asked
    assert typed.door.closed == 1
    typed("claim", "x", claim={"claims": [], "refused": []})
    assert typed.door.last["lease"] is None


def test_claim_prints_until_when(typed: Typed) -> None:
    """What was claimed, the time of day of its end, and the length, which is not cut by a millisecond."""
    said = typed("claim", "src/admin", claim={"claims": [claim(left=1_799.99)], "refused": []})
    assert re.fullmatch(r"✓ src/admin/ is yours  until ([A-Z]\w\w )?\d\d:\d\d \(30 min\)\n", said.out)
    day = typed("claim", "src/admin", claim={"claims": [claim(left=86_400.0)], "refused": []})
    assert re.search(r"until [A-Z]\w\w \d\d:\d\d \(1 d\)", day.out)


def test_refused_claim_says_whom_to_ask(typed: Typed) -> None:
    """Who holds it, since when, why, on which branch, the command to ask, and exit 5; the rest is claimed."""
    held = claim(wanted="src/admin/users.tsx", host="desktop")
    said = typed("claim", "src/admin/users.tsx", "x", claim={"claims": [claim(path="x")], "refused": [held]})
    assert said.code == 5
    assert "✓ x is yours" in said.lines[0]
    assert said.lines[1:] == [
        "✗ src/admin/users.tsx is held by session-a@desktop as part of src/admin/",
        "    restyle the dashboard",
        "    on branch dashboard since 3 min, 26 min left",
        '    → peer ask session-a@desktop "May I edit src/admin/users.tsx?"',
    ]


def test_claim_on_everything_says_so(typed: Typed) -> None:
    """The pattern of a whole repo is told in words, in a sentence and in the table."""
    said = typed("claim", ".", claim={"claims": [claim(path="**")], "refused": []})
    assert said.out.startswith("✓ ** (the whole repo) is yours")
    table = typed("claims", claims={"claims": [claim(path="**")], "mode": "warn", "repo": "shop"})
    assert table.lines[1].startswith("** (the whole repo)  session-a")


def test_command_to_ask_is_safe_to_paste(typed: Typed) -> None:
    """Names and paths of others cannot run anything in the shell that the line is pasted into."""
    held = claim(wanted='x"$(rm -rf .)`y`', by="b;touch$IFS'x'")
    said = typed("claim", "x", claim={"claims": [], "refused": [held]})
    line = said.lines[-1].partition("→ ")[2]
    assert line == "peer ask 'b;touch$IFS'\"'\"'x'\"'\"'' 'May I edit x\"$(rm -rf .)`y`?'"


def test_refused_claim_as_json(typed: Typed) -> None:
    """--json gives the whole answer, and the exit code stays."""
    answer = {"claims": [claim()], "refused": [claim(wanted="x")]}
    said = typed("claim", "x", "--json", claim=answer)
    assert (said.code, json.loads(said.out)) == (5, answer)


@pytest.mark.parametrize("path", ["", "  "])
@pytest.mark.parametrize("words", [("claim",), ("release",), ("note", "text", "--path")])
def test_empty_path_is_refused(typed: Typed, path: str, words: tuple[str, ...]) -> None:
    """An unset variable of a shell does not claim the directory one stands in."""
    said = typed(*words, path)
    assert (said.code, said.out, typed.door.asked) == (2, "", [])
    assert said.err == "peer: the path is empty\n"


def test_path_that_is_not_text_is_refused(typed: Typed) -> None:
    """A path that is not UTF-8: exit 2 and a sentence, because nobody else could read it."""
    said = typed("claim", "caf\udce9")
    assert (said.code, typed.door.asked) == (2, [])
    assert said.err == "peer: the path b'caf\\xe9' is not valid UTF-8, so others cannot read it\n"


def test_release_wants_to_know_what(typed: Typed) -> None:
    """Neither a path nor --all, or both: wrong usage."""
    assert typed("release").code == 2
    assert typed("release", "x", "--all").code == 2
    assert typed.door.asked == []
    said = typed("release", "--all", release={"released": [claim(), claim(path="x")]})
    assert said.lines == ["✓ src/admin/ is free", "✓ x is free"]
    assert typed("release", "--all", release={"released": []}).out == "you hold nothing here\n"


def test_mode_of_claims(typed: Typed) -> None:
    """--mode sets it for the repo; one that is not usual is told below the claims."""
    said = typed("claims", "--mode", "ask", claims_mode={"mode": "ask", "repo": "shop"})
    assert (
        said.out
        == "✓ shop, ask: the first try of a held path says why, the next ones ask the person, until one was allowed\n"
    )
    assert typed.door.last["mode"] == "ask"
    over = typed("claims", "--mode", "ask", claims_mode={"mode": "off", "repo": "shop"})
    assert "this session keeps to off" in over.lines[1]
    usual = typed("claims", claims={"claims": [], "mode": "warn", "repo": "shop"})
    assert usual.lines == ["nobody holds anything in shop; hold a path with: peer claim PATH"]
    other = typed("claims", claims={"claims": [], "mode": "off", "repo": "shop"})
    assert other.lines[1:] == ["off: claims are not looked at before an edit"]


def test_process_kept_from_the_lan(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """PEER_LAN=off in the environment of a command is told to the door, and nothing is said without it."""
    monkeypatch.delenv("PEER_LAN", raising=False)
    typed("note", "x", note={"id": "a-1", "sent": []})
    assert "lan" not in typed.door.last
    monkeypatch.setenv("PEER_LAN", "off")
    typed("note", "x")
    assert typed.door.last["lan"] is False


def test_directory_that_was_removed(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command typed in a directory that is gone says so in a sentence."""
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")
    (tmp_path / "x").rmdir()
    assert typed("claims").err == "peer: the directory that you are in was removed; change to another one\n"


# ------------------------------------------------------------ notes


def test_note_from_a_file(typed: Typed, tmp_path: Path) -> None:
    """The text comes from arguments or a file; a discovery says to whom it was sent."""
    file = tmp_path / "note"
    file.write_text("found\nthis\n")
    said = typed(
        "note", "--discovery", "-p", "a.py", "--file", str(file), note={"id": "a-1", "sent": ["b", "c@d"]}
    )
    assert said.out == "✓ noted, and sent to b, c@d\n"
    fields = typed.door.last
    assert (fields["text"], fields["discovery"], fields["paths"]) == ("found\nthis", True, ["a.py"])
    assert typed("note", "two", "words", note={"id": "a-2", "sent": []}).out == "✓ noted\n"
    assert typed.door.last["text"] == "two words"
    assert typed("note", " ").code == 2


def test_notes_as_a_feed(typed: Typed) -> None:
    """Who, how long ago, about what, and the text below it in full."""
    rows = [note(), note(text="one\ntwo", by="b", host="desktop", discovery=True, paths=["src/api.ts", "x"])]
    said = typed("notes", "--since", "2h", "--grep", "o", "-n", "5", notes={"notes": rows, "repo": "shop"})
    assert said.lines == [
        "session-a  12 min ago",
        "  the staging database is being rebuilt",
        "b@desktop  12 min ago · discovery · on src/api.ts, x",
        "  one",
        "  two",
    ]
    fields = typed.door.last
    assert (fields["since"], fields["grep"], fields["most"]) == (7_200.0, "o", 5)
    assert json.loads(typed("notes", "--json").out) == rows
    assert typed("notes", notes={"notes": [], "repo": "shop"}).out.startswith("no notes yet in shop")
    assert typed("notes", "--grep", "x").out.startswith("no such notes in shop")


# ------------------------------------------------------------ tasks


def test_take_confirmed_and_tentative(typed: Typed) -> None:
    """`take` says whether it is settled, and if not, which machine will settle it."""
    said = typed("task", "take", "7kq2", task={"task": task(**TAKEN), **OPEN})
    assert said.out == "✓ 7kq2 taken, confirmed  move the API to v2\n"
    waits = {"confirmed": False, "waits_for_host": "desktop"}
    row = task(**{**TAKEN, "confirmed": False}, tentative=True)
    said = typed("task", "take", "7kq2", "--anyway", task={"task": row, **waits})
    assert said.out.startswith(
        "… 7kq2 taken, tentative: desktop is out of reach; it is settled when that machine is back  move"
    )
    assert {"act": "take", "task": "7kq2", "anyway": True}.items() <= typed.door.last.items()
    assert json.loads(typed("task", "take", "7kq2", "--json").out)["confirmed"] is False


@pytest.mark.parametrize(
    ("words", "asked", "printed"),
    [
        (["add", "move", "it"], {"act": "add", "title": "move it", "after": []}, "on the board"),
        (
            ["assign", "7kq2", "b@d"],
            {"act": "assign", "task": "7kq2", "to": "b@d"},
            "assigned to session-b, confirmed",
        ),
        (["done", "7kq2"], {"act": "done", "task": "7kq2", "why": ""}, "done"),
        (["done", "7kq2", "merged", "as", "4f"], {"act": "done", "why": "merged as 4f"}, "done"),
        (["drop", "7kq2", "no"], {"act": "drop", "why": "no"}, "dropped"),
        (["reopen", "7kq2", "broke"], {"act": "reopen", "why": "broke"}, "open again"),
    ],
)
def test_what_becomes_of_a_task(typed: Typed, words: list[str], asked: dict[str, Any], printed: str) -> None:
    """Each verb is one question, and says in a line what became of the task."""
    said = typed("task", *words, task={"task": task(**TAKEN), **OPEN, **CHANGED})
    assert (said.code, said.out) == (0, f"✓ 7kq2 {printed}  move the API to v2\n")
    assert asked.items() <= typed.door.last.items()


@pytest.mark.parametrize(
    ("words", "answer", "printed"),
    [
        (["done", "7kq2"], {"freed": ["m3x9", "p0rt"]}, "done, m3x9, p0rt can begin"),
        (
            ["drop", "7kq2"],
            {"was_with": "session-a", "freed": ["m3x9"]},
            "dropped, it was with session-a, m3x9 can begin",
        ),
        (["reopen", "7kq2"], {"was_with": "session-a"}, "open again, it was with session-a"),
        (["done", "7kq2"], {"changed": False}, "was done before"),
        (
            ["done", "7kq2", "merged"],
            {"changed": False},
            "was done before; the reason given now is not kept (peer task reopen it first)",
        ),
    ],
)
def test_what_else_comes_of_a_change(
    typed: Typed, words: list[str], answer: dict[str, Any], printed: str
) -> None:
    """Whose it was, what may begin now, and that nothing changed."""
    row = task(state="done")
    said = typed("task", *words, task={"task": row, **OPEN, **CHANGED, **answer})
    assert (said.code, said.out) == (0, f"✓ 7kq2 {printed}  move the API to v2\n")


def test_a_single_word_is_shown(typed: Typed) -> None:
    """`peer task ID` and `peer state KEY` show it; what is not known and has more words is an error."""
    row = {**task(), "history": []}
    assert typed("task", "7kq2", tasks={"tasks": [row]}).lines[0] == "7kq2  move the API to v2"
    kept = {"state": [{"key": "plan", "text": "step 3 of 5", "age": 1.0}]}
    assert typed("state", "plan", state=kept).out == "step 3 of 5\n"
    assert typed("task", "7kq2", "done").code == 2


def test_only_my_tasks(typed: Typed) -> None:
    """`task list --mine` leaves the others out, and says so if none is left."""
    both = {"tasks": [task(mine=True), task(id="m3x9", title="another")], "repo": "shop"}
    said = typed("task", "list", "--mine", tasks=both)
    assert "7kq2" in said.out
    assert "m3x9" not in said.out
    none = {"tasks": [task()], "repo": "shop"}
    assert typed("task", "list", "--mine", tasks=none).out.startswith("no task is yours in shop")


def test_a_number_without_its_unit(typed: Typed) -> None:
    """`--for 30` is asked about: half an hour was meant, not half a minute."""
    said = typed("claim", "src/", "--for", "30")
    assert said.code == 2
    assert "30 of what? Write 30s, 30m or 30h." in said.err


@pytest.mark.parametrize(
    ("word", "meant"), [("unclaim", "release"), ("who", "list"), ("msg", "send"), ("clam", "claim")]
)
def test_a_word_that_other_tools_have(typed: Typed, word: str, meant: str) -> None:
    """What is nearly right, or right elsewhere, is answered with the command that does it."""
    said = typed(word, "x")
    assert said.code == 2
    assert f"Did you mean 'peer {meant}'?" in said.err


def test_help_as_a_word(typed: Typed) -> None:
    """`peer help` and `peer help task take` print what `--help` prints."""
    assert typed("help").out == typed("--help").out
    assert typed("help", "task", "take").out == typed("task", "take", "--help").out
    assert typed("help", "nix").code == 2


def test_alive_is_about_one(typed: Typed) -> None:
    """A group is not one peer."""
    said = typed("alive", "@repo")
    assert said.code == 2
    assert "peer list shows who of a group is here" in said.err


def test_task_that_waits(typed: Typed) -> None:
    """A task that comes after others says so when it is added."""
    row = task(after=["m3x9", "p0rt"], waits_for=["m3x9", "p0rt"])
    said = typed("task", "add", "x", "--after", "m3x9", "--after", "p0rt", task={"task": row, **OPEN})
    assert said.out == "✓ 7kq2 waits for m3x9, p0rt  move the API to v2\n"
    assert typed.door.last["after"] == ["m3x9", "p0rt"]


def test_refused_task(typed: Typed) -> None:
    """What the door refuses is a sentence and the exit code of its kind, as JSON too."""
    said = typed("task", "take", "7kq2", task=TaskTaken("session-a has that task"))
    assert (said.code, said.out, said.err) == (5, "", "peer: session-a has that task\n")
    said = typed("task", "show", "zzzz", "--json", tasks=NoSuchTask())
    assert (said.code, json.loads(said.out)["error"]["code"]) == (3, "no-task")


def test_board(typed: Typed) -> None:
    """`peer task` and `peer task list` are the same; owners that are away and on other hosts are told apart."""
    away = {"state": "taken", "owner": "build", "owner_host": "desktop"}
    rows = [
        task(**TAKEN),
        task(id="m3x9", **away),
        task(id="p0rt", state="done", owner="build", waits_for=["x"]),
    ]
    plain = typed("task", tasks={"tasks": rows, "repo": "shop"})
    assert plain.out == typed("task", "list").out
    assert typed.door.last["all"] is False
    assert [re.split("  +", line)[1:3] for line in plain.lines[1:]] == [
        ["taken 5 min", "session-b (you)"],
        ["taken 5 min", "build@desktop (away)"],
        ["done 5 min", "build"],
    ]
    assert (
        json.loads(typed("task", "--json").out)
        == json.loads(typed("task", "list", "-a", "--json").out)
        == rows
    )
    assert typed.door.last["all"] is True
    assert typed("task", tasks={"tasks": [], "repo": "shop"}).out.startswith("nothing to do in shop")


def test_one_task_with_its_history(typed: Typed) -> None:
    """`peer task show`: the title in full, its state, what it waits for, and what happened."""

    def happened(what: str, age: float, **given: Any) -> dict[str, Any]:
        return {"what": what, "by": "session-a", "to": "", "granted": None, "age": age, "why": "", **given}

    history = [
        happened("task", 7_300.0),
        happened("take", 400.0, to="session-a"),
        happened("take", 300.0, to="session-b"),
        happened("verdict", 299.0, to="session-b", granted=True),
        happened("reopen", 30.0, why="it is back"),
        happened("later-word", 1.0),
    ]
    row = {**task(title="x" * 150, why="it is back", waits_for=["m3x9"], after=["m3x9"]), "history": history}
    said = typed("task", "show", "7kq2", tasks={"tasks": [row], "repo": "shop"})
    assert said.lines == [
        f"7kq2  {'x' * 150}",
        "  open since 5 min: it is back",
        "  waits for m3x9",
        "  2 h ago    added by session-b",
        "  6 min ago  taken by session-a",
        "  5 min ago  assigned to session-b by session-a",
        "  4 min ago  confirmed for session-b",
        "  30 s ago   put back by session-a: it is back",
        "  just now   later-word by session-a",
    ]
    assert json.loads(typed("task", "show", "7kq2", "--json").out) == row


# ------------------------------------------------------------ state


def test_state(typed: Typed) -> None:
    """set, get, show, clear: what is asked and what is printed."""
    kept = {"state": [{"key": "plan", "text": "one\ntwo", "age": 720.0}]}
    assert typed("state", "set", "plan", "one", "two", state=kept).out == "✓ plan is kept\n"
    assert {"act": "set", "key": "plan", "text": "one two"}.items() <= typed.door.last.items()
    assert typed("state", "get", "plan").out == "one\ntwo\n"
    assert typed("state").out == typed("state", "show").out == "plan  12 min ago\n  one\n  two\n"
    assert json.loads(typed("state", "--json").out) == kept
    assert typed("state", "clear", "plan").out == "✓ plan is forgotten\n"
    assert typed.door.last["key"] == "plan"
    assert typed("state", "clear", "--all").out == "✓ all is forgotten\n"
    assert typed.door.last["key"] is None
    assert typed("state", state={"state": []}).out.startswith("nothing is kept")


def test_state_that_is_not_there(typed: Typed) -> None:
    """Nothing under a key: exit 3. Neither a key nor --all, an empty key, no text: exit 2, nothing asked."""
    assert typed("state", "get", "plan", state={"state": []}).code == 3
    typed.door.asked.clear()
    for words in (
        ["clear"],
        ["clear", "x", "--all"],
        ["clear", ""],
        ["get", " "],
        ["set", "x"],
        ["set", "", "x"],
    ):
        assert typed("state", *words).code == 2
    assert typed.door.asked == []


# ------------------------------------------------------------ who is there


def test_alive_by_exit_code(typed: Typed) -> None:
    """0 for somebody who is here, 4 for away, 3 for nobody; a word for people and JSON for programs."""
    here = {
        "name": "b",
        "here": True,
        "status": "busy",
        "since": time.time() - 400,
        "active": time.time() - 5,
    }
    said = typed("alive", "b", alive=here)
    assert (said.code, said.out) == (0, "b is here: busy 6 min, active 5 s ago\n")
    away = {**here, "here": False, "status": "away"}
    assert (typed("alive", "b", alive=away).code, typed("alive", "b").out) == (4, "b is away since 6 min\n")
    said = typed("alive", "b", "--json")
    assert (said.code, json.loads(said.out)) == (4, away)
    assert typed("alive", "b", alive=UnknownPeer()).code == 3


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No test waits; how long would have been waited."""
    waits: list[float] = []
    monkeypatch.setattr("peermesh.cli.who.time.sleep", waits.append)
    return waits


def test_list_waits_until_others_were_met(typed: Typed, at_once: list[float]) -> None:
    """A sidecar that began just now is asked again until it has met the other machines."""
    said = typed("list", "--json", list=[peers(meeting=True), peers(meeting=True), peers(peer())])
    assert [one["name"] for one in json.loads(said.out)] == ["session-a"]
    assert len(at_once) == 2
    assert typed.door.closed == 1


def test_watch_prints_each_change_as_a_line(typed: Typed, at_once: list[float]) -> None:
    """--watch --json: one line for each change, nothing while only time goes by, and Ctrl-C ends it well."""
    edited = [{"path": "a.py", "age": 1.0}]
    answers = [
        peers(peer(active=time.time() - 1)),
        peers(peer(active=time.time(), since=time.time() - 186)),
        peers(peer(status="idle")),
        peers(peer(status="idle", files=edited)),
        peers(peer(status="idle", files=[{"path": "a.py", "age": 2.0}])),
        KeyboardInterrupt(),
    ]
    said = typed("list", "--watch", "--json", list=answers)
    assert (said.code, said.err) == (0, "\n")
    rows = [json.loads(line)[0] for line in said.lines]
    assert [(row["status"], row["files"]) for row in rows] == [("busy", []), ("idle", []), ("idle", edited)]
    assert at_once == [1.0] * 5
    assert typed.door.closed == 1


def test_watch_prints_each_change_as_a_table(typed: Typed, at_once: list[float]) -> None:
    """--watch to a pipe: a table for each change, an empty line between."""
    answers = [peers(peer()), peers(peer()), peers(peer(branch="main")), KeyboardInterrupt()]
    said = typed("list", "--watch", list=answers)
    assert said.code == 0
    assert [bool(line) for line in said.lines] == [True, True, False, True, True]
    assert "\x1b" not in said.out


def test_watch_outlives_its_sidecar(typed: Typed, at_once: list[float]) -> None:
    """A sidecar that goes away is asked for anew, on a new connection."""
    answers = [peers(peer()), ConnectionError(), peers(peer(status="idle")), KeyboardInterrupt()]
    said = typed("list", "--watch", "--json", list=answers)
    assert (said.code, len(said.lines), typed.door.closed) == (0, 2, 2)


def test_watch_on_a_terminal(typed: Typed, at_once: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the list is drawn over itself."""
    monkeypatch.setattr("peermesh.cli.screen.Screen.live", staticmethod(lambda: True))
    answers = [peers(peer(), unread=2), peers(peer(status="idle")), KeyboardInterrupt()]
    said = typed("list", "--watch", list=answers)
    assert said.code == 0
    first, second = said.out.split("\r\x1b[3A\x1b[J")
    assert "busy 3 min" in first
    assert "2 new messages for you: peer inbox" in first
    assert "idle 3 min" in second
    assert "new message" not in second


# ------------------------------------------------------------ the shell


def test_ids_are_completed(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell is offered the ids of tasks with their titles; without a sidecar nothing, and none is started."""
    kind = together.Known(
        "task", lambda answer: [(one["id"], one["title"]) for one in answer["tasks"]], "tasks"
    )
    typed.door.answers["tasks"] = {"tasks": [task(), task(id="m3x9")]}
    monkeypatch.setattr("peermesh.cli.link.running", lambda: typed.door)
    offered = kind.shell_complete(None, None, "7")  # type: ignore[arg-type]
    assert [(one.value, one.help) for one in offered] == [("7kq2", "move the API to v2")]
    monkeypatch.setattr("peermesh.cli.link.running", lambda: None)
    assert kind.shell_complete(None, None, "7") == []  # type: ignore[arg-type]
