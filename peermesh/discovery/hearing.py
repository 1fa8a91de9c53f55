"""What strangers' records say, checked before the book of rumours takes it. Pure."""

from __future__ import annotations

from collections.abc import Callable

from peermesh.discovery import record as rules
from peermesh.discovery.errors import BadRecord
from peermesh.discovery.rumours import Book


class Hearing:
    """Takes raw records to *book*, except those that *ours* says are this host's own.

    One method for each kind of record, called in the order pointer, service, text, address, for the book
    fills only what a pointer has opened. Each takes the time in seconds, and none of them raises.
    *bad* counts the records under our service's name that break its rules.
    """

    def __init__(self, book: Book, ours: Callable[[str], bool]) -> None:
        self.bad = 0
        self.networks: tuple[rules.Network, ...] = ()
        self._book = book
        self._ours = ours

    def pointer(self, alias: str, ttl: float, now: float) -> None:
        """Our service has the instance *alias*, for *ttl* seconds; 0 is a goodbye."""
        instance = self._instance(alias)
        if instance is not None:
            self._book.pointer(instance, ttl, now)

    def service(self, name: str, target: str, port: int, now: float) -> None:
        """The instance *name* listens on *port* of *target*."""
        instance = self._instance(name)
        if instance is None:
            return
        try:
            self._book.service(instance, rules.target_of(target), port, now)
        except BadRecord:
            self._drop(instance)

    def text(self, name: str, raw: bytes, now: float) -> None:
        """The instance *name* has the TXT data *raw*."""
        instance = self._instance(name)
        if instance is None:
            return
        try:
            self._book.text(instance, rules.decode_text(raw), now)
        except BadRecord:
            self._drop(instance)

    def address(self, target: str, packed: bytes, zone: int, flush: bool, now: float) -> None:
        """The host *target* has the address *packed*; zone and flush as in Book.address.

        Hosts that are not of ours, and addresses that nobody may make us dial, are passed over.
        """
        try:
            host, address = rules.target_of(target), rules.address_of(packed)
        except BadRecord:
            return
        if rules.may_be_dialled(address, self.networks):
            self._book.address(host, address, zone, flush, now)

    def _instance(self, name: str) -> str | None:
        try:
            instance = rules.instance_of(name)
        except BadRecord:
            self.bad += 1
            return None
        return None if self._ours(instance) else instance

    def _drop(self, instance: str) -> None:
        self.bad += 1
        self._book.drop(instance)
