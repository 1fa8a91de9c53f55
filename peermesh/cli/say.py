"""`peer send`, `peer ask`, `peer reply`: saying something, and the truth about how far it got."""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

import click

from peermesh import config
from peermesh.cli import draw, link, plain, sending
from peermesh.cli.options import Peers, body, json_option, timeout_option
from peermesh.core.words import KINDS, Kind
from peermesh.errors import Exit

_text = click.argument("text", nargs=-1)
_file = click.option("--file", "-f", type=click.File("rb"), help="Take the text from a file.")
_urgent = click.option(
    "--urgent", is_flag=True, help="Show it after the current tool call, not at the turn's end."
)
_wait = click.option(
    "--wait",
    type=click.Choice(["safe", "shown"]),
    help="Wait until it is on the recipient's disk, or in its model's context; exit 4 if that takes too long.",
)


@click.command("send")
@click.argument("to", type=Peers())
@_text
@_file
@click.option(
    "--kind", type=click.Choice(sorted(KINDS)), default="message", show_default=True, help="What it is."
)
@_urgent
@click.option("--reply-to", metavar="ID", default="", help="The message that this is about.")
@_wait
@timeout_option("60s")
@json_option
def send_command(
    to: str,
    text: tuple[str, ...],
    file: BinaryIO | None,
    kind: str,
    urgent: bool,
    reply_to: str,
    wait: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Say something to a session, a person or a group.

    TO is a name, name@host, or a group: @repo, @all, @role:NAME. With - as TEXT it is read from standard input.

    \b
    Example:
      peer send session-b "I renamed the prop userId to accountId"
      make test 2>&1 | tail -20 | peer send @repo -
    """
    fields = {"to": to, "body": body(text, file), "kind": kind, "urgent": urgent, "reply_to": reply_to}
    sys.exit(sending.send(fields, wait, timeout, as_json=as_json))


@click.command("reply")
@click.argument("message", metavar="ID")
@_text
@_file
@_urgent
@_wait
@timeout_option("60s")
@json_option
def reply_command(
    message: str,
    text: tuple[str, ...],
    file: BinaryIO | None,
    urgent: bool,
    wait: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Answer a message or a question.

    \b
    Example:
      peer reply k3m9x2ab-17 "Yes, merge it"
    """
    fields = {"reply_to": message, "body": body(text, file), "urgent": urgent}
    sys.exit(sending.send(fields, wait, timeout, as_json=as_json))


@click.command("ask")
@click.argument("to", type=Peers())
@_text
@_file
@_urgent
@timeout_option("100s")
@json_option
def ask_command(
    to: str, text: tuple[str, ...], file: BinaryIO | None, urgent: bool, timeout: float, as_json: bool
) -> None:
    """Ask a question and wait for its answer, which is printed.

    When no answer comes in time the exit code is 4, and the answer is brought as a message when it comes.

    \b
    Example:
      peer ask session-b "Is the migration done?"
    """
    if to.startswith("@"):
        raise click.UsageError("A question goes to one peer; use `peer send --kind question` for a group.")
    fields = {"to": to, "body": body(text, file), "kind": "question", "urgent": urgent, "wait": "shown"}
    fields["lan"] = not config.lan_forbidden()
    if sys.stderr.isatty() and not as_json:
        click.secho(f"waiting up to {timeout:g} s for an answer; Ctrl-C loses nothing", dim=True, err=True)
    near, answer = link.ask("send", **fields, answer=True, within=timeout, patience=timeout + sending.SLACK)
    if answer.get("answered"):
        _print_answer(answer, as_json)
        link.shown(near, answer)
        if (
            answer["messages"][0]["kind"] == Kind.NOTICE
        ):  # the one asked went idle, or left, without an answer
            sys.exit(Exit.NOT_YET)
        return
    near.close()
    if as_json:
        plain.as_json(answer)
    else:
        row = answer["messages"][0]
        click.echo(f"no answer yet ({plain.state(row)}); it will come as a message  {row['id']}", err=True)
    refused = any(row["state"] == "refused" for row in answer["messages"])
    sys.exit(Exit.REFUSED if refused else Exit.NOT_YET)


def _print_answer(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        plain.as_json(answer["messages"][0])
    elif answer.get("text"):
        click.echo(answer["text"])
    else:
        draw.message(answer["messages"][0])
