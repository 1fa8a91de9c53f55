"""Targets: what is shared (`log.db`), as it may be found."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from peermesh.store.log import LogStore
from tests.fuzz.damage import Original
from tests.fuzz.source import Source
from tests.fuzz.storing import OURS, PROMISE, WHOLE, each, holds_or_tells, is_a, seeds
from tests.fuzz.target import Target, must
from tests.store.boxes import ANN, CLOCK
from tests.store.logs import LAP, REPO, counted, draft, notes, part
from tests.store.logs import heard as event_of

EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("note", {"text": "hi", "discovery": True, "paths": ["a"]}),
    ("claim", {"path": "src/", "why": "w", "lease": 600.0, "branch": "m", "over": []}),
    ("edit", {"path": "src/a.py", "branch": "m"}),
    ("task", {"title": "mend", "after": []}),
    ("take", {"task": "aaaaaaaa", "to": ANN, "to_name": "ann"}),
    (
        "job",
        {
            "job": "abcdef",
            "name": "b",
            "cmd": "make",
            "state": "running",
            "code": None,
            "seconds": 1.0,
            "line": "",
        },
    ),
]


def _make_log(folder: str) -> str:
    with closing(LogStore(folder, counted(0xA0))) as store:
        for kind, more in EVENTS:
            store.say(draft(kind, **more), CLOCK)
        theirs = [event_of(n, kind, **more) for n, (kind, more) in enumerate(EVENTS, 1)]
        store.take_in(LAP, part(0, len(theirs), *theirs))
        store.sending({LAP: 3})
        book = store.notebook
        book.state_set(ANN, "plan", "x", CLOCK)
        book.set_told(ANN, 3, {"claims": []})
        book.set_repo_at("dir:/srv", REPO)
        book.set_mode(REPO, "note")
    return "log.db"


LOG = Original(_make_log)


def _events(store: LogStore) -> None:
    found = store.since(REPO, 0)
    for seq, event in found:
        is_a(seq, int)
        is_a(event.at, float)
        for text in (event.id.log, event.by, event.name, event.repo, event.kind, event.host_key):
            is_a(text, str)
        is_a(event.id.n, int)
        is_a(event.stamp, int)
        is_a(event.data, dict)
    must(sum(len(some) for _, some in store.pages(REPO, 4)) == len(found), "pages hold something else")
    store.compact(REPO, [event.id for _, event in found][::2], store.last_seq())


def _log(store: LogStore) -> int:
    book = store.notebook
    return each(
        lambda: _events(store),
        lambda: [
            is_a(one, int) for one in (store.count(REPO), store.last_seq(), store.due(), store.generation())
        ],
        lambda: (store.counts(), store.keeps_here(ANN), store.revision()),
        lambda: store.say(draft(text="more"), CLOCK),
        lambda: [is_a(one.id.n, int) for one in store.tell(0).events],
        lambda: store.tell(3, heard_cut=0),
        lambda: (store.position(LAP, "", 0), store.position(LAP, f"{0xA1:016x}", 3)),
        lambda: [is_a(one, kind) for one, kind in zip(store.known(LAP), (str, int), strict=True)],
        lambda: store.take_in(LAP, notes(6, 8)),
        lambda: (store.sending({LAP: 4}), store.rekey(REPO, "remote:y"), store.forget([LAP])),
        lambda: store.reborn("e" * 16, 99),
        lambda: [
            is_a(one, str)
            for one in (book.state_get(ANN, "plan"), book.mode(REPO), book.repo_at("dir:/srv"))
            if one
        ],
        lambda: [is_a(text, str) for row in book.state_all(ANN) for text in row[:2]],
        lambda: [
            is_a(one, kind)
            for told in [book.told(ANN)]
            if told
            for one, kind in zip(told, (int, dict), strict=True)
        ],
    )


def log_rows(data: bytes) -> None:
    """The log with rows that say anything."""
    folder = LOG.rewritten(Source(data))
    try:
        store = LogStore(folder, counted(0xC0))
    except OURS:
        return
    with closing(store):
        _log(store)


def log_bytes(data: bytes) -> None:
    """The log, of which bytes were changed."""
    folder = LOG.damaged(Source(data))
    try:
        store = LogStore(folder, counted(0xC0))
    except OURS:
        return
    with closing(store):
        holds_or_tells(store.set_aside, lambda: not store.counts(), lambda: _log(store))


TARGETS = (
    Target(
        "log_rows",
        log_rows,
        seeds,
        "rows of `log.db` (`store/log*.py`, `notebook.py`)",
        PROMISE,
        longest=300,
    ),
    Target("log_bytes", log_bytes, seeds, "bytes of `log.db`", WHOLE, longest=300),
)
