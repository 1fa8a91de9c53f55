"""The shared picture in one sidecar: joins the log, the pokes, the session's awareness and the door's verbs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from peermesh import config
from peermesh.core.script import Say
from peermesh.core.words import Card, PeerId
from peermesh.errors import AmbiguousPeer, PeerError
from peermesh.hooks import payload
from peermesh.sidecar import roster
from peermesh.sidecar.awareness import Awareness
from peermesh.sidecar.claiming import Claiming
from peermesh.sidecar.company import Company
from peermesh.sidecar.deaths import Deaths
from peermesh.sidecar.feed import Feed
from peermesh.sidecar.following import Following, Status
from peermesh.sidecar.jobs import JobDesk
from peermesh.sidecar.neighbours import hidden
from peermesh.sidecar.noting import Noting
from peermesh.sidecar.pacing import Pacing
from peermesh.sidecar.pokes import Pokes
from peermesh.sidecar.scope import Scope
from peermesh.sidecar.session import turn_of
from peermesh.sidecar.shared import Shared
from peermesh.sidecar.statusline import Statusline
from peermesh.sidecar.tasking import Tasking
from peermesh.store.log import LogStore

if TYPE_CHECKING:
    from peermesh.door.server import Caller
    from peermesh.sidecar.process import Sidecar

Verb = Callable[["Caller", int, dict[str, Any]], dict[str, Any] | None]

# After a look for a poke the next one comes so much later: a hundred pokes a second cost a few percent of a core.
PACE = 0.05  # seconds
# And with so many sessions on this host so much later for each: together they look as often however many they are.
PACE_OF_ONE = 0.002  # seconds
# Between two steps of a compaction others get their turn.
BREATH = 0.002  # seconds
# The files that `peer list` tells of one session.
FILES = 20


async def _in_a_thread(work: Callable[[], object]) -> None:
    """Have *work* done while the loop goes on, by a thread that ends with it; raises what it raises."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as what:  # noqa: BLE001 - it is raised below
            wrong.append(what)
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=run, daemon=True).start()
    await ended.wait()
    if wrong:
        raise wrong[0]


class Commons:
    """What one sidecar has to do with what is shared.

    Args:
        sidecar: it.
        log: this host's log.
    """

    def __init__(self, sidecar: Sidecar, log: LogStore) -> None:
        self._sidecar = sidecar
        self.shared = Shared(log, self)
        self.company = Company(sidecar)
        self._pokes = Pokes(sidecar.root, sidecar.directory, self.poked)
        scope = Scope(lambda: sidecar.card, lambda w: sidecar.host.switched_off(w.key, w.here))
        self.claiming = Claiming(self.shared, scope)
        self.tasking = Tasking(self.shared, scope, self)
        self.noting = Noting(self.shared, scope, lambda: list(self.company.look().values()), self._send)
        self.feed = Feed(self.shared, scope, lambda: self.company.known, lambda: sidecar.post)
        self.jobs = JobDesk(sidecar, self, scope)
        self.deaths = Deaths(sidecar.directory, self.shared, self, self._active, sidecar.log)
        self.awareness: Awareness | None = None
        self._statusline: Statusline | None = None
        self._following: Following | None = None
        self._flags: set[str] = set()
        self._apart_now = False
        self._crowd: asyncio.TimerHandle | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._looked = 0.0  # when a poke was followed last, by the loop's clock

    def verbs(self) -> dict[str, Verb]:
        """What it answers at the door; from here on it counts how often it is asked for some of it."""
        own = {**self.claiming.verbs, **self.tasking.verbs, **self.noting.verbs, **self.feed.verbs}
        own |= {**self.jobs.verbs, **self.deaths.verbs}
        pacing = Pacing()
        return {name: self._apart(pacing.paced(name, verb)) for name, verb in own.items()}

    def _apart(self, verb: Verb) -> Verb:
        """What a command with PEER_LAN=off says stays on this host, whatever its sidecar may do."""

        def asked(caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any] | None:
            self._apart_now = fields.get("lan") is False
            try:
                return verb(caller, number, fields)
            finally:
                self._apart_now = False

        return asked

    def _send(self, say: Say) -> None:
        self._sidecar.post.put(say)

    def attend(self) -> None:
        """The post is open: begin to follow what matters to it."""
        sidecar = self._sidecar
        self.company.look()
        self._following = Following(sidecar.post, self._status, lambda: sidecar.card)
        sidecar.post.kept.append(self.feed.kept)
        if sidecar.session is not None:
            self.awareness = Awareness(
                sidecar.post,
                self.shared,
                self.company.look,
                (self.claiming, self.tasking, self.noting),
            )
            sidecar.session.more = lambda: self._flags
            self._statusline = Statusline(
                sidecar.post, self.shared, lambda: list(self.company.known.values())
            )
            sidecar.post.kept.append(self._statusline.kept)
            self.claiming.mark = sidecar.session.mark
            self.tasking.did, self.claiming.did = self.awareness.did, self.awareness.claimed
            self._follow_place()
        self.deaths.begin()
        self.look(around=True)

    def _follow_place(self) -> bool:
        """The repo of this place got another key, by its first commit or a remote: what was shared goes with it.

        Not from one remote to another: that may be another project in the same directory.
        """
        where, notebook = self._sidecar.where, self.shared.log.notebook
        if not where.here:
            return False
        before = notebook.repo_at(where.here)
        if before == where.key:
            return False
        notebook.set_repo_at(where.here, where.key)
        if not before.startswith(("dir:", "root:")):
            return False
        self.shared.log.rekey(before, where.key)
        self.poke()
        return True

    def moved(self, before: Card) -> None:
        """The session's repo has another key now."""
        followed = self._follow_place() or self.shared.log.count(before.repo_key) == 0
        if not followed:  # it is another one: what it held in the old one ends
            self.shared.left(before, died=False)
        if self.awareness is not None:
            self.awareness.moved()
            self.look(around=True)

    def _status(self, peer: PeerId) -> Status:
        card = self.card_of(peer)
        if card is None:
            return Status("away", self._sidecar.seen_at(peer))
        if card.person:
            return Status("here", 0.0)  # people come and go; their shells' sidecar says nothing of that
        row = roster.row(self._sidecar, card)
        return Status(str(row["status"]), float(row["since"]))

    # ------------------------------------------------------------ now and then

    def poked(self) -> None:
        """Another sidecar of this host, or a job's supervisor, says that something changed.

        The first poke is followed at once, and those of a crowd now and then.
        """
        loop = asyncio.get_running_loop()
        wait = self._looked + self._pace() - loop.time()
        if wait <= 0:
            self._follow_poke()
        elif self._crowd is None:
            self._crowd = loop.call_later(wait, self._follow_poke)

    def _pace(self) -> float:
        """How long after a look for a poke the next one comes; the keeper's tells other hosts, too."""
        return PACE if self._sidecar.keeper.holds else max(PACE, PACE_OF_ONE * self.company.near)

    def _follow_poke(self) -> None:
        self._crowd, self._looked = None, asyncio.get_running_loop().time()
        try:
            self.look(poked=True)
            self.jobs.poked()
        except PeerError as wrong:  # the look of the next second sees it
            self._sidecar.log(f"{self.card.name}: {wrong}")
        if self._sidecar.keeper.holds:
            self._sidecar.keeper.nudged()

    def poke(self) -> None:
        """Something of ours changed: the others look, and other hosts are told."""
        self._pokes.poke()
        self.feed.stir()
        if self._sidecar.keeper.holds:
            self._sidecar.keeper.nudged()

    def look(self, *, around: bool = False, poked: bool = False) -> None:
        """See what is new in the log, and who came and went if anything is, or *around*, or *poked*."""
        if around or self.jobs.new_keeper:
            self.jobs.look()
        changed = self.shared.changed()
        before = self.company.known
        came = (changed or around or poked) and self.company.look() is not before
        if not (changed or around or came):
            return
        self.feed.look(around=around)
        # Most of what a host says is of other repos.
        stirred = self.shared.stirred(self.card.repo_key) or came or around
        if self._statusline is not None and stirred:
            self._statusline.look(around=True) if around else self._statusline.stir()
        if changed:
            self.tasking.heard()
        if self.awareness is not None:
            if stirred:
                self.awareness.look()
            self._flag()
        died = self.deaths.look(self._sidecar.post)
        if (around or died) and self._following is not None:
            self._following.look()

    def _flag(self) -> None:
        """At which hooks the session is to be told something."""
        flags = {payload.BEFORE_EDIT} if self.claiming.alert() else set()
        if self.awareness is not None and self.awareness.waiting():
            flags.add(payload.PROMPT)
        if flags != self._flags and self._sidecar.session is not None:
            self._flags = flags
            self._sidecar.session.publish()

    # ------------------------------------------------------------ what the rooms ask

    @property
    def card(self) -> Card:
        """Who this is."""
        return self._sidecar.card

    def card_of(self, peer: PeerId) -> Card | None:
        """The card of *peer*, if it is known."""
        return self._sidecar.card_of(peer)

    def host_called(self, key: str) -> str:
        """What the host with *key* is called here; "" for this one."""
        one = self._sidecar.trust.read().by_key(key) if key else None
        return one.name if one is not None else key[:8]

    def hidden(self) -> bool:
        """Whether this sidecar keeps from the LAN."""
        return self._apart_now or config.lan_forbidden()

    def hides(self, peer: PeerId) -> bool:
        """Whether *peer*, of this host, keeps or kept from the LAN."""
        return hidden(self._sidecar.root, peer)

    def find_peer(self, name: str) -> Card:
        """The one peer that *name* means, oneself included.

        Raises:
            UnknownPeer, AmbiguousPeer: there is none, or more than one.
        """
        me = self._sidecar.card
        if name in (me.name, me.address, me.id):
            return me
        found = roster.addressed(name, self._sidecar.cards(), me, self._sidecar.recent)
        if len(found) > 1 or name.startswith("@"):
            raise AmbiguousPeer(f"{name!r} may be more than one; name one of them")
        return found[0]

    def is_away(self, peer: PeerId) -> bool:
        """Whether nobody runs as *peer*, as far as is known. People are not away because they type nothing."""
        card = self.card_of(peer)
        return not (card is not None and card.person) and not self._sidecar.is_live(peer)

    def _active(self, peer: PeerId) -> float:
        """When the hooks of *peer* told something last (wall clock, seconds); 0 if that is not known."""
        elsewhere = self._sidecar.neighbours.get(peer)
        if elsewhere is not None:
            return elsewhere.active
        return turn_of(config.peer_dir(self._sidecar.root, peer)).active

    def host_is_up(self, key: str) -> bool:
        """Whether there is a link to the host with *key*."""
        state = self._sidecar.host.remotes.hosts().get(key)
        return config.lan() and state is not None and state.up

    def files(self, card: Card) -> list[Mapping[str, Any]]:
        """What *card* edited lately, the newest first."""
        if not card.repo_key or card.person:
            return []
        now = time.time()
        edits = self.shared.picture(card.repo_key).files(card.id, now)
        return [{"path": one.path, "age": max(0.0, now - one.at)} for one in edits[:FILES]]

    def tidy(self) -> None:
        """For the keeper: begin to compact what has grown, unless that still goes on."""
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.get_running_loop().create_task(self._tidy())

    async def _tidy(self) -> None:
        try:
            for beside in self.shared.tidying():
                if beside is not None:
                    await _in_a_thread(beside)
                await asyncio.sleep(BREATH)
        except PeerError as wrong:
            self._sidecar.log(f"the log is not compacted: {wrong}")
        except Exception:  # noqa: BLE001 - a bug of ours costs a log that grows, and a line for `peer doctor`
            self._sidecar.log(f"the log is not compacted: {traceback.format_exc()}")

    def close(self) -> None:
        """Let go of all."""
        if self._tidying is not None:
            self._tidying.cancel()
        self.jobs.close()
        self._pokes.close()
        if self._crowd is not None:
            self._crowd.cancel()
        self.feed.close()
        if self._statusline is not None:
            self._statusline.close()
        self.shared.close()
