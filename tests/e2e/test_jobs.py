"""A process that ended is told to the session that started it: idle, busy, or killed and resumed."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import pytest

from .api import Api
from .home import Home, until
from .model import bash, say
from .product import Product

pytestmark = pytest.mark.claude


def build(until_there: Path, name: str = "build") -> str:
    """A detached build that fails as soon as the file is there."""
    script = f"while [ ! -e {shlex.quote(str(until_there))} ]; do sleep 0.1; done; echo 'no such module: theme' >&2; exit 3"
    return f"peer run --detach --name {name} -- sh -c {shlex.quote(script)}"


def test_an_idle_session_wakes_for_its_build(product: Product, api: Api, home: Home) -> None:
    """The build that its model started ends while the session is idle: the model has exit code and last words."""
    done = home.path / "done"
    b = product.session("b")
    api.script("b", bash(build(done)), say("it builds"))
    b.submit("build it")
    b.wait_screen("it builds")
    product.wait_idle(b)
    before = api.last("b")
    done.touch()
    ended = time.monotonic()
    woken = api.wait_for("b", lambda asked: asked.number > before, 15.0)
    print(f"from the end of the build to the model's request: {(woken.at - ended) * 1_000:.0f} ms")
    assert "build ended with exit code 3" in woken.news()
    assert "no such module: theme" in woken.news()
    assert "peer jobs log" in woken.news()


def test_a_build_outlives_its_session(product: Product, api: Api, home: Home) -> None:
    """The session is killed, the build goes on and ends, and the session hears of it when it is resumed."""
    done = home.path / "done"
    b = product.session("b")
    api.script("b", bash(build(done)), say("it builds"))
    b.submit("build it")
    b.wait_screen("it builds")
    product.wait_idle(b)
    ident, sidecar = b.id, int(product.status(b)["pid"])
    b.kill()
    product.wait_gone(sidecar)
    done.touch()
    until(lambda: list(home.peer.glob("jobs/*/end.json")), 15.0, "the end of the build")
    product.session("b", "--resume", ident, named=False)
    told = api.wait_for_text("b", "build ended with exit code 3", 20.0)
    assert told.news().count("build ended with exit code 3") == 1
