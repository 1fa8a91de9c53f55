"""Where a session works: its repo, what makes that the same repo elsewhere, and its branch."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from peermesh.core.names import line
from peermesh.core.repos import remote_key

# git answers such questions in a few milliseconds; a network file system may take longer.
PATIENCE = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Where:
    """A directory, as far as others may know it."""

    repo: str  # its name for people
    key: str  # equal for checkouts of the same project
    git_dir: str  # this worktree's; "" outside a repo
    top: str  # the checkout's own directory

    @property
    def branch(self) -> str:
        """The branch that is checked out just now, or a commit's first letters; "" outside a repo."""
        if not self.git_dir:
            return ""
        try:
            with open(os.path.join(self.git_dir, "HEAD"), encoding="utf-8", errors="replace") as head:
                said = head.read(1_000).strip()
        except OSError:
            return ""
        return line(said.removeprefix("ref: refs/heads/"), 100) if said.startswith("ref:") else said[:8]


def look(cwd: str) -> Where:
    """What *cwd* is: worktrees share the common git directory, clones the remote's address."""
    told = _git(
        cwd, "rev-parse", "--path-format=absolute", "--show-toplevel", "--git-common-dir", "--git-dir"
    )
    if len(told) != 3:
        real = os.path.realpath(cwd)
        return Where(line(os.path.basename(real) or "/", 60), f"dir:{real}", "", real)
    top, common, git_dir = told
    remote = _git(cwd, "config", "--get", "remote.origin.url")
    key = remote_key(remote[0]) if remote else ""
    main = os.path.dirname(common) if os.path.basename(common) == ".git" else common.removesuffix(".git")
    name = key.rsplit("/", 1)[-1] if key else os.path.basename(main)
    return Where(line(name, 60), f"remote:{key}" if key else f"dir:{os.path.realpath(common)}", git_dir, top)


def _git(cwd: str, *words: str) -> list[str]:
    try:
        done = subprocess.run(
            ["git", "-C", cwd, *words],  # noqa: S607 - the person's own git
            capture_output=True,
            timeout=PATIENCE,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
