"""One session sends to another as fast as it can: what its neighbours notice, beside a quiet host.

BENCH_FLOOD is how long (8 seconds); with root and Linux also between two hosts in network namespaces.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from hooks import hook_file
from stage import stage, timed, until

from peermesh.door.client import Door

SECONDS = float(os.environ.get("BENCH_FLOOD", "8"))
BODY = "x" * 200
PAUSE = 0.05  # seconds between two rounds of the others
MOST_OPEN = 2_000  # requests of the flooder that are not answered yet
MOST = 20  # prompts in which a message should be shown


class Figures:
    """Seconds of each thing that was measured, by name, and counts."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def time(self, what: str, act: Callable[[], object]) -> None:
        """Do it once more."""
        self.seconds.setdefault(what, []).append(timed(act))


def part(seconds: list[float], share: float) -> str:
    """What that share of all stays below, in milliseconds."""
    ordered = sorted(seconds)
    return f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000:.1f}"


FLOODER = """
import json, os, sys, threading
from peermesh.door.client import Door
path, do, fields, within, most = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
import time
door, ends, sent, got = Door(path), time.monotonic() + within, 0, {}
def write():
    global sent
    while time.monotonic() < ends:
        if sent - sum(list(got.values())) > most:
            time.sleep(0.001)
            continue
        sent += 1
        door.write(do, sent, {name: value.replace("@n", str(sent)) if isinstance(value, str) else value
                              for name, value in fields.items()})
writer = threading.Thread(target=write)
writer.start()
while writer.is_alive() or sum(got.values()) < sent:
    said = door.read()
    what = "ok" if "ok" in said else said["error"]["code"]
    got[what] = got.get(what, 0) + 1
print(json.dumps({"sent": sent, "got": got, "late": time.monotonic() - ends}), flush=True)
"""

CROWD = """
import sys, time
from peermesh.door.client import Door
path, ends, held, made = sys.argv[1], time.monotonic() + float(sys.argv[2]), [], 0
while time.monotonic() < ends:
    try:
        held.append(Door(path, 0.2))
        made += 1
    except OSError:
        time.sleep(0.001)
    if len(held) > 900:
        held.pop(0).close()
print(made)
"""


@dataclass
class Flood:
    """What a flooder sent, how many of which answers it got, and how long after its end the last one came (s)."""

    sent: int = 0
    got: dict[str, int] = field(default_factory=dict)
    late: float = 0.0

    def __str__(self) -> str:
        answers = ", ".join(f"{count:,} `{what}`" for what, count in sorted(self.got.items()))
        return f"The flooder sent {self.sent:,}; its answers: {answers}; the last one {self.late:.2f} s after its end."


@contextmanager
def flood(home_door: str, do: str, seconds: float, **fields: object) -> Iterator[Flood]:
    """Requests without end at a door, by a process of its own; what it tells when it has its last answer."""
    words = [sys.executable, "-c", FLOODER, home_door, do, json.dumps(fields), str(seconds), str(MOST_OPEN)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    told = Flood()
    try:
        yield told
    finally:
        out, _ = process.communicate()
    vars(told).update(json.loads(out))


@dataclass
class Place:
    """Where sessions a, b, c and d are: by name each one's door, and what its hooks have in their environment."""

    doors: dict[str, str]
    env: dict[str, dict[str, str]]
    to: str  # what a and c call b
    hook: str  # hook.sh


class Neighbours:
    """What the others do meanwhile: c writes to b and waits until its model has it, d lists, a and d take turns.

    Args:
        place: where.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.c, self.d = Door(place.doors["c"], 60.0), Door(place.doors["d"], 60.0)
        self.rounds: list[int] = []  # b's prompts until c's message is shown
        self._said = 0

    def look(self, seconds: float) -> Figures:
        """Measure for so long."""
        figures, ends = Figures(), time.monotonic() + seconds
        self.rounds = []
        while time.monotonic() < ends:
            self._said += 1
            mark = f"word {self._said} of c"
            figures.time("c sends to b, until *safe*", lambda m=mark: self._send(m))  # type: ignore[misc]
            figures.time("… and until b's model has it", lambda m=mark: self._shown(m, figures))  # type: ignore[misc]
            figures.time("d asks `list`", lambda: self.d.ask("list", 60.0))
            figures.time("prompt's hook of a, who sends", lambda: self._prompt("a"))
            figures.time("prompt's hook of d", lambda: self._prompt("d"))
            figures.time("`/bin/sh -c :`", lambda: subprocess.run(["/bin/sh", "-c", ":"], check=True))
            figures.time(
                "`python3 -I -S -c pass`",
                lambda: subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True),
            )
            time.sleep(PAUSE)
        return figures

    def _send(self, mark: str) -> None:
        said = self.c.ask("send", 60.0, to=self.place.to, body=mark, wait="safe", within=50)
        assert said["reached"], said

    def _shown(self, mark: str, figures: Figures) -> None:
        said, prompts = "", 0
        while mark not in said and prompts < MOST:
            prompts += 1
            began = time.perf_counter()
            said = self._hook("b", "UserPromptSubmit", prompt="go on")
            figures.seconds.setdefault("prompt's hook of b, who is flooded", []).append(
                time.perf_counter() - began
            )
            self._hook("b", "PostToolBatch")
        self.rounds.append(prompts)

    def _prompt(self, name: str) -> None:
        self._hook(name, "UserPromptSubmit", prompt="go on")
        self._hook(name, "Stop")

    def _hook(self, name: str, event: str, **given: str) -> str:
        env = self.place.env[name]
        said = {"session_id": env["CLAUDE_CODE_SESSION_ID"], "cwd": "/tmp", "hook_event_name": event, **given}
        done = subprocess.run(
            ["/bin/sh", self.place.hook, event],
            env=env,
            input=json.dumps(said).encode(),
            capture_output=True,
            check=True,
        )
        return str(json.loads(done.stdout)["hookSpecificOutput"]["additionalContext"]) if done.stdout else ""


def table(quiet: Figures, loud: Figures) -> None:
    """Both beside each other."""
    print("| ms: median, 99 % | quiet | flooded |\n|---|---|---|")
    for what, seconds in loud.seconds.items():
        before = quiet.seconds[what]
        print(
            f"| {what} | {part(before, 0.5)}, {part(before, 0.99)} | {part(seconds, 0.5)}, {part(seconds, 0.99)} |"
        )


def one_host() -> None:
    """All on one host: messages, then what is shared, then connections."""
    with stage() as here:
        for name in "abcd":
            here.session(name)
        doors = {
            n: os.path.join(os.path.realpath(os.path.join(here.home, "session", n)), "door") for n in "abcd"
        }
        env = {name: here.environment(name) for name in "abcd"}
        place = Place(doors, env, here.open("b").ask("name")["name"], hook_file(here))
        others = Neighbours(place)
        others.look(0.5)
        quiet = others.look(SECONDS / 2)
        calm = max(others.rounds)
        print("**A flood of messages from a to b, through one open door, on one host**\n")
        messages(place, others, quiet)
        with flood(doors["a"], "note", SECONDS / 2, cwd=here.home, text="@n a note") as told:
            noted = others.look(SECONDS / 2)
        print("\n**A flood of notes by a**\n")
        table(quiet, noted)
        print(f"\n{told}\n")
        with crowd(doors["b"], SECONDS / 2) as count:
            crowded = others.look(SECONDS / 2)
        print(f"**A flood of connections at b's door, that ask nothing: {count[0]:,} were made**\n")
        table(quiet, crowded)
        print(f"\n{prompts(calm, others)}")


def prompts(calm: int, others: Neighbours) -> str:
    """After how many prompts c's message was shown."""
    return f"Prompts of b until c's message was shown: quiet {calm}, flooded {max(others.rounds)}."


def messages(place: Place, others: Neighbours, quiet: Figures) -> None:
    """A flood of messages, and what became of them."""
    calm = max(others.rounds)
    fields = {"to": place.to, "body": f"@n {BODY}", "wait": "safe", "within": 300.0}
    with flood(place.doors["a"], "send", SECONDS, **fields) as told:
        loud = others.look(SECONDS)
    table(quiet, loud)
    print(f"\n{prompts(calm, others)}\n{told}")


def two_hosts() -> None:
    """Sessions a and c on one host, b and d on the other: both talk over the one link between the hosts."""
    from tests.lan.hosts import Host, pair
    from tests.netns import Network

    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        try:
            where = {"a": lap, "b": desk, "c": lap, "d": desk}
            for name, host in where.items():
                host.start(name, name)
            pair(desk, lap)
            until(lambda: lap.sees("desk", "b") and desk.sees("lap", "a"))
            doors = {
                n: os.path.join(os.path.realpath(h.home / "p" / "session" / n), "door")
                for n, h in where.items()
            }
            inside = {
                n: {"CLAUDE_CODE_SESSION_ID": n, "CLAUDE_PID": str(h.clients[n].pid)}
                for n, h in where.items()
            }
            env = {n: h.environment(CLAUDE_CODE_ENTRYPOINT="cli", **inside[n]) for n, h in where.items()}
            desk.hook("b", "UserPromptSubmit", prompt="go on")  # which writes hook.sh
            place = Place(doors, env, "b@desk", str(desk.home / "hook.sh"))
            others = Neighbours(place)
            others.look(0.5)
            print("\n**The same between two hosts: a and c on one, b and d on the other**\n")
            messages(place, others, others.look(SECONDS / 2))
        finally:
            desk.close()
            lap.close()


@contextmanager
def crowd(path: str, seconds: float) -> Iterator[list[int]]:
    """Callers that connect without end, ask nothing and stay, by a process of its own; how many there were."""
    words = [sys.executable, "-c", CROWD, path, str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    count: list[int] = []
    try:
        yield count
    finally:
        out, _ = process.communicate()
    count.append(int(out))


def main() -> None:
    """Print the tables."""
    one_host()
    if sys.platform == "linux" and os.geteuid() == 0:
        two_hosts()


if __name__ == "__main__":
    main()
