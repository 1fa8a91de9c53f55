"""What a model, or the person, is told before an edit. Read once for each claim: short, and all that is needed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from peermesh.core.clean import age, clean, line, span

if TYPE_CHECKING:
    from peermesh.core.claims import Claim
    from peermesh.core.picture import Edit
    from peermesh.core.words import PeerId

WHY = 160  # characters
_PLAIN = re.compile(r"[\w.@-]+")

PASSES = " Nothing was changed yet; if the edit is needed all the same, do it again and it passes."
ASKS = " Nothing was changed yet; if the edit is needed all the same, do it again, and the user is asked."


def claimed(path: str, claim: Claim, who: str, now: float, then: str = "") -> str:
    """Before an edit of *path*, on which somebody else has a claim.

    Args:
        path: in the repo.
        claim: the other's.
        who: what the other is called.
        now: wall clock, seconds.
        then: what becomes of another try, if this one is turned back: ``PASSES`` or ``ASKS``.
    """
    about = [
        f'claim on "{_short(claim.path)}"' if claim.path != path else "",
        f'branch "{_short(claim.branch)}"' if claim.branch else "",
        f"since {span(now - claim.since)}",
    ]
    why = f'; its words: "{_short(claim.why, WHY)}"' if claim.why else ""
    return (
        f'peer: "{_short(path, 200)}" is held by the session {_short(who)} ({", ".join(filter(None, about))}){why}. '
        f'Ask it first: peer ask {_target(who, claim.by)} "…".{then}'
    )


def edited(path: str, edit: Edit, who: str, now: float) -> str:
    """Before an edit of *path*, which somebody else edited a short while ago."""
    where = f' on branch "{_short(edit.branch)}"' if edit.branch else ""
    return (
        f'peer: the session {_short(who)} edited "{_short(path, 200)}"{where} {age(now - edit.at)}. '
        f'If your change meets its: peer ask {_target(who, edit.by)} "…"'
    )


def _short(text: str, room: int = 100) -> str:
    """Others' words for inside of quotes, which they cannot end."""
    return clean(line(text, room)).replace('"', "'")


def _target(who: str, peer: PeerId) -> str:
    """What to type after a command: the name, unless a shell would make something else of it; then the id."""
    return who if _PLAIN.fullmatch(who) else peer
