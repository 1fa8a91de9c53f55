"""Many peers that talk all the time while hooks run: is anything lost or shown twice, does memory grow, are hooks late?

50 sessions say 100 messages a second to each other, most to one and some to all, and each has turns all the time, by
the real hook.sh. BENCH_MINUTES is how long that goes on (1; a proof takes 10), BENCH_PEERS how many there are,
BENCH_RATE the messages a second. With BENCH_HOSTS=5 they are on five hosts in network namespaces (needs root).
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from stage import ROOT, Stage, stage, until
from weight import memory, slope, threads_cpu

from peermesh.door.client import Door
from peermesh.errors import ChainTooLong

MINUTES = float(os.environ.get("BENCH_MINUTES", "1"))
PEERS = int(os.environ.get("BENCH_PEERS", "50"))
RATE = float(os.environ.get("BENCH_RATE", "100"))  # copies a second, those of a broadcast counted
HOSTS = int(os.environ.get("BENCH_HOSTS", "1"))
TURNS = float(os.environ.get("BENCH_TURNS", "5"))  # a second; each is at least three hooks
TO_ALL = 0.1  # share of all copies that are of a broadcast
SENDERS, TURNERS = 6, 3  # threads
DEADLINE = 0.3  # seconds, for a hook
LATE = 60.0  # seconds for all that was said to be read at the end
WATCHED = 12  # sidecars whose memory is looked at
MARK = re.compile(r"^> word (\S+) (\d+)$", re.MULTILINE)


@dataclass(slots=True)
class Member:
    """One session."""

    name: str
    address: str  # by which those on other hosts call it
    host: str
    directory: str
    env: dict[str, str]
    pid: int
    said: int = 0
    door: Door | None = None
    busy: threading.Lock = field(default_factory=threading.Lock)

    def open(self) -> Door:
        """A door that stays open."""
        if self.door is None:
            self.door = Door(os.path.join(self.directory, "door"), 60.0)
        return self.door


class Ledger:
    """What was acknowledged, and what models were shown."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.safe: set[tuple[str, int, str]] = set()  # by, number, to
        self.not_safe: list[tuple[str, int, str, str]] = []
        self.shown: dict[tuple[str, int, str], int] = defaultdict(int)
        self.last: dict[tuple[str, str], int] = {}
        self.out_of_order: list[tuple[str, int, str]] = []
        self.times: dict[str, list[float]] = defaultdict(list)
        self.chains = 0  # refused at once, because nobody but sessions spoke for too long

    def said(self, by: Member, number: int, rows: list[tuple[str, str]]) -> None:
        """Message *number* of *by* got so far with each recipient."""
        with self.lock:
            for to, state in rows:
                if state in ("safe", "held", "shown"):
                    self.safe.add((by.name, number, to))
                else:
                    self.not_safe.append((by.name, number, to, state))

    def read(self, to: Member, text: str) -> None:
        """*to* was shown this."""
        with self.lock:
            for by, number in MARK.findall(text):
                one = (by, int(number), to.name)
                self.shown[one] += 1
                if self.shown[one] == 1:
                    if int(number) < self.last.get((by, to.name), 0):
                        self.out_of_order.append(one)
                    self.last[by, to.name] = int(number)

    def took(self, what: str, seconds: float) -> None:
        """Time that something took."""
        with self.lock:
            self.times[what].append(seconds)

    def missing(self) -> set[tuple[str, int, str]]:
        """What is safe and not shown yet."""
        with self.lock:
            return self.safe - self.shown.keys()


class Load:
    """The talk and the turns.

    Args:
        members: who.
        hook: the path of hook.sh.
    """

    def __init__(self, members: list[Member], hook: str) -> None:
        self.members, self.hook, self.ledger = members, hook, Ledger()
        self.by_peer = {m.address: m for m in members} | {m.name: m for m in members}
        self.over = threading.Event()
        self.silent = threading.Event()
        self.wrong: list[str] = []
        self._turn = 0
        self._lock = threading.Lock()

    # ------------------------------------------------------------ talk

    def talk(self, number: int) -> None:
        """One thread's share of what is said."""
        mine, dice = self.members[number::SENDERS], random.Random(number)
        pace = SENDERS / RATE * (1 + TO_ALL * (len(self.members) - 2) / (len(self.members) - 1))
        next_at = time.monotonic() + pace * dice.random()
        to_all = TO_ALL / (len(self.members) - 1)
        while not self.silent.is_set():
            wait = next_at - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            next_at += pace
            by = dice.choice(mine)
            other = dice.choice([m for m in self.members if m is not by])
            self._say(by, "@all" if dice.random() < to_all * (1 + TO_ALL) else self._called(by, other))

    @staticmethod
    def _called(by: Member, other: Member) -> str:
        return other.name if other.host == by.host else other.address

    def _say(self, by: Member, to: str) -> None:
        with by.busy:
            by.said += 1
            number, began = by.said, time.perf_counter()
            try:
                answer = by.open().ask(
                    "send", timeout=60.0, to=to, body=f"word {by.name} {number}", wait="safe", within=30
                )
            except ChainTooLong:
                # Sessions that only answer each other are stopped, and told so: nothing was said.
                self.ledger.chains += 1
                return
        self.ledger.took(
            "to all, until *safe* with each" if to == "@all" else "to one, until *safe*",
            time.perf_counter() - began,
        )
        self.ledger.said(by, number, [(self.by_peer[m["to"]].name, m["state"]) for m in answer["messages"]])

    # ------------------------------------------------------------ turns

    def turns(self, number: int) -> None:
        """One thread's share of the turns; beside each the machine's own noise."""
        pace = TURNERS / TURNS
        next_at = time.monotonic() + pace * number / TURNERS
        while not self.over.is_set():
            with self._lock:
                self._turn += 1
                one = self.members[self._turn % len(self.members)]
            self.turn(one)
            self._bare("`/bin/sh -c :`", ["/bin/sh", "-c", ":"])
            self._bare("`python3 -I -S -c pass`", [sys.executable, "-I", "-S", "-c", "pass"])
            next_at = max(next_at + pace, time.monotonic())
            time.sleep(max(0.0, next_at - time.monotonic()))

    def turn(self, one: Member) -> None:
        """A person's prompt, a batch of tools, and stops until there is nothing more to say."""
        self._hook(one, "UserPromptSubmit", prompt="go on")
        self._hook(one, "PostToolBatch")
        while self._hook(one, "Stop"):
            self._hook(one, "PostToolBatch")

    def _hook(self, one: Member, event: str, **given: str) -> str:
        said = json.dumps(
            {
                "session_id": one.env["CLAUDE_CODE_SESSION_ID"],
                "cwd": "/tmp",
                "hook_event_name": event,
                **given,
            }
        )
        began = time.perf_counter()
        done = subprocess.run(
            ["/bin/sh", self.hook, event], env=one.env, input=said.encode(), capture_output=True, check=True
        )
        took = time.perf_counter() - began
        text = json.loads(done.stdout)["hookSpecificOutput"]["additionalContext"] if done.stdout else ""
        self.ledger.took("hook with something to say" if text else "hook, nothing said", took)
        self.ledger.read(one, text)
        return str(text)

    def _bare(self, what: str, words: list[str]) -> None:
        began = time.perf_counter()
        subprocess.run(words, check=True)
        self.ledger.took(what, time.perf_counter() - began)

    # ------------------------------------------------------------ all together

    def run(self, seconds: float) -> list[tuple[float, list[float]]]:
        """Go on for so long; then let all be read. Moments, and the PSS of each watched sidecar then."""
        threads = [threading.Thread(target=self._guarded, args=(self.talk, n)) for n in range(SENDERS)]
        threads += [threading.Thread(target=self._guarded, args=(self.turns, n)) for n in range(TURNERS)]
        for one in threads:
            one.start()
        watched = self.members[:: max(1, len(self.members) // WATCHED)]
        began, seen = time.monotonic(), []
        while time.monotonic() - began < seconds and not self.wrong:
            seen.append((time.monotonic() - began, [memory(m.pid)["pss"] for m in watched]))
            time.sleep(min(5.0, seconds / 12))
        self.silent.set()
        ends = time.monotonic() + LATE + 2 * len(self.members) / TURNS
        while self.ledger.missing() and not self.wrong and time.monotonic() < ends:
            time.sleep(0.5)
        self.over.set()
        for one in threads:
            one.join()
        seen.append((time.monotonic() - began, [memory(m.pid)["pss"] for m in watched]))
        return seen

    def _guarded(self, act: object, number: int) -> None:
        try:
            act(number)  # type: ignore[operator]
        except Exception as wrong:
            self.wrong.append(repr(wrong))
            self.silent.set()
            raise


# ---------------------------------------------------------------- who there is


@contextmanager
def one_host() -> Iterator[tuple[list[Member], str]]:
    """All on this machine."""
    with stage() as here:
        for number in range(PEERS):
            here.session(f"p{number}")
        yield [_member(here, f"p{number}") for number in range(PEERS)], _hook_file(here.home)


def _member(here: Stage, session: str) -> Member:
    door = here.open(session)
    name = door.ask("name")["name"]
    door.close()
    directory = os.path.realpath(os.path.join(here.home, "session", session))
    return Member(name, name, "here", directory, here.environment(session), here.pid(session))


@contextmanager
def several_hosts() -> Iterator[tuple[list[Member], str]]:
    """On hosts in namespaces, each paired with each."""
    from tests.lan.hosts import Host, pair
    from tests.netns import Network

    names = [f"h{number}" for number in range(HOSTS)]
    with Network(*names) as lan:
        hosts = [Host(lan, name) for name in names]
        try:
            for number in range(PEERS):
                hosts[number % HOSTS].start(f"p{number}", f"p{number}")
            for number, host in enumerate(hosts):
                for other in hosts[number + 1 :]:
                    pair(host, other)
            until(lambda: all(sum(p["here"] for p in h.peers().values()) >= PEERS for h in hosts), 60.0)
            members = []
            for number in range(PEERS):
                host, session = hosts[number % HOSTS], f"p{number}"
                directory = os.path.realpath(host.home / "p" / "session" / session)
                inside = {"CLAUDE_CODE_SESSION_ID": session, "CLAUDE_PID": str(host.clients[session].pid)}
                env = host.environment(CLAUDE_CODE_ENTRYPOINT="cli", **inside)
                pid = int(host.ask(session, "status")["pid"])
                members.append(Member(session, f"{session}@{host.name}", host.name, directory, env, pid))
            yield members, _hook_file(str(hosts[0].home))
        finally:
            for host in hosts:
                host.close()


def _hook_file(folder: str) -> str:
    with open(os.path.join(ROOT, "peermesh", "hooks", "files", "hook.sh"), encoding="utf-8") as file:
        text = file.read()
    for mark, value in (("@PYTHON@", sys.executable), ("@ROOT@", ROOT)):
        text = text.replace(mark, shlex.quote(value))
    path = os.path.join(folder, "load-hook.sh")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


# ---------------------------------------------------------------- the tables


def part(seconds: list[float], share: float) -> float:
    """What that share of all stays below, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def times(ledger: Ledger) -> None:
    """How long things took."""
    print("| | how many | median ms | 90 % | 99 % | longest | above 300 ms |\n|---|---|---|---|---|---|---|")
    for what, seconds in sorted(ledger.times.items()):
        late = sum(one > DEADLINE for one in seconds)
        shares = " | ".join(f"{part(seconds, share):.1f}" for share in (0.5, 0.9, 0.99, 1.0))
        print(f"| {what} | {len(seconds):,} | {shares} | {late} ({late / len(seconds) * 100:.2f} %) |")


def weights(seen: list[tuple[float, list[float]]]) -> None:
    """Memory over time. Flat means: in the last third it rises by less than 0.05 MB a minute."""
    sums = [(at, sum(pss) / len(pss)) for at, pss in seen]
    rises = [slope(*zip(*sums[-max(2, len(sums) // part) :], strict=True)) * 60 for part in (2, 3)]
    every = max(1, len(sums) // 10)
    print(f"\nPSS of a sidecar over time, MB: {', '.join(f'{pss:.1f}' for _, pss in sums[::every])}.")
    first, middle, last = sums[0][1], sums[len(sums) // 2][1], sums[-1][1]
    print(
        f"\nPSS of a sidecar (mean of {len(seen[0][1])}): {first:.2f} MB at the start, {middle:.2f} in the middle,"
    )
    print(
        f"{last:.2f} at the end; in the second half {rises[0]:+.3f} MB a minute, in the last third {rises[1]:+.3f}."
    )


def verdict(load: Load, seconds: float, used: float) -> None:
    """What became of each message."""
    ledger = load.ledger
    twice = [one for one, count in ledger.shown.items() if count > 1]
    strange = ledger.shown.keys() - ledger.safe - {one[:3] for one in ledger.not_safe}
    print(
        f"\n{len(ledger.safe):,} copies were acknowledged in {seconds:.0f} s ({len(ledger.safe) / seconds:.0f} a second);"
    )
    print(
        f"not acknowledged in time: {len(ledger.not_safe)}. Lost: {len(ledger.missing())}. Shown twice: {len(twice)}."
    )
    print(f"Out of order: {len(ledger.out_of_order)}. Shown and never said: {len(strange)}.")
    print(
        f"Processor: {used * 100:.0f} % of one core for all sidecars together. Went wrong: {load.wrong or 'nothing'}."
    )


def main() -> None:
    """Print the tables."""
    with one_host() if HOSTS == 1 else several_hosts() as (members, hook):
        load = Load(members, hook)
        for one in members:
            load.turn(one)  # the briefing, which is said once
        load.ledger.times.clear()
        before, seconds = [threads_cpu(m.pid) for m in members], MINUTES * 60
        seen = load.run(seconds)
        used = sum(threads_cpu(m.pid) - b for m, b in zip(members, before, strict=True)) / seen[-1][0]
        print(f"{len(members)} peers, {HOSTS} host(s), {MINUTES:g} minute(s).\n")
        times(load.ledger)
        weights(seen)
        verdict(load, seconds, used)


if __name__ == "__main__":
    main()
