"""Somebody who talks all the time, and the proof that all of it arrived: in order, exactly once."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from peermesh import config
from peermesh.door.client import knock
from peermesh.errors import PeerError

from .hosts import Host, until

PACE = 0.01  # seconds between two messages, beside what each takes
MOST = 480  # so many does one talk have at most: a door lists no more than 500
ALL = 20.0  # seconds in which what was said arrives, once nothing is broken any more


class Talk:
    """Says numbered texts, at most ``MOST``, until it is left or the sender's sidecar dies; the door has answered for each in ``said``.

    Args:
        host: where the sender is.
        session: who says it.
        to: to whom.
        word: what the texts begin with.
    """

    def __init__(self, host: Host, session: str, to: str, word: str = "talk") -> None:
        self.said: list[str] = []
        self.broken = False  # the sender's sidecar was killed while it talked
        self._host, self._session, self._to, self._word = host, session, to, word
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.until(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(15)

    def until(self, count: int) -> None:
        """Wait until so many more were said."""
        goal = min(MOST, len(self.said) + count)
        until(lambda: self.broken or len(self.said) >= goal, f"{count} more of {self._session}'s messages")

    def _run(self) -> None:
        door = knock(config.session_link(str(self._host.home / "p"), self._session))
        try:
            while door is not None and not self._stop.is_set() and len(self.said) < MOST:
                text = f"{self._word} {len(self.said)}"
                door.ask("send", timeout=10, to=self._to, body=text)
                self.said.append(text)
                time.sleep(PACE)
        except (OSError, PeerError) as wrong:
            self.broken = True
            print(f"{self._session} stopped talking after {len(self.said)}: {wrong!r}")
        finally:
            self.broken = self.broken or door is None
            if door is not None:
                door.close()


def arrived(host: Host, session: str, said: list[str], timeout: float = ALL, *, more: int = 0) -> float:
    """Wait until all of *said* is there, in order and once each; how long that took, in seconds.

    *more* texts may follow of which the sender did not hear whether they were taken.
    """
    began = time.monotonic()
    try:
        until(lambda: len(host.inbox(session)) >= len(said), f"{len(said)} messages", timeout)
    finally:
        took = time.monotonic() - began
        print(f"{session} on {host.name}: {len(host.inbox(session))} of {len(said)} after {took:.1f} s")
    time.sleep(0.3)  # what is repeated comes now
    got = host.inbox(session)
    assert got[: len(said)] == said
    assert len(got) <= len(said) + more, got[len(said) :]
    return took


def all_safe(host: Host, session: str) -> None:
    """The sender knows that it arrived, too."""
    until(
        lambda: "queued" not in host.sent(session).values(),
        f"{session} on {host.name} to know that all is safe",
    )
