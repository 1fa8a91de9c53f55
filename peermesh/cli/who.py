"""`peer list`, `peer name`, `peer role`, `peer focus`: who is here, and who I am to them."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from peermesh.cli import draw, link
from peermesh.cli.options import json_option

# Without --all, peers that went away longer ago than this are left out.
LATELY = 86_400.0  # seconds
# How often the list is asked for again while other machines are being met.
LOOK = 0.1


@click.command("list")
@click.option("--all", "-a", "everything", is_flag=True, help="Every repo, and those who are long away.")
@json_option
def list_command(everything: bool, as_json: bool) -> None:
    """Who is there: this repo's sessions, or everywhere.

    \b
    Example:
      peer list
      peer list --all --json
    """
    answer = _everybody()
    rows, elsewhere = _chosen(answer, everything)
    if as_json:
        draw.as_json(rows)
        return
    if not rows:
        click.echo("nobody is here yet; a Claude Code session comes in by itself once `peer setup` was run")
    else:
        draw.table(
            ("NAME", "STATUS", "BRANCH", "FOCUS"), [_row(p, answer) for p in rows], [_look(p) for p in rows]
        )
    if elsewhere:
        click.secho(f"{elsewhere} more elsewhere: peer list --all", dim=True)
    draw.unread(answer)


def _everybody() -> dict[str, Any]:
    """Who is known; by a sidecar that began just now, as soon as it has met the other machines."""
    while True:
        near, answer = link.ask("list", cwd=os.getcwd())
        near.close()
        if not answer["meeting"]:
            return answer
        time.sleep(LOOK)


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
    name = peer["name"] if peer["host"] == answer["host"] else f"{peer['name']}@{peer['host']}"
    mine = " (you)" if peer["id"] == answer["me"] else ""
    other = peer["repo_key"] != answer["repo_key"]
    where = " ".join(filter(None, (peer["repo"] if other else "", peer["branch"])))
    roles = " ".join(f"@role:{role}" for role in peer["roles"])
    status = f"{peer['status']} {draw.since(peer['since'])}".strip()
    return f"{name}{mine}", status, where or ("a person" if peer["person"] else ""), peer["focus"] or roles


def _look(peer: dict[str, Any]) -> dict[str, Any]:
    if not peer["here"]:
        return {"dim": True}
    return (
        {"fg": "green"} if peer["status"] == "idle" else {"fg": "yellow"} if peer["status"] == "busy" else {}
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
        draw.as_json(answer)
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
        draw.as_json(answer)
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
        draw.as_json(answer)
    else:
        click.echo(answer["focus"] or "no focus")
