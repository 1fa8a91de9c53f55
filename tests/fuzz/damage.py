"""SQLite files as others may leave them: rows with values of any type, bytes overwritten, files cut off."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from typing import Any

from tests.fuzz.loops import scratch
from tests.fuzz.source import Source, as_json, edited

# What may stand in a cell: SQLite takes any type anywhere.
CELLS: tuple[Any, ...] = (
    *(0, 1, -1, 2**31, 2**53, 2**63 - 1, -(2**63), 0.5, -1.5, 1e308, float("inf"), float("-inf")),
    *(
        b"",
        b"\x00",
        b"\xff\xfe",
        b"text",
        b"{}",
        "",
        "x",
        "7",
        "-7",
        "1e400",
        "²",
        "x" * 70_000,
        "\x00",
        "\ufffd",
    ),
    *("null", "[]", "{}", "[1]", '{"chain": 7}', '{"reply": "x"}', '{"text": null}', "[[[[", "9" * 30),
    *(
        "queued",
        "safe",
        "held",
        "handed",
        "shown",
        "refused",
        "gone",
        "aaaaaaaa",
        "bbbbbbbb",
        "note",
        "task",
        "take",
    ),
)
EDITS = 4
_FOLDERS: list[str] = []


class Original:
    """A small sound file, and copies of it that are not.

    Args:
        make: makes the file in an empty directory, and closes it; its path inside.
    """

    def __init__(self, make: Callable[[str], str]) -> None:
        self._make = make
        self._name, self._data = "", b""

    @property
    def data(self) -> bytes:
        """Its bytes; made when they are first asked for."""
        if not self._data:
            folder = folder_for("original")
            self._name = self._make(folder)
            with open(os.path.join(folder, self._name), "rb") as file:
                self._data = file.read()
        return self._data

    def damaged(self, source: Source) -> str:
        """A directory with a copy of which bytes were changed."""
        data = bytearray(self.data)
        for _ in range(1 + source.number(EDITS)):
            kind, at = source.byte() % 6, source.number(len(data) or 1)
            if kind == 0:
                del data[at:]
            elif kind == 1:
                data[at : at + 1] = bytes([source.byte()])
            elif kind == 2:
                new = source.take(64)
                data[at : at + len(new)] = new
            elif kind == 3:  # in the header, or a page's
                where = source.number(100) if source.byte() % 2 else at // 4096 * 4096 + source.number(12)
                data[where : where + 1] = bytes([source.byte()])
            elif kind == 4:
                page = at // 4096 * 4096
                data[page : page + 4096] = bytes([source.byte()]) * 4096
            else:
                one, two = at // 4096 * 4096, source.number(len(data) or 1) // 4096 * 4096
                data[one : one + 4096], data[two : two + 4096] = (
                    data[two : two + 4096],
                    data[one : one + 4096],
                )
        return self._written(bytes(data))

    def rewritten(self, source: Source) -> str:
        """A directory with a copy of which rows were changed."""
        folder = self._written(self.data)
        db = sqlite3.connect(os.path.join(folder, self._name), isolation_level=None)
        try:
            db.execute("PRAGMA synchronous=OFF")
            db.execute("PRAGMA journal_mode=DELETE")
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for _ in range(1 + source.number(EDITS)):
                _rewrite(db, source, source.pick(tables))
            db.execute("PRAGMA journal_mode=WAL")
        finally:
            db.close()
        return folder

    def _written(self, data: bytes) -> str:
        folder = folder_for("copy")
        with open(os.path.join(folder, self._name), "wb") as file:
            file.write(data)
        return folder


def _rewrite(db: sqlite3.Connection, source: Source, table: str) -> None:
    """Change a cell of one row, or take the row away; what the schema forbids stays as it is."""
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    rows = [list(row) for row in db.execute(f"SELECT * FROM {table}")]
    if not rows:
        return
    row, at = source.pick(rows), source.number(len(columns))
    where = " AND ".join(f"{name} IS ?" for name in columns)
    if source.byte() % 16 == 15:
        db.execute(f"DELETE FROM {table} WHERE {where}", row)
        return
    try:
        db.execute(f"UPDATE {table} SET {columns[at]} = ? WHERE {where}", (_cell(source, row[at]), *row))
    except sqlite3.Error:
        return  # an index or a rule of the schema: so it cannot be on the disk either


def _cell(source: Source, was: Any) -> Any:
    kind = source.byte() % 6
    if kind <= 1 and isinstance(was, str) and was[:1] in ("{", "["):
        with contextlib.suppress(ValueError):  # it was changed before
            return as_json(edited(source, json.loads(was), of_json=True)).decode()
    if kind == 2:
        return source.take(40)
    if kind == 3:
        return source.take(40).decode("latin-1")
    if kind == 4 and isinstance(was, int):
        return was + source.number(7) - 3
    return source.pick(CELLS)


def folder_for(name: str) -> str:
    """An empty directory of that name; the one before is gone."""
    if not _FOLDERS:
        _FOLDERS.append(scratch("store"))
    folder = os.path.join(_FOLDERS[0], name)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    return folder


def close() -> None:
    """Remove all of them."""
    while _FOLDERS:
        shutil.rmtree(_FOLDERS.pop(), ignore_errors=True)
