"""The command `peer` as click knows it. Every verb is one question through the door; none decides anything."""

from __future__ import annotations

import importlib

import click

from peermesh import __version__
from peermesh.cli.main import INTERRUPTED, wants_json
from peermesh.cli.plain import colourless
from peermesh.errors import BadUsage

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

# What people type who know other tools, and the command that does it here.
MEANT = {
    **dict.fromkeys(("ls", "who", "peers", "sessions", "ps"), "list"),
    **dict.fromkeys(("msg", "tell", "message", "say", "broadcast"), "send"),
    **dict.fromkeys(("unclaim", "unlock"), "release"),
    **dict.fromkeys(("lock", "hold"), "claim"),
    **dict.fromkeys(("tasks", "todo", "board"), "task"),
    **dict.fromkeys(("messages", "mail"), "inbox"),
    **dict.fromkeys(("history", "events", "feed"), "log"),
    **dict.fromkeys(("panel", "tui"), "ui"),
    **dict.fromkeys(("install", "init"), "setup"),
    **dict.fromkeys(("whoami", "rename"), "name"),
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
        if args[0] == "help":  # as of git and others
            return "help", _HELP, args[1:]
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as wrong:
            import difflib

            near = [MEANT[args[0]]] if args[0] in MEANT else difflib.get_close_matches(args[0], COMMANDS, n=1)
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


def _help(words: tuple[str, ...]) -> None:
    peer.main([*words, "--help"], prog_name="peer", standalone_mode=False)


_HELP = click.Command("help", callback=_help, params=[click.Argument(["words"], nargs=-1)])


def run() -> int:
    """Do what the words of the command line say; the exit code.

    Raises:
        BadUsage: a program asked, and reads what is wrong with its words.
        PeerError: what went wrong.
    """
    try:
        return int(
            peer.main(prog_name="peer", standalone_mode=False, color=False if colourless() else None) or 0
        )
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as wrong:
        if wants_json():
            raise BadUsage(wrong.format_message()) from wrong
        wrong.show()
        return wrong.exit_code
