"""Makes `tests.netns` importable from here, however pytest was started; and the stage for a Voice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)

from .stage import Play  # noqa: E402 - needs the path


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """See Play."""
    return Play(monkeypatch)
