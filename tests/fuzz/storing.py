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


def holds_or_tells(aside: str | None, is_empty: Callable[[], bool], use: Callable[[], object]) -> None:
    """A store that opened after damage holds something, or says that the file was set aside; and a new file works.

    Args:
        aside: where the damaged file is said to be.
        is_empty: whether the store holds nothing; may raise what a store may.
        use: reads and writes; true if something was refused.
    """
    must(aside is None or os.path.getsize(aside) >= 0, "what was set aside is not there")
    try:
        empty = is_empty()
    except OURS:
        empty = False
    must(aside or not empty, "it is empty without a word")
    refused = use()
    must(not (aside and refused), "what took a damaged file's place is refused")


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
