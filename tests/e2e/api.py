"""A Messages API on loopback that says what a test scripted, and remembers all that it was asked."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from .model import Request, Script, Turn, events, message, say

# Longer than anything a test waits for; a forgotten gate must not keep a thread for ever.
GATE_SECONDS = 120.0

SIDE_ANSWER = "A title"  # what a request without tools gets: the client asks for titles and summaries


@dataclass(slots=True)
class _Session:
    turns: deque[Turn] = field(default_factory=deque)
    function: Script | None = None
    requests: list[Request] = field(default_factory=list)


class Api:
    """The scripted models of many sessions; a context manager that ends its server and its threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sessions: dict[str, _Session] = defaultdict(_Session)
        self._gates: list[threading.Event] = []
        self._trouble: list[BaseException] = []
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="scripted-api")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for gate in self._gates:
            gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if error is None:
            self.check()

    def url(self, session: str) -> str:
        """What ANTHROPIC_BASE_URL must be for the session of this name."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/s/{session}"

    def gate(self) -> threading.Event:
        """An event for `Turn.gate`, set at the latest when the test ends."""
        gate = threading.Event()
        self._gates.append(gate)
        return gate

    def script(self, session: str, *turns: Turn) -> None:
        """Append *turns* to what the model of *session* will say; when they are used up it says `ok`."""
        with self._changed:
            self._sessions[session].turns.extend(turns)

    def script_by(self, session: str, function: Script) -> None:
        """Let *function* decide every answer of *session* that no queued turn gives."""
        with self._changed:
            self._sessions[session].function = function

    def requests(self, session: str) -> list[Request]:
        """All requests of the conversation of *session* so far, side calls left out."""
        with self._changed:
            return [request for request in self._sessions[session].requests if request.main]

    def last(self, session: str) -> int:
        """The number of the newest request of *session*, for `after=`; -1 before the first."""
        with self._changed:
            return len(self._sessions[session].requests) - 1

    def shown_text(self, session: str) -> str:
        """What the model of *session* has been shown, by its newest request; empty before the first."""
        asked = self.requests(session)
        return asked[-1].text() if asked else ""

    def wait_for(
        self, session: str, predicate: Callable[[Request], bool], timeout: float = 10.0, *, after: int = -1
    ) -> Request:
        """The first request of *session* that fits, already there or still to come.

        Only those with a number above *after* count. TimeoutError, with what was shown last, when none
        came within *timeout* seconds; AssertionError when the script itself failed.
        """
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                self.check()
                asked = [r for r in self._sessions[session].requests if r.main and r.number > after]
                for request in asked:
                    if predicate(request):
                        return request
                left = end - time.monotonic()
                if left <= 0:
                    tail = asked[-1].news()[-1500:] if asked else "nothing"
                    raise TimeoutError(f"no such request of {session} in {timeout} s; shown last:\n{tail}")
                self._changed.wait(left)

    def wait_for_text(self, session: str, text: str, timeout: float = 10.0, *, after: int = -1) -> Request:
        """The first request of *session* that shows *text* as news; see `wait_for`."""
        return self.wait_for(session, lambda request: text in request.news(), timeout, after=after)

    def check(self) -> None:
        """AssertionError if a script or the server itself failed; a hung test should say why."""
        if self._trouble:
            raise AssertionError(f"the scripted API failed: {self._trouble[0]!r}") from self._trouble[0]

    def answer(self, session: str, body: Mapping[str, Any]) -> Turn:
        """Record a request and choose its answer; called by the server's threads."""
        with self._changed:
            state = self._sessions[session]
            request = Request(session, len(state.requests), time.monotonic(), body)
            state.requests.append(request)
            self._changed.notify_all()
            if not request.main:
                return say(SIDE_ANSWER)
            if state.turns:
                return state.turns.popleft()
            function = state.function
        return function(request) if function else say("ok")

    def failed(self, error: BaseException | None) -> None:
        """Remember what went wrong in one of the server's threads, and wake who waits."""
        # A client that hangs up has been interrupted or ended: that is a test's business, not a fault.
        if error is None or isinstance(error, (BrokenPipeError, ConnectionResetError)):
            return
        with self._changed:
            self._trouble.append(error)
            self._changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # joined at the end, so that no thread outlives its test

    def __init__(self, api: Api) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep the error for the test instead of printing it."""
        self.api.failed(sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.0"  # a connection for each request: none is left half open at the end
    disable_nagle_algorithm = True
    timeout = 10  # seconds for a client that connects and says nothing

    def log_message(self, *args: object) -> None:
        """Say nothing: the requests are kept, a log would only be noise."""

    def do_HEAD(self) -> None:
        """The client looks whether anybody is there."""
        self._reply("application/json", b"")

    def do_POST(self) -> None:
        """A request for the model, or one to count tokens."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = urlsplit(self.path).path.split("/")
        if parts[1:2] != ["s"] or parts[3:] != ["v1", "messages"]:
            self._reply("application/json", b'{"input_tokens": 1}')
            return
        turn = self.server.api.answer(parts[2], body)
        if turn.gate:
            turn.gate.wait(GATE_SECONDS)
        time.sleep(turn.delay)
        whole = message(turn, str(body["model"]))
        if not body.get("stream"):
            self._reply("application/json", json.dumps(whole).encode())
            return
        stream = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events(whole))
        self._reply("text/event-stream", stream.encode())

    def _reply(self, kind: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
