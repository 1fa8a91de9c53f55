"""Events as another host told them, made harmless: what is wrong is refused, what is shown to people is cleaned."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from peermesh.core.clean import clean, line
from peermesh.core.events import (
    AFTER_LIMIT,
    LEASE,
    LOG_ID_LENGTH,
    LONGEST_LEASE,
    NOTE_LIMIT,
    OVER_LIMIT,
    SENT_LIMIT,
    SHORTEST_LEASE,
    STAMP_LIMIT,
    TITLE_LIMIT,
    WHY_LIMIT,
    Event,
    What,
)
from peermesh.core.jobs import JOB_ID_LENGTH, JOB_STATES
from peermesh.core.names import tidy
from peermesh.core.patterns import tidy_file, tidy_path
from peermesh.core.words import NAME_LIMIT, PEER_ID_ALPHABET, is_peer_id

REPO_LIMIT = 1_000  # characters of a repo's key
BRANCH_LIMIT = 100  # characters
# Claims that one event releases, and paths that a note is about.
RELEASE_LIMIT = 1_000
PATHS_LIMIT = 64
# A job's command, and the last line of what it put out.
CMD_LIMIT, PROGRESS_LIMIT = 200, 200  # characters
SIGNAL_LIMIT = 20  # characters
LONGEST_JOB = 100 * 365 * 86_400.0  # seconds
# What an event of a kind that only later versions know may hold.
UNKNOWN_LIMIT = 2_000  # bytes as JSON

# Directories without a repo are known by their path, which is a host's own business.
_OWN_BUSINESS = "dir:"
_LOG = re.compile(f"[0-9a-f]{{{LOG_ID_LENGTH}}}")
_WORD = re.compile("[a-z][a-z_-]{0,29}")
_JOB = re.compile(f"[{PEER_ID_ALPHABET}]{{{JOB_ID_LENGTH}}}")

Data = Mapping[str, Any]


def checked(event: Event) -> Event:
    """*event* as another host told it, with its data checked and its texts cleaned. Extra fields are dropped.

    Whether its number and stamp fit to the others of its log, and ``at``, are the caller's to judge.

    Raises:
        ValueError: no event of ours would be so; with a sentence.
    """
    _named([event.id.log, event.id.n])
    _count(event.stamp)
    if not (isinstance(event.by, str) and is_peer_id(event.by)):
        raise ValueError("an event that no peer said")
    if not isinstance(event.kind, str) or _WORD.fullmatch(event.kind) is None:
        raise ValueError("an event without a kind")
    if not isinstance(event.data, Mapping):
        raise ValueError("an event without data")
    data = _KINDS.get(event.kind, _unknown)(event.data)
    name = tidy(clean(_text(event.name, 10 * NAME_LIMIT))) or "session"
    return replace(event, name=name, repo=_repo(event.repo), data=data)


def _repo(value: object) -> str:
    key = _text(value, REPO_LIMIT)
    if not key or not key.isprintable() or key.startswith(_OWN_BUSINESS):
        raise ValueError("an event of no repo that hosts share")
    return key


# ---------------------------------------------------------------- fields


def _text(value: object, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"a field that is no text of at most {most} characters")
    return value


def _line(data: Data, field: str, most: int) -> str:
    """One line, cut at *most* characters; "" if it is missing."""
    return line(clean(_text(data.get(field, ""), 10 * most)), most)


def _flag(data: Data, field: str) -> bool:
    value = data.get(field, False)
    if not isinstance(value, bool):
        raise ValueError(f"{field} is neither true nor false")
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 1 <= value <= STAMP_LIMIT:
        raise ValueError("a field that is no number of an event")
    return value


def _named(value: object) -> list[Any]:
    """An event's name: log and number."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("a field that names no event")
    log, n = value
    if not isinstance(log, str) or _LOG.fullmatch(log) is None:
        raise ValueError("a field that names no log")
    return [log, _count(n)]


def _items(data: Data, field: str, most: int) -> list[Any]:
    value = data.get(field, [])
    if not isinstance(value, list | tuple) or len(value) > most:
        raise ValueError(f"{field} is no list of at most {most}")
    return list(value)


def _peer(data: Data, field: str) -> str:
    """A peer's id, or a task's, which has the same form."""
    value = data.get(field)
    if not isinstance(value, str) or not is_peer_id(value):
        raise ValueError(f"{field} is no id")
    return value


def _lease(data: Data) -> float:
    value = data.get("lease", LEASE)
    if type(value) not in (int, float) or (isinstance(value, float) and math.isnan(value)):
        raise ValueError("a lease that is no number of seconds")
    return float(min(max(value, SHORTEST_LEASE), LONGEST_LEASE))


def _path(data: Data, tidy_one: Callable[[str], str]) -> str:
    value = data.get("path")
    if not isinstance(value, str):
        raise ValueError("an event without a path")
    return tidy_one(value)


# ---------------------------------------------------------------- kinds


def _edit(data: Data) -> dict[str, Any]:
    return {"path": _path(data, tidy_file), "branch": _line(data, "branch", BRANCH_LIMIT)}


def _claim(data: Data) -> dict[str, Any]:
    return {
        "path": _path(data, tidy_path),
        "why": _line(data, "why", WHY_LIMIT),
        "lease": _lease(data),
        "branch": _line(data, "branch", BRANCH_LIMIT),
        "over": [_named(one) for one in _items(data, "over", OVER_LIMIT)],
    }


def _renew(data: Data) -> dict[str, Any]:
    return {"claim": _count(data.get("claim")), "lease": _lease(data), "why": _line(data, "why", WHY_LIMIT)}


def _release(data: Data) -> dict[str, Any]:
    return {"claims": [_count(one) for one in _items(data, "claims", RELEASE_LIMIT)]}


def _gone(data: Data) -> dict[str, Any]:
    return {"died": _flag(data, "died"), "why": _line(data, "why", WHY_LIMIT)}


def _note(data: Data) -> dict[str, Any]:
    text = clean(_text(data.get("text"), NOTE_LIMIT)).strip()
    if not text:
        raise ValueError("a note without text")
    paths = [_text(one, NOTE_LIMIT) for one in _items(data, "paths", PATHS_LIMIT)]
    sent = [one for one in _items(data, "sent", SENT_LIMIT) if isinstance(one, str) and is_peer_id(one)]
    return {"text": text, "discovery": _flag(data, "discovery"), "paths": _tidy_ones(paths), "sent": sent}


def _tidy_ones(paths: list[str]) -> list[str]:
    """Those of *paths* that can be shown: a note is worth more than what it is about."""
    found = []
    for one in paths:
        try:
            found.append(tidy_path(one))
        except ValueError:
            continue
    return found


def _task(data: Data) -> dict[str, Any]:
    title = _line(data, "title", TITLE_LIMIT)
    if not title:
        raise ValueError("a task without a title")
    after = [_peer({"after": one}, "after") for one in _items(data, "after", AFTER_LIMIT)]
    return {"title": title, "after": after}


def _take(data: Data) -> dict[str, Any]:
    # A name with its host's, such as build@desktop.
    name = _line(data, "to_name", 2 * NAME_LIMIT + 1)
    return {"task": _peer(data, "task"), "to": _peer(data, "to"), "to_name": name}


def _verdict(data: Data) -> dict[str, Any]:
    return {
        **_take(data),
        "take": _named(data.get("take")),
        "granted": _flag(data, "granted"),
        "why": _line(data, "why", WHY_LIMIT),
    }


def _word_on_task(data: Data) -> dict[str, Any]:
    return {"task": _peer(data, "task"), "why": _line(data, "why", WHY_LIMIT)}


def _job(data: Data) -> dict[str, Any]:
    job, state = _text(data.get("job", ""), 2 * JOB_ID_LENGTH), _text(data.get("state", ""), 30)
    if _JOB.fullmatch(job) is None or state not in JOB_STATES:
        raise ValueError("a job without an id or a state")
    code = data.get("code")
    if code is not None and (type(code) is not int or abs(code) > STAMP_LIMIT):
        raise ValueError("an exit code that is none")
    return {
        "job": job,
        "name": _line(data, "name", NAME_LIMIT) or job,
        "cmd": _line(data, "cmd", CMD_LIMIT),
        "state": state,
        "code": code,
        "signal": _line(data, "signal", SIGNAL_LIMIT),
        "seconds": _seconds(data),
        "line": _line(data, "line", PROGRESS_LIMIT),
        "branch": _line(data, "branch", BRANCH_LIMIT),
    }


def _seconds(data: Data) -> float:
    value = data.get("seconds", 0.0)
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError("a length of time that is none")
    return float(min(max(value, 0.0), LONGEST_JOB))


def _unknown(data: Data) -> dict[str, Any]:
    """Of a later version: kept for when we know it, as long as it is small and flat."""
    kept = {}
    for key, value in data.items():
        if not isinstance(key, str) or _WORD.fullmatch(key) is None:
            raise ValueError("a field without a name")
        kept[key] = [_scalar(one) for one in value] if isinstance(value, list | tuple) else _scalar(value)
    if len(json.dumps(kept)) > UNKNOWN_LIMIT:
        raise ValueError(f"an event of an unknown kind with more than {UNKNOWN_LIMIT} bytes")
    return kept


def _scalar(value: object) -> object:
    if isinstance(value, str):
        return clean(_text(value, UNKNOWN_LIMIT))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= STAMP_LIMIT:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError("a field of an unknown kind that is not flat")


_KINDS: dict[str, Callable[[Data], dict[str, Any]]] = {
    What.EDIT: _edit,
    What.CLAIM: _claim,
    What.RENEW: _renew,
    What.RELEASE: _release,
    What.GONE: _gone,
    What.NOTE: _note,
    What.TASK: _task,
    What.TAKE: _take,
    What.VERDICT: _verdict,
    What.DONE: _word_on_task,
    What.DROP: _word_on_task,
    What.REOPEN: _word_on_task,
    What.JOB: _job,
}
