"""Where the real Claude Code client comes from: npm, once for each machine, into a cache."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

VERSION = "2.1.329"  # what test_client_facts.py pins; raise both together
PACKAGE = "@anthropic-ai/claude-code"

# The download is about 100 MB; ten minutes let a slow line finish and a dead one be noticed.
INSTALL_SECONDS = 600.0

_ARCH = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def cache_directory() -> Path:
    """`$PEER_TEST_CACHE`, else `~/.cache/peer-tests`."""
    given = os.environ.get("PEER_TEST_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "peer-tests"


def native_package() -> str:
    """The npm package that holds this platform's binary; KeyError for a machine nobody builds for."""
    system = {"linux": "linux", "darwin": "darwin"}[sys.platform]
    return f"{PACKAGE}-{system}-{_ARCH[platform.machine().lower()]}"


def binary() -> Path:
    """The native client's path, installed first if need be.

    Where there is no npm, or it cannot reach its packages, the test is skipped with one line; in CI
    (`CI=true`) it fails, because a suite that silently tests nothing is worse than a red one.
    """
    try:
        return _installed(cache_directory() / f"claude-code-{VERSION}")
    except (KeyError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        without(f"no Claude Code {VERSION} to test against: {error}")


def _installed(directory: Path) -> Path:
    found = directory / "node_modules" / native_package() / "claude"
    with _lock(directory):
        if not _works(found):
            _install(directory)
        if not _works(found):
            raise RuntimeError(f"npm gave no binary that runs and says {VERSION}")
    return found


def without(why: str) -> NoReturn:
    """Skip the test for this reason, or fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """One installer at a time: pytest-xdist's workers all ask at once."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _works(path: Path) -> bool:
    """Whether *path* is the client in the version wanted; a broken download is not."""
    if not path.is_file():
        return False
    asked = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    return asked.stdout.startswith(VERSION)


def _install(directory: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("npm is not installed")
    # No scripts: the package's own would only copy the 370 MB binary to a second place.
    command = [npm, "install", "--prefix", str(directory), "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        [*command, "--loglevel=error", f"{PACKAGE}@{VERSION}"],
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or "no word from npm").splitlines()[-1]
        raise RuntimeError(f"npm could not install it: {last}")
