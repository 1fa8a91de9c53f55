"""A process with one Responder, for a host of a test's network: commands come in as lines of JSON.

    ["start", interfaces or null] ["publish", [[name, port, tag as hex], …]] ["bury", [name, …]]
    ["rumours"] ["until", {"has": name} or {"lacks": name}, seconds] or the same with {"port": [name, port]} or {"address": [name, [address, …]]}
    ["doubt", name] ["follow"] ["health"] ["life", seconds] ["pause", seconds] ["quiet"] ["memory"] ["close"]

Each is answered by a line of JSON: ["ok", result] or ["error", kind, message]. Times are of the monotonic
clock, which all processes of a machine share. With a second argument the process takes it as its own
host name first, in a namespace of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import socket
import sys
import threading
import time
from typing import Any

from peermesh.discovery import rumours
from peermesh.discovery.mdns import Responder
from peermesh.discovery.record import Instance

# From sched.h: a namespace for the host's name.
CLONE_NEWUTS = 0x04000000
VERSION = 1


class _Speaker:
    """Answers the commands, one after the other."""

    def __init__(self) -> None:
        self.responder: Responder | None = None
        self.changed = asyncio.Event()

    async def answer(self, verb: str, *arguments: Any) -> Any:
        return await getattr(self, f"do_{verb}")(*arguments)

    async def do_start(self, interfaces: list[str] | None = None) -> float:
        self.responder = Responder(interfaces, self.changed.set)
        began = time.monotonic()
        await self.responder.start()
        return time.monotonic() - began

    async def do_publish(self, instances: list[list[Any]]) -> float:
        wanted = [Instance(name, port, VERSION, bytes.fromhex(tag)) for name, port, tag in instances]
        began = time.monotonic()
        await self._running.publish(wanted)
        return began

    async def do_bury(self, names: list[str]) -> None:
        await self._running.bury(names)

    async def do_rumours(self) -> list[list[Any]]:
        told = self._running.rumours() if self.responder else []
        return [[r.instance, list(r.addresses), r.port, r.version, r.tag.hex()] for r in told]

    async def do_until(self, wanted: dict[str, Any], seconds: float) -> float:
        """The time at which what is wanted was so; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not self._is_so(wanted):
                self.changed.clear()
                # What ends by its time changes without a word, what changes often with few: look too.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), 0.005)
        return time.monotonic()

    async def do_doubt(self, name: str) -> float:
        self._running.doubt(name)
        return time.monotonic()

    async def do_life(self, seconds: float) -> None:
        """How long one who is doubted has to speak up."""
        rumours.DOUBT = seconds

    async def do_follow(self) -> float:
        began = time.monotonic()
        await self._running.follow_interfaces()
        return time.monotonic() - began

    async def do_health(self) -> list[Any]:
        health = self._running.health()
        return [list(health.interfaces), health.published, health.rumours, health.bad, health.refused]

    async def do_pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def do_quiet(self) -> None:
        """Returns when every packet that has come was read."""
        while any(_udp_queues()):  # noqa: ASYNC110 - the kernel sets no event
            await asyncio.sleep(0.001)

    async def do_memory(self) -> float:
        """Proportional set size in MB."""
        return _memory()

    async def do_close(self) -> dict[str, float]:
        """How long it took, and what is left over: tasks, threads and sockets besides our own."""
        began = time.monotonic()
        await self._running.close()
        took = time.monotonic() - began
        await asyncio.sleep(0)
        return {
            "took": took,
            "tasks": len(asyncio.all_tasks()) - 1,
            "threads": threading.active_count() - 1,
            "sockets": len(_udp_queues()),
        }

    @property
    def _running(self) -> Responder:
        assert self.responder is not None
        return self.responder

    def _is_so(self, wanted: dict[str, Any]) -> bool:
        told = {rumour.instance: rumour for rumour in self._running.rumours()}
        [(what, value)] = wanted.items()
        if what == "has":
            return value in told
        if what == "lacks":
            return value not in told
        found = told.get(value[0])
        if found is None:
            return False
        return bool((found.port if what == "port" else list(found.addresses)) == value[1])


def _memory() -> float:
    with open("/proc/self/smaps_rollup", encoding="ascii") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _udp_queues() -> list[int]:
    """For each socket of this process on the port of mDNS, how many bytes wait in it."""
    mine = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_link(fd)}
    found = []
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with open(table, encoding="ascii") as lines:
            rows = [line.split() for line in lines][1:]
        ours = [row for row in rows if row[1].endswith(":14E9") and f"socket:[{row[9]}]" in mine]
        found += [int(row[4].partition(":")[2], 16) for row in ours]
    return found


def _is_link(fd: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{fd}")


async def main() -> None:
    """Answer commands until there are no more."""
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 60.0  # A busy machine is no fault of ours.
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    speaker = _Speaker()
    while line := await lines.readline():
        try:
            answer = ["ok", await speaker.answer(*json.loads(line))]
        except Exception as error:  # noqa: BLE001 - told to the test, which knows what it expects
            answer = ["error", type(error).__name__, str(error)]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    logging.basicConfig()  # What a library logs would be seen in words().
    if len(sys.argv) > 1:
        ctypes.CDLL(None).unshare(CLONE_NEWUTS)
        socket.sethostname(sys.argv[1])
    asyncio.run(main())
