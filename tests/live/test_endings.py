"""How processes ended that are none of ours, as far as the system tells it."""

from __future__ import annotations

import asyncio
import platform
import re
import subprocess
import sys

import pytest

from peermesh.jobs.files import start_time
from peermesh.sidecar.endings import Ending, Exit, of_zombie

from .home import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells it")

REMEMBERS = tuple(map(int, re.findall(r"\d+", platform.release())[:2])) >= (6, 15)


def waiting(words: str) -> subprocess.Popen[bytes]:
    """A process that does this when it is told to go on."""
    return subprocess.Popen(["sh", "-c", f"read x; {words}"], stdin=subprocess.PIPE)


@pytest.mark.parametrize(
    ("words", "how"),
    [("exit 7", Exit(7)), ("exit 0", Exit(0)), ("kill -SEGV $$", Exit(signal="SIGSEGV"))],
)
@pytest.mark.parametrize("reaped", [False, True])
def test_how_it_ended(words: str, how: Exit, *, reaped: bool) -> None:
    """Told while the process waits for its parent; of one that does not, by the kernels that remember it."""

    async def seen() -> Exit:
        child, told = waiting(words), asyncio.get_running_loop().create_future()
        ending = Ending(child.pid, start_time(child.pid), told.set_result)
        child.communicate(b"\n") if reaped else _go(child)
        try:
            return await asyncio.wait_for(told, 5.0)
        finally:
            ending.stop()
            child.wait()

    assert asyncio.run(seen()) == (how if REMEMBERS or not reaped else Exit())


def _go(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    child.stdin.write(b"\n")
    child.stdin.close()


def test_another_of_that_number() -> None:
    """A process with another start time is another one; and of one that runs nothing is said."""
    child = waiting("exit 3")
    begun = start_time(child.pid)
    assert of_zombie(child.pid, begun) == Exit()
    _go(child)
    until(lambda: of_zombie(child.pid, begun) == Exit(3), "its end")
    assert of_zombie(child.pid, "1") == Exit()
    child.wait()
    assert of_zombie(child.pid, begun) == Exit()
    assert not Exit().known


def test_watching_no_longer() -> None:
    """Nothing is told after that."""

    async def told() -> list[Exit]:
        child, heard = waiting("exit 3"), list[Exit]()
        Ending(child.pid, start_time(child.pid), heard.append).stop()
        _go(child)
        child.wait()
        await asyncio.sleep(0.1)
        return heard

    assert asyncio.run(told()) == []
