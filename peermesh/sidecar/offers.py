"""A code that is shown on this host just now: a small file, by which the keeper knows what to say by mDNS."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from peermesh.sidecar.presence import alive

if TYPE_CHECKING:
    from peermesh.discovery.record import Instance, Rumour

# What an offer's record carries instead of a host's tag. Anybody may read it: it helps to find the host, and
# the code's two words are not in it.
MARK = b"pair"


def _path(root: str) -> str:
    return os.path.join(root, "offer.json")


def write(root: str, nameplate: int, port: int, pid: int) -> None:
    """The process *pid* waits at *port* for the code with that number; 0 ends it."""
    if not port:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_path(root))
        return
    offer = {"nameplate": nameplate, "port": port, "pid": pid, "instance": secrets.token_hex(8)}
    with open(f"{_path(root)}.new", "w", encoding="utf-8") as file:
        json.dump(offer, file)
    os.replace(f"{_path(root)}.new", _path(root))


def instance(root: str, version: int) -> Instance | None:
    """What mDNS is to say of the offer, while its process lives."""
    from peermesh.discovery.errors import BadRecord
    from peermesh.discovery.record import Instance

    try:
        with open(_path(root), encoding="utf-8") as file:
            offer = json.load(file)
        if not alive(int(offer["pid"])):
            return None
        mark = MARK + str(int(offer["nameplate"])).encode()
        return Instance(str(offer["instance"]), int(offer["port"]), version, mark)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, BadRecord):
        return None


def heard(rumours: Iterable[Rumour]) -> list[dict[str, Any]]:
    """The offers of other hosts."""
    found = []
    for one in rumours:
        number = one.tag.removeprefix(MARK)
        if one.tag.startswith(MARK) and number.isdigit() and len(number) <= 2 and one.port:
            found.append({"nameplate": int(number), "port": one.port, "addresses": list(one.addresses)})
    return found
