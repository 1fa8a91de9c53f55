"""What a supervisor and the command that started it say to each other: lines of JSON over a pair of sockets."""

from __future__ import annotations

import array
import json
import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FILES_LIMIT = 8


class Talk:
    """One end. Whoever is at the other one may be gone at any time, which is no error here.

    Args:
        near: a connected stream socket.
    """

    def __init__(self, near: socket.socket) -> None:
        self._socket = near
        self._buffer = b""
        self.over = False  # whether the other one is gone
        self.heard: list[dict[str, Any]] = []
        self.given: list[int] = []  # files that were handed over

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    def say(self, files: Sequence[int] = (), **words: Any) -> None:
        """Say *words*, and hand over *files*."""
        data = json.dumps(words).encode("ascii") + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        try:
            rest = data[self._socket.sendmsg([data], rights) :]
            if rest:
                self._socket.sendall(rest)
        except OSError:
            return  # it is gone; what it said before can still be heard

    def hear(self) -> None:
        """Wait for something, and add it to what was ``heard`` and ``given``; or the other one is ``over``."""
        room = socket.CMSG_SPACE(FILES_LIMIT * array.array("i").itemsize)
        try:
            data, rights, _, _ = self._socket.recvmsg(65_536, room)
        except OSError:
            data, rights = b"", []
        given = array.array("i")
        for level, kind, raw in rights:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                given.frombytes(raw[: len(raw) - len(raw) % given.itemsize])
        for fd in given:
            os.set_inheritable(fd, False)
        self.over = self.over or not data
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self.heard += [json.loads(line) for line in lines]
        self.given += given

    def next(self) -> dict[str, Any] | None:
        """The next thing that was said and is not answered yet, waited for; None when nothing comes any more."""
        while not self.heard and not self.over:
            self.hear()
        return self.heard.pop(0) if self.heard else None

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
