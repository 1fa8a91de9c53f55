"""What the commands of the shared picture have in common: where they ask from, and what may be asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from peermesh import config
from peermesh.cli import link
from peermesh.errors import BadUsage, NotText, PeerError

# A shell that completes waits for no more than that.
GLANCE = 1.0  # seconds


def here() -> str:
    """The directory that the command was typed in.

    Raises:
        BadUsage: it was removed.
    """
    try:
        return os.getcwd()
    except FileNotFoundError as wrong:
        raise BadUsage("the directory that you are in was removed; change to another one") from wrong


def asked(do: str, **fields: Any) -> dict[str, Any]:
    """The answer to one question about the repo that the command was typed in.

    Raises:
        PeerError: as of ``link.ask``.
    """
    if config.lan_forbidden():
        fields["lan"] = False  # what this process says stays on this machine
    near, answer = link.ask(do, cwd=here(), **fields)
    near.close()
    return answer


def readable(words: Sequence[str], what: str) -> list[str]:
    """*words* that are all text.

    Args:
        words: as they were typed.
        what: the word for one of them.

    Raises:
        BadUsage: one is empty, as of an unset variable of a shell.
        NotText: one is not UTF-8.
    """
    for word in words:
        if not word.strip():
            raise BadUsage(f"the {what} is empty")
        try:
            word.encode()
        except UnicodeEncodeError as wrong:
            raise NotText(
                f"the {what} {os.fsencode(word)!r} is not valid UTF-8, so others cannot read it"
            ) from wrong
    return list(words)


class Shown(click.Group):
    """Commands listed in the order in which a person meets them. A word that is none of them is what to show:
    `peer task 7kq2`.

    Args:
        shows: the command that shows it.
    """

    def __init__(self, *given: Any, shows: str = "show", **named: Any) -> None:
        super().__init__(*given, **named)
        self._shows = shows

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that *args* begin with; a single other word is shown."""
        alone = len([word for word in args if not word.startswith("-")]) == 1
        if alone and args[0] not in self.commands and not args[0].startswith("-"):
            args = [self._shows, *args]
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As they stand in the file."""
        return list(self.commands)


class Known(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.4
    """Something that the sidecar knows; the shell completes it.

    Args:
        name: the word for it.
        choices: from an answer, what can be typed and what is told beside it.
        do: the question whose answer that is.
        fields: the question's arguments.
    """

    def __init__(
        self,
        name: str,
        choices: Callable[[dict[str, Any]], Iterable[tuple[str, str]]],
        do: str,
        **fields: Any,
    ) -> None:
        self.name, self._choices, self._do, self._fields = name, choices, do, fields

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """What begins with *incomplete*."""
        try:
            near = link.running()
            if near is None:
                return []
            answer = near.ask(self._do, timeout=GLANCE, cwd=here(), **self._fields)
            near.close()
        except (PeerError, OSError):
            return []  # a shell that completes nothing; the command itself will say what is wrong
        return [
            CompletionItem(word, help=told)
            for word, told in self._choices(answer)
            if word.startswith(incomplete)
        ]
