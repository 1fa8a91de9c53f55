"""Who at the door waits to hear what became of messages, or for an answer to one."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from peermesh.core.script import MoveOut, SayAnswer, Token
from peermesh.core.words import MessageId, PeerId, State, further


@dataclass(slots=True)
class Watch:
    """One question: how far these messages of ours got. Times are monotonic seconds."""

    token: Token
    wait: State
    deadline: float
    answer: bool  # for an answer to them, not for a state
    states: dict[int, tuple[PeerId, State, str]]
    _short: int = 0  # how many have not got as far as was asked: to count them at each step would be a square
    refused: bool = False  # whether any was: nothing more to wait for

    def __post_init__(self) -> None:
        self._short = sum(not self._enough(state) for _, state, _ in self.states.values())
        self.refused = any(state is State.REFUSED for _, state, _ in self.states.values())

    @property
    def reached(self) -> bool:
        """Whether all got as far as was asked; a refused one gets no further."""
        return not self._short

    def _enough(self, state: State) -> bool:
        return state is self.wait or further(state, self.wait)

    def advance(self, move: MoveOut) -> None:
        """Take note of a change."""
        for n in move.ns:
            if n in self.states:
                peer, state, why = self.states[n]
                if further(move.state, state) and move.by in ("", peer):
                    self.states[n] = (peer, move.state, move.why or why)
                    self._short -= self._enough(move.state) - self._enough(state)
                    self.refused = self.refused or move.state is State.REFUSED


class Watches:
    """All questions of one peer that are still open, found by message and by deadline."""

    def __init__(self, me: PeerId) -> None:
        self._me = me
        self._open: dict[Token, Watch] = {}
        self._by_n: dict[int, Watch] = {}
        self._deadlines: list[tuple[float, Token]] = []

    def __len__(self) -> int:
        return len(self._open)

    def add(self, watch: Watch) -> Iterator[SayAnswer]:
        """Open a question; it may be answered already."""
        self._open[watch.token] = watch
        for n in watch.states:
            self._by_n[n] = watch
        heapq.heappush(self._deadlines, (watch.deadline, watch.token))
        if not watch.answer and watch.reached:
            yield self._close(watch)

    def moved(self, move: MoveOut) -> Iterator[SayAnswer]:
        """Messages of ours moved: answer whom that satisfies."""
        for token in dict.fromkeys(self._by_n[n].token for n in move.ns if n in self._by_n):
            watch = self._open[token]
            watch.advance(move)
            if watch.refused or (watch.reached and not watch.answer):
                yield self._close(watch)

    def answered(self, message: MessageId) -> SayAnswer | None:
        """Whoever waits for an answer to *message* of ours gets it, if there is one; what it would be told without."""
        watch = self._by_n.get(message.n) if message.peer == self._me else None
        return self._close(watch) if watch is not None and watch.answer else None

    def late(self, now: float) -> Iterator[SayAnswer]:
        """Answer those whose time is over with how far it got."""
        while self._deadlines and self._deadlines[0][0] <= now:
            _, token = heapq.heappop(self._deadlines)
            watch = self._open.get(token)
            if watch is not None:
                yield self._close(watch)

    def _close(self, watch: Watch) -> SayAnswer:
        self.drop(watch.token)
        rows = tuple((MessageId(self._me, n), *row) for n, row in sorted(watch.states.items()))
        return SayAnswer(watch.token, rows, reached=watch.reached and not watch.refused and not watch.answer)

    def drop(self, token: Token) -> None:
        """Nobody waits for this any more."""
        watch = self._open.pop(token, None)
        if watch is not None:
            for n in watch.states:
                del self._by_n[n]

    def deadline(self) -> float | None:
        """When the next one's time is over."""
        while self._deadlines and self._deadlines[0][1] not in self._open:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def without(self, failed: Collection[Token]) -> Watches:
        """The same questions, but for those that are answered otherwise."""
        for token in failed:
            self.drop(token)
        return self
