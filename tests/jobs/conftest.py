"""A bench for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.home import adopt_orphans

from .bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A state directory of its own; afterwards nothing of it runs."""
    adopt_orphans()
    one = Bench()
    yield one
    one.close()
