"""How a program ends, goes through; and what could not even begin leaves nothing behind."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.live.home import state_of, until

from .bench import Bench


@pytest.mark.parametrize("code", [0, 1, 2, 126, 127, 137, 255])
def test_exit_codes_go_through(bench: Bench, code: int) -> None:
    """The exit code is the program's, and is written down."""
    assert bench.sh(f"exit {code}").returncode == code
    end = bench.job.end()
    assert (end.code, end.signal, end.why, end.left) == (code, "", "", ())


@pytest.mark.parametrize("name", ["KILL", "SEGV", "TERM", "INT", "PIPE", "ABRT"])
def test_signals_go_through(bench: Bench, name: str) -> None:
    """A program that a signal ended: 128 and its number for the shell, its name on disk."""
    sign = signal.Signals[f"SIG{name}"]
    assert bench.sh(f"ulimit -c 0; kill -{name} $$").returncode == 128 + sign
    end = bench.job.end()
    assert (end.code, end.signal) == (None, f"SIG{name}")


def test_what_is_no_program_leaves_no_job(bench: Bench) -> None:
    """Not there: 127. There, but not to be run: 126. Each with a word why, and no job."""
    plain = bench.work / "plain"
    plain.write_text("x")
    for words, code, why in (
        ("nosuch", 127, b"command not found"),
        ("./nosuch", 127, b"No such file"),
        ("./plain/below", 127, b"No such file"),
        ("./plain", 126, b"Permission denied"),
        (str(bench.work), 126, b"directory"),
    ):
        done = bench.run(words)
        assert (done.returncode, bench.jobs()) == (code, [])
        assert why in done.stderr


def test_what_the_kernel_refuses_leaves_no_job(bench: Bench) -> None:
    """A script whose interpreter is missing is found out only when it is run: 127, as in a shell, and no job."""
    script = bench.work / "script"
    script.write_text("#!/nosuch/interpreter\n")
    script.chmod(0o755)
    done = bench.run("./script")
    assert (done.returncode, bench.jobs()) == (127, [])
    assert b"No such file" in done.stderr


def test_a_script_without_a_first_line_runs(bench: Bench) -> None:
    """As under every shell."""
    script = bench.work / "script"
    script.write_text('echo "$1 of $#"; exit 4\n')
    script.chmod(0o755)
    done = bench.run("./script", "one", "two")
    assert (done.returncode, done.stdout) == (4, b"one of 2\n")


def test_any_words(bench: Bench) -> None:
    """What is no text reaches the program as it was typed."""
    words = [b"\xff\xfe", b"a b\n", b"", b"--detach", "ä".encode()]
    done = bench.run("printf", "%s|", *words)
    assert done.stdout == b"|".join([*words, b""])


def test_surroundings_are_kept(bench: Bench) -> None:
    """Directory, environment, umask and signals that are ignored are the person's, and nothing is added."""
    env = {**bench.env, "LC_ALL": "C", "MARK": "x y"}
    told = bench.sh("umask 027; exec env -i sh -c true")
    assert told.returncode == 0
    text = "pwd; umask; env | sort; grep Sig[BI] /proc/self/status"
    through, direct = (
        bench.run("sh", "-c", text, env=env, umask=0o031),
        __import__("subprocess").run(
            ["sh", "-c", text], env=env, cwd=bench.work, umask=0o031, capture_output=True, check=True
        ),
    )
    assert through.stdout == direct.stdout
    assert b"MARK=x y" in through.stdout


def test_a_locale_that_python_makes_up_is_not_the_programs(bench: Bench) -> None:
    """Without a locale Python sets one for itself, which the program does not see."""
    env = {name: value for name, value in bench.env.items() if name != "LANG"}
    assert b"LC_CTYPE" not in bench.run("env", env=env).stdout


def test_stop(bench: Bench) -> None:
    """A job that is told to end gets SIGTERM, and its end is written at once."""
    job = bench.detached("sleep", "100")
    began = time.monotonic()
    assert __import__("peermesh.jobs.record", fromlist=["control"]).control(str(job.path), "stop")
    end = job.end()
    assert (end.code, end.signal, end.left) == (None, "SIGTERM", ())
    assert time.monotonic() - began < 3.0
