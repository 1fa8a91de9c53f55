"""What a target is, and what all of them promise in the same words."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# What a reader cannot see, or what would move a terminal's cursor.
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder under test.

    Args:
        name: one word, the name of its corpus.
        run: is given any bytes; raises whatever breaks the contract.
        seeds: makes the inputs to begin with.
        reads: what it decodes, for people.
        promise: the contract, for people.
        longest: bytes of one input.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    reads: str
    promise: str
    longest: int = 2_048


def must(true: object, what: str) -> None:
    """The contract says so."""
    if not true:
        raise AssertionError(what)


def one_line(text: object, limit: int, what: str) -> None:
    """*text* is one line of at most *limit* characters that a person can look at."""
    must(isinstance(text, str), f"{what} is no text")
    assert isinstance(text, str)
    must(len(text) <= limit, f"{what} has {len(text)} characters")
    must(text.isprintable(), f"{what} cannot be printed: {text[:80]!r}")


def visible(text: str, what: str) -> None:
    """*text* holds nothing that a reader cannot see, but for the ends of lines and tabs."""
    for one in text:
        must(one in "\n\t" or unicodedata.category(one) not in HIDDEN, f"{what} holds {one!r}")
