"""Claude Code's program and its directory, as `peer setup` deals with them; with stubs for the program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from peermesh.errors import ClaudeFailed, NoClaude
from peermesh.hooks import claude, installing, traces


def test_the_client_is_found_and_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the given path, by PATH, at its usual places; else an error that names them."""
    monkeypatch.setattr(claude, "USUAL", ("~/.local/bin/claude",))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(NoClaude, match=r"not on the PATH, nor at ~/\.local/bin/claude"):
        claude.find(None)
    with pytest.raises(NoClaude, match="no program"):
        claude.find(str(tmp_path / "none"))
    for place in (".local/bin/claude", "bin/claude", "other/claude"):
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        assert claude.find("~/other/claude" if place.startswith("other") else None) == str(path)


def stub(tmp_path: Path, script: str) -> claude.Claude:
    """A client that is a shell script."""
    program = tmp_path / "claude"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return claude.Claude(str(program), str(tmp_path), str(tmp_path / "conf"))


def test_the_clients_failures_are_in_its_words(tmp_path: Path) -> None:
    """Its last line, without colours; a client too old for --json is told apart; none to run is another error."""
    failing = stub(tmp_path, r"printf 'first\n\033[31m\342\234\230 no such thing\033[0m\n\n' >&2; exit 3")
    with pytest.raises(
        ClaudeFailed, match=r"`claude plugin install x` failed with exit code 3: no such thing$"
    ):
        failing.run("install", "x")
    with pytest.raises(ClaudeFailed, match="update Claude Code"):
        stub(tmp_path, "echo plain words").plugin()
    (tmp_path / "claude").unlink()
    with pytest.raises(NoClaude, match="cannot be run"):
        failing.run("list")


def test_the_client_gets_its_configuration_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another directory is passed on; the usual one is not, because the client would move a file into it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", "/somewhere/else")
    stub(tmp_path, ":")
    for where, said in (
        (str(tmp_path / "conf"), str(tmp_path / "conf")),
        (str(tmp_path / ".claude"), "unset"),
    ):
        client = claude.Claude(str(tmp_path / "claude"), str(tmp_path), where)
        (tmp_path / "claude").write_text('#!/bin/sh\necho "${CLAUDE_CONFIG_DIR-unset}"\n')
        assert client.run("list").strip() == said


def test_sweeping_takes_only_empty_shells(tmp_path: Path) -> None:
    """Settings of the person's stay, a link stays a link, and what was there before stays though empty."""
    real = tmp_path / "dotfiles.json"
    real.write_text(json.dumps({"enabledPlugins": {}, "extraKnownMarketplaces": {}}))
    config = tmp_path / "conf"
    (config / "plugins" / "cache" / "peermesh" / "peer").mkdir(parents=True)
    (config / "plugins" / "data" / "other").mkdir(parents=True)
    (config / "plugins" / "installed_plugins.json").write_text('{"version": 2, "plugins": {}}')
    (config / "plugins" / "known_marketplaces.json").write_text("{}")
    (config / "settings.json").symlink_to(real)
    traces.sweep(str(config), ["enabledPlugins", "plugins/known_marketplaces.json"])
    assert json.loads(real.read_text()) == {"enabledPlugins": {}}
    assert (config / "settings.json").is_symlink()
    left = sorted(str(p.relative_to(config)) for p in config.rglob("*"))
    expected = [
        "plugins",
        "plugins/data",
        "plugins/data/other",
        "plugins/known_marketplaces.json",
        "settings.json",
    ]
    assert left == expected


def test_sweeping_leaves_unreadable_settings_alone(tmp_path: Path) -> None:
    """What is not JSON is the person's to mend, not ours to lose."""
    (tmp_path / "settings.json").write_text("{ // a comment\n}")
    traces.sweep(str(tmp_path), [])
    assert (tmp_path / "settings.json").read_text() == "{ // a comment\n}"


def test_purge_deletes_only_what_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PEER_HOME may hold other things: they are named and stay; nothing else does."""
    home = tmp_path / "state"
    (home / "peers" / "abcdefgh" / "due").mkdir(parents=True)
    (home / "person").symlink_to("peers/abcdefgh")
    for name in (
        "host.db",
        "host.db-wal",
        "host.db.damaged-1",
        "person.starting",
        "sidecar.log",
        "thesis.txt",
    ):
        (home / name).touch()
    monkeypatch.setenv("PEER_HOME", str(home))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "conf"))
    assert installing.remove(purge=True) == [f"The mail is deleted. Not ours, and left in {home}: thesis.txt"]
    assert [path.name for path in home.iterdir()] == ["thesis.txt"]
    (home / "thesis.txt").unlink()
    installing.remove(purge=True)
    assert not home.exists()
