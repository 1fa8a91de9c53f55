"""What each hook costs: with nothing to say, with one message, with a claim; beside the shell, an empty interpreter
and the same hook of hcom, one of each in every round. Takes about a minute and a half.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import rival
from sides import BODY, Ours, Theirs, hook_file
from stage import called, ms, ratio, stage, timed, until

__all__ = ["hook_file"]  # shared.py measures the same file

STARTS = 15  # each starts a sidecar, and an agent of hcom's
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "60"))

Act = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the table: what is done before, and what is timed, on either side."""

    name: str
    before: Act
    ours: Act
    their_before: Act | None = None
    theirs: Act | None = None


def nothing() -> None:
    """Nothing has to be done before."""


def rows(us: Ours, them: Theirs | None) -> list[Row]:
    """The lines of the table."""

    def their(hook: str, *, loud: bool = False) -> Act | None:
        return None if them is None else lambda: them.hook(hook, loud=loud)

    tell = them.message if them is not None else nothing
    waiting = None if them is None else them.poll
    return [
        Row(
            "UserPromptSubmit, nothing to say",
            us.quiet,
            lambda: us.hook("UserPromptSubmit"),
            nothing,
            their("userpromptsubmit"),
        ),
        Row(
            "UserPromptSubmit, one message",
            us.message,
            lambda: us.hook("UserPromptSubmit", BODY, prompt="<task-notification>"),
            tell,
            their("userpromptsubmit", loud=True),
        ),
        Row(
            "PreToolUse, nothing is held",
            us.release,
            lambda: us.edit("PreToolUse"),
            nothing,
            their("pre"),
        ),
        Row(
            "PreToolUse, another holds other files",
            us.claim,
            lambda: us.edit("PreToolUse"),
            nothing,
            their("pre"),
        ),
        Row(
            "PreToolUse, another holds the file",
            us.claim,
            lambda: us.edit("PreToolUse", "is held by", "held"),
            nothing,
            their("pre"),
        ),
        Row(
            "PermissionRequest (in the background)",
            us.release,
            lambda: us.hook("PermissionRequest"),
            nothing,
            their("permission-request"),
        ),
        Row(
            "PostToolUse, tells an edit (in the background)",
            nothing,
            lambda: us.edit("PostToolUse"),
            nothing,
            their("post"),
        ),
        Row(
            "PostToolBatch, nothing to say", nothing, lambda: us.hook("PostToolBatch"), nothing, their("post")
        ),
        Row(
            "PostToolBatch, one urgent message",
            lambda: us.message(urgent=True),
            lambda: us.hook("PostToolBatch", BODY),
            tell,
            their("post", loud=True),
        ),
        Row("Stop, nothing to say", nothing, lambda: us.hook("Stop"), nothing, their("poll")),
        Row(
            "Stop, one message",
            us.message,
            lambda: us.hook("Stop", BODY),
            lambda: None if them is None else them.message(waiting=True),
            waiting,
        ),
    ]


Figures = dict[str, tuple[list[float], list[float]]]

SHELL, PYTHON = "`/bin/sh -c :`", "`python3 -I -S -c pass`"


def measured(lines: list[Row], rounds: int) -> Figures:
    """Seconds of each line, ours and theirs; the first round warms everything up."""
    floor = {SHELL: ["/bin/sh", "-c", ":"], PYTHON: [sys.executable, "-I", "-S", "-c", "pass"]}
    found: Figures = {name: ([], []) for name in [*floor, *(row.name for row in lines)]}
    for number in range(rounds + 1):
        for name, words in floor.items():
            took = timed(lambda w=words: called(w, os.environ, b"{}"))  # type: ignore[misc]
            found[name][0].extend([took] * bool(number))
        for row in lines:
            row.before()
            found[row.name][0].extend([timed(row.ours)] * bool(number))
            if row.theirs is not None and row.their_before is not None:
                row.their_before()
                found[row.name][1].extend([timed(row.theirs)] * bool(number))
    return found


def waits(us: Ours) -> Row:
    """The waiter that an end of a turn starts while an earlier one still waits."""
    us.ended()
    us.waiter()
    return Row("Wait, one waits already (in the background)", nothing, lambda: us.hook("Wait"))


class Starts:
    """A session's first hook and its last; each time of a new session."""

    def __init__(self, us: Ours, them: Theirs | None) -> None:
        self._us, self._them = us, them
        self._names = (f"new{number}" for number in itertools.count())
        self._name, self._agent = "", None if them is None else them.agent

    def rows(self) -> list[Row]:
        """The lines of the table."""
        theirs = None if self._them is None else self._bind
        first = Row("SessionStart, starts the sidecar", self._come, self._start, self._launch, theirs)
        return [first, Row("SessionEnd", self._there, self._end)]

    def _come(self) -> None:
        self._name = next(self._names)
        self._us.here.client(self._name)

    def _there(self) -> None:
        until(lambda: self._us.here.door(self._name) is not None)

    def _start(self) -> None:
        self._us.call("SessionStart", self._name, source="startup")

    def _end(self) -> None:
        self._us.call("SessionEnd", self._name, reason="other")

    def _launch(self) -> None:
        self._agent = None if self._them is None else self._them.here.launch("-p", "go on")

    def _bind(self) -> None:
        if self._agent is not None:
            self._agent.hook("sessionstart")


def table(found: Figures) -> None:
    """Print it."""
    base = found[SHELL][0]
    print("| hook | median ms | 90 % ms | to `sh -c :` | hcom's: median ms | 90 % ms | peer to hcom |")
    print("|---|---|---|---|---|---|---|")
    for name, (ours, theirs) in found.items():
        beside = f"{ms(theirs)} | {ratio(ours, theirs):.2f}" if theirs else "| |"
        print(f"| {name} | {ms(ours)} | {ratio(ours, base):.2f} | {beside} |")


def main() -> None:
    """Print the table."""
    why = rival.unavailable()
    if not why:
        rival.alone()
    with ExitStack() as stack:
        here = stack.enter_context(stage())
        them = None if why else Theirs(stack.enter_context(rival.rival()))
        us = Ours(here)
        us.hook("UserPromptSubmit", "additionalContext")  # the briefing, which is said once
        found = measured(rows(us, them), ROUNDS)
        found.update(dict(list(measured([waits(us)], ROUNDS).items())[2:]))
        found.update(dict(list(measured(Starts(us, them).rows(), STARTS).items())[2:]))
        table(found)
    print(
        f"\nMedians of the rounds' ratios, {ROUNDS} rounds ({STARTS} starts). hcom {rival.VERSION}", end=" "
    )
    print(f"is left out: it {why}." if why else "beside it: the same event's hook;")
    if not why:
        print(
            "for PostToolBatch its PostToolUse hook, for Stop with a message the hook of an agent without a terminal,"
        )
        print(
            "which waits there. It has no claims; its PreToolUse hook notes the edit. All its hooks are waited for."
        )


if __name__ == "__main__":
    main()
