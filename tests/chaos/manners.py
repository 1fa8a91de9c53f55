"""What a run shows besides messages: views, words about damage, the manners of hooks and commands. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from .excuses import COMMANDS, Kinds
from .findings import Findings

# A hook answers within its deadline, and the interpreter's start comes before; slower ones are counted.
SLOW = 0.8
# A machine is off for no longer than this.
BOOT = 15.0  # seconds
# Commands may be refused; these exit codes are in the table of the design.
CODES = (0, 1, 2, 3, 4, 5)


def look(by_kind: Kinds, found: Findings) -> None:
    """Every rule once."""
    for rule in (_views, _damage, _hooks, _commands):
        rule(by_kind, found)


def _views(by_kind: Kinds, found: Findings) -> None:
    """(e) After healing all hosts show the same."""
    views: dict[str, dict[str, Any]] = defaultdict(dict)
    for one in by_kind["view"]:
        views[one["what"]][one["host"]] = one["rows"]
    for what, hosts in views.items():
        first, *others = sorted(hosts)
        for other in others:
            if hosts[first] != hosts[other] and what == "claims" and leapt(by_kind):
                found.counts["claims differ where a clock was set and the machine restarted"] += 1
            elif hosts[first] != hosts[other]:
                only = [row for row in hosts[first] if row not in hosts[other]]
                more = [row for row in hosts[other] if row not in hosts[first]]
                found.add("views", f"{what}: only {first} has {only}, only {other} has {more}")


def leapt(by_kind: Kinds) -> bool:
    """Whether some machine was started again after its clock had been set: how long it was off, it cannot know then,
    and leases end early or late on it.
    """
    return any(
        off["host"] == one["host"] and off.get("why") == "power" and off["at"] + BOOT >= one["at"]
        for one in by_kind["clock"]
        for off in by_kind["died"]
    )


def _damage(by_kind: Kinds, found: Findings) -> None:
    """What was damaged is named by a word: never silently empty. Of files that many share, SQLite takes a journal
    that was cut for one that ends there; see docs/faults.md.
    """
    words = {one["host"]: one["words"] for one in by_kind["word"]}
    for one in by_kind["damaged"]:
        if one["file"] not in words.get(one["host"], ""):
            kind = "silent damage"
            if not one["seen"] and one["file"] != "mail.db":
                found.counts[f"damage that cannot be seen ({one['file']} {one['how']})"] += 1
            else:
                found.add(kind, f"{one['file']} of {one['session']} ({one['how']}) on {one['host']}")


def _hooks(by_kind: Kinds, found: Findings) -> None:
    """(f) A hook ends with 0 (the waiter, to wake, with 2), says nothing on standard error, and does not hang."""
    for one in by_kind["hook"]:
        if one["event"] in COMMANDS:  # looked at as such
            continue
        about, fine = f"{one['event']} of {one['who']}", (0, 2) if one["event"] == "Wait" else (0,)
        if one["code"] == -9 and not one["killed"]:
            found.counts["hooks killed at a point"] += 1
        elif not one["killed"] and one["code"] is not None and one["code"] not in fine:
            found.add("hook", f"{about} exits with {one['code']}: {one['err']}")
        if one["err"] and one["event"] != "Wait":
            found.add("hook", f"{about} says {one['err'][-300:]}")
        if one["cut"] and not one["killed"] and one["code"] != -9:
            found.add("hook", f"{about} printed no whole answer")
        if one["event"] != "Wait" and one["ended"] - one["began"] > SLOW and not one["killed"]:
            found.counts["slow hooks"] += 1
    for one in by_kind["hung"]:
        found.add("hung", f"{' '.join(one['argv'])} of {one['session']} after {one['seconds']} s")


def _commands(by_kind: Kinds, found: Findings) -> None:
    """A command ends with a code of the table and never with a traceback."""
    for one in by_kind["command"]:
        if "Traceback" in one["out"] + one["err"]:
            found.add("traceback", f"{' '.join(one['words'])} of {one['who']}: {one['err'][-800:]}")
        elif one["code"] is not None and one["code"] >= 0 and one["code"] not in CODES:
            found.add("exit code", f"{' '.join(one['words'])} exits with {one['code']}: {one['err']}")
    for one in by_kind["trace"]:
        found.add("traceback", f"in the log of {one['host']}: {one['words']}")
