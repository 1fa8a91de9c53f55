"""What one sidecar does for its whole host, while it holds the keeper's lock: mail that others left
undelivered, and the host's word on the LAN.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from peermesh import config
from peermesh.core.words import PeerId
from peermesh.errors import PeerError
from peermesh.locks import free_lock, is_locked, take_lock
from peermesh.mesh.wire import VERSION as WIRE_VERSION
from peermesh.sidecar import offers
from peermesh.sidecar.neighbours import HIDDEN
from peermesh.sidecar.presence import alive
from peermesh.store.trust import TrustStore

if TYPE_CHECKING:
    from peermesh.discovery.mdns import Responder
    from peermesh.discovery.record import Instance
    from peermesh.sidecar.gate import Gate

# Other hosts are seen to this often, where there are any.
TURN = 0.5  # seconds
# Who lives is looked at this often: a crashed session's goodbye is said that soon.
LOOK = 1.0
# Mail left by the dead is tried this often, and interfaces are followed.
SWEEP = 5.0
LONGEST_SWEEP = 30.0
# Peers that will not come back are forgotten this often.
FORGET = 3_600.0
# The log is compacted, where it has grown, this often.
TIDY = 60.0
# The network may come later: mDNS is tried again.
RETRY = 30.0
# What the keeper is just at has so long to end when its sidecar does.
PATIENCE = 2.0
# Things that change together are told to other hosts together.
GATHER = 0.02


class Host(Protocol):
    """What the keeper needs of its sidecar."""

    root: str
    trust: TrustStore

    def stand_in(self, peer: PeerId) -> None:
        """Deliver what *peer*, who is away, left behind."""

    def nobody_is_up(self) -> None:
        """Whatever the last keeper left standing between hosts is not so any more."""

    def open_gate(self) -> Gate:
        """The way to other hosts."""

    def forget_old(self) -> None:
        """Forget who will not come back."""

    def found_dead(self, peer: PeerId) -> None:
        """The sidecar of *peer* ended without a word."""

    def bury(self, peer: PeerId) -> None:
        """The session *peer* died, and has no sidecar to say so."""

    def tidy_log(self) -> None:
        """Compact what has grown."""

    def log(self, words: str) -> None:
        """Leave a line in the sidecar's log."""


def living(root: str) -> list[PeerId]:
    """The peers of this host whose sidecar runs."""
    folder = os.path.join(root, "peers")
    if not os.path.isdir(folder):
        return []
    return [one for one in sorted(os.listdir(folder)) if is_locked(os.path.join(folder, one, "lock"))]


def instance_name(directory: str, *, make: bool = False) -> str:
    """The random name by which a peer is advertised, from its directory; "" if it has none.

    It stays while the sidecar lives, so that the next keeper goes on with it.
    """
    path = os.path.join(directory, "instance")
    if make:
        with open(f"{path}.new", "w", encoding="ascii") as file:
            file.write(secrets.token_hex(8))
        os.replace(f"{path}.new", path)
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            name = file.read(64)
    except OSError:
        return ""
    return name if len(name) == 16 and set(name) <= set("0123456789abcdef") else ""


def _advertised(directory: str) -> str:
    """The same, of one that does not keep from the LAN: a life before may have left the file."""
    return "" if os.path.exists(os.path.join(directory, HIDDEN)) else instance_name(directory)


class Keeper:
    """Tries for the lock, and does its duties while it has it.

    Args:
        host: the sidecar.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock: int | None = None
        self._responder: Responder | None = None
        self._task: asyncio.Task[None] | None = None
        self._swept = self._looked = 0.0
        self._forgot = self._tidied = time.monotonic()
        self._mdns_at = 0.0  # when to try mDNS (again)
        self._published: set[Instance] = set()
        self._soon: asyncio.TimerHandle | None = None
        self._ending = False
        self._patience: dict[PeerId, tuple[float, float]] = {}  # when to try whose mail again, and the pause
        self.gate: Gate | None = None
        self._wrong = ""
        self.trouble = ""  # why there is no mDNS, for `peer status`

    @property
    def holds(self) -> bool:
        """Whether this sidecar is the host's keeper."""
        return self._lock is not None

    def look(self) -> None:
        """Be the keeper, if nobody is. Asked once a second: so soon a keeper that died is followed."""
        if self._task is not None:
            return
        path = os.path.join(self._host.root, "keeper.lock")
        try:
            # Most sidecars find it held, every second: the look at all others comes after that.
            if is_locked(path) or (config.lan_forbidden() and self._another_may()):
                return
            self._lock = take_lock(path)
        except OSError as wrong:
            self._note(str(wrong))
            return
        if self._lock is not None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        first = True
        while not self._ending:  # a library that swallows the cancelling does not keep us
            try:
                if first:
                    first = False
                    self._begin()
                await self._turn()
                self._wrong = ""
            except (PeerError, OSError) as wrong:
                self._note(str(wrong))
            except Exception:  # noqa: BLE001 - a bug of ours must not leave the host without a keeper
                self._note(traceback.format_exc())
            await asyncio.sleep(LOOK if self.gate is None else TURN)

    def _begin(self) -> None:
        self._host.nobody_is_up()
        # Hooks of an older version of this installation become ours. Only the keeper needs this module.
        from peermesh.hooks.plugin import refresh

        refresh(self._host.root)

    async def _turn(self) -> None:
        now = time.monotonic()
        if now - self._swept >= SWEEP:
            self._swept = now
            self._sweep()
            if now - self._tidied >= TIDY:
                self._tidied = now
                self._host.tidy_log()
            if now - self._forgot >= FORGET:
                self._forgot = now
                self._host.forget_old()
            if self._responder is not None:
                await self._responder.follow_interfaces()
        if not config.lan():
            await self._leave_lan()
            return
        self._mind_gate()
        if now - self._looked >= LOOK:
            self._looked = now
            await self._advertise(now)

    def _another_may(self) -> bool:
        """Whether a sidecar lives here that was not kept from the LAN: the LAN is for that one to keep."""
        folder = os.path.join(self._host.root, "peers")
        return any(_advertised(os.path.join(folder, one)) for one in living(self._host.root))

    async def _leave_lan(self) -> None:
        self._close_gate()
        if self._responder is not None:
            await self._responder.close()
            self._responder, self._published = None, set()

    # ------------------------------------------------------------ other hosts

    def _mind_gate(self) -> None:
        """There is a gate while some host is trusted or invited: else nothing listens."""
        if self.gate is None:
            if not self._host.trust.read().hosts and not self._host.trust.inviting():
                return
            self.gate = self._host.open_gate()
            self.gate.nudged, self.gate.doubt = self.nudged, self._doubt
            self._hear()
        self.gate.tick(self.addresses())

    def _close_gate(self) -> None:
        if self.gate is not None:
            self.gate.close()
            self.gate = None

    def nudged(self) -> None:
        """Something changed that other hosts, or this one, should see at once."""
        if self._soon is None and self.holds and not self._ending:
            self._soon = asyncio.get_running_loop().call_later(GATHER, self._now)

    @staticmethod
    def addresses() -> tuple[str, ...]:
        """Where this host is on its networks."""
        from peermesh.discovery.mdns import own_addresses

        return own_addresses(config.interfaces())

    def _now(self) -> None:
        self._soon = None
        if not self.holds:
            return
        if not config.lan():
            self._close_gate()  # what is said by mDNS ends with the keeper's next look
            return
        try:
            self._mind_gate()
        except (PeerError, OSError) as wrong:
            self._note(str(wrong))
        except Exception:  # noqa: BLE001 - as in _run
            self._note(traceback.format_exc())

    def _note(self, wrong: str) -> None:
        """What goes wrong is tried again twice a second, and noted once."""
        if wrong != self._wrong:
            self._wrong = wrong
            self._host.log(f"keeper: {wrong}")

    def _hear(self) -> None:
        if self.gate is not None and self._responder is not None:
            self.gate.rumours(self._responder.rumours())

    def _doubt(self, instance: str) -> None:
        if self._responder is not None:
            self._responder.doubt(instance)

    def sweep_soon(self) -> None:
        """A host came back: what waits for it is tried now."""
        self._patience.clear()
        self._swept = 0.0

    # ------------------------------------------------------------ the absent of this host

    def _sweep(self) -> None:
        folder = os.path.join(self._host.root, "peers")
        for peer in os.listdir(folder):
            directory = os.path.join(folder, peer)
            if is_locked(os.path.join(directory, "lock")):
                continue
            pid = os.path.join(directory, "pid")
            if os.path.exists(pid):
                try:  # first the word of it: should we die in between, the next keeper finds the file
                    self._host.found_dead(peer)
                finally:
                    # A process of that number may live all the same: the hooks' first step would take it for ours.
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(pid)
            self._bury(peer, os.path.join(directory, "client"))
            if os.path.exists(os.path.join(directory, "pending")):
                self._try(peer)
            else:
                self._patience.pop(peer, None)

    def _bury(self, peer: PeerId, path: str) -> None:
        """Nobody runs as *peer*. If its client died too, nobody says goodbye for the session but us."""
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                client = int(file.read(20))
        except (OSError, ValueError):
            return  # a person's shells, whose claims end by time; or a session that has been buried
        if not alive(client):
            self._host.bury(peer)
            os.unlink(path)

    def _try(self, peer: PeerId) -> None:
        """Stand in for *peer*, ever more seldom: whom it writes to may be on a host that sleeps."""
        now = time.monotonic()
        at, pause = self._patience.get(peer, (0.0, SWEEP))
        if now >= at:
            self._patience[peer] = (now + pause, min(pause * 2, LONGEST_SWEEP))
            self._host.stand_in(peer)

    # ------------------------------------------------------------ mDNS

    async def _advertise(self, now: float) -> None:
        """Make what the network hears of this host equal to who lives here."""
        if self._responder is None:
            if now < self._mdns_at:
                return
            await self._start_responder(now)
        if self._responder is None:
            return
        names, dead = self._instances()
        if dead:
            # Sessions that crashed while another was the keeper: others still see their ghosts.
            await self._responder.bury(list(dead.values()))
            for one, name in dead.items():
                if instance_name(one) == name:  # else it came back meanwhile, with a new one
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(os.path.join(one, "instance"))
        from peermesh.discovery.record import Instance

        port = self.gate.port if self.gate is not None else 0
        tags = {name: self.gate.tag(name) if self.gate is not None else b"" for name in names}
        wanted = {Instance(name, port, WIRE_VERSION, tags[name]) for name in names}
        offer = offers.instance(self._host.root, WIRE_VERSION)
        if offer is not None:
            wanted.add(offer)
        if wanted != self._published:
            await self._responder.publish(wanted)
            self._published = wanted

    def _instances(self) -> tuple[frozenset[str], dict[str, str]]:
        """The names of who lives here, and those of the dead who still have one, by their directories."""
        folder = os.path.join(self._host.root, "peers")
        alive = set(living(self._host.root))
        named = {one: _advertised(os.path.join(folder, one)) for one in os.listdir(folder)}
        names = frozenset(name for one, name in named.items() if name and one in alive)
        dead = {os.path.join(folder, one): name for one, name in named.items() if name and one not in alive}
        return names, dead

    async def _start_responder(self, now: float) -> None:
        # Imported here: zeroconf is 2 MB that only the host's keeper needs.
        from peermesh.discovery.mdns import Responder

        responder = Responder(interfaces=config.interfaces(), on_change=self._hear)
        try:
            await responder.start()
        except PeerError as wrong:
            self.trouble, self._mdns_at = str(wrong), now + RETRY
            await responder.close()
            return
        self._responder, self.trouble = responder, ""
        self._hear()

    def rumours(self) -> list[dict[str, object]]:
        """What other hosts advertise."""
        if self._responder is None:
            return []
        return [
            {"instance": r.instance, "addresses": [str(a) for a in r.addresses], "port": r.port}
            for r in self._responder.rumours()
        ]

    def lan_state(self) -> str:
        """The LAN in a word or a sentence, for `peer status`."""
        if not config.lan():
            return "off"
        if not self.holds:
            return "kept by another sidecar of this host"
        return self.trouble or ("on" if self._responder else "starting")

    async def end(self, then: Callable[[], None] | None = None) -> None:
        """Say goodbye for what this process published and hand the lock on."""
        self._ending = True  # what the gate's end changes is no reason to open it again
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait(
                [self._task], timeout=PATIENCE
            )  # what goes on after that ends with the process
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        try:
            self._close_gate()
            if self._responder is not None:
                await self._responder.close()
        finally:
            if self._lock is not None:
                free_lock(self._lock)
                self._lock = None
        if then is not None:
            then()
