"""The real client shows peer's line in its status line, set up as README.md says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from peermesh.hooks import plugin

from .home import Home, until
from .product import PATIENCE, Product

pytestmark = pytest.mark.claude


@pytest.fixture
def _set_up(product: Product, home: Home) -> None:
    """Claude Code's settings, as README.md gives them."""
    folder = home.path / ".claude"
    folder.mkdir(exist_ok=True)
    peer = Path(plugin.folder(product.root)) / "peer/bin/peer"
    line = {"type": "command", "command": f"{peer} statusline", "refreshInterval": 2}
    (folder / "settings.json").write_text(json.dumps({"statusLine": line}))


@pytest.mark.usefixtures("_set_up")
def test_the_line_appears(product: Product) -> None:
    """Who else is here and what is unread, after /clear too; nothing any more when the other has gone."""
    a = product.session("a", env={"PEER_WAKES": "0"})
    product.turn(a, "alone")
    assert "with b" not in a.screen()
    b = product.session("b")
    a.wait_screen("  with b\n", PATIENCE)
    b.wait_screen("  with a\n", PATIENCE)
    product.send("a", "this wakes nobody")
    a.wait_screen("  1 unread · with b\n", PATIENCE)
    old = a.id
    a.submit("/clear")
    a.wait_new_id(old)
    product.turn(a, "a new conversation")
    a.wait_screen("  with b\n", PATIENCE)
    b.exit()
    until(lambda: "with b" not in a.screen(), PATIENCE, "an empty line")
