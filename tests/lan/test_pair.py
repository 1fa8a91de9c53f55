"""`peer pair`: two machines by a short code, found by mDNS or by an address that was typed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from peermesh.mesh.pairing.codes import WORDS
from tests.lan.hosts import Host
from tests.lan.machines import met, two
from tests.netns import require

pytestmark = pytest.mark.netns


@contextmanager
def offer(host: Host) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`peer pair` on *host*: the code that it shows, and the command, which waits."""
    command = host.lan.popen(
        host.name,
        [sys.executable, "-m", "peermesh.cli", "pair"],
        env=host.environment(),
        cwd=host.work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    yield command.stdout.readline().strip(), command
    command.communicate(timeout=30)


def other_than(code: str) -> str:
    """A code with the same number and other words."""
    number, *words = code.split("-")
    return "-".join([number, *[one for one in WORDS if one not in words][:2]])


@pytest.mark.parametrize("named", [False, True])
def test_pairing_by_a_code(named: bool) -> None:
    """Typed on the other machine, with blanks as it was read aloud: both trust, and see each other."""
    require()
    with two() as (desk, lap):
        with offer(desk) as (code, waiting):
            where = ("--host", lap.lan.address("desk")) if named else ()
            assert lap.run("pair", *code.split("-"), *where)["name"] == "desk"
        assert waiting.returncode == 0
        met(desk, lap)
        lap.run("send", "build@desk", "paired", "--wait", "safe")
        assert desk.run("trust")["invites"] == []


def test_a_wrong_code_is_spent_and_counted() -> None:
    """Both sides say so, both count it, and the right one is too late then."""
    require()
    with two() as (desk, lap):
        with offer(desk) as (code, waiting):
            done = lap.run("pair", other_than(code), check=False)
            assert (done.returncode, "spent" in done.stderr) == (5, True)
        assert waiting.returncode == 5
        late = lap.run("pair", code, "--host", lap.lan.address("desk"), check=False)
        assert late.returncode == 4
        for host in (desk, lap):
            said = host.run("trust")
            assert (said["refused"], said["hosts"]) == (1, [])
