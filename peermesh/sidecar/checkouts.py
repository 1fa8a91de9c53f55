"""Checkouts of git repositories: which one a directory lies in, and the key of its repo.

Where a checkout begins is looked up in the file system, in microseconds; git is asked for remotes and commits
only, and again only when the files changed on which its answer stands.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TypeVar

from peermesh.core.repos import bounded, remote_key
from peermesh.sidecar.git import PATIENCE, Git, TooSlow

# Checkouts and repos that are remembered; one session meets a handful.
REMEMBERED = 256
# A clone by path is the same project as what it was cloned from, which may be such a clone itself.
CLONES_OF_CLONES = 4

Sign = tuple[int, int, int] | None


def sign(path: str) -> Sign:
    """What changes when the file at *path* does; ``None`` while there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


@dataclass(frozen=True, slots=True)
class Checkout:
    """A directory in which files of a repo are worked on: the main one, a worktree, a submodule."""

    top: str  # its directory, symlinks resolved, as the others are
    git_dir: str  # its own: HEAD is there
    common: str  # which it shares with all other worktrees of its repo

    @property
    def bare(self) -> bool:
        """Whether it is the inside of a git directory, where no files are worked on."""
        return self.top == self.git_dir


@dataclass(frozen=True, slots=True)
class _Answer:
    """A repo's key, and on what it stands."""

    key: str
    watched: tuple[tuple[str, Sign], ...]
    slow: str = ""  # in which directory git is still at work: then the key is for now

    def signs_hold(self) -> bool:
        return all(sign(path) == seen for path, seen in self.watched)


class Repos:
    """Finds checkouts and the keys of their repos, and remembers both.

    Args:
        git: is asked.
    """

    def __init__(self, git: Git | None = None) -> None:
        self._git = git or Git()
        self._checkouts: dict[str, tuple[Sign, Checkout]] = {}
        self._answers: dict[str, _Answer] = {}  # by the common directory

    def find(self, directory: str) -> Checkout | None:
        """The innermost checkout in which *directory* lies.

        Args:
            directory: absolute, symlinks resolved. It may be a file, and need not exist.
        """
        while True:
            found = self.at(directory)
            above = os.path.dirname(directory)
            if found is not None or above == directory:
                return found
            directory = above

    def at(self, directory: str) -> Checkout | None:
        """The checkout that begins just at *directory*."""
        inside = os.path.join(directory, ".git")
        if os.access(inside, os.F_OK):
            now = sign(inside)
            seen, found = self._checkouts.get(directory) or (None, None)
            if found is not None and seen == now:
                return found
            git_dir = _led_to(inside)
            if git_dir:
                found = Checkout(directory, git_dir, _common(git_dir))
                _remember(self._checkouts, directory, (now, found))
                return found
        return Checkout(directory, directory, _common(directory)) if _is_git_dir(directory) else None

    def key(self, checkout: Checkout) -> str:
        """What makes *checkout* the same project as another: one key for all worktrees and clones of a repo.

        Takes some milliseconds when it is not known, and up to PATIENCE where git is slow.
        """
        return self._answer(checkout, time.monotonic() + PATIENCE, CLONES_OF_CLONES).key

    def known(self, checkout: Checkout) -> str:
        """The same, if it is known and nothing changed since; "" else."""
        answer = self._answers.get(checkout.common)
        return answer.key if answer is not None and self._holds(answer) else ""

    def ask(self, checkout: Checkout, *words: str) -> list[str]:
        """What git says of *checkout*; nothing where it is slow."""
        try:
            return self._git.ask(checkout.top, *words, deadline=time.monotonic() + PATIENCE)
        except TooSlow:
            return []

    def _holds(self, answer: _Answer) -> bool:
        return answer.signs_hold() and not (answer.slow and self._git.answered(answer.slow))

    def _answer(self, checkout: Checkout, deadline: float, depth: int) -> _Answer:
        answer = self._answers.get(checkout.common)
        if answer is None or not self._holds(answer):
            answer = self._asked(checkout, deadline, depth)
            _remember(self._answers, checkout.common, answer)
        return answer

    def _asked(self, checkout: Checkout, deadline: float, depth: int) -> _Answer:
        # Looked at before git is asked: what changes meanwhile is a change.
        config, young = _signs(checkout, "config"), _signs(checkout, *_BEFORE_A_COMMIT)
        here = f"dir:{readable(checkout.common)}"
        try:
            urls = self._remotes(checkout, deadline)
            for address in filter(None, map(remote_key, urls)):
                return _Answer(bounded(f"remote:{address}"), config)
            source = self._source(checkout, urls, deadline, depth)
            if source is not None:
                key = here if source.slow else source.key
                return _Answer(key, config + source.watched, source.slow)
            root = self._root(checkout, deadline)
        except TooSlow:
            return _Answer(here, config, checkout.top)
        return _Answer(f"root:{root}", config) if root else _Answer(here, config + young)

    def _remotes(self, checkout: Checkout, deadline: float) -> list[str]:
        """The addresses of its remotes, ``origin`` before the others, which are in order of their names.

        As git would use them: an abbreviation of the person's (``url.….insteadOf``) is written out.
        """
        found = {}
        for one in self._git.ask(checkout.top, "remote", "-v", deadline=deadline):
            name, _, rest = one.partition("\t")
            url, mark, _ = rest.rpartition(" (fetch)")
            if mark:
                found[name] = url
        return [found[name] for name in sorted(found, key=lambda name: (name != "origin", name))]

    def _source(self, checkout: Checkout, urls: list[str], deadline: float, depth: int) -> _Answer | None:
        """What a clone by path was cloned from, as long as it is there, and has a key for everywhere."""
        for url in urls if depth else ():
            path = os.path.join(os.path.dirname(checkout.common), url.removeprefix("file://"))
            for one in (path, f"{path}.git"):
                found = self.at(os.path.realpath(one))
                if found is None or found.common == checkout.common:
                    continue
                answer = self._answer(found, deadline, depth - 1)
                if answer.slow or not answer.key.startswith("dir:"):
                    return answer
        return None

    def _root(self, checkout: Checkout, deadline: float) -> str:
        """The repo's first commit; "" before there is one.

        Of all branches and the main worktree's HEAD, so that each worktree has the same, whatever is checked out
        where; if they go back to several, the oldest, so that a branch for pages does not make a project another.
        A shallow clone begins with another commit: without a remote's address it is a project of its own.
        """
        words = ("--max-parents=0", "--timestamp", "--ignore-missing", "--branches", "main-worktree/HEAD")
        lines = self._git.ask(checkout.top, "rev-list", *words, deadline=deadline)
        roots = [(int(when), commit) for when, _, commit in (one.partition(" ") for one in lines)]
        return min(roots)[1] if roots else ""


# By which a first commit is noticed.
_BEFORE_A_COMMIT = ("refs/heads", "packed-refs", "logs/HEAD", "reftable/tables.list")


def _signs(checkout: Checkout, *names: str) -> tuple[tuple[str, Sign], ...]:
    paths = (os.path.join(checkout.common, name) for name in names)
    return tuple((path, sign(path)) for path in paths)


def _led_to(inside: str) -> str:
    """The git directory that *inside*, a checkout's ``.git``, is or names; "" if it is none."""
    target = inside
    if not os.path.isdir(inside):
        said = _read(inside)
        if not said.startswith("gitdir:"):
            return ""
        target = os.path.join(os.path.dirname(inside), said.removeprefix("gitdir:").strip(" \r\n"))
    target = os.path.realpath(target)
    return target if _is_git_dir(target) else ""


def _is_git_dir(path: str) -> bool:
    def has(name: str) -> bool:
        return os.access(os.path.join(path, name), os.F_OK)

    return has("HEAD") and (has("commondir") or (has("objects") and has("refs")))


def _common(git_dir: str) -> str:
    shared = _read(os.path.join(git_dir, "commondir")).strip("\r\n")
    return os.path.realpath(os.path.join(git_dir, shared)) if shared else git_dir


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(10_000).partition("\0")[0]  # a machine's crash leaves zeros
    except (OSError, ValueError):
        return ""


T = TypeVar("T")


def _remember(known: dict[str, T], name: str, what: T) -> None:
    known.pop(name, None)
    known[name] = what
    while len(known) > REMEMBERED:
        del known[next(iter(known))]


def readable(path: str) -> str:
    """*path* as text that can be stored and sent: a file's name may be any bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return path.encode(errors="backslashreplace").decode()
    return path
