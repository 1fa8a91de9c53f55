"""Makes the plan of a seed: what people and models do, and what goes wrong meanwhile."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from .plan import (
    AT_ONCE,
    DAMAGES,
    FAULTS,
    FILES,
    HOSTS,
    KILLED,
    OF_PEOPLE,
    OF_SESSIONS,
    PERSON,
    POINTS,
    SHORT,
    Plan,
    Step,
)


def make(
    seed: int,
    seconds: float,
    *,
    hosts: int = 3,
    sessions: int = 2,
    faults: Sequence[str] = FAULTS,
    pace: float = 1.0,
) -> Plan:
    """The plan of *seed*.

    Args:
        seed: any number.
        seconds: how long things are done; healing comes after.
        hosts: 2 to 8.
        sessions: on each host, 1 to 9.
        faults: the kinds that may occur; each does, if there is time for all.
        pace: how many times as many things are done as usual.
    """
    return _Maker(random.Random(seed), seed, seconds, HOSTS[:hosts], sessions).make(faults, pace)


class _Maker:
    def __init__(self, chance: random.Random, seed: int, seconds: float, hosts: str, sessions: int) -> None:
        self.chance, self.seed, self.seconds, self.hosts = chance, seed, seconds, tuple(hosts)
        self.sessions = sessions
        self.names = [f"{host}{n}" for host in hosts for n in range(1, sessions + 1)]
        self._said: dict[str, int] = {}
        self._busy: dict[str, float] = {}  # until when something is faulty already

    def make(self, faults: Sequence[str], pace: float) -> Plan:
        steps: list[Step] = []
        for name in self.names:
            steps += self._mouth(name, pace)
            steps += self._ears(name, pace)
        for host in self.hosts:
            steps += self._person(host, pace)
        steps = self._killed(steps, faults)
        steps += self._faults([one for one in faults if one not in ("kill-hook", "kill-cli")], pace)
        steps.sort(key=lambda one: (one.at, one.who))
        return Plan(self.seed, self.seconds, self.hosts, self.sessions, tuple(steps))

    def _times(self, every: float) -> Iterator[float]:
        at = self.chance.uniform(0, every)
        while at < self.seconds:
            yield round(at, 2)
            at += max(0.05, self.chance.expovariate(1 / every))

    def _token(self, name: str, letter: str = "m") -> str:
        self._said[name] = self._said.get(name, 0) + 1
        return f"{letter}.{name}.{self._said[name]}"

    # ------------------------------------------------------------ what people and models do

    def _to(self, name: str) -> str:
        """Whom *name* writes to."""
        what = self.chance.random()
        if what < 0.12:
            return self.chance.choice(("@repo", "@all"))
        if what < 0.22:  # to a person
            host = self.chance.choice([one for one in self.hosts if one != name])
            return PERSON if host == name[0] else f"{PERSON}@{host}"
        return self._session(name)

    def _session(self, name: str) -> str:
        """Another session than *name*."""
        others = [one for one in self.names if one != name]
        to = self.chance.choice(others)
        return to if to[0] == name[0] else f"{to}@{to[0]}"

    def _mouth(self, name: str, pace: float) -> Iterator[Step]:
        for at in self._times(1.6 / pace):
            yield self._one(f"{name}.mouth", name, at)

    def _one(self, who: str, name: str, at: float) -> Step:
        what = self.chance.choices(
            ("send", "ask", "inbox", "door", "note", "claim", "release", "task", "run"),
            (40, 6, 2, 14, 7, 9, 5, 9, 3),
        )[0]
        if what == "send":
            args: dict[str, Any] = {"to": self._to(name), "token": self._token(name)}
            if self.chance.random() < 0.1:
                args["urgent"] = True
            if self.chance.random() < 0.1:
                args["shown"] = round(self.chance.uniform(1, 8), 1)
            return Step(at, who, "send", args)
        if what == "ask":
            return self._question(at, who, name)
        if what == "inbox":
            return Step(at, who, "inbox", {"most": self.chance.choice((1, 20))})
        if what == "door":
            to, count = self._to(name), self.chance.randint(2, 12)
            return Step(at, who, "door", {"to": to, "tokens": [self._token(name) for _ in range(count)]})
        if what == "task":
            act = self.chance.choices(("add", "take", "done", "reopen"), (5, 4, 2, 1))[0]
            return Step(at, who, "task", {"act": act, "which": self.chance.randrange(100)})
        if what == "run":
            seconds = round(self.chance.uniform(0.1, 4), 2)
            return Step(at, who, "run", {"token": self._token(name, "j"), "seconds": seconds})
        path = f"src/{self.chance.choice('pqrst')}/{self.chance.choice(('x.py', 'y.py', ''))}"
        return Step(at, who, what, {"path": path, "text": f"{what} of {name} at {at}"})

    def _question(self, at: float, who: str, name: str) -> Step:
        """One that the other answers, or does not."""
        token = self._token(name, self.chance.choice("qqu"))
        seconds = round(self.chance.uniform(1, 8), 1)
        return Step(at, who, "ask", {"to": self._session(name), "token": token, "seconds": seconds})

    def _ears(self, name: str, pace: float) -> Iterator[Step]:
        for at in self._times(3.0 / pace):
            yield Step(at, f"{name}.ears", "turn", {"batches": self.chance.randrange(3)})

    def _person(self, host: str, pace: float) -> Iterator[Step]:
        for at in self._times(3.0 / pace):
            what = self.chance.choices(("send", "ask", "inbox", "peek"), (10, 2, 6, 2))[0]
            if what == "ask":
                yield self._question(at, host, host)
            elif what == "inbox":
                yield Step(at, host, "inbox", {"most": self.chance.choice((1, 2, 500))})
            elif what == "peek":
                yield Step(at, host, "peek", {"read": self.chance.random() < 0.5})
            else:
                yield Step(at, host, "send", {"to": self._to(host), "token": self._token(host)})

    # ------------------------------------------------------------ what goes wrong

    def _killed(self, steps: list[Step], faults: Sequence[str]) -> list[Step]:
        """Some hooks and commands are killed before they have ended."""
        found = []
        for one in steps:
            kind = "kill-hook" if one.do == "turn" else "kill-cli"
            may = one.do in KILLED and kind in faults
            if may and self.chance.random() < 0.12:
                # A hook takes 5 to 100 ms, a command 150 to 300.
                longest = 0.12 if kind == "kill-hook" else 0.35
                after = round(self.chance.uniform(0.005, longest), 3)
                found.append(replace(one, args={**one.args, "kill_after": after}))
            else:
                found.append(one)
        return found

    def _faults(self, faults: Sequence[str], pace: float) -> Iterator[Step]:
        """Each kind in turn, in an order that is shuffled anew each time."""
        deck: list[str] = []
        for at in self._times(1.3 / pace):
            for _ in range(4):  # one that does not fit just now makes way for the next
                deck = deck or self.chance.sample(list(faults), len(faults))
                if not deck:
                    return
                step = self._fault(deck.pop(0), at)
                if step is not None:
                    yield step
                    break

    def _fault(self, kind: str, at: float) -> Step | None:
        args = self._args(kind)
        return Step(at, "world", kind, args) if self._free(kind, args, at) else None

    def _long(self) -> float:
        """How long a fault lasts, in seconds: mostly short, and sometimes longer than any timeout."""
        most = min(12.0, self.seconds / 4)
        return round(self.chance.choice((self.chance.uniform(0.2, 2), self.chance.uniform(2, most))), 2)

    def _args(self, kind: str) -> dict[str, Any]:
        """Where and how: of a host, unless it is about a session; for a while, unless it is over at once."""
        one = self.chance.choice
        about: dict[str, Any] = (
            {"session": one([*self.names, *(self.hosts if kind in OF_PEOPLE else ())])}
            if kind in OF_SESSIONS
            else {"host": one(self.hosts)}
        )
        if kind not in AT_ONCE:
            about["seconds"] = min(self._long(), SHORT.get(kind, 60.0))
        return {**about, **self._how(kind)}

    def _how(self, kind: str) -> dict[str, Any]:
        one = self.chance.choice
        match kind:
            case "kill-point":
                return {"point": one(POINTS), "nth": self.chance.randint(1, 4)}
            case "cut-one-way":
                return {"way": one(("in", "out"))}
            case "bad-cable":
                worse = {"loss": (0.0, 0.1, 0.3), "delay": (0.0, 0.05, 0.2), "repeat": (0.0, 0.2)}
                return {key: one(some) for key, some in {**worse, "reorder": (0.0, 0.3)}.items()}
            case "disk-full":
                return {"left": one((0, 4, 40, 200))}
            case "io-error":
                return {"what": f"{one(('commit', 'read', 'open'))} {one(FILES[:3])}"}
            case "clock":
                return {"by": one((-86_400, -3_600, -30, 30, 3_600, 86_400))}
            case "damage":
                file = one(FILES)
                return {"file": file, "how": one(DAMAGES[:4] if file == "trust.json" else DAMAGES)}
            case "end-session":
                return {"goodbye": self.chance.random() < 0.5}
        return {}

    def _free(self, kind: str, args: dict[str, Any], at: float) -> bool:
        """Whether what *kind* needs is not faulty already; from now on it is."""
        where = args.get("host") or args["session"][0]
        cables = ("cut", "cut-one-way", "unplug", "bad-cable")
        needs = {f"{'cable' if kind in cables else kind} {where}"}
        if kind in ("reboot", "damage", "freeze-host", "stop-sidecar", "end-session"):
            needs = {f"machine {where}"}
        if any(self._busy.get(one, 0.0) > at for one in needs):
            return False
        for one in needs:
            self._busy[one] = at + float(args.get("seconds", 0.0)) + 1.5
        return True
