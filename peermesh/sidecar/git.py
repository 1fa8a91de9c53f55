"""The person's own git, asked with patience that ends."""

from __future__ import annotations

import atexit
import os
import subprocess
import time

# git answers small questions in a few milliseconds; a network file system, or a million commits, take longer.
# So long a sidecar may stand still for them, in all.
PATIENCE = 2.0  # seconds
# What takes longer goes on beside the sidecar; this ends it.
LONGEST = 120.0
SIDE = 4  # questions

# The person's own settings for git; all else of the kind (GIT_DIR, GIT_WORK_TREE, …) is about another repo,
# when a sidecar was started by a hook or an alias of git's.
_KEPT = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH")
# It writes nothing, asks nobody, fetches nothing, and takes no replaced commit for the first.
_ADDED = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
}


class TooSlow(Exception):
    """git has not answered yet; it goes on, and its answer is taken up when the same is asked again."""


class Git:
    """Asks the person's own git."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, ...], tuple[subprocess.Popen[str], float]] = {}
        atexit.register(self.close)

    def ask(self, top: str, *words: str, deadline: float) -> list[str]:
        """The lines with which git answers in the directory *top*; none if it refuses.

        Args:
            top: a directory.
            words: a command that only reads.
            deadline: monotonic seconds.

        Raises:
            TooSlow: not by then.
        """
        asked = (top, *words)
        if asked in self._running:
            process, began = self._running.pop(asked)
        else:
            started, began = self._start(top, words), time.monotonic()
            if started is None:
                return []
            process = started
        try:
            said, _ = process.communicate(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._go_on(asked, process, began)
            raise TooSlow from None
        return said.splitlines() if process.returncode == 0 else []

    def _go_on(self, asked: tuple[str, ...], process: subprocess.Popen[str], began: float) -> None:
        self._running[asked] = process, began
        while len(self._running) > SIDE:
            oldest, _ = self._running.pop(next(iter(self._running)))
            oldest.kill()
            oldest.communicate()

    @staticmethod
    def _start(top: str, words: tuple[str, ...]) -> subprocess.Popen[str] | None:
        env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _KEPT}
        try:
            return subprocess.Popen(
                ["git", "-C", top, *words],  # noqa: S607 - the person's own git
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**env, **_ADDED},
                text=True,
                errors="replace",
            )
        except (OSError, ValueError):  # there is no git, or no such directory
            return None

    def answered(self, top: str) -> bool:
        """Whether something that was too slow in *top* need be waited for no longer."""
        for (where, *_), (process, began) in self._running.items():
            if where == top:
                if time.monotonic() - began > LONGEST:
                    process.kill()
                return process.poll() is not None
        return True  # or it was ended to make room: it is asked anew

    def close(self) -> None:
        """End what still runs."""
        for process, _ in self._running.values():
            process.kill()
            process.communicate()
        self._running.clear()
