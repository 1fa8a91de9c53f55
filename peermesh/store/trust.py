"""The file ``trust.json``: which hosts may speak with this one, and who was invited. Seldom written.

Plain JSON of mode 0600, because a person may want to look at it. Every change is made under a lock, synced
and put in place in one step; a damaged file is set aside with a word, and until hosts are paired again nobody
is trusted.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

from peermesh.core.names import key as folded
from peermesh.core.names import tidy, unique
from peermesh.errors import BadUsage, InviteRefused, KeyChanged, StoreBroken
from peermesh.store.sqlite import set_aside, translated_os
from peermesh.store.trusted import INVITE_LIFE, VERSION, Invite, Trust, Trusted, fingerprint, is_line, parsed

SECRET_BYTES = 16
TRIES = 3
# Addresses remembered of one host: the newest first.
ADDRESSES = 8
LOCK_PATIENCE, LOCK_POLL = 1.0, 0.005  # seconds
# Used invitations that are remembered, to be told from guesses.
SPENT = 50

AGAIN = "make a new one there: peer invite"
WRONG = f"that invitation is not valid: it was changed, taken back, or made elsewhere; {AGAIN}"
USED = f"that invitation was used already; {AGAIN}"
LATE = f"that invitation is older than ten minutes; {AGAIN}"
# Nobody has so many machines; a loop that pairs does.
HOSTS = 100


class TrustStore:
    """Reads and changes ``trust.json`` in the state directory *root*.

    *host* is this host's own name: no other one is given the same.
    """

    def __init__(self, root: str, host: str) -> None:
        self.path = os.path.join(root, "trust.json")
        self._host = host
        self._signature: object = self  # of what was read last; at first of nothing that a file could have
        self._trust = Trust()
        self.set_aside: str | None = None

    # ------------------------------------------------------------ reading

    def revision(self) -> tuple[int, int, int] | None:
        """What changes when the file does."""
        try:
            info = os.stat(self.path)
        except FileNotFoundError:
            return None
        return info.st_mtime_ns, info.st_ino, info.st_size

    def read(self) -> Trust:
        """What the file says now.

        Raises:
            StoreNewer: a newer program wrote it.
        """
        signature = self.revision()
        if signature != self._signature:
            self._trust = self._load() if signature else Trust()
            self._signature = self.revision() if signature else None
        return self._trust

    def _load(self) -> Trust:
        try:
            with open(self.path, encoding="utf-8") as file:
                return parsed(json.load(file))
        except FileNotFoundError:
            return Trust()
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            with translated_os(self.path):
                self.set_aside = set_aside(self.path)
            return Trust()

    def was_lost(self) -> bool:
        """Whether a damaged list was set aside, and still lies there: hosts may be missing that nobody removed."""
        return bool(glob.glob(f"{glob.escape(self.path)}.damaged-*"))

    # ------------------------------------------------------------ changing

    @contextmanager
    def _changing(self) -> Iterator[_Draft]:
        """What the file says, to be changed; written and synced at the end, unless an error is raised."""
        with translated_os(self.path):
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(lock, self.path)
            self._signature = self  # two changes within one tick of the file's clock look alike
            before = self.read()
            draft = _Draft(before)
            yield draft
            if draft.trust != before:
                self._write(draft.trust)
        finally:
            os.close(lock)

    def _write(self, trust: Trust) -> None:
        data = json.dumps({"version": VERSION, **asdict(trust)}, indent=1).encode()
        with translated_os(self.path):
            fd = os.open(f"{self.path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(fd)
            os.replace(f"{self.path}.new", self.path)
            folder = os.open(os.path.dirname(self.path), os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def add(self, key: str, wish: str, addresses: tuple[str, ...] = (), *, exact: bool = False) -> Trusted:
        """Trust the host with *key* from now on.

        Args:
            key: its public key in hex.
            wish: what it calls itself, or is to be called.
            addresses: where it was met.
            exact: a person chose just this name.

        Raises:
            KeyChanged: another key is known by that name. That is an alarm: either the host was set up anew,
                or somebody else pretends to be it.
        """
        with self._changing() as draft:
            return draft.add(key, self._free_name(draft.trust, key, wish, exact=exact), addresses)

    def _free_name(self, trust: Trust, key: str, wish: str, *, exact: bool) -> str:
        if trust.by_key(key) is None and len(trust.hosts) >= HOSTS:
            raise BadUsage(f"{HOSTS} hosts are trusted already; remove one with peer trust remove NAME")
        known = trust.by_key(key)
        if known is not None and not exact:
            return known.name  # a person may have chosen it
        name = tidy(wish) or "host"
        for one in trust.hosts:
            if folded(one.name) == folded(name) and one.key != key:
                raise KeyChanged(
                    f"{name} is trusted already, with another key ({fingerprint(one.key)}, this one is "
                    f"{fingerprint(key)}). If {name} was set up anew, remove it first: peer trust remove "
                    f"{name}. If not, somebody pretends to be it. If it is another machine of the same name, "
                    "give it one of its own with --as NAME"
                )
        if exact and folded(name) == folded(self._host):
            raise BadUsage(f"this host itself is called {name}; choose another name for the other one")
        others = {folded(one.name) for one in trust.hosts if one.key != key}
        return unique(name, {folded(self._host), *others})

    def rename(self, name: str, new: str) -> Trusted:
        """Call the host *name* otherwise here.

        Raises:
            NotTrusted, BadUsage: there is none, or the new name is taken.
        """
        with self._changing() as draft:
            one = draft.trust.by_name(name)
            wished = tidy(new)
            others = {folded(h.name) for h in draft.trust.hosts if h.key != one.key} | {folded(self._host)}
            if not wished:
                raise BadUsage(f"{new[:60]!r} cannot be a host's name; use letters, digits and dashes")
            if folded(wished) in others:
                whose = "this machine's own name" if folded(wished) == folded(self._host) else "another one's"
                raise BadUsage(f"{wished} is {whose} already; choose another")
            return draft.put(replace(one, name=wished))

    def remove(self, name: str) -> Trusted:
        """Trust the host *name* no longer.

        Raises:
            NotTrusted: there is none.
        """
        with self._changing() as draft:
            one = draft.trust.by_name(name)
            hosts = tuple(h for h in draft.trust.hosts if h.key != one.key)
            removed = (*(k for k in draft.trust.removed if k != one.key), one.key)[-HOSTS:]
            draft.trust = replace(draft.trust, hosts=hosts, removed=removed)
            return one

    def met(self, key: str, addresses: tuple[str, ...]) -> None:
        """The host with *key* was met at *addresses*, the best first; written only if that is news."""
        one = self.read().by_key(key)
        if one is None or (addresses[:1] == one.addresses[:1] and set(addresses) <= set(one.addresses)):
            return
        with self._changing() as draft:
            one = draft.trust.by_key(key)
            if one is not None:
                draft.put(replace(one, addresses=_newest(addresses, one.addresses)))

    def connect(self, address: str, *, forget: bool = False) -> tuple[str, ...]:
        """Remember an address to try, or forget it; all that are remembered now.

        Raises:
            BadUsage: it is not remembered, or too many are.
        """
        with self._changing() as draft:
            known = draft.trust.connect
            if forget and address not in known:
                raise BadUsage(f"{address} is not remembered; there is: {', '.join(known) or 'nothing'}")
            rest = tuple(one for one in known if one != address)
            if len(rest) >= HOSTS:
                raise BadUsage(f"{HOSTS} addresses are remembered already; forget one with --forget")
            draft.trust = replace(draft.trust, connect=rest if forget else (address, *rest))
            return draft.trust.connect

    # ------------------------------------------------------------ invitations

    def invite(self, secret: bytes, name: str = "", *, given: bool = True) -> Invite:
        """Whoever knows *secret* may join once, within ten minutes; and be called *name*, if there is one.

        *given*: to somebody. Else it only keeps the gate open.
        """
        one = Invite(_digest(secret), time.time() + INVITE_LIFE, name=tidy(name), given=given)
        with self._changing() as draft:
            draft.trust = replace(draft.trust, invites=(*draft.trust.invites, one)[-HOSTS:])
        return one

    def revoke(self, secret: bytes) -> None:
        """The invitation with *secret* is void; no harm if it is already."""
        digest = _digest(secret)
        with self._changing() as draft:
            left = tuple(one for one in draft.trust.invites if one.digest != digest)
            draft.trust = replace(draft.trust, invites=left)

    def uninvite(self) -> int:
        """All open invitations that were given are void; how many they were."""
        with self._changing() as draft:
            left = tuple(one for one in draft.trust.invites if not one.given)
            count = sum(one.given for one in draft.trust.open_invites())
            draft.trust = replace(draft.trust, invites=left)
        return count

    def count_refused(self) -> None:
        """Somebody tried a wrong code."""
        with self._changing() as draft:
            draft.trust = replace(draft.trust, refused=draft.trust.refused + 1)

    def inviting(self) -> bool:
        """Whether an invitation is open."""
        return bool(self.read().open_invites())

    def redeem(self, secret: bytes, key: str, wish: str, addresses: tuple[str, ...]) -> Trusted:
        """A host that knows an invitation's *secret* becomes trusted, and the invitation is used up.

        Raises:
            InviteRefused: the secret is wrong, late or used. Three wrong ones end all open invitations.
            KeyChanged: see ``add``; the invitation stays open.
        """
        digest, why = _digest(secret), WRONG
        with self._changing() as draft:
            trust = draft.trust
            known = trust.by_key(key)
            one = next((i for i in trust.open_invites() if hmac.compare_digest(i.digest, digest)), None)
            if one is not None:
                name = self._free_name(trust, key, one.name or wish, exact=bool(one.name))
                left = tuple(i for i in trust.invites if i != one)
                draft.trust = replace(trust, invites=left, spent=(*trust.spent, digest)[-SPENT:])
                return draft.add(key, name, addresses)
            if known is not None:
                return known  # its answer was lost, and it asks again
            if digest in trust.spent:
                why = USED
            elif any(i.digest == digest for i in trust.invites):
                why = LATE
            else:  # a guess
                trust = replace(trust, invites=tuple(_tried(trust.invites)))
            draft.trust = replace(trust, refused=trust.refused + 1)
        raise InviteRefused(why)


class _Draft:
    """What the file will say."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust

    def put(self, one: Trusted) -> Trusted:
        """Write *one* in place of the host with its key."""
        hosts = tuple(one if h.key == one.key else h for h in self.trust.hosts)
        self.trust = replace(self.trust, hosts=hosts)
        return one

    def add(self, key: str, name: str, addresses: tuple[str, ...]) -> Trusted:
        """A new host, or a known one by another name."""
        known = self.trust.by_key(key)
        if known is not None:
            return self.put(replace(known, name=name, addresses=_newest(addresses, known.addresses)))
        one = Trusted(name, key, time.time(), _newest(addresses, ()))
        left = tuple(k for k in self.trust.removed if k != key)
        self.trust = replace(self.trust, hosts=(*self.trust.hosts, one), removed=left)
        return one


def _lock(fd: int, path: str) -> None:
    """Take the lock *fd*: changes take a millisecond, and a sidecar must not wait for one that was stopped.

    Raises:
        StoreBroken: somebody holds it.
    """
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreBroken(
                    f"{path} is being changed by a process that does not end; try again"
                ) from None
            time.sleep(LOCK_POLL)
        else:
            return


def _newest(new: tuple[str, ...], old: tuple[str, ...]) -> tuple[str, ...]:
    """The first of both that can be written down: what a host says of itself may be anything."""
    return tuple(one for one in dict.fromkeys((*new, *old)) if is_line(one))[:ADDRESSES]


def _digest(secret: bytes) -> str:
    return hashlib.sha256(b"peer invite " + secret).hexdigest()


def _tried(invites: tuple[Invite, ...]) -> Iterator[Invite]:
    """*invites* after a wrong guess: three of them end each."""
    for one in invites:
        if one.tries + 1 < TRIES:
            yield replace(one, tries=one.tries + 1)
