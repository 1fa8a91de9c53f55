"""`peer setup`: the plugin into Claude Code, and out again."""

from __future__ import annotations

import click

from peermesh.cli import plain
from peermesh.cli.options import json_option
from peermesh.hooks import installing


@click.command("setup")
@click.option(
    "--remove", is_flag=True, help="Take the plugin out of Claude Code again, and all traces of it."
)
@click.option("--purge", is_flag=True, help="With --remove: delete the mail too.")
@click.option("--claude", metavar="PATH", help="Where Claude Code's program is, if it is not on the PATH.")
@json_option
def setup_command(remove: bool, purge: bool, claude: str | None, as_json: bool) -> None:
    """Install the plugin into Claude Code, or bring it up to date.

    From then on every session takes part by itself. Run again, it changes nothing.

    \b
    Example:
      peer setup
      peer setup --remove
    """
    if purge and not remove:
        raise click.UsageError("--purge goes with --remove.")
    said = installing.remove(claude, purge=purge) if remove else installing.setup(claude)
    if as_json:
        plain.as_json({"said": said})
    else:
        for sentence in said:
            click.echo(sentence)
