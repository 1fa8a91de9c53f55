"""Questions and their answers, and what was read: what a command told of them, against what was said and shown. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .excuses import COMMANDS, RECORD, Entry, Kinds, Showing, excuse
from .words import ASKED, answer_to, notice_of

Shown = Mapping[tuple[str, str], list[Showing]]
# Of `peer ask`: the answer was printed, or only that there is none.
ANSWERED, NOT_YET = 0, 4


def false_answers(by_kind: Kinds) -> Iterator[tuple[str, str]]:
    """What `peer ask` printed is the answer to its own question, or the notice of it, and its code says which."""
    for one in by_kind["answered"]:
        said = [token for _, token in one["by"]]
        code = {answer_to(one["token"]): ANSWERED, notice_of(one["token"]): NOT_YET}
        if len(said) != 1 or said[0] not in code:
            yield "false answer", f"{one['token']} of {one['who']} was answered by {said}"
        elif one["code"] is not None and one["code"] >= 0 and one["code"] not in (code[said[0]], 1):
            yield "false answer", f"{one['token']} of {one['who']}: {said[0]} with code {one['code']}"


def never_said(by_kind: Kinds, tokens: set[str]) -> Iterator[tuple[str, str]]:
    """An answer that was shown was said by somebody, as far as he knows it."""
    said = {one["token"] for one in by_kind["said"]}
    for token in tokens:
        if token.startswith("r.") and token not in said:
            yield "never said", token


def unanswered(by_kind: Kinds, who: Mapping[str, str], shown: Shown) -> Iterator[tuple[Entry, str]]:
    """Questions of sessions of which these were shown neither an answer nor the notice that there is none."""
    for said in by_kind["said"]:
        token = said["token"]
        if token[:1] not in ASKED or len(said["who"]) < 2:  # a person is told nothing
            continue
        heard = any(shown.get((said["who"], one)) for one in (answer_to(token), notice_of(token)))
        for row in said["rows"]:
            if row["state"] != "refused" and row["peer"] in who and not heard:
                yield said, who[row["peer"]]


def unread_again(by_kind: Kinds, who: dict[str, str], shown: Shown) -> Iterator[tuple[str, str]]:
    """What a command has printed to its end is not shown as unread later."""
    for peek in by_kind["peeked"]:
        for ident, token in peek["ids"]:
            again = Showing(ident, token, peek["who"], peek["began"], peek["ended"], False, "peek")
            for one in shown.get((peek["who"], token), []):
                read = one.id == ident and one.event in COMMANDS and one.ended + RECORD < peek["began"]
                if read and not excuse(by_kind, who, one, again):
                    yield "unread again", f"{ident} {token} of {peek['who']}"
                    break
