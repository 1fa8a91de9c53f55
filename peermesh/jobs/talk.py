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

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    def say(self, files: Sequence[int] = (), **words: Any) -> None:
        """Say *words*, and hand over *files*."""
        data = json.dumps(words).encode("ascii") + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        try:
            done = self._socket.sendmsg([data], rights)
            self._socket.sendall(data[done:])
        except OSError:
            self.over = True

    def hear(self) -> tuple[list[dict[str, Any]], list[int]]:
        """Wait for something: what was said, line by line, and the files that came with it.

        Nothing at all, and ``over``, when the other one has gone.
        """
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
        return [json.loads(line) for line in lines], list(given)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
