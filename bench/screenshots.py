"""Draws the panel's pictures in docs/screenshots from invented values: ``python bench/screenshots.py``."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Sequence

from invented import World

from peermesh.ui.app import PeerApp

HERE = os.path.dirname(os.path.abspath(__file__))
PLACE = os.path.join(os.path.dirname(HERE), "docs", "screenshots")

# A picture's name, and the keys that lead to it. On a large terminal all lists are shown at once; "z" makes
# them one.
SMALL = {
    "sessions": ("1",),
    "feed": ("2", "up", "up"),
    "claims": ("3",),
    "tasks": ("4",),
    "jobs": ("5",),
    "read": ("2", *("up",) * 12, "enter"),
    "reply": ("2", "up", "r", *"Both?"),
    "filter": ("2", "f"),
    "keys": ("question_mark",),
}
LARGE = {
    "all": ("2", "up"),
    "sessions": ("z", "1"),
    "feed": ("z", "2", "up"),
    "claims": ("z", "3"),
    "tasks": ("z", "4"),
    "jobs": ("z", "5"),
}


async def picture(size: tuple[int, int], keys: Sequence[str]) -> str:
    """The screen as SVG after *keys* were pressed."""
    world = World()
    app = PeerApp(world.connect, world.knock, {"cwd": "/"})
    async with app.run_test(size=size) as pilot:
        while not app.panel.model.items:
            await pilot.pause(0.05)
        for key in keys:
            await pilot.press(key)
        await pilot.pause(0.4)
        return tidy(app.export_screenshot(title="peer ui"))


def tidy(svg: str) -> str:
    """The same without fonts that a reader's program would fetch from elsewhere."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code, monospace", "font-family: monospace")
    return re.sub(r"[ \t]+$", "", svg.replace("Fira Code", "monospace"), flags=re.MULTILINE)


def main() -> None:
    """Write them all, or those whose names are given."""
    os.makedirs(PLACE, exist_ok=True)
    os.environ.pop("NO_COLOR", None)
    for size, pictures in (((80, 24), SMALL), ((160, 50), LARGE)):
        for name, keys in pictures.items():
            path = os.path.join(PLACE, f"{name}-{size[0]}x{size[1]}.svg")
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            svg = asyncio.run(picture(size, keys))
            with open(path, "w", encoding="utf-8") as file:
                file.write(svg)
            print(os.path.relpath(path))


if __name__ == "__main__":
    main()
