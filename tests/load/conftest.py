"""The fixtures of the tests with real processes."""

from __future__ import annotations

from tests.live.conftest import home, person, session

__all__ = ["home", "person", "session"]
