"""A long queue for a peer that sleeps, or hangs: what it costs to take in, and what its waking costs.

BENCH_QUEUE is how many messages (100,000; about two minutes).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

from hooks import hook_file
from stage import Stage, stage, until
from weight import memory

from peermesh import config
from peermesh.door.client import Door
from peermesh.locks import is_locked

COUNT = int(os.environ.get("BENCH_QUEUE", "100000"))
BODY = "x" * 200
LONG = 900.0  # seconds: longer than anything here takes


class Peak:
    """The most memory that a process took while this looks, in MB of PSS."""

    def __init__(self, pid: int) -> None:
        self.first = self.most = memory(pid)["pss"]
        self._pid, self._over = pid, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.2):
            self.most = max(self.most, memory(self._pid)["pss"])

    def end(self) -> str:
        """Before, at most, and now."""
        self._over.set()
        self._thread.join()
        return f"{self.first:.0f} → {memory(self._pid)['pss']:.0f} (at most {self.most:.0f})"


def patient(here: Stage, name: str) -> Door:
    """A door at which answers may take long."""
    return Door(os.path.join(os.path.realpath(config.session_link(here.home, name)), "door"), LONG)


def feed(here: Stage, to: str, count: int, wait: str) -> dict[str, int]:
    """Session a sends *count* messages through one open door; how many got which answer."""
    door = patient(here, "a")

    def write() -> None:
        for number in range(1, count + 1):
            fields = {"to": to, "body": f"{number} {BODY}", "wait": wait, "within": LONG}
            door.write("send", number, fields)

    writer = threading.Thread(target=write)
    writer.start()
    found: dict[str, int] = {}
    for _ in range(count):
        answer = door.read()
        state = answer["ok"]["messages"][0]["state"] if "ok" in answer else answer["error"]["code"]
        found[state] = found.get(state, 0) + 1
    writer.join()
    return found


def megabytes(directory: str) -> str:
    """What a mailbox takes on the disk."""
    found = []
    for name in ("mail.db", "mail.db-wal"):
        path = os.path.join(directory, name)
        found.append(os.path.getsize(path) / 1e6 if os.path.exists(path) else 0.0)
    return f"{found[0]:.0f} + {found[1]:.0f} (journal)"


def row(what: str, value: str) -> None:
    """One row of the table, printed when it is known."""
    print(f"| {what} | {value} |", flush=True)


def hook(here: Stage, path: str, name: str, event: str, **given: str) -> tuple[float, str]:
    """Run a real hook; seconds, and what it puts before the model."""
    said = json.dumps({"session_id": name, "cwd": here.home, "hook_event_name": event, **given}).encode()
    began = time.perf_counter()
    done = subprocess.run(
        [path, event], env=here.environment(name), input=said, capture_output=True, check=True
    )
    took = time.perf_counter() - began
    text = json.loads(done.stdout)["hookSpecificOutput"]["additionalContext"] if done.stdout else ""
    return took, str(text)


def to_the_absent(here: Stage, path: str) -> None:
    """The queue for a peer without a process, and its waking."""
    name = here.open("b").ask("name")["name"]
    peer = here.open("b").ask("status")["id"]
    directory = os.path.join(here.home, "peers", peer)
    here.close("b")
    until(lambda: not is_locked(os.path.join(directory, "lock")))
    peak, began = Peak(here.pid("a")), time.perf_counter()
    found = feed(here, name, COUNT, "safe")
    took = time.perf_counter() - began
    row("asleep: taken in", f"{took:.1f} s, {COUNT / took:,.0f} a second: {found}")
    row("asleep: sender, who also stands in, MB", peak.end())
    row("asleep: on the sleeper's disk, MB", megabytes(directory))
    until(lambda: not is_locked(os.path.join(directory, "lock")))
    wake(here, path)
    row("awake: on its disk, MB", megabytes(directory))


def wake(here: Stage, path: str) -> None:
    """The session is resumed: its hooks, its inbox."""
    here.client("b")
    began = time.perf_counter()
    start, said = hook(here, path, "b", "SessionStart", source="resume")
    row("waking: SessionStart (resume)", f"{start * 1000:.0f} ms, {len(said)} characters")
    hooks = []
    while time.perf_counter() - began < 60:
        took, said = hook(here, path, "b", "UserPromptSubmit", prompt="go on")
        hooks.append(took)
        if "peer-messages" in said:
            break
        hook(here, path, "b", "Stop")
    row("waking: until a hook shows messages", f"{time.perf_counter() - began:.2f} s, {len(hooks)} prompts")
    row("waking: the slowest prompt's hook", f"{max(hooks) * 1000:.0f} ms")
    row("waking: what the model gets", f"{len(said)} characters; it ends: {said.split(chr(10))[-2]}")
    row("awake: its memory, MB", f"{memory(here.pid('b'))['pss']:.0f}")
    hooks = [hook(here, path, "b", "UserPromptSubmit", prompt="go on")[0] for _ in range(20)]
    row(
        "awake: prompt hooks with messages, median and worst",
        f"{sorted(hooks)[10] * 1000:.0f}, {max(hooks) * 1000:.0f} ms",
    )
    command = [os.path.join(os.path.dirname(sys.executable), "peer"), "inbox"]
    began = time.perf_counter()
    subprocess.run(command, env=here.environment("b"), capture_output=True, check=True)
    row("awake: `peer inbox`", f"{(time.perf_counter() - began) * 1000:.0f} ms")
    drain(here)


def drain(here: Stage) -> None:
    """Read all that is left, 500 at a time."""
    door, began, read, slowest = here.open("b"), time.perf_counter(), 0, 0.0
    while True:
        at = time.perf_counter()
        answer = door.ask("inbox", most=500)
        slowest = max(slowest, time.perf_counter() - at)
        if not answer["messages"]:
            break
        read += len(answer["messages"])
        door.ask("shown", hand=answer["hand"])
    took = time.perf_counter() - began
    row(
        "awake: all read by `inbox`, 500 at a time",
        f"{read} in {took:.1f} s; the slowest {slowest * 1000:.0f} ms",
    )
    began = time.perf_counter()
    until(lambda: here.open("b").ask("status")["mail"]["untold"] == 0, LONG)
    row("awake: until its sender knows of all", f"{time.perf_counter() - began:.1f} s more")
    until(lambda: here.open("a").ask("sent", most=1)["messages"][-1]["state"] == "shown")


def to_one_that_hangs(here: Stage) -> None:
    """The same for a peer whose sidecar stands still."""
    here.session("c")
    door = here.open("c")
    name, pid = door.ask("name")["name"], here.pid("c")
    directory = os.path.join(here.home, "peers", here.open("a").ask("status")["id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        peak, began = Peak(here.pid("a")), time.perf_counter()
        found = feed(here, name, COUNT, "queued")
        took = time.perf_counter() - began
        row("hangs: taken in", f"{took:.1f} s, {COUNT / took:,.0f} a second: {found}")
        row("hangs: sender, MB", peak.end())
        row("hangs: on the sender's disk, MB", megabytes(directory))
    finally:
        os.kill(pid, signal.SIGCONT)
    began = time.perf_counter()
    until(lambda: here.open("a").ask("status")["mail"]["queued"] == 0, LONG)
    row("goes on: until all is safe", f"{time.perf_counter() - began:.1f} s")
    row("goes on: the recipient, MB", f"{memory(pid)['pss']:.0f}")


def main() -> None:
    """Print the table."""
    with stage() as here:
        here.session("a")
        here.session("b")
        path = hook_file(here)
        print(f"| a queue of {COUNT:,} messages of 200 bytes | |\n|---|---|")
        to_the_absent(here, path)
        to_one_that_hangs(here)


if __name__ == "__main__":
    main()
