"""Which repo a request is about: a session's own, or the one in whose directory a person typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from peermesh.core.patterns import tidy_file
from peermesh.core.words import Card
from peermesh.errors import BadUsage, OutsideRepo, SwitchedOff
from peermesh.sidecar.where import Places, Where, look


@dataclass(frozen=True, slots=True)
class Here:
    """The repo that is meant, and the directory in which that was said."""

    key: str
    repo: str
    branch: str
    cwd: str


class Scope:
    """Repos and paths as one sidecar is asked about them.

    Args:
        card: who this is, as it is now.
        is_off: whether a repo was taken out of peer.
    """

    def __init__(self, card: Callable[[], Card], is_off: Callable[[Where], bool]) -> None:
        self._card, self._is_off = card, is_off
        self._places = Places()

    @property
    def me(self) -> Card:
        """Who this is."""
        return self._card()

    def of(self, cwd: str) -> Here:
        """The repo that a command in *cwd* is about."""
        me = self.me
        if not me.person:
            return Here(me.repo_key, me.repo, me.branch, cwd)
        where = look(cwd)
        if not where.key:
            raise BadUsage("that is no directory on this machine")
        if self._is_off(where):
            raise SwitchedOff(f"{where.repo} was taken out of peer; `peer on` lets it take part again")
        return Here(where.key, where.repo, where.branch, cwd)

    def file(self, path: str, cwd: str) -> str | None:
        """Where the file *path* is in this session's repo; ``None`` if it is in no checkout of it."""
        found = self._places.place(path, cwd, self.me.repo_key)
        try:
            return tidy_file(found) if found is not None else None
        except ValueError:  # a name that cannot be shown on one line: nobody can claim it either
            return None

    def place(self, path: str, cwd: str, key: str) -> str:
        """Where *path* is in the repo *key*.

        Raises:
            OutsideRepo: in no checkout of it.
        """
        found = self._places.place(path, cwd, key)
        if found is None:
            raise OutsideRepo(
                f"{path[:200]!r} is not in this repo, so nobody here would meet you there; "
                "give a path inside the checkout"
            )
        return found
