"""Waiting inside an event loop, without a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def turned(true: Callable[[], bool]) -> None:
    """Let the loop turn until that is so."""
    for _ in range(10_000):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("the door did not get so far")
