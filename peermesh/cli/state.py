"""`peer state`: what a session has to remember when its context is made shorter."""

from __future__ import annotations

from typing import Any, BinaryIO

import click

from peermesh.cli import draw, plain
from peermesh.cli.options import body, json_option
from peermesh.cli.together import Known, Shown, asked, readable
from peermesh.core.clean import age
from peermesh.errors import NoSuchState

EMPTY = "there is no text to keep; give it as an argument, with --file, or on standard input with -"


def _keys(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(str(one["key"]), draw.one_line(one["text"])) for one in answer["state"]]


_key = click.argument("key", type=Known("key", _keys, "state", act="show"))


@click.group(
    "state",
    cls=Shown,
    shows="get",
    short_help="What I must not forget when my context is compacted.",
    invoke_without_command=True,
)
@json_option
@click.pass_context
def state_command(ctx: click.Context, as_json: bool) -> None:
    """Keep texts under keys: they are given back to the session after compaction, resume and /clear.

    They are this session's (or this shell's) own; nobody else sees them.

    \b
    Example:
      peer state set plan "step 3 of 5: move the tests"
      peer state
    """
    if ctx.invoked_subcommand is None:
        _show(as_json)


@state_command.command("set", short_help="Keep a text under a key.")
@_key
@click.argument("text", nargs=-1)
@click.option("--file", "-f", type=click.File("rb"), help="Take the text from a file.")
@json_option
def set_command(key: str, text: tuple[str, ...], file: BinaryIO | None, as_json: bool) -> None:
    """Keep TEXT under KEY, in place of what was there. With - as TEXT it is read from standard input.

    \b
    Example:
      peer state set plan "step 3 of 5: move the tests"
    """
    said = body(text, file, EMPTY)
    answer = asked("state", act="set", key=_named(key), text=said)
    _say(answer, as_json, f"{draw.one_line(key)} is kept")


@state_command.command("get", short_help="Print what is kept under a key.")
@_key
@json_option
def get_command(key: str, as_json: bool) -> None:
    """Print what is kept under KEY, as it was given; exit code 3 if nothing is.

    \b
    Example:
      peer state get plan
    """
    answer = asked("state", act="get", key=_named(key))
    if not answer["state"]:
        raise NoSuchState()
    if as_json:
        plain.as_json(answer)
    else:
        click.echo(answer["state"][0]["text"])


@state_command.command("clear", short_help="Forget a key, or all.")
@click.argument("key", required=False, type=Known("key", _keys, "state", act="show"))
@click.option("--all", "everything", is_flag=True, help="Forget all of it.")
@json_option
def clear_command(key: str | None, everything: bool, as_json: bool) -> None:
    """Forget what is kept under KEY, or all of it.

    \b
    Example:
      peer state clear plan
      peer state clear --all
    """
    if (key is not None) is everything:
        raise click.UsageError("Name what to forget, or say --all for all of it.")
    answer = asked("state", act="clear", key=None if key is None else _named(key))
    _say(answer, as_json, "all is forgotten" if key is None else f"{draw.one_line(key)} is forgotten")


@state_command.command("show", short_help="Print all that is kept.")
@json_option
def show_command(as_json: bool) -> None:
    """Print all that is kept, with its keys and ages.

    \b
    Example:
      peer state show
    """
    _show(as_json)


def _named(key: str) -> str:
    return readable([key], "key")[0]


def _show(as_json: bool) -> None:
    answer = asked("state", act="show")
    if as_json:
        plain.as_json(answer)
        return
    for one in answer["state"]:
        head = click.style(draw.one_line(one["key"]), bold=True)
        click.echo(f"{head}  {click.style(age(one['age']), dim=True)}")
        for text in draw.block(one["text"]):
            click.echo(text)
    if not answer["state"]:
        click.echo("nothing is kept; keep something with: peer state set KEY TEXT")


def _say(answer: dict[str, Any], as_json: bool, words: str) -> None:
    if as_json:
        plain.as_json(answer)
    else:
        click.echo(f"{click.style('✓', fg='green')} {words}")
