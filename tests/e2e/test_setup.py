"""`peer setup` and `peer setup --remove` with the real Claude Code: in, twice, up to date, and out without a trace."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from peermesh import __version__

from .api import Api
from .home import Home, until
from .launch import Claude, Ended
from .model import bash, say

pytestmark = pytest.mark.claude

# The skill's line is in every session's context, with or without need; its body only when it is used.
ALWAYS_ON = 60  # tokens, by the client's own estimate
ON_INVOKE = 460

# Everything in ~/.claude that the client writes whenever any of its commands is run.
NOISE = re.compile(r"(backups|sessions|projects|session-env|shell-snapshots)(/|$)|history\.jsonl$")


def peer(home: Home, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `peer WORDS` of this checkout in *home*."""
    command = [sys.executable, "-m", "peermesh.cli", *words]
    root = Path(__file__).parents[2]
    environment = {**home.environment("http://127.0.0.1:9"), "PYTHONPATH": str(root), **(env or {})}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def install(home: Home, binary: Path, env: dict[str, str] | None = None) -> None:
    """`peer setup`, which must go well."""
    done = peer(home, "setup", "--claude", str(binary), env=env)
    assert (done.returncode, done.stderr) == (0, ""), done


def snapshot(directory: Path) -> dict[str, bytes | None]:
    """Every file below *directory* with its content, every directory without; the client's noise left out."""
    found = {str(path.relative_to(directory)): path for path in directory.rglob("*")}
    return {
        name: path.read_bytes() if path.is_file() else None
        for name, path in sorted(found.items())
        if not NOISE.match(name)
    }


def details(binary: Path, home: Home) -> str:
    """What the client says about the plugin, estimated by itself: with a key it would ask the API to count."""
    environment = home.environment("")
    del environment["ANTHROPIC_BASE_URL"], environment["ANTHROPIC_API_KEY"]
    command = [str(binary), "plugin", "details", "peer"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


def test_setup_installs_the_plugin(binary: Path, home: Home, claude: Claude) -> None:
    """After `peer setup` the client has the plugin, enabled, read from PEER_HOME, with all its parts."""
    install(home, binary)
    (row,) = json.loads(claude.command("plugin", "list", "--json").out)
    assert (row["id"], row["version"], row["enabled"]) == ("peer@peermesh", __version__, True)
    assert row["readFromFolder"] == str(home.peer / "plugin" / "peer")
    said = details(binary, home)
    edits = "PreToolUse, PermissionRequest, PostToolUse"
    assert f"Hooks (8)  SessionStart, UserPromptSubmit, {edits}, PostToolBatch, Stop, SessionEnd" in said
    assert "Skills (1)  peer" in said


def test_the_plugin_costs_few_tokens(binary: Path, home: Home) -> None:
    """What every session pays for the skill's line, and what its use costs, stay small."""
    install(home, binary)
    said = details(binary, home)
    always = re.search(r"Always-on: +~(\d+) tok", said)
    invoked = re.search(r"^ +peer +~\d+ +~(\d+)", said, re.MULTILINE)
    assert always, said
    assert invoked, said
    print(f"tokens: {always[1]} always, {invoked[1]} when invoked")
    assert int(always[1]) <= ALWAYS_ON
    assert int(invoked[1]) <= ON_INVOKE


def test_the_manifests_are_valid(binary: Path, home: Home, claude: Claude) -> None:
    """The client's strict check passes for the marketplace, and the plugin directory's for the plugin."""
    install(home, binary)
    market = claude.command("plugin", "validate", "--strict", str(home.peer / "plugin"))
    assert market.code == 0, market.out
    folder = str(home.peer / "plugin" / "peer")
    listed = claude.command("plugin", "validate", "--strict", "--profile", "directory", folder)
    assert listed.code == 0, listed.out


def test_a_second_setup_changes_nothing(binary: Path, home: Home) -> None:
    """Run twice, neither ~/.claude nor the plugin's directory differ by a byte, and the words say so."""
    install(home, binary)
    before = snapshot(home.path / ".claude"), snapshot(home.peer)
    done = peer(home, "setup", "--claude", str(binary), "--json")
    assert "Nothing to do" in json.loads(done.stdout)["said"][0]
    assert (snapshot(home.path / ".claude"), snapshot(home.peer)) == before


@pytest.mark.parametrize("settings", [None, {}, {"model": "opus", "hooks": {}}, {"enabledPlugins": {}}])
def test_remove_leaves_no_trace(binary: Path, home: Home, claude: Claude, settings: Any) -> None:
    """Setup and remove: ~/.claude is as before, whether there were settings or not; PEER_HOME is empty."""
    claude.command("plugin", "list")  # the client's first run writes what it always writes
    folder = home.path / ".claude"
    if settings is not None:
        (folder / "settings.json").write_text(json.dumps(settings))
    before = snapshot(folder)
    install(home, binary)
    assert snapshot(folder) != before
    done = peer(home, "setup", "--remove", "--claude", str(binary))
    assert (done.returncode, done.stderr) == (0, "")
    after = snapshot(folder)
    assert set(after) == set(before)
    if settings is not None:
        assert json.loads((folder / "settings.json").read_text()) == settings
    assert list(home.peer.iterdir()) == []


def test_remove_after_a_session_leaves_no_trace(
    binary: Path, home: Home, oneshot: Callable[..., Ended], claude: Claude
) -> None:
    """Also what a session made for the plugin is gone, and --purge takes the mail and PEER_HOME itself."""
    assert oneshot("hello").code == 0  # what a session leaves behind without peer
    before = snapshot(home.path / ".claude")
    install(home, binary)
    assert oneshot("hello").code == 0
    done = peer(home, "setup", "--remove", "--purge", "--claude", str(binary))
    assert (done.returncode, done.stderr) == (0, "")
    assert set(snapshot(home.path / ".claude")) == set(before)
    assert not home.peer.exists()
    assert "peermesh" not in (home.path / ".claude.json").read_text()


def test_remove_keeps_what_others_installed(binary: Path, home: Home, claude: Claude) -> None:
    """Another marketplace and its plugin are untouched by setup and remove."""
    other = home.path / "other"
    (other / ".claude-plugin").mkdir(parents=True)
    (other / "thing" / ".claude-plugin").mkdir(parents=True)
    entry = {"name": "thing", "source": "./thing", "description": "A thing."}
    market = {"name": "other", "owner": {"name": "x"}, "plugins": [entry]}
    (other / ".claude-plugin" / "marketplace.json").write_text(json.dumps(market))
    plugin = {"name": "thing", "version": "1.0.0", "description": "A thing."}
    (other / "thing" / ".claude-plugin" / "plugin.json").write_text(json.dumps(plugin))
    assert claude.command("plugin", "marketplace", "add", str(other)).code == 0
    assert claude.command("plugin", "install", "thing@other").code == 0
    before = snapshot(home.path / ".claude")
    install(home, binary)
    assert peer(home, "setup", "--remove", "--claude", str(binary)).returncode == 0
    assert set(snapshot(home.path / ".claude")) == set(before)
    (row,) = json.loads(claude.command("plugin", "list", "--json").out)
    assert (row["id"], row["enabled"]) == ("thing@other", True)


def test_setup_mends_what_was_changed(binary: Path, home: Home, claude: Claude) -> None:
    """Setup again switches a disabled plugin on, and mends a file that somebody changed."""
    install(home, binary)
    hook = home.peer / "plugin" / "peer" / "hooks" / "hook.sh"
    good = hook.read_bytes()
    assert claude.command("plugin", "disable", "peer@peermesh").code == 0
    hook.write_text("#!/bin/sh\nexit 3\n")
    install(home, binary)
    assert hook.read_bytes() == good
    assert json.loads(claude.command("plugin", "list", "--json").out)[0]["enabled"] is True


def test_setup_updates_an_older_version(binary: Path, home: Home, claude: Claude) -> None:
    """After an update of peer, setup brings the plugin's files and the client's record to its version."""
    install(home, binary)
    manifest = home.peer / "plugin" / "peer" / ".claude-plugin" / "plugin.json"
    manifest.write_text(manifest.read_text().replace(f'"{__version__}"', '"0.0.1"'))
    assert claude.command("plugin", "update", "peer@peermesh").code == 0
    assert json.loads(claude.command("plugin", "list", "--json").out)[0]["version"] == "0.0.1"
    install(home, binary)
    (row,) = json.loads(claude.command("plugin", "list", "--json").out)
    assert (row["version"], row["folderVersion"]) == (__version__, __version__)


def test_setup_follows_a_moved_state_directory(binary: Path, home: Home, claude: Claude) -> None:
    """With another PEER_HOME the client reads the plugin from there."""
    install(home, binary)
    moved = home.path / "q"
    install(home, binary, env={"PEER_HOME": str(moved)})
    (row,) = json.loads(claude.command("plugin", "list", "--json").out)
    assert row["readFromFolder"] == str(moved / "plugin" / "peer")


def test_another_config_directory_is_respected(binary: Path, home: Home) -> None:
    """With CLAUDE_CONFIG_DIR the plugin goes there, and a later remove takes it out of there too."""
    other = home.path / "conf"
    other.mkdir()
    install(home, binary, env={"CLAUDE_CONFIG_DIR": str(other)})
    settings = json.loads((other / "settings.json").read_text())
    assert settings["enabledPlugins"] == {"peer@peermesh": True}
    assert not (home.path / ".claude" / "settings.json").exists()
    assert peer(home, "setup", "--remove", "--claude", str(binary)).returncode == 0
    assert not (other / "settings.json").exists()
    assert not (other / "plugins").exists()


def test_no_client_is_said_helpfully(home: Home, tmp_path: Path) -> None:
    """Without a `claude`, one sentence says where it was looked for and what to do; exit code 1."""
    done = peer(home, "setup", env={"PATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (1, "")
    assert "not on the PATH" in done.stderr
    assert "npm install" in done.stderr
    assert "peer setup --claude PATH" in done.stderr
    said = peer(home, "setup", "--json", "--claude", str(tmp_path / "none"))
    assert json.loads(said.stdout)["error"]["code"] == "no-claude"
    assert said.returncode == 1
    assert list(home.peer.iterdir()) == []


def test_the_clients_own_words_are_shown(home: Home, binary: Path, tmp_path: Path) -> None:
    """When the client refuses, its last line is in the sentence; exit code 1."""
    (home.path / ".claude").mkdir()
    (home.path / ".claude" / "settings.json").write_text("{ not json")
    done = peer(home, "setup", "--claude", str(binary))
    assert done.returncode == 1
    print(done.stderr)
    assert re.search(r"^peer: `claude plugin .+` failed with exit code \d+: .+\n$", done.stderr)
    assert (home.path / ".claude" / "settings.json").read_text() == "{ not json"


def test_a_oneshot_run_takes_part_and_is_not_held_up(
    binary: Path, home: Home, api: Api, oneshot: Callable[..., Ended]
) -> None:
    """In `claude -p` `peer` is on the Bash tool's PATH, and the run ends by itself."""
    api.script("oneshot", bash("command -v peer; peer --version; peer up"), say("done"))
    without = oneshot("hello", name="bare")
    install(home, binary)
    ended = oneshot("hello", env={"PATH": "/usr/bin:/bin"})
    assert (ended.code, ended.err) == (0, "")
    print(f"-p: {without.seconds:.2f} s without the plugin, {ended.seconds:.2f} s with it and a tool")
    shown = api.shown_text("oneshot")
    assert f"{home.peer}/plugin/peer/bin/peer\npeer, version {__version__}" in shown
    assert (home.peer / "peers").is_dir()  # the sidecar that `peer up` started was here
    assert not (home.peer / "hooks.log").exists(), (home.peer / "hooks.log").read_text()


def test_a_hook_need_not_read_its_input(
    binary: Path, home: Home, api: Api, oneshot: Callable[..., Ended]
) -> None:
    """A prompt larger than a pipe holds passes a first step that ends without reading it."""
    install(home, binary)
    prompt = "many words " * 10_000  # 110 kB; a pipe holds 64, one argument 128
    ended = oneshot(prompt, env={"PEER_DISABLE": "1"})
    assert (ended.code, ended.err) == (0, "")
    assert prompt.strip() in api.shown_text("oneshot")
    assert not (home.peer / "peers").exists()


def test_open_sessions_follow_by_reloading(binary: Path, home: Home, api: Api, claude: Claude) -> None:
    """/reload-plugins brings an open session in after setup, and takes it out after remove."""
    session = claude("a")
    install(home, binary)
    session.submit("/reload-plugins")
    session.wait_screen("· 10 hooks")
    session.submit("first words")
    api.wait_for_text("a", "first words")
    until(lambda: list((home.peer / "session").glob("*")), 10.0, "a peer for the session")
    session.wait_status("idle")
    done = peer(home, "setup", "--remove", "--claude", str(binary))
    assert "/reload-plugins" in done.stdout
    session.submit("/reload-plugins")
    session.wait_screen("· 0 hooks")
    session.submit("last words")
    api.wait_for_text("a", "last words")
    session.wait_status("idle")
    assert "failed" not in session.screen()
