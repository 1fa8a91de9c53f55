"""Fixtures for tests with real processes; each ends what it started, also when a test fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .actors import Person, Session
from .home import Home, adopt_orphans

Sessions = Callable[..., Session]


@pytest.fixture
def home() -> Iterator[Home]:
    """A throw-away state directory; afterwards nothing of it runs."""
    adopt_orphans()
    home = Home()
    yield home
    home.close()


@pytest.fixture
def session(home: Home) -> Sessions:
    """Starts sessions: `session("a")`, with a name of its own and its briefing already read.

    `start=False` leaves the first hook to the test, `brief=False` the first prompt; `cwd`, `ident` and
    variables of the environment may be given.
    """

    def make(
        name: str,
        *,
        cwd: Path | None = None,
        ident: str | None = None,
        start: bool = True,
        brief: bool = True,
        **env: str,
    ) -> Session:
        one = Session(home, name, cwd or home.app, ident, **env)
        if start:
            one.start()
            one.ask("name", name=name, told=True)
            if brief:
                one.turn()
        return one

    return make


@pytest.fixture
def person(home: Home) -> Person:
    """A person's shell; its sidecar starts with its first command."""
    return Person(home)
