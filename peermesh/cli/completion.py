"""`peer completion`: commands, options and the names of peers, completed by the shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion", short_help="Let your shell complete commands and names.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes peer's commands and names in a shell.

    \b
    Example:
      peer completion zsh >> ~/.zshrc
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} cannot be completed with this version of click.")
    click.echo(kind(ctx.find_root().command, {}, "peer", "_PEER_COMPLETE").source())
