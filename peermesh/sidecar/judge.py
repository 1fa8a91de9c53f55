"""Who has the tasks that were made on this host: its verdicts on takings that were said on others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peermesh.core.events import Draft, Event, What
from peermesh.core.tasks import Board
from peermesh.core.words import PeerId
from peermesh.store.log import LogStore, Taken, Writer

# Repos whose boards are kept at hand.
BOARDS = 8

_OF_TASKS = frozenset({What.TASK, What.TAKE, What.VERDICT, What.DONE, What.DROP, What.REOPEN, What.GONE})


class Judge:
    """Keeps the boards of a few repos, as far as they are needed for that.

    Args:
        store: the log.
        away: whether nobody runs as a peer, here or elsewhere, as far as is known.
    """

    def __init__(self, store: LogStore, away: Callable[[PeerId], bool]) -> None:
        self._store, self._away = store, away
        self._boards: dict[str, tuple[object, int, Board]] = {}

    def judge(self, writer: Writer, taken: Taken, clock: float) -> list[Event]:
        """Say the verdicts that are owed after *taken* was heard; *clock* is the wall's time in seconds.

        A take is not the only reason: one that came too late is in time after all when the word that closed its
        task is gone, or turns out to have been taken back.
        """
        repos = {one.repo for one in taken.events if one.kind in _OF_TASKS}
        if taken.deleted:
            repos.update(writer.repos_with(What.TAKE))
        said: list[Event] = []
        for repo in sorted(repos):
            board = self._board(writer, repo)
            owed = board.verdicts(self._store.id, self._away)
            said += [writer.say(self._verdict(board, repo, data), clock) for data in owed]
        return said

    def forget(self) -> None:
        """The boards may have heard what was not kept: make them anew when they are needed."""
        self._boards.clear()

    def _board(self, writer: Writer, repo: str) -> Board:
        now = (self._store.openings, writer.generation)
        made, seq, board = self._boards.pop(repo, (now, 0, Board()))
        if made != now:
            seq, board = 0, Board()
        for place, event in writer.each(repo, seq, _OF_TASKS):
            seq = place
            board.add(event)
        self._boards[repo] = (now, seq, board)
        while len(self._boards) > BOARDS:
            del self._boards[next(iter(self._boards))]
        return board

    @staticmethod
    def _verdict(board: Board, repo: str, data: dict[str, Any]) -> Draft:
        """It is said in the name of who made the task: that peer is of this host."""
        (task,) = board.find(str(data["task"]))
        return Draft(by=task.by, name=task.by_name, repo=repo, kind=What.VERDICT, data=data)
