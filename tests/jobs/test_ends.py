"""How a program ends, goes through; and what could not even begin leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from peermesh.jobs import record
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
    """A program that a signal ended: the command ends by the same, without a core of its own; its name on disk."""
    sign = signal.Signals[f"SIG{name}"]
    assert bench.sh(f"ulimit -c 0; kill -{name} $$").returncode == -sign
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
    text = "pwd; umask; env | sort; grep Sig[BI] /proc/self/status"
    through, direct = (
        bench.run("sh", "-c", text, env=env, umask=0o031),
        subprocess.run(
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
    assert record.control(str(job.path), "stop")
    end = job.end()
    assert (end.code, end.signal, end.left) == (None, "SIGTERM", ())
    assert time.monotonic() - began < 3.0
    until(lambda: not record.control(str(job.path), "stop"), "the end of its supervisor")


def test_stop_of_who_does_not_want_to(bench: Bench) -> None:
    """Who ignores SIGTERM is killed 5 s later, with all that came of it, in other sessions too."""
    job = bench.detached("sh", "-c", "trap '' TERM; setsid sleep 101 & echo here; sleep 102; sleep 103")
    job.printed(b"here")
    began = time.monotonic()
    record.control(str(job.path), "stop")
    end = job.end()
    assert (end.signal, end.left) == ("SIGKILL", ())
    assert 4.0 < time.monotonic() - began < 9.0
    until(lambda: not bench.alive(b"sleep"), "the end of what came of it")


def test_stop_waits_for_those_who_tidy_up(bench: Bench) -> None:
    """A grandchild that was told to end too may take its time, up to those 5 s."""
    tidy = "trap 'sleep 1; echo tidy; exit' TERM; echo here; while :; do sleep 0.1; done"
    job = bench.detached("sh", "-c", f'sh -c "{tidy}" & wait')
    job.printed(b"here")
    record.control(str(job.path), "stop")
    assert (job.end().left, job.log()[-6:]) == ((), b"\ntidy\n")


def test_other_signals_by_name(bench: Bench) -> None:
    """A job gets what is said by name; nonsense is no signal."""
    job = bench.detached("sh", "-c", "trap 'echo one' USR1; echo here; while :; do sleep 0.1; done")
    job.printed(b"here")
    for word in ("nonsense", "", "_DFL", "USR1"):
        record.control(str(job.path), word)
    job.printed(b"one")
    record.control(str(job.path), "kill")
    assert job.end().signal == "SIGKILL"


def test_grandchildren_that_outlive_it(bench: Bench) -> None:
    """They do not hold its end up although they hold its pipes; they are named, and live on."""
    began = time.monotonic()
    done = bench.sh("sleep 104 & setsid sleep 105 & echo out; exit 3")
    assert (done.returncode, done.stdout) == (3, b"out\n")
    assert time.monotonic() - began < 4.0
    sleeping = until(lambda: len(found := bench.alive(b"sleep")) == 2 and found, "two that sleep")
    assert bench.job.end().left == tuple(sorted(sleeping))


def test_grandchildren_that_print_for_ever(bench: Bench) -> None:
    """What they print after its end is nobody's, and what it printed before is all there."""
    began = time.monotonic()
    done = bench.sh("echo first; yes & exit 5")
    assert (done.returncode, done.stdout.split(b"\n")[0]) == (5, b"first")
    assert time.monotonic() - began < 5.0
    until(lambda: not bench.alive(b"yes"), "its end by a broken pipe")


def test_a_job_in_a_job(bench: Bench) -> None:
    """Each is told by itself, the exit code comes through both, and one is no leftover of the other."""
    inner = [str(one) for one in bench.words("sh", "-c", "echo in; exit 6")]
    done = bench.run(*inner)
    assert (done.returncode, done.stdout, len(bench.jobs())) == (6, b"in\n", 2)
    detached = [str(one) for one in bench.words("--detach", "sleep", "106")]
    assert bench.run(*detached).returncode == 0
    ended = [one for path in bench.jobs() if (one := record.read_end(path)) is not None]
    assert [one.left for one in ended] == [(), (), ()]
    running = [path for path in bench.jobs() if record.read_end(path) is None]
    assert record.is_supervised(running[0])


def test_a_supervisor_that_is_killed(bench: Bench) -> None:
    """The program is hung up, nobody holds the lock, and what is left to say is that it died."""
    process = bench.start("sleep", "107")
    job = bench.job
    pid = job.pid
    os.kill(bench.supervisor(), signal.SIGKILL)
    _, err = process.communicate(timeout=10.0)
    assert (process.returncode, err) == (1, b"supervisor died\n")
    until(lambda: state_of(pid) in ("", "Z"), "the end of its program")
    known = job.record
    assert record.is_lost(str(job.path), known, time.time() + record.GRACE)
    end = record.lost_end(known, time.time())
    assert (end.code, end.why, end.left) == (None, record.DIED, ())


def test_a_program_that_survives_its_supervisor(bench: Bench) -> None:
    """Who does not mind being hung up goes on, and is named."""
    job = bench.detached("sh", "-c", "trap '' HUP; echo here; sleep 108")
    job.printed(b"here")
    os.kill(bench.supervisor(), signal.SIGKILL)
    until(lambda: not record.is_supervised(str(job.path)), "its lock to be free")
    assert record.lost_end(job.record, time.time()).left == (job.pid,)


def test_a_supervisor_that_is_told_to_end(bench: Bench) -> None:
    """As when the machine goes down: the program is told too, and its end is written."""
    job = bench.detached("sleep", "109")
    os.kill(bench.supervisor(), signal.SIGTERM)
    assert job.end().signal == "SIGTERM"


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_foreground_ends_first(bench: Bench, sign: signal.Signals) -> None:
    """Whatever ends the command in the foreground, the job goes on to its own end."""
    process = bench.start("sh", "-c", "echo here; read line; echo more; exit 7")
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"here\n"
    process.send_signal(sign)
    assert process.wait(10.0) == (-sign if sign == signal.SIGKILL else 128 + sign)
    assert not bench.job.ended
    process.stdin.write(b"line\n")
    process.stdin.flush()
    assert (bench.job.end().code, bench.job.log()) == (7, b"here\nmore\n")


def test_ctrl_c_of_a_pipeline(bench: Bench) -> None:
    """SIGINT reaches the program, and the foreground command ends with what that makes of it."""
    process = bench.start("sh", "-c", "echo here; exec sleep 110")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(10.0) == -signal.SIGINT
    assert bench.job.end().signal == "SIGINT"


def test_ctrl_c_that_is_handled(bench: Bench) -> None:
    """Who tidies up on SIGINT has the last word about the exit code."""
    process = bench.start("sh", "-c", "trap 'echo bye; exit 9' INT; echo here; while :; do sleep 0.1; done")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10.0)
    assert (process.returncode, out) == (9, b"bye\n")


def test_detach_returns_at_once(bench: Bench) -> None:
    """With nothing of the caller held: its pipes are closed, and the job's input is empty."""
    began = time.monotonic()
    job = bench.detached("sh", "-c", "cat; sleep 1.5; echo out; echo err >&2")
    assert time.monotonic() - began < 1.4
    end = job.end()
    assert (end.code, end.stdout, end.stderr, end.bytes) == (0, ("out",), ("err",), 8)


def test_many_at_once(bench: Bench) -> None:
    """Fifty jobs that end at once are all written down."""
    for number in range(50):
        bench.start("sh", "-c", f"echo {number}; exit {number}", stdin=subprocess.DEVNULL)
    codes = [process.wait(60.0) for process in bench.processes]
    assert codes == list(range(50))
    ends = [record.read_end(path) for path in bench.jobs()]
    assert sorted(end.code or 0 for end in ends if end is not None) == codes


def test_a_place_that_is_gone(bench: Bench) -> None:
    """A job may run where its directory was removed meanwhile: its supervisor holds no place."""
    gone = bench.work / "gone"
    gone.mkdir()
    process = bench.start("sh", "-c", "echo here; read line; exit 8", cwd=gone)
    assert process.stdout is not None
    process.stdout.readline()
    Path(gone).rmdir()
    assert os.readlink(f"/proc/{bench.supervisor()}/cwd") == "/"
    process.communicate(b"line\n")
    assert process.returncode == 8
