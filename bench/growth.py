"""Whether sidecars grow: memory, threads, descriptors and files, of some that talk and of some that are idle.

Takes an hour and prints a row every twelfth part of it. BENCH_MINUTES: how long; BENCH_PAUSE: seconds between two
rounds of talk (a message, the three hooks of a turn, and at every tenth a claim, a note, an edit and a release);
BENCH_EVERY: at every so many-th instead; BENCH_LEASE: seconds of a claim (1,800, as it is if nobody says otherwise: a
picture holds that much of what was claimed); BENCH_EACH: sessions of either kind; BENCH_ROWS: rows.

An hour in little: BENCH_MINUTES=10 BENCH_PAUSE=0 BENCH_EVERY=1 BENCH_LEASE=60 brings more events than the hour does,
and a compaction each minute. What is bounded is full after the first half: links, caches, what claims ran lately.

Flat means: in the last third the median of either kind rises by less than 0.3 MB in an hour, or by less than 0.05 MB
in a minute where the time is compressed.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sides import hook_file
from stage import Door, Stage, stage
from weight import fork_server, memory, slope

from peermesh.errors import TooMany

MINUTES = float(os.environ.get("BENCH_MINUTES", "60"))
PAUSE = float(os.environ.get("BENCH_PAUSE", "0.5"))  # seconds
ROWS = int(os.environ.get("BENCH_ROWS", "12"))
EACH = int(os.environ.get("BENCH_EACH", "5"))  # sessions of either kind
KINDS = ("idle", "talking")
EVERY = int(os.environ.get("BENCH_EVERY", "10"))  # rounds
LEASE = float(os.environ.get("BENCH_LEASE", "1800"))  # seconds
BODY = "The build is green again; the two failing tests were the fixture's clock. " * 4


@dataclass(frozen=True)
class Sample:
    """What a row tells; memory in MB, files in KB."""

    minutes: float
    messages: int
    idle: float
    talking: float
    server: float
    threads: int
    files: int
    mail: float
    shared: float
    logs: float

    def row(self) -> str:
        """As a row of the table."""
        return (
            f"| {self.minutes:.1f} | {self.messages} | {self.idle:.2f} | {self.talking:.2f} | {self.server:.2f} "
            f"| {self.threads} | {self.files} | {self.mail:.0f} | {self.shared:.0f} | {self.logs:.1f} |"
        )


class Talk:
    """Sessions that write to each other, as their models and hooks would.

    Args:
        here: the stage.
        names: the sessions.
        cwd: where they work.
    """

    def __init__(self, here: Stage, names: Sequence[str], cwd: str) -> None:
        self._names, self._cwd = names, cwd
        self._hook = hook_file(here)
        self._env = {name: here.environment(name) for name in names}
        self._doors: dict[str, Door] = {name: here.open(name) for name in names}
        self.rounds = self.shown = 0

    def turn(self) -> None:
        """One message, and the recipient's turn in which it is shown."""
        here, there = (self._names[(self.rounds + n) % len(self._names)] for n in range(2))
        name = self._doors[there].ask("name", timeout=10.0)["name"]
        self._doors[here].ask("send", timeout=10.0, to=name, body=BODY, wait="safe", within=5.0)
        shown = self._run(there, "UserPromptSubmit", prompt="go on")
        self.shown += BODY[:20] in shown  # a hook that is late says it at the next event
        if self.rounds % EVERY == 0:
            self._work(there)
        self._run(there, "PostToolBatch")
        self._run(there, "Stop")
        self.rounds += 1

    def _work(self, who: str) -> None:
        path = os.path.join(self._cwd, f"file{self.rounds % 20}.py")
        door, cwd = self._doors[who], self._cwd
        door.ask("claim", timeout=10.0, cwd=cwd, paths=[path], lease=LEASE, why="the fixture")
        with suppress(TooMany):  # where the hour is in little, there are more than anybody may say
            door.ask("note", timeout=10.0, cwd=cwd, text=f"note {self.rounds}: the fixture's clock is in UTC")
        for event in ("PreToolUse", "PostToolUse"):
            self._run(who, event, tool_name="Edit", tool_input={"file_path": path})
        door.ask("release", timeout=10.0, cwd=cwd, paths=[path])

    def _run(self, who: str, event: str, **more: object) -> str:
        said = {"session_id": who, "cwd": self._cwd, "hook_event_name": event, **more}
        done = subprocess.run(
            ["/bin/sh", self._hook, event],
            input=json.dumps(said).encode(),
            env=self._env[who],
            capture_output=True,
            check=True,
        )
        return done.stdout.decode()


def size(paths: Iterable[str]) -> float:
    """KB of these files, as far as they are there."""
    return sum(os.path.getsize(one) for one in paths if os.path.exists(one)) / 1024


def sample(here: Stage, began: float, talk: Talk, idle: Sequence[str], talking: Sequence[str]) -> Sample:
    """What it is like now."""
    pids = {name: here.pid(name) for name in (*idle, *talking)}
    server = fork_server(list(pids.values()))
    peers = [os.path.join(here.home, "peers", one) for one in os.listdir(os.path.join(here.home, "peers"))]
    ends = ("", "-wal", "-shm")
    return Sample(
        minutes=(time.monotonic() - began) / 60,
        messages=talk.rounds,
        idle=statistics.median(memory(pids[name])["uss"] for name in idle),
        talking=statistics.median(memory(pids[name])["uss"] for name in talking),
        server=memory(server)["pss"] if server else 0.0,
        threads=sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids.values()),
        files=sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids.values()),
        mail=size(f"{peer}/mail.db{end}" for peer in peers for end in ends),
        shared=size(f"{here.home}/{name}.db{end}" for name in ("log", "host") for end in ends),
        logs=size(f"{here.home}/{name}.log" for name in ("sidecar", "hooks")),
    )


def run(here: Stage) -> None:
    """Talk until the time is over, and print a row now and then."""
    cwd = os.path.join(here.home, "work")
    os.makedirs(cwd)
    idle = [here.session(f"idle{n}", cwd) for n in range(EACH)]
    talking = [here.session(f"talk{n}", cwd) for n in range(EACH)]
    talk = Talk(here, talking, cwd)
    for _ in talking:
        talk.turn()  # who one is and who is here is told first, and once
    began = time.monotonic()
    print(
        "| minutes | messages | USS MB idle | USS MB talking | PSS MB fork server | threads | descriptors "
        "| mail.db KB | log.db and host.db KB | logs KB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    samples: list[Sample] = []
    for number in range(ROWS + 1):
        while time.monotonic() < began + MINUTES * 60 * number / ROWS:
            talk.turn()
            time.sleep(PAUSE)
        samples.append(sample(here, began, talk, idle, talking))
        print(samples[-1].row(), flush=True)
    print(f"\n{talk.shown} of {talk.rounds} messages were shown by the turn's first hook.")
    print("Highest USS in the first half of the time and in the second, MB:", halves(samples))
    rises = (f"{kind} {rise(samples, kind):+.3f}" for kind in KINDS)
    print("In the last third of the time USS rises by MB a minute:", f"{'; '.join(rises)}.")


def halves(samples: Sequence[Sample]) -> str:
    """Whether it goes on growing when the lists that are bounded are full, and the log has been compacted."""
    first, second = samples[: ROWS // 2 + 1], samples[ROWS // 2 + 1 :]
    idle, talking = ([max(getattr(one, kind) for one in half) for half in (first, second)] for kind in KINDS)
    return f"idle {idle[0]:.2f}, {idle[1]:.2f}; talking {talking[0]:.2f}, {talking[1]:.2f}."


def rise(samples: Sequence[Sample], kind: str) -> float:
    """MB a minute by which *kind* rises in the last third of the time, by least squares."""
    last = samples[-max(2, len(samples) // 3) :]
    return slope([one.minutes for one in last], [getattr(one, kind) for one in last])


def main() -> None:
    """Print the table."""
    if sys.platform != "linux":
        sys.exit("this benchmark reads /proc and runs on Linux only")
    with stage() as here:
        run(here)


if __name__ == "__main__":
    main()
