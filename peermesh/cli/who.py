"""`peer list`, `peer alive`, `peer name`, `peer role`, `peer focus`: who is here, and who I am to them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

import click

from peermesh.cli import draw, link, plain
from peermesh.cli.options import Peers, json_option
from peermesh.cli.screen import Screen
from peermesh.cli.together import here, readable
from peermesh.errors import Exit

# Without --all, peers that went away longer ago than this are left out.
LATELY = 86_400.0  # seconds
# How often the list is asked for again while other machines are being met.
LOOK = 0.1
# And with --watch, for as long as it stays.
WATCH = 1.0
# A session that works and gave no sign for so long may be stuck.
QUIET = 120.0

LOOKS = {"idle": {"fg": "green"}, "busy": {"fg": "yellow"}, "waiting": {"fg": "magenta"}}


@click.command("list", short_help="Who is there, and what they work on.")
@click.option("--all", "-a", "everything", is_flag=True, help="Every repo, and those who are long away.")
@click.option("--watch", "-w", is_flag=True, help="Stay, and show what changes; Ctrl-C ends it.")
@json_option
def list_command(everything: bool, watch: bool, as_json: bool) -> None:
    """Who is there: this repo's sessions, or everywhere; and below each the files it edited lately.

    With --watch and --json, or to a pipe, each change is printed: as one line of JSON, or as a table.

    \b
    Example:
      peer list
      peer list --all --json
      peer list --watch
    """
    with closing(_answers()) as answers:
        if watch:
            _watch(answers, everything, as_json)
            return
        answer = next(answers)
    if as_json:
        plain.as_json(_chosen(answer, everything)[0])
        return
    for text in _lines(answer, everything):
        click.echo(text)
    plain.unread(answer)


def _answers() -> Generator[dict[str, Any], None, None]:
    """Who is known, again and again, over one connection; a sidecar that began just now is given the time to
    meet the other machines, and one that ended is started anew.
    """
    near, answer = link.ask("list", cwd=here())
    try:
        while True:
            if not answer["meeting"]:
                yield answer
            time.sleep(LOOK if answer["meeting"] else WATCH)
            try:  # which repo this is was answered: git need not be asked again every second
                answer = {**near.ask("list", timeout=link.ANSWER), "repo_key": answer["repo_key"]}
            except OSError:
                near.close()
                near, answer = link.ask("list", cwd=here())
    finally:
        near.close()


def _watch(answers: Iterator[dict[str, Any]], everything: bool, as_json: bool) -> None:
    """Show what changes until Ctrl-C, which is how this is meant to end."""
    screen, before = Screen(), None
    redraws = Screen.live() and not as_json
    try:
        for answer in answers:
            now = [_gist(peer) for peer in _chosen(answer, everything)[0]]
            if redraws:
                screen.show(
                    [*_lines(answer, everything), *filter(None, [plain.unread_line(answer, sys.stdout)])]
                )
            elif now != before:
                _print_change(answer, everything, as_json, first=before is None)
            elif draw.nobody_reads():
                raise BrokenPipeError
            before = now
    except KeyboardInterrupt:
        click.echo(err=True)


def _gist(peer: dict[str, Any]) -> tuple[object, ...]:
    """What makes a row another one; that time goes by does not."""
    words = ("id", "name", "host", "here", "status", "repo", "branch", "worktree", "focus", "roles")
    return *(peer[word] for word in words), [one["path"] for one in peer["files"]]


def _print_change(answer: dict[str, Any], everything: bool, as_json: bool, *, first: bool) -> None:
    if as_json:
        click.echo(json.dumps(_chosen(answer, everything)[0], ensure_ascii=False))
        return
    if not first:
        click.echo()
    for text in _lines(answer, everything):
        click.echo(text)


def _lines(answer: dict[str, Any], everything: bool) -> list[str]:
    """The list as it is drawn."""
    peers, elsewhere = _chosen(answer, everything)
    if peers:
        heads = ("NAME", "STATUS", "BRANCH", "FOCUS")
        looks = [_look(peer) for peer in peers]
        said = draw.rows(heads, [_row(p, answer) for p in peers], looks, below=[_below(p) for p in peers])
    else:
        said = ["nobody is here yet; a Claude Code session comes in by itself once `peer setup` was run"]
    more = f"{elsewhere} more elsewhere: peer list --all"
    return [*said, click.style(more, dim=True)] if elsewhere else said


def _chosen(answer: dict[str, Any], everything: bool) -> tuple[list[dict[str, Any]], int]:
    """The peers to list, those here first, and how many are left out."""
    peers = sorted(
        answer["peers"], key=lambda p: (not p["here"], p["person"], p["repo"], p["name"].casefold())
    )
    if everything:
        return peers, 0
    lately = [p for p in peers if p["here"] or (not p["person"] and time.time() - p["since"] < LATELY)]
    near = [p for p in lately if p["repo_key"] == answer["repo_key"] and not p["person"]]
    chosen = near or [p for p in lately if not p["person"]]
    return chosen, sum(p["here"] and not p["person"] for p in peers) - sum(p["here"] for p in chosen)


def _row(peer: dict[str, Any], answer: dict[str, Any]) -> tuple[str, str, str, str]:
    name = draw.address(peer["name"], "" if peer["host"] == answer["host"] else peer["host"])
    mine = " (you)" if peer["id"] == answer["me"] else ""
    other = peer["repo_key"] != answer["repo_key"]
    where = " ".join(filter(None, (peer["repo"] if other else "", peer["branch"])))
    roles = " ".join(f"@role:{role}" for role in peer["roles"])
    status = f"{peer['status']} {draw.since(peer['since'])}".strip()
    return f"{name}{mine}", status, where or ("a person" if peer["person"] else ""), peer["focus"] or roles


def _below(peer: dict[str, Any]) -> str:
    """Where it works if that is not the repo's own directory, whether it may be stuck, what it edited lately."""
    room = draw.width() - len(draw.INDENT)
    worktree = draw.one_line(peer["worktree"]).rstrip("/").rpartition("/")[2]
    quiet = peer["here"] and peer["status"] == "busy" and 0.0 < peer["active"] < time.time() - QUIET
    parts = [
        f"in {draw.tail(worktree, room // 3)}" if worktree not in ("", peer["repo"]) else "",
        f"quiet for {draw.since(peer['active'])}" if quiet else "",
    ]
    said = " · ".join(filter(None, parts))
    if peer["files"]:
        start = f"{said} · edits " if said else "edits "
        said = start + draw.files(peer["files"], room - draw.cells(start))
    return draw.fit(said, room).rstrip()


def _look(peer: dict[str, Any]) -> dict[str, Any]:
    return LOOKS.get(peer["status"], {}) if peer["here"] else {"dim": True}


@click.command("alive", short_help="Whether somebody is here, by exit code.")
@click.argument("name", type=Peers())
@json_option
def alive_command(name: str, as_json: bool) -> None:
    """Whether NAME is here: exit code 0 if it is, 4 if it is away, 3 if nobody is known by that name.

    \b
    Example:
      peer alive session-b && peer ask session-b "May I merge?"
    """
    if name.startswith("@"):
        raise click.UsageError("Ask about one peer; peer list shows who of a group is here.")
    near, answer = link.ask("alive", to=readable([name], "name")[0], cwd=here())
    near.close()
    if as_json:
        plain.as_json(answer)
    else:
        click.echo(_alive(answer))
    if not answer["here"]:
        sys.exit(Exit.NOT_YET)


def _alive(answer: dict[str, Any]) -> str:
    name, since = draw.one_line(answer["name"]), draw.since(answer["since"])
    if not answer["here"]:
        return f"{name} is away" + (f" since {since}" if since else "")
    status = f"{draw.one_line(answer['status'])} {since}".strip()
    return f"{name} is here: {status}" + (
        f", active {draw.ago(answer['active'])}" if answer["active"] else ""
    )


@click.command("name")
@click.argument("name", required=False)
@json_option
def name_command(name: str | None, as_json: bool) -> None:
    """Show or change the name by which others reach me.

    \b
    Example:
      peer name session-b
    """
    near, answer = link.ask("name", name=name, told=True)
    near.close()
    if as_json:
        plain.as_json(answer)
    else:
        click.echo(f"{answer['name']}  {click.style(answer['name'] + '@' + answer['host'], dim=True)}")


@click.command("role", short_help="Show or change my roles, for @role:NAME.")
@click.argument("roles", nargs=-1)
@click.option("--clear", is_flag=True, help="Have none.")
@json_option
def role_command(roles: tuple[str, ...], clear: bool, as_json: bool) -> None:
    """Show or change my roles; `peer send @role:NAME` reaches all who have one.

    \b
    Example:
      peer role reviewer frontend
    """
    near, answer = link.ask("role", roles=list(roles) if roles or clear else None)
    near.close()
    if as_json:
        plain.as_json(answer)
    else:
        click.echo(" ".join(f"@role:{role}" for role in answer["roles"]) or "no roles")


@click.command("focus", short_help="Show or say what I work on.")
@click.argument("text", nargs=-1)
@click.option("--clear", is_flag=True, help="Say nothing.")
@json_option
def focus_command(text: tuple[str, ...], clear: bool, as_json: bool) -> None:
    """Show or say what I work on; the others see it in `peer list`.

    \b
    Example:
      peer focus restyling the admin dashboard
    """
    near, answer = link.ask("focus", focus=" ".join(text) if text or clear else None)
    near.close()
    if as_json:
        plain.as_json(answer)
    else:
        click.echo(answer["focus"] or "no focus")
