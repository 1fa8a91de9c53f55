"""The end of a sidecar: it says goodbye, lets go of everything, and leaves the mail to whoever comes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from peermesh import config
from peermesh.errors import PeerError
from peermesh.sidecar.neighbours import hide
from peermesh.sidecar.presence import alive
from peermesh.sidecar.session import clients_of, unlink_if_to

if TYPE_CHECKING:
    from peermesh.sidecar.process import Sidecar


async def end(sidecar: Sidecar) -> None:
    """End it. Each step is tried whatever became of the one before: no process is left behind because a disk is full."""
    removed = True
    with _noting(sidecar):
        removed = sidecar.is_removed()
    for close in (sidecar.door.stop, sidecar.desk.close):
        with _noting(sidecar):
            close()
    with _noting(sidecar):
        await sidecar.keeper.end()
    # Whose directory was removed has nothing left to say, and leaves nothing in what may stand there now.
    for step in () if removed else _goodbyes(sidecar):
        with _noting(sidecar):
            step()
    for close in (sidecar.posts.end, sidecar.commons.close, sidecar.host.close, sidecar.door.close):
        with _noting(sidecar):
            close()
    await asyncio.sleep(0)  # the loop's turn in which the callers are hung up on


def _goodbyes(sidecar: Sidecar) -> tuple[Callable[[], object], ...]:
    return (
        lambda: _leave_repo(sidecar),
        lambda: _take_signs(sidecar),
        sidecar.commons.company.sign,
        lambda: _unlink_clients(sidecar),
        sidecar.post.run,  # the last signs of the client's, and what came meanwhile
        lambda: _settle_mailbox(sidecar),
    )


@contextlib.contextmanager
def _noting(sidecar: Sidecar) -> Iterator[None]:
    """Whatever goes wrong is a line in the log, and no more."""
    try:
        yield
    except (PeerError, OSError) as wrong:
        sidecar.log(f"{sidecar.card.name}, which ends: {wrong}")
    except Exception:  # noqa: BLE001 - a bug of ours must not leave a process behind
        sidecar.log(f"{sidecar.card.name}, which ends: {traceback.format_exc()}")


def _leave_repo(sidecar: Sidecar) -> None:
    """The session has ended, and not just its sidecar: its claims end, its tasks return if it died."""
    if sidecar.session is None:
        return
    ended = sidecar.goodbye or not alive(sidecar.session.client)
    if ended or sidecar.host.switched_off(sidecar.where.key, sidecar.where.here):
        why = "" if ended else "its repo was taken out of peer"
        sidecar.commons.shared.left(sidecar.card, died=ended and not sidecar.goodbye, why=why)
    if ended:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(sidecar.directory, "client"))


def _take_signs(sidecar: Sidecar) -> None:
    for name in ("pid", "instance"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(sidecar.directory, name))
    if sidecar.card.person:  # one command with PEER_LAN=off is not to hide its person from then on
        hide(sidecar.directory, hidden=False)


def _unlink_clients(sidecar: Sidecar) -> None:
    for link in clients_of(sidecar.root, sidecar.directory):
        unlink_if_to(link, sidecar.directory)


def _settle_mailbox(sidecar: Sidecar) -> None:
    """Old mail makes room; a one-shot run that left nothing behind is forgotten."""
    sidecar.post.mailbox.tidy(time.time())
    nothing = not any(sidecar.post.mailbox.counts().values())
    if sidecar.card.oneshot and nothing:
        if sidecar.spec.session:
            unlink_if_to(config.session_link(sidecar.root, sidecar.spec.session), sidecar.directory)
        sidecar.posts.close(sidecar.card.id)
        sidecar.posts.forget(sidecar.card.id)
