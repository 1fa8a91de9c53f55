"""The plugin's files: what `peer setup` writes, that it mends them, and the command that it brings."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from peermesh.cli.group import COMMANDS
from peermesh.errors import HomeUnusable
from peermesh.hooks import payload, plugin

REPO = Path(__file__).parents[2]

# A path as awkward as a person's can be.
AWKWARD = 'it\'s a "test" $HOME `x` dir'


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A marketplace directory, as this installation writes it."""
    assert plugin.write(str(tmp_path))
    return tmp_path / "plugin"


def commands_of(top: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Each hook that is registered, with its event."""
    said = json.loads((top / "peer" / "hooks" / "hooks.json").read_text())
    for event, groups in said["hooks"].items():
        for group in groups:
            for hook in group["hooks"]:
                yield event, hook


PERMISSION = "PermissionRequest"


def test_the_hooks_that_are_registered(top: Path) -> None:
    """Each event once, a waiter at a session's start and at each stop, as the client wants them written."""
    found = [(event, *hook["args"]) for event, hook in commands_of(top)]  # type: ignore[misc]
    edits = (payload.BEFORE_EDIT, PERMISSION, payload.AFTER_EDIT)
    plain = (payload.START, payload.PROMPT, *edits, payload.BATCH, payload.STOP, payload.END)
    waiters = (payload.START, payload.STOP)
    assert sorted(found) == sorted([*((e, e) for e in plain), *((e, payload.WAIT) for e in waiters)])
    for event, hook in commands_of(top):
        waits = hook["args"] == [payload.WAIT]
        assert hook["command"] == "${CLAUDE_PLUGIN_ROOT}/hooks/hook.sh"
        assert hook["timeout"] == (7 * 86_400 if waits else 10 if event == payload.AFTER_EDIT else 5)
        assert hook.get("asyncRewake", False) is waits
        assert hook.get("async", False) is (event in (PERMISSION, payload.AFTER_EDIT))
        assert ("rewakeMessage" in hook, "rewakeSummary" in hook) == (waits, waits)


def test_edits_alone_are_looked_at(top: Path) -> None:
    """No other tool than those that edit pays for a hook of its own before and after it."""
    said = json.loads((top / "peer" / "hooks" / "hooks.json").read_text())
    matchers = {
        event: [group.get("matcher", "") for group in groups] for event, groups in said["hooks"].items()
    }
    for event in (payload.BEFORE_EDIT, payload.AFTER_EDIT):
        (matcher,) = matchers.pop(event)
        tools = ("Edit", "Write", "NotebookEdit", "MultiEdit", "Read", "Bash", "TodoWrite", "WriteX")
        assert [tool for tool in tools if re.fullmatch(matcher, tool)] == list(tools[:4])
    assert all(found == [""] for found in matchers.values())


def test_programs_can_be_run_and_nothing_is_left_to_fill(top: Path) -> None:
    """hook.sh and bin/peer are executable, the rest is not, and no placeholder is left."""
    found = {str(p.relative_to(top)): p for p in top.rglob("*") if p.is_file()}
    assert {name for name, path in found.items() if os.access(path, os.X_OK)} == {
        "peer/bin/peer",
        "peer/hooks/hook.sh",
    }
    for name, path in found.items():
        assert not re.search(rb"@[A-Z]+@", path.read_bytes()), name


def test_the_icon_is_a_square_png(top: Path) -> None:
    """A PNG of 512 by 512 whose pixels are all there."""
    data = (top / "peer" / ".claude-plugin" / "icon.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (512, 512)
    start = data.index(b"IDAT")
    size = struct.unpack(">I", data[start - 4 : start])[0]
    assert len(zlib.decompress(data[start + 4 : start + 4 + size])) == 512 * 513


def test_readme_and_license(top: Path) -> None:
    """The README has the 40 words that the plugin directory wants, the license is this repository's."""
    assert len((top / "peer" / "README.md").read_text().split()) >= 40
    assert (top / "peer" / "LICENSE").read_bytes() == (REPO / "LICENSE").read_bytes()


def test_the_skill_names_commands_that_exist(top: Path) -> None:
    """Every `peer …` in the skill and the README is a command, with options it has."""
    text = (top / "peer" / "skills" / "peer" / "SKILL.md").read_text()
    named = set(re.findall(r"`peer ([a-z]+)", text + (top / "peer" / "README.md").read_text()))
    assert {"list", "send", "ask", "reply", "inbox", "read", "sent"} <= named
    assert named <= set(COMMANDS)
    front = text.split("---")[1]
    assert re.search(r"^name: peer$", front, re.MULTILINE)
    assert re.search(r"^allowed-tools: Bash\(peer:\*\)$", front, re.MULTILINE)


def test_writing_again_touches_nothing(top: Path) -> None:
    """Files that are right keep their inode; the answer says that nothing changed."""
    before = {path: path.stat().st_ino for path in top.rglob("*")}
    assert plugin.write(str(top.parent)) is False
    assert {path: path.stat().st_ino for path in top.rglob("*")} == before


@pytest.mark.parametrize("harm", ["change", "mode", "delete", "stranger"])
def test_writing_again_mends(top: Path, harm: str) -> None:
    """A file that was changed, is not executable any more, is gone, or is left from an older version."""
    hook, old = top / "peer" / "hooks" / "hook.sh", top / "peer" / "hooks" / "old.sh"
    good = hook.read_bytes()
    harms: dict[str, Callable[[], object]] = {
        "change": lambda: hook.write_text("#!/bin/sh"),
        "mode": lambda: hook.chmod(0o644),
        "delete": hook.unlink,
        "stranger": old.touch,
    }
    harms[harm]()
    assert plugin.write(str(top.parent)) is True
    assert hook.read_bytes() == good
    assert os.access(hook, os.X_OK)
    assert not old.exists()


def test_a_directory_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    """A file where the directory should be is said in a sentence."""
    (tmp_path / "plugin").touch()
    with pytest.raises(HomeUnusable, match="plugin's directory"):
        plugin.write(str(tmp_path))


def test_refresh_only_follows_its_own_installation(tmp_path: Path) -> None:
    """No plugin stays none, another installation's is left alone, this one's is brought up to date."""
    root = str(tmp_path)
    skill = tmp_path / "plugin" / "peer" / "skills" / "peer" / "SKILL.md"
    assert plugin.refresh(root) is False
    assert not (tmp_path / "plugin").exists()
    plugin.write(root, "/usr/bin/other-python", "/elsewhere")
    skill.write_text("old")
    assert plugin.refresh(root) is False
    assert skill.read_text() == "old"
    plugin.write(root)
    skill.write_text("old")
    assert plugin.refresh(root) is True
    assert skill.read_text() != "old"


# ---------------------------------------------------------------- bin/peer


def test_bin_peer_is_this_installations_peer(tmp_path: Path) -> None:
    """It runs from anywhere, with arguments as they were, also when PATH and PYTHONPATH say otherwise."""
    plugin.write(str(tmp_path))
    command = [str(tmp_path / "plugin" / "peer" / "bin" / "peer")]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": "/nowhere"}
    done = subprocess.run(
        [*command, "--version"], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("peer, version ")
    wrong = subprocess.run(
        [*command, "sen d"], env=environment, capture_output=True, text=True, check=False, cwd="/"
    )
    assert wrong.returncode == 2
    assert "Usage: peer " in wrong.stderr
    assert "sen d" in wrong.stderr


def test_bin_peer_says_when_its_program_is_gone(tmp_path: Path) -> None:
    """A model that calls it is told what to do; exit code 1."""
    plugin.write(str(tmp_path), str(tmp_path / AWKWARD / "python"), "/nowhere")
    done = subprocess.run(
        [str(tmp_path / "plugin" / "peer" / "bin" / "peer"), "list"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert AWKWARD in done.stderr
    assert "peer setup" in done.stderr
