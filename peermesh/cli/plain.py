"""What became of a message, in words and few colours. Without click: `peer send` says it too, and must be quick."""

from __future__ import annotations

import os
import sys

from peermesh.core.clean import clean, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

# Marks that are told apart without colour.
STATE_LOOK = {
    "queued": ("…", "yellow"),
    "safe": ("✓", "cyan"),
    "held": ("⏸", "yellow"),
    "shown": ("✓✓", "green"),
    "refused": ("✗", "red"),
}
# Select Graphic Rendition, ECMA-48 8.3.117.
_SGR = {"dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36, "white": 37}


def colourless() -> bool:
    """Whether the person wants no colours (no-color.org), or has a terminal without."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def say(text: str, stream: TextIO) -> None:
    """Print a line to *stream*, at once."""
    stream.write(f"{text}\n")
    stream.flush()


def as_json(value: object, indent: int | None = 2) -> None:
    """Print *value* for a program."""
    import json  # the short road prints words

    say(json.dumps(value, ensure_ascii=False, indent=indent), sys.stdout)


def paint(text: str, look: str, stream: TextIO) -> str:
    """*text* in a colour, if *stream* is a terminal that shows it."""
    return f"\x1b[{_SGR[look]}m{text}\x1b[0m" if stream.isatty() and not colourless() else text


def count(number: int, what: str) -> str:
    """So many of a thing: ``1 session``, ``2 sessions``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def unread(answer: dict[str, Any]) -> None:
    """Tell a person at a terminal that there is mail."""
    words = unread_line(answer, sys.stderr)
    if words and sys.stderr.isatty():
        say(words, sys.stderr)


def unread_line(answer: dict[str, Any], stream: TextIO) -> str:
    """That there is mail, as it is said on *stream*; "" if there is none."""
    number = answer.get("unread", 0)
    return paint(f"{count(number, 'new message')} for you: peer inbox", "cyan", stream) if number else ""


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


def state_line(row: dict[str, Any], stream: TextIO) -> str:
    """The same with a mark, a colour and the message's id, as it is said on *stream*."""
    mark, colour = STATE_LOOK.get(row["state"], ("?", "white"))
    return f"{paint(mark, colour, stream)} {state(row)}  {paint(str(row['id']), 'dim', stream)}"
