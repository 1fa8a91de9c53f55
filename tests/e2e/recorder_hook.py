"""The program behind the recorder's hooks: `record DIR` or `wait DIR`, the payload on standard input.

Both note in DIR/log what they were given. `record` then does what DIR/answers/EVENT.json says; `wait`
makes a named pipe, and exits 2 with what is written into it on stderr, by which the client is woken.
"""

import json
import os
import signal
import sys
import time
from types import FrameType
from typing import Any

# A waiter that a dead client left behind ends by itself, should nobody end it.
WAIT_SECONDS = 900

HOLD_SECONDS = 30  # for an answer that is held back until a file exists


def note(what: str, payload: dict[str, Any], number: int = 0) -> None:
    """Append one row to the log; one write, so that rows of several hooks do not mix."""
    row = {
        "what": what,
        "event": payload.get("hook_event_name", ""),
        "at": time.monotonic(),
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "argv": sys.argv,
        "env": dict(os.environ),
        "payload": payload,
        "number": number,
    }
    with open(os.path.join(sys.argv[2], "log"), "ab", buffering=0) as log:
        log.write(json.dumps(row).encode() + b"\n")


def record(payload: dict[str, Any]) -> int:
    """Note the call and answer as told; gives the exit code."""
    note("called", payload)
    told = os.path.join(sys.argv[2], "answers", payload["hook_event_name"] + ".json")
    try:
        with open(told) as file:
            answer = json.load(file)
    except FileNotFoundError:
        return 0
    if answer.get("once"):
        os.unlink(told)
    end = time.monotonic() + HOLD_SECONDS
    while not os.path.exists(answer.get("until", "/")) and time.monotonic() < end:
        time.sleep(0.02)
    sys.stdout.write(answer.get("stdout", ""))
    sys.stdout.flush()
    note("answered", payload)
    return int(answer.get("exit", 0))


def wait(payload: dict[str, Any]) -> int:
    """Note the call, wait for a text in the pipe, and wake the client with it; or note the signal."""

    def ended(number: int, _frame: FrameType | None) -> None:
        note("signal", payload, number)
        os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, ended)
    signal.alarm(WAIT_SECONDS)
    pipe = os.path.join(sys.argv[2], f"pipe.{os.getpid()}")
    os.mkfifo(pipe)
    note("waiting", payload)
    with open(pipe) as file:
        text = file.read()
    note("woken", payload)
    sys.stderr.write(text)
    return 2


if __name__ == "__main__":
    given = json.load(sys.stdin)
    sys.exit(record(given) if sys.argv[1] == "record" else wait(given))
