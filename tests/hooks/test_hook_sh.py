"""The hooks' first step, hook.sh, in each shell that is here: what it does, what it leaves, that it never hurts."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from peermesh.hooks import payload, plugin

from .box import Box

# ---------------------------------------------------------------- the first step


# The client's word for a dialog that asks the person; no other file of ours needs it.
PERMISSION = "PermissionRequest"


@pytest.mark.parametrize("event", [payload.PROMPT, payload.STOP, payload.BATCH, payload.BEFORE_EDIT])
def test_nothing_due_ends_at_once(box: Box, event: str) -> None:
    """With a sidecar that lives and nothing due, no interpreter is started."""
    assert box.quiet(event)


def test_a_prompt_writes_busy_and_typed(box: Box) -> None:
    """A prompt leaves the turn's state and the sign that somebody typed."""
    assert box.quiet(payload.PROMPT)
    assert (box.wrote("turn"), box.wrote("typed")) == ("busy\n", "\n")


def test_a_stop_writes_idle_over_busy(box: Box) -> None:
    """A stop replaces the turn's state whole, in place, and does not touch the other sign."""
    (box.session / "turn").write_text("busy\n")
    inode = (box.session / "turn").stat().st_ino
    assert box.quiet(payload.STOP)
    assert (box.wrote("turn"), box.wrote("typed")) == ("idle\n", None)
    assert (box.session / "turn").stat().st_ino == inode


def test_a_prompt_again_is_seen_again(box: Box) -> None:
    """Both files get a new time at each prompt, by which the sidecar sees it."""
    assert box.quiet(payload.PROMPT)
    for name in ("turn", "typed"):
        os.utime(box.session / name, (1, 1))
    assert box.quiet(payload.PROMPT)
    assert all((box.session / name).stat().st_mtime > 1 for name in ("turn", "typed"))
    assert (box.wrote("turn"), box.wrote("typed")) == ("busy\n", "\n")


def test_a_tool_batch_is_a_sign(box: Box) -> None:
    """A tool batch says that the turn goes on, by which what was shown in it is known to have stuck."""
    assert box.quiet(payload.BATCH)
    assert box.wrote("turn") == "busy\n"
    assert sorted(p.name for p in box.session.iterdir()) == ["due", "pid", "turn"]


def test_an_edit_is_no_sign(box: Box) -> None:
    """Before an edit nothing is written: it may be asked about, or turned back."""
    assert box.quiet(payload.BEFORE_EDIT)
    assert sorted(p.name for p in box.session.iterdir()) == ["due", "pid"]


def test_a_permission_dialog_writes_wait_until_the_batch(box: Box) -> None:
    """While the person is asked the turn's state is `wait`, as long as the others; the tools' end writes over it."""
    assert box.quiet(payload.PROMPT)
    (box.session / "due" / PERMISSION).touch()  # never, but then too no interpreter is started
    assert box.quiet(PERMISSION)
    assert box.wrote("turn") == "wait\n"
    assert box.quiet(payload.BATCH)
    assert box.wrote("turn") == "busy\n"
    assert box.quiet(PERMISSION)
    assert box.quiet(payload.STOP)
    assert box.wrote("turn") == "idle\n"


def test_a_permission_dialog_starts_no_sidecar(box: Box) -> None:
    """Without a sidecar there is nobody to tell: nothing is started, and nothing written."""
    (box.session / "pid").unlink()
    assert box.quiet(PERMISSION)
    assert box.wrote("turn") is None
    shutil.rmtree(box.home / "session")
    assert box.quiet(PERMISSION)
    del box.environment["CLAUDE_CODE_SESSION_ID"]
    assert box.quiet(PERMISSION)


def test_a_second_waiter_is_not_started(box: Box) -> None:
    """While a waiter is connected, the next one's first step ends."""
    (box.session / "armed").touch()
    assert box.quiet(payload.WAIT)


# ---------------------------------------------------------------- the prompt after a waking

# As the client says it: one line, without spaces, and a line's end or none.
WOKEN = '{"session_id":"abc-1","hook_event_name":"UserPromptSubmit","prompt":"<task-notification>\\nmail"}'
# A person who quotes the client's words, in a prompt of several lines.
QUOTING = json.dumps(
    {"last": "x", "prompt": 'why "prompt":"<task-notification>" \n  "a" \\'}, separators=(",", ":")
)


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_clients_own_prompt_is_told_from_a_typed_one(box: Box, end: str) -> None:
    """What begins with the client's notification starts no interpreter, and nobody typed."""
    (box.session / "woken").touch()
    assert box.quiet(payload.PROMPT, (WOKEN + end).encode())
    assert (box.wrote("turn"), box.wrote("typed")) == ("busy\n", None)


@pytest.mark.parametrize(
    "said", [QUOTING, f"{QUOTING}\n", json.dumps(json.loads(QUOTING), indent=1), "x" * 200_000]
)
def test_a_typed_prompt_after_a_waking_reaches_the_lane_whole(box: Box, said: str) -> None:
    """A person was quicker than the client: the lane reads what the shell read of it, and the rest."""
    (box.session / "woken").touch()
    box.interpreter(keep=True)
    assert not box.quiet(payload.PROMPT, said.encode())
    assert box.stdin().rstrip(b"\n") == said.encode().rstrip(b"\n")
    assert (box.wrote("turn"), box.wrote("typed")) == (None, None)
    assert box.calls()[-2:] == [str(box.root), payload.PROMPT]


def test_what_is_due_goes_before_a_waking(box: Box) -> None:
    """With something to say, the prompt's payload is the lane's."""
    (box.session / "woken").touch()
    (box.session / "due" / payload.PROMPT).touch()
    box.interpreter(keep=True)
    assert not box.quiet(payload.PROMPT, WOKEN.encode())
    assert box.stdin() == WOKEN.encode()


# ---------------------------------------------------------------- the second step


@pytest.mark.parametrize("event", [payload.PROMPT, payload.STOP, payload.BATCH, payload.BEFORE_EDIT])
def test_something_due_starts_the_lane(box: Box, event: str) -> None:
    """With something due at this event the interpreter is started, isolated, with root and event."""
    (box.session / "due" / event).touch()
    assert not box.quiet(event)
    called = box.calls()
    assert called[:4] == ["-I", "-S", "-X", "utf8"]
    assert called[-2:] == [str(box.root), event]
    assert box.wrote("turn") is None


def test_due_at_another_event_does_not_count(box: Box) -> None:
    """What is due at a prompt starts nothing at a stop."""
    (box.session / "due" / payload.PROMPT).touch()
    assert box.quiet(payload.STOP)


@pytest.mark.parametrize("pid", ["{dead}\n", "", "x\n", "-\n", "1 2\n"])
def test_a_dead_sidecar_starts_the_lane(box: Box, pid: str) -> None:
    """A process that is gone, or a file that names none, leads to the second step without a word."""
    with subprocess.Popen(["/bin/sh", "-c", ":"]) as child:
        child.wait()
    (box.session / "pid").write_text(pid.format(dead=child.pid))
    assert not box.quiet(payload.STOP)


def test_no_pid_and_no_session_start_the_lane(box: Box) -> None:
    """A session that has no peer yet gets one at its next event; neither has the client's without an id."""
    (box.session / "pid").unlink()
    assert not box.quiet(payload.PROMPT)
    (box.path / "calls").unlink()
    shutil.rmtree(box.home / "session")
    assert not box.quiet(payload.PROMPT)
    (box.path / "calls").unlink()
    del box.environment["CLAUDE_CODE_SESSION_ID"]
    assert not box.quiet(payload.PROMPT)


@pytest.mark.parametrize("event", [payload.START, payload.END, payload.WAIT, payload.AFTER_EDIT])
def test_starts_ends_waiters_and_edits_start_the_lane(box: Box, event: str) -> None:
    """These have always something to say or to tell."""
    assert not box.quiet(event)


def test_what_the_lane_says_goes_through(box: Box) -> None:
    """Its exit code, by which a waiter wakes the session, is the hook's."""
    box.interpreter(code=2)
    assert box.run(payload.WAIT).returncode == 2


def test_home_follows_the_xdg_state_directory(box: Box) -> None:
    """Without PEER_HOME the session is looked for where config.home() has it."""
    for name, state in (("HOME", box.path / ".local" / "state"), ("XDG_STATE_HOME", box.path / "xdg")):
        shutil.copytree(box.home / "session", state / "peer" / "session")
        del box.environment[("PEER_HOME" if name == "HOME" else "HOME")]
        if name != "HOME":
            box.environment[name] = str(state)
        assert box.quiet(payload.PROMPT)
        assert (state / "peer" / "session" / "abc-1" / "turn").read_text() == "busy\n"


# ---------------------------------------------------------------- out of it


EVERY_EVENT = [
    *(payload.START, payload.PROMPT, payload.BEFORE_EDIT, PERMISSION, payload.AFTER_EDIT),
    *(payload.BATCH, payload.STOP, payload.END, payload.WAIT),
]


@pytest.mark.parametrize("event", EVERY_EVENT)
def test_disabled_and_off_end_at_once(box: Box, event: str) -> None:
    """PEER_DISABLE=1, or a repo that is off, and nothing is started or written."""
    (box.session / "due" / event).touch()
    box.environment["PEER_DISABLE"] = "1"
    assert box.quiet(event)
    box.environment["PEER_DISABLE"] = "0"
    (box.session / "off").touch()
    assert box.quiet(event)
    assert box.wrote("turn") is None


@pytest.mark.parametrize("event", EVERY_EVENT)
@pytest.mark.parametrize(
    "sign", [{"CLAUDE_CODE_ENTRYPOINT": "sdk-cli"}, {"CLAUDE_CODE_SESSION_ATTENDED": "0"}]
)
def test_a_oneshot_run_is_left_alone(box: Box, event: str, sign: dict[str, str]) -> None:
    """`claude -p` starts no interpreter and waits for nobody until it uses peer itself."""
    box.environment.update(sign)
    (box.session / "pid").unlink()
    assert box.quiet(event)


def test_a_oneshot_run_that_uses_peer_hears(box: Box) -> None:
    """Once its sidecar runs, what there is to say is said to it as to any other; but it has no waiter."""
    box.environment["CLAUDE_CODE_ENTRYPOINT"] = "sdk-cli"
    (box.session / "due" / payload.STOP).touch()
    assert box.quiet(payload.WAIT)
    assert box.quiet(PERMISSION)  # nobody is asked there: the tool is refused at once
    assert box.wrote("turn") is None
    assert not box.quiet(payload.STOP)


# ---------------------------------------------------------------- never hurts


def test_a_program_that_is_gone_is_silent(box: Box) -> None:
    """Without the interpreter, or without the package, the hook ends as if there were nothing."""
    (box.root / "peermesh" / "hooks" / "lane.py").unlink()  # as `pip uninstall` leaves it
    assert box.quiet(payload.START)
    box.python.unlink()
    assert box.quiet(payload.START)
    box.python.symlink_to(box.root / "gone")  # as a virtual environment without its base has it
    assert box.quiet(payload.START)


@pytest.mark.parametrize("lane", ["import nothing_such", "def main(", "def main(event): 1 / 0", "x = 1"])
def test_a_broken_lane_is_silent(box: Box, lane: str) -> None:
    """A package that is half updated, or a fault of ours, gives exit 0 and no word."""
    for name in ("peermesh/__init__.py", "peermesh/hooks/__init__.py"):
        (box.root / name).touch()
    (box.root / "peermesh" / "hooks" / "lane.py").write_text(lane)
    plugin.write(str(box.home), sys.executable, str(box.root))
    assert box.quiet(payload.START)


def test_the_standard_library_comes_first(box: Box) -> None:
    """A module beside the package (site-packages holds many) does not take the place of Python's own."""
    for name in ("peermesh/__init__.py", "peermesh/hooks/__init__.py"):
        (box.root / name).touch()
    (box.root / "json.py").write_text("raise SystemExit(9)")
    lane = "import json, sys\ndef main(event): print(json.dumps([event, sys.argv[1]]), flush=True); return 0"
    (box.root / "peermesh" / "hooks" / "lane.py").write_text(lane)
    plugin.write(str(box.home), sys.executable, str(box.root))
    done = box.run(payload.START)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == [payload.START, str(box.root)]


@pytest.mark.parametrize("name", ["turn", "typed"])
def test_a_file_that_cannot_be_written_is_silent(box: Box, name: str) -> None:
    """Exit 2 of a hook blocks the person's prompt: a failing redirection must not end the shell so."""
    (box.session / name).mkdir()
    assert box.quiet(payload.PROMPT)
    assert box.quiet(PERMISSION)
    assert box.quiet(payload.STOP)


def test_large_input_is_not_waited_for(box: Box) -> None:
    """The first step ends without reading a payload that is larger than a pipe holds."""
    begun = time.monotonic()
    assert box.quiet(payload.BATCH, b'{"prompt": "' + b"x" * 1_000_000 + b'"}')
    assert time.monotonic() - begun < 5


QUIET_EVENTS = (payload.STOP, payload.PROMPT, payload.BEFORE_EDIT, PERMISSION)


def test_the_first_step_costs_little_more_than_a_shell(tmp_path: Path) -> None:
    """A hook that has nothing to say takes at most half as long again as starting /bin/sh for nothing."""
    box = Box(tmp_path, [])
    commands = {
        "nothing": ["/bin/sh", "-c", ":"],
        **{e: [str(box.hook), e] for e in QUIET_EVENTS},
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(60):
        for name, command in commands.items():
            begun = time.perf_counter()
            subprocess.run(command, env=box.environment, stdin=subprocess.DEVNULL, check=True)
            taken[name].append(time.perf_counter() - begun)
    for name in QUIET_EVENTS:
        ratio = statistics.median(a / b for a, b in zip(taken[name], taken["nothing"], strict=True))
        print(f"{name}: {ratio:.2f} times /bin/sh -c :")
        assert ratio < 1.5
