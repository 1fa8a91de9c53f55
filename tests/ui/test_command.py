"""`peer ui` as it is typed, and the pictures of it in the docs."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from bench.invented import World
from peermesh.cli import main
from peermesh.cli.ui import top

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "screenshots"


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run `peer ui`; its exit code."""
    monkeypatch.setattr(sys, "argv", ["peer", "ui", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0)


def test_without_textual(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing is said with the line that installs it."""
    monkeypatch.setitem(sys.modules, "peermesh.ui.app", None)
    for name in [one for one in sys.modules if one.startswith("peermesh.ui")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "textual.app", None)
    assert typed(monkeypatch) == 1
    assert "pip install 'peermesh[ui]'" in capsys.readouterr().err


def test_without_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe it says what does without a terminal."""
    assert typed(monkeypatch) == 2
    assert "peer log -f" in capsys.readouterr().err


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it once, for programs; null for what the sidecar does not know."""
    world = World(unknown=("jobs",))
    monkeypatch.setattr("peermesh.cli.link.door", world.connect)
    assert typed(monkeypatch, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert {word: told[word] and len(told[word]) for word in told} == {
        "sessions": 7,
        "feed": 18,
        "claims": 3,
        "tasks": 6,
        "jobs": None,
    }


def test_paths_count_from_the_checkout(tmp_path: Path) -> None:
    """A claim that was listed can be released wherever the panel was started."""
    (tmp_path / "shop/src/deep").mkdir(parents=True)
    assert top(str(tmp_path / "shop/src")) == str(tmp_path / "shop/src")
    (tmp_path / "shop/.git").touch()
    assert top(str(tmp_path / "shop/src/deep")) == str(tmp_path / "shop")


@pytest.mark.parametrize("size", ["80x24", "160x50"])
@pytest.mark.parametrize("view", ["sessions", "feed", "claims", "tasks", "jobs"])
def test_each_view_has_its_picture(view: str, size: str) -> None:
    """There is one of each list in both sizes, which fetches nothing and shows nothing of a real machine."""
    svg = (PICTURES / f"{view}-{size}.svg").read_text(encoding="utf-8")
    links = set(re.findall(r"https?://[^\s\"<]+", svg))
    assert links <= {"http://www.w3.org/2000/svg", "https://www.textualize.io"}
    assert "checkout" in svg
    assert not re.search(r"/(home|root|tmp|work)/", svg)
