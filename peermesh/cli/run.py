"""`peer run`, `peer watch`: processes whose end is told to whoever should know."""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
import shlex
import stat
import sys
import termios
from typing import Any

import click

from peermesh import config
from peermesh.cli import draw, plain
from peermesh.cli.options import Peers, json_option
from peermesh.cli.together import asked, readable
from peermesh.errors import Exit, PeerError
from peermesh.jobs import files, foreground, program
from peermesh.jobs.talk import Talk

_tell = click.option(
    "--tell",
    metavar="PEER|GROUP",
    multiple=True,
    type=Peers(),
    help="Who is told. May be repeated.  [default: the session or person that asks]",
)


@click.command(
    "run",
    short_help="Run a command; whoever should know is told how it ended.",
    context_settings={"allow_interspersed_args": False},
)
@click.option("--name", metavar="NAME", default="", help="What the job is called.  [default: the command]")
@_tell
@click.option("--detach", "-d", is_flag=True, help="Come back at once; its output goes to its log.")
@click.argument("argv", metavar="[--] CMD…", nargs=-1, required=True, type=click.UNPROCESSED)
@json_option
def run_command(name: str, tell: tuple[str, ...], detach: bool, argv: tuple[str, ...], as_json: bool) -> None:
    """Run a command as always, and tell when it ends: exit code or signal, how long it took, its last lines.

    It outlives this command, the shell and the session. Ctrl-C ends it; a hang-up, SIGTERM or SIGKILL ends only
    `peer run`, and the job goes on. The exit code is the command's: if signal N ended it, `peer run` ends by
    the same, which a shell calls 128+N; 127 if it is not there, 126 if it cannot be run. With --json what is
    printed is still the command's own, but for --detach.

    A detached command has nothing on its standard input.

    \b
    Example:
      peer run -- npm run build
      peer run --detach --name build --tell @repo -- make -j8
    """
    near = foreground.summon()  # it starts while we ask
    try:
        path = program.find(argv[0])
        job = _begin(name, tell, argv, detached=detach)
        wanted = foreground.Wanted(job["dir"], config.home(), path, argv)
        if detach:
            _say_detached(job, _held(near, wanted), as_json)
            if _unread():
                _say("standard input is not given to a detached job; have it read a file: sh -c 'CMD < FILE'")
        else:
            sys.exit(_followed(foreground.Foreground(near), wanted))
    except foreground.CannotRunError as wrong:
        click.echo(f"peer: {draw.one_line(argv[0])}: {wrong}{_hint(argv, wrong)}", err=True)
        sys.exit(program.exit_code(wrong))
    except foreground.SupervisorDiedError:
        raise PeerError("the job's supervisor died, so its exit code cannot be known") from None
    except foreground.LeftError as left:
        _say(f"the job goes on; peer jobs show {job['id']}")
        sys.exit(128 + left.sign)


def _followed(job: foreground.Foreground, wanted: foreground.Wanted) -> int:
    """The exit code of *wanted*, run in the foreground; does not return if a signal ended it."""
    code = job.run(wanted)
    if job.lost:
        _say(f"not all of the output could be written here ({job.lost}); its log may have it")
    if job.sign:
        job.die()
    return code


def _hint(argv: tuple[str, ...], wrong: foreground.CannotRunError) -> str:
    """For a line of a shell that was given as one word."""
    if len(argv) > 1 or wrong.number != errno.ENOENT or len(argv[0].split()) < 2:
        return ""
    line = shlex.quote(argv[0])
    pasted = line if draw.one_line(line) == line else "'…'"
    return f"; for a line of a shell: peer run -- sh -c {pasted}"


def _unread() -> bool:
    """Whether something is on standard input that nobody will read."""
    try:
        info = os.fstat(0)
        if stat.S_ISREG(info.st_mode):
            return info.st_size > os.lseek(0, 0, os.SEEK_CUR)
        if not stat.S_ISFIFO(info.st_mode):
            return False
        waiting = array.array("i", [0])
        fcntl.ioctl(0, termios.FIONREAD, waiting)
    except OSError:
        return False
    return waiting[0] > 0


def _say(words: str) -> None:
    """A word on standard error, if that is still there."""
    with contextlib.suppress(OSError):
        os.write(2, f"peer: {words}\n".encode())


def _begin(name: str, tell: tuple[str, ...], argv: tuple[str, ...], *, detached: bool) -> dict[str, Any]:
    """A new job, as the sidecar made it. What it is told of the command is for people."""
    words = [os.fsencode(word).decode("utf-8", "replace") for word in argv]
    return asked(
        "job_begin",
        kind="run",
        argv=words,
        name=_readable(name, "name"),
        tell=readable(tell, "name of who is told"),
        detached=detached,
    )


def _readable(word: str, what: str) -> str:
    return readable([word], what)[0] if word else ""


def _held(near: Talk, wanted: foreground.Wanted) -> int:
    """The process of a job that runs by itself. One that is broken off before that was never begun."""
    try:
        return foreground.detach(near, wanted)
    except KeyboardInterrupt:
        near.close()
        files.forget(wanted.directory)
        raise


def _say_detached(job: dict[str, Any], pid: int, as_json: bool) -> None:
    if as_json:
        plain.as_json({**job, "pid": pid, "log": os.path.join(job["dir"], files.LOG)})
        return
    click.echo(f"{click.style('✓', fg='green')} {job['id']} runs; {_told(job)} how it ends")


def _told(job: dict[str, Any]) -> str:
    names = [draw.one_line(one) for one in job["tell"]]
    if len(names) == 1:
        return f"{names[0]} is told"
    return f"{', '.join(names[:-1])} and {names[-1]} are told" if names else "nobody is told"


@click.command("watch", short_help="Tell when a process or a session ends that runs already.")
@click.argument("what", metavar="PID|NAME", type=Peers())
@click.option(
    "--name", metavar="NAME", default="", help="What the process is called.  [default: its command]"
)
@_tell
@json_option
def watch_command(what: str, name: str, tell: tuple[str, ...], as_json: bool) -> None:
    """Tell when a process ends that peer did not start, or when a session ends without a goodbye.

    A process of this machine, by its number. Its exit code is not known to others than its parent. It stands in
    `peer jobs`, and `peer jobs stop` ends the watching. Of a session you are told once, which ends it; one that is
    away already is not watched (exit code 4).

    \b
    Example:
      peer watch 4711 --tell session-b
      peer watch session-a
    """
    what = readable([what], "name")[0]
    if not (what.isascii() and what.isdigit()):
        _watch_peer(what, name, tell, as_json)
        return
    pid = int(what)
    answer = asked(
        "job_begin",
        kind="watch",
        argv=_words(pid),
        name=_readable(name, "name"),
        tell=readable(tell, "name of who is told"),
        detached=True,
        pid=pid,
        start_time=files.start_time(pid),
    )
    if as_json:
        plain.as_json(answer)
    else:
        click.echo(
            f"{click.style('✓', fg='green')} {answer['id']} watches {pid}; {_told(answer)} when it ends"
        )


def _watch_peer(what: str, name: str, tell: tuple[str, ...], as_json: bool) -> None:
    if name or tell:
        raise click.UsageError(
            "--name and --tell are for a process; of a session's end you are told yourself."
        )
    answer = asked("watch_peer", name=what)
    name = draw.one_line(answer["name"])
    if as_json:
        plain.as_json(answer)
    elif answer["here"]:
        click.echo(f"{click.style('✓', fg='green')} you are told if {name} ends without a goodbye")
    else:
        click.echo(f"{name} is away already", err=True)
    if not answer["here"]:
        sys.exit(Exit.NOT_YET)


def _words(pid: int) -> list[str]:
    """The command line of the process *pid*, where the system shows it."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            said = file.read(4096)
    except OSError:
        return []
    return [word.decode("utf-8", "replace") for word in said.split(b"\0") if word]
