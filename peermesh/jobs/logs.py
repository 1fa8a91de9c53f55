"""A job's output, read from its log while that grows and is begun anew."""

from __future__ import annotations

import os

from peermesh.jobs import files

# Read at once, and of the end for whoever does not say from where.
BLOCK, LAST = 256 * 1024, 64 * 1024  # bytes


def path_of(directory: str) -> str:
    """Where the job's output is."""
    return os.path.join(directory, files.LOG)


def read_log(directory: str, after: int | None, most: int = BLOCK) -> tuple[str, int]:
    """A part of the job's output, and where the next one begins.

    Args:
        directory: the job's.
        after: how many bytes of all its output to leave out; None for the last ones. What is no longer kept
            is left out too.
        most: bytes to read at most.

    Returns: the text, "" if there is no more (yet), and how many bytes of output came up to its end.
    """
    base = _base(directory)
    older, newer = (_size(directory, name) for name in (files.OLDER, files.LOG))
    end, begin = base + newer, base - older
    at = max(begin, end - LAST if after is None else after)
    data = _part(directory, files.OLDER, at - begin, most) if at < base else b""
    if at + len(data) >= base:
        data += _part(directory, files.LOG, at + len(data) - base, most - len(data))
    if _base(directory) != base:
        return read_log(directory, after, most)  # the log was begun anew meanwhile
    data = _whole(data)
    return data.decode("utf-8", "replace"), at + len(data)


def _part(directory: str, name: str, where: int, most: int) -> bytes:
    try:
        with open(os.path.join(directory, name), "rb") as file:
            file.seek(where)
            return file.read(most)
    except OSError:
        return b""


def _base(directory: str) -> int:
    """How many bytes came before those of the newer part."""
    try:
        with open(os.path.join(directory, files.BASE), encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _size(directory: str, name: str) -> int:
    try:
        return os.stat(os.path.join(directory, name)).st_size
    except OSError:
        return 0


def _whole(data: bytes) -> bytes:
    """*data* without a character at its end of which only the beginning is there."""
    for back in range(1, min(4, len(data)) + 1):
        lead = data[-back]
        if lead >= 0xC0:
            wanted = 2 + (lead >= 0xE0) + (lead >= 0xF0)
            return data[:-back] if back < wanted and len(data) > back else data
        if lead < 0x80:
            break
    return data
