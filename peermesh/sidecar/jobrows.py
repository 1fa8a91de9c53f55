"""Jobs as rows, for `peer jobs` and the panel: those of this host, and what other hosts told of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from peermesh.core.clean import clean
from peermesh.jobs import logs, record
from peermesh.jobs.record import EndRecord

if TYPE_CHECKING:
    from peermesh.core.jobs import Job
    from peermesh.sidecar.commons import Commons
    from peermesh.sidecar.shelf import Kept


class JobRows:
    """Makes them.

    Args:
        commons: who is who.
    """

    def __init__(self, commons: Commons) -> None:
        self._commons = commons

    def near(self, one: Kept, now: float) -> dict[str, Any]:
        """A job of this host; *now* is the wall clock, in seconds."""
        job, end = one.job, one.end or EndRecord()
        return {
            "id": job.id,
            "name": job.name,
            "cmd": one.cmd,
            "kind": job.kind,
            "state": one.state,
            "code": end.code,
            "signal": end.signal,
            "why": end.why,
            "by": self._commons.shared.called(job.owner, job.owner_name, ""),
            "host": "",
            "mine": job.owner == self._commons.card.id,
            "here": True,
            "reached": True,
            "age": max(0.0, now - (end.ended if one.end is not None else job.started)),
            "seconds": one.seconds(now),
            "line": one.line(),
            "branch": job.branch,
            "repo": job.repo,
            "told": [listener.name for listener in job.tell],
            "detached": job.detached,
            "pid": job.pid,
        }

    def far(self, one: Job, now: float) -> dict[str, Any]:
        """A job of another host, as far as that told of it."""
        since = max(0.0, now - one.at)
        return {
            "id": one.id,
            "name": one.name,
            "cmd": one.cmd,
            "kind": record.RUN,
            "state": one.state,
            "code": one.code,
            "signal": one.signal,
            "why": "",
            "by": self._commons.shared.called(one.by, one.by_name, one.host_key).partition("@")[0],
            "host": self._commons.host_called(one.host_key),
            "mine": False,
            "here": False,
            "reached": self._commons.host_is_up(one.host_key),
            "age": since if one.ended else since + one.seconds,
            "seconds": one.seconds if one.ended else since + one.seconds,
            "line": one.line,
            "branch": one.branch,
            "repo": "",
            "told": [],
            "detached": False,
            "pid": 0,
        }

    def whole(self, one: Kept, now: float) -> dict[str, Any]:
        """A job of this host, with the last of what it said."""
        end = one.end or EndRecord()
        return {
            **self.near(one, now),
            "stderr": list(end.stderr),
            "stdout": list(end.stdout),
            "bytes": end.bytes,
            "left": list(end.left),
            "cwd": clean(one.job.cwd),
            "log": logs.path_of(one.directory) if one.job.kind == record.RUN else "",
        }
