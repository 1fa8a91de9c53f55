"""What a job prints: kept in a log of bounded size, its last lines in memory, and made readable.

Standard library only, and light: a supervisor starts with each `peer run`.
"""

from __future__ import annotations

import os
import re
import time

from peermesh.core.clean import clean
from peermesh.jobs import files

# Of each stream so much is kept for its last lines.
KEPT = 64 * 1024  # bytes
LINES = 20
LINE_LIMIT = 500  # characters of one of the last lines
PROGRESS_LIMIT = 200  # characters
# A log that could not be written is tried again so much later.
RETRY = 1.0  # seconds

# What a terminal takes as orders: CSI, strings up to their end (OSC, DCS, …), and the short ones.
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|[ -/]*[0-~])")


class Tail:
    """The last bytes of a stream, and the lines in them."""

    def __init__(self) -> None:
        self._kept = b""
        self._cut = False
        self.count = 0  # bytes that came

    def add(self, data: bytes) -> None:
        """*data* came."""
        self.count += len(data)
        if len(data) >= KEPT:
            self._kept, self._cut = data[-KEPT:], True
            return
        whole = self._kept + data
        self._cut = self._cut or len(whole) > KEPT
        self._kept = whole[-KEPT:]

    def lines(self) -> list[str]:
        """The last lines that are not empty, as a person reads them."""
        rows = self._kept.split(b"\n")
        if self._cut and len(rows) > 1:
            rows = rows[1:]  # of which the beginning is gone
        shown = [text for row in rows if (text := readable(row))]
        return [text[:LINE_LIMIT] for text in shown[-LINES:]]

    def last(self) -> str:
        """The last line that is not empty; "" if there is none."""
        for row in reversed(self._kept[-4096:].split(b"\n")):
            text = readable(row)
            if text:
                return text[:PROGRESS_LIMIT]
        return ""


def readable(row: bytes) -> str:
    """One line of a program's output as it stands on a screen at last, without orders to a terminal."""
    shown = ""
    for part in reversed(_ESCAPES.sub(b"", row).split(b"\r")):  # each of which is drawn over the one before
        shown = clean(part.decode("utf-8", "replace")).replace("\n", " ").rstrip()
        if shown.strip():
            break
    return shown


class Log:
    """All that a job prints, as it came: the newest 32 to 64 MB of it.

    Args:
        directory: the job's, in which the log is made.
    """

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, files.LOG)
        self._directory = directory
        self._fd = -1
        self._size = self._base = 0
        self._retry = 0.0
        self.trouble = ""  # why something is missing in it
        try:
            self._open()
        except OSError as wrong:
            self._fail(wrong)

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._size = 0

    def write(self, data: bytes) -> None:
        """Put *data* behind the rest; what cannot be written, as on a full disk, is left out."""
        if self._retry and time.monotonic() < self._retry:
            return
        try:
            if self._fd < 0:
                self._open()
            while self._size + len(data) > files.LOG_LIMIT:
                room = files.LOG_LIMIT - self._size
                self._append(data[:room])
                data = data[room:]
                self._turn()
            self._append(data)
            self._retry = 0.0
        except OSError as wrong:
            self._fail(wrong)

    def _append(self, data: bytes) -> None:
        while data:
            done = os.write(self._fd, data)
            self._size += done
            data = data[done:]

    def _turn(self) -> None:
        """Put the log aside and begin a new one."""
        os.close(self._fd)
        self._fd = -1
        self._base += self._size
        os.replace(self._path, os.path.join(self._directory, files.OLDER))
        self._open()
        files.write_text(self._directory, files.BASE, str(self._base))

    def _fail(self, wrong: OSError) -> None:
        self.trouble = wrong.strerror or str(wrong)
        self._retry = time.monotonic() + RETRY

    def give_room(self) -> None:
        """Throw away what is kept, for something that matters more on a full disk."""
        for path in (os.path.join(self._directory, files.OLDER), self._path):
            try:
                os.truncate(path, 0)
            except OSError:
                continue  # there is none, or nothing can be done

    def fileno(self) -> int:
        """The open file; -1 if there is none."""
        return self._fd

    def close(self) -> None:
        """Nothing more comes."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
