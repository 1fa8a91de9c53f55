"""The story of two sessions in two worktrees of one repo, told by the commands of the shared picture."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .actors import Actor, Done, Person, Session
from .conftest import Sessions
from .home import PYTHON, Home, send_signal, until


@dataclass(frozen=True)
class Two:
    """session-a works in the repo's own directory on main, session-b in a worktree on restyle."""

    one: Session
    two: Session

    def __iter__(self) -> Iterator[Session]:
        return iter((self.one, self.two))


@pytest.fixture
def pair(home: Home, session: Sessions) -> Two:
    """Two sessions in two worktrees of one repo."""
    shop = home.repo("shop")
    (shop / "src/admin").mkdir(parents=True)
    (shop / "src/admin/users.tsx").write_text("users")
    home.git(shop, "add", ".")
    home.git(shop, "commit", "-q", "-m", "Second")
    home.git(shop, "worktree", "add", "-q", "-b", "restyle", str(home.path / "shop-css"))
    return Two(session("session-a", cwd=shop), session("session-b", cwd=home.path / "shop-css"))


def edit(one: Session, path: str) -> dict[str, Any]:
    """A model's edit of *path*; what the hook before it decided, if anything."""
    said = {"tool_name": "Edit", "tool_input": {"file_path": str(one.cwd / path)}}
    payloads = {
        event: json.dumps({**json.loads(one.payload(event)), **said}).encode()
        for event in ("PreToolUse", "PostToolUse")
    }
    before = one.run_hook("PreToolUse", payloads["PreToolUse"])
    assert (before.code, before.err) == (0, ""), before
    decision: dict[str, Any] = json.loads(before.out)["hookSpecificOutput"] if before.out else {}
    if decision.get("permissionDecision") != "deny":
        assert one.run_hook("PostToolUse", payloads["PostToolUse"]).code == 0
    return decision


def refused(done: Done, code: int, name: str = "") -> str:
    """The sentence of a command that failed with *code*, and as JSON with the error's *name*."""
    assert done.code == code, done
    if name:
        assert done.json["error"]["code"] == name
        return str(done.json["error"]["message"])
    assert "Traceback" not in done.err
    return done.err


def paths(one: Actor) -> list[tuple[str, str, bool]]:
    """What is claimed as *one* sees it: path, holder, whether it is its own."""
    return [(row["path"], row["by"], row["mine"]) for row in one.peer("claims", "--json").json["claims"]]


# ------------------------------------------------------------ claims


def test_a_claim_is_seen_and_refused_to_others(pair: Two) -> None:
    """A claims a directory; B is refused a file in it, told all it needs to ask, and gets what is free."""
    one, two = pair
    said = one.ok("claim", "src/admin/", "--why", "new dashboard")
    assert re.fullmatch(r"✓ src/admin/ is yours  until [\w ]*\d\d:\d\d \(30 min\)\n", said)
    done = two.peer("claim", "src/admin/users.tsx", "web/", "--for", "2h")
    assert done.code == 5
    lines = done.out.splitlines()
    assert lines[0].startswith("✓ web/ is yours")
    assert lines[0].endswith("(2 h)")
    assert lines[1] == "✗ src/admin/users.tsx is held by session-a as part of src/admin/"
    assert lines[2] == "    new dashboard"
    assert re.fullmatch(r"    on branch main since \d+ s, (30|29) min left", lines[3])
    assert lines[4] == '    → peer ask session-a "May I edit src/admin/users.tsx?"'
    assert paths(one) == [("src/admin/", "session-a", True), ("web/", "session-b", False)]
    assert paths(two) == [("src/admin/", "session-a", False), ("web/", "session-b", True)]
    table = two.ok("claims").splitlines()
    assert re.match(r"src/admin/ +session-a +main +\d+ s +\d+ min +new dashboard$", table[1])
    assert re.match(r"web/ +session-b \(you\) +restyle +\d+ s +(2 h|1 h)$", table[2])


def test_a_claim_ends_by_release_and_with_its_session(pair: Two) -> None:
    """What is released, or held by a session that ended, others can claim."""
    one, two = pair
    one.ok("claim", "src/admin/", "web/", "*.md")
    assert one.ok("release", "src/admin/") == "✓ src/admin/ is free\n"
    two.ok("claim", "src/admin/users.tsx")
    refused(two.peer("release", "web/"), 5)
    assert two.peer("claim", "web/").code == 5
    one.end()
    until(lambda: two.peer("claim", "web/").code == 0, "the claims of the one that ended to be free")
    assert two.peer("release", "--all", "--json").json["released"][0]["path"] == "src/admin/users.tsx"
    assert two.ok("release", "--all") == "you hold nothing here\n"
    assert two.ok("claims").startswith("nobody holds anything in shop")


def test_another_ones_claim_is_not_released(pair: Two) -> None:
    """Who wants to release what another holds is told whose it is, and how to ask; nothing changes."""
    one, two = pair
    one.peer("claim", "src/admin/")
    said = refused(two.peer("release", "src/admin/users.tsx"), 5)
    assert "src/admin/users.tsx is held by session-a as part of src/admin/" in said
    assert "peer ask session-a" in said
    refused(two.peer("release", "src/admin/", "--json"), 5, "not-yours")
    assert paths(two) == [("src/admin/", "session-a", False)]
    assert "you have no claim on README.md" in refused(two.peer("release", "README.md"), 2)


def test_a_claim_ends_by_time(pair: Two) -> None:
    """After its lease a path is free; too short and too long ones are refused."""
    one, two = pair
    refused(one.peer("claim", "web/", "--for", "1s"), 2)
    refused(one.peer("claim", "web/", "--for", "2d"), 2)
    one.ok("claim", "web/", "--for", "10s")
    assert two.peer("claim", "web/").code == 5
    until(lambda: two.peer("claim", "web/").code == 0, "the end of ten seconds", 20.0)


def test_paths_are_of_the_repo(home: Home, pair: Two) -> None:
    """Relative to where it was typed, absolute, of the other worktree: the same path; outside it: exit 2."""
    one, two = pair
    one.cwd = one.cwd / "src/admin"
    assert one.peer("claim", "users.tsx", "--json").json["claims"][0]["path"] == "src/admin/users.tsx"
    for spelled in (
        "src/admin/users.tsx",
        str(two.cwd / "src/admin/users.tsx"),
        "./src//admin/../admin/users.tsx",
    ):
        row = two.peer("claim", spelled, "--json").json["refused"][0]
        assert (row["wanted"], row["by"]) == ("src/admin/users.tsx", "session-a")
    assert two.peer("claim", "src/admin", "--json").json["refused"][0]["wanted"] == "src/admin/"
    assert two.peer("claim", "src/**/*.tsx", "--json").json["refused"][0]["path"] == "src/admin/users.tsx"
    for outside in ("/etc/passwd", "../../elsewhere", str(home.path)):
        assert "not in this repo" in refused(two.peer("claim", outside, "--json"), 2, "outside")
    refused(two.peer("claim", "a\nb"), 2)
    assert len(paths(two)) == 1


def test_a_model_is_warned_as_the_mode_says(pair: Two) -> None:
    """With warn the first try is turned back, and only that; off says nothing; the mode is the repo's."""
    one, two = pair
    one.ok("claim", "src/admin/", "--why", "new dashboard")
    until((two.link / "due/PreToolUse").exists, "B's hook to look")
    said = edit(two, "src/admin/users.tsx")
    assert said["permissionDecision"] == "deny"
    assert "held by the session session-a" in said["permissionDecisionReason"]
    two.hook("PostToolBatch")
    assert edit(two, "src/admin/users.tsx") == {}
    assert one.ok("claims", "--mode", "off").startswith("✓ shop, off:")
    until(lambda: two.peer("claims", "--json").json["mode"] == "off", "the other session to see the mode")
    (two.cwd / "src/admin/other.tsx").write_text("other")
    assert edit(two, "src/admin/other.tsx") == {}
    assert two.ok("claims").splitlines()[-1] == "off: claims are not looked at before an edit"
    assert one.peer("claims", "--mode", "loud").code == 2


# ------------------------------------------------------------ notes


def test_notes_reach_the_other_at_its_next_turn(pair: Two) -> None:
    """A's note is a line in B's next turn, and in `peer notes` for who wants to look."""
    one, two = pair
    assert one.ok("note", "the staging database", "is being rebuilt") == "✓ noted\n"
    assert "the staging database is being rebuilt" in until(two.prompt, "the note at the next turn")
    two.stop()
    assert two.ok("note", "-p", "src/admin/users.tsx", "-", stdin=b"users.tsx\nis generated\n") == "✓ noted\n"
    assert re.sub(r"just now|\d+ s ago", "AGO", two.ok("notes")).splitlines() == [
        "session-a  AGO",
        "  the staging database is being rebuilt",
        "session-b (you)  AGO · on src/admin/users.tsx",
        "  users.tsx",
        "  is generated",
    ]
    texts = ["the staging database is being rebuilt", "users.tsx\nis generated"]
    assert [row["text"] for row in one.peer("notes", "--json").json] == texts
    assert [row["text"] for row in one.peer("notes", "--grep", "STAGING", "--json").json] == texts[:1]
    assert [row["text"] for row in one.peer("notes", "-n", "1", "--json").json] == texts[1:]
    time.sleep(1.1)
    assert one.ok("notes", "--since", "1s").startswith("no such notes in shop")


def test_a_discovery_is_sent_to_whom_it_concerns(pair: Two) -> None:
    """A discovery about what B works on is a message to B; a note that is too long or empty is refused."""
    one, two = pair
    two.ok("focus", "restyling the dashboard")
    assert (
        one.ok("note", "--discovery", "the dashboard reads its colours twice")
        == "✓ noted, and sent to session-b\n"
    )
    until(lambda: two.unread() == ["the dashboard reads its colours twice"], "the message")
    assert one.peer("note", "--discovery", "nobody works on pagination", "--json").json["sent"] == []
    assert "4000" in refused(one.peer("note", "x" * 4_001, "--json"), 5, "too-large")
    refused(one.peer("note", " ", "--json"), 2, "empty")


# ------------------------------------------------------------ tasks


def add(one: Actor, *words: str) -> str:
    """A new task's id."""
    return str(one.peer("task", "add", *words, "--json").json["task"]["id"])


def states(one: Actor) -> dict[str, str]:
    """All tasks as *one* sees them."""
    return {row["id"]: row["state"] for row in one.peer("task", "list", "--all", "--json").json}


def test_a_task_has_one_owner(pair: Two) -> None:
    """Who takes it first has it, and the other is told who; to take it again is no error."""
    one, two = pair
    ident = add(one, "move", "the API to v2")
    assert re.fullmatch("[0-9a-z]{4,8}", ident)
    assert two.ok("task", "take", ident) == f"✓ {ident} taken, confirmed  move the API to v2\n"
    assert two.peer("task", "take", ident, "--json").json["confirmed"] is True
    assert "session-b has that task" in refused(one.peer("task", "take", ident, "--json"), 5, "task-taken")
    assert re.match(rf"{ident}  taken \d+ s +session-b +move the API to v2$", one.ok("task").splitlines()[1])
    assert " session-b (you) " in two.ok("task", "list")
    assert two.ok("task", "done", ident, "merged", "as", "4f1c2aa").startswith(f"✓ {ident} done")
    assert one.ok("task").startswith("nothing to do in shop")
    assert states(one) == {ident: "done"}


def test_a_task_waits_for_others(pair: Two) -> None:
    """One that comes after another cannot be taken before, but anyway; done or dropped frees it."""
    one, two = pair
    first = add(one, "first")
    second = add(two, "second", "--after", first)
    assert re.search(rf"^{second}  waits for {first} +second$", one.ok("task"), re.MULTILINE)
    assert first in refused(two.peer("task", "take", second, "--json"), 5, "task-waits")
    assert two.ok("task", "take", second, "--anyway").startswith(f"✓ {second} taken, confirmed")
    two.ok("task", "reopen", second, "too early")
    one.ok("task", "drop", first, "not needed")
    two.ok("task", "take", second)
    assert states(two) == {first: "dropped", second: "taken"}
    refused(one.peer("task", "add", "third", "--after", "zzzz", "--json"), 3, "no-task")


def test_what_a_change_of_a_task_comes_to(pair: Two) -> None:
    """Who closes another's task reads whose it was and what may begin; a second closing says that it changes nothing."""
    one, two = pair
    first = add(one, "the API")
    then = add(one, "the page", "--after", first)
    one.ok("task", "take", first)
    assert f"{first} done, it was with session-a, {then} can begin" in two.ok("task", "done", first)
    assert f"{first} was done before; the reason given now is not kept" in one.ok(
        "task", "done", first, "merged"
    )
    assert f"{first} open again  the API" in one.ok("task", "reopen", first)


def test_a_task_is_assigned_and_has_a_history(pair: Two) -> None:
    """`assign` makes it another's; `show` tells all that happened; one that nobody knows is exit 3."""
    one, two = pair
    ident = add(one, "write the docs")
    assert one.ok("task", "assign", ident, "session-b").startswith(
        f"✓ {ident} assigned to session-b, confirmed"
    )
    two.ok("task", "done", ident)
    one.ok("task", "reopen", ident, "a page is missing")
    lines = one.ok("task", "show", ident).splitlines()
    assert lines[0] == f"{ident}  write the docs"
    assert re.match(r"  open since \d+ s: a page is missing", lines[1])
    assert [line.split("  ")[-1] for line in lines[2:]] == [
        "added by session-a",
        "assigned to session-b by session-a",
        "done by session-b",
        "put back by session-a: a page is missing",
    ]
    told = [one["what"] for one in two.peer("task", "show", ident, "--json").json["history"]]
    assert told[-3:] == ["take", "done", "reopen"]
    for spelled in ("zzzzzzzz", "%", "../x"):
        refused(one.peer("task", "show", spelled, "--json"), 3, "no-task")
    refused(one.peer("task", "assign", ident, "nobody", "--json"), 3, "unknown-peer")
    refused(one.peer("task", "add", " ", "--json"), 2, "empty")


def test_a_task_of_the_dead_returns(pair: Two) -> None:
    """When a session's client is killed its task is open again, with a word why."""
    one, two = pair
    ident = add(one, "long work")
    two.ok("task", "take", ident)
    two.kill_sidecar()
    two.kill_client()
    row = until(
        lambda: next((row for row in one.peer("task", "--json").json if row["state"] == "open"), None),
        "its return",
    )
    assert (row["id"], row["owner"]) == (ident, "")
    assert "session-b" in row["why"]


def test_ids_of_tasks_are_completed(pair: Two) -> None:
    """The shell is offered the ids of open tasks."""
    one, _ = pair
    ident = add(one, "first")
    words = {
        "_PEER_COMPLETE": "bash_complete",
        "COMP_WORDS": f"peer task take {ident[:2]}",
        "COMP_CWORD": "3",
    }
    assert one.peer(env=words).out.split() == [f"plain,{ident}"]


# ------------------------------------------------------------ state


def test_state_is_ones_own(pair: Two) -> None:
    """What a session keeps it gets back, also from a new sidecar, and nobody else sees it."""
    one, two = pair
    assert one.ok("state", "set", "plan", "step 3 of 5:", "move the tests") == "✓ plan is kept\n"
    one.ok("state", "set", "found", "-", stdin="ä\nö\n".encode())
    one.kill_sidecar()
    assert one.ok("state", "get", "plan") == "step 3 of 5: move the tests\n"
    assert one.ok("state", "get", "found") == "ä\nö\n"
    assert {row["key"] for row in one.peer("state", "--json").json["state"]} == {"plan", "found"}
    assert two.ok("state").startswith("nothing is kept")
    refused(two.peer("state", "get", "plan", "--json"), 3, "no-state")
    assert one.ok("state", "clear", "plan") == "✓ plan is forgotten\n"
    refused(one.peer("state", "get", "plan", "--json"), 3, "no-state")
    one.ok("state", "clear", "--all")
    assert one.peer("state", "--json").json == {"state": []}


# ------------------------------------------------------------ who is there


def test_alive_by_exit_code(pair: Two) -> None:
    """0 for who is here, 4 for who went away, 3 for who was never there."""
    one, two = pair
    assert one.peer("alive", "session-b").code == 0
    assert one.ok("alive", "session-a").startswith("session-a is here: ")
    two.end()
    done = until(lambda: (d := one.peer("alive", "session-b")).code == 4 and d, "its end to be known")
    assert done.out.startswith("session-b is away")
    assert one.peer("alive", "session-b", "--json").json["here"] is False
    refused(one.peer("alive", "session-x", "--json"), 3, "unknown-peer")


def listed(one: Actor) -> dict[str, dict[str, Any]]:
    """`peer list --json`, by name."""
    return {row["name"]: row for row in one.peer("list", "--json").json}


def test_list_tells_what_each_works_on(pair: Two) -> None:
    """Files that were edited, the worktree and the last activity, live; as a table and as JSON."""
    one, two = pair
    edit(two, "src/admin/users.tsx")
    edit(two, "web/b.css")
    row = until(lambda: len((r := listed(one)["session-b"])["files"]) == 2 and r, "both files")
    assert {file["path"] for file in row["files"]} == {"src/admin/users.tsx", "web/b.css"}
    assert all(0.0 <= file["age"] < 60.0 for file in row["files"])
    assert Path(row["worktree"]).name == "shop-css"
    assert 0.0 <= time.time() - row["active"] < 60.0
    lines = one.ok("list").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("session-b"))
    assert re.match(r"  in shop-css · edits web/b.css \d+ s, src/admin/users.tsx \d+ s$", lines[at + 1])
    two.home.git(two.cwd, "checkout", "-q", "-b", "other")
    until(lambda: listed(one)["session-b"]["branch"] == "other", "the branch, live")


def test_watch_follows_changes(pair: Two) -> None:
    """`peer list --watch --json` prints a line for each change, and Ctrl-C ends it with exit code 0."""
    one, two = pair
    watch = one.start_peer("list", "--watch", "--json")
    assert watch.stdout is not None
    first = {row["name"]: row for row in json.loads(watch.stdout.readline())}
    assert first["session-b"]["focus"] == ""
    two.ok("focus", "the dashboard")
    second = {row["name"]: row for row in json.loads(watch.stdout.readline())}
    assert second["session-b"]["focus"] == "the dashboard"
    send_signal(watch.pid, signal.SIGINT)
    out, err = watch.communicate(timeout=10)
    assert (watch.returncode, out, err) == (0, b"", b"\n")


def test_watch_outlives_its_sidecar(pair: Two) -> None:
    """A sidecar that is killed is started anew, and the list goes on."""
    one, two = pair
    watch = one.start_peer("list", "--watch", "--json")
    assert watch.stdout is not None
    watch.stdout.readline()
    one.kill_sidecar()
    two.ok("focus", "the dashboard")
    until(lambda: b"the dashboard" in watch.stdout.readline(), "the change")  # type: ignore[union-attr]
    send_signal(watch.pid, signal.SIGINT)
    assert watch.wait(10) == 0


def test_watch_ends_with_its_reader(pair: Two) -> None:
    """`peer list --watch | head -1` ends although nothing changes."""
    one, _ = pair
    watch = one.start_peer("list", "--watch", "--json")
    assert watch.stdout is not None
    watch.stdout.readline()
    watch.stdout.close()
    assert watch.wait(10) == 141
    assert watch.stderr is not None
    assert watch.stderr.read() == b""
    watch.stderr.close()
    watch.stdout = watch.stderr = None


class Screen:
    """A terminal in which a command runs."""

    def __init__(self, one: Actor, *words: str) -> None:
        self._end, far = pty.openpty()
        self.process = subprocess.Popen(
            [str(Path(PYTHON).with_name("peer")), *words],
            env={**one.env, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
            cwd=one.cwd,
            stdin=far,
            stdout=far,
            stderr=far,
        )
        one.home.processes.append(self.process)
        os.close(far)
        os.set_blocking(self._end, False)
        self.seen = ""

    def read(self) -> str:
        """All that was written so far."""
        try:
            self.seen += os.read(self._end, 65_536).decode()
        except OSError:
            return self.seen  # nothing new, or it has ended
        return self.seen

    def close(self) -> None:
        """Hang up."""
        os.close(self._end)


def test_watch_draws_over_itself(pair: Two) -> None:
    """On a terminal the lines that were drawn are drawn over, and nothing above them is touched."""
    one, two = pair
    screen = Screen(one, "list", "--watch")
    until(lambda: "session-b" in screen.read(), "the list")
    assert not screen.seen.startswith("\r\x1b[")
    two.ok("focus", "the dashboard")
    until(lambda: "the dashboard" in screen.read(), "the change")
    lines = 4  # the heads, two sessions, the worktree of one
    assert re.search(rf"\r\x1b\[{lines}A\x1b\[J", screen.seen)
    send_signal(screen.process.pid, signal.SIGINT)
    assert screen.process.wait(10) == 0
    assert "Traceback" not in screen.read()
    screen.close()


# ------------------------------------------------------------ whose it is


def test_other_repos_see_nothing(home: Home, pair: Two, session: Sessions) -> None:
    """Claims, notes and tasks are the repo's; a person's shell sees those of the directory it stands in."""
    one, _ = pair
    one.ok("claim", "src/")
    one.ok("note", "for the shop only")
    add(one, "for the shop only")
    other, shell = session("c", cwd=home.repo("bakery")), Person(home)
    for actor in (other, shell):
        assert actor.peer("claims", "--json").json["claims"] == []
        assert actor.peer("notes", "--json").json == []
        assert actor.peer("task", "--json").json == []
    shell.cwd = one.cwd
    assert paths(shell) == [("src/", "session-a", False)]
    assert [row["text"] for row in shell.peer("notes", "--json").json] == ["for the shop only"]
    assert shell.peer("claim", "src/admin/users.tsx").code == 5
    assert shell.ok("claim", "web/").startswith("✓ web/ is yours")
    assert ("web/", "pat", False) in paths(one)


def test_all_survives_the_sidecars(pair: Two) -> None:
    """Claims, notes and tasks are on the disk: killed sidecars come back to the same picture."""
    one, two = pair
    one.ok("claim", "src/")
    two.ok("note", "remember this")
    ident = add(one, "long work")
    one.ok("task", "take", ident)
    one.kill_sidecar()
    two.kill_sidecar()
    assert paths(two) == [("src/", "session-a", False)]
    assert [row["text"] for row in one.peer("notes", "--json").json] == ["remember this"]
    assert states(two) == {ident: "taken"}
