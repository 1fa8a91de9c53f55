"""`peer demo`: two throw-away sessions talk before your eyes, and nothing is left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from peermesh.errors import PeerError
from peermesh.hooks.payload import NOTIFICATION

# Both sessions' sidecars are up in a second; a loaded machine may need longer.
PATIENCE = 20.0  # seconds

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LANE = "import sys; sys.path.insert(0, sys.argv[1]); from peermesh.hooks.lane import main; sys.exit(main(sys.argv[2]))"


class Actor:
    """A session of the demo: a process that stands for Claude Code, and the hooks that it would run."""

    def __init__(self, name: str, home: str) -> None:
        self.name = name
        self.cwd = os.path.join(home, "app")
        self.client = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self._env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PEER_", "CLAUDE"))},
            "PEER_HOME": os.path.join(home, "peer"),
            "PEER_LAN": "off",
            "CLAUDE_CONFIG_DIR": home,
            "CLAUDE_CODE_SESSION_ID": f"demo-{name}",
            "CLAUDE_CODE_ENTRYPOINT": "cli",
            "CLAUDE_PID": str(self.client.pid),
        }

    def hook(self, event: str, **payload: str) -> str:
        """What a hook event puts before the model; "" for nothing."""
        said = json.dumps({"session_id": f"demo-{self.name}", "cwd": self.cwd, **payload})
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _LANE, _ROOT, event],
            input=said,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )
        if event == "Wait":
            return done.stderr
        return str(json.loads(done.stdout)["hookSpecificOutput"]["additionalContext"]) if done.stdout else ""

    def waiter(self) -> subprocess.Popen[str]:
        """The background hook of an idle session."""
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LANE, _ROOT, "Wait"],
            env=self._env,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if process.stdin is not None:
            process.stdin.write(json.dumps({"session_id": f"demo-{self.name}", "cwd": self.cwd}))
            process.stdin.close()
        return process

    def peer(self, *words: str) -> str:
        """A command as the model would run it in Bash."""
        done = subprocess.run(
            [sys.executable, "-m", "peermesh.cli", *words],
            env=self._env,
            cwd=self.cwd,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PeerError(
                f"the demo's `peer {words[0]}` failed: {done.stderr.strip() or done.stdout.strip()}"
            )
        return done.stdout.strip()

    def end(self) -> None:
        """The session is closed."""
        self.client.kill()
        self.client.communicate()


@click.command("demo", short_help="Two throw-away sessions talk before your eyes.")
def demo_command() -> None:
    """Two throw-away sessions on this machine talk before your eyes; nothing is left behind.

    They have a state directory of their own and send no packet: a direct message, a reply, a broadcast,
    and what each model would read, with times.

    \b
    Example:
      peer demo
    """
    began = time.monotonic()
    with _stage() as (one, two):
        _play(one, two)
    click.echo()
    click.secho(
        f"That was all, in {time.monotonic() - began:.1f} s; nothing is left behind. Now: peer setup",
        bold=True,
    )


@contextmanager
def _stage() -> Iterator[tuple[Actor, Actor]]:
    """A state directory, a project and two sessions, all gone afterwards."""
    home = tempfile.mkdtemp(prefix="peer-demo-", dir="/tmp" if os.path.isdir("/tmp") else None)  # noqa: S108 - short, for sockets
    os.mkdir(os.path.join(home, "app"))
    actors: list[Actor] = []
    try:
        actors = [Actor("session-a", home), Actor("session-b", home)]
        yield actors[0], actors[1]
    finally:
        if actors:
            _clear(actors)
        shutil.rmtree(home, ignore_errors=True)


def _clear(actors: list[Actor]) -> None:
    peers = os.path.join(actors[0]._env["PEER_HOME"], "peers")  # noqa: SLF001 - the same file's
    for actor in actors:
        actor.end()
    _until(lambda: not _pids(peers), "the sidecars to end")


def _pids(folder: str) -> list[str]:
    if not os.path.isdir(folder):
        return []
    return [one for one in os.listdir(folder) if os.path.exists(os.path.join(folder, one, "pid"))]


def _until(true: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := true()):
        if time.monotonic() > deadline:
            raise PeerError(f"the demo waited {PATIENCE:.0f} s for {what}")
        time.sleep(0.02)
    return found


def _play(one: Actor, two: Actor) -> None:
    _scene("Two Claude Code sessions start; a hook gives each its sidecar.")
    for actor in (one, two):
        _timed(f"{actor.name} starts", lambda a=actor: a.hook("SessionStart", source="startup"))  # type: ignore[misc]
        actor.peer("name", actor.name)
    _shell(one, "list")

    _scene("session-b is idle, and a waiter listens. A message wakes it.")
    waiter = two.waiter()
    _until(lambda: json.loads(two.peer("status", "--json"))["waiter"], "session-b to wait")
    began = time.monotonic()
    _shell(one, "send", "session-b", "I renamed the prop userId to accountId in UserCard.tsx")
    text = waiter.stderr.read() if waiter.stderr else ""
    waiter.wait()
    briefing = two.hook("UserPromptSubmit", prompt=NOTIFICATION)  # the client begins the woken turn
    _model(two, f"{briefing}\n\n{text}", time.monotonic() - began)
    two.hook("Stop")

    _scene("session-b replies. session-a is at work: it reads the reply at its turn's end.")
    _model(one, one.hook("UserPromptSubmit", prompt="go on"))
    ident = json.loads(two.peer("inbox", "--all", "--json"))[-1]["id"]
    _shell(two, "reply", ident, "Thanks, I use accountId from now on")
    _timed("", lambda: _model(one, one.hook("Stop")))
    one.hook("Stop")

    _scene("A word to everybody. session-b reads it when its person types next.")
    _shell(one, "send", "@all", "main is frozen until the release is out")
    _timed("", lambda: _model(two, two.hook("UserPromptSubmit", prompt="what next?")))
    two.hook("Stop")

    _scene("The receipts of session-a tell the truth.")
    _until(lambda: all(m["state"] == "shown" for m in json.loads(one.peer("sent", "--json"))), "the receipts")
    _shell(one, "sent")


def _scene(words: str) -> None:
    click.echo()
    click.secho(f"● {words}", fg="cyan", bold=True)


def _timed(words: str, act: Callable[[], object]) -> None:
    began = time.monotonic()
    act()
    took = f"{(time.monotonic() - began) * 1000:.0f} ms"
    click.secho(f"  {words}: {took}" if words else f"  ({took})", dim=True)


def _shell(actor: Actor, *words: str) -> None:
    shown = " ".join(f'"{w}"' if " " in w else w for w in words)
    click.echo(f"  {click.style(actor.name + ' $', fg='green')} peer {shown}")
    for row in actor.peer(*words).splitlines():
        click.echo(f"    {row}")


def _model(actor: Actor, text: str, seconds: float | None = None) -> None:
    after = f", {seconds * 1000:.0f} ms after the command began" if seconds is not None else ""
    click.secho(f"  What {actor.name}'s model reads{after}:", fg="magenta")
    for row in text.splitlines():
        click.echo(f"    │ {row}")
