"""What a checker found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Findings:
    """What the checker found: ``wrong`` breaks a promise, the rest is counted."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, words: str) -> None:
        """A broken promise."""
        self.counts[kind] += 1
        self.wrong.append(f"{kind}: {words}")

    def kinds(self) -> set[str]:
        """What kinds of promises were broken."""
        return {one.partition(":")[0] for one in self.wrong}
