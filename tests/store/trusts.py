"""Trust stores for tests, and some hosts to put into them."""

from __future__ import annotations

import os

from peermesh.store.trust import TrustStore

LAP, OLD, NEW = "aa" * 32, "bb" * 32, "cc" * 32
SECRET, OTHER, WRONG = b"s" * 16, b"t" * 16, b"w" * 16


def again(store: TrustStore) -> TrustStore:
    """The same file, as another process sees it."""
    return TrustStore(os.path.dirname(store.path), "desk")


def names(store: TrustStore) -> list[str]:
    """The trusted hosts' names, as another process reads them; nothing may have been set aside for it."""
    other = again(store)
    found = [one.name for one in other.read().hosts]
    assert other.set_aside is None
    return found


def key(number: int) -> str:
    """Any host's key."""
    return f"{number:064x}"
