"""A part of the terminal that is drawn anew when what it shows has changed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

import click

from peermesh.cli import draw, plain

# What a terminal does with these: to the line's beginning and up, and away with all from there on.
_UP = "\r\x1b[{}A"
_CLEAR = "\x1b[J"


class Screen:
    """The lines below where it began; what stood above them stays."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    @staticmethod
    def live() -> bool:
        """Whether there is a terminal on which lines can be drawn over."""
        return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def show(self, lines: Sequence[str]) -> None:
        """Draw *lines* in place of those before; more than the terminal has room for are left out."""
        columns, height = shutil.get_terminal_size((80, 24))
        shown = self._fitting(lines, columns, height - 1)
        if shown == self._drawn:
            return
        before = sum(_rows(text, columns) for text in self._drawn)
        back = _UP.format(min(before, height - 1)) + _CLEAR if before else ""
        self._drawn = shown
        click.echo(back + "".join(f"{text}\n" for text in shown), nl=False, color=True)

    @staticmethod
    def _fitting(lines: Sequence[str], columns: int, height: int) -> list[str]:
        kept, used = list[str](), 0
        for number, text in enumerate(lines):
            used += _rows(text, columns)
            last = number == len(lines) - 1
            if used > height - (not last):
                return [*kept, click.style(f"and {plain.count(len(lines) - number, 'line')} more", dim=True)]
            kept.append(text)
        return kept


def _rows(text: str, columns: int) -> int:
    """Rows of a terminal with *columns* that *text* takes."""
    return max(1, -(-draw.cells(click.unstyle(text)) // columns))
