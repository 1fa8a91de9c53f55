"""Which messages were shown: their ids and tokens, out of what a hook or a command printed. Pure.

A token is all that a message says: a letter, who said the first word, and which one of his it is.

    m.a1.7    a message                 j.a1.7    a job, whose end is told in a sentence with its name
    q.a1.7    a question to be answered r.a1.7    the answer to it
    u.a1.7    one that nobody answers   n.a1.7    the notice that there is no answer, which quotes it
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_TOKEN = re.compile(r"\b([mjqur])\.([a-z0-9]+\.\d+)\b")
# A message as the model reads it: its id, what it is, and the first line of its body.
_SHOWN = re.compile(r"^\[([0-9a-z]{8}-\d+)\] (\w+)[^\n]*\n> ([^\n]*)", re.MULTILINE)

ASKED = ("q", "u")


def _token(kind: str, body: str) -> str:
    found = _TOKEN.search(body)
    if found is None:
        return ""
    letter, rest = found.groups()
    return f"n.{rest}" if kind == "notice" and letter in ASKED else f"{letter}.{rest}"


def shown(text: str) -> list[list[str]]:
    """Id and token of each message in what a hook printed, in order."""
    found = [[ident, _token(kind, body)] for ident, kind, body in _SHOWN.findall(text)]
    return [one for one in found if one[1]]


def printed(rows: Iterable[dict[str, Any]]) -> list[list[str]]:
    """The same of messages as a command prints them with ``--json``."""
    found = [[str(one["id"]), _token(str(one["kind"]), str(one["body"]))] for one in rows]
    return [one for one in found if one[1]]


def answer_to(token: str) -> str:
    """The token of the answer to a question's."""
    return f"r{token[1:]}"


def notice_of(token: str) -> str:
    """The token of the notice that a question has no answer."""
    return f"n{token[1:]}"
