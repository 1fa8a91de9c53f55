"""After the plan: everything is mended, and what is under way arrives; then all is gathered for the checker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from peermesh.sidecar.following import GRACE

from .checker import check
from .machine import Machine
from .manners import leapt
from .mouth import Mouth
from .stage import Stage
from .trusting import pair_all

# After this, what is not there is lost.
SETTLE = 75.0  # seconds
# Long enough for what is repeated, and for the last receipts.
QUIET = 1.5
# Pages of one inbox that a person reads at a time.
PAGES = 20
# How often a session looks after its questions, in seconds.
LOOK = 5.0
# By which it is seen whether all has settled.
TOLD = ("said", "hook", "peer", "damaged", "ran", "clock")
# What a person or a program wants to compare; the rest of a row is ages and who looks.
KEYS = {
    "claims": ("path", "by", "why", "branch"),
    "tasks": ("id", "title", "state", "owner"),
    "notes": ("text", "by", "paths"),
}
COMMANDS = {"claims": ["claims"], "tasks": ["task", "list"], "notes": ["notes"]}


def heal(stage: Stage) -> float:
    """Mend what is broken and wait until all has settled; how long that took, in seconds."""
    began = time.monotonic()
    for machine in stage.machines.values():
        for point in (machine.chaos / "at").iterdir():
            point.unlink(missing_ok=True)
    pair_all(stage)  # a host whose list of trusted machines was damaged trusts nobody
    for name, ears in stage.ears.items():
        ears.resume()
        stage.of(name).peer("status", session=name)
    while time.monotonic() - began < SETTLE:
        _turns(stage)
        if _settled(stage):
            break
        time.sleep(1.0)
    time.sleep(QUIET)
    _turns(stage)
    return time.monotonic() - began


def _turns(stage: Stage) -> None:
    """Everybody reads all that there is."""
    work = [threading.Thread(target=ears.turn) for ears in stage.ears.values()]
    work += [threading.Thread(target=_read_all, args=(one,)) for one in stage.machines.values()]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()


def _read_all(machine: Machine) -> None:
    person = Mouth(machine, "")
    for _ in range(PAGES):
        if not person.inbox():
            break


def _settled(stage: Stage) -> bool:
    """Whether nothing that was told of is missing, and no sender waits for an acknowledgement."""
    wrong = check(stage.journal.entries(*TOLD)).wrong
    if any(one.startswith("lost") for one in wrong):
        return False
    if any(one.startswith("unanswered") for one in wrong):
        time.sleep(GRACE + LOOK)  # a session is idle for a while before its silence is told
        return False
    return not any("queued" in states.values() for _, states in _sent(stage)) and _views_agree(stage)


def _sent(stage: Stage) -> Iterator[tuple[str, dict[str, str]]]:
    """How far all that each one said got, by id."""
    for name in stage.plan.everybody():
        words = ("sent", "-n", "500", "--json")
        done = stage.of(name).peer(*words, session=name if name in stage.ears else "")
        try:
            yield name, {one["id"]: one["state"] for one in json.loads(done["out"])}
        except (ValueError, TypeError):  # an error; it is asked again
            yield name, {"": "queued"}


def _views_agree(stage: Stage) -> bool:
    for what in KEYS:
        if what == "claims" and leapt({kind: stage.journal.entries(kind) for kind in ("clock", "died")}):
            continue
        rows = [_view(stage.of(name), name, what) for name in stage.plan.names() if name[1] == "1"]
        if any(one != rows[0] for one in rows):
            return False
    return True


def _view(machine: Machine, name: str, what: str) -> list[dict[str, Any]] | None:
    """What a session sees, without what differs from host to host; ``None`` if it cannot be had."""
    done = machine.peer(*COMMANDS[what], "--json", session=name)
    try:
        said = json.loads(done["out"])
    except ValueError:
        return None
    rows = said.get("claims", []) if isinstance(said, dict) else said
    kept = [{key: _same(row.get(key), machine.name) for key in KEYS[what]} for row in rows]
    return sorted(kept, key=json.dumps) if what == "claims" else kept


def _same(value: Any, host: str) -> Any:
    """A name as seen from nowhere: those of a host are told by others with ``@host``."""
    if isinstance(value, str) and len(value) in (2, 4):
        return value.removesuffix(f"@{value[0]}")
    return value


# ---------------------------------------------------------------- for the checker


def gather(stage: Stage) -> None:
    """Note in the journal what there is to be seen in the end."""
    _take_fired(stage)
    for name, states in _sent(stage):
        stage.journal.add("sent", who=name, states=states)
    for name in stage.ears:
        for what in KEYS:
            if name[1] == "1":
                rows = _view(stage.of(name), name, what)
                stage.journal.add("view", host=name[0], what=what, rows=rows or [])
    for machine in stage.machines.values():
        words = machine.peer("doctor", "--json")["out"]
        stage.journal.add("word", host=machine.name, words="\n".join(_store_words(words)))
        for trace in _traces(machine.log() + _read(machine.state / "hooks.log")):
            stage.journal.add("trace", host=machine.name, words=trace)


def _store_words(out: str) -> list[str]:
    try:
        return [one["words"] for one in json.loads(out) if one["grade"] != "fine"]
    except (ValueError, KeyError, TypeError):
        return []


def _traces(log: str) -> list[str]:
    parts = log.split("Traceback")
    return [f"Traceback{part[:1_500]}" for part in parts[1:]]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _take_fired(stage: Stage) -> None:
    """Take what the shim did into the journal."""
    for machine in stage.machines.values():
        for line in _read(machine.chaos / "fired").splitlines():
            one = json.loads(line)
            stage.journal.add("fired", **{**one, "host": machine.name})
