"""The hook's client, started by hook.sh when there is something to say or to tell. Standard library only.

Whatever goes wrong, a session is not disturbed: exit 0, no output, and a line for `peer doctor`.
"""

from __future__ import annotations

import os
import sys
import time

from peermesh import config
from peermesh import lightjson as json
from peermesh.door.client import Door, knock, reach, session_spec, start, starting
from peermesh.errors import NoSidecar, PeerError, SwitchedOff
from peermesh.hooks import payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A hook answers within this or says nothing; the interpreter's start came before.
DEADLINE = 0.28  # seconds
# After an edit nobody waits: a sidecar that is slow, or starts, is told of it all the same.
EDIT_PATIENCE = 5.0  # seconds
# A session that is resumed is given back what it held before it does anything. The client goes on drawing
# meanwhile; beside it a sidecar starts in 0.2 to 0.5 s.
RESUME_PATIENCE = 0.8  # seconds
# A client that starts needs the processor itself: its sidecar begins when most of that is over.
FIRST_START = 0.4  # seconds
# What the first step writes at these events, see hook.sh.
SIGNS = {payload.STOP: b"idle\n", payload.BATCH: b"busy\n"}
# The waiter has time: it holds nobody up.
WAITER_PATIENCE = 10.0
# A sidecar that cannot stay up is not started again and again.
RESTARTS = 20
RESTART_PAUSE = 3.0

# Exit code by which a background hook wakes the model with what it wrote to standard error.
WAKE = 2

# The log of what went wrong is cut when it has grown to this.
LOG_LIMIT = 256 * 1024  # bytes


def main(event: str) -> int:
    """Serve one hook event; the exit code for the client."""
    began = time.monotonic()
    root = config.home()
    try:
        said = payload.read(sys.stdin.buffer)
        os.makedirs(root, mode=0o700, exist_ok=True)
        lane = Lane(root, event, said, began)
        return lane.wait() if event == payload.WAIT else lane.serve()
    except SwitchedOff:
        return 0  # as the person wanted: nothing is wrong
    except (PeerError, OSError, ValueError, TypeError, LookupError, RecursionError) as wrong:
        _log(root, event, wrong)
        return 0


def _log(root: str, event: str, wrong: Exception) -> None:
    """Leave a line for `peer doctor`; if even that cannot be written, there is nobody to tell."""
    path = os.path.join(root, "hooks.log")
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {event}: {type(wrong).__name__}: {wrong}\n"
    try:
        fresh = os.path.exists(path) and os.path.getsize(path) > LOG_LIMIT
        with open(path, "w" if fresh else "a", encoding="utf-8", errors="replace") as log:
            log.write(line)
    except OSError:
        return


class Lane:
    """One hook's errand.

    Args:
        root: the state directory.
        event: the hook event, or ``Wait``.
        said: the payload, translated.
        began: when it began (monotonic seconds).
    """

    def __init__(self, root: str, event: str, said: dict[str, Any], began: float) -> None:
        self.root, self.event, self.said = root, event, said
        self.deadline = began + (EDIT_PATIENCE if event == payload.AFTER_EDIT else DEADLINE)
        self.session = said["session"] or config.session_id() or ""
        self.client = config.client_pid() or os.getppid()
        self.spec = session_spec(self.session, self.client, said["cwd"] or os.getcwd())
        self.link = config.session_link(root, self.session)

    def serve(self) -> int:
        """Ask what to say, say it, and tell that it was said."""
        if not self.session:
            return 0
        door = self._door()
        if door is None:
            return 0
        answer = self._ask(door)
        if answer.get("elsewhere"):
            # The same session runs in another window: this one becomes a peer of its own.
            start(self.root, self.link, {**self.spec, "fresh": True})
            return 0
        said = self._output(answer)
        if said:
            sys.stdout.write(json.dumps(said))
            sys.stdout.flush()
            if "hand" in answer:
                door.ask("shown", timeout=DEADLINE, hand=answer["hand"])
        return 0

    def _output(self, answer: dict[str, Any]) -> dict[str, Any]:
        """What to print for the client; {} for nothing."""
        if self.event == payload.AFTER_EDIT:
            return {}
        if answer.get("deny"):
            return payload.denied(answer["deny"])
        if answer.get("ask"):
            return payload.asked(answer["ask"])
        text = answer.get("note") or answer.get("text")
        return payload.context(self.event, text) if text else {}

    def _door(self) -> Door | None:
        if self.event == payload.END:
            return knock(self.link)
        if self.event == payload.START:
            return self._door_at_start()
        if self.event == payload.PROMPT and starting(self.link):
            # It came with the session's start, and waits for nothing: what there is to say comes after the
            # first tools, or with the next prompt.
            return knock(self.link)
        return self._reached()

    def _reached(self) -> Door | None:
        """The door, if the sidecar is there in time."""
        try:
            return reach(self.root, self.link, self.spec, max(0.0, self.deadline - time.monotonic()))
        except NoSidecar:
            # It is on its way: what there is to say is said at the next event.
            self._leave_sign()
            return None

    def _leave_sign(self) -> None:
        """As the first step does where a sidecar lives: that the client goes on says what it has read."""
        word, path = SIGNS.get(self.event), os.path.join(self.link, "turn")
        if word is not None and os.path.exists(path):
            file = os.open(path, os.O_WRONLY)  # written over: see hook.sh
            try:
                os.write(file, word)
            finally:
                os.close(file)

    def _door_at_start(self) -> Door | None:
        """A session that just began is not held up: its sidecar starts meanwhile, and the first prompt
        says what there is to say. One that was cleared or compacted has its sidecar already. One that is
        resumed needs its own at once: what it must be told again belongs to its start.
        """
        if self.said["source"] == "resume":
            self.deadline += RESUME_PATIENCE - DEADLINE
            return self._reached()
        cleared = self.said["source"] == "clear"
        link = config.client_link(self.root, self.client) if cleared else self.link
        door = knock(link) or knock(self.link)
        if door is None:
            before = os.path.basename(os.path.realpath(link)) if cleared and os.path.islink(link) else ""
            start(self.root, self.link, {**self.spec, "before": before}, 0.0 if cleared else FIRST_START)
        return door

    def _ask(self, door: Door) -> dict[str, Any]:
        left = max(0.02, self.deadline - time.monotonic())
        return door.ask(
            "hook", timeout=left, event=self.event, client=self.client, spec=self.spec, **self.said
        )

    def wait(self) -> int:
        """Stay until there is something to wake the session for."""
        if not self.session or config.oneshot():
            return 0
        for _ in range(RESTARTS):
            door = reach(self.root, self.link, self.spec, WAITER_PATIENCE)
            try:
                answer = door.ask("wait", session=self.session, client=self.client)
            except ConnectionError:  # Closed, and what a socket says when the sidecar dies just now
                if not _alive(self.client):
                    return 0
                time.sleep(RESTART_PAUSE)
                continue
            return self._wake(door, answer)
        return 0

    @staticmethod
    def _wake(door: Door, answer: dict[str, Any]) -> int:
        text = answer.get("text")
        if not text:
            return 0
        sys.stderr.write(text)
        sys.stderr.flush()
        try:
            door.tell("shown", hand=answer["hand"])
        except OSError:
            # A sidecar that died has it shown again by the same id. Not to wake would be worse.
            return WAKE
        return WAKE


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
