"""Names of other hosts that a person gave, turned into addresses without holding anybody up."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable
from ipaddress import ip_address

from peermesh.mesh.hosts.token import split, with_port

# A name may lead elsewhere when the network changes.
LIFE = 30.0  # seconds
# Addresses of one name, IPv4 and IPv6 in the system's order.
MOST = 4


def is_numeric(place: str) -> bool:
    """Whether *place* can be dialled as it is."""
    try:
        ip_address(split(place)[0])
    except ValueError:
        return False
    return True


async def look_up(place: str) -> tuple[str, ...]:
    """What *place* leads to, with its port; nothing if its name is not known."""
    if is_numeric(place):
        return (place,)
    host, port = split(place)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return ()
    texts = [str(address[0]) for *_, address in found]
    return tuple(dict.fromkeys(with_port(one, port) for one in texts))[:MOST]


class Resolver:
    """Remembers what names lead to; a name that is asked for is looked up in the background."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}
        self._asked: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def addresses(self, places: Iterable[str]) -> list[str]:
        """*places* with names replaced by what they lead to, as far as that is known by now."""
        found: list[str] = []
        for place in places:
            if is_numeric(place):
                found.append(place)
                continue
            self._ask(place)
            found.extend(self._known.get(place, ()))
        return list(dict.fromkeys(found))

    def _ask(self, place: str) -> None:
        now = time.monotonic()
        if now - self._asked.get(place, -LIFE) < LIFE:
            return
        self._asked[place] = now
        task = asyncio.get_running_loop().create_task(self._look_up(place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_up(self, place: str) -> None:
        self._known[place] = await look_up(place)

    def close(self) -> None:
        """Look up nothing more."""
        for task in self._tasks:
            task.cancel()
