"""One thing that `peer doctor` found."""

from __future__ import annotations

from typing import Any

Finding = dict[str, Any]


def finding(grade: str, what: str, words: str, do: str = "") -> Finding:
    """Something seen: *grade* is ``fine``, ``note`` or ``wrong``; *do* says what to do about it."""
    return {"grade": grade, "what": what, "words": words, "do": do}
