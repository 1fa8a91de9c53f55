"""What makes two clones the same project: their remote's address, without what differs between clones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peermesh.core.repos import remote_key

SAME = "example.org/team/app"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/team/app.git",
        "https://example.org/team/app",
        "https://example.org/team/app/",
        "https://example.org/team/app.git/",
        "https://me@example.org/team/app.git",
        "https://me:secret@example.org/team/app.git",
        "https://EXAMPLE.org/team/app.git",
        "http://example.org:8080/team/app.git",
        "ssh://git@example.org/team/app.git",
        "ssh://git@example.org:2222/team/app.git",
        "git://example.org/team/app.git",
        "git@example.org:team/app.git",
        "git@example.org:/team/app.git",
        "example.org:team/app",
        "  git@example.org:team/app.git\n",
    ],
)
def test_the_same_project(url: str) -> None:
    """Scheme, user, port, the host's case and ``.git`` do not count."""
    assert remote_key(url) == SAME


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/team/other.git",
        "https://example.com/team/app.git",
        "https://example.org/app.git",
        "https://example.org/Team/app.git",
    ],
)
def test_another_project(url: str) -> None:
    """Host and path do, and the path's case too."""
    assert remote_key(url) not in ("", SAME)


@pytest.mark.parametrize(
    "url",
    ["", "/srv/git/app.git", "../app", "./a:b", "file:///srv/git/app.git", "https://example.org", "app"],
)
def test_a_path_means_nothing_elsewhere(url: str) -> None:
    """A remote on this machine makes no key."""
    assert remote_key(url) == ""


def test_no_secret_in_the_key() -> None:
    """A password in an address does not become part of what others see."""
    assert "secret" not in remote_key("https://me:secret@example.org/team/app.git")


@given(st.text())
def test_any_text(url: str) -> None:
    """Whatever git says is the remote, it makes a key with a path, or none."""
    made = remote_key(url)
    assert made == "" or "/" in made
