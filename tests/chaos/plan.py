"""What is done in a run, and when: pure data, the same for the same seed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

HOSTS = "abcdefgh"

# Where a process can be asked to die: see shim/chaos_inside.py. The first word says who passes there.
POINTS = (
    "before-keepin", "after-keepin", "before-ack", "after-ack",  # the recipient: commit, then acknowledge
    "before-moveout-safe", "after-moveout-safe",  # the sender: heard the acknowledgement, then commit
    "before-keepout", "after-keepout", "before-mail", "after-mail",  # the sender: commit, then speak
    "before-movein-handed", "after-movein-handed",  # a hook wrote it out: record that
    "before-movein-shown", "after-movein-shown", "before-receipts", "before-noted", "after-told",
    "before-commit-log.db", "after-commit-log.db", "before-commit-host.db", "after-commit-host.db",
    "before-hello", "before-welcome",
    "hook-asked", "hook-answered", "hook-flushed", "hook-told",
    "cli-asked", "cli-answered", "cli-flushed", "cli-told",
    "supervisor-noted",
)  # fmt: skip

DAMAGES = ("scribble", "empty", "half", "page", "wal-cut", "wal-gone", "wal-noise", "gone")
FILES = ("mail.db", "host.db", "log.db", "trust.json")

FAULTS = (
    "kill-sidecar", "kill-keeper", "kill-sidecars", "kill-point", "kill-hook", "kill-cli", "kill-supervisor", "kill-fork-server",
    "stop-sidecar", "stop-fork-server", "freeze-host", "cut", "cut-one-way", "unplug", "bad-cable",
    "disk-full", "io-error", "clock", "damage", "reboot", "end-session",
)  # fmt: skip


# Those that are about one session; the others are about a host.
OF_SESSIONS = ("kill-sidecar", "stop-sidecar", "damage", "end-session")
# Those that are also about a person's sidecar; its name is the host's.
OF_PEOPLE = ("kill-sidecar", "stop-sidecar", "damage")
# What the person of each host is called.
PERSON = "pat"
# What is killed while it runs, if hooks or commands are.
KILLED = ("turn", "send", "ask", "inbox", "peek", "note", "claim", "task", "run")
# Those that are over at once; the others last for a while, some of them no longer than so many seconds.
AT_ONCE = (
    "kill-sidecar", "kill-keeper", "kill-sidecars", "kill-supervisor", "kill-fork-server", "kill-point", "clock",
    "damage",
)  # fmt: skip
SHORT = {"io-error": 4.0, "reboot": 3.0}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: *at* so many seconds from the begin, by *who* (``a1.mouth``, ``a1.ears``, ``a``, ``world``)."""

    at: float
    who: str
    do: str
    args: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        words = " ".join(f"{key}={value}" for key, value in self.args.items())
        return f"{self.at:7.2f}  {self.who:9} {self.do:14} {words}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: *hosts* and the sessions on each, and its steps by time."""

    seed: int
    seconds: float
    hosts: tuple[str, ...]
    sessions: int
    steps: tuple[Step, ...]

    def names(self) -> list[str]:
        """All sessions; the first letter is the host."""
        return [f"{host}{n}" for host in self.hosts for n in range(1, self.sessions + 1)]

    def everybody(self) -> list[str]:
        """The sessions, and the person of each host, who is called as the host."""
        return [*self.names(), *self.hosts]

    def dump(self) -> str:
        """As JSON, one step a line, from which lines may be taken."""
        head = {"seed": self.seed, "seconds": self.seconds, "hosts": self.hosts, "sessions": self.sessions}
        lines = [json.dumps(head), *(json.dumps(asdict(one)) for one in self.steps)]
        return "\n".join(lines) + "\n"

    @staticmethod
    def load(text: str) -> Plan:
        """What ``dump`` wrote."""
        head, *lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        steps = tuple(Step(**line) for line in lines)
        return Plan(head["seed"], head["seconds"], tuple(head["hosts"]), head["sessions"], steps)

    def kinds(self) -> set[str]:
        """The kinds of fault in it."""
        found = {one.do for one in self.steps if one.do in FAULTS}
        for one in self.steps:
            if "kill_after" in one.args:
                found.add("kill-hook" if one.who.endswith(".ears") else "kill-cli")
        return found
