"""From a command to its sidecar: the session's that it runs in, else the person's."""

from __future__ import annotations

import os
import sys

from peermesh import config
from peermesh.door.client import Door, knock, reach, session_spec
from peermesh.errors import NoSidecar, PeerError, SwitchedOff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A sidecar starts in a tenth of a second; a loaded machine may need longer.
START = 10.0  # seconds
# An answer that waits for nothing.
ANSWER = 30.0


def link() -> tuple[str, str, dict[str, Any]]:
    """The state directory, the link to our peer, and what its sidecar would be told.

    Raises:
        SwitchedOff, HomeUnusable: we have none.
    """
    if config.disabled():
        raise SwitchedOff("peer is switched off here by PEER_DISABLE")
    root = config.make_home()
    session = config.session_id()
    if session is None:
        return root, config.person_link(root), {}
    path = config.session_link(root, session)
    if os.path.exists(os.path.join(path, "off")):
        raise SwitchedOff()
    return root, path, session_spec(session, config.client_pid(), os.getcwd())


def door() -> Door:
    """Our sidecar's door; the sidecar is started if it does not run.

    Raises:
        NoSidecar: it does not come up.
    """
    root, path, spec = link()
    try:
        return reach(root, path, spec, START)
    except NoSidecar:
        if os.path.exists(os.path.join(path, "off")):
            raise SwitchedOff() from None
        raise NoSidecar(f"the sidecar did not start; {_last_words(root)}") from None


def _last_words(root: str) -> str:
    try:
        with open(os.path.join(root, "sidecar.log"), encoding="utf-8", errors="replace") as log:
            lines = log.read()[-4_000:].strip().splitlines()
    except OSError:
        lines = []
    return f"its last words: {lines[-1]}" if lines else "`peer doctor` shows more"


def running() -> Door | None:
    """Our sidecar's door if it runs; nothing is started."""
    _, path, _ = link()
    return knock(path)


def ask(do: str, **fields: Any) -> tuple[Door, dict[str, Any]]:
    """Ask our sidecar one question; the door stays open for what follows.

    Raises:
        PeerError: the sidecar's answer, or that it has none.
    """
    timeout = float(fields.pop("patience", ANSWER))
    near = door()
    try:
        return near, near.ask(do, timeout=timeout, **fields)
    except TimeoutError as wrong:
        raise PeerError(
            f"the sidecar did not answer within {timeout:.0f} s; `peer doctor` may show why"
        ) from wrong
    except OSError as wrong:
        then = "`peer sent` shows whether it was taken" if do == "send" else "try again"
        raise NoSidecar(f"the sidecar went away before it answered; {then}") from wrong


def shown(near: Door, answer: dict[str, Any]) -> None:
    """What was handed to us has been printed: flush, and only then say so."""
    sys.stdout.flush()
    try:
        if answer.get("hand"):
            near.ask("shown", timeout=ANSWER, hand=answer["hand"])
    except OSError as wrong:
        raise NoSidecar("the sidecar went away; what was printed will be shown again") from wrong
    finally:
        near.close()
