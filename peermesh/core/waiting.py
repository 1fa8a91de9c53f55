"""Messages that wait to be shown: by whom they are from, so that a crowd of one does not hide another's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import count, islice

from peermesh.core.words import Envelope, MessageId, PeerId


def place(one: Envelope) -> tuple[float, MessageId]:
    """By what messages are in order of arrival."""
    return one.arrived, one.id


@dataclass(slots=True)
class _Queue:
    """What waits of one sender. Who said it numbered it, and so it came: the order is that of the numbers."""

    fresh: dict[int, Envelope] = field(default_factory=dict)
    # What was handed out and came back: few, and nearly always before all the others.
    back: dict[int, Envelope] = field(default_factory=dict)
    served: int = 0  # when something of it was handed out last, as a count

    def __len__(self) -> int:
        return len(self.fresh) + len(self.back)

    def __iter__(self) -> Iterator[Envelope]:
        if not self.back:
            return iter(self.fresh.values())
        return merge(self.back.values(), self.fresh.values(), key=_number)

    def ends(self) -> tuple[float, float]:
        """When the first and the last of it arrived."""
        parts = [part for part in (self.fresh, self.back) if part]
        firsts = (next(iter(part.values())).arrived for part in parts)
        lasts = (next(reversed(part.values())).arrived for part in parts)
        return min(firsts), max(lasts)


def _number(one: Envelope) -> int:
    return one.id.n


class Waiting(Mapping[MessageId, Envelope]):
    """Envelopes by their ids, in order of arrival.

    What is asked at each batch takes a time that grows with the number of senders, and not of messages.
    """

    def __init__(self, envelopes: Iterable[Envelope] = ()) -> None:
        self._queues: dict[PeerId, _Queue] = {}
        self._urgent = self._unheld = self._size = 0
        self.characters = 0  # of all bodies
        self._served = count(1)
        for one in envelopes:
            self.add(one)

    # ------------------------------------------------------------ as a mapping

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[MessageId]:
        return (one.id for one in merge(*self._queues.values(), key=place))

    def __getitem__(self, ident: MessageId) -> Envelope:
        queue = self._queues[ident.peer] if ident.peer in self._queues else _Queue()
        found = queue.fresh.get(ident.n) or queue.back.get(ident.n)
        if found is None:
            raise KeyError(ident)
        return found

    # ------------------------------------------------------------ changing

    def add(self, one: Envelope) -> None:
        """One more, that has just arrived."""
        queue = self._queues.setdefault(one.id.peer, _Queue())
        queue.fresh[one.id.n] = one
        self._count(one, 1)

    def put_back(self, envelopes: Iterable[Envelope]) -> None:
        """These wait again, in their old places."""
        touched = set()
        for one in envelopes:
            queue = self._queues.setdefault(one.id.peer, _Queue())
            queue.back[one.id.n] = one
            touched.add(one.id.peer)
            self._count(one, 1)
        for peer in touched:
            queue = self._queues[peer]
            queue.back = dict(sorted(queue.back.items()))

    def take(self, one: Envelope) -> None:
        """*one* waits no longer."""
        queue = self._queues[one.id.peer]
        for part in (queue.back, queue.fresh):
            if part.pop(one.id.n, None) is not None:
                self._count(one, -1)
        queue.served = next(self._served)
        if not queue:
            del self._queues[one.id.peer]

    def _count(self, one: Envelope, by: int) -> None:
        self._size += by
        self.characters += by * one.size
        self._urgent += by * one.urgent
        self._unheld += by * (not one.held)

    def hold(self) -> list[Envelope]:
        """Hold back all that is not held back yet; these, in order of arrival.

        All are held back at once, so what is not is what came since: the last of each sender, and what came back.
        """
        if not self._unheld:
            return []
        found = [one for queue in self._queues.values() for part in _parts(queue) for one in _unheld(part)]
        if len(found) < self._unheld:  # held in another order: by an engine before this one
            found = [one for one in self.values() if not one.held]
        for one in found:
            queue = self._queues[one.id.peer]
            part = queue.back if one.id.n in queue.back else queue.fresh
            part[one.id.n] = one.keep_back()
        self._unheld = 0
        return sorted(found, key=place)

    # ------------------------------------------------------------ asking

    @property
    def urgent(self) -> bool:
        """Whether any is urgent."""
        return self._urgent > 0

    def span(self) -> tuple[float, float] | None:
        """When the first and the last of them arrived (monotonic seconds); ``None`` if there are none."""
        ends = [queue.ends() for queue in self._queues.values()]
        return (min(a for a, _ in ends), max(b for _, b in ends)) if ends else None

    def fair(self, fits: Callable[[Envelope], bool] = lambda _: True) -> Iterator[Envelope]:
        """All that *fits* lets through, in the order in which they should be handed out: of each sender one, and
        so on; first of whom nothing was handed out for longest. What one sender said stays in order.
        """
        queues = sorted(self._queues.values(), key=lambda queue: (queue.served, queue.ends()[0]))
        turns = [filter(fits, queue) for queue in queues]
        while turns:
            left = []
            for turn in turns:
                for one in islice(turn, 1):
                    yield one
                    left.append(turn)
            turns = left


def _parts(queue: _Queue) -> tuple[dict[int, Envelope], ...]:
    return queue.fresh, queue.back


def _unheld(part: dict[int, Envelope]) -> Iterator[Envelope]:
    for one in reversed(part.values()):
        if one.held:
            return
        yield one
