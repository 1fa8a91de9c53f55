"""Listening at one port of several addresses, which asyncio does not do when the port is to be a free one."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Sequence

# A port that is free at the first address may be taken at another.
PORT_TRIES = 5


def listen(addresses: Sequence[str] | None, port: int, backlog: int) -> list[socket.socket]:
    """Sockets that listen at *port* (0: a free one, the same for all) of *addresses*; ``None`` is every address.

    Up to *backlog* connections wait at each.

    Raises:
        OSError: that is not possible; also for no address at all.
    """
    if addresses is None:
        both = socket.has_dualstack_ipv6()
        return [_listen("::" if both else "0.0.0.0", port, backlog, both=both)]  # noqa: S104 - the caller asked for it
    if not addresses:
        raise OSError(errno.EADDRNOTAVAIL, "no address to listen at")
    for left in reversed(range(PORT_TRIES)):
        try:
            return _listen_at_all(addresses, port, backlog)
        except OSError as wrong:
            if port or wrong.errno != errno.EADDRINUSE or not left:
                raise
    raise AssertionError("the last try returns or raises")


def _listen_at_all(addresses: Sequence[str], port: int, backlog: int) -> list[socket.socket]:
    with contextlib.ExitStack() as bound:
        sockets: list[socket.socket] = []
        for address in addresses:
            sockets.append(bound.enter_context(_listen(address, port, backlog)))
            port = sockets[0].getsockname()[1]
        bound.pop_all()
    return sockets


def _listen(address: str, port: int, backlog: int, *, both: bool = False) -> socket.socket:
    flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
    family, kind, _, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=flags)[0]
    made = socket.socket(family, kind)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not both))
        made.bind(where)
        made.listen(backlog)  # here, for only this finds out whether another one listens
    except OSError:
        made.close()
        raise
    return made
