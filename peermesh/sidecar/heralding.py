"""What is said of jobs to everybody of a repo: at their start, as they go, and at their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from peermesh.core.events import What

if TYPE_CHECKING:
    from peermesh.core.words import Card
    from peermesh.sidecar.shared import Shared
    from peermesh.sidecar.shelf import Kept

# How far a job is, is told to other hosts no more often than this, and at least once a day: of whom nothing is
# heard for a week is taken for gone.
PACE = 15.0  # seconds
AGAIN = 86_400.0


class Herald:
    """Says events about the jobs of this host.

    Args:
        shared: the shared picture.
        trusts: whether any other host listens.
    """

    def __init__(self, shared: Shared, trusts: Callable[[], bool]) -> None:
        self._shared, self._trusts = shared, trusts
        self._last: dict[str, tuple[str, float]] = {}  # the line that was said last of a job, and when
        self._ended: set[str] = set()  # whose end was said

    def goes(self, jobs: Sequence[Kept], by: Card | None = None) -> None:
        """Say of these running jobs that they are there, and how far, as far as that is to be said now.

        Args:
            jobs: what runs, of one owner. A job whose process is not known yet may never begin.
            by: their owner; None for oneself.

        Raises:
            DiskFull, ReadOnly, StoreBroken: it was not said.
        """
        now, due = time.monotonic(), []
        for one in jobs:
            if one.job.id not in self._last:
                if one.job.pid and not self._remember(one, now):
                    due.append((one, ""))
                continue
            line, at = self._last[one.job.id]
            if self._trusts() and now - at >= PACE and (one.line() != line or now - at >= AGAIN):
                due.append((one, one.line()))
        self._say([one for one, _ in due], by)
        self._last.update({one.job.id: (line, now) for one, line in due})

    def _remember(self, one: Kept, now: float) -> bool:
        """Whether it was said already that the job is there, by whoever was this sidecar before."""
        known = self._shared.picture(one.job.repo_key).jobs(time.time()) if one.job.repo_key else []
        said = [job for job in known if job.id == one.job.id and not job.host_key]
        if said:
            self._last[one.job.id] = said[0].line, now
        return bool(said)

    def ended(self, jobs: Sequence[Kept], by: Card | None = None) -> None:
        """These jobs, all of one owner, have ended: said once by this process, a second time by its successor."""
        fresh = [one for one in jobs if one.job.id not in self._ended]
        self._say(fresh, by)
        for one in fresh:
            self._ended.add(one.job.id)
            self._last.pop(one.job.id, None)

    def _say(self, jobs: Sequence[Kept], by: Card | None) -> None:
        now = time.time()
        drafts = [
            replace(draft, here=draft.here or one.job.here)
            for one in jobs
            if one.job.repo_key
            for draft in [self._shared.draft(one.job.repo_key, What.JOB, data(one, now), by=by)]
        ]
        if drafts:
            with self._shared.log.writing() as writer:
                for draft in drafts:
                    writer.say(draft, now)
            self._shared.spread()


def data(one: Kept, now: float) -> dict[str, Any]:
    """What an event says of a job; *now* is the wall clock, in seconds."""
    return {
        "job": one.job.id,
        "name": one.job.name,
        "cmd": one.cmd,
        "state": one.state,
        "code": one.end.code if one.end is not None else None,
        "signal": one.end.signal if one.end is not None else "",
        "seconds": round(one.seconds(now), 3),
        "line": one.line(),
        "branch": one.job.branch,
    }
