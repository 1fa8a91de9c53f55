"""A command line with a door of the test's behind it."""

from __future__ import annotations

import pytest

from .canned import Typed


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Runs commands: ``typed("claims", claims={…})``."""
    return Typed(monkeypatch, capsys)
