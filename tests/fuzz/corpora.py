"""Corpora on disk: for each target one file of inputs that are worth keeping, and one of those that once broke it.

Text, so that a change of them can be read and merged: one input in a line, as base64; what was found has a date
and a sentence in front.
"""

from __future__ import annotations

import base64
from pathlib import Path

HERE = Path(__file__).parent
CORPUS, FOUND = HERE / "corpus", HERE / "found"


def kept(name: str) -> list[bytes]:
    """The corpus of the target *name*."""
    return _read(CORPUS / f"{name}.txt")


def found(name: str) -> list[bytes]:
    """The inputs that once broke the target *name*: they are never thrown away."""
    return _read(FOUND / f"{name}.txt")


def keep(name: str, inputs: list[bytes]) -> None:
    """Write the corpus of the target *name* anew."""
    CORPUS.mkdir(exist_ok=True)
    lines = sorted({base64.b64encode(one).decode() for one in inputs if one}, key=lambda one: (len(one), one))
    (CORPUS / f"{name}.txt").write_text("\n".join([*lines, ""]), "ascii")


def _read(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines()
    return [base64.b64decode(one) for one in lines if one and not one.startswith("#")]
