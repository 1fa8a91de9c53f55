"""`peer jobs`: what runs and what has ended, here and on other machines of this repo."""

from __future__ import annotations

import time
from typing import Any

import click

from peermesh.cli import draw, plain
from peermesh.cli.options import json_option
from peermesh.cli.together import Known, Shown, asked, readable
from peermesh.core.clean import age, span
from peermesh.errors import BadUsage

# New output is looked for this often with -f.
FOLLOW = 0.3  # seconds
HEADS = ("ID", "NAME", "STATE", "BY", "BRANCH", "LAST LINE")
# Columns that are not cut, and those that are left out where they tell nothing.
WHOLE, SPARE = ("ID", "STATE"), ("BY", "BRANCH")
# Jobs that are printed, if no number is given.
MOST = 20


def _ids(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(str(one["id"]), draw.one_line(one["name"])) for one in answer["jobs"]]


_job = click.argument("job", metavar="ID|NAME", type=Known("job", _ids, "jobs", all=True))


@click.group("jobs", cls=Shown, short_help="What runs and what has ended.", invoke_without_command=True)
@click.option("--all", "-a", "everything", is_flag=True, help="Of all repos, not only of this one.")
@click.option("--mine", is_flag=True, help="Only those that I started.")
@click.option("--running", is_flag=True, help="Only those that run.")
@click.option(
    "--most",
    "-n",
    type=click.IntRange(1),
    help=f"How many: what runs, then the newest.  [default: {MOST}; with --json all]",
)
@json_option
@click.pass_context
def jobs_command(
    ctx: click.Context, everything: bool, mine: bool, running: bool, most: int | None, as_json: bool
) -> None:
    """Jobs of this repo, here and on other machines: what runs first, then what has ended.

    A job goes by its id, by as many of its first letters as make it clear, or by its name: the newest of that name.

    \b
    Example:
      peer jobs
      peer jobs show k3m9x2
      peer jobs log build -f
    """
    if ctx.invoked_subcommand is not None:
        return
    answer = asked("jobs", all=everything)
    rows = [
        one
        for one in answer["jobs"]
        if (one["mine"] or not mine) and (one["state"] == "running" or not running)
    ]
    if as_json:
        plain.as_json(rows[:most])
    elif rows:
        _draw(rows[: most or MOST])
        rest = len(rows) - (most or MOST)
        if rest > 0:
            click.secho(f"and {rest} more: peer jobs -n {len(rows)}", dim=True)
    else:
        what = "no job of that kind" if answer["jobs"] else "no jobs"
        click.echo(f"{what} in {draw.one_line(answer['repo'])}; start one with: peer run -- CMD")


def _draw(jobs: list[dict[str, Any]]) -> None:
    """A table of them, without columns that say the same of all: that they are mine, that there is no branch."""
    rows = [_row(one) for one in jobs]
    idle = {"BY": all(one["mine"] for one in jobs), "BRANCH": not any(one["branch"] for one in jobs)}
    kept = [at for at, head in enumerate(HEADS) if not (head in SPARE and idle[head])]
    heads = [HEADS[at] for at in kept]
    whole = [at for at, head in enumerate(heads) if head in WHOLE]
    draw.table(heads, [[row[at] for at in kept] for row in rows], [_look(one) for one in jobs], whole=whole)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    by = draw.address(one["by"], one["host"]) + (" (you)" if one["mine"] else "")
    return one["id"], one["name"], _state(one), by, one["branch"], one["line"]


def _state(one: dict[str, Any]) -> str:
    """Whether it runs, else how it ended and when."""
    if one["state"] == "running":
        return f"runs {span(one['seconds'])}" + ("" if one.get("reached", True) else "?")
    return f"{_end(one)}, {age(one['age'])}"


def _end(one: dict[str, Any]) -> str:
    if one["signal"]:
        return str(one["signal"])
    if one["code"] is None:
        return "lost" if one["state"] == "lost" else "ended"
    return f"exit {one['code']}" if one["code"] else "done"


def _look(one: dict[str, Any]) -> dict[str, Any]:
    if one["state"] == "running":
        return {"fg": "cyan"}
    return {} if one["code"] == 0 else {"fg": "yellow"} if one["code"] is None else {"fg": "red"}


@jobs_command.command("show", short_help="One job, with its last lines.")
@_job
@json_option
def show_command(job: str, as_json: bool) -> None:
    """One job: its command, how it fares or how it ended, who is told, its last lines, where its log is.

    \b
    Example:
      peer jobs show k3m9x2
    """
    one = asked("jobs", job=_named(job))["jobs"][0]
    if as_json:
        plain.as_json(one)
        return
    click.echo(f"{click.style(draw.one_line(one['name']), bold=True)}  {_state(one)}")
    for head, words in _facts(one):
        if words:
            click.echo(f"{click.style(f'{head:8}', dim=True)} {words}")
    for name in ("stderr", "stdout"):
        if one.get(name):
            click.secho(f"{name}, its last lines:", dim=True)
            click.echo("\n".join(text for row in one[name] for text in draw.block(row)))


def _facts(one: dict[str, Any]) -> list[tuple[str, str]]:
    told = ", ".join(draw.one_line(name) for name in one["told"])
    where = " ".join(filter(None, (one.get("repo", ""), one["branch"])))
    left = ", ".join(str(pid) for pid in one.get("left", ()))
    return [
        ("command", draw.one_line(one["cmd"])),
        ("in", draw.one_line(one.get("cwd") or where)),
        ("by", draw.address(one["by"], one["host"]) + (" (you)" if one["mine"] else "")),
        ("process", str(one["pid"]) if one.get("pid") and one["state"] == "running" else ""),
        ("took", "" if one["state"] == "running" else _length(one["seconds"])),
        ("why", draw.one_line(one.get("why"))),
        ("left", f"processes that still ran: {left}" if left else ""),
        ("told", told),
        ("line", draw.one_line(one["line"]) if one["state"] == "running" else ""),
        ("log", draw.one_line(one.get("log"))),
    ]


def _length(seconds: float) -> str:
    """A length of time: of a short one the tenths too."""
    return f"{seconds:.1f} s" if seconds < 10 else span(seconds)


@jobs_command.command("log", short_help="All that a job printed.")
@_job
@click.option("--follow", "-f", is_flag=True, help="Go on as more comes, until it ends.")
@json_option
def log_command(job: str, follow: bool, as_json: bool) -> None:
    """All that a job printed, as far as it is kept: the newest 32 MB at least. With -f it is told how it ended.

    \b
    Example:
      peer jobs log k3m9x2
      peer jobs log k3m9x2 -f
    """
    if follow and as_json:
        raise click.UsageError("A log that goes on cannot be one piece of JSON; leave out -f or --json.")
    job, after, texts = _named(job), 0, list[str]()
    while True:
        answer = asked("job_log", job=job, after=after)
        job = str(answer.get("job") or job)  # another one may be given its name meanwhile
        if answer["host"]:
            raise BadUsage(
                f"the log is on {draw.one_line(answer['host'])}; read it there: peer jobs log {job}"
            )
        if as_json:
            texts.append(answer["text"])
        else:
            click.echo(answer["text"], nl=False)
        if answer["after"] == after:  # that was all there is by now
            if not follow or answer["ended"]:
                break
            time.sleep(FOLLOW)
        after = answer["after"]
    if as_json:
        plain.as_json({"job": job, "text": "".join(texts), "ended": answer["ended"]})
    elif follow:
        one = asked("jobs", job=job)["jobs"][0]
        took = f" after {_length(one['seconds'])}" if one["state"] != "running" else ""
        click.secho(f"{draw.one_line(one['name'])}: {_end(one)}{took}", dim=True, err=True)


@jobs_command.command("stop", short_help="End a job.")
@_job
@json_option
def stop_command(job: str, as_json: bool) -> None:
    """End a job with all that came of it: SIGTERM, and 5 s later SIGKILL. Of a watched process only the watching.

    Where more than one job of that name runs, say which by its id.

    \b
    Example:
      peer jobs stop k3m9x2
    """
    answer = asked("job_stop", job=_named(job))
    if as_json:
        plain.as_json(answer)
    else:
        watched = answer.get("kind") == "watch"
        words = f"process {answer['pid']} is no longer watched" if watched else "is told to end"
        click.echo(f"{click.style('✓', fg='green')} {answer['stopping']}{': ' if watched else ' '}{words}")


def _named(job: str) -> str:
    return readable([job], "job's id")[0]
