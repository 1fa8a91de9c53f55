"""The shared picture in one sidecar: joins the log, the pokes, the session's awareness and the door's verbs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from peermesh import config
from peermesh.core.script import Say
from peermesh.core.words import Card, PeerId
from peermesh.errors import AmbiguousPeer
from peermesh.hooks import payload
from peermesh.sidecar import roster
from peermesh.sidecar.awareness import Awareness
from peermesh.sidecar.claiming import Claiming
from peermesh.sidecar.following import Following, Status
from peermesh.sidecar.hookdesk import company
from peermesh.sidecar.neighbours import hidden
from peermesh.sidecar.noting import Noting
from peermesh.sidecar.pokes import Pokes
from peermesh.sidecar.scope import Scope
from peermesh.sidecar.shared import Shared
from peermesh.sidecar.tasking import Tasking
from peermesh.store.log import LogStore

if TYPE_CHECKING:
    from peermesh.door.server import Caller
    from peermesh.sidecar.process import Sidecar

Verb = Callable[["Caller", int, dict[str, Any]], dict[str, Any] | None]

# The files that `peer list` tells of one session.
FILES = 20


class Commons:
    """What one sidecar has to do with what is shared.

    Args:
        sidecar: it.
        log: this host's log.
    """

    def __init__(self, sidecar: Sidecar, log: LogStore) -> None:
        self._sidecar = sidecar
        self.shared = Shared(log, self)
        self._pokes = Pokes(sidecar.root, sidecar.directory, self.poked)
        scope = Scope(lambda: sidecar.card)
        self.claiming = Claiming(self.shared, scope)
        self.tasking = Tasking(self.shared, scope, self)
        self.noting = Noting(self.shared, scope, lambda: list(company(sidecar).values()), self._send)
        self.awareness: Awareness | None = None
        self._following: Following | None = None
        self._flags: set[str] = set()
        self._apart_now = False

    @property
    def verbs(self) -> dict[str, Verb]:
        """What it answers at the door."""
        own = {**self.claiming.verbs, **self.tasking.verbs, **self.noting.verbs}
        return {name: self._apart(verb) for name, verb in own.items()}

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
        self._following = Following(sidecar.post, self._status, lambda: sidecar.card)
        if sidecar.session is not None:
            self.awareness = Awareness(
                sidecar.post,
                self.shared,
                lambda: company(sidecar),
                (self.claiming, self.tasking, self.noting),
            )
            sidecar.session.more = lambda: self._flags
            self.tasking.did = self.awareness.did

    def moved(self, before: Card) -> None:
        """The session's repo has another key now: what it held as *before* ends, and it begins anew here."""
        self.shared.left(before, died=False)
        if self.awareness is not None:
            self.awareness.moved()
            self.look(around=True)

    def _status(self, peer: PeerId) -> Status:
        card = self.card_of(peer)
        if card is None:
            return Status("away", self._sidecar.seen_at(peer))
        row = roster.row(self._sidecar, card)
        return Status(str(row["status"]), float(row["since"]))

    # ------------------------------------------------------------ now and then

    def poked(self) -> None:
        """Another sidecar of this host says that something changed."""
        self.look()
        if self._sidecar.keeper.holds:
            self._sidecar.keeper.nudged()

    def poke(self) -> None:
        """Something of ours changed: the others look, and other hosts are told."""
        self._pokes.poke()
        if self._sidecar.keeper.holds:
            self._sidecar.keeper.nudged()

    def look(self, *, around: bool = False) -> None:
        """See what is new in the log, and with *around* also who came and went."""
        changed = self.shared.changed()
        if not changed and not around:
            return
        if changed:
            self.tasking.heard()
        if self.awareness is not None:
            self.awareness.look()
            self._flag()
        if around and self._following is not None:
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
        return self._apart_now or config.lan_forbidden() or hidden(self._sidecar.root, self.card.id)

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
        """Whether nobody runs as *peer*, as far as is known."""
        return not self._sidecar.is_live(peer)

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
        """For the keeper: compact what has grown."""
        self.shared.tidy()

    def close(self) -> None:
        """Let go of all."""
        self._pokes.close()
        self.shared.close()
