"""A sidecar: joins store, links, door and session into one peer, for as long as its client lives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
import traceback
from dataclasses import replace

from peermesh import config
from peermesh.core.budget import WAKES, WAKES_A_MINUTE, Budget
from peermesh.core.names import tidy
from peermesh.core.script import NewClient, Renamed
from peermesh.core.words import Card, PeerId
from peermesh.door.client import starting_mark
from peermesh.door.server import DoorServer
from peermesh.errors import BadUsage, NameTaken, PeerError
from peermesh.jobs.files import boot_id
from peermesh.sidecar.chores import Chores
from peermesh.sidecar.commons import Commons
from peermesh.sidecar.desk import Desk
from peermesh.sidecar.ending import end
from peermesh.sidecar.enrol import Spec, answers, mark_off, own_lock, register, unmark_off
from peermesh.sidecar.everybody import Everybody
from peermesh.sidecar.keeper import Keeper, instance_name
from peermesh.sidecar.neighbours import Neighbours, hide
from peermesh.sidecar.posts import Posts
from peermesh.sidecar.presence import Watch, alive, call_process
from peermesh.sidecar.session import Session, link_to
from peermesh.sidecar.where import Where, look
from peermesh.store.host import HostStore
from peermesh.store.log import LogStore
from peermesh.store.sqlite import CUT, about
from peermesh.store.trust import TrustStore

# A person's sidecar ends after this long without a question.
PERSON_QUIET = 120  # seconds
# A session said that it ends: its client does so within this, or the session goes on after all.
END_GRACE = 1.0
# Small things are looked at this often, a name and a branch every fifth time.
TICK = 1.0
REFRESH = 5
# A group's message reaches also those who went away this lately.
GROUP_MEMORY = 7 * 86_400.0


class Sidecar:
    """One peer's process.

    Args:
        root: the state directory.
        spec: whom it is for.
    """

    def __init__(self, root: str, spec: Spec) -> None:
        self.root, self.spec = root, spec
        self.trouble: list[str] = []  # what a person should know, for `peer status` and `peer doctor`
        self.started = time.time()
        self.host = HostStore(root, config.host_name())
        self.trust = TrustStore(root, config.host_name())
        self.neighbours = Neighbours(root, self.host, self.trust)
        self.everybody = Everybody(self.host, self.trust, self.neighbours)
        self.posts = Posts(root, self.host, self.log, self.warn)
        self.posts.forgot = self._forgot
        self.posts.elsewhere = self.neighbours.elsewhere
        self.keeper = Keeper(Chores(self))
        self.session: Session | None = None
        self.where = Where("", "", "", "")
        self._person_quiet = config.number("PEER_PERSON_QUIET", PERSON_QUIET)
        self._ended = asyncio.Event()
        self._watch: Watch | None = None
        self._ending: asyncio.TimerHandle | None = None
        self.goodbye = False  # the session said that it ends
        self._given = ""  # the name that the person gave in the client, as last seen
        self._ticks, self._wrong = 0, ""

    # ------------------------------------------------------------ starting

    async def run(self) -> int:
        """Be the peer until the client ends; the process's exit code."""
        if not await self._enter():
            return 0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.leave)
        self.keeper.look()
        ticks = loop.create_task(self._tick())
        await self._ended.wait()
        ticks.cancel()
        if self._watch is not None:
            self._watch.stop()
        await end(self)
        return 0

    async def _enter(self) -> bool:
        """Take the lock, open the mailbox and the door; ``False`` if another did already."""
        if self.host.set_aside:
            self.warn(about("file host.db", self.host.set_aside))
        if self.spec.session is not None:
            self.where = look(self.spec.cwd)
        self.card = register(self.root, self.host, self.spec, self.where, self.is_live)
        call_process(f"peer {self.card.name}")
        self.directory = config.peer_dir(self.root, self.card.id)
        lock = await own_lock(self.directory)
        if lock is None:
            self._not_needed()
            return False
        self._lock_inode = os.fstat(lock).st_ino
        hide(self.directory, hidden=config.lan_forbidden())
        self._write_pid()
        self.desk = Desk(self)
        self.commons = Commons(self, self._open_log())
        budget = None if self.card.person else self._budget()
        self.post = self.posts.open_own(self.card, lock, budget, self.desk.answered)
        self.desk.attach(self.post)
        self.door = DoorServer(os.path.join(self.directory, "door"), self.desk.asked)
        if not self.card.person:
            self._attend(self.spec.client)
        self._link(self.spec.session)
        if not config.lan_forbidden():
            instance_name(self.directory, make=True)
        self.commons.attend()
        self.desk.serve(self.commons.verbs())
        await self.door.open()
        self._started()
        self.commons.company.sign()
        self.nudge()
        return True

    def _open_log(self) -> LogStore:
        log = LogStore(self.root, boot=boot_id())
        if log.set_aside:
            anew = "" if log.set_aside.endswith(CUT) else ": notes, claims and tasks begin anew"
            self.warn(f"{about('file log.db', log.set_aside)}{anew}")
        return log

    def _not_needed(self) -> None:
        if answers(self.directory):
            self._link(self.spec.session)
            self._started()
        else:
            self.log(f"{self.card.name}: its lock is held, and nobody answers at its door")
        self.posts.end()

    def _started(self) -> None:
        """Whoever waits for this sidecar need not start another."""
        session = self.spec.session
        link = config.session_link(self.root, session) if session else config.person_link(self.root)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(starting_mark(link))

    def _write_pid(self) -> None:
        """By which the hooks' first step sees that we live."""
        path = os.path.join(self.directory, "pid")
        with open(f"{path}.new", "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
        os.replace(f"{path}.new", path)

    @staticmethod
    def _budget() -> Budget:
        wakes = config.number("PEER_WAKES", WAKES)
        return Budget(wakes, config.number("PEER_WAKES_PER_MINUTE", WAKES_A_MINUTE))

    # ------------------------------------------------------------ the client

    def _attend(self, client: int) -> None:
        self.session = Session(self.post, client)
        self.post.before, self.post.after = self.session.observe, self.session.publish
        if client:
            self._watch = Watch(client, self.leave)
            self._note_client(client)
        if self.host.named(self.card.id):
            self._given = tidy(self.session.given_name())  # what `peer name` said goes before
        self.refresh()
        self.session.publish()  # mail that waited for this start is due at the very next hook

    def _note_client(self, client: int) -> None:
        """Another process than the last time: what the last one was handed may never have been read."""
        path = os.path.join(self.directory, "client")
        with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii") as file:
            if file.read().strip() == str(client):
                return
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{client}\n")
        self.post.put(NewClient())

    def adopt(self, session: str, client: int) -> None:
        """The session has a new id (``/clear``) or a new process (it was resumed)."""
        if session and self.host.by_session(session) != self.card.id:
            self.host.bind(session, self.card.id)
        if self.session is not None and client and client != self.session.client:
            if self._watch is not None:
                self._watch.stop()
            self.session.client = client
            self._watch = Watch(client, self.leave)
            self._note_client(client)
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        self.goodbye = False
        self.spec = replace(self.spec, session=session or self.spec.session, client=client)
        self._link(session)
        self.posts.write_card(self.card)

    def runs_elsewhere(self, client: int) -> bool:
        """Whether our session runs in another client's process than *client*."""
        mine = self.session.client if self.session else 0
        return bool(mine) and mine != client and alive(mine)

    def _link(self, session: str | None) -> None:
        if session is None:
            link_to(config.person_link(self.root), self.directory)
            return
        link_to(config.session_link(self.root, session), self.directory)
        if self.spec.client:
            link_to(config.client_link(self.root, self.spec.client), self.directory)

    def leave(self) -> None:
        """End, after what is under way."""
        self._ended.set()

    def leave_soon(self) -> None:
        """The session said that it ends; its client does in a moment, unless it begins another."""
        self.goodbye = True
        if self._ending is None:
            self._ending = asyncio.get_running_loop().call_later(END_GRACE, self.leave)

    # ------------------------------------------------------------ the others of this host

    def is_live(self, peer: PeerId) -> bool:
        """Whether the sidecar of *peer* runs, here or on a host that is reached just now."""
        elsewhere = self.neighbours.get(peer)
        return elsewhere.here if elsewhere is not None else self.posts.is_live(peer)

    def is_live_here(self, peer: PeerId) -> bool:
        """The same, for peers of this host."""
        return self.posts.is_live(peer)

    def nudge(self) -> None:
        """Something of ours changed that other hosts should see at once."""
        self.commons.poke()

    def told(self) -> None:
        """The model has read who it is."""
        if self.session is not None:
            self.session.told()

    def card_of(self, peer: PeerId) -> Card | None:
        """The card of *peer*, if it is known."""
        self.everybody.follow()
        return self.everybody.get(peer)

    def cards(self) -> list[Card]:
        """Everybody that is known, here and elsewhere. Not to be changed."""
        return self.everybody.cards()

    def _forgot(self, peer: PeerId) -> None:
        """*peer* is known no longer."""
        self.commons.shared.log.notebook.forget(peer)
        self.changed()

    def changed(self) -> None:
        """This process wrote to the shared file itself, which the file's revision does not tell it."""
        self.everybody.changed()

    def seen_at(self, peer: PeerId) -> float:
        """When *peer* last came or went (wall clock, seconds)."""
        elsewhere = self.neighbours.get(peer)
        if elsewhere is not None:
            return elsewhere.since
        return self.everybody.seen_at(peer)

    def recent(self, card: Card) -> bool:
        """Whether a group means *card* too: it is here, or was lately and may be resumed."""
        if self.is_live(card.id):
            return True
        return not card.oneshot and time.time() - self.seen_at(card.id) < GROUP_MEMORY

    def switch(self, cwd: str, *, off: bool) -> dict[str, object]:
        """Take the repo of *cwd* out of peer, or let it in again; its sidecars are the caller's to end."""
        where = look(cwd)
        if not where.key:
            raise BadUsage("that is no directory on this machine")
        self.host.switch(where.key, where.repo, off=off, here=where.here)
        self.changed()
        if not off:
            unmark_off(self.root)
        there = [c.id for c in self.cards() if c.repo_key == where.key and self.is_live_here(c.id)]
        return {"repo": where.repo, "off": off, "peers": there}

    # ------------------------------------------------------------ who I am

    def refresh(self) -> None:
        """Follow what may have changed outside: the repo, the branch, and a name given in the client."""
        if self.session is None:
            return
        if self.where.stale():
            self._look_where()
        where = self.where
        card = replace(
            self.post.engine.card,
            repo=where.repo,
            repo_key=where.key,
            branch=where.branch,
            worktree=where.worktree,
        )
        before = self.post.engine.card
        if card != before:
            self.set_card(card)
        if card.repo_key != before.repo_key:
            self.commons.moved(before)
        given = tidy(self.session.given_name())
        if given and given != self._given:
            self._given = given
            with contextlib.suppress(NameTaken):
                self.rename(given, exact=False)

    def _look_where(self) -> None:
        """The repo was made, or got its first commit or another remote."""
        self.where = look(self.spec.cwd)
        if self.spec.session and self.host.switched_off(self.where.key, self.where.here):
            mark_off(self.root, self.spec.session)
            self.leave()

    def set_card(self, card: Card) -> None:
        """Write a changed card of ours."""
        self.host.update(card)
        self._use(card)

    def set_roles(self, roles: tuple[str, ...]) -> None:
        """Have these roles from now on."""
        self.set_card(replace(self.post.engine.card, roles=roles))

    def set_focus(self, focus: str) -> None:
        """Work on this from now on."""
        self.set_card(replace(self.post.engine.card, focus=focus))

    def rename(self, name: str, *, exact: bool = True) -> Card:
        """Be called *name* from now on.

        Raises:
            NameTaken: *exact*, and another that is here has it.
        """
        got = self.host.rename(self.card.id, name, given=exact, is_live=self.is_live)
        self._use(replace(self.post.engine.card, name=got))
        return self.card

    def _use(self, card: Card) -> None:
        self.card = card
        call_process(f"peer {card.name}")
        self.changed()
        self.post.engine.card = card
        self.post.put(Renamed(card))
        self.posts.write_card(card)
        self.nudge()

    # ------------------------------------------------------------ now and then

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._ticks += 1
            self.keeper.look()
            try:
                self._look_around()
                self._wrong = ""
            except (PeerError, OSError) as wrong:
                self._note_wrong(str(wrong))
            except Exception:  # noqa: BLE001 - a bug of ours must not leave the session without its sidecar's eyes
                self._note_wrong(traceback.format_exc())

    def _note_wrong(self, wrong: str) -> None:
        """What goes wrong is tried again each second, and noted once."""
        if wrong != self._wrong:
            self._wrong = wrong
            self.log(f"{self.card.name}: {wrong}")

    def _look_around(self) -> None:
        if self.is_removed():
            self.log(
                f"{self.card.name}: its directory was removed, so it ends; the session's next hook starts another"
            )
            self.leave()
            return
        self.posts.look()
        self.commons.look(around=self._ticks % REFRESH == 0)
        if self.trust.set_aside:
            self.warn(
                f"the damaged list of trusted machines was set aside as {self.trust.set_aside}; pair again"
            )
            self.trust.set_aside = None
        if not os.path.exists(f"{self.directory}/pid"):
            self._write_pid()  # a keeper took us for dead just as we began, and told the others
            self.commons.company.sign()
        if self.session is not None:
            stirred = self.session.look()
            incoming = self.post.engine.incoming
            if stirred or incoming.due or incoming.unproven:
                self.post.run()
            if self._ticks % REFRESH == 0 or self.where.branch != self.post.engine.card.branch:
                self.refresh()
        elif self._person_is_done():
            self.leave()

    def is_removed(self) -> bool:
        """Whether somebody removed our directory, with our mailbox and our door; another may stand there by now."""
        try:
            return os.stat(f"{self.directory}/lock").st_ino != self._lock_inode
        except (FileNotFoundError, NotADirectoryError):
            return True

    def _person_is_done(self) -> bool:
        quiet = time.monotonic() - self.post.used > self._person_quiet
        quiet = quiet and not (self.commons.feed.followed or self.commons.jobs.watching)
        return self.post.at_rest and quiet and not self.trust.inviting()  # a guest needs somebody to come to

    def log(self, words: str) -> None:
        """Leave a line for `peer doctor --log`; standard error is the log. On a full disk the line is all that is lost."""
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} [{os.getpid()}] {words}\n"
        with contextlib.suppress(OSError):
            os.write(2, line.encode(errors="replace"))

    def warn(self, words: str) -> None:
        """The same, for what a person should know: `peer status` and `peer doctor` show it."""
        self.trouble.append(words)
        self.log(words)
