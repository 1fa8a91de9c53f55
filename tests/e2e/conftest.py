"""Fixtures for tests with the real Claude Code client; each ends what it started, also when a test fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import client
from .api import Api
from .home import Home
from .launch import Claude, Ended
from .product import Product
from .recorder import Recorder
from .terminal import Terminal


@pytest.fixture(scope="session")
def binary() -> Path:
    """The native client, installed once for this machine."""
    for program in ("tmux", "git"):
        if shutil.which(program) is None:
            client.without(f"no {program} to run Claude Code in")
    return client.binary()


@pytest.fixture
def api(binary: Path) -> Iterator[Api]:
    """A scripted model for every session of this test."""
    with Api() as server:
        yield server


@pytest.fixture
def home(binary: Path) -> Iterator[Home]:
    """A throw-away HOME and PEER_HOME."""
    home = Home()
    yield home
    home.close()


@pytest.fixture
def repo(home: Home) -> Path:
    """A git repository, in which sessions start."""
    return home.repo()


@pytest.fixture
def claude(binary: Path, api: Api, home: Home, repo: Path) -> Iterator[Claude]:
    """Starts interactive sessions: `claude("a")`."""
    with ExitStack() as stack:
        terminal = Terminal(home.path)
        stack.callback(terminal.close)
        claude = Claude(binary, api, home, repo, terminal)
        stack.callback(claude.close)
        yield claude


@pytest.fixture
def oneshot(claude: Claude) -> Callable[..., Ended]:
    """Runs `claude -p`: `oneshot("a prompt")`."""
    return claude.oneshot


@pytest.fixture
def recorder(home: Home) -> Callable[..., Recorder]:
    """Makes a plugin that records hooks: `recorder(waiters=["Stop"])`."""

    def make(name: str = "rec", **given: object) -> Recorder:
        return Recorder(home.path / name, **given)  # type: ignore[arg-type]

    return make


@pytest.fixture
def product(claude: Claude, home: Home, api: Api) -> Iterator[Product]:
    """The product itself: its plugin, made for this test, its sessions and its command."""
    product = Product(home, claude, api)
    yield product
    product.close()
