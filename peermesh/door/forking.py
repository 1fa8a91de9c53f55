"""The near side of the fork server: ask it for a sidecar. Light, because hooks and commands do this.

A request is one line of JSON, ``{"run": …, "spec": …, "env": …, "delay": …}``; the answer is ``yes`` in a line, or
nothing at all: then the caller starts a sidecar itself.
"""

from __future__ import annotations

import _socket as socket  # see client.py
import os
import sys

from peermesh import lightjson as json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The answer of a server that is about to fork.
YES = b"yes\n"
# It comes within a few milliseconds. One that stands still holds nobody up for longer than this.
BLINK = 0.2  # seconds


def fork_path(root: str) -> str:
    """Where the fork server of the state directory *root* listens."""
    return os.path.join(root, "fork")


def running(package: str) -> list[object]:
    """Which program this is: where its interpreter is, which one, and the directory that holds *package*."""
    return [os.path.realpath(os.path.dirname(sys.executable)), sys.hexversion, os.path.realpath(package)]


def ask_fork(root: str, package: str, spec: dict[str, Any], delay: float) -> bool:
    """Whether the fork server starts a sidecar; ``False`` if there is none that can, or none that would.

    Args:
        root: the state directory.
        package: the directory that holds the package.
        spec: see ``client.start``.
        delay: seconds until the sidecar begins.
    """
    if sys.platform != "linux":
        return False
    said = {"run": running(package), "spec": spec, "env": dict(os.environ), "delay": delay}
    near = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        near.settimeout(BLINK)
        near.connect(fork_path(root))
        near.sendall(json.dumps(said).encode() + b"\n")
        return near.recv(32) == YES
    except OSError:
        return False
    finally:
        near.close()
