"""The peers that one process runs: its own, and for a moment those of its host who are away and have mail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from peermesh import config
from peermesh.core.budget import Budget
from peermesh.core.script import Answer
from peermesh.core.words import Card, PeerId
from peermesh.errors import BadFrame, PeerError
from peermesh.locks import free_lock, is_locked, take_lock
from peermesh.mesh.hosts.sockets import raise_descriptors
from peermesh.mesh.links import LinkError, Links, end_context, make_context
from peermesh.sidecar.post import Busy, Post
from peermesh.sidecar.session import unlink_if_to
from peermesh.store.host import CARD, HostStore
from peermesh.store.mailbox import Mailbox
from peermesh.store.sqlite import about

if TYPE_CHECKING:
    from peermesh.sidecar.gate import Gate, Owner
    from peermesh.store.remotes import Remotes

# Who stands in for a peer stays until it was quiet for so long, and no longer than that: the peer
# itself may be waiting for its lock.
STAND_IN_QUIET = 0.15  # seconds
STAND_IN_LONGEST = 2.0
# Each takes about a dozen descriptors, and ZeroMQ does not bear running out of them.
STAND_INS = 64
DESCRIPTORS_OF_ONE, DESCRIPTORS_KEPT = 16, 512
# And so many of them at a time are new and have heard nothing yet: to open one takes milliseconds, in which nobody is
# greeted, and who is not greeted in time is dialled again ever later.
NEW = 16
# Peers that did not come back for so long, with nothing waiting for them, are forgotten.
FORGET = 30 * 86_400.0


class Posts:
    """Opens, reaches and closes posts; the first one opened is this process's own.

    Args:
        root: the state directory.
        host: the shared file.
        log: leaves a line in the sidecar's log.
        warn: the same, for what a person should know.
    """

    def __init__(
        self, root: str, host: HostStore, log: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        self._root, self._host = root, host
        self.log, self._warn = log, warn
        self.context = make_context()
        self._posts: dict[PeerId, Post] = {}
        self._locks: dict[PeerId, int] = {}
        self._own: PeerId | None = None
        self._most = max(4, min(STAND_INS, (raise_descriptors() - DESCRIPTORS_KEPT) // DESCRIPTORS_OF_ONE))
        self.forgot: Callable[[PeerId], None] = lambda _: None  # called when a peer is known no longer
        self.elsewhere: Callable[[PeerId], str | None] = lambda _: (
            None
        )  # where a peer of another host is reached

    def open_own(
        self, card: Card, lock: int, budget: Budget | None, answer: Callable[[Answer], None]
    ) -> Post:
        """This process's own post; *lock* is its peer's, held."""
        post = self._open(card, lock, budget, answer)
        self._own = card.id
        return post

    def _open(
        self,
        card: Card,
        lock: int,
        budget: Budget | None = None,
        answer: Callable[[Answer], None] | None = None,
    ) -> Post:
        directory = config.peer_dir(self._root, card.id)
        mailbox = Mailbox(directory, card.id, lambda: self._host.birth(card.id))
        if mailbox.set_aside:
            self._warn(about(f"mailbox of {card.name}", mailbox.set_aside))
        if mailbox.born:
            self.write_card(card)
        try:
            post = Post(self, card, directory, mailbox, budget=budget, answer=answer)
        except BaseException:
            mailbox.close()
            raise
        self._posts[card.id], self._locks[card.id] = post, lock
        return post

    def write_card(self, card: Card) -> None:
        """A copy in the peer's own directory, from which a lost shared file is made again."""
        births, sessions = self._host.births(card.id), self._host.sessions(card.id)
        path = os.path.join(config.peer_dir(self._root, card.id), CARD)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump({**asdict(card), "births": births, "sessions": sessions}, file)
        os.replace(f"{path}.new", path)

    def open_links(self, path: str, post: Post) -> Links:
        """The sockets of a post that listens at *path*."""

        def bad(wrong: BadFrame) -> None:
            post.bad_frames += 1
            if post.bad_frames in (1, 10, 100, 1_000):
                name = post.engine.card.name
                self.log(f"{name}: {post.bad_frames} frames that cannot be read, now: {wrong}")

        return Links(self.context, path, post.put, bad)

    def open_gate(self, owner: Owner, remotes: Remotes) -> Gate:
        """The way to other hosts, over this process's sockets."""
        # Imported here: only the keeper of a host that trusts another one needs it.
        from peermesh.sidecar.gate import Gate

        return Gate(self.context, owner, remotes)

    # ------------------------------------------------------------ the others of this host

    def is_live(self, peer: PeerId) -> bool:
        """Whether the sidecar of *peer* runs: its lock is held, and not by us for a while."""
        if peer in self._posts:
            return peer == self._own
        return is_locked(os.path.join(config.peer_dir(self._root, peer), "lock"))

    def reach(self, peer: PeerId) -> str | None:
        """Where *peer* listens; ``None`` if nobody ever will. If it is away, we stand in for it first.

        Raises:
            Busy: it is away, and we stand in for as many as we can.
        """
        return self.reach_here(peer) or self.elsewhere(peer)

    def reach_here(self, peer: PeerId) -> str | None:
        """The same, for peers of this host only."""
        directory = config.peer_dir(self._root, peer)
        if not os.path.isdir(directory):
            return None
        self.stand_in(peer)
        return os.path.join(directory, "link")

    def get(self, peer: PeerId) -> Post | None:
        """The post of *peer*, if this process runs it just now."""
        return self._posts.get(peer)

    def stand_in(self, peer: PeerId) -> None:
        """Be *peer* for a moment, if nobody is: take its mail, deliver what it left."""
        directory = config.peer_dir(self._root, peer)
        if peer in self._posts or not os.path.isdir(directory):
            return
        lock = take_lock(os.path.join(directory, "lock"))
        if lock is None:
            return
        new = sum(not post.heard for one, post in self._posts.items() if one != self._own)
        if len(self._posts) > self._most or new >= NEW:
            free_lock(lock)
            raise Busy
        try:
            card = self._host.card(peer)
            if card is not None:
                self._open(card, lock)
        except (PeerError, OSError, LinkError) as wrong:
            card = None
            self.log(f"the mailbox of {peer} cannot be opened: {wrong}")
        except BaseException:
            free_lock(lock)
            raise
        if card is None:
            free_lock(lock)
            return
        self._look_later(STAND_IN_QUIET, peer, time.monotonic())

    def _look_later(self, seconds: float, peer: PeerId, since: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._stand_down, peer, since)

    def _stand_down(self, peer: PeerId, since: float) -> None:
        post = self._posts.get(peer)
        if post is None:
            return
        post.look()  # what came while this process did something else is no quiet
        now = time.monotonic()
        quiet = post.at_rest and now - post.used >= STAND_IN_QUIET
        if quiet or now - since >= STAND_IN_LONGEST:
            over = quiet and post.engine.card.oneshot and not any(post.mailbox.counts().values())
            self.close(peer)
            if over:  # a one-shot run's last receipt is told: nobody comes back for it
                self.forget(peer)
        else:
            self._look_later(STAND_IN_QUIET / 3, peer, since)

    def look(self) -> None:
        """Drain sockets whose sign may have been missed."""
        for post in list(self._posts.values()):
            post.look()

    # ------------------------------------------------------------ letting go

    def close(self, peer: PeerId) -> None:
        """Close the post of *peer* and free its lock."""
        self._posts.pop(peer).close()
        free_lock(self._locks.pop(peer))

    def forget(self, peer: PeerId) -> None:
        """*peer*, whose post is not open here and whom nothing waits for, was never here."""
        directory = config.peer_dir(self._root, peer)
        for session in self._host.sessions(peer):
            unlink_if_to(config.session_link(self._root, session), directory)
        self._host.forget(peer)
        shutil.rmtree(directory, ignore_errors=True)
        self.forgot(peer)

    def forget_old(self, clock: float) -> None:
        """Forget who has not been here for a month and has no mail; *clock* is the wall's, seconds."""
        for peer, seen_at in self._host.seen().items():
            if clock - seen_at < FORGET or peer in self._posts:
                continue
            directory = config.peer_dir(self._root, peer)
            lock = take_lock(os.path.join(directory, "lock")) if os.path.isdir(directory) else None
            if lock is None:
                continue
            try:
                mailbox = Mailbox(directory, peer, lambda: 1)
                settled = not any(mailbox.counts().values())
                mailbox.close()
                if settled:
                    self.forget(peer)
            finally:
                free_lock(lock)

    def end(self) -> None:
        """Close all; what was said last may still leave."""
        with contextlib.ExitStack() as steps:  # each is done, whatever becomes of the others
            steps.callback(end_context, self.context)
            for peer in list(self._posts):
                steps.callback(self.close, peer)
