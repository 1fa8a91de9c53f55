"""The near side of the door: ask a sidecar, start one if none is there. Standard library only, and little
of it, because the hook's lane pays for every import.

A request is one line of JSON, ``{"v": 1, "id": 7, "do": "send", …}``; its answer is one line with the same
id, ``{"id": 7, "ok": {…}}`` or ``{"id": 7, "error": {"code": …, "message": …}}``.
"""

from __future__ import annotations

import _socket as socket  # not socket itself, which brings enum and selectors: 3 ms
import errno
import os
import sys
import time

from peermesh import config
from peermesh import lightjson as json
from peermesh.errors import BadRequest, DiskFull, NoSidecar, PeerError, ReadOnly, by_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1

# A body of 1 MiB whose every byte needs an escape of six, and the rest of the request.
LINE_LIMIT = 8 * 1024 * 1024

# A sidecar that was started and does not listen by then has failed: another is started.
START_PATIENCE = 3.0  # seconds
# The directory that holds the package, and what is run in a sidecar's interpreter.
PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_RUN = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from peermesh.sidecar.forkserver import main; sys.exit(main())"
)
# The variable in which it is told whom it is for: its arguments would be those of every sidecar that it forks.
SPEC = "PEER_SPEC"
# A connection is taken at once, and before a crowd within some milliseconds; one that hangs, with too many callers
# before us, is as good as none. A hook knocks up to twice.
KNOCK = 0.1  # seconds
# How long to wait when the queue before the door is full: a sidecar takes in a handful in less.
CROWDED = 0.001  # seconds
# Kept free in the mark of a start, so that a full disk does not keep the reason from being told.
FAILURE_ROOM = 4096  # bytes
# A log of the sidecars that grew to this is put aside, in place of the one before.
LOG_LIMIT = 1024 * 1024  # bytes
# How often to look whether a sidecar that was just started listens.
POLL = 0.005  # seconds


class Closed(ConnectionError):
    """The sidecar went away."""


class Door:
    """A connection to one sidecar's door.

    Args:
        path: the socket.
        timeout: seconds to wait for each answer; ``None`` for as long as it takes.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, path: str, timeout: float | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            _connect(self._socket, path, timeout)
        except BaseException:
            self._socket.close()
            raise
        self._buffer = b""
        self._last = 0

    def ask(self, do: str, timeout: float | None = None, **fields: Any) -> dict[str, Any]:
        """The answer to one request.

        Args:
            do: the verb.
            timeout: seconds to wait for the answer; ``None`` for as long as it takes.
            fields: its arguments.

        Raises:
            PeerError: the sidecar's, as it crossed the door.
            Closed: the sidecar went away without an answer.
            TimeoutError: no answer in time.
        """
        self._last += 1
        self.write(do, self._last, fields)
        self._socket.settimeout(timeout)
        while True:
            answer = self.read()
            if answer.get("id") == self._last:
                break
        error = answer.get("error")
        if error:
            if not isinstance(error, dict):
                raise BadRequest("an answer whose error cannot be read")
            raise by_code(str(error.get("code")), str(error.get("message")), error.get("detail"))
        ok = answer.get("ok")
        return ok if isinstance(ok, dict) else {}

    def tell(self, do: str, **fields: Any) -> None:
        """One request whose answer nobody waits for: the sidecar reads it, also after we are gone."""
        self._last += 1
        self.write(do, self._last, fields)

    def write(self, do: str, number: int, fields: dict[str, Any]) -> None:
        """Send one request without waiting for its answer."""
        line = json.dumps({"v": VERSION, "id": number, "do": do, **fields}, ensure_ascii=False)
        self._socket.sendall(line.encode("utf-8", "surrogatepass") + b"\n")

    def read(self) -> dict[str, Any]:
        """The next answer.

        Raises:
            Closed: there is none, and will be none.
            BadRequest: it is not of the protocol.
        """
        while b"\n" not in self._buffer:
            more = self._socket.recv(65536)
            if not more:
                raise Closed("the sidecar went away")
            self._buffer += more
            if len(self._buffer) > LINE_LIMIT:
                raise BadRequest("an answer without end")
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as wrong:
            raise BadRequest("an answer that is not JSON") from wrong
        if not isinstance(answer, dict):
            raise BadRequest("an answer that is not an object")
        return answer

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _connect(one: socket.socket, path: str, timeout: float | None) -> None:
    """Connect *one*, also while a crowd waits at the door: a socket with a time limit is told so at once, and tries
    again until its time is over.
    """
    ends = time.monotonic() + (timeout or 0.0)
    while True:
        try:
            one.connect(path)
        except BlockingIOError:
            if time.monotonic() >= ends:
                raise
            time.sleep(CROWDED)
        else:
            return


def knock(link: str) -> Door | None:
    """The door of the peer that *link* leads to, if its sidecar listens."""
    try:
        # The link is followed here: the way through it may be longer than a socket's path can be.
        return Door(os.path.join(os.path.realpath(link), "door"), KNOCK)
    except OSError:
        return None


def start(root: str, link: str, spec: dict[str, Any], delay: float = 0.0) -> None:
    """Start a sidecar in a session of its own; it outlives the caller. Does not wait for it.

    Args:
        root: the state directory.
        link: the session's or person's link.
        spec: who it is for: ``session``, ``client``, ``cwd``, ``oneshot``, ``fresh``, ``before``.
        delay: seconds until it begins.

    Raises:
        DiskFull, ReadOnly: the state directory cannot be written.
    """
    _mark(starting_mark(link))
    from peermesh.door.forking import ask_fork

    # A fork that comes late comes twice. A second sidecar of a peer ends at once, but not where each is a new peer.
    if not spec.get("fresh") and ask_fork(root, PACKAGE, spec, delay):
        return
    # The package's own directory is added by name: -I leaves out the person's own site-packages.
    command = [sys.executable, "-I", "-c", _RUN, PACKAGE]
    child = os.fork()
    if child:
        os.waitpid(child, 0)  # the one in between ends at once
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        detach(root)
        time.sleep(delay)
        os.chdir("/")
        os.execve(command[0], command, {**os.environ, "PEER_HOME": root, SPEC: json.dumps(spec)})
    finally:
        os._exit(127)


def detach(root: str) -> None:
    """Standard streams to the log: a stream of the hook's that stays open would hold the client up."""
    path = os.path.join(root, "sidecar.log")
    if os.path.exists(path) and os.path.getsize(path) > LOG_LIMIT:
        os.replace(path, f"{path}.old")
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, 256)


def reach(root: str, link: str, spec: dict[str, Any], wait: float) -> Door:
    """The door of *link*'s sidecar, started if it is not there.

    Args:
        root: the state directory.
        link: the session's or person's link.
        spec: see ``start``.
        wait: seconds to wait for a sidecar that had to be started.

    Raises:
        NoSidecar: it does not listen in time.
        PeerError: it said why it cannot start, or the state directory cannot be written.
    """
    deadline = time.monotonic() + wait
    told_before = _failure(link)  # of an earlier start: what it speaks of may be mended now
    while True:
        door = knock(link)
        if door is not None:
            return door
        failure = _failure(link)
        if failure is not None and told_before is None:
            raise failure
        if failure is not None or not starting(link):
            door = knock(link)  # it may have begun to listen, and taken its mark away, just after we knocked
            if door is not None:
                return door
            start(root, link, spec)
            told_before = None
        if time.monotonic() >= deadline:
            raise NoSidecar()
        time.sleep(POLL)


def starting_mark(link: str) -> str:
    """The file that says that a sidecar for *link* was started and does not listen yet."""
    return f"{link}.starting"


def _mark(path: str) -> None:
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as mark:
            mark.write(b" " * FAILURE_ROOM)
    except OSError as wrong:
        if wrong.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull() from wrong
        raise ReadOnly(
            f"{path} cannot be written ({wrong.strerror}); check the owner and permissions of its directory"
        ) from wrong


def tell_failure(link: str, wrong: PeerError) -> None:
    """Let whoever waits for the sidecar of *link* know why it does not start."""
    said = json.dumps({"code": wrong.code, "message": str(wrong)[: FAILURE_ROOM // 8]}).encode()
    with open(starting_mark(link), "r+b") as mark:
        mark.write(said)


def _failure(link: str) -> PeerError | None:
    try:
        with open(starting_mark(link), encoding="utf-8") as mark:
            said = json.loads(mark.read())
        return by_code(str(said["code"]), str(said["message"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # none, or one that is just being written


def starting(link: str) -> bool:
    """Whether a sidecar for *link* was started just now and may still come up."""
    try:  # a mark of tomorrow was left before the clock was set back
        return abs(time.time() - os.stat(starting_mark(link)).st_mtime) < START_PATIENCE
    except OSError:
        return False


def session_spec(session: str, client: int, cwd: str) -> dict[str, Any]:
    """What a sidecar is told of the Claude Code session that it is for."""
    return {"session": session, "client": client, "cwd": cwd, "oneshot": config.oneshot()}
