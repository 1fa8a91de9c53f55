"""`peer claim`, `peer release`, `peer claims`: who wants to be asked before others edit a path."""

from __future__ import annotations

import shlex
import sys
import time
from typing import Any

import click

from peermesh.cli import draw, plain
from peermesh.cli.options import Span, json_option
from peermesh.cli.together import asked, readable
from peermesh.core.clean import span
from peermesh.errors import Exit

# What an edit of a path that another session holds meets with.
MODES = {
    "warn": "the first try to edit a held path is turned back with a warning, the next passes",
    "note": "edits of held paths pass, with a word about who holds them",
    "ask": "the first try of a held path says why, the next ones ask the person, until one was allowed",
    "off": "claims are not looked at before an edit",
}

# Letters with a meaning of their own within double quotes of a shell.
_QUOTED = frozenset('"\\$`!')


@click.command("claim", short_help="Hold paths, so that others ask before they edit them.")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path())
@click.option(
    "--for", "lease", type=Span(bare=False), help="For how long: 30m, 2h. Edits renew it.  [default: 30m]"
)
@click.option("--why", metavar="TEXT", default="", help="What I am doing there; others read it.")
@json_option
def claim_command(paths: tuple[str, ...], lease: float | None, why: str, as_json: bool) -> None:
    """Hold files, directories or globs: other sessions of this repo are warned before they edit them.

    It ends by time, by `peer release`, or with the session; edits of mine renew it. A path that another one
    holds is refused with who holds it, and the exit code is 5; the free ones are mine all the same.

    \b
    Example:
      peer claim src/admin/ --why "restyle the dashboard"
      peer claim 'web/**/*.css' --for 2h
    """
    why = readable([why], "reason")[0] if why else ""
    answer = asked("claim", paths=readable(paths, "path"), lease=lease, why=why)
    if as_json:
        plain.as_json(answer)
    else:
        for row in answer["claims"]:
            click.echo(_taken(row))
        for row in answer["refused"]:
            for text in _refused(row):
                click.echo(text)
    if answer["refused"]:
        sys.exit(Exit.REFUSED)


def _taken(row: dict[str, Any]) -> str:
    how_long = click.style(f"until {_clock(row['left'])} ({draw.left(row['left'])})", dim=True)
    return f"{click.style('✓', fg='green')} {_path(row)} is yours  {how_long}"


def _path(row: dict[str, Any]) -> str:
    path = draw.one_line(row["path"])
    return "** (the whole repo)" if path == "**" else path


def _clock(seconds: float) -> str:
    """The time of day in *seconds* from now, with the day if that is another one."""
    now, then = time.localtime(), time.localtime(time.time() + seconds)
    return time.strftime("%H:%M" if now[:3] == then[:3] else "%a %H:%M", then)


def _refused(row: dict[str, Any]) -> list[str]:
    """Who holds what was wanted, since when, why, on which branch, and what to type."""
    wanted, path = draw.one_line(row["wanted"]), _path(row)
    holder, branch = draw.address(row["by"], row["host"]), draw.one_line(row["branch"])
    wanted = "the whole repo" if wanted == "**" else wanted
    same = row["path"] == row["wanted"]
    # What is held may be the larger one, or a part: of two globs that meet nobody can say so.
    larger = row["path"].endswith("/") and row["wanted"].startswith(row["path"])
    what = f"{wanted} is held by {holder}" if same else f"{wanted} overlaps {path}, held by {holder}"
    what = f"{wanted} is held by {holder} as part of {path}" if larger and not same else what
    where = f"on branch {branch} " if branch else ""
    said = [
        f"{click.style('✗', fg='red')} {what}",
        click.style(f"    {where}since {span(row['since'])}, {draw.left(row['left'])} left", dim=True),
        f"    → peer ask {shlex.quote(holder)} {_quoted(f'May I edit {wanted}?')}",
    ]
    if row["why"]:
        said.insert(1, f"    {draw.one_line(row['why'])}")
    return said


def _quoted(text: str) -> str:
    """*text* as one word for a shell."""
    return shlex.quote(text) if _QUOTED & set(text) else f'"{text}"'


@click.command("release", short_help="Let go what I hold.")
@click.argument("paths", metavar="[PATH…]", nargs=-1, type=click.Path())
@click.option("--all", "everything", is_flag=True, help="All that I hold in this repo.")
@json_option
def release_command(paths: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Let go what I hold, before its time is over.

    \b
    Example:
      peer release src/admin/
      peer release --all
    """
    if bool(paths) is everything:
        raise click.UsageError("Name what to release, or say --all for all of it.")
    answer = asked("release", paths=readable(paths, "path"), all=everything)
    if as_json:
        plain.as_json(answer)
        return
    for row in answer["released"]:
        click.echo(f"{click.style('✓', fg='green')} {_path(row)} is free")
    if not answer["released"]:
        click.echo(
            "you hold nothing here" if everything else "you do not hold that; peer claims shows who does"
        )


@click.command("claims", short_help="Who holds what in this repo.")
@click.option(
    "--mode",
    type=click.Choice(list(MODES)),
    help="Change what an edit of a held path meets with, for all sessions of this repo on this machine.",
)
@json_option
def claims_command(mode: str | None, as_json: bool) -> None:
    """Who holds what in this repo, or what an edit of a held path meets with.

    warn: the first try is turned back with a warning, the next one passes. note: it is never turned back.
    ask: the first try says why, the next ones ask the person, until one was allowed. off: nobody looks.

    \b
    Example:
      peer claims
      peer claims --mode ask
    """
    answer = asked("claims_mode", mode=mode) if mode else asked("claims")
    if as_json:
        plain.as_json(answer)
    elif mode:
        click.echo(f"{click.style('✓', fg='green')} {draw.one_line(answer['repo'])}, {_meets_with(mode)}")
        if answer["mode"] != mode:
            click.echo(
                f"this session keeps to {draw.one_line(answer['mode'])}: its PEER_CLAIMS goes before that"
            )
    else:
        _table(answer)


def _meets_with(mode: str) -> str:
    return f"{mode}: {MODES[mode]}" if mode in MODES else draw.one_line(mode)


def _table(answer: dict[str, Any]) -> None:
    rows = answer["claims"]
    if not rows:
        click.echo(
            f"nobody holds anything in {draw.one_line(answer['repo'])}; hold a path with: peer claim PATH"
        )
    else:
        looks = [{"fg": "green"} if row["mine"] else {} for row in rows]
        heads = ("PATH", "HELD BY", "BRANCH", "SINCE", "LEFT", "WHY")
        draw.table(heads, [_row(row) for row in rows], looks, ends=(0,))
    if answer["mode"] != "warn":
        click.secho(_meets_with(answer["mode"]), dim=True)


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    holder = draw.address(row["by"], row["host"]) + (" (you)" if row["mine"] else "")
    return _path(row), holder, row["branch"], span(row["since"]), draw.left(row["left"]), row["why"]
