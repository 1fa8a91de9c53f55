"""The feed at the door: what happened, as this sidecar sees it, for `peer log` and whoever else follows it.

Nothing is kept until somebody asks. Then there is a stream of the repo that was asked about, seeded from the mailbox
and the log, and it goes again when nobody has asked for it for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from peermesh.core.happenings import TEXT_LIMIT, Happening
from peermesh.core.script import Keep
from peermesh.core.words import Card, PeerId
from peermesh.errors import PeerError, TooMany
from peermesh.sidecar.mailnews import MailNews
from peermesh.sidecar.stream import Stream, Waiter

if TYPE_CHECKING:
    from peermesh.door.server import Caller
    from peermesh.sidecar.post import Post
    from peermesh.sidecar.scope import Scope
    from peermesh.sidecar.shared import Shared

# Items in one answer, and how long one may be waited for.
MOST, USUAL = 500, 100
LONGEST = 60.0  # seconds
# Repos that are followed at once, and how long a stream stays that nobody asks for.
STREAMS = 16
KEEP = 600.0  # seconds
# Who waits is answered at once, and again after so long at the earliest: what comes in between comes together.
PACE = 0.05  # seconds
# What is said here in one breath is looked at together.
GATHER = 0.005  # seconds
# Questions that wait at once.
WAITERS = 256
# Who was answered asks again within this, if it follows.
NEXT = 5.0  # seconds


class Feed:
    """Answers what one sidecar is asked about what happened.

    Args:
        shared: the shared picture.
        scope: which repo is meant.
        people: the other sessions that are here, of all repos.
        post: this sidecar's own.
    """

    def __init__(
        self,
        shared: Shared,
        scope: Scope,
        people: Callable[[], Mapping[PeerId, Card]],
        post: Callable[[], Post],
    ) -> None:
        self._shared, self._scope, self._people = shared, scope, people
        self._streams: dict[str, Stream] = {}
        self._mail = MailNews(post, lambda: scope.me.id)
        self._written: list[tuple[list[Keep], float]] = []  # by the mailbox, and not looked at yet
        self._stirred: asyncio.TimerHandle | None = None
        self.verbs: dict[str, Callable[[Caller, int, dict[str, Any]], dict[str, Any] | None]] = {
            "feed": self._feed
        }

    # ------------------------------------------------------------ who asks

    def _feed(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any] | None:
        place = self._scope.of(str(fields["cwd"]))
        after = int(fields["after"]) if fields.get("after") is not None else None
        most = max(1, min(int(fields.get("most") or USUAL), MOST))
        wait = max(0.0, min(float(fields.get("wait") or 0.0), LONGEST))
        stream = self._stream(place.key)
        stream.asked = time.monotonic()
        answer = stream.answer(after, most)
        if not wait:
            return answer
        now = time.monotonic()
        if answer["items"] and now >= stream.woke + PACE:
            stream.woke = now
            return answer
        self._wait(stream, Waiter(caller, number, after, most), wait)
        if answer["items"]:
            self._wake(stream)
        return None

    def _wait(self, stream: Stream, waiter: Waiter, seconds: float) -> None:
        if sum(len(one.waiters) for one in self._streams.values()) >= WAITERS:
            raise TooMany(f"{WAITERS} questions wait for what happens next; ask again when one is answered")
        loop = asyncio.get_running_loop()
        waiter.gone = lambda: self._drop(stream, waiter)
        waiter.alarm = loop.call_later(seconds, self._settle, stream, waiter, {})
        waiter.caller.gone.add(waiter.gone)
        stream.waiters.append(waiter)

    @staticmethod
    def _drop(stream: Stream, waiter: Waiter) -> None:
        """Forget the question; whoever asked may have hung up."""
        if waiter in stream.waiters:
            stream.waiters.remove(waiter)
        waiter.caller.gone.discard(waiter.gone)
        if waiter.alarm is not None:
            waiter.alarm.cancel()

    def _settle(self, stream: Stream, waiter: Waiter, more: Mapping[str, Any]) -> None:
        self._drop(stream, waiter)
        stream.asked = time.monotonic()
        waiter.caller.answer(waiter.number, {**stream.answer(waiter.after, waiter.most), **more})

    def _wake(self, stream: Stream) -> None:
        """Something came: those who wait are answered, and not too often."""
        if stream.waiters and stream.alarm is None:
            delay = max(0.0, stream.woke + PACE - time.monotonic())
            stream.alarm = asyncio.get_running_loop().call_later(delay, self._answer, stream)

    def _answer(self, stream: Stream) -> None:
        stream.alarm, stream.woke = None, time.monotonic()
        for waiter in list(stream.waiters):
            if stream.answer(waiter.after, 1)["items"]:
                self._settle(stream, waiter, {})

    @property
    def followed(self) -> bool:
        """Whether somebody waits for what happens, or asked so lately that they still follow it."""
        return any(one.waiters or one.asked > time.monotonic() - NEXT for one in self._streams.values())

    # ------------------------------------------------------------ streams

    def _stream(self, repo: str) -> Stream:
        stream = self._streams.get(repo)
        if stream is None:
            self._make_room()
            stream = self._streams[repo] = self._seeded(repo)
        elif self._catch_up(repo, stream):
            self._wake(stream)
        return stream

    def _make_room(self) -> None:
        """Who follows a stream that goes while it does not wait gets it again, without a repeat."""
        if len(self._streams) < STREAMS:
            return
        idle = [repo for repo, one in self._streams.items() if not one.waiters]
        if not idle:
            raise TooMany(f"{STREAMS} projects are followed already; end one `peer log -f` first")
        del self._streams[min(idle, key=lambda repo: self._streams[repo].asked)]

    def _seeded(self, repo: str) -> Stream:
        """A stream with what is known of the past, in the order in which it happened."""
        self._take_mail()  # it stands in the mailbox, and would come twice
        stream = Stream()
        stream.people = self._here(repo)
        past = [*self._mail.past(), *self._events(repo, stream)]
        for item in sorted(map(self._item, past), key=lambda one: one["at"]):
            stream.add(item)
        return stream

    def _events(self, repo: str, stream: Stream) -> Iterable[Happening]:
        """What the log has of *repo* that *stream* was not told."""
        if not repo:
            return
        log = self._shared.log
        log.revision()  # follows a file that was set aside
        if stream.openings != log.openings:
            stream.seq, stream.openings = 0, log.openings
        for seq, event in log.since(repo, stream.seq):
            stream.seq = seq
            if stream.is_new(event.id):
                yield from stream.telling.of(event)

    def _catch_up(self, repo: str, stream: Stream) -> bool:
        new = [self._item(one) for one in self._events(repo, stream)]
        for item in new:
            stream.add(item)
        return bool(new)

    def _item(self, one: Happening) -> dict[str, Any]:
        """As it goes through the door, before it has its number."""
        name, _, host = self._shared.called(one.by, one.name, one.host_key).partition("@")
        return {
            "at": one.at,
            "kind": one.kind,
            "who": name,
            "host": host,
            "peer": one.by,
            "mine": one.by == self._scope.me.id,
            "to": one.to,
            "group": one.group,
            "what": one.what,
            "state": str(one.state),
            "text": one.text[:TEXT_LIMIT],
            "cut": len(one.text) > TEXT_LIMIT,
            "id": one.id,
            "path": one.path,
        }

    # ------------------------------------------------------------ what comes

    def stir(self) -> None:
        """Something was said here: have a look in a moment."""
        if self._streams and self._stirred is None:
            self._stirred = asyncio.get_running_loop().call_later(GATHER, self._look_stirred)

    def _look_stirred(self) -> None:
        self._stirred = None
        try:
            self.look()
        except PeerError:
            return  # the sidecar's own look meets with the same, and notes it

    def look(self, *, around: bool = False) -> None:
        """See what is new in mailbox and log, and with *around* also who came and went."""
        self._take_mail()
        for repo, stream in list(self._streams.items()):
            if around and not stream.waiters and stream.asked < time.monotonic() - KEEP:
                del self._streams[repo]
                continue
            came = self._catch_up(repo, stream)
            if around and self._look_around(repo, stream):
                came = True
            if came:
                self._wake(stream)

    def _here(self, repo: str) -> dict[PeerId, Card]:
        return {peer: card for peer, card in self._people().items() if repo and card.repo_key == repo}

    def _look_around(self, repo: str, stream: Stream) -> bool:
        """Who came and who went since the last look."""
        before, now = stream.people, self._here(repo)
        stream.people = now
        changes = [("joined", card) for peer, card in now.items() if peer not in before]
        changes += [("left", card) for peer, card in before.items() if peer not in now]
        for kind, card in changes:
            stream.add(
                self._item(
                    Happening(
                        at=time.time(),
                        kind=kind,
                        by=card.id,
                        name=card.name,
                        host_key=card.host_key,
                        text=card.branch,
                    )
                )
            )
        return bool(changes)

    def kept(self, keeps: list[Keep], clock: float) -> None:
        """The mailbox has written *keeps*, at *clock* (wall clock, seconds). Never raises."""
        if self._streams:
            self._written.append((keeps, clock))
            self.stir()

    def _take_mail(self) -> None:
        written, self._written = self._written, []
        told = [one for keeps, clock in written for keep in keeps for one in self._mail.of(keep, clock)]
        items = [self._item(one) for one in told]
        for stream in self._streams.values() if items else ():
            for item in items:
                stream.add(item)
            self._wake(stream)

    # ------------------------------------------------------------ the end

    def _retire(self, stream: Stream) -> None:
        """Send home who waits: the stream ends."""
        if stream.alarm is not None:
            stream.alarm.cancel()
        for waiter in list(stream.waiters):
            self._settle(stream, waiter, {"retire": True})

    def close(self) -> None:
        """The sidecar ends by intention: who follows need not start another."""
        if self._stirred is not None:
            self._stirred.cancel()
        for stream in self._streams.values():
            self._retire(stream)
        self._streams.clear()
