"""`peer ui`: the panel, in which a person sees all of it and acts."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from peermesh import config
from peermesh.cli import link, plain
from peermesh.cli.options import json_option
from peermesh.cli.together import here
from peermesh.errors import BadRequest, BadUsage, NoPanel

# What --json tells, and the question whose answer it is.
ASKED = {"sessions": "list", "feed": "feed", "claims": "claims", "tasks": "tasks", "jobs": "jobs"}
MOST = 200  # items of the feed


@click.command("ui", short_help="A panel with all of it: sessions, feed, claims, tasks, jobs.")
@json_option
def ui_command(as_json: bool) -> None:
    """Show who is here and what happens, as it happens, and act from there: send, answer, claim, take, stop.

    A footer shows the keys that are good where you are; ? shows all of them, q ends. The mouse does as well.
    With --json all that the panel shows is printed, once.

    \b
    Example:
      peer ui
    """
    fields: dict[str, Any] = {"cwd": top(here())}
    if config.lan_forbidden():
        fields["lan"] = False  # what this process says stays on this machine
    if as_json:
        plain.as_json(_everything(fields))
        return
    app = _panel()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadUsage("the panel needs a terminal; `peer ui --json` and `peer log -f` do without")
    link.door().close()  # what keeps the sidecar from starting is told here, and not in the panel
    app(link.door, link.running, fields).run()


def _panel() -> Any:
    """The panel's class.

    Raises:
        NoPanel: Textual is not installed.
    """
    try:
        from peermesh.ui.app import PeerApp  # a sixth of a second, for this command alone
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("textual", "rich"):
            raise
        raise NoPanel() from missing
    return PeerApp


def _everything(fields: dict[str, Any]) -> dict[str, Any]:
    """What the panel would show, as the door tells it; ``null`` for what this sidecar does not know."""
    near, found = link.door(), dict[str, Any]()
    try:
        for word, do in ASKED.items():
            more = {"after": None, "most": MOST, "wait": 0.0} if do == "feed" else {}
            try:
                answer = near.ask(do, timeout=link.ANSWER, **fields, **more)
            except BadRequest:
                found[word] = None
            else:
                found[word] = answer[{"list": "peers", "feed": "items"}.get(do, do)]
    finally:
        near.close()
    return found


def top(directory: str) -> str:
    """The checkout's own directory, from which the paths of claims count; *directory* itself outside of one."""
    above = directory
    while not os.path.exists(os.path.join(above, ".git")):
        above, below = os.path.dirname(above), above
        if above == below:
            return directory
    return above
