"""What the panel does for a person: each is one question through the door, and its answer as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from peermesh.core.clean import span
from peermesh.ui import values
from peermesh.ui.values import Claim, Job, Task

# A message is waited for until it is on its recipient's disk; whom nobody answers for, it is queued.
SAFE = 3.0  # seconds


# What is done with a value that has to be such that it can be done; all else always can be.
NEEDS: Mapping[str, Callable[[object], bool]] = {
    "release": lambda one: isinstance(one, Claim) and one.mine,
    "ask": lambda one: isinstance(one, Claim) and not one.mine,
    "take": lambda one: isinstance(one, Task) and one.state == "open",
    "done": lambda one: isinstance(one, Task) and one.state in ("open", "taken"),
    "drop": lambda one: isinstance(one, Task) and one.state in ("open", "taken"),
    "reopen": lambda one: isinstance(one, Task) and one.state != "open",
    "stop": lambda one: isinstance(one, Job) and one.state == "running",
    "log": lambda one: isinstance(one, Job),
}


def good(action: str, value: object) -> bool:
    """Whether *action* can be done with *value*."""
    return NEEDS[action](value)


@dataclass(frozen=True, slots=True)
class Act:
    """A question, and how its answer is told.

    Args:
        do: the verb.
        fields: its arguments.
        done: the word for it, for the sentence.
    """

    do: str
    fields: Mapping[str, Any]
    done: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """What is told of an act: a sentence, and whether it is bad news."""

    text: str
    bad: bool = False


def send(to: str, text: str) -> Act:
    """Say something to a session or a group."""
    return Act("send", {"to": to, "body": text, "wait": "safe", "within": SAFE})


def ask(to: str, text: str) -> Act:
    """Ask a session something."""
    return Act("send", {"to": to, "body": text, "kind": "question", "wait": "safe", "within": SAFE})


def reply(message: str, text: str) -> Act:
    """Answer a message."""
    return Act("send", {"reply_to": message, "body": text, "wait": "safe", "within": SAFE})


def note(text: str) -> Act:
    """Tell all who work on the project."""
    return Act("note", {"text": text, "discovery": False, "paths": []}, "noted")


def claim(path: str, why: str) -> Act:
    """Hold a path."""
    return Act("claim", {"paths": [path], "why": why, "lease": None})


def release(path: str) -> Act:
    """Let it go."""
    return Act("release", {"paths": [path], "all": False})


def task(act: str, task_id: str, why: str = "") -> Act:
    """Take, finish, drop or put back a task."""
    words = {"take": "taken", "done": "done", "drop": "dropped", "reopen": "back on the board"}
    return Act("task", {"act": act, "task": task_id, "why": why}, words[act])


def new_task(title: str) -> Act:
    """Put a task on the board."""
    return Act("task", {"act": "add", "title": title, "after": []}, "on the board")


def stop(job: str) -> Act:
    """End a job."""
    return Act("job_stop", {"job": job}, "is being stopped")


def said(act: Act, answer: Mapping[str, Any]) -> Word:
    """What became of *act*."""
    if act.do == "send":
        return _sent(answer)
    if act.do == "claim":
        return _claimed(answer)
    if act.do == "release":
        paths = [values.short(row.get("path")) for row in answer.get("released") or ()]
        return Word(f"✓ {', '.join(paths)} is free") if paths else Word("you do not hold that", bad=True)
    if act.do == "task":
        row = answer.get("task") or {}
        host = values.short(answer.get("waits_for_host"))
        unsure = f", tentatively: {host} is out of reach" if host else ""
        return Word(f"✓ {values.short(row.get('id'))} {act.done}{unsure}")
    if answer.get("kind") == "watch":
        return Word(f"✓ process {values.short(answer.get('pid'))} is no longer watched")
    return Word(f"✓ {act.fields.get('job', '')} {act.done}".replace("  ", " "))


def _sent(answer: Mapping[str, Any]) -> Word:
    rows = list(answer.get("messages") or ())
    if len(rows) != 1:
        safe = sum(row.get("state") not in ("queued", "refused") for row in rows)
        return Word(f"✓ said to {len(rows)}, safe with {safe}")
    row = rows[0]
    to, state, why = (values.short(row.get(word), 120) for word in ("to", "state", "why"))
    if state == "refused":
        return Word(f"✗ refused by {to}: {why or 'no reason given'}", bad=True)
    if state == "queued":
        return Word(f"… queued for {to}; it is delivered as soon as it can be")
    return Word(f"✓✓ shown to {to}" if state == "shown" else f"✓ safe with {to}")


def _claimed(answer: Mapping[str, Any]) -> Word:
    for row in answer.get("refused") or ():
        holder = values.address(row.get("by"), row.get("host"))
        why = values.short(row.get("why"))
        return Word(
            f"✗ {values.short(row.get('wanted'))} is held by {holder}" + (f": {why}" if why else ""), bad=True
        )
    for row in answer.get("claims") or ():
        return Word(
            f"✓ {values.short(row.get('path'))} is yours for {span(float(row.get('left') or 0) + 0.999)}"
        )
    return Word("✓ claimed")
