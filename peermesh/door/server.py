"""The far side of the door: a Unix socket in the peer's 0700 directory, one JSON object a line."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

from peermesh.door.client import LINE_LIMIT, VERSION
from peermesh.errors import BadRequest, OtherVersion, PeerError

# Callers at once: a session's hooks and commands are a handful, a script's are dozens.
CALLERS = 512

Verbs = Callable[["Caller", int, str, dict[str, Any]], None]


class Caller:
    """One connection at the door."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.gone: list[Callable[[], None]] = []  # called when the connection ends

    def answer(self, number: int, ok: dict[str, Any]) -> None:
        """Answer request *number*."""
        self._send({"id": number, "ok": ok})

    def fail(self, number: int, error: PeerError) -> None:
        """Answer request *number* with an error, as a code and a sentence."""
        said: dict[str, Any] = {"code": error.code, "message": str(error)}
        if error.detail:
            said["detail"] = error.detail
        self._send({"id": number, "error": said})

    def _send(self, said: dict[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(said).encode() + b"\n")

    def close(self) -> None:
        """Hang up, after what was said has left."""
        self._writer.close()


class DoorServer:
    """Listens at *path* and hands each request to *verbs*."""

    def __init__(self, path: str, verbs: Verbs) -> None:
        self._path, self._verbs = path, verbs
        self._server: asyncio.Server | None = None
        self._callers: set[Caller] = set()
        self.bad_requests = 0

    async def open(self) -> None:
        """Listen; a socket that a dead sidecar left is replaced. The caller holds the peer's lock."""
        if os.path.exists(self._path):
            os.unlink(self._path)
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_LIMIT, backlog=128)
        os.chmod(self._path, 0o600)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = Caller(writer)
        if len(self._callers) >= CALLERS:
            caller.close()
            return
        self._callers.add(caller)
        try:
            while await self._request(reader, caller):
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the caller hung up: what it holds is taken back below
        finally:
            self._callers.discard(caller)
            for gone in caller.gone:
                gone()
            writer.close()

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
        try:
            self._verbs(caller, number, do, fields)
        except PeerError as wrong:
            caller.fail(number, wrong)
        return True

    def _refuse(self, caller: Caller, number: int, wrong: PeerError) -> None:
        self.bad_requests += 1
        caller.fail(number, wrong)

    def stop(self) -> None:
        """Listen no longer; who is inside stays."""
        if self._server is not None:
            self._server.close()
        if os.path.exists(self._path):
            os.unlink(self._path)

    def close(self) -> None:
        """Hang up on everybody: to a caller that waits, it means that the sidecar has ended."""
        for caller in list(self._callers):
            caller.close()


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
