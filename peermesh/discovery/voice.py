"""A host's voice and ear on a network: what it says, when it asks, whom it believes for how long.

The network itself is a Wire. mdns.py has the real one; with another, all of this is tested without.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from peermesh.discovery.hearing import Hearing
from peermesh.discovery.interfaces import Attachment
from peermesh.discovery.pace import Questions, Speeches
from peermesh.discovery.record import Address, Instance, Rumour, target_name
from peermesh.discovery.rumours import LONGEST_LIFE, Book

# Names in a question that need not be answered: eight packets full.
MAX_KNOWN = 300
# The pauses before each goodbye, in seconds. Three, because packets get lost.
GOODBYES = (0.0, 0.125, 0.125)
# One more, for an answer that was under way when the instance left goes out up to 1.3 s later.
LAST_GOODBYE = 1.25
# After a change the caller is left alone so long, in seconds: strangers must not keep it busy.
REST = 0.25
# The wall clock moved so far against the other one, in seconds: the machine slept, and missed what was
# said. Being set by hand or by NTP looks the same, and costs one question.
SLEPT = 30.0


class Wire(Protocol):
    """What a Voice needs of a network."""

    def look(self) -> Attachment:
        """How this machine hangs on its networks at this moment."""

    async def open(self, attached: Attachment, ear: Hearing, told: Callable[[], None]) -> None:
        """Begin to listen, and call *told* after each packet's records were given to *ear*.

        Raises DiscoveryUnavailable.
        """

    async def announce(self, instance: Instance, host: str, addresses: Sequence[Address]) -> Awaitable[None]:
        """Answer for *instance* from now on, or anew; and what will have said so to all a few times."""

    def withdraw(self, name: str) -> None:
        """Answer for the instance *name* no more."""

    def goodbye(self, names: Collection[str]) -> None:
        """Say once that these instances are gone."""

    def ask(self, known: Sequence[tuple[str, float]]) -> None:
        """Ask by multicast who is there; those *known*, with seconds left, need not answer."""

    async def follow(self, attached: Attachment, new: Collection[str]) -> bool:
        """Listen where *attached* says, and afresh at the addresses *new*; whether a place was added.

        Where one was, everything that is answered for has been announced again.
        """

    async def close(self) -> None:
        """Stop listening, and leave nothing behind."""


@dataclass(frozen=True, slots=True)
class Health:
    """How it fares, for `peer doctor`."""

    interfaces: tuple[str, ...]
    published: int
    rumours: int
    bad: int  # records under our service's name that break its rules
    refused: int  # instances that came when the book of rumours was full


class Voice:
    """The voice and ear of this host on the network of *wire*, in the caller's running loop.

    *on_change*: called in the loop, without arguments, when rumours() has changed; at once, but then
    not again for a quarter of a second. It must not raise.

    Methods may be called from several tasks; they wait for each other.
    """

    def __init__(self, wire: Wire, on_change: Callable[[], None] | None = None) -> None:
        self._wire = wire
        self._on_change = on_change
        self._told = 0
        self._resting: asyncio.TimerHandle | None = None
        self._running = False
        self._host = target_name(secrets.token_hex(8))
        self._published: dict[str, Instance] = {}
        self._speeches = Speeches()
        self._questions = Questions(self._ask)
        self._book = Book()
        self._ear = Hearing(self._book, self._is_ours)
        self._attached = Attachment(())
        self._offset = 0.0
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Begin to listen, and to ask who is there. A second call does nothing.

        Raises DiscoveryUnavailable, with the reason, when there is no network or another program keeps
        the port to itself. It may be called again later.
        """
        async with self._turn:
            if self._running:
                return
            self._attach()
            await self._wire.open(self._attached, self._ear, self._tell)
            self._running = True
            self._slept()
            self._questions.again()

    async def publish(self, instances: Collection[Instance]) -> None:
        """Advertise exactly *instances*: new and changed ones are announced, gone ones say goodbye.

        Raises RuntimeError before start() and after close().
        """
        async with self._turn:
            self._must_run()
            wanted = {instance.name: instance for instance in instances}
            for name in [name for name in self._published if name not in wanted]:
                del self._published[name]
                self._wire.withdraw(name)
                self._speeches.begin(name, self._goodbyes(name))
            for name, instance in wanted.items():
                if self._published.get(name) != instance:
                    await self._announce(instance)

    async def bury(self, names: Collection[str]) -> None:
        """Say goodbye for instances of this host that cannot: their responder was killed.

        Those that are published now are left alone. Raises RuntimeError before start() and after close().
        """
        async with self._turn:
            self._must_run()
            for name in set(names) - set(self._published):
                self._speeches.begin(name, self._goodbyes(name))

    def rumours(self) -> list[Rumour]:
        """What others advertise, by name; never this host's own. At most 1,024.

        One who was killed stays among them for up to 75 minutes, unless doubt() is called.
        """
        return self._book.rumours(time.monotonic())

    def doubt(self, instance: str) -> None:
        """Nobody answered there: ask again, and forget *instance* if it is not heard in ten seconds."""
        self._book.doubt(time.monotonic(), instance)
        if self._running:
            self._questions.again()

    async def follow_interfaces(self) -> None:
        """Look at the interfaces and go on from there; to be called about every five seconds.

        Nothing tells us that a cable came or that the machine slept. If so, we join, announce and ask
        anew, and forget whoever is not heard within ten seconds. It then takes half a second.

        Raises RuntimeError before start() and after close().
        """
        async with self._turn:
            self._must_run()
            before = self._attached
            self._attach()
            moved, slept = self._attached != before, self._slept()
            new = {address for _, address in self._attached.numbered() - before.numbered()}
            joined = await self._wire.follow(self._attached, new)
            if (moved or slept) and not joined:
                for instance in list(self._published.values()):
                    await self._announce(instance)
            if moved or slept or joined:
                self._book.doubt(time.monotonic())
                self._questions.again()
            self._book.tidy(time.monotonic())
            self._tell()

    def health(self) -> Health:
        """Interfaces and counts, as they are now."""
        names = tuple(adapter.name for adapter in self._attached.adapters)
        return Health(names, len(self._published), len(self.rumours()), self._ear.bad, self._book.refused)

    async def close(self) -> None:
        """Say goodbye for all instances and end, in a quarter of a second. A second call does nothing."""
        async with self._turn:
            if not self._running:
                return
            self._running = False
            self._questions.stop()
            if self._resting is not None:
                self._resting.cancel()
                self._resting = None
            try:
                await self._speeches.stop()
                await self._last_words()
            finally:
                await self._wire.close()

    async def _last_words(self) -> None:
        names = list(self._published)
        for name in names:
            self._wire.withdraw(name)
        self._published.clear()
        for pause in GOODBYES if names else ():
            await asyncio.sleep(pause)
            self._wire.goodbye(names)

    async def _announce(self, instance: Instance) -> None:
        speech = await self._wire.announce(instance, self._host, self._attached.addresses())
        self._published[instance.name] = instance
        self._speeches.begin(instance.name, speech)

    async def _goodbyes(self, name: str) -> None:
        for pause in (*GOODBYES, LAST_GOODBYE):
            await asyncio.sleep(pause)
            self._wire.goodbye([name])

    def _ask(self) -> None:
        # Ours too are known: we hear ourselves, and would answer.
        ours = [(name, LONGEST_LIFE) for name in self._published]
        self._wire.ask((ours + self._book.known(time.monotonic()))[:MAX_KNOWN])

    def _is_ours(self, name: str) -> bool:
        # Also one that left a moment ago, while its goodbyes are said: we hear ourselves.
        return name in self._published or name in self._speeches

    def _attach(self) -> None:
        self._attached = self._wire.look()
        self._ear.networks = self._attached.networks()

    def _slept(self) -> bool:
        before, self._offset = self._offset, time.time() - time.monotonic()
        return abs(self._offset - before) > SLEPT

    def _tell(self) -> None:
        if self._book.edition == self._told or self._resting is not None:
            return
        self._told = self._book.edition
        self._resting = asyncio.get_running_loop().call_later(REST, self._rested)
        if self._on_change is not None:
            self._on_change()

    def _rested(self) -> None:
        self._resting = None
        self._tell()

    def _must_run(self) -> None:
        if not self._running:
            raise RuntimeError("the responder is not running: start() comes first, close() last")
