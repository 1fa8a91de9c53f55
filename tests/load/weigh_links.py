"""What links take while frames go through, and give back when they are closed; run by test_memory.py, as a process whose
memory is its own.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile

from peermesh.core.links import MANY
from peermesh.mesh.links import Dealers, Router, end_context, make_context
from peermesh.sidecar.heap import arrange

LINKS = 40
FRAME = b"x" * 300
FIRST = 4  # frames each way that are no growth yet: a greeting, and what first touches the buffers


def resident() -> int:
    """KB that this process has for itself."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return sum(int(row.split()[1]) for row in file if row.startswith("Private_"))


async def _weigh(folder: str) -> tuple[int, int]:
    """KB by which links grew until they brought as many frames as one may, and that they gave back then."""
    context = make_context()
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    routers: list[Router] = []
    for n in range(LINKS):
        routers.append(
            Router(context, f"{folder}/{n}", lambda route, data, n=n: routers[n].send(route, data))
        )
    dealers = Dealers[int](context, lambda _, data: answers.put_nowait(data), lambda _: None)
    for n in range(LINKS):
        dealers.dial(n, f"{folder}/{n}")

    async def talk(frames: int) -> None:
        for _ in range(frames):
            for n in range(LINKS):
                dealers.send(n, FRAME)
            async with asyncio.timeout(20):
                for _ in range(LINKS):
                    await answers.get()

    await talk(FIRST)
    before = resident()
    await talk(MANY - FIRST)
    full = resident()
    for n in range(LINKS):
        dealers.hang_up(n)
    await asyncio.sleep(0.5)
    closed = resident()
    dealers.close()
    for router in routers:
        router.close()
    end_context(context)
    return full - before, full - closed


def main() -> None:
    """Print both, in KB for each link; with the argument "arranged" as in a sidecar."""
    if "arranged" in sys.argv:
        assert arrange()
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        grew, gave = asyncio.run(_weigh(folder))
    print(grew / LINKS, gave / LINKS)


if __name__ == "__main__":
    main()
