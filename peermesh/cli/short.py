"""The short road: `peer send` and `peer reply` with plain words go to the door without click.

Half of such a command's time would be the load of a parser for options that it has none of; scripts and
models send often. Whatever has another option than ``--json``, or is wrong in any way, takes the road through
click, which knows all of it. What is said and done is one: ``sending.py``.
"""

from __future__ import annotations

from peermesh.cli import sending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = "--json"


def fits(words: Sequence[str]) -> bool:
    """Whether *words* are `send TO TEXT…` or `reply ID TEXT…` without any option but ``--json``, or ``-``."""
    plain = _plain(words)
    options = any(word.startswith("-") for word in plain)
    return len(plain) > 2 and words[0] in ("send", "reply") and not options


def run(words: Sequence[str]) -> int:
    """Do what *words*, which fit, say; the exit code.

    Raises:
        PeerError: it was not taken.
    """
    verb, whom, *text = _plain(words)
    said = {"body": sending.text_of(tuple(text)), "urgent": False}
    if verb == "reply":
        fields = {"reply_to": whom, **said}
    else:
        fields = {"to": whom, **said, "kind": "message", "reply_to": ""}
    return sending.send(fields, None, 0.0, as_json=JSON in words)


def _plain(words: Sequence[str]) -> list[str]:
    return [word for word in words if word != JSON]
