"""What a session's hooks say of the shared picture: before an edit, at a turn, and after it forgot."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from .actors import Session
from .home import Home, send_signal, until

Sessions = Callable[..., Session]

# A token of English has four characters and more; of paths and ids fewer.
CHARACTERS_A_TOKEN = 3.5


class Two(NamedTuple):
    """Two sessions of one repo, each in a worktree of its own."""

    one: Session
    two: Session


@pytest.fixture
def pair(home: Home, session: Sessions) -> Two:
    """They have met, and know of each other."""
    repo = home.repo("shop")
    (repo / "src").mkdir()
    (repo / "src/a.css").write_text("body {}\n")
    home.git(repo, "add", ".")
    home.git(repo, "commit", "-q", "-m", "Style")
    home.git(repo, "worktree", "add", "-q", "-b", "fix", str(home.path / "shop-fix"))
    two = Two(session("one", cwd=repo), session("two", cwd=home.path / "shop-fix"))
    assert "two joined this repo (fix)" in until(two.one.turn, "the news of the other")
    return two


def tool(one: Session, event: str, path: Path | str) -> dict[str, Any]:
    """A hook of an edit of *path*; its answer, {} for nothing."""
    said = {
        "session_id": one.id,
        "cwd": str(one.cwd),
        "hook_event_name": event,
        "tool_name": "Edit",
        "tool_input": {"file_path": str(path)},
    }
    done = one.run_hook(event, json.dumps(said).encode())
    assert (done.code, done.err) == (0, "")
    answer: dict[str, Any] = json.loads(done.out)["hookSpecificOutput"] if done.out else {}
    return answer


def edits(one: Session, path: str = "src/a.css") -> dict[str, Any]:
    """A whole edit, if it is not turned back; the first hook's answer."""
    answer = tool(one, "PreToolUse", one.cwd / path)
    if answer.get("permissionDecision") is None:
        tool(one, "PostToolUse", one.cwd / path)
    return answer


def flagged(one: Session, event: str) -> bool:
    """Whether the hooks' second step is wanted at *event*."""
    return (one.directory / "due" / event).exists()


def test_nothing_is_held(pair: Two) -> None:
    """While nobody holds or edits anything a hook before an edit ends at a file test, and a turn hears nothing."""
    one, two = pair
    assert not flagged(two, "PreToolUse")
    assert not flagged(two, "UserPromptSubmit")
    edits(one)
    assert not flagged(one, "PreToolUse")  # its own edit is nothing to look at
    until(lambda: flagged(two, "PreToolUse"), "the other's edit")
    assert (one.turn(), two.turn()) == ("", "")  # not the same file: no news


def test_the_first_try_is_turned_back(pair: Two) -> None:
    """The claim of another turns back one try; after a release and a new claim, one more."""
    one, two = pair
    one.ok("claim", "src/", "--why", "new colours")
    until(lambda: flagged(two, "PreToolUse"), "the claim")
    answer = tool(two, "PreToolUse", two.cwd / "src/a.css")
    assert answer["permissionDecision"] == "deny"
    words = answer["permissionDecisionReason"]
    assert '"src/a.css" is held by the session one (claim on "src/", branch "main", since' in words
    assert 'its words: "new colours"' in words
    # A second edit in the same message is turned back too: the model has read nothing yet.
    assert tool(two, "PreToolUse", two.cwd / "src/a.css")["permissionDecision"] == "deny"
    two.hook("PostToolBatch")
    assert tool(two, "PreToolUse", two.cwd / "src/a.css") == {}
    assert tool(two, "PreToolUse", two.cwd / "README") == {}
    assert tool(one, "PreToolUse", one.cwd / "src/a.css") == {}
    one.ok("release", "--all")
    one.ok("claim", "src/a.css")
    assert tool(two, "PreToolUse", two.cwd / "src/a.css")["permissionDecision"] == "deny"


def test_over_symlinks_and_clones(home: Home, session: Sessions, pair: Two) -> None:
    """The same file is the same file: in a clone, by a symlink, and given from the directory above."""
    home.git(home.path, "clone", "-q", str(pair.one.cwd), str(home.path / "copy"))
    three = session("three", cwd=home.path / "copy")
    (home.path / "way").symlink_to(home.path / "copy")
    pair.one.ok("claim", "src/a.css")
    until(lambda: flagged(three, "PreToolUse"), "the claim")
    answer = tool(three, "PreToolUse", home.path / "way/src/../src/a.css")
    assert answer["permissionDecision"] == "deny"
    three.hook("PostToolBatch")
    assert tool(three, "PreToolUse", home.path / "copy/src/a.css") == {}  # turned back once, by either way
    assert tool(three, "PreToolUse", "/etc/hostname") == {}


def test_mode_note_and_off(pair: Two, session: Sessions) -> None:
    """With PEER_CLAIMS=note a session is told with its edit, once; with off it is told nothing."""
    three = session("three", cwd=pair.two.cwd, PEER_CLAIMS="note")
    four = session("four", cwd=pair.two.cwd, PEER_CLAIMS="off")
    pair.one.ok("claim", "src/a.css")
    until(lambda: flagged(three, "PreToolUse"), "the claim")
    assert '"src/a.css" is held by' in tool(three, "PreToolUse", three.cwd / "src/a.css")["additionalContext"]
    assert tool(three, "PreToolUse", three.cwd / "src/a.css") == {}
    assert not flagged(four, "PreToolUse")
    assert tool(four, "PreToolUse", four.cwd / "src/a.css") == {}


def test_mode_ask(pair: Two, session: Sessions) -> None:
    """With PEER_CLAIMS=ask the first try says why, the next ones ask the person, until the file was edited."""
    three = session("three", cwd=pair.two.cwd, PEER_CLAIMS="ask")
    pair.one.ok("claim", "src/a.css")
    until(lambda: flagged(three, "PreToolUse"), "the claim")
    first = tool(three, "PreToolUse", three.cwd / "src/a.css")
    assert first["permissionDecision"] == "deny"
    assert first["permissionDecisionReason"].endswith("do it again, and the user is asked.")
    for _ in range(2):  # the person said no
        three.hook("PostToolBatch")
        assert tool(three, "PreToolUse", three.cwd / "src/a.css")["permissionDecision"] == "ask"
    tool(three, "PostToolUse", three.cwd / "src/a.css")  # and then yes
    assert tool(three, "PreToolUse", three.cwd / "src/a.css") == {}


def test_an_edit_without_a_claim_is_noted_once(pair: Two) -> None:
    """Who edits what another edited a moment ago is told with its edit; both hear of it at their next turn."""
    one, two = pair
    edits(one)
    until(lambda: flagged(two, "PreToolUse"), "the edit")
    assert 'the session one edited "src/a.css" on branch "main"' in edits(two)["additionalContext"]
    assert edits(two) == {}
    told = until(one.turn, "the news")
    assert "two edited src/a.css on fix" in told
    assert "you edited it too" in told
    assert one.turn() == ""


def test_notes_are_told_once_and_wake_nobody(pair: Two) -> None:
    """A note waits for the next turn, also when the sidecar dies in between, and is told once."""
    one, two = pair
    waiter = two.waiter()
    one.ok("note", "the colours live in theme.css")
    until(lambda: flagged(two, "UserPromptSubmit"), "the note")
    assert not waiter.ended
    two.kill_sidecar()
    said = until(two.turn, "the note after the crash")
    assert said.count("note by one, ") == 1
    assert "the colours live in theme.css" in said
    assert "theme.css" not in two.turn()


def test_the_unanswered_question(pair: Two) -> None:
    """Who asked is told when the one asked has read it and goes idle, and when it ends, each once."""
    one, two = pair
    one.ok("send", "two", "which API?", "--kind", "question")
    assert "which API?" in two.turn()
    said = until(one.turn, "that nobody answers", 15.0)
    assert "notice by peer itself" in said
    assert "two read your question and went idle" in said
    one.ok("send", "two", "are you there?", "--kind", "question")
    two.end()
    said = ""

    def told() -> bool:
        nonlocal said
        said += one.turn()
        return "before it read your question" in said

    until(told, "that it has ended", 15.0)
    assert "two left" in said
    assert said.count("notice by peer itself") == 1


def test_an_answer_ends_the_question(pair: Two) -> None:
    """A question that was answered is not followed."""
    one, two = pair
    one.ok("send", "two", "which API?", "--kind", "question")
    question = two.ask("inbox", peek=True)["messages"][0]["id"]
    assert "which API?" in two.turn()
    two.ok("reply", question, "version 2")
    assert "version 2" in until(one.turn, "the answer")
    assert one.ask("status")["mail"]["unread"] == 0
    until(lambda: one.turn() == "", "quiet")


def test_it_is_given_back_what_it_held(pair: Two) -> None:
    """After compact, /clear and resume: its state, tasks, claims and questions, in at most 400 tokens."""
    one, two = pair
    for number in range(31):
        one.ok("state", "set", f"key-{number}", f"what I must know of {number}: " + "a long story " * 20)
    one.ok("state", "set", "plan", "first the tests")
    task = one.peer("task", "add", "restyle the footer", "--json").json["task"]["id"]
    one.ok("task", "take", task)
    one.ok("claim", *(f"web/{number}.css" for number in range(40)))
    two.ok("send", "one", "which API?", "--kind", "question")
    assert "which API?" in one.turn()
    for source in ("compact", "resume"):
        said = until(lambda s=source: one.hook("SessionStart", source=s), "the briefing")  # type: ignore[misc]
        assert 'You are "one" in peer' in said
        assert "Your state: " in said
        assert "peer state show" in said
        assert '"restyle the footer"' in said
        assert "Your claims: web/" in said
        assert "You owe an answer" in said
        assert len(said) / CHARACTERS_A_TOKEN <= 400


def test_a_crash_of_everything(pair: Two) -> None:
    """Client and sidecar are killed: within 10 s the claims end, and the task is on the board again, with a word."""
    one, two = pair
    one.ok("claim", "src/")
    task = one.peer("task", "add", "long work", "--json").json["task"]["id"]
    one.ok("task", "take", task)
    two.ok("task", "add", "then the docs", "--after", task)
    send_signal(one.pid, signal.SIGKILL)
    one.kill_client()
    until(lambda: not two.peer("claims", "--json").json["claims"], "the end of the claims", 10.0)
    row = next(row for row in two.peer("task", "list", "--json").json if row["title"] == "long work")
    assert (row["state"], row["owner"]) == ("open", "")
    assert "ended without a goodbye" in row["why"]


def test_a_goodbye_keeps_the_tasks(pair: Two) -> None:
    """A session that is closed may be resumed: its claims end, its tasks stay, and others may take them over."""
    one, two = pair
    one.ok("claim", "src/")
    task = one.peer("task", "add", "long work", "--json").json["task"]["id"]
    one.ok("task", "take", task)
    one.hook("SessionEnd", reason="prompt_input_exit")
    one.end()
    assert two.peer("claims", "--json").json["claims"] == []
    row = two.peer("task", "list", "--json").json[0]
    assert (row["state"], row["owner"], row["owner_here"]) == ("taken", "one", False)
    two.ok("task", "take", task)


def test_the_sidecar_alone_may_end(pair: Two) -> None:
    """`peer down`, or a crash of the sidecar only, ends no claim: the session goes on."""
    one, two = pair
    one.ok("claim", "src/")
    one.ok("down")
    assert [row["path"] for row in two.peer("claims", "--json").json["claims"]] == ["src/"]
    one.turn()
    until(lambda: one.pid, "the new sidecar")
    one.kill_sidecar()
    one.turn()
    assert [row["mine"] for row in one.peer("claims", "--json").json["claims"]] == [True]


def test_a_thousand_claims(pair: Two) -> None:
    """A thousand paths are claimed by one command, and a hook still answers in time."""
    one, two = pair
    one.ok("claim", *(f"src/{number}.css" for number in range(1_000)))
    until(lambda: flagged(two, "PreToolUse"), "the claims")
    assert tool(two, "PreToolUse", two.cwd / "src/999.css")["permissionDecision"] == "deny"
    assert tool(two, "PreToolUse", two.cwd / "other.css") == {}


def test_two_claim_at_once(pair: Two) -> None:
    """Of two claims on one path at the same moment one is refused."""
    for number in range(5):
        trying = [one.start_peer("claim", f"src/{number}.css", "--json") for one in pair]
        codes = sorted(process.wait(30) for process in trying)
        for process in trying:
            process.communicate()
        assert codes == [0, 5]


def test_the_holder_hears_of_an_edit_all_the_same(pair: Two) -> None:
    """What a claim is for: who holds a path is told at its next turn that somebody edited there."""
    one, two = pair
    one.ok("claim", "src/")
    until(lambda: flagged(two, "PreToolUse"), "the claim")
    assert edits(two)["permissionDecision"] == "deny"
    two.hook("PostToolBatch")
    assert edits(two) == {}
    said = until(one.turn, "the news")
    assert "two edited src/a.css on fix just now all the same, which you hold" in said
    assert one.turn() == ""


def test_a_claim_that_ended_is_told(pair: Two) -> None:
    """A claim that ended without its session's doing, by a crash or by time, is told when it comes back."""
    one, two = pair
    one.ok("claim", "src/", "web/")
    one.ok("release", "web/")
    assert one.turn() == ""
    send_signal(one.pid, signal.SIGKILL)
    one.kill_client()
    until(lambda: not two.peer("claims", "--json").json["claims"], "the end of the claim", 10.0)
    again = Session(one.home, "one", one.cwd, one.id)
    again.start("resume")
    said = until(again.turn, "the news")
    assert "your claim on src/ has ended" in said


def test_a_start_tells_what_others_are_at(pair: Two, session: Sessions) -> None:
    """The briefing names the focus and the claims of those who are here, within its measure."""
    one, two = pair
    one.ok("focus", "new admin dashboard")
    one.ok("claim", "src/")
    three = session("three", cwd=two.cwd, brief=False)
    said = three.prompt()
    assert "one (main: new admin dashboard; holds src/)" in said
    assert "`peer claim PATH`" in said


def test_a_repo_keeps_its_board_when_it_gets_a_remote(pair: Two) -> None:
    """The first commit, or a remote, gives a repo another key; notes, claims and tasks go with it."""
    one, two = pair
    one.ok("note", "remember this")
    one.ok("claim", "src/")
    one.ok("task", "add", "long work")
    one.home.git(one.cwd, "remote", "add", "origin", "git@example.invalid:acme/shop.git")

    def moved(who: Session) -> bool:
        notes, tasks = who.peer("notes", "--json").json, who.peer("task", "--json").json
        claims = who.peer("claims", "--json").json["claims"]
        key = who.ask("list")["repo_key"]
        return key.startswith("remote:") and bool(notes and tasks and claims)

    until(lambda: moved(one) and moved(two), "all of it under the new key")


def test_a_repo_that_is_out_frees_what_was_held(pair: Two) -> None:
    """`peer off` ends the claims of its sessions, and a person's commands there are refused."""
    one, two = pair
    one.ok("claim", "src/")
    done = two.peer("off")
    assert "is out, and 2 sessions leave" in done.out
    refused = one.peer("note", "x")
    assert refused.code == 5
    one.ok("on")
    one.turn()
    until(lambda: one.pid, "its sidecar again")
    assert one.peer("claims", "--json").json["claims"] == []
