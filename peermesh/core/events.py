"""Events: what is said to everybody of a repo. One line in the log of the host where it was said.

The views that people and models see (claims.py, tasks.py, picture.py) are folds over events, in whatever order
they are heard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from peermesh.core.words import PEER_ID_ALPHABET, PeerId

LOG_ID_LENGTH = 16  # hex digits

# What one event may hold, as others read it.
PATH_LIMIT = 512  # characters
WHY_LIMIT = 200  # characters
NOTE_LIMIT = 4_000  # characters; what is longer belongs into a file
TITLE_LIMIT = 200  # characters
AFTER_LIMIT = 16  # tasks that one waits for
OVER_LIMIT = 64  # claims that one follows
SENT_LIMIT = 64  # sessions to which a discovery is also sent

# Half an hour: longer than most edits, shorter than a coffee break.
LEASE = 1_800.0  # seconds
LONGEST_LEASE = 24 * 3_600.0
SHORTEST_LEASE = 10.0

# Lamport stamps: far above any count that is reached, far below what SQLite and msgpack hold.
STAMP_LIMIT = 2**52
# A stamp may be ahead of ours by this much: a broken host must not use them all up.
STAMP_LEAP = 2**32

TASK_ID_LENGTH = 8


class What(StrEnum):
    """The kinds of events. Those of later versions are kept and ignored."""

    EDIT = "edit"  # path, branch
    CLAIM = "claim"  # path (a pattern), why, lease, branch, over: claims known to have ended
    RENEW = "renew"  # claim (its number), lease, why
    RELEASE = "release"  # claims (their numbers)
    GONE = "gone"  # died, why: the session's claims end; if it died its tasks return
    NOTE = "note"  # text, discovery, paths, sent: the peers that were sent it as a message, too
    TASK = "task"  # title, after
    TAKE = "take"  # task (its eight letters, as everywhere), to, to_name
    VERDICT = "verdict"  # task, take (log, n), granted, to, to_name, why: by the host where the task was made
    DONE = "done"  # task, why
    DROP = "drop"  # task, why
    REOPEN = "reopen"  # task, why
    JOB = "job"  # job, name, cmd, state, code, signal, seconds, line, branch: at its start, its end, and as it goes


@dataclass(frozen=True, slots=True, order=True)
class EventId:
    """An event's name: in which log, and how many-th."""

    log: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event before it has its number and stamp."""

    by: PeerId
    name: str  # of who says it, as it is now
    repo: str  # the repo's key
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    here: bool = False  # for this host only: said by a session that keeps from the LAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing said to everybody of a repo."""

    id: EventId
    stamp: int  # Lamport's: larger than that of all events that were known when this was said
    by: PeerId
    name: str
    repo: str
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    at: float = 0.0  # when it was said, by the wall clock of the host that holds this value, in seconds
    host_key: str = ""  # the host in whose log it stands; "" is this one
    here: bool = False

    @property
    def place(self) -> tuple[int, str, int]:
        """Its place in the order that is the same on every host."""
        return self.stamp, self.id.log, self.id.n


def task_id(one: EventId) -> str:
    """The short name of the task that the event *one* made: eight letters."""
    number = int.from_bytes(hashlib.sha256(f"{one.log}-{one.n}".encode()).digest()[:5])
    letters = []
    for _ in range(TASK_ID_LENGTH):
        number, letter = divmod(number, len(PEER_ID_ALPHABET))
        letters.append(PEER_ID_ALPHABET[letter])
    return "".join(letters)
