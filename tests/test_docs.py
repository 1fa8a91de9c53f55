"""The documents tell the truth: every command stands in the README, and every line there can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from peermesh.cli.group import COMMANDS, peer
from peermesh.errors import Exit

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SKILL = (ROOT / "peermesh/hooks/files/SKILL.md").read_text(encoding="utf-8")


def typed() -> list[str]:
    """The lines of the README's console blocks that begin with peer, or pipe into it."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    parts = [part.strip().split("#")[0] for line in lines for part in line.split("|")]
    return [part for part in parts if part.startswith("peer ")]


def parse(words: list[str]) -> None:
    """Let click read *words* as it would a command line; wrong usage raises."""
    with click.Context(peer, info_name="peer") as context:
        name, command, rest = peer.resolve_command(context, words)
        assert command is not None, name
        command.make_context(name, rest, parent=context).close()


@pytest.mark.parametrize("line", typed())
def test_lines_of_the_readme_can_be_typed(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `peer …` in a console block is a command that exists, with options that it has."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.md").write_text("a plan")
    parse(shlex.split(line)[1:])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_readme(name: str) -> None:
    """What a person can type, the README names."""
    assert re.search(rf"`peer {name}\b", README)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    """Each has help with an example, and --json but for those that only draw."""
    with click.Context(peer, info_name="peer") as context:
        command = peer.get_command(context, name)
        assert command is not None
        text = command.get_help(click.Context(command, info_name=name, parent=context))
    assert "Example:" in text
    assert ("--json" in text) is (name not in ("demo", "completion"))


@pytest.mark.parametrize("line", re.findall(r"`(peer [^`]+)`", SKILL))
def test_commands_of_the_skill_exist(line: str) -> None:
    """What the model is told to type is a command with such options."""
    words = shlex.split(line.replace("…", "x"))
    assert words[1] in COMMANDS
    parse(words[1:])


def test_exit_codes_are_those_of_the_readme() -> None:
    """The numbers that scripts depend on."""
    numbers = {name: code for name, code in vars(Exit).items() if name.isupper()}
    assert numbers == {"DONE": 0, "FAULT": 1, "USAGE": 2, "NO_PEER": 3, "NOT_YET": 4, "REFUSED": 5}


def test_no_document_links_to_nowhere() -> None:
    """Relative links of README and docs lead to files that are there."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
