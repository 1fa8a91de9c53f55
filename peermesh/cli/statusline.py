"""`peer statusline`: one short line about a session's surroundings, for Claude Code's status line.

The plugin's own `peer` (hooks/files/peer.sh) does the same without an interpreter.
"""

from __future__ import annotations

import json
import os
import sys

import click

from peermesh import config
from peermesh.cli import plain
from peermesh.cli.options import json_option
from peermesh.core.clean import clean, line

LIMIT = 120  # characters
# What the client writes to the command's standard input is some thousand letters.
PAYLOAD = 1_000_000


@click.command("statusline", short_help="One line for Claude Code's status line.")
@json_option
def statusline_command(as_json: bool) -> None:
    """One short line for Claude Code's status line: unread messages, who else is here, and whose file I edit.

    For the session that it is run in, or that Claude Code names on standard input. Nothing when there is nothing
    to say. README.md says how to put it into Claude Code's settings.

    \b
    Example:
      peer statusline
    """
    said = _line(_session())
    if as_json:
        plain.as_json({"line": said})
    elif said:
        click.echo(said)


def _session() -> str:
    """The session's id; "" if nobody says it."""
    given = config.session_id()
    if given or sys.stdin is None or sys.stdin.isatty():
        return given or ""
    try:
        said = json.loads(sys.stdin.buffer.read(PAYLOAD))
    except (ValueError, RecursionError):
        return ""
    return str(said.get("session_id") or "") if isinstance(said, dict) else ""


def _line(session: str) -> str:
    """What the session's sidecar wrote; "" if it does not run."""
    folder = config.session_link(config.home(), session)
    if not session or config.disabled() or os.path.exists(os.path.join(folder, "off")):
        return ""
    try:
        with open(os.path.join(folder, "pid"), encoding="ascii") as file:
            os.kill(int(file.read(20)), 0)
        with open(os.path.join(folder, "statusline"), encoding="utf-8", errors="replace") as file:
            return line(clean(file.readline(1_000)), LIMIT)
    except (OSError, ValueError, OverflowError):
        return ""
