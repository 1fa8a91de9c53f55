"""When to ask a network who is there, and what is being said to it at the moment.

Timers and tasks of the running loop; the words themselves are given by the caller.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

# RFC 6762, 5.2: the first question waits 20 to 120 ms, so that hosts that wake together do not ask
# together; the next comes a second later, and then each pause is twice the last one. In seconds.
FIRST_PAUSE = (0.02, 0.12)
SECOND_PAUSE = 1.0
# A quarter of an hour: who lives 75 minutes is asked for at least twice between the half and the end.
LONGEST_PAUSE = 900.0


class Questions:
    """Calls *ask* in growing pauses, from the first again() until stop()."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._pause = SECOND_PAUSE
        self._asked = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def again(self) -> None:
        """Ask now, as if for the first time; not sooner than a second after the last question."""
        wait = self._asked + SECOND_PAUSE - time.monotonic()
        self._pause = SECOND_PAUSE
        self._in(max(wait, random.uniform(*FIRST_PAUSE)))  # noqa: S311 - no secret

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _in(self, seconds: float) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._now)

    def _now(self) -> None:
        self._asked = time.monotonic()
        self._in(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._ask()


class Speeches:
    """What is being said about each name, several times over: the newest speech ends the one before."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Future[None]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def begin(self, name: str, speech: Awaitable[None]) -> None:
        """Let *speech* go on by itself, in place of what was being said about *name*."""
        before = self._running.get(name)
        if before is not None:
            before.cancel()
        future = asyncio.ensure_future(speech)
        self._running[name] = future
        future.add_done_callback(lambda done: self._ended(name, done))

    async def stop(self) -> None:
        """End all of them, in the middle of a word."""
        running = list(self._running.values())
        for speech in running:
            speech.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, name: str, done: asyncio.Future[None]) -> None:
        if self._running.get(name) is done:
            del self._running[name]
