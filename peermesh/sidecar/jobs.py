"""Jobs at the door: `peer run`, `peer watch`, `peer jobs`; and what one sidecar does for its own."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from peermesh.core.clean import line
from peermesh.core.words import NAME_LIMIT, Card, PeerId
from peermesh.errors import AmbiguousPeer, BadUsage, LanOff, NoSuchJob, PeerError, TooMany
from peermesh.jobs import files, logs, record
from peermesh.jobs.record import EndRecord, JobRecord, Listener
from peermesh.sidecar import roster
from peermesh.sidecar.heralding import Herald
from peermesh.sidecar.jobkeeping import JobKeeping
from peermesh.sidecar.jobrows import JobRows
from peermesh.sidecar.shelf import Kept, Shelf, of_owner, one_line, plain
from peermesh.sidecar.telling import Teller
from peermesh.sidecar.where import look
from peermesh.store.sqlite import translated_os

if TYPE_CHECKING:
    from peermesh.core.jobs import Job
    from peermesh.door.server import Caller
    from peermesh.sidecar.commons import Commons
    from peermesh.sidecar.post import Post
    from peermesh.sidecar.process import Sidecar
    from peermesh.sidecar.scope import Here, Scope

# Jobs that run at once on one host.
RUNNING = 500
# Words of a command that are kept for people, and characters of the name that is made of it.
WORDS, NAMED = 200, 30
# Jobs that are named where a word may mean several.
SOME = 5
# Repos of which `peer jobs --all` asks what other hosts told.
REPOS = 8

# Pokes come with all that is said anywhere; the directories are looked at so often at most.
PACE = 0.1  # seconds
# What could not be told, on a full disk or for the length of a chain, is tried again after this.
AGAIN = 5.0  # seconds

STOPPED = "nobody waits for it any more"

Verb = Callable[["Caller", int, dict[str, Any]], dict[str, Any] | None]
One = TypeVar("One", bound="Kept | Job")


class JobDesk:
    """What one sidecar says and answers about jobs.

    Args:
        sidecar: it.
        commons: the shared picture, and who is who.
        scope: which repo is meant.
    """

    def __init__(self, sidecar: Sidecar, commons: Commons, scope: Scope) -> None:
        self._sidecar, self._commons, self._scope = sidecar, commons, scope
        self._shelf = Shelf(sidecar.root, sidecar.log)
        self._teller = Teller(commons.card_of, sidecar.log)
        self._herald = Herald(commons.shared, lambda: bool(sidecar.trust.read().hosts))
        self._keeping = JobKeeping(sidecar, self._shelf, self._finish, self._goes)
        self._rows = JobRows(commons)
        self._kept, self._wrong = False, ""
        self._later: asyncio.TimerHandle | None = None
        self._pokes = 0
        self._again = 0.0  # when to try to tell again what could not be told
        self.verbs: dict[str, Verb] = {
            "job_begin": self._begin,
            "jobs": self._jobs,
            "job_stop": self._stop,
            "job_log": self._log,
        }

    # ------------------------------------------------------------ now and then

    @property
    def new_keeper(self) -> bool:
        """Whether this sidecar has become the keeper since it looked last."""
        return self._sidecar.keeper.holds and not self._kept

    def poked(self) -> None:
        """Somebody says that something changed: look at once, and soon again if it is said again."""
        if self._later is None:
            self.look()
            self._later = asyncio.get_running_loop().call_later(PACE, self._look_later, self._pokes)
        self._pokes += 1

    def _look_later(self, pokes: int) -> None:
        self._later = None
        if self._pokes > pokes + 1:
            self.poked()

    def look(self) -> None:
        """Something may have changed: tell how our own jobs ended, and, as the keeper, do the host's chores."""
        try:
            self._look()
            self._wrong = ""
        except (PeerError, OSError) as wrong:
            if str(wrong) != self._wrong:  # it is tried again in a moment, and noted once
                self._wrong = str(wrong)
                self._sidecar.log(f"jobs: {wrong}")

    def _look(self) -> None:
        self._kept = self._sidecar.keeper.holds
        mine, now = of_owner(self._shelf.look(), self._sidecar.card.id), time.monotonic()
        ended = [one for one in mine if one.end is not None and not one.told]
        if ended and now >= self._again and not self._finish(self._sidecar.post, ended):
            self._again = now + AGAIN
        self._herald.goes([one for one in mine if one.end is None])
        if self._kept:
            self._keeping.mind()

    def _finish(self, post: Post, ended: Sequence[Kept]) -> bool:
        """These have ended: who waits for it is told by *post*, and it is noted that they were. Whether all were."""
        by = post.engine.card
        told = self._teller.tell(post, ended)
        self._herald.ended(told, None if by.id == self._sidecar.card.id else by)
        for one in told:
            record.mark_told(one.directory)
        return len(told) == len(ended)

    def _goes(self, owner: PeerId, running: Sequence[Kept]) -> None:
        card = self._commons.card_of(owner)
        if card is not None:
            self._herald.goes(running, card)

    @property
    def watching(self) -> bool:
        """Whether this sidecar waits for the end of a process that is none of ours."""
        return self._keeping.watching

    def close(self) -> None:
        """The sidecar ends."""
        if self._later is not None:
            self._later.cancel()
        self._keeping.close()

    # ------------------------------------------------------------ a new one

    def _begin(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        cwd, kind = str(fields["cwd"]), str(fields.get("kind") or record.RUN)
        place, me = self._scope.of(cwd), self._sidecar.card
        pid = int(fields.get("pid") or 0)
        argv = [one_line(str(one)) for one in list(fields.get("argv") or ())[:WORDS]]
        if kind not in (record.RUN, record.WATCH):
            raise BadUsage(f"there are no jobs of the kind {kind[:20]!r}")
        if kind == record.RUN and not argv:
            raise BadUsage("there is no command to run")
        if sum(one.end is None for one in self._shelf.look()) >= RUNNING:
            raise TooMany(f"{RUNNING} jobs run here already; `peer jobs --all` shows them")
        told = self._listeners(list(fields.get("tell") or ()), place)
        started = str(fields.get("start_time") or "") if kind == record.WATCH else ""
        job = JobRecord(
            id="",
            kind=kind,
            name=_name(fields.get("name"), argv, pid),
            argv=tuple(argv),
            cwd=cwd,
            repo_key=place.key,
            repo=place.repo,
            branch=look(cwd).branch or place.branch,
            owner=me.id,
            owner_name=me.name,
            tell=tuple(told),
            started=time.time(),
            pid=pid,
            start_time=started or (files.start_time(pid) if kind == record.WATCH else ""),
            boot=files.boot_id(),
            detached=bool(fields.get("detached")),
            here=self._commons.hidden(),
        )
        if kind == record.WATCH and not (pid > 0 and record.is_alive(job)):
            raise BadUsage(f"there is no process {pid} on this machine")
        with translated_os(record.jobs_dir(self._sidecar.root)):
            job, directory = record.create(self._sidecar.root, job)
        if kind == record.WATCH:
            self.look()
            self._commons.poke()  # the keeper is to watch it
        return {"id": job.id, "dir": directory, "tell": [one.name for one in told]}

    def _listeners(self, names: Sequence[object], place: Here) -> list[Listener]:
        """Who is told of the end: those who are named, else who asks."""
        me, found = self._sidecar.card, list[Card]()
        asking = replace(me, repo_key=place.key) if me.person else me
        for name in map(str, names):
            if name in ("me", me.name, me.address, me.id):
                found.append(me)
            else:
                found += roster.addressed(name, self._sidecar.cards(), asking, self._sidecar.recent)
        if self._commons.hidden():
            here = [one for one in found if not one.host_key]
            if found and not here:
                raise LanOff("PEER_LAN=off in the environment: nobody on other machines is told")
            found = here
        cards = {one.id: one for one in found or [me]}
        return [
            Listener(id=one.id, name=one.address if one.host_key else one.name, host_key=one.host_key)
            for one in cards.values()
        ]

    # ------------------------------------------------------------ those there are

    def _jobs(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        place, now = self._scope.of(str(fields["cwd"])), time.time()
        if fields.get("job"):
            one = self._find(str(fields["job"]), place)
            return {
                "jobs": [self._rows.whole(one, now) if isinstance(one, Kept) else self._rows.far(one, now)]
            }
        everything = bool(fields.get("all"))
        here = [one for one in self._shelf.look() if everything or one.job.repo_key == place.key]
        far = self._elsewhere(place, now, everything=everything)
        rows = [*(self._rows.near(one, now) for one in here), *(self._rows.far(one, now) for one in far)]
        rows.sort(key=lambda row: (row["state"] != "running", row["age"]))
        return {"jobs": rows, "repo": place.repo}

    def _elsewhere(self, place: Here, now: float, *, everything: bool) -> list[Job]:
        """What other hosts told of their jobs."""
        shared = self._commons.shared
        repos = dict.fromkeys([place.key, *(shared.log.counts() if everything else ())])
        told = [one for repo in list(repos)[:REPOS] if repo for one in shared.picture(repo).jobs(now)]
        return [one for one in told if one.host_key]

    def _find(self, wanted: str, place: Here) -> Kept | Job:
        """The job with this id, or the newest of this repo with this name; here, else on another host. Else the one
        whose id begins so.

        Raises:
            NoSuchJob: there is none.
            AmbiguousPeer: the ids of several begin so.
        """
        here = self._shelf.look()
        near = [one for one in here if one.job.id == wanted] or self._named(here, wanted, place)
        if near:
            return near[-1]
        told = self._elsewhere(place, time.time(), everything=True)
        far = [one for one in told if one.id == wanted] or [one for one in told if one.name == wanted]
        if far:
            return far[-1]
        first = wanted.lower()
        begin: list[Kept | Job] = [one for one in here if one.job.id.startswith(first)]
        begin += [one for one in told if one.id.startswith(first)]
        if not begin or not wanted:
            raise NoSuchJob(f"there is no job {one_line(wanted, 60)!r} here; `peer jobs --all` lists them")
        return _only(wanted, begin)

    @staticmethod
    def _named(jobs: Iterable[Kept], name: str, place: Here) -> list[Kept]:
        return [one for one in jobs if one.job.name == name and one.job.repo_key == place.key]

    def _here(self, wanted: str, place: Here) -> Kept:
        """The same, if it is on this host; of several with one name the only one that runs.

        Raises:
            AmbiguousPeer: more than one of them runs.
        """
        one = self._find(wanted, place)
        if isinstance(one, Kept) and one.job.id != wanted and one.job.name == wanted:
            running = [each for each in self._named(self._shelf.look(), wanted, place) if each.end is None]
            one = _only(wanted, running) if running else one
        if isinstance(one, Kept):
            return one
        host = self._commons.host_called(one.host_key)
        raise BadUsage(f"the job {one.id} is on {host}; that is where it can be stopped")

    def _log(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        one = self._find(str(fields["job"]), self._scope.of(str(fields["cwd"])))
        if not isinstance(one, Kept):  # the log is not told of
            host = self._commons.host_called(one.host_key)
            return {"job": one.id, "text": "", "after": 0, "ended": one.ended, "host": host}
        after = max(0, int(fields["after"])) if fields.get("after") is not None else None
        # What comes after this look is asked for again: the end is looked for before the text.
        ended = one.end is not None
        text, upto = logs.read_log(one.directory, after)
        return {"job": one.job.id, "text": plain(text), "after": upto, "ended": ended, "host": ""}

    def _stop(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        one = self._here(str(fields["job"]), self._scope.of(str(fields["cwd"])))
        if one.end is not None:
            raise BadUsage(f"the job {one.job.id} has ended already")
        if one.job.kind == record.WATCH:  # that process is not ours to end
            now = time.time()
            with translated_os(one.directory):
                record.mark_told(one.directory)
                record.write_end(
                    one.directory, EndRecord(ended=now, seconds=max(0.0, now - one.job.started), why=STOPPED)
                )
            self._herald.ended(_of(self._shelf.look(), one.job.id))
        elif not record.control(one.directory, "stop"):
            raise BadUsage(
                f"nobody minds the job {one.job.id} any more; how it ended is found out in a moment"
            )
        return {"stopping": one.job.id, "kind": one.job.kind, "pid": one.job.pid}


def _only(wanted: str, found: Sequence[One]) -> One:
    """The only one of *found*, which *wanted* may mean; `AmbiguousPeer` if there are more."""
    if len(found) > 1:
        pairs = [(one.job.id, one.job.name) if isinstance(one, Kept) else (one.id, one.name) for one in found]
        choices = ", ".join(f"{job} ({name})" for job, name in pairs[:SOME])
        raise AmbiguousPeer(
            f"{one_line(wanted, 60)!r} may be any of {choices}; say which by its id",
            choices=[job for job, _ in pairs[:SOME]],
        )
    return found[0]


def _of(jobs: Iterable[Kept], job: str) -> list[Kept]:
    return [one for one in jobs if one.job.id == job]


def _name(given: object, argv: Sequence[str], pid: int) -> str:
    """What a job is called: as it was named, else by its command."""
    return one_line(str(given or ""), NAME_LIMIT) or line(shlex.join(argv), NAMED) or f"process {pid}"
