"""A sidecar's life: one for each session, for as long as its client lives, the same peer over its changes."""

from __future__ import annotations

import fcntl
import os
import shutil

import pytest

from peermesh.hooks.lane import RESUME_PATIENCE
from peermesh.locks import is_locked

from .actors import Person, Session
from .conftest import Sessions
from .home import Home, state_of, until


def test_two_hooks_at_once_start_one_sidecar(home: Home, session: Sessions) -> None:
    """Hooks that come together find or start the same sidecar."""
    one = session("a", start=False)
    both = [one.start_process(event) for event in ("SessionStart", "UserPromptSubmit", "SessionStart")]
    for hook in both:
        assert hook.wait(10) == 0
    pid = one.status["pid"]
    until(lambda: {*home.leftovers()} - {*home.servers()} == {pid}, "the second sidecar to give way")
    assert len(list((home.peer / "peers").iterdir())) == 1


def test_killed_client_takes_its_sidecar_along(session: Sessions) -> None:
    """Within 5 s of kill -9 of the client: process, door, pid and lock are gone."""
    one = session("a")
    directory, pid = one.directory, one.pid
    one.kill_client()
    until(lambda: state_of(pid) in ("", "Z"), "the sidecar to follow its client", 5.0)
    assert not (directory / "door").exists()
    assert not (directory / "pid").exists()
    assert not (directory / "instance").exists()
    assert not is_locked(str(directory / "lock"))


def test_closed_session_is_away_at_once(session: Sessions) -> None:
    """SessionEnd at /exit ends the sidecar soon, also while the client is still there."""
    one, two = session("a"), session("b")
    one.hook("SessionEnd", reason="prompt_input_exit")
    one.gone()
    assert {p["name"]: p["here"] for p in two.ask("list")["peers"]} == {"a": False, "b": True}


def test_resume_keeps_the_peer(home: Home, session: Sessions) -> None:
    """The same session id in a new client: same id, same name, and the mail that came meanwhile."""
    one, two = session("a"), session("b")
    before = one.status["id"]
    one.end()
    two.send("a", "while you were away")
    again = Session(home, "a", home.app, one.id)
    again.start("resume")
    assert (again.status["id"], again.status["name"]) == (before, "a")
    assert "while you were away" in again.turn()
    assert again.turn() == ""


def test_resume_before_the_old_sidecar_noticed(home: Home, session: Sessions) -> None:
    """A session resumed in the moment of its end gets a sidecar that watches the new client."""
    one = session("a")
    before = one.status["id"]
    one.hook("SessionEnd", reason="other")
    again = Session(home, "a", home.app, one.id)
    one.kill_client()
    again.hook("SessionStart", source="resume")
    until(lambda: again.prompt() is not None and again.pid, "a sidecar")
    assert again.status["id"] == before
    again.end()


def _clear(one: Session, new: str) -> str:
    one.hook("SessionEnd", reason="clear")
    one.use(new)
    return one.hook("SessionStart", source="clear")


def test_clear_keeps_the_peer(session: Sessions) -> None:
    """/clear gives a new session id: id, name, mail and process stay, and the model is told who it is."""
    one, two = session("a"), session("b")
    before = {k: one.status[k] for k in ("id", "name", "pid")}
    two.send("a", "said before the clear")
    said = _clear(one, "11111111-2222-3333-4444-555555555555")
    assert 'You are "a"' in said
    assert {k: one.status[k] for k in ("id", "name", "pid")} == before
    assert "said before the clear" in one.prompt()


def test_clear_twice_and_resume(home: Home, session: Sessions) -> None:
    """Every id that a session had leads to the same peer, also when the first one is resumed later."""
    one = session("a")
    first, peer = one.id, one.status["id"]
    _clear(one, "clear-1")
    _clear(one, "clear-2")
    one.end()
    again = Session(home, "a", home.app, first)
    again.start("resume")
    assert again.status["id"] == peer


def test_clear_outlives_a_dead_sidecar(session: Sessions) -> None:
    """Name and mail survive /clear also when the sidecar died just before it."""
    one, two = session("a"), session("b")
    before = one.status["id"]
    two.send("a", "kept")
    one.kill_sidecar()
    _clear(one, "after-a-crash")
    until(lambda: one.pid, "the new sidecar")
    assert (one.status["id"], one.status["name"]) == (before, "a")


def test_compact_says_again_who_it_is(session: Sessions) -> None:
    """After /compact the model is briefed anew, by the same peer."""
    one = session("a")
    before = one.status["id"]
    assert 'You are "a"' in one.hook("SessionStart", source="compact")
    assert one.status["id"] == before


def test_same_session_in_a_second_window(home: Home, session: Sessions) -> None:
    """A session id that already lives in another client becomes another peer there."""
    one = session("a")
    other = Session(home, "a", home.app, one.id)
    first = one.status
    other.hook("SessionStart", source="resume")
    until(lambda: len(list((home.peer / "peers").glob("*/pid"))) == 2, "a second sidecar")
    until(lambda: other.status["id"] != first["id"], "the second window's own peer")
    assert state_of(first["pid"]) not in ("", "Z")


@pytest.mark.xfail(
    strict=True, reason="the link of a session id leads to the newest window only: the first one goes deaf"
)
def test_first_window_still_hears(home: Home, session: Sessions) -> None:
    """With a second window on the same session id, the first one is shown its mail all the same."""
    one, two = session("a"), session("b")
    other = Session(home, "a", home.app, one.id)
    first = one.status["id"]
    other.hook("SessionStart", source="resume")
    until(lambda: other.status["id"] != first, "the second window's own peer")
    two.send("a", "for the first window")
    assert "for the first window" in one.turn()


def test_persons_sidecar_goes_after_a_quiet_while(home: Home) -> None:
    """A person's sidecar ends by itself when nothing was asked of it for PEER_PERSON_QUIET seconds."""
    shell = Person(home, PEER_PERSON_QUIET="1")
    shell.ok("status")
    pid = shell.pid
    assert pid
    until(lambda: state_of(pid) in ("", "Z"), "the person's sidecar to end", 6.0)
    assert "nothing sent yet" in shell.ok("sent")


def test_directory_that_was_removed(home: Home, session: Sessions) -> None:
    """`rm -rf` of the state directory: the sidecars end without a trace, and the next hook starts another."""
    one, two = session("a"), session("b")
    pids = [one.pid, two.pid]
    notes = [os.open(f"/proc/{pid}/fd/2", os.O_RDONLY) for pid in pids]
    shutil.rmtree(home.peer)
    until(lambda: all(state_of(pid) in ("", "Z") for pid in pids), "the sidecars to end", 5.0)
    for file in notes:
        with os.fdopen(file) as log:
            assert "Traceback" not in log.read()
    until(lambda: one.prompt() and one.pid, "the next hook to start another")
    assert one.pid not in pids


def test_directory_in_which_another_began(home: Home, session: Sessions) -> None:
    """A sidecar whose directory was removed ends also when another is at work in the place of it."""
    one = session("a")
    pid = one.pid
    with one.hang():
        shutil.rmtree(home.peer)
        one.hook("SessionStart", source="resume")
        until(lambda: one.pid not in (0, pid), "another sidecar")
    until(lambda: state_of(pid) in ("", "Z"), "the first one to end", 5.0)
    assert state_of(one.pid) not in ("", "Z")


def test_down_is_not_undone_by_the_waiter(session: Sessions) -> None:
    """`peer down` sends the waiter home, which does not start the sidecar again."""
    one = session("a")
    waiter = one.waiter()
    assert "ended 1" in one.ok("down")
    assert waiter.code() == 0
    assert not one.pid
    one.prompt()
    until(lambda: one.pid, "the next hook to start it again")


def test_down_all_ends_everybody(home: Home, session: Sessions, person: Person) -> None:
    """`peer down --all` ends every sidecar of the host, and the exit code is 0."""
    session("a"), session("b")
    person.ok("up")
    assert len(person.peer("down", "--all", "--json").json["ended"]) == 3
    until(lambda: not [p for p in home.sidecars() if state_of(p) not in ("", "Z")], "all to end")


def test_start_does_not_wait_for_a_hanging_machine(home: Home, session: Sessions) -> None:
    """SessionStart is back in time though the old sidecar hangs with its lock held."""
    one = session("a")
    with one.hang():
        began = one.run_hook("SessionStart", source="resume")
    assert (began.code, began.out, began.err) == (0, "", "")
    assert began.seconds < RESUME_PATIENCE + 0.5  # and an interpreter's start, on a machine with other tests


def test_start_does_not_wait_for_a_lock(home: Home, session: Sessions) -> None:
    """SessionStart is back in time though another process holds the lock that the new sidecar needs."""
    home.peer.mkdir(mode=0o700)
    with open(home.peer / "host.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        one = session("a", start=False)
        began = one.run_hook("SessionStart", source="startup")
        assert (began.code, began.err) == (0, "")
        assert began.seconds < 0.6
        assert one.run_hook("UserPromptSubmit").seconds < 0.8
    assert one.status["name"] == "app"


def test_oneshot_run_is_forgotten(home: Home) -> None:
    """`claude -p`: hooks start nothing; a command does, and nothing of the peer is left when the run ends."""
    one = Session(home, "a", home.app, CLAUDE_CODE_ENTRYPOINT="sdk-cli")
    for event in ("SessionStart", "UserPromptSubmit", "Wait"):
        assert one.run_hook(event).code == 0
    assert not one.link.exists()
    one.ok("up")
    directory = one.directory
    one.kill_client()
    until(lambda: not directory.exists(), "the peer to be forgotten", 5.0)
    assert not one.link.is_symlink()
    other = Session(home, "b", home.app)
    other.ok("name", "b")
    assert [p["name"] for p in other.ask("list")["peers"]] == ["b"]
