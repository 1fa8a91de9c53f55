"""Listening sockets for links between hosts: TCP for the network, a Unix one for ZeroMQ; descriptors."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import tempfile
from collections.abc import Sequence

from peermesh.errors import CannotListen

# Connections that wait to be taken.
BACKLOG = 128
# Any port, the same on several addresses: so often another is tried.
TRIES = 8
DESCRIPTORS = 4_096


def listen(addresses: Sequence[str], ports: Sequence[int]) -> list[socket.socket]:
    """TCP sockets that listen on all *addresses*, on the first of *ports* that is free on all.

    Args:
        addresses: of interfaces, e.g. ``10.0.0.1`` or ``fe80::1%lan0``; ``*`` is all, IPv6 and IPv4.
        ports: 0 is any.

    Raises:
        CannotListen: none of the ports, with the reason of each.
    """
    if not addresses:
        raise CannotListen("there is no address to listen on")
    reasons = []
    for port in ports:
        for _ in range(1 if port else TRIES):
            try:
                return _listen_all(addresses, port)
            except OSError as wrong:
                reason = f"port {port or 'any'}: {wrong.strerror or wrong}"
        reasons.append(reason)
    raise CannotListen(f"cannot listen on {', '.join(addresses)}: {'; '.join(reasons) or 'no port is given'}")


def _listen_all(addresses: Sequence[str], port: int) -> list[socket.socket]:
    with contextlib.ExitStack() as undo:
        made: list[socket.socket] = []
        for address in addresses:
            made.append(undo.enter_context(_listen_one(address, port)))
            port = made[0].getsockname()[1]
        undo.pop_all()
        return made


def _listen_one(address: str, port: int) -> socket.socket:
    if address == "*":
        try:
            return _bound(socket.AF_INET6, ("::", port), only_6=False)
        except OSError as wrong:
            if wrong.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                raise
        return _bound(socket.AF_INET, ("0.0.0.0", port))  # noqa: S104 - what was asked for, without IPv6
    found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return _bound(found[0][0], found[0][4])


def _bound(family: int, where: tuple[object, ...], *, only_6: bool = True) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only_6))
        made.bind(where)
        made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


class Inside:
    """The Unix socket on which ZeroMQ listens for the acceptor. ZeroMQ removes no file that it did not make.

    Args:
        path: where, in a directory that only this user may enter; None: in a new one.

    Raises:
        CannotListen: it cannot be made.
    """

    def __init__(self, path: str | None) -> None:
        self._directory = None if path else tempfile.mkdtemp(prefix="peer-")
        self.path = path or os.path.join(str(self._directory), "in")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)  # of who could not tidy up
            self.sock.bind(self.path)
            self.sock.setblocking(False)
            self.sock.listen(BACKLOG)
        except OSError as wrong:
            self.close()
            raise CannotListen(f"cannot make the socket {self.path}: {wrong.strerror or wrong}") from wrong

    def close(self) -> None:
        """Remove it."""
        self.sock.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        if self._directory is not None:
            os.rmdir(self._directory)


def raise_descriptors() -> int:
    """Allow this process 4,096 descriptors, if it may have as many; the number it has now.

    macOS allows 256 unless asked; a link takes three, and ZeroMQ does not bear running out.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
