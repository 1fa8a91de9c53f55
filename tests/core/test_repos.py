"""What makes two clones the same project: their remote's address, without what differs between clones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peermesh.core.repos import LONGEST_KEY, bounded, remote_key

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
        "me@example.org:team/app.git",
        "ssh://me@team.example@example.org/team/app",
        "https://me:se:cr@et@example.org/team/app",
        "https://example.org//team///app.git",
        "https://example.org/team/app.git?token=secret",
        "HTTPS://example.org:443/team/app",
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
    ("url", "expected"),
    [
        ("ssh://git@ssh.github.com:443/team/app.git", "github.com/team/app"),
        ("git@GitHub.com:team/app.git", "github.com/team/app"),
        ("ssh://git@altssh.gitlab.com:443/team/app", "gitlab.com/team/app"),
        ("ssh://git@[fd00::2]:22/team/app", "[fd00::2]/team/app"),
        ("git@[fd00::2]:team/app", "[fd00::2]/team/app"),
        ("https://example.org/~me/c%23/app?x", "example.org/~me/c%23/app"),
        ("example.org:te@m/app?x", "example.org/te@m/app?x"),
    ],
)
def test_other_spellings(url: str, expected: str) -> None:
    """The large forges' second name for SSH; addresses of numbers; signs that mean something in some addresses only."""
    assert remote_key(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/git/app.git",
        "../app",
        "./a:b",
        "file:///srv/git/app.git",
        "file://localhost/srv/app",
        "https://example.org",
        "app",
        "ext::sh -c x",
        "hg::https://example.org/app",
        "https://",
        "a:/",
    ],
)
def test_a_path_means_nothing_elsewhere(url: str) -> None:
    """A remote on this machine makes no key."""
    assert remote_key(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "https://me:secret@example.org/team/app.git",
        "https://me@corp:secret@example.org/team/app.git",
        "https://secret@x@example.org/team/app",
        "https://example.org/team/app.git?private_token=secret",
        "ssh://secret@example.org/team/app",
        "secret@example.org:team/app",
    ],
)
def test_no_secret_in_the_key(url: str) -> None:
    """A password in an address does not become part of what others see, nor does a user's name."""
    assert "secret" not in remote_key(url)
    assert remote_key(url).endswith("/team/app")


def test_long_keys() -> None:
    """What is too long to be told is told by a digest that differs as the keys do; the rest stays as it is."""
    just = "remote:" + "x" * (LONGEST_KEY - 7)
    assert bounded(just) == just
    longer = [bounded(f"{just}{end}") for end in ("a", "b", "\ud800")]
    assert len(set(longer)) == 3
    assert all(one.startswith("remote#") and len(one) < LONGEST_KEY for one in longer)


@given(st.text())
def test_any_text(url: str) -> None:
    """Whatever git says is the remote, it makes a key with a path, or none."""
    made = remote_key(url)
    assert made == "" or "/" in made
