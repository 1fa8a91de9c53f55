"""Fixtures for tests of the hooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from .box import SHELLS, Box


@pytest.fixture(params=SHELLS, ids=" ".join)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Box:
    """A box for each shell that is here."""
    return Box(tmp_path, request.param)
