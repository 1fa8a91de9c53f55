"""Coming in by an invitation: the inviter's addresses are tried at once, the first that answers counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peermesh import config
from peermesh.core.clean import clean, line
from peermesh.errors import BadFrame, InviteRefused, NotReached, PeerError, by_code
from peermesh.mesh.hosts.curve import Dialler
from peermesh.mesh.hosts.token import with_port
from peermesh.mesh.hosts.wire import Join, Joined, No, decode, encode

if TYPE_CHECKING:
    from peermesh.mesh.links import Context
# The inviter answers in milliseconds; a VPN that wakes needs longer.
PATIENCE = 8.0  # seconds
# Where nobody listens that is told within a round trip.
AT_ONCE = 0.5
PAUSE = 0.3
# How a dialler's reason begins when the other side does not want us; and when it does not know our key, which
# means that no invitation is open.
REFUSED = "refused:"
UNKNOWN = "refused: it does not trust"


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The inviter took us in."""

    name: str  # what it calls itself
    addresses: tuple[str, ...]  # with ports, the one that answered first


class Joining:
    """One attempt to use an invitation.

    Args:
        context: this process's.
        keys: ours.
        server: the inviter's public key.
        endpoints: where it may be.
        secret: the invitation's.
        done: called once, with how it ended.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that an invitation says, and who asks
        self,
        context: Context,
        keys: tuple[bytes, bytes],
        server: bytes,
        endpoints: Sequence[str],
        secret: bytes,
        done: Callable[[Welcomed | PeerError], None],
    ) -> None:
        self._done: Callable[[Welcomed | PeerError], None] | None = done
        self._context, self._keys, self._server = context, keys, server
        self._why = dict.fromkeys(endpoints, "no answer")
        self._open = set(endpoints)
        self._diallers: dict[str, Dialler] = {}
        self._join = encode(Join(secret, config.host_name(), 0, ()))
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(PATIENCE, self._late)
        for where in endpoints:
            self._dial(where)

    def _dial(self, where: str) -> None:
        if self._done is None:
            return
        began = self._loop.time()
        self._diallers[where] = Dialler(
            self._context,
            self._keys,
            server=self._server,
            endpoint=f"tcp://{where}",
            received=lambda data: self._heard(where, data),
            lost=lambda why: self._lost(where, why, self._loop.time() - began),
        )
        self._diallers[where].send(self._join)

    def _heard(self, where: str, data: bytes) -> None:
        try:
            frame = decode(data)
        except BadFrame as wrong:
            self._lost(where, str(wrong), 0.0)
            return
        if isinstance(frame, Joined):
            own = tuple(with_port(one, frame.port) for one in frame.addresses) if frame.port else ()
            self._end(Welcomed(frame.name, tuple(dict.fromkeys((where, *own)))))
        elif isinstance(frame, No):
            self._end(by_code(frame.code, f"the inviting host refused: {line(clean(frame.why), 300)}"))

    def _lost(self, where: str, why: str, after: float) -> None:
        """An address led nowhere; if that took a while, the line may be dead for a moment only."""
        self._why[where] = why
        if after > AT_ONCE and not why.startswith(REFUSED):
            self._loop.call_later(PAUSE, self._dial, where)
            return
        self._open.discard(where)
        if not self._open:
            self._late()

    def _late(self) -> None:
        if any(why.startswith(UNKNOWN) for why in self._why.values()):
            self._end(
                InviteRefused(
                    "the inviting host takes no invitation now: this one was used, is older than ten minutes, or "
                    "was tried with wrong ones too often. Make a new one there: peer invite"
                )
            )
            return
        tried = "; ".join(f"{where}: {why}" for where, why in self._why.items())
        self._end(
            NotReached(
                f"the inviting host was not reached ({tried}). Is it on this network, may TCP come in at that port "
                "there, and is the invitation fresh? Nothing listens there any more if it was used or is too old"
            )
        )

    def _end(self, how: Welcomed | PeerError) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        self._timer.cancel()
        for dialler in self._diallers.values():
            dialler.close()
        done(how)
