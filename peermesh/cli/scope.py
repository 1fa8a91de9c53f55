"""`peer on`, `peer off`, `peer up`, `peer down`: who takes part, and what runs."""

from __future__ import annotations

import os
from typing import Any

import click

from peermesh import config
from peermesh.cli import link, plain
from peermesh.cli.options import json_option
from peermesh.door.client import Closed, knock


@click.command("off", short_help="Take this directory's repo out of peer.")
@json_option
def off_command(as_json: bool) -> None:
    """Take this directory's repo out of peer: its sessions hear and say nothing.

    What others sent to them stays queued. PEER_DISABLE=1 does the same for one session.

    \b
    Example:
      peer off
    """
    near, answer = link.ask("scope", cwd=os.getcwd(), off=True)
    near.close()
    root = config.home()
    for peer in answer["peers"]:
        _end(config.peer_dir(root, peer))
    count = len(answer["peers"])
    leave = f", and {count} session{'s leave' if count > 1 else ' leaves'}" if count else ""
    _say(
        answer, as_json, f"{answer['repo']} is out{leave}; what they held is free; `peer on` lets it in again"
    )


@click.command("on")
@json_option
def on_command(as_json: bool) -> None:
    """Let this directory's repo take part again.

    \b
    Example:
      peer on
    """
    # A session of a repo that is off has no sidecar to ask: the person's is asked instead.
    os.environ.pop("CLAUDE_CODE_SESSION_ID", None)
    near, answer = link.ask("scope", cwd=os.getcwd(), off=False)
    near.close()
    _say(answer, as_json, f"{answer['repo']} takes part; its sessions come in at their next turn")


@click.command("up", short_help="Start my sidecar, if it does not run.")
@json_option
def up_command(as_json: bool) -> None:
    """Start this session's or shell's sidecar, if it does not run.

    Hooks and commands do it by themselves when they need it.

    \b
    Example:
      peer up
    """
    near, answer = link.ask("status")
    near.close()
    _say(answer, as_json, f"{answer['name']} is up (process {answer['pid']})")


@click.command("down", short_help="End my sidecar; nothing is lost.")
@click.option("--all", "everything", is_flag=True, help="All sidecars of this host.")
@json_option
def down_command(everything: bool, as_json: bool) -> None:
    """End this session's or shell's sidecar; nothing is lost, and the next hook or command starts it again.

    \b
    Example:
      peer down --all
    """
    root, own, _ = link.link()
    folder = os.path.join(root, "peers")
    peers = sorted(os.listdir(folder)) if everything and os.path.isdir(folder) else []
    paths = [os.path.join(folder, one) for one in peers] if everything else [own]
    ended = [pid for pid in map(_end, paths) if pid]
    _say({"ended": ended}, as_json, f"ended {len(ended)}" if ended else "nothing runs")


def _end(directory: str) -> int:
    """End the sidecar of a peer's directory, and wait until it has; its process, 0 if none ran."""
    near = knock(directory)
    if near is None:
        return 0
    pid = 0
    try:
        pid = int(near.ask("down", timeout=5.0)["pid"])
        near.read()  # nothing more comes: the door closes when the sidecar ends
    except (Closed, OSError):
        return pid
    finally:
        near.close()
    return pid


def _say(answer: dict[str, Any], as_json: bool, words: str) -> None:
    if as_json:
        plain.as_json(answer)
    else:
        click.echo(words)
