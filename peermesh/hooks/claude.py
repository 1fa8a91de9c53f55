"""The client's own commands for plugins: the one file that runs the program `claude`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import Any

from peermesh.errors import ClaudeFailed, NoClaude
from peermesh.hooks.plugin import MARKETPLACE, NAME

# A command takes 0.3 s; a machine that is starved may need a hundred times that.
PATIENCE = 60.0  # seconds

# Where Claude Code's own installers put it; a shell that a person sees has these on its PATH, cron has not.
USUAL = (
    "~/.local/bin/claude",
    "~/.claude/local/claude",
    "~/.npm-global/bin/claude",
    "/opt/homebrew/bin/claude",
    "/usr/local/bin/claude",
    "/usr/bin/claude",
)

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def find(given: str | None) -> str:
    """The path of the program `claude`.

    Args:
        given: what the person said; a path, or a name on the PATH.

    Raises:
        NoClaude: it is not there.
    """
    if given:
        found = shutil.which(os.path.expanduser(given))
        if found is None:
            raise NoClaude(f"{given} is no program that can be run; give the path of Claude Code's `claude`")
        return os.path.abspath(found)
    usual = [os.path.expanduser(path) for path in USUAL]
    found = shutil.which("claude") or next((path for path in usual if shutil.which(path)), None)
    if found is None:
        raise NoClaude(
            f"Claude Code's program `claude` was not found: not on the PATH, nor at {', '.join(USUAL)}. "
            "Install it (npm install -g @anthropic-ai/claude-code), "
            "or say where it is: peer setup --claude PATH"
        )
    return os.path.abspath(found)


def config_dir() -> str:
    """Claude Code's directory: ``$CLAUDE_CONFIG_DIR``, else ``~/.claude``."""
    return os.path.abspath(os.environ.get("CLAUDE_CONFIG_DIR") or os.path.expanduser("~/.claude"))


class Claude:
    """Claude Code's program, for one configuration directory.

    Args:
        program: its path.
        cwd: where to run it; a directory without project settings.
        config: the configuration directory it is to use.
    """

    def __init__(self, program: str, cwd: str, config: str) -> None:
        self._program, self._cwd = program, cwd
        self._environment = {
            **os.environ,
            # Installing from a directory needs no network, and an update now would surprise the person.
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }
        # Set to the usual directory it would still move ~/.claude.json into it.
        self._environment.pop("CLAUDE_CONFIG_DIR", None)
        if config != os.path.abspath(os.path.expanduser("~/.claude")):
            self._environment["CLAUDE_CONFIG_DIR"] = config

    def run(self, *words: str) -> str:
        """What ``claude plugin WORDS`` printed.

        Raises:
            NoClaude: the program cannot be run.
            ClaudeFailed: it says that it failed, or does not end.
        """
        command = "claude plugin " + " ".join(words)
        try:
            done = subprocess.run(
                [self._program, "plugin", *words],
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired as wrong:
            raise ClaudeFailed(f"`{command}` did not end within {PATIENCE:.0f} s") from wrong
        except OSError as wrong:
            raise NoClaude(f"{self._program} cannot be run ({wrong.strerror})") from wrong
        said = done.stdout.decode(errors="replace")
        if done.returncode:
            last = last_line(done.stderr.decode(errors="replace")) or last_line(said) or "it said nothing"
            raise ClaudeFailed(f"`{command}` failed with exit code {done.returncode}: {last}")
        return said

    def marketplace(self) -> str | None:
        """The directory that our marketplace's name leads to in the client; ``None`` when it has none."""
        rows = [row for row in self._list("marketplace", "list") if row.get("name") == MARKETPLACE]
        return str(rows[0].get("path", "")) if rows else None

    def plugin(self) -> dict[str, Any] | None:
        """What the client has of our plugin for the user: ``version``, ``enabled``; ``None`` for nothing."""
        rows = [row for row in self._list("list") if row.get("id") == NAME and row.get("scope") == "user"]
        return rows[0] if rows else None

    def _list(self, *words: str) -> list[dict[str, Any]]:
        said = self.run(*words, "--json")
        try:
            rows = json.loads(said)
        except (ValueError, RecursionError) as wrong:
            raise ClaudeFailed(
                f"`claude plugin {' '.join(words)} --json` gave no JSON; update Claude Code (claude update)"
            ) from wrong
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def last_line(text: str) -> str:
    """The last line with words in it, 300 characters at most, without colours and the cross before it."""
    lines = [_ESCAPE.sub("", line).strip() for line in text.splitlines()]
    return next((line.lstrip("✘✖ ")[:300] for line in reversed(lines) if line), "")
