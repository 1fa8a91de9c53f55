"""What `peer doctor` looks at: each finding says what was seen, and what to do about it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator

from peermesh import __version__, config
from peermesh.cli import draw, lan
from peermesh.cli.findings import Finding
from peermesh.cli.findings import finding as _finding
from peermesh.door.client import Closed, knock
from peermesh.errors import HomeUnusable, PeerError

# Trouble of hooks and sidecars older than this is history.
RECENT = 86_400.0  # seconds
# Less than this on the disk is worth a word.
LITTLE = 50 * 1024 * 1024  # bytes


def everything() -> list[Finding]:
    """All findings, in the order in which they matter."""
    try:
        root = config.make_home()
    except HomeUnusable as wrong:
        return [_finding("wrong", "state directory", str(wrong), "set PEER_HOME to a directory of yours")]
    return [
        *_home(root),
        *_programs(),
        *_plugin(),
        *_sidecars(root),
        *_lan(root),
        *_damage(root),
        *_troubles(root),
    ]


def _home(root: str) -> Iterator[Finding]:
    mode = stat.S_IMODE(os.stat(root).st_mode)
    if os.access(root, os.W_OK):
        yield _finding("fine", "state directory", f"{root} (mode {mode:04o})")
    else:
        yield _finding(
            "wrong", "state directory", f"{root} cannot be written", "check its owner and permissions"
        )
    free = shutil.disk_usage(root).free
    if free < LITTLE:
        yield _finding(
            "wrong", "disk", f"{free // 1024 // 1024} MiB free", "free some space: messages need it"
        )
    if config.disabled():
        yield _finding("note", "switched off", "PEER_DISABLE is set", "unset PEER_DISABLE to take part")


def _programs() -> Iterator[Finding]:
    yield _finding("fine", "peer", f"{__version__}, Python {sys.version.split()[0]} at {sys.executable}")
    if shutil.which("git") is None:
        yield _finding("note", "git", "not found: sessions are told apart by directory only", "install git")


def _plugin() -> Iterator[Finding]:
    folder = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(os.path.expanduser("~"), ".claude")
    try:
        with open(os.path.join(folder, "settings.json"), encoding="utf-8") as file:
            enabled = json.load(file).get("enabledPlugins", {})
        names = [name for name, on in enabled.items() if name.startswith("peer@") and on]
    except (OSError, ValueError, AttributeError, RecursionError):  # whatever else stands there
        names = []
    if names:
        yield _finding("fine", "plugin", f"{names[0]} is installed in Claude Code")
    else:
        yield _finding("wrong", "plugin", "not installed in Claude Code", "run: peer setup")
    if shutil.which("claude") is None:
        yield _finding("note", "claude", "not on the PATH of this shell")


def _sidecars(root: str) -> Iterator[Finding]:
    """Each sidecar whose lock is held must answer at its door."""
    folder = os.path.join(root, "peers")
    answered, silent = 0, []
    for peer in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        directory = os.path.join(folder, peer)
        if not os.path.exists(os.path.join(directory, "pid")):
            continue
        verdict = _answers(directory)
        answered += verdict is True
        if verdict is False:
            silent.append(peer)
    yield _finding("fine", "sidecars", f"{answered} running and answering")
    for peer in silent:
        yield _finding(
            "wrong", "sidecar", f"{peer} runs and does not answer", f"end the process in {folder}/{peer}/pid"
        )


def _answers(directory: str) -> bool | None:
    """Whether a sidecar answers; ``None`` if it does not run (a crash left its pid: the next hook mends that)."""
    try:
        near = knock(directory)
        if near is None:
            return None
        near.ask("status", timeout=3.0)
        near.close()
    except (PeerError, Closed):
        return True
    except OSError:
        return False
    return True


def _lan(root: str) -> Iterator[Finding]:
    if not config.lan():
        yield _finding("note", "LAN", f"{config.why_no_lan()}. Everything on this machine works")
        return
    for directory in _directories(root):
        near = knock(directory)
        if near is None:
            continue
        try:
            said = near.ask("status", timeout=3.0)
            hosts = near.ask("hosts", timeout=3.0) if said["keeper"] else {}
        except (PeerError, OSError):
            continue
        finally:
            near.close()
        if said["keeper"]:
            good = said["lan"] in ("on", "starting", "off")
            do = (
                ""
                if good
                else "nothing, if you only work on this host; else check the network or the other responder"
            )
            yield _finding("fine" if good else "note", "LAN", f"{said['lan']}, kept by {said['name']}", do)
            yield from lan.findings(hosts)


def _directories(root: str) -> list[str]:
    folder = os.path.join(root, "peers")
    return [os.path.join(folder, one) for one in sorted(os.listdir(folder))] if os.path.isdir(folder) else []


def _damage(root: str) -> Iterator[Finding]:
    for folder in (root, *_directories(root)):
        for name in sorted(os.listdir(folder)):
            if ".damaged-" in name and not name.endswith(("-wal", "-shm")):
                path = os.path.join(folder, name)
                if name.endswith(("-gone", "-cut")):
                    what = "was deleted" if name.endswith("-gone") else "lost the end of its journal"
                    words = f"{path.partition('.damaged-')[0]} {what}, and what it held is lost"
                    yield _finding("wrong", "store", words, f"delete {path} when you know why")
                    continue
                yield _finding(
                    "wrong",
                    "store",
                    f"a damaged file was set aside as {path}",
                    "what it held may be recovered with `sqlite3 FILE .recover`; delete it when it is not needed",
                )


def _troubles(root: str) -> Iterator[Finding]:
    path = os.path.join(root, "hooks.log")
    if os.path.exists(path) and time.time() - os.path.getmtime(path) < RECENT:
        for words in tail(path, 3):
            yield _finding(
                "note",
                "a hook failed",
                f"{words} ({draw.ago(os.path.getmtime(path))})",
                "peer doctor --log shows more",
            )


def tail(path: str, most: int) -> list[str]:
    """The last *most* lines of a log; none if it is not there."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 400 * most))
            return file.read().decode(errors="replace").splitlines()[-most:]
    except OSError:
        return []
