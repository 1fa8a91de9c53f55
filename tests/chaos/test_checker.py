"""The checker catches each kind of broken promise, and nothing else: short journals, written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from .checker import check

Entry = dict[str, Any]

PEERS = [{"kind": "peer", "who": who, "id": f"peer{who}"} for who in ("a1", "a2", "b1")]


def said(
    n: int, at: float, who: str = "a1", to: str = "b1", state: str = "safe", *, token: str = "", **more: Any
) -> Entry:
    """*who* was told how far its *n*-th message to *to* got."""
    row = {"id": f"peer{who}-{n}", "peer": f"peer{to}", "to": to, "state": state}
    usual = {"code": 0, "error": "", "urgent": False, "rows": [row]}
    return {
        "kind": "said",
        "token": token or f"m.{who}.{n}",
        "who": who,
        "to": to,
        "began": at,
        "ended": at + 0.1,
        **usual,
        **more,
    }


def hook(at: float, *ns: int, who: str = "b1", of: str = "a1", event: str = "Stop", **more: Any) -> Entry:
    """A hook of *who* printed the *ns*-th messages of *of*."""
    ids = [[f"peer{of}-{n}", f"m.{of}.{n}"] for n in ns]
    usual = {"code": 0, "err": "", "cut": False, "killed": False, "event": event}
    return {
        "kind": "hook",
        "who": who,
        "host": who[0],
        "began": at,
        "ended": at + 0.1,
        "ids": ids,
        **usual,
        **more,
    }


def died(at: float, session: str = "b1", why: str = "kill -9") -> Entry:
    """A sidecar was killed."""
    return {"kind": "died", "at": at, "host": "b", "session": session, "why": why}


def fired(at: float, point: str) -> Entry:
    """The shim did something to b1's sidecar."""
    return {"kind": "fired", "at": at, "host": "b", "session": "", "peer": "peerb1", "point": point}


def clock(at: float) -> Entry:
    """The clock of b was set."""
    return {"kind": "clock", "at": at, "host": "b", "by": 3_600}


def damaged(at: float, file: str = "mail.db", session: str = "b1", *, seen: bool = True) -> Entry:
    """A file was damaged."""
    return {
        "kind": "damaged",
        "at": at,
        "host": "b",
        "session": session,
        "file": file,
        "how": "scribble",
        "seen": seen,
    }


def word(words: str) -> Entry:
    """What peer doctor said in the end."""
    return {"kind": "word", "host": "b", "words": words}


def view(host: str, *rows: str, what: str = "tasks") -> Entry:
    """What a host shows."""
    return {"kind": "view", "host": host, "what": what, "rows": list(rows)}


def command(out: str = "", err: str = "", code: int | None = 0) -> Entry:
    """Some command."""
    return {"kind": "command", "who": "a1", "words": ["list"], "code": code, "out": out, "err": err}


def sent(state: str, ident: str = "peera1-1") -> Entry:
    """What `peer sent` says in the end."""
    return {"kind": "sent", "who": "a1", "states": {ident: state}}


def asked(n: int, at: float, letter: str = "q", **more: Any) -> Entry:
    """a1 asked b1 something."""
    return said(n, at, token=f"{letter}.a1.{n}", **more)


def reply(n: int, at: float, of: int, **more: Any) -> Entry:
    """b1 answered a1's *of*-th."""
    return said(n, at, who="b1", to="a1", token=f"r.a1.{of}", **more)


def prints(at: float, ident: str, token: str, who: str = "a1", event: str = "inbox", **more: Any) -> Entry:
    """A command of *who* printed a message."""
    return hook(at, who=who, event=event, **{"ids": [[ident, token]], **more})


def answered(n: int, by: str, code: int = 0) -> Entry:
    """`peer ask` told a1 of an answer, or that there is none."""
    return {"kind": "answered", "token": f"q.a1.{n}", "who": "a1", "by": [["peerb1-1", by]], "code": code}


def peeked(at: float, who: str = "a1") -> Entry:
    """b1's first message was shown as unread."""
    return {"kind": "peeked", "who": who, "ids": [["peerb1-1", "m.b1.1"]], "began": at, "ended": at + 0.1}


FINE: list[list[Entry]] = [
    # two commands beside each other: either may have been first
    [said(1, 1.0, ended=2.1), said(2, 2.0), hook(3.0, 2, 1)],
    [said(1, 1.0), hook(2.0, 1), sent("shown")],
    [said(1, 1.0), said(2, 2.0), hook(3.0, 1, 2)],
    [said(1, 1.0), said(1, 1.0, who="a2", state="queued"), hook(2.0, 1), hook(3.0, 1, of="a2")],
    # An urgent one overtakes; one that was refused is not shown; one that was not taken is not said.
    [said(1, 1.0), said(2, 2.0, urgent=True), hook(3.0, 2, event="PostToolBatch"), hook(4.0, 1)],
    [said(1, 1.0, state="refused")],
    [said(1, 1.0, rows=[], error="disk-full", code=1)],
    # Killed before it answered: it may have been said, or not.
    [said(1, 1.0, rows=[], code=-9), hook(2.0, 1)],
    [said(1, 1.0, rows=[], code=-9)],
    [view("a", "x"), view("b", "x")],
    [view("a", "x", what="claims"), view("b", what="claims"), clock(1.0), died(5.0, "", "power")],
    [damaged(3.0), word("mail.db.damaged-1")],
    [command(), command(code=5), command(code=None)],
    # A question was answered, or its asker heard that it was not; a person hears nothing.
    [
        asked(1, 1.0, state="queued"),
        hook(2.0, ids=[["peera1-1", "q.a1.1"]]),
        reply(1, 3.0, 1),
        prints(3.2, "peerb1-1", "r.a1.1", event="ask"),
        answered(1, "r.a1.1"),
    ],
    [asked(1, 1.0), hook(2.0, ids=[["peera1-1", "q.a1.1"]]), prints(9.0, "peera1-2", "n.a1.1", event="Stop")],
    [asked(1, 1.0, rows=[]), prints(3.0, "peera1-2", "n.a1.1", event="ask"), answered(1, "n.a1.1", 4)],
    [asked(1, 1.0, who="a"), hook(2.0, ids=[["peera-1", "q.a1.1"]])],
    [asked(1, 1.0, state="refused")],
    # An answer that was waited for overtakes what was said before it.
    [
        said(1, 1.0, "b1", "a1"),
        reply(2, 2.0, 1),
        prints(2.1, "peerb1-2", "r.a1.1", event="ask"),
        prints(5.0, "peerb1-1", "m.b1.1", event="Stop"),
    ],
    # A command that was killed has not told that it printed; nor one whose sidecar went away.
    [prints(1.0, "peerb1-1", "m.b1.1", code=-9), prints(4.0, "peerb1-1", "m.b1.1")],
    [prints(1.0, "peerb1-1", "m.b1.1", code=1), prints(4.0, "peerb1-1", "m.b1.1"), peeked(3.0)],
    [peeked(0.5), prints(1.0, "peerb1-1", "m.b1.1"), peeked(1.05)],
]


@pytest.mark.parametrize("entries", FINE)
def test_a_run_that_keeps_all_promises(entries: list[Entry]) -> None:
    """Nothing is found where nothing is wrong."""
    assert check([*PEERS, *entries]).wrong == []


BROKEN: dict[str, list[list[Entry]]] = {
    "lost": [
        [said(1, 1.0)],
        [said(1, 1.0, state="queued"), hook(2.0, 1, who="a2")],
        [said(1, 9.0), damaged(3.0), word("mail.db")],  # said long after the damage
        [said(1, 1.0), damaged(3.0, file="host.db"), word("host.db")],  # mail was not in that file
        # It is where it was, and was not delivered.
        [said(1, 1.0), damaged(3.0), word("mail.db"), sent("refused")],
        [{"kind": "ran", "who": "b1", "token": "j.b1.1", "code": 0, "ended": 1.0}],
    ],
    "refused and shown": [
        [said(1, 1.0, state="refused"), hook(2.0, 1)],
        [said(1, 1.0, rows=[], error="disk-full", code=1), hook(2.0, 1)],
    ],
    "twice": [
        [said(1, 1.0), hook(2.0, 1), hook(3.0, 1)],
        [said(1, 1.0), hook(2.0, 1), died(2.15, "", "supervisor"), hook(3.0, 1)],  # that shows nothing
        [said(1, 1.0), hook(2.0, 1), fired(2.15, "io read log.db"), hook(3.0, 1)],  # nobody died
        [said(1, 1.0), died(1.5), hook(2.0, 1), hook(9.0, 1)],  # killed before
        [said(1, 1.0), hook(2.0, 1), hook(3.0), died(6.0), hook(9.0, 1)],  # killed long after the record
        [said(1, 1.0), hook(2.0, 1), died(2.2, session="b2"), hook(9.0, 1)],  # another one's sidecar
        [said(1, 1.0), hook(2.0, 1), hook(3.0), {"kind": "left", "at": 9.0, "session": "b1"}, hook(9.5, 1)],
        # What a command printed to its end needs no sign of the client's.
        [prints(1.0, "peerb1-1", "m.b1.1"), prints(4.0, "peerb1-1", "m.b1.1", event="Stop")],
        [
            prints(1.0, "peera1-1", "m.a1.1", who="b1"),
            {"kind": "left", "at": 2.0, "session": "b1"},
            hook(9.5, 1),
        ],
    ],
    "unanswered": [
        [asked(1, 1.0), hook(2.0, ids=[["peera1-1", "q.a1.1"]])],
        [asked(1, 1.0, "u"), hook(2.0, ids=[["peera1-1", "u.a1.1"]]), prints(3.0, "peera1-9", "n.a1.2")],
    ],
    "false answer": [
        [answered(1, "r.a1.2")],
        [answered(1, "m.b1.1")],
        [answered(1, "r.a1.1", 4), reply(1, 1.0, 1), prints(1.5, "peerb1-1", "r.a1.1", event="ask")],
        [answered(1, "n.a1.1", 0)],
    ],
    "never said": [[prints(1.0, "peerb1-1", "r.a1.1", event="ask")]],
    "unread again": [[prints(1.0, "peerb1-1", "m.b1.1"), peeked(5.0)]],
    "two ids": [[said(1, 1.0), hook(2.0, 1), hook(3.0, 1, ids=[["peera1-7", "m.a1.1"]])]],
    "order": [
        [said(1, 1.0), said(2, 2.0), hook(3.0, 2), hook(4.0, 1)],
        [said(1, 1.0), said(2, 2.0), hook(3.0, 2, 1)],
        [said(1, 1.0), said(2, 2.0), hook(3.0, 2), hook(4.0, 1), damaged(9.0), word("mail.db")],
        [
            said(1, 1.0, urgent=True),
            said(2, 2.0, urgent=True),
            hook(3.0, 2, 1, event="PostToolBatch"),
        ],
    ],
    "false shown": [
        [said(1, 1.0), hook(2.0, 1), said(2, 3.0, state="shown"), hook(4.0, 2, who="a2")],
        [said(1, 1.0, state="queued"), sent("shown")],
        [said(1, 1.0, state="shown"), hook(5.0, 1)],  # told before it was so
    ],
    "views": [
        [view("a", "x"), view("b", "y")],
        [view("a"), view("b", "y")],
        [view("a", "x", what="claims"), view("b", what="claims"), clock(1.0), died(5.0)],
        [view("a", "x", what="claims"), view("b", what="claims"), clock(50.0), died(5.0, "", "power")],
    ],
    "silent damage": [[damaged(3.0), word("all is well")], [damaged(3.0)]],
    "hook": [
        [hook(1.0, code=1)],
        [hook(1.0, err="Traceback …")],
        [hook(1.0, cut=True)],
        [hook(1.0, event="Wait", code=1)],
    ],
    "hung": [[{"kind": "hung", "argv": ["Stop"], "session": "b1", "seconds": 8.0}]],
    "traceback": [
        [command(err="Traceback (most recent call last)")],
        [{"kind": "trace", "host": "a", "words": "Traceback"}],
    ],
    "exit code": [[command(code=139)]],
}


@pytest.mark.parametrize(
    ("kind", "entries"), [(kind, one) for kind, some in BROKEN.items() for one in some], ids=str
)
def test_each_broken_promise_is_caught(kind: str, entries: list[Entry]) -> None:
    """A journal in which one promise is broken: it is found, by its name."""
    found = check([*PEERS, *entries])
    assert any(one.startswith(f"{kind}: ") for one in found.wrong), found


WINDOWS: dict[str, list[Entry]] = {
    "hook killed": [hook(2.0, 1, killed=True), hook(3.0, 1)],
    "sidecar killed between flush and record": [hook(2.0, 1), died(2.15), hook(3.0, 1)],
    "sidecar killed before it saw the client's sign": [hook(2.0, 1), hook(6.0), died(6.5), hook(7.0, 1)],
    "the record could not be written": [
        hook(2.0, 1),
        {"kind": "disk", "host": "b", "began": 1.0, "ended": 3.0, "what": "full"},
        hook(3.5, 1),
    ],
    "its record was damaged": [hook(2.0, 1), damaged(8.0), word("mail.db"), hook(9.0, 1)],
    "client died": [hook(2.0, 1), {"kind": "left", "at": 9.0, "session": "b1"}, hook(9.5, 1)],
}


@pytest.mark.parametrize("why", WINDOWS)
def test_the_named_windows_are_counted_apart(why: str) -> None:
    """What is shown again for a reason that is written down is no broken promise, and it is counted."""
    found = check([*PEERS, said(1, 1.0), *WINDOWS[why]])
    assert found.wrong == []
    assert found.counts[f"shown again: {why}"] == 1


def test_a_sidecar_that_stood_still_hears_the_word_late() -> None:
    """Killed right after it went on, it had not recorded what the hook told while it stood still."""
    stopped = {"kind": "stopped", "host": "b", "session": "b1", "began": 1.9, "ended": 8.0}
    entries = [said(1, 1.0), hook(2.0, 1), stopped, died(8.05), hook(9.0, 1)]
    assert check([*PEERS, *entries]).wrong == []


def test_a_message_that_went_with_its_store_is_counted() -> None:
    """It is lost with the mailbox that was destroyed, and there is a word about that."""
    found = check([*PEERS, said(1, 1.0), damaged(2.0), word("mail.db")])
    assert found.wrong == []
    assert found.counts["lost with its store"] == 1
