"""The real client asks its person for permission, and others see in peer that it waits, and when it does not."""

from __future__ import annotations

import pytest

from .api import Api
from .home import Home, until
from .model import bash_until, use
from .product import PATIENCE, Product
from .terminal import Session

pytestmark = pytest.mark.claude

DIALOG = "Do you want to "


def wait_status(product: Product, session: Session, status: str) -> None:
    """Until peer shows *session* so."""
    until(lambda: product.row(session).get("status") == status, PATIENCE, f"{session.name} {status} in peer")


def test_a_session_that_asks_its_person_is_waiting(product: Product, api: Api, home: Home) -> None:
    """Waiting as long as the dialog stands, busy after a yes while the tool still runs, idle at the end."""
    done = home.path / "done"
    session = product.session("a", asks=True)
    api.script("a", bash_until(done))
    session.submit("use a tool")
    session.wait_screen(DIALOG)
    wait_status(product, session, "waiting")
    session.answer("Enter")
    wait_status(product, session, "busy")
    done.touch()
    product.wait_idle(session)


def test_a_session_whose_person_refused_is_idle(product: Product, api: Api) -> None:
    """After Esc no hook is run; peer sees it all the same, and mail wakes the session again."""
    session = product.session("a", asks=True)
    api.script("a", use("Write", file_path="a.txt", content="words"))
    session.submit("write it")
    session.wait_screen(DIALOG)
    wait_status(product, session, "waiting")
    session.answer("Escape")
    product.wait_idle(session)
    product.send("a", "a word for you")
    api.wait_for_text("a", "a word for you", PATIENCE)
