"""`peer status`, `peer doctor`: is all well, and if not, what to do."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from peermesh.cli import draw, examine, link, plain
from peermesh.cli.options import json_option
from peermesh.core.clean import clean
from peermesh.errors import Exit

LOGS = ("sidecar.log", "hooks.log")
LINES = 100


@click.command("status", short_help="My sidecar: what runs and what waits.")
@json_option
def status_command(as_json: bool) -> None:
    """My sidecar: since when it runs, what waits, what it sees of the LAN.

    \b
    Example:
      peer status
    """
    near, answer = link.ask("status")
    near.close()
    if as_json:
        plain.as_json(answer)
        return
    mail, links = answer["mail"], answer["links"]
    rows = [
        (
            "I am",
            f"{answer['name']}@{answer['host']} ({answer['id']}), a {'person' if answer['person'] else 'session'}",
        ),
        ("sidecar", f"peer {answer['version']}, process {answer['pid']}, up {draw.since(answer['since'])}"),
        ("mail", f"{mail['unread']} unread, {mail['queued']} queued, {mail['untold']} receipts to tell"),
        ("links", f"{sum(p == 'up' for p in links.values())} open"),
        (
            "LAN",
            answer["lan"] + (f", {len(answer['rumours'])} instances of others" if answer["keeper"] else ""),
        ),
        ("state", answer["home"]),
    ]
    if not answer["person"]:
        waiter = (
            "an idle session can be woken"
            if answer["waiter"]
            else "no waiter: messages come at the next turn"
        )
        rows.insert(4, ("wakes", f"{answer['wakes']} since the person typed; {waiter}"))
    if answer["hosts"]:
        machines = (f"{name} ({'up' if up else 'not reached'})" for name, up in answer["hosts"].items())
        rows.insert(-1, ("machines", ", ".join(machines)))
    for head, words in rows:
        click.echo(f"{click.style(f'{head:8}', dim=True)} {words}")
    for words in answer["trouble"]:
        click.secho(f"trouble  {words}", fg="yellow")


@click.command("doctor", short_help="Look for what is wrong, and say what to do.")
@click.option("--log", "noted", is_flag=True, help="Instead, show what sidecars and hooks noted last.")
@json_option
def doctor_command(noted: bool, as_json: bool) -> None:
    """Look for what is wrong, and say what to do; exit code 1 if anything is.

    \b
    Example:
      peer doctor
      peer doctor --log
    """
    if noted:
        _noted(as_json)
        return
    findings = examine.everything()
    if as_json:
        plain.as_json(findings)
    else:
        for one in findings:
            _finding(one)
    if any(one["grade"] == "wrong" for one in findings):
        sys.exit(Exit.FAULT)


def _finding(one: dict[str, Any]) -> None:
    mark, colour = {"fine": ("✓", "green"), "note": ("·", "cyan"), "wrong": ("✗", "red")}[one["grade"]]
    click.echo(f"{click.style(mark, fg=colour)} {one['what']}: {one['words']}")
    if one["do"]:
        click.echo(f"    → {one['do']}")


def _noted(as_json: bool) -> None:
    """Starts that failed, frames that could not be read, hooks that had to give up."""
    root = link.link()[0]
    paths = [os.path.join(root, name) for name in LOGS]
    lines = sorted(line for path in paths for line in examine.tail(path, LINES))[-LINES:]
    if as_json:
        plain.as_json(lines)
        return
    for line in lines:
        click.echo(clean(line))
    if not lines:
        click.echo("nothing was noted")
    click.secho(f"from {' and '.join(paths)}", dim=True, err=True)
