"""How things look in a terminal: words, a few colours, columns that fit."""

from __future__ import annotations

import json
import shutil
import sys
import time
import unicodedata
from collections.abc import Sequence
from typing import Any

import click

from peermesh.core.clean import age, clean, span
from peermesh.core.names import line

# Narrower than this nothing is readable; wider than that, lines are hard to follow.
NARROWEST, WIDEST = 40, 160

# Marks that are told apart without colour.
STATE_LOOK = {
    "queued": ("…", "yellow"),
    "safe": ("✓", "cyan"),
    "held": ("⏸", "yellow"),
    "shown": ("✓✓", "green"),
    "refused": ("✗", "red"),
}


def as_json(value: object) -> None:
    """Print *value* for a program."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def ago(when: float | None) -> str:
    """How long ago *when* (wall clock, seconds) was; "" for never."""
    return age(max(0.0, time.time() - when)) if when else ""


def since(when: float | None) -> str:
    """For how long, from *when* (wall clock, seconds) on."""
    return span(max(0.0, time.time() - when)) if when else ""


def count(number: int, what: str) -> str:
    """So many of a thing: ``1 session``, ``2 sessions``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def width() -> int:
    """Columns to draw in."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((80, 24)).columns))


def cells(text: str) -> int:
    """Columns that *text* takes in a terminal."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text
    )


def fit(text: str, room: int) -> str:
    """*text* in exactly *room* columns, cut with an ellipsis or filled with spaces."""
    if cells(text) > room:
        while text and cells(text) > room - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (room - cells(text))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], looks: Sequence[dict[str, Any]] = ()) -> None:
    """Print columns; the last takes what room is left.

    Args:
        heads: a word for each column.
        rows: as many texts each.
        looks: for each row, how to style it (arguments of ``click.style``).
    """
    clear = [[line(clean(cell), 200) for cell in row] for row in rows]
    widths = [max(cells(text) for text in column) for column in zip(heads, *clear, strict=True)]
    room = width() - 2 * (len(widths) - 1)
    while sum(widths) > room and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1
    click.secho("  ".join(fit(h, w) for h, w in zip(heads, widths, strict=True)).rstrip(), dim=True)
    for number, row in enumerate(clear):
        text = "  ".join(fit(cell, w) for cell, w in zip(row, widths, strict=True)).rstrip()
        click.secho(text, **(looks[number] if looks else {}))


def unread(answer: dict[str, Any]) -> None:
    """Tell a person at a terminal that there is mail."""
    count = answer.get("unread", 0)
    if count and sys.stderr.isatty():
        click.secho(f"{count} new message{'s' if count > 1 else ''} for you: peer inbox", fg="cyan", err=True)


def who(message: dict[str, Any]) -> str:
    """Who said it: name, host, and where they work."""
    where = " ".join(filter(None, (message.get("repo"), message.get("branch"))))
    said = f"{message['from']}@{message['host']}" if message.get("host") else str(message["from"])
    return line(clean(f"{said} ({where})" if where else said), 120)


def message(one: dict[str, Any]) -> None:
    """Print one message as a person reads it."""
    kind = "" if one["kind"] == "message" else f"{clean(one['kind'])} "
    when = ago(one.get("came_at") or one.get("said_at"))
    notes = [
        f"to {one['group']}" if one.get("group") else "",
        f"on {one['reply_to']}" if one.get("reply_to") else "",
    ]
    notes += ["urgent" if one.get("urgent") else "", when]
    head = click.style(f"{kind}from {who(one)}", bold=True)
    tail = click.style(f"{', '.join(filter(None, notes))} · {one['id']}", dim=True)
    click.echo(f"{head}  {tail}")
    for row in clean(one["body"]).strip("\n").split("\n"):
        click.echo(f"  {row}")


def state(row: dict[str, Any]) -> str:
    """What became of a message of ours, in words."""
    to, here = line(clean(str(row["to"])), 60), row.get("here", True)
    why = line(clean(str(row.get("waits_for") or "")), 200)
    words = {
        "queued": f"queued for {to}: {why}; it is delivered as soon as it can be"
        if why
        else f"queued: {to} does not answer just now; it is delivered as soon as it does",
        "safe": f"safe with {to}" if here else f"safe for {to}, who is away and reads it on return",
        "held": f"held: {to} was woken often enough; it is shown at its next turn",
        "shown": f"shown to {to}",
        "refused": f"refused by {to}: {line(clean(row.get('why') or 'no reason given'), 200)}",
    }
    return words.get(row["state"], str(row["state"]))


def state_line(row: dict[str, Any]) -> str:
    """The same with a mark, a colour and the message's id."""
    mark, colour = STATE_LOOK.get(row["state"], ("?", "white"))
    return f"{click.style(mark, fg=colour)} {state(row)}  {click.style(row['id'], dim=True)}"
