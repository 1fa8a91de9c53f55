"""`peer inbox`, `peer read`, `peer sent`: what was said to me, and what became of what I said."""

from __future__ import annotations

from typing import Any

import click

from peermesh.cli import draw, link, plain
from peermesh.cli.options import json_option

_most = click.option(
    "--most", "-n", type=click.IntRange(1, 500), default=20, show_default=True, help="How many."
)


@click.command("inbox")
@click.option("--all", "everything", is_flag=True, help="Also those that were read.")
@click.option("--peek", is_flag=True, help="Leave them unread.")
@_most
@json_option
def inbox_command(everything: bool, peek: bool, most: int, as_json: bool) -> None:
    """Read new messages.

    Printed ones count as read, and their senders can see it.

    \b
    Example:
      peer inbox
      peer inbox --all -n 50
    """
    near, answer = link.ask("inbox", all=everything, peek=peek, most=most)
    _print(answer, as_json, "no new messages" if not everything else "no messages yet")
    link.shown(near, answer)


@click.command("read")
@click.argument("message", metavar="ID")
@json_option
def read_command(message: str, as_json: bool) -> None:
    """Read one message in full.

    The number at its end is enough while it is clear.

    \b
    Example:
      peer read k3m9x2ab-17
      peer read 17
    """
    near, answer = link.ask("read", message=message)
    _print(answer, as_json, "nothing")
    link.shown(near, answer)


def _print(answer: dict[str, Any], as_json: bool, nothing: str) -> None:
    if as_json:
        plain.as_json(answer["messages"])
    elif answer.get("text"):
        click.echo(answer["text"])
    else:
        _draw(answer, nothing)


def _draw(answer: dict[str, Any], nothing: str) -> None:
    for number, one in enumerate(answer["messages"]):
        if number:
            click.echo()
        draw.message(one)
    if not answer["messages"]:
        click.echo(nothing)
    elif answer.get("more"):
        click.secho(f"\n{answer['more']} more: peer inbox", dim=True)


@click.command("sent")
@_most
@json_option
def sent_command(most: int, as_json: bool) -> None:
    """What became of what I sent.

    queued: on this disk. safe: on the recipient's disk. held: safe, and kept back until its next turn.
    shown: in its model's context. refused: with the reason.

    \b
    Example:
      peer sent
    """
    near, answer = link.ask("sent", most=most)
    near.close()
    if as_json:
        plain.as_json(answer["messages"])
        return
    if not answer["messages"]:
        click.echo("nothing sent yet")
        return
    rows, looks = [], []
    for one in answer["messages"]:
        mark, colour = plain.STATE_LOOK.get(one["state"], ("?", "white"))
        when = one.get(f"{one['state']}_at") or one["said_at"]
        text = one["why"] or one["body"].split("\n")[0]
        rows.append((one["id"], one["to"] or one["peer"], f"{mark} {one['state']} {draw.ago(when)}", text))
        looks.append({"fg": colour} if one["state"] in ("refused", "queued", "held") else {})
    draw.table(("ID", "TO", "STATE", "TEXT"), rows, looks)
