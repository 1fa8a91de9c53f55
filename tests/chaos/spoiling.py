"""Files that are damaged while nobody uses them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .machine import Machine

if TYPE_CHECKING:
    from .stage import Stage


def spoil(stage: Stage, machine: Machine, path: Path, how: str, session: str) -> None:
    """Damage the file at *path*, whose users are dead, and note what of it was lost."""
    target = path.with_name(f"{path.name}-wal") if how.startswith("wal-") else path
    if not target.exists() or not target.stat().st_size:
        return  # there is nothing of it to be lost
    before = contents(path)
    _change(path, target, how, random.Random(stage.plan.seed))
    after = contents(path)
    if after == before:
        return  # what was overwritten was not in use
    # What SQLite can read is not seen to be another than it was: only what was lost tells.
    about = {"host": machine.name, "session": session, "file": path.name, "how": how}
    stage.journal.add("damaged", **about, seen=after in ("", "damaged"))


def _change(path: Path, target: Path, how: str, noise: random.Random) -> None:
    size = target.stat().st_size
    if how in ("scribble", "empty", "gone"):
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
    match how:
        case "scribble":
            path.write_bytes(b"this was a file" + noise.randbytes(max(size, 8_192)))
        case "empty":
            path.write_bytes(b"")
        case "half" | "wal-cut":
            os.truncate(target, size // 2)
        case "gone" | "wal-gone":
            target.unlink()
        case "page" | "wal-noise":
            with target.open("r+b") as file:
                file.seek(size // 2)
                file.write(noise.randbytes(min(4_096, size - size // 2)))


def contents(path: Path) -> str:
    """What a file says, as far as can be read: "" if there is none, "damaged" if it cannot be read."""
    if not path.exists():
        return ""
    if path.suffix != ".db":
        text = path.read_text(errors="replace")
        try:
            json.loads(text)
        except ValueError:
            return "damaged"
        return text
    with tempfile.TemporaryDirectory() as folder:
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(f"{path}{end}", f"{folder}/copy{end}")
        db = sqlite3.connect(f"{folder}/copy")
        try:
            lines = list(db.iterdump())
            sound = db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        except (sqlite3.Error, UnicodeDecodeError):
            return "damaged"
        finally:
            db.close()
    return "\n".join(lines) if sound and len(lines) > 2 else "damaged"
