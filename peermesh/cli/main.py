"""The command `peer`. Every verb is one question through the door; none decides anything."""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys

import click

from peermesh import __version__
from peermesh.errors import BadUsage, Exit, PeerError

# Each command's module is imported when it is used: `peer send` should not pay for `peer demo`.
COMMANDS = {
    "setup": "setup",
    "demo": "demo",
    "list": "who",
    "alive": "who",
    "send": "say",
    "ask": "say",
    "reply": "say",
    "inbox": "mail",
    "read": "mail",
    "sent": "mail",
    "claim": "claims",
    "release": "claims",
    "claims": "claims",
    "note": "notes",
    "notes": "notes",
    "task": "tasks",
    "run": "run",
    "watch": "run",
    "jobs": "jobs",
    "state": "state",
    "ui": "ui",
    "name": "who",
    "role": "who",
    "focus": "who",
    "invite": "hosts",
    "join": "hosts",
    "pair": "pair",
    "trust": "hosts",
    "connect": "hosts",
    "lan": "hosts",
    "on": "scope",
    "off": "scope",
    "up": "scope",
    "down": "scope",
    "status": "health",
    "doctor": "health",
    "log": "feed",
    "statusline": "statusline",
    "completion": "completion",
}

# In the order in which a person meets them.
SECTIONS = {
    "Begin": ("setup", "demo", "completion"),
    "Talk": ("list", "alive", "send", "ask", "reply", "inbox", "read", "sent"),
    "Work together": (
        "claim",
        "release",
        "claims",
        "note",
        "notes",
        "task",
        "run",
        "watch",
        "jobs",
        "state",
        "ui",
        "log",
        "statusline",
    ),
    "Who I am": ("name", "role", "focus"),
    "Other machines": ("invite", "join", "pair", "trust", "connect", "lan"),
    "Health": ("status", "doctor", "up", "down", "on", "off"),
}


# What standard output says when there is no room where it leads.
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Peer(click.Group):
    """Finds commands by name, and turns errors of ours into a sentence and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command *cmd_name*, imported now."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found = getattr(importlib.import_module(f"peermesh.cli.{module}"), f"{cmd_name}_command")
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, by what they are for."""
        for title, names in SECTIONS.items():
            rows = [
                (n, c.get_short_help_str(60)) for n in names if (c := self.get_command(ctx, n)) is not None
            ]
            with formatter.section(title):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that *args* name; one that is nearly right is offered."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as wrong:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{wrong.message} Did you mean 'peer {near[0]}'?", ctx) from wrong


@click.group(cls=Peer, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="peer")
def peer() -> None:
    """Claude Code sessions that know of each other.

    \b
    Example:
      peer list
      peer send session-b "I renamed the prop userId to accountId"
      peer claim src/admin/ --why "restyle the dashboard"
    """


def main() -> None:
    """Run the command line."""
    try:
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"  # no-color.org
        sys.exit(peer.main(standalone_mode=False, color=False if plain else None) or 0)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as wrong:
        if _wants_json():
            _report(BadUsage(wrong.format_message()))
        else:
            wrong.show()
        sys.exit(wrong.exit_code)
    except PeerError as wrong:
        _report(wrong)
        sys.exit(wrong.exit)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except OSError as wrong:
        if wrong.errno in _FULL:
            click.echo(f"peer: this cannot be printed: {wrong.strerror}", err=True)
        elif not isinstance(wrong, BrokenPipeError):
            raise
        # Whoever read us has gone; nothing more is to be written, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.FAULT if wrong.errno in _FULL else 141)


def _wants_json() -> bool:
    """Whether a program reads what is wrong; words behind ``--`` are another command's."""
    words = sys.argv[1:]
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _report(wrong: PeerError) -> None:
    if _wants_json():
        said = {
            "code": wrong.code,
            "message": str(wrong),
            **({"detail": wrong.detail} if wrong.detail else {}),
        }
        click.echo(json.dumps({"error": said}, ensure_ascii=False))
    else:
        click.echo(f"peer: {wrong}", err=True)
