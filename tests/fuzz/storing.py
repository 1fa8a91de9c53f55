"""What the targets of all three SQLite stores say in the same words."""

from __future__ import annotations

import os
from collections.abc import Callable

from peermesh.errors import DiskFull, NameTaken, StoreBroken, StoreNewer
from tests.fuzz.target import must

# What a damaged file may be met with. DiskFull, because SQLite says so when the next row's number would be too large.
OURS = (StoreBroken, StoreNewer, DiskFull)
Step = Callable[[], object]


def each(*steps: Step) -> int:
    """Take all *steps*; how many of them were refused in our words."""
    refused = 0
    for step in steps:
        try:
            step()
        except NameTaken:
            continue  # a session that runs has that name: so it is with sound files, too
        except OURS as wrong:
            must(str(wrong), "an error without a sentence")
            refused += 1
    return refused


def is_a(value: object, *kinds: type) -> None:
    """*value* is of one of *kinds*, and of no subclass."""
    must(type(value) in kinds, f"a {type(value).__name__} in the place of a {kinds[0].__name__}")


def was_set_aside(path: str | None) -> None:
    """Where a damaged file is said to be, there it is."""
    must(path is None or os.path.getsize(path) >= 0, "what was set aside is not there")


def seeds() -> list[bytes]:
    """For ``Original``: changes of each kind, in many places."""
    rows = [
        bytes([number % 4, number, 0, 0, cell % 7, 0, cell, 0, 0])
        for number in range(8)
        for cell in range(0, 42, 5)
    ]
    return [*rows, bytes(range(40)), bytes([3, 255, 7, 9, 1, 1, 200, 3, 5] * 4)]


PROMISE = "StoreBroken or StoreNewer with a sentence; what is read has its types"
WHOLE = "set aside with a word, or refused with one; never empty or new without"
