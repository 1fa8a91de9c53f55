"""`peer setup` and `peer setup --remove`: the plugin into Claude Code, and every trace of it out again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil

from peermesh import __version__, config
from peermesh.door.client import Closed, knock
from peermesh.errors import PeerError
from peermesh.hooks import claude, plugin, traces

# Which of Claude Code's directories the plugin was put into, and what was there before.
NOTE = "setup.json"

# Everything of ours in the state directory. What else is there is not ours, also with --purge.
STATE = (
    *("peers", "session", "client", "switched-off", "plugin"),
    *("person", "host.lock", "log.lock", "keeper.lock", "sidecar.log", "hooks.log", NOTE),
    *("host.key", "trust.json", "trust.json.lock", "lan.json", "offer.json", "settings", "gate", "gate.in"),
)
# And what stands beside these: SQLite's files, a damaged store that was set aside, the sign of a start.
BESIDE = ("host.db", "log.db", "host.key.", "trust.json.", "person.", "sidecar.log.")

GRACE = 5.0  # seconds for a sidecar to end


def setup(program: str | None = None) -> list[str]:
    """Install the plugin into Claude Code, or bring it up to date; a second time changes nothing.

    Args:
        program: the path of `claude`, or ``None`` to look for it.

    Returns:
        Sentences for the person.

    Raises:
        NoClaude: there is no `claude`.
        ClaudeFailed: it refused.
        HomeUnusable, DiskFull: the plugin cannot be written.
    """
    found = claude.find(program)
    root, where = config.make_home(), claude.config_dir()
    client = claude.Claude(found, root, where)
    _remember(root, where)
    fresh = plugin.write(root)
    did = _bring_in(client, plugin.folder(root))
    if not did and not fresh:
        return [f"Nothing to do: peer {__version__} is installed in Claude Code ({where})."]
    return [
        f"peer {__version__} is {did or 'refreshed'} in Claude Code ({where}).",
        "Sessions that you start from now on take part. In one that is open, type /reload-plugins.",
        "Look around: peer list. Take it out again: peer setup --remove",
    ]


def _bring_in(client: claude.Claude, folder: str) -> str:
    """Let the client have the plugin from *folder*; what was done, in a word, "" for nothing."""
    known = client.marketplace()
    if known is None or os.path.realpath(known) != os.path.realpath(folder):
        client.run("marketplace", "add", folder)
    have = client.plugin()
    if have is None:
        client.run("install", plugin.NAME, "--scope", "user")
        return "installed"
    did = "" if known is not None else "installed"
    if have.get("version") != __version__:
        client.run("update", plugin.NAME, "--scope", "user")
        did = "updated"
    if not have.get("enabled"):
        client.run("enable", plugin.NAME, "--scope", "user")
        did = "switched on"
    return did


def remove(program: str | None = None, *, purge: bool = False) -> list[str]:
    """Take the plugin out of Claude Code, with its marketplace, cache and data.

    Args:
        program: the path of `claude`, or ``None`` to look for it.
        purge: end this host's sidecars and delete the mail and all other state too.

    Returns:
        Sentences for the person.

    Raises:
        NoClaude: the plugin is installed, and there is no `claude` to take it out with.
        ClaudeFailed: it refused.
    """
    root = config.home()
    noted = _noted(root)
    said = []
    for where in sorted({*noted, claude.config_dir()}):
        if traces.mentioned(where):
            _take_out(claude.Claude(claude.find(program), "/", where))
            said.append(f"peer is taken out of Claude Code ({where}).")
        traces.sweep(where, noted.get(where, ()))
    if plugin.delete(root) and not said:
        said.append("Claude Code did not have the plugin; its files are deleted.")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(root, NOTE))
    if said:
        said.append(
            "In sessions that are open now, type /reload-plugins; else they say that its hooks are gone."
        )
    if purge:
        return [*said, *_purge(root)]
    if os.path.isdir(os.path.join(root, "peers")):
        said.append(f"The mail stays in {root}; `peer setup --remove --purge` deletes it too.")
    return said or ["Nothing to do: Claude Code does not have the plugin."]


def _take_out(client: claude.Claude) -> None:
    if client.plugin() is not None:
        client.run("uninstall", plugin.NAME, "--scope", "user")
    if client.marketplace() is not None:
        # From every scope, with what was installed from it in any of them.
        client.run("marketplace", "remove", plugin.MARKETPLACE)


# ------------------------------------------------------------ what was there before


def _remember(root: str, where: str) -> None:
    """Note what *where* holds before our first change to it; later calls leave the note alone."""
    noted = _noted(root)
    if where in noted:
        return
    noted[where] = traces.shells(where)
    path = os.path.join(root, NOTE)
    with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as file:
        json.dump(noted, file, indent=2)
    os.replace(file.name, path)


def _noted(root: str) -> dict[str, list[str]]:
    try:
        with open(os.path.join(root, NOTE), encoding="utf-8") as file:
            noted = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


# ------------------------------------------------------------ the mail


def _purge(root: str) -> list[str]:
    """Delete all state of ours, by name: PEER_HOME may have been set to a directory with other things."""
    if not os.path.isdir(root):
        return ["There is no mail."]
    for peer in os.listdir(os.path.join(root, "peers")) if os.path.isdir(os.path.join(root, "peers")) else ():
        _end(config.peer_dir(root, peer))
    for name in os.listdir(root):
        if name in STATE or name.startswith(BESIDE):
            _delete(os.path.join(root, name))
    with contextlib.suppress(OSError):
        os.rmdir(root)
    rest = sorted(os.listdir(root)) if os.path.isdir(root) else []
    if rest:
        return [f"The mail is deleted. Not ours, and left in {root}: {', '.join(rest[:10])}"]
    return [f"The mail is deleted, and {root} with it."]


def _end(directory: str) -> None:
    """Ask the sidecar of *directory* to end, and wait until it has."""
    door = knock(directory)
    if door is None:
        return
    try:
        door.ask("down", timeout=GRACE)
        door.read()  # nothing more comes: the door closes when the sidecar ends
    except (PeerError, Closed, OSError):
        return  # it ended, or does not answer: what it writes from now on is in a deleted directory
    finally:
        door.close()


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
