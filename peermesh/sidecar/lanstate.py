"""The file ``lan.json``: how the gate fares, for whichever sidecar or command asks. Not kept: each gate writes anew."""

from __future__ import annotations

import json
import os
from typing import Any

from peermesh.sidecar.presence import alive


def write(root: str, state: dict[str, Any]) -> None:
    """Put *state* in place of what stood there."""
    path = os.path.join(root, "lan.json")
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump({"pid": os.getpid(), **state}, file)
    os.replace(f"{path}.new", path)


def read(root: str) -> dict[str, Any]:
    """How the gate of the state directory *root* fares; {} if none runs."""
    try:
        with open(os.path.join(root, "lan.json"), encoding="utf-8") as file:
            said = json.load(file)
        return said if alive(int(said["pid"])) else {}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return {}
