"""The far side of the door: a Unix socket in the peer's 0700 directory, one JSON object a line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable
from typing import Any

from peermesh.door.client import LINE_LIMIT, VERSION
from peermesh.door.listener import SILENT, Listener
from peermesh.errors import BadRequest, OtherVersion, PeerError, TooMany

# Callers at once: a session's hooks and commands are a handful, a script's are dozens. If there are more, the one
# that asked nothing for longest goes: else whoever holds that many open would keep a session's hooks out.
CALLERS = 512
# Requests of one caller that are read before others get their turn; those that were read share one commit.
AT_ONCE = 256
# A request that kept the loop busy for so long is followed by a pause as long, before its caller's next one is read.
LONG, LONGEST_PAUSE = 0.001, 0.05  # seconds

Verbs = Callable[["Caller", int, str, dict[str, Any]], None]


class Caller:
    """One connection at the door."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.used = time.monotonic()  # when it asked last
        self.took = 0.0  # seconds that this kept the loop busy
        self.gone: set[Callable[[], None]] = set()  # called when the connection ends; of open questions only

    def answer(self, number: int, ok: dict[str, Any]) -> None:
        """Answer request *number*."""
        self._send(_line({"id": number, "ok": ok}))

    def fail(self, number: int, error: PeerError) -> None:
        """Answer request *number* with an error, as a code and a sentence."""
        self._send(_failed(number, error))

    def _send(self, line: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(line)

    def close(self) -> None:
        """Hang up, after what was said has left."""
        self._writer.close()


class DoorServer:
    """Listens at *path* and hands each request to *verbs*."""

    def __init__(self, path: str, verbs: Verbs) -> None:
        self._path, self._verbs = path, verbs
        self._listener: Listener | None = None
        self._callers: set[Caller] = set()
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds them only weakly
        self._served = 0  # requests since the loop's last turn
        self.bad_requests = 0

    async def open(self) -> None:
        """Listen; a socket that a dead sidecar left is replaced. The caller holds the peer's lock."""
        self._listener = Listener(self._path, self._speaks, self._crowded)

    def _speaks(self, one: socket.socket) -> None:
        task = asyncio.create_task(self._let_in(one))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _let_in(self, one: socket.socket) -> None:
        await self._serve(*await asyncio.open_unix_connection(sock=one, limit=LINE_LIMIT))

    def _crowded(self, one: socket.socket) -> None:
        self.bad_requests += 1
        why = TooMany(f"{SILENT} callers have asked nothing yet, and of those you asked nothing for longest")
        with contextlib.suppress(OSError):  # it may have gone by itself
            one.send(_failed(0, why))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = Caller(writer)
        if len(self._callers) >= CALLERS and not self._make_room():
            self._refuse(caller, 0, TooMany(f"{CALLERS} callers wait at this door; try again"))
            caller.close()
            return
        self._callers.add(caller)
        try:
            while await self._request(reader, caller):
                await writer.drain()
                await self._breathe(caller)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the caller hung up: what it holds is taken back below
        finally:
            self._callers.discard(caller)
            while caller.gone:
                caller.gone.pop()()
            writer.close()

    def _make_room(self) -> bool:
        """Hang up on whoever asked nothing for longest and waits for nothing; whether there is such."""
        idle = min((one for one in self._callers if not one.gone), key=lambda one: one.used, default=None)
        if idle is None:
            return False
        self._refuse(
            idle, 0, TooMany(f"{CALLERS} callers are at this door, and you asked nothing for longest")
        )
        self._callers.discard(idle)
        idle.close()
        return True

    async def _breathe(self, caller: Caller) -> None:
        """Reading what has come already does not wait: one who sends without end is interrupted now and then.

        What takes long is often a commit to a file that all sidecars of the host write to. Whoever asks for one after
        the other leaves as long a pause as it took, or others would hardly ever find that file free.
        """
        self._served += 1
        if caller.took >= LONG:
            await asyncio.sleep(min(caller.took, LONGEST_PAUSE))
        elif self._served >= AT_ONCE:
            self._served = 0
            await asyncio.sleep(0)

    async def _request(self, reader: asyncio.StreamReader, caller: Caller) -> bool:
        try:
            line = await reader.readline()
        except ValueError:  # asyncio's word for a line above the limit
            self._refuse(caller, 0, BadRequest(f"a request of more than {LINE_LIMIT} bytes"))
            return False
        if not line.endswith(b"\n"):
            return False
        try:
            number, do, fields = _parse(line)
        except PeerError as wrong:
            self._refuse(caller, 0, wrong)
            return isinstance(wrong, OtherVersion)
        caller.used = time.monotonic()
        try:
            self._verbs(caller, number, do, fields)
        except PeerError as wrong:
            caller.fail(number, wrong)
        caller.took = time.monotonic() - caller.used
        return True

    def _refuse(self, caller: Caller, number: int, wrong: PeerError) -> None:
        self.bad_requests += 1
        caller.fail(number, wrong)

    def stop(self) -> None:
        """Listen no longer; who is inside stays."""
        if self._listener is not None:
            self._listener.stop()

    def close(self) -> None:
        """Hang up on everybody: to a caller that waits, it means that the sidecar has ended."""
        if self._listener is not None:
            self._listener.close()
        for caller in list(self._callers):
            caller.close()


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said).encode() + b"\n"


def _failed(number: int, error: PeerError) -> bytes:
    said: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.detail:
        said["detail"] = error.detail
    return _line({"id": number, "error": said})


def _parse(line: bytes) -> tuple[int, str, dict[str, Any]]:
    """A request's number, verb and fields.

    Raises:
        BadRequest: it is none.
        OtherVersion: it is one of another version.
    """
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as wrong:
        raise BadRequest("a request that is not JSON") from wrong
    if not isinstance(said, dict):
        raise BadRequest("a request that is not an object")
    number, do = said.pop("id", 0), said.pop("do", None)
    if said.pop("v", None) != VERSION:
        raise OtherVersion()
    if not isinstance(number, int) or not isinstance(do, str):
        raise BadRequest("a request without a number and a verb")
    return number, do, said
