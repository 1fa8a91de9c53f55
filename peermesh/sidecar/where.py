"""Where a session works: its repo and branch, what makes that the same repo elsewhere, and a path's place in it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from peermesh.core.clean import line
from peermesh.core.words import BRANCH_LIMIT, REPO_LIMIT
from peermesh.sidecar.checkouts import Checkout, Repos, Sign, readable, sign

# What is known of checkouts, for everybody in this process.
_REPOS = Repos()

# What git writes in the place of a branch where it keeps branches elsewhere (the format "reftable").
_ELSEWHERE = "ref: refs/heads/.invalid"


class _Head:
    """What is checked out, read again when it changed."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._seen: tuple[Sign, Sign] | None = None
        self._branch = ""

    def branch(self) -> str:
        head = os.path.join(self._checkout.git_dir, "HEAD")
        tables = os.path.join(self._checkout.git_dir, "reftable", "tables.list")
        elsewhere = self._seen is not None and self._seen[1] is not None
        seen = (sign(head), sign(tables) if elsewhere else None)
        if seen != self._seen:
            said = _first_line(head)
            if said == _ELSEWHERE:
                seen = (seen[0], sign(tables))
                said = _asked(self._checkout)
            self._seen, self._branch = seen, _branch(said)
        return self._branch


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1_000).strip()
    except OSError:
        return ""


def _asked(checkout: Checkout) -> str:
    refs = _REPOS.ask(checkout, "symbolic-ref", "-q", "HEAD")
    return f"ref: {refs[0]}" if refs else "".join(_REPOS.ask(checkout, "rev-parse", "-q", "--verify", "HEAD"))


def _branch(head: str) -> str:
    """The branch that a file HEAD names, or a commit's first letters."""
    return line(head.removeprefix("ref: refs/heads/"), BRANCH_LIMIT) if head.startswith("ref:") else head[:8]


@dataclass(frozen=True, slots=True)
class Where:
    """A directory, as far as others may know it."""

    repo: str  # its name for people
    key: str  # equal for checkouts of the same project, see core/repos.py
    git_dir: str  # this checkout's own; "" outside a repo
    top: str  # the checkout's own directory
    worktree: str = ""  # that directory's name; "" outside a repo
    here: str = ""  # what stays the same on this host, whatever remotes and commits the repo gets
    _cwd: str = field(default="", repr=False, compare=False)
    _head: _Head | None = field(default=None, repr=False, compare=False)

    @property
    def branch(self) -> str:
        """The branch that is checked out just now, or a commit's first letters; "" outside a repo.

        Costs a look at one file's times; it is read when they changed.
        """
        return self._head.branch() if self._head is not None else ""

    def stale(self) -> bool:
        """Whether *look* would find something else there now, or has to ask git again to know.

        A repo was made or taken away, or got its first commit or another remote. Costs a look at a few files' times.
        """
        if not self._cwd or not os.path.isdir(self._cwd):
            return False  # nowhere, or a worktree that was removed under the session
        checkout = _REPOS.find(self._cwd)
        if checkout is None:
            return bool(self.git_dir)
        return (checkout.top, checkout.git_dir) != (self.top, self.git_dir) or (
            _REPOS.known(checkout) != self.key
        )


NOWHERE = Where("", "", "", "")


def look(cwd: str) -> Where:
    """What *cwd*, an absolute path, is. git is asked when something changed since the last time, else no process runs."""
    try:
        real = os.path.realpath(cwd or "/")
    except ValueError:  # no system has such a path
        return NOWHERE
    checkout = _REPOS.find(real)
    if checkout is None:
        key = f"dir:{readable(real)}"
        return Where(line(os.path.basename(real) or "/", REPO_LIMIT), key, "", real, here=key, _cwd=real)
    key = _REPOS.key(checkout)
    return Where(
        line(_name(checkout, key), REPO_LIMIT),
        key,
        checkout.git_dir,
        checkout.top,
        "" if checkout.bare else line(os.path.basename(checkout.top) or "/", REPO_LIMIT),
        f"dir:{readable(checkout.common)}",
        _cwd=real,
        _head=_Head(checkout),
    )


def _name(checkout: Checkout, key: str) -> str:
    """The remote's own name, or that of the main checkout's directory."""
    if key.startswith("remote:"):
        return key.rsplit("/", 1)[-1]
    folder, name = os.path.split(checkout.common)
    return os.path.basename(folder) if name.startswith(".") else name.removesuffix(".git")


class Places:
    """Finds a path's place in a repo, in whichever checkout of it the path lies.

    Where a file system takes ``A`` and ``a`` for the same, or é in two spellings, a path's place is spelled as it
    was given: two spellings are two places.
    """

    def __init__(self, repos: Repos | None = None) -> None:
        self._repos = repos or _REPOS

    def place(self, path: str, cwd: str, key: str) -> str | None:
        """The path from the checkout's directory to *path*, with "/", or "." for that directory itself.

        Args:
            path: absolute, or counted from *cwd*; it need not exist. Symlinks are followed, "~" is a name.
            cwd: absolute.
            key: the repo's: worktrees and clones of it count alike, wherever they are, one inside the other too.

        Returns:
            ``None`` if *path* lies in no checkout of that repo.
        """
        try:
            real = os.path.realpath(os.path.join(cwd, path))
        except ValueError:
            return None
        if not os.path.isabs(os.path.join(cwd, path)):
            return None
        checkout = self._repos.find(real)
        if checkout is not None and checkout.bare:
            return None
        if checkout is not None and self._repos.key(checkout) == key:
            return _below(real, checkout.top)
        base = key.removeprefix("dir:")
        return _below(readable(real), base) if base != key and self._is_plain(base) else None

    def _is_plain(self, directory: str) -> bool:
        """Whether a key names a directory that is no repo, and not a repo without commits."""
        checkout = self._repos.at(directory)
        return checkout is None or not checkout.bare


def _below(path: str, top: str) -> str | None:
    if path == top:
        return "."
    start = os.path.join(top, "")
    return readable(path[len(start) :]) if path.startswith(start) else None
