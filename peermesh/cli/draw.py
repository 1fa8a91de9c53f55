"""How things look in a terminal: words, a few colours, columns that fit."""

from __future__ import annotations

import math
import select
import shutil
import sys
import time
import unicodedata
from collections.abc import Collection, Sequence
from typing import Any

import click

from peermesh.core.clean import age, clean, line, span

# Narrower than this nothing is readable; wider than that, lines are hard to follow.
NARROWEST, WIDEST = 40, 160

# A column is cut to so little before the table grows beyond the terminal.
COLUMN = 4
# Below a row, what belongs to it stands this far to the right.
INDENT = "  "


def ago(when: float | None) -> str:
    """How long ago *when* (wall clock, seconds) was; "" for never."""
    return age(max(0.0, time.time() - when)) if when else ""


def since(when: float | None) -> str:
    """For how long, from *when* (wall clock, seconds) on."""
    return span(max(0.0, time.time() - when)) if when else ""


def width() -> int:
    """Columns to draw in."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((80, 24)).columns))


def cells(text: str) -> int:
    """Columns that *text* takes in a terminal."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0  # it stands over or under the letter before it
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def fit(text: str, room: int) -> str:
    """*text* in exactly *room* columns, cut with an ellipsis or filled with spaces."""
    if cells(text) > room:
        while text and cells(text) > room - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (room - cells(text))


def tail(text: str, room: int) -> str:
    """*text* in at most *room* columns; of a longer one the end, which tells more of a path."""
    if cells(text) <= room:
        return text
    while text and cells(text) > room - 1:
        text = text[1:]
    return f"…{text}"


def rows(
    heads: Sequence[str],
    texts: Sequence[Sequence[str]],
    looks: Sequence[dict[str, Any]] = (),
    *,
    below: Sequence[str] = (),
    ends: Collection[int] = (),
    whole: Collection[int] = (),
) -> list[str]:
    """The lines of a table that fits the terminal, styled.

    Args:
        heads: a word for each column.
        texts: for each row as many; they are cleaned here.
        looks: for each row, how to style it (arguments of ``click.style``).
        below: for each row a line under it, clean and fitting, or "" for none.
        ends: the columns whose texts are cut at their beginning.
        whole: the columns that are cut only where cutting the others is not enough.
    """
    clear = [[line(clean(cell), 200) for cell in row] for row in texts]
    widths = [max(cells(text) for text in column) for column in zip(heads, *clear, strict=True)]
    room = width() - 2 * (len(widths) - 1)
    while sum(widths) > room and max(widths) > COLUMN:
        cut = [at for at, wide in enumerate(widths) if wide > COLUMN and at not in whole]
        widths[max(cut or range(len(widths)), key=widths.__getitem__)] -= 1
    said = [click.style("  ".join(fit(h, w) for h, w in zip(heads, widths, strict=True)).rstrip(), dim=True)]
    for number, row in enumerate(clear):
        shown = [tail(cell, widths[at]) if at in ends else cell for at, cell in enumerate(row)]
        text = "  ".join(fit(cell, w) for cell, w in zip(shown, widths, strict=True)).rstrip()
        said.append(click.style(text, **(looks[number] if looks else {})))
        if below and below[number]:
            said.append(click.style(f"{INDENT}{below[number]}", dim=True))
    return said


def table(
    heads: Sequence[str],
    texts: Sequence[Sequence[str]],
    looks: Sequence[dict[str, Any]] = (),
    *,
    ends: Collection[int] = (),
    whole: Collection[int] = (),
) -> None:
    """Print what ``rows`` makes of the same arguments."""
    for text in rows(heads, texts, looks, ends=ends, whole=whole):
        click.echo(text)


def address(name: object, host: object = "") -> str:
    """How a peer is called here: its name, with its host if that is another one ("" is this one)."""
    return line(clean(f"{name}@{host}" if host else str(name)), 120)


def one_line(text: object) -> str:
    """Others' words as one line of at most 200 characters."""
    return line(clean(str(text or "")), 200)


def block(text: object) -> list[str]:
    """Others' words as lines to print, each below what they belong to."""
    return [f"{INDENT}{row}" for row in clean(str(text or "")).strip("\n").split("\n")]


def left(seconds: float) -> str:
    """How much time is left, rounded up: what was given half an hour just now has 30 min."""
    whole = float(math.ceil(seconds))
    hours, rest = divmod(whole, 3_600)
    return f"{span(whole)} {span(rest)}" if 1 <= hours < 24 and rest >= 60 else span(whole)


def files(edited: Sequence[dict[str, Any]], room: int) -> str:
    """What somebody edited lately, newest first, as many as *room* columns hold: ``src/a.py 2 min, +3``.

    Args:
        edited: ``path`` and ``age`` (seconds) of each.
        room: columns.
    """
    said = ""
    for number, one in enumerate(edited):
        when, rest = span(one["age"]), len(edited) - number - 1
        more = f", +{rest}" if rest else ""
        path = one_line(one["path"])
        if number == 0:
            path = tail(path, max(1, room - cells(f" {when}{more}")))
        longer = f"{said}, {path} {when}" if said else f"{path} {when}"
        if number and cells(f"{longer}{more}") > room:
            return f"{said}, +{rest + 1}"
        said = longer
    return said


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
    for row in block(one["body"]):
        click.echo(row)


def nobody_reads() -> bool:
    """Whether standard output is a pipe whose reader has gone: as long as nothing changes, no write tells."""
    poll = select.poll()
    try:
        poll.register(sys.stdout, 0)
    except (OSError, ValueError):
        return False  # not a file of the system's
    return any(event & select.POLLERR for _, event in poll.poll(0))
