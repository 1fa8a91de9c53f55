"""Every input that was worth keeping, and every one that once broke a target, against today's code; without atheris."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz import corpora, damage, loops, runner
from tests.fuzz.target import Target
from tests.fuzz.targets import close, every, find, planted

# What pip has a wheel of atheris for; elsewhere only the replay is run.
WHEELS = sys.platform == "linux" and os.uname().machine == "x86_64" and sys.version_info < (3, 14)


ALL = every()


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    """What the targets of this process share is closed after the last."""
    yield
    close()
    damage.close()
    loops.close()


@pytest.mark.parametrize("target", ALL, ids=lambda one: one.name)
def test_corpus(target: Target) -> None:
    """No input of the corpus breaks the contract, nor one that did once, nor one to begin with."""
    inputs = [*target.seeds(), *corpora.kept(target.name), *corpora.found(target.name)]
    assert len(inputs) >= 3
    for one in inputs:
        target.run(one)


def test_files_belong_to_targets() -> None:
    """No corpus is left of a target that is gone, all corpora together are small, and each target has one."""
    names = {one.name for one in ALL}
    assert len(names) == len(ALL)
    stored = [*corpora.CORPUS.glob("*.txt"), *corpora.FOUND.glob("*.txt")]
    assert {one.stem for one in stored} <= names
    assert {one.stem for one in corpora.CORPUS.glob("*.txt")} == names
    assert sum(one.stat().st_size for one in stored) < 2_000_000


def require() -> None:
    """Skip where there is no atheris; where there could be one, CI=true fails instead."""
    if find_spec("atheris") is not None:
        return
    if WHEELS and os.environ.get("CI") == "true":
        pytest.fail("atheris is not installed (the extra test), and on CI that is a failure", pytrace=False)
    pytest.skip("atheris is not installed")


def test_a_planted_bug_is_found(tmp_path: Path) -> None:
    """The guided runner finds what a blind one would need years for, and keeps the input that shows it."""
    require()
    result = runner.fuzz(find("planted"), 20, 7, tmp_path, keep=False, stop=True)
    assert result.found == ("ZeroDivisionError: there",)
    assert result.runs > 100
    assert result.edges > result.before
    (data,) = [one.read_bytes() for one in (tmp_path / "found").iterdir() if not one.suffix]
    assert data.startswith(planted.WORD)


def test_the_command_names_its_targets() -> None:
    """``--list`` says which there are, also without atheris; a wrong name is told."""
    command = [sys.executable, "-m", "tests.fuzz"]
    said = subprocess.run(
        [*command, "--list"], cwd=runner.ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [line.split("`")[1] for line in said.splitlines()] == [one.name for one in ALL]
    wrong = subprocess.run(
        [*command, "nothing"], cwd=runner.ROOT, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "there is no target 'nothing'" in wrong.stderr
