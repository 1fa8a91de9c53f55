"""What happened in a run, in order: the one thing that the checker is given."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Journal:
    """Entries, each with its kind; ``at``, ``began`` and ``ended`` are monotonic seconds. Safe from many threads."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def add(self, kind: str, **about: Any) -> None:
        """Note something."""
        with self._lock:
            self._entries.append({"kind": kind, "at": time.monotonic(), **about})

    def entries(self, *kinds: str) -> list[Entry]:
        """What was noted so far, of these kinds or all."""
        with self._lock:
            return [one for one in self._entries if not kinds or one["kind"] in kinds]

    def write(self, path: Path) -> None:
        """One line of JSON for each entry, times from the run's begin."""
        with path.open("w", encoding="utf-8") as file:
            for one in self.entries():
                since = {k: round(one[k] - self.began, 3) for k in ("at", "began", "ended") if k in one}
                file.write(json.dumps({**one, **since}) + "\n")
