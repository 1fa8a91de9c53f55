"""The plugin for Claude Code: a marketplace directory of our own, made from the templates in files/."""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping

from peermesh import __version__
from peermesh.errors import DiskFull, HomeUnusable
from peermesh.hooks import icon

PLUGIN = "peer"
# Not "peer" too: a marketplace's name is the user's, and this one nobody else takes.
MARKETPLACE = "peermesh"
NAME = f"{PLUGIN}@{MARKETPLACE}"

# Where each template goes, and whether it is a program.
LAYOUT = {
    "marketplace.json": (".claude-plugin/marketplace.json", False),
    "plugin.json": ("peer/.claude-plugin/plugin.json", False),
    "hooks.json": ("peer/hooks/hooks.json", False),
    "hook.sh": ("peer/hooks/hook.sh", True),
    "SKILL.md": ("peer/skills/peer/SKILL.md", False),
    "peer.sh": ("peer/bin/peer", True),
    "README.md": ("peer/README.md", False),
    "LICENSE": ("peer/LICENSE", False),
}
ICON = "peer/.claude-plugin/icon.png"

_PLACE = re.compile("@(PYTHON|ROOT|VERSION)@")


def folder(root: str) -> str:
    """The marketplace directory in the state directory *root*."""
    return os.path.join(root, "plugin")


def package_root() -> str:
    """The directory that contains the package peermesh."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def files(python: str, package: str) -> dict[str, tuple[bytes, bool]]:
    """The content of every file of the marketplace, by its path in it, and whether it is a program.

    Args:
        python: the interpreter that the hooks and the command are run with.
        package: the directory that contains the package peermesh.
    """
    # Quoted for a shell: a path may hold spaces, quotes and dollar signs.
    filling = {"PYTHON": shlex.quote(python), "ROOT": shlex.quote(package), "VERSION": __version__}
    made: dict[str, tuple[bytes, bool]] = {ICON: (icon.png(), False)}
    for template, (path, program) in LAYOUT.items():
        made[path] = (_filled(template, filling), program)
    return made


def _filled(template: str, filling: Mapping[str, str]) -> bytes:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files", template)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return os.fsencode(_PLACE.sub(lambda place: filling[place[1]], text))


def write(root: str, python: str = sys.executable, package: str = "") -> bool:
    """Make the marketplace directory, or bring it up to date. Files that are right are not touched.

    Args:
        root: the state directory.
        python: see ``files``.
        package: see ``files``; "" for where this file's own package is.

    Returns:
        Whether anything had to be changed.

    Raises:
        HomeUnusable, DiskFull: it cannot be written.
    """
    wanted = files(python, package or package_root())
    top = folder(root)
    try:
        changed = [path for path, (data, program) in wanted.items() if _put(top, path, data, program)]
        strangers = [path for path in _present(top) if path not in wanted]
        for path in strangers:
            os.unlink(os.path.join(top, path))
    except OSError as wrong:
        if wrong.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("the disk is full, so the plugin could not be written") from wrong
        raise HomeUnusable(f"the plugin's directory {top} cannot be written ({wrong.strerror})") from wrong
    return bool(changed or strangers)


def refresh(root: str) -> bool:
    """Bring a plugin that this very installation set up to its present version.

    Another installation's plugin (its interpreter is another) is left alone, and so is none at all.

    Returns:
        Whether anything was changed.

    Raises:
        HomeUnusable, DiskFull: it cannot be written.
    """
    mine = f"python={shlex.quote(sys.executable)} root={shlex.quote(package_root())}\n"
    try:
        with open(os.path.join(folder(root), "peer/hooks/hook.sh"), "rb") as file:
            ours = os.fsencode(mine) in file.read()
    except OSError:
        return False
    return write(root) if ours else False


def delete(root: str) -> bool:
    """Remove the marketplace directory; whether there was one."""
    there = os.path.isdir(folder(root))
    shutil.rmtree(folder(root), ignore_errors=True)
    return there


def _put(top: str, path: str, data: bytes, program: bool) -> bool:
    """Write one file unless it is there as it should be. A hook that runs just now keeps the old one."""
    full, mode = os.path.join(top, path), 0o755 if program else 0o644
    if _has(full, data, mode):
        return False
    os.makedirs(os.path.dirname(full), mode=0o755, exist_ok=True)
    fresh = f"{full}.{os.getpid()}"
    with open(fresh, "wb") as file:
        file.write(data)
    os.chmod(fresh, mode)
    os.replace(fresh, full)
    return True


def _has(full: str, data: bytes, mode: int) -> bool:
    try:
        with open(full, "rb") as file:
            return file.read() == data and os.fstat(file.fileno()).st_mode & 0o777 == mode
    except OSError:
        return False


def _present(top: str) -> list[str]:
    """The files that are there, by their paths below *top*."""
    found = [os.path.join(where, name) for where, _, names in os.walk(top) for name in names]
    return sorted(os.path.relpath(path, top) for path in found)
