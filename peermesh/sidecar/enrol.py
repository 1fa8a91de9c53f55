"""Whom a sidecar is for: from what a hook or command knows to a peer's card and its lock."""

from __future__ import annotations

import asyncio
import getpass
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from peermesh import config
from peermesh.core.names import derived, tidy
from peermesh.core.words import PEER_ID_ALPHABET, PEER_ID_LENGTH, Card, PeerId
from peermesh.door.client import knock
from peermesh.errors import SwitchedOff
from peermesh.locks import take_lock
from peermesh.sidecar.checkouts import readable
from peermesh.sidecar.neighbours import hide
from peermesh.sidecar.session import link_to, unlink_if_to
from peermesh.sidecar.where import Where
from peermesh.store.host import HostStore

# Another sidecar may be standing in for this peer: it lets go within this.
LOCK_PATIENCE = 4.0  # seconds
LOCK_POLL = 0.005


@dataclass(frozen=True, slots=True)
class Spec:
    """Whom a sidecar is for, as the hook or command that starts it knows it."""

    session: str | None = None  # the Claude Code session; None: the person's shells
    client: int = 0  # the client's process
    cwd: str = "/"
    oneshot: bool = False  # `claude -p`
    fresh: bool = False  # the session's peer runs in another client: be a new one
    before: PeerId = ""  # the peer that this client's session was until ``/clear`` gave it a new id


def new_id() -> PeerId:
    """A peer id that nobody has."""
    return "".join(secrets.choice(PEER_ID_ALPHABET) for _ in range(PEER_ID_LENGTH))


def register(root: str, host: HostStore, spec: Spec, where: Where, is_live: Callable[[PeerId], bool]) -> Card:
    """The card of the peer that *spec* means, made if it is new.

    Raises:
        SwitchedOff: its repo was taken out of peer; the hooks' first step is told too.
    """
    if spec.session is not None and host.switched_off(where.key, where.here):
        mark_off(root, spec.session)
        raise SwitchedOff()
    if spec.session and spec.before and host.by_session(spec.session) is None and host.card(spec.before):
        host.bind(spec.session, spec.before)
    os.makedirs(os.path.join(root, "peers"), mode=0o700, exist_ok=True)
    wish = _person() if spec.session is None else _session(spec, where)
    known = host.by_session(spec.session) if spec.session else host.person()
    if known and config.lan_forbidden() and not is_live(known):
        # Before its new place is known: this host's gate may tell others of it in the next moment.
        hide(_directory(root, known), hidden=True)
    card = host.register(wish, session=spec.session, is_live=is_live, clock=time.time(), fresh=spec.fresh)
    new = card.id != known  # and not told of before it has a directory
    directory = _directory(root, card.id)
    if new and config.lan_forbidden():
        hide(directory, hidden=True)
    return card


def _directory(root: str, peer: PeerId) -> str:
    directory = config.peer_dir(root, peer)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    return directory


def _person() -> Card:
    return Card(id=new_id(), name=tidy(_user()) or "person", host=config.host_name(), person=True)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user that has a number and no name
        return f"user{os.getuid()}"


def _session(spec: Spec, where: Where) -> Card:
    branch = where.branch
    return Card(
        id=new_id(),
        name=derived(where.repo, branch),
        host=config.host_name(),
        oneshot=spec.oneshot,
        repo=where.repo,
        repo_key=where.key,
        branch=branch,
        worktree=where.worktree,
        cwd=readable(spec.cwd),
    )


def mark_off(root: str, session: str) -> None:
    """The hooks' first step ends at this sign; `peer on` takes it away."""
    folder = off_folder(root)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.close(os.open(os.path.join(folder, "off"), os.O_WRONLY | os.O_CREAT, 0o600))
    link_to(config.session_link(root, session), folder)


def unmark_off(root: str) -> None:
    """Sessions that were switched off look again at their next hook."""
    folder = os.path.dirname(config.session_link(root, "any"))
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        unlink_if_to(os.path.join(folder, name), off_folder(root))


def off_folder(root: str) -> str:
    """Where the links of sessions lead whose repo was taken out."""
    return os.path.join(root, "switched-off")


async def own_lock(directory: str) -> int | None:
    """The lock of the peer at *directory*; ``None`` if its sidecar runs already, or nobody lets go of it."""
    deadline = time.monotonic() + LOCK_PATIENCE
    while time.monotonic() < deadline:
        lock = take_lock(os.path.join(directory, "lock"))
        if lock is not None or answers(directory):
            return lock
        await asyncio.sleep(LOCK_POLL)
    return None


def answers(directory: str) -> bool:
    """Whether somebody listens at the door of the peer at *directory*."""
    door = knock(directory)
    if door is not None:
        door.close()
    return door is not None
