"""What the sessions of a repo share, as one sidecar sees it and adds to it: the log, and pictures folded of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from peermesh import config
from peermesh.core.events import Draft, Event, EventId, What
from peermesh.core.picture import NOTES, Note, Picture
from peermesh.core.words import Card, PeerId
from peermesh.store.log import LogStore

if TYPE_CHECKING:
    from peermesh.store.log import Writer

# Repos whose pictures a person's sidecar keeps at hand; a session needs its own.
PICTURES = 8
# Notes that a picture at hand remembers: who asks for some reads them from the log. A thousand in each of a host's
# sidecars took 0.8 MB each, of which hardly any was ever asked for.
NOTES_AT_HAND = 0
# A repo's log is compacted when so many events came to what a compaction left of it. Each sidecar holds as many more
# in its picture until then, 1 KB each.
COMPACT_AT = 500


class Known(Protocol):
    """What is known of peers and hosts."""

    @property
    def card(self) -> Card:
        """Who this is."""

    def card_of(self, peer: PeerId) -> Card | None:
        """The card of *peer*, if it is known."""

    def host_called(self, key: str) -> str:
        """What the host with *key* is called here; "" for this one."""

    def hidden(self) -> bool:
        """Whether this sidecar keeps from the LAN."""

    def hides(self, peer: PeerId) -> bool:
        """Whether *peer*, of this host, keeps or kept from the LAN."""

    def poke(self) -> None:
        """Have the other sidecars of this host look."""


@dataclass(slots=True)
class _Kept:
    picture: Picture
    seq: int  # of the last event that it was told
    generation: int
    # Of the log, when ``picture`` last looked for more.
    sign: object = None
    revision: object = None


class Shared:
    """The log of this host, and the pictures of the repos that are asked for.

    Args:
        log: the log.
        known: the sidecar.
    """

    def __init__(self, log: LogStore, known: Known) -> None:
        self.log, self._known = log, known
        self._kept: dict[str, _Kept] = {}
        self._counts: dict[str, int] = {}  # events that a compaction left, by repo
        self._revision: object = None
        self._sign: object = None
        self._stirred: object = None
        self._seen: dict[str, int] = {}  # the last event that was heard, by repo; outlives a picture
        # Called with what is heard for the first time of a repo that is looked at.
        self.listeners: list[Callable[[int, Event], None]] = []

    # ------------------------------------------------------------ seeing

    def picture(self, repo: str) -> Picture:
        """The picture of *repo*, with everything that this host has heard of."""
        sign = self.log.sign()
        if not self._has_sign(repo, sign):  # it is asked for several times in one look
            revision = self.log.revision()  # follows a file that was set aside
            if not self._has_revision(repo, revision):
                self._catch_up(repo, self.log.each)
            self._kept[repo].sign, self._kept[repo].revision = sign, revision
        kept = self._kept[repo]
        self._remember(repo, kept)
        return kept.picture

    def _has_sign(self, repo: str, sign: object) -> bool:
        return sign is not None and repo in self._kept and self._kept[repo].sign == sign

    def _has_revision(self, repo: str, revision: object) -> bool:
        return repo in self._kept and self._kept[repo].revision == revision

    def notes(self, repo: str, after: int = 0) -> list[Note]:
        """The newest notes of *repo* that arrived behind the place *after*, in order of place; PEER_NOTES at most.

        Raises:
            StoreBroken, DiskFull, ReadOnly: the log cannot be read.
        """
        self.log.revision()  # follows a file that was set aside
        picture = Picture(config.number("PEER_NOTES", NOTES))
        for _, event in self.log.since(repo, after, (What.NOTE,)):
            picture.add(event)
        return picture.notes()

    def changed(self) -> bool:
        """Whether anything was said, here or elsewhere, since this was asked last."""
        sign = self.log.sign()  # asked by every sidecar once a second, most times for nothing
        if sign is not None and sign == self._sign:
            return False
        revision = self.log.revision()
        self._sign = sign
        if revision == self._revision:
            return False
        self._revision = revision
        return True

    def stirred(self, repo: str) -> bool:
        """Whether anything of *repo* came or went since this was asked last; what is new is in its picture then."""
        self.picture(repo)
        kept = self._kept[repo]
        before, self._stirred = self._stirred, (repo, kept.seq, kept.generation)
        return before != self._stirred

    def _catch_up(self, repo: str, each: Callable[[str, int], Iterable[tuple[int, Event]]]) -> Picture:
        generation = self.log.generation()
        kept = self._kept.get(repo)
        if kept is None or kept.generation != generation:
            # Before there is another: the two together would leave a heap of both. Nobody above holds it just now.
            self._kept.pop(repo, None)
            kept = _Kept(Picture(NOTES_AT_HAND), 0, generation)
        seen, heard = self._seen.get(repo), []
        for seq, event in each(repo, kept.seq):
            kept.picture.add(event)
            kept.seq = seq
            if seen is not None and seq > seen:
                heard.append((seq, event))
        self._remember(repo, kept)
        self._seen[repo] = max(kept.seq, seen or 0)
        self._tell(heard)
        return kept.picture

    def _tell(self, heard: list[tuple[int, Event]]) -> None:
        for seq, event in heard:
            for listener in self.listeners:
                listener(seq, event)

    def _remember(self, repo: str, kept: _Kept) -> None:
        """Keep the pictures that were asked for last, and one's own."""
        self._kept.pop(repo, None)
        self._kept[repo] = kept
        others = [one for one in self._kept if one != self._known.card.repo_key]
        for one in others[: -PICTURES or None]:
            del self._kept[one]

    def called(self, peer: PeerId, name: str, host_key: str) -> str:
        """What somebody who said something is called here now: by its card, else as it was called then."""
        card = self._known.card_of(peer)
        if card is not None:
            return card.address if card.host_key else card.name
        host = self.host_called(host_key)
        return f"{name}@{host}" if host else name

    def host_called(self, key: str) -> str:
        """What the host with *key* is called here; "" for this one."""
        return self._known.host_called(key) if key else ""

    def apart(self) -> bool:
        """Whether what is said just now is for this host only."""
        return self._known.hidden()

    # ------------------------------------------------------------ saying

    def draft(self, repo: str, kind: What, data: Mapping[str, Any], *, by: Card | None = None) -> Draft:
        """Something to say to everybody of *repo*, by this peer or, for the dead, by another of this host."""
        card = by or self._known.card
        here = self._known.hides(card.id) or self.log.keeps_here(card.id) if by else self._known.hidden()
        return Draft(by=card.id, name=card.name, repo=repo, kind=kind, data=data, here=here)

    def say(self, repo: str, kind: What, data: Mapping[str, Any], *, by: Card | None = None) -> Event:
        """Say one thing that needs no look at what others said.

        Raises:
            DiskFull, ReadOnly, StoreBroken: it was not said.
        """
        event = self.log.say(self.draft(repo, kind, data, by=by), time.time())
        self.spread()
        return event

    def decide(self, repo: str, judge: Callable[[Picture], list[Draft]]) -> list[Event]:
        """Say what *judge* answers to the picture, in one step: nobody of this host says anything in between.

        Raises:
            PeerError: of *judge*, or of the store; nothing was said.
        """
        self.log.revision()
        with self.log.writing() as writer:
            drafts = judge(self._catch_up(repo, writer.each))
            events = self._write(writer, drafts)
        if events:
            self.spread()
        return events

    @staticmethod
    def _write(writer: Writer, drafts: list[Draft]) -> list[Event]:
        now = time.time()
        return [writer.say(draft, now) for draft in drafts]

    def spread(self) -> None:
        """What was said is to be seen by the other sidecars, and by other hosts, at once."""
        self._known.poke()

    def left(self, card: Card, *, died: bool, why: str = "") -> None:
        """The session *card* is over here: its claims end, and what it had taken returns if it died."""
        picture = self.picture(card.repo_key)
        claims = picture.claims.held_by(card.id, time.time())
        tasks = [one for one in picture.board.tasks() if one.owner == card.id and one.state == "taken"]
        # A one-shot run ends when it has done what it was asked; else such an end is news by itself.
        if claims or (died and (not card.oneshot or tasks or picture.board.pending(card.id))):
            ended = "ended without a goodbye" if died and not card.oneshot else "ended"
            why = why or f"{card.name} {ended}"
            self.say(card.repo_key, What.GONE, {"died": died, "why": why}, by=card)

    # ------------------------------------------------------------ growth

    def tidying(self) -> Iterator[Callable[[], object] | None]:
        """Compact the logs of repos that have grown: for the keeper, now and then. In short steps, between which
        others get their turn; what cannot be cut up is given out, to be called beside the loop.
        """
        for repo, count in self.log.counts().items():
            if count - self._counts.get(repo, 0) < COMPACT_AT:
                continue
            picture, upto, generation = Picture(config.number("PEER_NOTES", NOTES)), 0, self.log.generation()
            for upto, events in self.log.pages(repo):  # noqa: B007 - the last is used
                for event in events:
                    picture.add(event)
                yield None
            needed: set[EventId] = set()
            yield partial(_find_needed, picture, needed)
            self.log.revision()
            if self.log.generation() != generation:
                continue  # the clock was set meanwhile, and what was read is of before
            for _ in self.log.compacting(repo, needed, upto):
                yield None
            self._counts[repo] = self.log.count(repo)

    def close(self) -> None:
        """Close the log."""
        self.log.close()


def _find_needed(picture: Picture, into: set[EventId]) -> None:
    """Of a hundred thousand claims this takes half a second; nobody else has this picture."""
    into |= picture.needed(time.time())
