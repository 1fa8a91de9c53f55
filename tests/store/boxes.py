"""Mailboxes, host stores and cards for tests, closed when the test ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peermesh.core.words import Card, Message, MessageId
from peermesh.store.host import HostStore
from peermesh.store.mailbox import Mailbox

ANN, BOB, CLEO = "aaaaaaaa", "bbbbbbbb", "cccccccc"
CLOCK = 1_700_000_000.0


class Births:
    """Counts mailboxes, as the shared file does."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        """One more."""
        self.count += 1
        return self.count


@contextmanager
def mailbox(directory: Path, births: Births | None = None) -> Iterator[Mailbox]:
    """Ann's mailbox in *directory*."""
    box = Mailbox(str(directory), ANN, births or Births())
    try:
        yield box
    finally:
        box.close()


@contextmanager
def host(root: Path) -> Iterator[HostStore]:
    """The shared file in *root*."""
    store = HostStore(str(root), "desk")
    try:
        yield store
    finally:
        store.close()


def card(peer: str, name: str = "app", **more: Any) -> Card:
    """How a session sees itself."""
    fields = {"repo": "app", "repo_key": "dir:/srv/app", "branch": "main", "cwd": "/srv/app"}
    return Card(id=peer, name=name, host="desk", **{**fields, **more})


def said(n: int, to: str = BOB, body: str = "hi", **more: Any) -> Message:
    """A message of ann's."""
    return Message(id=MessageId(ANN, n), to=to, kind="message", body=body, by="ann", said_at=CLOCK, **more)


def heard(n: int, by: str = BOB, body: str = "hi", **more: Any) -> Message:
    """A message for ann."""
    return Message(id=MessageId(by, n), to=ANN, kind="message", body=body, by="bob", said_at=CLOCK, **more)
