"""A hook that is killed while it delivers: what is shown twice and what is lost, on either side."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from sides import SETTLED, Ours, Theirs
from stage import timed

TRIALS = int(os.environ.get("BENCH_TRIALS", "300"))
CALIBRATIONS = 20


@dataclass
class Killed:
    """What came of the messages whose hook was killed."""

    whole: int = 0  # written out whole by the killed hook
    twice: int = 0
    lost: int = 0
    ended: int = 0  # before the blow
    span: float = 0.0  # seconds


@dataclass(frozen=True)
class Side:
    """How one of the two is asked."""

    send: Callable[[str], object]
    hook: Callable[[], subprocess.Popen[bytes]]
    rest: Callable[[], str]  # what the hooks of the next events print
    said: bytes


def kills(side: Side, dice: random.Random) -> Killed:
    """Kill the hook that delivers at a moment that is drawn evenly from its usual time; count what was shown."""
    found, took = Killed(), []
    for number in range(CALIBRATIONS):
        side.send(f"calibration {number}.")
        took.append(timed(lambda: _run(side, None)))
        side.rest()
    found.span = statistics.median(took)
    for number in range(TRIALS):
        body = f"trial number {number}."
        side.send(body)
        time.sleep(SETTLED)
        printed, ended = _run(side, dice.uniform(0.0, found.span))
        first, later = body in printed, side.rest().count(body)
        found.ended += ended
        found.whole += first and not ended
        found.twice += first + min(later, 1) > 1
        found.lost += not first and not later
    return found


def _run(side: Side, kill_after: float | None) -> tuple[str, bool]:
    """Run the hook, perhaps killing it; what it printed, and whether it had ended by itself."""
    process = side.hook()
    assert process.stdin is not None
    began = time.perf_counter()
    try:
        process.stdin.write(side.said)
        process.stdin.close()
    except BrokenPipeError:
        pass
    process.stdin = None
    if kill_after is not None:
        time.sleep(max(0.0, kill_after - (time.perf_counter() - began)))
        process.kill()
    return process.communicate()[0].decode(), process.returncode == 0


def _popen(words: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def our_side(us: Ours) -> Side:
    """Peer's hook after a tool batch, which hands over an urgent message."""

    def send(body: str) -> None:
        us.message(urgent=True, body=body)

    def rest() -> str:
        return "".join(us.call(event) for event in ("PostToolBatch", "PostToolBatch", "Stop", "Stop"))

    env = us.here.environment("b")
    return Side(send, lambda: _popen([us.file, "PostToolBatch"], env), rest, us.payload("PostToolBatch", "b"))


def their_side(them: Theirs) -> Side:
    """The rival's hook after a tool."""
    agent = them.agent

    def send(body: str) -> None:
        if not them.here.send(agent, body):
            raise RuntimeError("hcom could not send")

    def rest() -> str:
        return "".join(context(agent.hook("post")) for _ in range(3))

    return Side(send, lambda: _popen(agent.command("post"), agent.env), rest, agent.payload("post"))


def context(printed: str) -> str:
    """What of hcom's output the model reads: the same text also stands there for the person."""
    return printed.partition('"systemMessage"')[0]
