"""The short road of `peer send` and `peer reply`: what it takes, and that nobody can tell it from click's."""

from __future__ import annotations

from typing import Any

import pytest

from peermesh.cli import short
from peermesh.errors import PeerError, UnknownPeer
from tests.cli.canned import Said, Typed

SAFE: dict[str, Any] = {
    "reached": True,
    "unread": 2,
    "messages": [{"id": "k3m9x2ab-7", "to": "session-b", "state": "safe", "here": True}],
}
REFUSED: dict[str, Any] = {
    "reached": True,
    "messages": [
        {"id": "k3m9x2ab-8", "to": "session-b", "state": "refused", "why": "not trusted"},
        {"id": "k3m9x2ab-9", "to": "session-c", "state": "queued", "waits_for": "its host is away"},
    ],
}
NOBODY = UnknownPeer("there is no peer session-b; `peer list` shows who is there")


@pytest.mark.parametrize(
    ("words", "fit"),
    [
        (["send", "session-b", "hello"], True),
        (["send", "session-b", "two", "words"], True),
        (["send", "@repo", ""], True),  # it says what is wrong with that
        (["reply", "k3m9x2ab-7", "yes"], True),
        (["send", "session-b", "hello", "--json"], True),
        (["--json", "reply", "k3m9x2ab-7", "yes"], False),
        (["send", "session-b"], False),
        (["send", "session-b", "--json"], False),
        (["send", "session-b", "-"], False),
        (["send", "session-b", "hello", "--urgent"], False),
        (["send", "--", "session-b", "hello"], False),
        (["send", "-h"], False),
        (["ask", "session-b", "hello", "you"], False),
        (["list", "a", "b"], False),
        ([], False),
    ],
)
def test_what_fits(words: list[str], fit: bool) -> None:
    """Plain words only; all else is click's."""
    assert short.fits(words) is fit


@pytest.mark.parametrize("answer", [SAFE, REFUSED, NOBODY])
@pytest.mark.parametrize(
    "words",
    [
        ("send", "session-b", "I renamed", "userId"),
        ("send", "@repo", "hello"),
        ("send", "session-b", "I renamed", "userId", "--json"),
        ("send", "--json", "session-b", "  "),
        ("send", "session-b", "  "),
        ("reply", "k3m9x2ab-7", "yes", "merge it"),
        ("send", "session-b", "\udcff"),
    ],
)
def test_both_roads_are_one(
    words: tuple[str, ...],
    answer: dict[str, Any] | PeerError,
    typed: Typed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same question at the door, the same words, the same exit code."""

    def walk() -> tuple[Said, list[tuple[str, dict[str, Any]]]]:
        typed.door.asked.clear()
        return typed(*words, send=answer), list(typed.door.asked)

    assert short.fits(words)
    quick = walk()
    monkeypatch.setattr(short, "fits", lambda _: False)
    assert quick == walk()


def test_no_colour_where_nobody_looks(typed: Typed) -> None:
    """A script and a model read plain words."""
    said = typed("send", "session-b", "hello", send=SAFE)
    assert said.out == "✓ safe with session-b  k3m9x2ab-7\n"
    assert said.err == ""  # no terminal: nobody is told of mail


def test_colours_at_a_terminal(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person sees marks in colour and hears of mail; without colours if so wished."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    said = typed("send", "session-b", "hello", send=SAFE)
    assert said.out == "\x1b[36m✓\x1b[0m safe with session-b  \x1b[2mk3m9x2ab-7\x1b[0m\n"
    assert said.err == "\x1b[36m2 new messages for you: peer inbox\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in typed("send", "session-b", "hello", send=SAFE).out
