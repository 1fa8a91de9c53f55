"""What the panel costs: its processor time when nothing happens, and at 100 events a second."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import threading
import time

from invented import World

from peermesh.ui.app import PeerApp

SIZES = ((80, 24), (160, 50))
SPAN = float(os.environ.get("BENCH_PANEL", "10"))  # seconds
RATE = 100  # events a second
SETTLE = 3.0  # seconds: opening is neither of the two
# A key is answered when what it changes stands on the screen.
PRESSES = 10


def rain(world: World, ended: threading.Event) -> None:
    """Let events happen until it is *ended*, a tenth of them messages."""
    began, n = time.monotonic(), 0
    while not ended.is_set():
        if n % 10:
            world.happens("edit", "checkout", path=f"src/pay/{n:06}.ts", text="feature/checkout")
        else:
            world.happens("message", "dashboard", to="pat", what="message", text=f"the {n}th thing to say")
        n += 1
        time.sleep(max(0.0, began + n / RATE - time.monotonic()))


async def measured(size: tuple[int, int], *, busy: bool) -> tuple[float, list[float]]:
    """Processor seconds in each second, and how long keys waited, in seconds."""
    world, ended = World(), threading.Event()
    app = PeerApp(world.connect, world.knock, {"cwd": "/"})
    async with app.run_test(size=size) as pilot:
        await pilot.press("2")
        if busy:
            threading.Thread(target=rain, args=(world, ended), daemon=True).start()
        await asyncio.sleep(SETTLE)
        began, used = time.monotonic(), time.process_time()
        await asyncio.sleep(SPAN)
        share = (time.process_time() - used) / (time.monotonic() - began)
        waits = [await answered(app, key) for key in ("up", "up", "down") * PRESSES]
        ended.set()
    return share, waits


async def answered(app: PeerApp, key: str) -> float:
    """How long *key* waits until the cursor has moved."""
    moved, pane = asyncio.Event(), app.panel.pane()
    go = pane.go
    pane.go = lambda at: (go(at), moved.set())  # type: ignore[method-assign, assignment]
    began = time.monotonic()
    app.simulate_key(key)
    await asyncio.wait_for(moved.wait(), 10.0)
    waited = time.monotonic() - began
    pane.go = go  # type: ignore[method-assign]
    await asyncio.sleep(0.037)  # not in step with the drawing
    return waited


def main() -> None:
    """Print the table. What makes the events counts too: it is part of the same process."""
    print(f"| terminal | quiet | at {RATE} events a second | a key then waits, median, worst |")
    print("|---|---|---|---|")
    for size in SIZES:
        quiet, _ = asyncio.run(measured(size, busy=False))
        busy, waits = asyncio.run(measured(size, busy=True))
        worst = f"{statistics.median(waits) * 1_000:.0f} ms, {max(waits) * 1_000:.0f} ms"
        print(
            f"| {size[0]} by {size[1]} | {quiet:.1%} of a core | {busy:.1%} of a core | {worst} |", flush=True
        )


if __name__ == "__main__":
    sys.exit(main())
