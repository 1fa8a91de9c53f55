"""Options and arguments that several commands share."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import click
from click.shell_completion import CompletionItem

from peermesh.cli.sending import text_of
from peermesh.core.words import BODY_LIMIT
from peermesh.errors import EmptyText, NotText, PeerError, TooLarge

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def timeout_option(default: str) -> Callable[[Any], Any]:
    """``--timeout``: how long to wait."""
    return click.option(
        "--timeout", type=Span(), default=default, show_default=True, help="How long to wait: 30s, 5m, 2h."
    )


_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(min|[smhd]|$)")


class Span(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.4
    """A length of time: a number of seconds, or with a unit of s, m, h, d.

    Args:
        bare: whether a number without a unit is seconds; where people think in minutes it is a slip.
    """

    name = "time"

    def __init__(self, *, bare: bool = True) -> None:
        self._bare = bare

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        text = "".join(str(value).split()).lower()
        parts = _PART.findall(text)
        if not self._bare and not text.strip("0"):
            self.fail(f"{value!r} is no length of time; write 30m, 2h or 1h30m.", param, ctx)
        if not self._bare and text.isdecimal():
            self.fail(f"{text} of what? Write {text}s, {text}m or {text}h.", param, ctx)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            self.fail(f"{value!r} is not a length of time; write 30s, 5m or 1h30m.", param, ctx)
        return sum(float(number) * _UNITS[unit] for number, unit in parts)


class Peers(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A peer's name or a group; the shell completes both."""

    name = "peer"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names of those who are known."""
        from peermesh.cli import link

        names = ["@all", "@repo"]
        try:
            near = link.running()
            if near is not None:
                names += [str(p["name"]) for p in near.ask("list", timeout=1.0)["peers"]]
        except (PeerError, OSError):
            return []  # a shell that completes nothing; the command itself will say what is wrong
        return [CompletionItem(name) for name in names if name.lower().startswith(incomplete.lower())]


def body(words: tuple[str, ...], file: BinaryIO | None, missing: str = "") -> str:
    """The text that is given: as arguments, in a file, or on standard input for ``-``.

    Args:
        words: the arguments.
        file: of ``--file``.
        missing: what is said where there is none; "" for the words about a text to send.

    Raises:
        EmptyText, NotText, TooLarge: there is none that can be taken.
    """
    try:
        return _text(words, file)
    except EmptyText as wrong:
        raise EmptyText(missing or None) from wrong


def _text(words: tuple[str, ...], file: BinaryIO | None) -> str:
    if file is not None:
        if words:
            raise click.UsageError("Give the text as arguments or with --file, not both.")
        return _decoded(file)
    if words == ("-",):
        return _decoded(sys.stdin.buffer)
    return text_of(words)


def _decoded(stream: BinaryIO) -> str:
    data = stream.read(BODY_LIMIT + 2)
    if len(data) > BODY_LIMIT + 1:
        raise TooLarge()
    try:
        text = data.decode()
    except UnicodeDecodeError as wrong:
        raise NotText(
            f"the text is not valid UTF-8 at byte {wrong.start}; convert it first (iconv -t UTF-8)"
        ) from wrong
    if not text.strip():
        raise EmptyText()
    return text.removesuffix("\n")
