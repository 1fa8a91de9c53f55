"""`peer note`, `peer notes`: what everybody who works on the repo should know."""

from __future__ import annotations

from typing import Any, BinaryIO

import click

from peermesh.cli import draw, plain
from peermesh.cli.options import Span, body, json_option
from peermesh.cli.together import asked, readable
from peermesh.core.clean import age

EMPTY = "there is no text to note; give it as an argument, with --file, or on standard input with -"


@click.command("note", short_help="Tell all who work on this repo, without waking anybody.")
@click.argument("text", nargs=-1)
@click.option("--file", "-f", type=click.File("rb"), help="Take the text from a file.")
@click.option("--discovery", is_flag=True, help="Also send it to sessions whose focus or files it concerns.")
@click.option(
    "--path", "-p", "paths", multiple=True, type=click.Path(), help="What it is about. May be repeated."
)
@json_option
def note_command(
    text: tuple[str, ...], file: BinaryIO | None, discovery: bool, paths: tuple[str, ...], as_json: bool
) -> None:
    """Write a note for all who work on this repo: they see it at their next turn, and nobody is woken.

    With - as TEXT it is read from standard input. A discovery is also sent, as a message, to those sessions
    whose focus or files it concerns.

    \b
    Example:
      peer note "the staging database is being rebuilt until noon"
      peer note --discovery -p src/api.ts "api.ts caches users for 60 s, so tests need a reset"
    """
    said = body(text, file, EMPTY)
    answer = asked("note", text=said, discovery=discovery, paths=readable(paths, "path"))
    if as_json:
        plain.as_json(answer)
        return
    names = ", ".join(draw.one_line(name) for name in answer["sent"])
    sent = f", and sent to {names}" if names else ""
    click.echo(f"{click.style('✓', fg='green')} noted{sent}")


@click.command("notes", short_help="Read this repo's notes.")
@click.option("--since", type=Span(), help="Only those of the last 30m, 2h, 1d.")
@click.option("--grep", metavar="TEXT", default="", help="Only those with TEXT in them.")
@click.option(
    "--most", "-n", type=click.IntRange(1, 1_000), default=20, show_default=True, help="The newest so many."
)
@json_option
def notes_command(since: float | None, grep: str, most: int, as_json: bool) -> None:
    """Read the notes of all who work on this repo, the newest last.

    \b
    Example:
      peer notes --since 2h
      peer notes --grep database
    """
    answer = asked("notes", since=since, grep=grep, most=most)
    if as_json:
        plain.as_json(answer["notes"])
        return
    for row in answer["notes"]:
        click.echo(_head(row))
        for text in draw.block(row["text"]):
            click.echo(text)
    if not answer["notes"]:
        found = "no such notes" if grep or since is not None else "no notes yet"
        click.echo(f"{found} in {draw.one_line(answer['repo'])}; write one with: peer note TEXT")


def _head(row: dict[str, Any]) -> str:
    said = draw.address(row["by"], row["host"]) + (" (you)" if row["mine"] else "")
    about = ", ".join(draw.one_line(path) for path in row["paths"])
    tail = [age(row["age"]), "discovery" if row["discovery"] else "", f"on {about}" if about else ""]
    return f"{click.style(said, bold=True)}  {click.style(' · '.join(filter(None, tail)), dim=True)}"
