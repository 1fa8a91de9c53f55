"""What an installation leaves in Claude Code's directory, and what of it can be taken out again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Collection
from typing import Any

from peermesh.hooks.plugin import MARKETPLACE, NAME, PLUGIN

SETTINGS = "settings.json"

# What the client makes for the first plugin, and keeps when the last is gone. Inner things first.
KEYS = ("enabledPlugins", "extraKnownMarketplaces")
FILES = ("plugins/installed_plugins.json", "plugins/known_marketplaces.json")
FOLDERS = ("plugins/cache", "plugins/data", "plugins/marketplaces", "plugins")

# Ours alone, whatever is in them. (The second is the client's name for a plugin's own data.)
OURS = (f"plugins/cache/{MARKETPLACE}", f"plugins/data/{PLUGIN}-{MARKETPLACE}")


def shells(config: str) -> list[str]:
    """Which of the things that the client makes for any plugin are in *config* now, full or empty."""
    paths = [path for path in (SETTINGS, *FILES, *FOLDERS) if os.path.lexists(os.path.join(config, path))]
    return [*paths, *(key for key in KEYS if key in _settings(config))]


def mentioned(config: str) -> bool:
    """Whether the client's files in *config* still speak of our plugin or its marketplace."""
    words = (f'"{NAME}"', f'"{MARKETPLACE}"')
    for path in (SETTINGS, *FILES):
        with contextlib.suppress(FileNotFoundError), open(os.path.join(config, path), "rb") as file:
            text = file.read().decode(errors="replace")
            if any(word in text for word in words):
                return True
    return False


def sweep(config: str, before: Collection[str]) -> None:
    """Remove our cache and data, and every empty shell that was not there *before* the first setup."""
    for path in OURS:
        shutil.rmtree(os.path.join(config, path), ignore_errors=True)
    _sweep_settings(config, before)
    for path in FILES:
        full = os.path.join(config, path)
        if path not in before and _is_shell(full):
            os.unlink(full)
    for path in FOLDERS:
        if path not in before:
            with contextlib.suppress(OSError):  # not empty: others' things are in it
                os.rmdir(os.path.join(config, path))


def _sweep_settings(config: str, before: Collection[str]) -> None:
    """The person's settings without the empty objects that the client put there for us."""
    full, settings = os.path.join(config, SETTINGS), _settings(config)
    empty = [key for key in KEYS if settings.get(key) == {} and key not in before]
    if not empty:
        return
    for key in empty:
        del settings[key]
    if not settings and SETTINGS not in before and not os.path.islink(full):
        os.unlink(full)
        return
    real = os.path.realpath(full)  # a link into somebody's dotfiles stays a link
    fresh = f"{real}.{os.getpid()}"
    with open(fresh, "wb") as file:
        file.write(_written(settings))
    shutil.copymode(real, fresh)
    os.replace(fresh, real)


def _settings(config: str) -> dict[str, Any]:
    """The client's settings; {} when there are none that can be read: then nothing is changed in them."""
    said = _read(os.path.join(config, SETTINGS))
    return said if isinstance(said, dict) else {}


def _written(settings: dict[str, Any]) -> bytes:
    """*settings* as the client writes them; half a character, which UTF-8 cannot say, as an escape."""
    try:
        return f"{json.dumps(settings, indent=2, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(settings, indent=2)}\n".encode()


def _is_shell(path: str) -> bool:
    """Whether a file of the client's lists nothing: ``{}``, or ``{"version": 2, "plugins": {}}``."""
    said = _read(path)
    return isinstance(said, dict) and (said.get("plugins", said) == {})


def _read(path: str) -> object:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
