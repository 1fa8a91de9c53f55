"""A target with a bug that is not found by chance: by it the runner itself is tested."""

from __future__ import annotations

from tests.fuzz.target import Target

WORD = b"peer:boom"


def planted(data: bytes) -> None:
    """Fails behind nine bytes, of which the last four each lead to code that was not reached before."""
    if data[:5] != WORD[:5] or len(data) < len(WORD):
        return
    if data[5] != WORD[5]:
        return
    if data[6] != WORD[6]:
        return
    if data[7] != WORD[7]:
        return
    if data[8] != WORD[8]:
        return
    raise ZeroDivisionError("there")


TARGETS = (
    Target(
        "planted", planted, lambda: [b"peer:????????"], "a decoder with a bug", "never raises", longest=20
    ),
)
