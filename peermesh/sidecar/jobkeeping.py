"""The keeper's chores with jobs: ends that nobody wrote, watched processes, owners who are away, and what is old."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from peermesh.errors import PeerError
from peermesh.jobs import files, record
from peermesh.jobs.record import EndRecord
from peermesh.sidecar.endings import Ending, Exit, of_zombie
from peermesh.sidecar.post import Busy

if TYPE_CHECKING:
    from peermesh.core.words import PeerId
    from peermesh.sidecar.post import Post
    from peermesh.sidecar.process import Sidecar
    from peermesh.sidecar.shelf import Kept, Shelf

# What has ended is kept for so long, and so many; what could not be told to anybody for longer.
KEEP, KEEP_UNTOLD = 7 * 86_400.0, 30 * 86_400.0  # seconds
MOST = 200
# Old ones are looked for this often.
TIDY = 60.0
# Who could not be stood in for is tried again after a while, ever more seldom.
PAUSE, LONGEST_PAUSE = 5.0, 60.0

NO_CHILD = "its exit code cannot be known: it was no child of peer"

Tells = Callable[["Post", "Sequence[Kept]"], bool]
Goes = Callable[["PeerId", "Sequence[Kept]"], None]


class JobKeeping:
    """Done by the sidecar that holds the keeper's lock.

    Args:
        sidecar: it.
        shelf: the jobs of this host.
        tell: has the peer of a post tell how jobs ended, and says whether all could be told.
        goes: tells how far the running jobs of an owner are.
    """

    def __init__(self, sidecar: Sidecar, shelf: Shelf, tell: Tells, goes: Goes) -> None:
        self._sidecar, self._shelf, self._tell, self._goes = sidecar, shelf, tell, goes
        self._watched: dict[str, Ending] = {}  # by job
        self._patience: dict[
            PeerId, tuple[float, float]
        ] = {}  # when to try whose telling again, and the pause
        self._tidied = time.monotonic() - TIDY

    @property
    def watching(self) -> bool:
        """Whether the end of any process is waited for."""
        return bool(self._watched)

    def mind(self) -> None:
        """Every few seconds, and when somebody says that something changed."""
        jobs = self._shelf.look()
        running = [one for one in jobs if one.end is None]
        self._watch([one for one in running if one.job.kind == record.WATCH])
        if self._end_the_lost(running):
            jobs = self._shelf.look()
        self._for_the_absent(jobs)
        now = time.monotonic()
        if now - self._tidied >= TIDY:
            self._tidied = now
            self._tidy(jobs, time.time())

    # ------------------------------------------------------------ ends that nobody wrote

    def _end_the_lost(self, running: Sequence[Kept]) -> bool:
        now = time.time()
        unseen = [one for one in running if one.job.id not in self._watched]
        lost = [one for one in unseen if record.is_lost(one.directory, one.job, now)]
        for one in lost:
            end = record.lost_end(one.job, now)
            how = of_zombie(one.job.pid, one.job.start_time) if one.job.kind == record.WATCH else Exit()
            if how.known and end.why == record.UNSEEN:
                end = replace(end, code=how.code, signal=how.signal, why="")
            record.write_end(one.directory, end)
        if lost:
            files.poke(self._sidecar.root)
        return bool(lost)

    def _watch(self, running: Sequence[Kept]) -> None:
        ids = {one.job.id for one in running}
        for gone in self._watched.keys() - ids:
            self._watched.pop(gone).stop()
        for one in running:
            if one.job.id in self._watched or not record.is_alive(one.job):
                continue
            self._watched[one.job.id] = Ending(one.job.pid, one.job.start_time, partial(self._ended, one))
            if not record.is_alive(one.job):  # it ended, and the watch may be on another one of its number
                self._watched.pop(one.job.id).stop()

    def _ended(self, one: Kept, how: Exit) -> None:
        self._watched.pop(one.job.id, None)
        now = time.time()
        end = EndRecord(
            code=how.code,
            signal=how.signal,
            ended=now,
            seconds=max(0.0, now - one.job.started),
            why="" if how.known else NO_CHILD,
        )
        try:
            if record.read_end(one.directory) is None:
                record.write_end(one.directory, end)
        except OSError as wrong:
            self._sidecar.log(f"the end of the job {one.job.id} cannot be written: {wrong}")
            return  # the next look takes it for one that nobody saw
        files.poke(self._sidecar.root)

    # ------------------------------------------------------------ owners who are away

    def _for_the_absent(self, jobs: Sequence[Kept]) -> None:
        """What ended is told in their name, so that the message waits in their mailbox."""
        ended: dict[PeerId, list[Kept]] = defaultdict(list)
        runs: dict[PeerId, list[Kept]] = defaultdict(list)
        for one in jobs:
            if one.job.owner != self._sidecar.card.id and not one.settled:
                (runs if one.end is None else ended)[one.job.owner].append(one)
        for owner in {*ended, *runs}:
            if self._sidecar.is_live_here(owner):
                continue
            if runs[owner]:
                self._goes(owner, runs[owner])
            if ended[owner]:
                self._tell_for(owner, ended[owner])

    def _tell_for(self, owner: PeerId, ended: list[Kept]) -> None:
        now = time.monotonic()
        at, pause = self._patience.get(owner, (0.0, PAUSE))
        if now < at:
            return
        self._patience[owner] = now + pause, min(2 * pause, LONGEST_PAUSE)
        if self._sidecar.card_of(owner) is None:  # forgotten; whom else it named is told by us
            self._tell(self._sidecar.post, ended)
            return
        try:
            self._sidecar.posts.stand_in(owner)
            post = self._sidecar.posts.get(owner)
            if post is not None and self._tell(post, ended):
                del self._patience[owner]
        except Busy:
            self._patience[owner] = now, PAUSE
        except (PeerError, OSError) as wrong:
            self._sidecar.log(f"jobs of {owner} cannot be told of: {wrong}")

    # ------------------------------------------------------------ what is old

    def _tidy(self, jobs: Sequence[Kept], now: float) -> None:
        ended = [(one.end.ended, one) for one in jobs if one.end is not None]
        ended.sort(key=lambda pair: pair[0], reverse=True)
        for place, (at, one) in enumerate(ended):
            old = now - at > KEEP or place >= MOST
            if (one.told and old) or now - at > KEEP_UNTOLD:
                record.remove(one.directory)

    def close(self) -> None:
        """Watch no more: the next keeper does."""
        for one in self._watched.values():
            one.stop()
        self._watched.clear()
