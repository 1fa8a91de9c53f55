"""Who comes to the door: taken in a handful at a time, and not served before they have said something.

A caller that only connects costs a socket and nothing else here, so a crowd of them takes little of the loop's time
from those who ask.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

# Taken in between two turns of the loop: those who are inside have theirs behind each handful.
AT_ONCE = 16
# Inside at once without having said anything. Hooks and commands write their question as soon as they are connected,
# so this is how many may come at the same moment; of more the one that came first goes.
SILENT = 128
# Outside, in the kernel's queue: two handfuls. Who finds it full tries again (``client.Door``), and is in sooner than
# behind a long queue: before a crowd an answer took 43 to 59 ms with 128 places, 19 to 21 with these.
BACKLOG = 32
# No descriptor is free: how long to leave the queue alone, in seconds, so that others find one.
PAUSE = 0.1


class Listener:
    """A Unix socket, and who came to it and has said nothing yet.

    Args:
        path: the socket; one that is there already is replaced, so the caller holds the peer's lock.
        speaks: given each caller that has something to say; it is not blocking, and is the callee's from then on.
        refuse: given one that must go, before it is hung up on.
    """

    def __init__(
        self, path: str, speaks: Callable[[socket.socket], object], refuse: Callable[[socket.socket], object]
    ) -> None:
        self._path, self._speaks, self._refuse = path, speaks, refuse
        self._silent: dict[socket.socket, None] = {}  # the one that came first is first
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._socket = self._listen()
        self._loop.add_reader(self._socket, self._take_in)

    def _listen(self) -> socket.socket:
        if os.path.exists(self._path):
            os.unlink(self._path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            listening.bind(self._path)
            os.chmod(self._path, 0o600)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
        return listening

    def _take_in(self) -> None:
        for _ in range(AT_ONCE):
            try:
                one, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor or memory is left
                self._rest()
                return
            one.setblocking(False)
            while len(self._silent) >= SILENT:
                self._send_away(next(iter(self._silent)))
            self._silent[one] = None
            self._loop.add_reader(one, self._stirs, one)

    def _rest(self) -> None:
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(PAUSE, self._loop.add_reader, self._socket, self._take_in)

    def _stirs(self, one: socket.socket) -> None:
        """*one* said something, or hung up."""
        here = _looked_at(one)
        if here is None:
            return
        self._forget(one)
        if here:
            self._speaks(one)
        else:
            one.close()

    def _send_away(self, one: socket.socket) -> None:
        """*one* goes, unless its question has come and is only not read yet."""
        if _looked_at(one) is not None:
            self._stirs(one)
            return
        self._forget(one)
        self._refuse(one)
        one.close()

    def _forget(self, one: socket.socket) -> None:
        self._loop.remove_reader(one)
        del self._silent[one]

    def stop(self) -> None:
        """Listen no longer; who is inside stays."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if os.path.exists(self._path):
            os.unlink(self._path)

    def close(self) -> None:
        """Hang up on those who have said nothing."""
        for one in list(self._silent):
            self._forget(one)
            one.close()


def _looked_at(one: socket.socket) -> bool | None:
    """Whether *one* said something; no if it hung up, None if neither."""
    try:
        return bool(one.recv(1, socket.MSG_PEEK))
    except (BlockingIOError, InterruptedError):
        return None
    except OSError:
        return False
