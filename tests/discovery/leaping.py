"""An event loop whose clock leaps: hours pass in no time, and nothing depends on how busy a machine is."""

from __future__ import annotations

import asyncio
import selectors


class LeapingLoop(asyncio.SelectorEventLoop):
    """Instead of waiting for the next thing that is due, its clock is set to it."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_Hasty(self))

    def time(self) -> float:
        """Seconds, which pass only when nothing is left to do."""
        return self.now


class _Hasty(selectors.DefaultSelector):
    def __init__(self, loop: LeapingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("the test waits for something that will never happen")
        self._loop.now += max(timeout, 0.0)
        return super().select(0)
