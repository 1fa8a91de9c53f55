"""In a terminal a job looks as it would without us: its size, colours, keys, Ctrl-C and Ctrl-Z."""

from __future__ import annotations

import os
import select
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.live.home import state_of, until

from .bench import Bench
from .screen import Screen

Screens = Callable[..., Screen]


@pytest.fixture
def screen(bench: Bench) -> Iterator[Screens]:
    """Runs a line of a shell as a job in a terminal."""
    with ExitStack() as ends:

        def run(text: str, **given: object) -> Screen:
            (bench.root / "newest").unlink(missing_ok=True)
            words = [str(word) for word in bench.words("sh", "-c", text)]
            one = Screen(words, {**bench.env, "TERM": "xterm-256color"}, bench.work, **given)  # type: ignore[arg-type]
            ends.callback(one.close)
            return one

        yield run


def test_it_is_a_terminal(bench: Bench, screen: Screens) -> None:
    """All three streams are one, of the person's size and kind; the exit code comes through, the screen is tidied."""
    one = screen('test -t 0 && test -t 1 && test -t 2 && stty size && echo "$TERM"; tty; exit 7')
    assert one.end() == 7
    size, kind, name = one.shown.splitlines()
    assert (size, kind, name[:5]) == (b"33 101", b"xterm-256color", b"/dev/")
    assert one.in_order
    assert bench.job.end().stdout[:2] == ("33 101", "xterm-256color")


def test_resize(screen: Screens) -> None:
    """The program hears of another size at once."""
    one = screen('trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.05; done')
    one.until(b"ready")
    one.resize(50, 120)
    one.until(b"50 120")
    assert one.end() == 0


def test_keys(bench: Bench, screen: Screens) -> None:
    """What is typed reaches the program, Ctrl-D is the end of its input, and each key is shown once."""
    one = screen("echo ready; read line; echo got=$line; cat; echo end")
    one.until(b"ready")
    one.type(b"hello\n")
    one.until(b"got=hello")
    one.type(b"more\n")
    one.until(b"more\r\nmore\r\n")
    one.type(b"\x04")
    assert one.end() == 0
    assert one.shown == b"ready\r\nhello\r\ngot=hello\r\nmore\r\nmore\r\nend\r\n"
    assert one.in_order


def test_keys_one_by_one(screen: Screens) -> None:
    """A program that takes each key as it comes gets them so, unshown."""
    one = screen("stty raw -echo; echo ready; head -c 3 | od -An -c; stty sane")
    one.until(b"ready")
    one.type(b"a\x1b\x03")
    assert one.end() == 0
    assert b"a 033 003" in b" ".join(one.shown.split())
    assert one.in_order


def test_ctrl_c(bench: Bench, screen: Screens) -> None:
    """It ends the program, and so the command, which dies of it too."""
    one = screen("echo ready; exec sleep 120")
    one.until(b"ready")
    one.type(b"\x03")
    assert one.end() == -signal.SIGINT
    assert one.in_order
    assert bench.job.end().signal == "SIGINT"


def test_ctrl_backslash(bench: Bench, screen: Screens) -> None:
    """The same for SIGQUIT."""
    one = screen("ulimit -c 0; echo ready; exec sleep 121")
    one.until(b"ready")
    one.type(b"\x1c")
    assert one.end() == -signal.SIGQUIT


@pytest.mark.parametrize("shell", [["bash", "--norc", "-ic"], ["bash", "-c"], ["sh", "-c"]])
def test_ctrl_c_ends_a_shells_loop(bench: Bench, shell: list[str]) -> None:
    """Of a person's shell, which sees what the command died of, and of a script, which waits for its own Ctrl-C."""
    inner = shlex.join(str(word) for word in bench.words("sh", "-c", "echo ready; exec sleep 120"))
    one = Screen([*shell, f"for i in 1 2 3; do {inner}; done; echo after"], bench.env, bench.work)
    try:
        one.until(b"ready")
        one.type(b"\x03")
        one.end()
        assert one.shown.count(b"ready") == 1
        assert b"after" not in one.shown
    finally:
        one.close()


def test_ctrl_c_that_the_program_outlives(bench: Bench) -> None:
    """Who handles it and ends by itself lets the loop go on."""
    inner = shlex.join(
        str(word)
        for word in bench.words("sh", "-c", "trap 'exit 3' INT; echo ready; while :; do sleep 0.1; done")
    )
    one = Screen(["sh", "-c", f"{inner}; echo after=$?"], bench.env, bench.work)
    try:
        one.until(b"ready")
        one.type(b"\x03")
        assert one.end() == 0
        assert b"after=3" in one.shown
    finally:
        one.close()


def test_ctrl_z(bench: Bench, screen: Screens) -> None:
    """It stops the program and the command; the shell takes over, and both go on with `fg`."""
    inner = shlex.join(
        str(word) for word in bench.words("sh", "-c", "echo ready; read x; echo got $x; exit 5")
    )
    text = f"{inner}; echo stopped=$?; read y; fg; echo ended=$?"
    shell = Screen(["bash", "--norc", "-ic", text], bench.env, bench.work)
    try:
        shell.until(b"ready")
        pid = bench.job.pid
        shell.type(b"\x1a")
        shell.until(b"stopped=148")
        assert state_of(pid) == "T"
        shell.type(b"\n")
        until(lambda: state_of(pid) != "T", "it to go on")
        shell.type(b"word\n")
        shell.until(b"ended=5")
        assert b"got word" in shell.shown
        shell.end()
    finally:
        shell.close()


def test_ctrl_z_where_no_shell_could_go_on(screen: Screens) -> None:
    """The command without a shell above it is not stopped, nor is its program for long."""
    one = screen("echo ready; read x; echo got $x; exit 5")
    one.until(b"ready")
    one.type(b"\x1a")
    one.type(b"word\n")
    assert one.end() == 5


def test_the_window_is_closed(bench: Bench, screen: Screens) -> None:
    """The command ends, and the job goes on with its terminal."""
    one = screen("echo ready; sleep 1; tty; echo later; exit 3")
    one.until(b"ready")
    job = bench.job
    pid = job.pid
    one.hang_up()
    assert one.end() in (128 + signal.SIGHUP, -signal.SIGHUP)
    assert state_of(pid) not in ("", "Z")
    end = job.end()
    assert (end.code, end.stdout[-1]) == (3, "later")


def test_the_command_is_killed(bench: Bench, screen: Screens) -> None:
    """The same with kill -9; told to end, it leaves the screen in order."""
    for sign, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 128 + signal.SIGTERM)):
        one = screen("echo ready; sleep 1; exit 4")
        one.until(b"ready")
        job = bench.job
        os.kill(one.pid, sign)
        assert one.end() == code
        assert one.in_order is (sign == signal.SIGTERM)
        assert job.end().code == 4


def test_grandchildren_live_on(bench: Bench, screen: Screens) -> None:
    """The end of the job's terminal hangs up nobody who stays behind."""
    one = screen("sleep 122 & exit 0")
    assert one.end() == 0
    left = bench.job.end().left
    assert len(left) == 1
    until(lambda: not bench.alive(b"supervisor"), "the supervisor's end")
    time.sleep(0.2)
    assert state_of(left[0]) == "S"


def test_a_pipeline_keeps_colours_of_stderr(bench: Bench, screen: Screens) -> None:
    """Where only output is a pipe, the other two stay terminals, and Ctrl-C works."""
    read, write = os.pipe()
    one = screen(
        "test -t 0 && test ! -t 1 && test -t 2 && echo yes; echo seen >&2; exec sleep 123",
        redirected={1: write},
    )
    os.close(write)
    one.until(b"seen")
    assert os.read(read, 100) == b"yes\n"
    os.close(read)
    one.type(b"\x03")
    assert one.end() == -signal.SIGINT
    end = bench.job.end()
    assert (end.stdout, end.stderr[0]) == (("yes",), "seen")


def test_in_the_background(bench: Bench) -> None:
    """Started with &, it is not stopped for touching the terminal, and takes no keys."""
    inner = shlex.join(str(word) for word in bench.words("sh", "-c", "echo ready; sleep 0.3; echo done"))
    shell = Screen(
        ["bash", "--norc", "-ic", f"{inner} & read x; echo typed=$x; wait; echo ended=$?"],
        bench.env,
        bench.work,
    )
    try:
        shell.until(b"ready")
        shell.type(b"mine\n")
        shell.until(b"typed=mine")
        shell.until(b"ended=0")
        assert b"done" in shell.shown
        shell.end()
    finally:
        shell.close()


def test_more_keys_than_anybody_reads(bench: Bench, screen: Screens) -> None:
    """A paste that the program does not read keeps nobody from seeing what it prints."""
    one = screen(
        "stty raw -echo; echo ready; sleep 0.5; i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done"
    )
    one.until(b"ready")
    for _ in range(20):
        if not _roomy(one.master):
            break
        one.type(b"x" * 1024)
    one.until(b"line 1999")
    assert one.end() == 0


def _roomy(fd: int) -> bool:
    return bool(select.select([], [fd], [], 0.1)[1])
