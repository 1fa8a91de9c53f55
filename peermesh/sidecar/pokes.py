"""Pokes: how the sidecars of one host tell each other that something that they share has changed.

A poke says nothing but "look": a datagram to a Unix socket in each peer's directory. One that is lost is made
good by the look that every sidecar takes once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable

from peermesh import config

# Pokes that come together are one.
GATHER = 0.002  # seconds


class Pokes:
    """One sidecar's socket for being poked, and its way to poke the others.

    Args:
        root: the state directory.
        directory: the peer's own.
        poked: called after a poke, in the running loop.
    """

    def __init__(self, root: str, directory: str, poked: Callable[[], None]) -> None:
        self._folder = os.path.dirname(config.peer_dir(root, "any"))
        self._path = os.path.join(directory, "poke")
        self._poked = poked
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind(self._path)
        except BaseException:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._read)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(16)
        if self._timer is None:
            self._timer = self._loop.call_later(GATHER, self._look)

    def _look(self) -> None:
        self._timer = None
        self._poked()

    def poke(self) -> None:
        """Have all other sidecars of this host look. Whoever is away, or was poked already, needs no poke."""
        with contextlib.suppress(OSError):  # what was said is said; everybody looks once a second
            for name in os.listdir(self._folder):
                path = os.path.join(self._folder, name, "poke")
                if path != self._path:
                    with contextlib.suppress(OSError):
                        self._socket.sendto(b"", path)

    def close(self) -> None:
        """Be poked no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
