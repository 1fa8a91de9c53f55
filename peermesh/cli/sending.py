"""One `send` through the door, and the truth about how far it got. Without click, see ``short.py``."""

from __future__ import annotations

import os
import sys

from peermesh import config
from peermesh.cli import link, plain
from peermesh.errors import EmptyText, Exit, NotText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Without --wait: long enough for a sidecar on this host to say that it is safe, which takes 2 ms.
GLANCE = 1.0  # seconds
# The sidecar answers by the deadline; this much later something is wrong with it.
SLACK = 10.0


def text_of(words: tuple[str, ...]) -> str:
    """The text that was given as arguments.

    Raises:
        EmptyText, NotText: there is none that can be sent.
    """
    text = " ".join(words)
    try:
        text.encode()
    except UnicodeEncodeError as wrong:
        raise NotText() from wrong
    if not text.strip():
        raise EmptyText()
    return text


def send(fields: dict[str, Any], wait: str | None, timeout: float, *, as_json: bool) -> int:
    """Send, print what became of it, and give the exit code.

    Args:
        fields: of the door's verb ``send``; ``reply_to`` without ``to`` answers.
        wait: the state to wait for; None for a glance.
        timeout: seconds to wait for it.
        as_json: print for a program.

    Raises:
        PeerError: it was not taken; nothing was sent.
    """
    if fields.get("to", "").startswith("@"):
        fields["cwd"] = os.getcwd()
    fields["lan"] = not config.lan_forbidden()
    patience = timeout if wait else GLANCE
    near, answer = link.ask("send", **fields, wait=wait or "safe", within=patience, patience=patience + SLACK)
    near.close()
    _print(answer, as_json=as_json)
    if any(row["state"] == "refused" for row in answer["messages"]):
        return Exit.REFUSED
    if wait and not answer["reached"]:
        if not as_json:
            plain.say(f"not {wait} within {timeout:g} s; peer sent shows what becomes of it", sys.stderr)
        return Exit.NOT_YET
    return Exit.DONE


def _print(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        plain.as_json(answer)
        return
    for row in answer["messages"]:
        plain.say(plain.state_line(row, sys.stdout), sys.stdout)
    plain.unread(answer)
