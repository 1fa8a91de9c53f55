"""The run itself: hosts that trust each other, an actor for each mouth and each pair of ears, and the faults."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lan.hosts import pair, until
from tests.lan.machines import clone
from tests.live.home import adopt_orphans
from tests.netns import Network

from . import faults, interpreter
from .ears import Ears
from .journal import Journal
from .machine import Machine
from .mouth import Mouth
from .plan import PERSON, Plan, Step


class Stage:
    """Plays *plan*; its journal is what the checker is given."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.journal = plan, Journal()
        self.machines: dict[str, Machine] = {}
        self.lan: Network
        self._over = threading.Event()  # the plan is played, and every fault is to end
        self.ears: dict[str, Ears] = {}
        self.broken: list[str] = []  # what went wrong in the run itself, and not in the product

    def of(self, session: str) -> Machine:
        """The host of a session."""
        return self.machines[session[0]]

    @property
    def over(self) -> bool:
        """Whether the plan is played, or the run was ended."""
        return self._over.is_set()

    def sleep(self, seconds: float) -> None:
        """A fault lasts so long, or until the plan is over."""
        self._over.wait(seconds)

    def ended(self, session: str) -> None:
        """Its client is about to end: nothing of it runs any more, until ``wanted``."""
        self.ears[session].rest()

    def wanted(self, session: str) -> None:
        """It is to be resumed."""
        self.ears[session].resume()

    # ------------------------------------------------------------ before

    @contextmanager
    def built(self) -> Iterator[None]:
        """The hosts, paired, with their sessions; all of it is gone afterwards."""
        adopt_orphans()
        folder = Path(tempfile.mkdtemp(prefix="pc", dir="/tmp"))
        try:
            tools = interpreter.make(folder)
            with Network(*self.plan.hosts) as self.lan, contextlib.ExitStack() as stack:
                for host in self.plan.hosts:
                    machine = self.machines[host] = Machine(self.lan, host, tools, self.journal)
                    stack.callback(machine.close)
                stack.callback(self._hush)
                stack.push(self._break_off)
                self._introduce()
                yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _break_off(self, kind: type[BaseException] | None, *_: object) -> None:
        """The run failed or was ended: nothing that it started is waited for."""
        if kind is not None:
            self._over.set()
            for machine in self.machines.values():
                machine.abandon()

    def _hush(self) -> None:
        self._over.set()
        for ears in self.ears.values():
            ears.stop()

    def _introduce(self) -> None:
        work = [threading.Thread(target=self._settle_in, args=(one,)) for one in self.machines.values()]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        hosts = list(self.machines.values())
        for place, one in enumerate(hosts):
            for other in hosts[place + 1 :]:
                pair(one, other)
        names = self.plan.names()
        for one in hosts:
            for other in hosts:
                mine = [PERSON, *(name for name in names if name[0] == other.name)]
                until(lambda: one.sees(other.name, *mine), f"{one.name} to see {other.name}", 40)  # noqa: B023

    def _settle_in(self, machine: Machine) -> None:
        clone(machine)
        machine.run("status")  # the person's sidecar begins
        for name in self.plan.names():
            if name[0] != machine.name:
                continue
            machine.begin(name)
            until(lambda: machine.ask(name, "status"), f"the sidecar of {name}")  # noqa: B023
            machine.ask(name, "name", name=name, told=True)
            self.ears[name] = Ears(machine, name)

    # ------------------------------------------------------------ the run

    def play(self) -> None:
        """Do all steps of the plan, each in its time; comes back when every fault has ended."""
        began = time.monotonic()
        queues: dict[str, list[Step]] = {}
        for step in self.plan.steps:
            if step.who != "world":
                queues.setdefault(step.who, []).append(step)
        actors = [
            threading.Thread(target=self._act, args=(w, q, began), name=w, daemon=True)
            for w, q in queues.items()
        ]
        for ears in self.ears.values():
            ears.start()
        for thread in actors:
            thread.start()
        wrong = [self._world(step, began) for step in self.plan.steps if step.who == "world"]
        left = began + self.plan.seconds - time.monotonic()
        if left > 0:
            time.sleep(left)
        self._over.set()
        for thread in [*wrong, *actors]:
            thread.join(120)
            if thread.is_alive():
                self.broken.append(f"{thread.name} does not end")
        for ears in self.ears.values():
            ears.resume()

    def _act(self, who: str, steps: list[Step], began: float) -> None:
        name, _, part = who.partition(".")
        actor = self.ears[name] if part == "ears" else Mouth(self.machines[name[0]], name if part else "")
        for step in steps:
            late = time.monotonic() - began - step.at
            if late < 0:
                time.sleep(-late)
            if self._over.is_set():
                return  # the machine is too slow for the plan
            self._guarded(step, actor.do, step)

    def _world(self, step: Step, began: float) -> threading.Thread:
        left = began + step.at - time.monotonic()
        if left > 0:
            time.sleep(left)
        self.journal.add("fault", do=step.do, args=step.args)
        run = threading.Thread(
            target=self._guarded, args=(step, self._fault, step), name=str(step), daemon=True
        )
        run.start()
        return run

    def _fault(self, step: Step) -> None:
        faults.DO[step.do](self, **step.args)

    def _guarded(self, step: Step, do: object, *words: Step) -> None:
        try:
            do(*words)  # type: ignore[operator]
        except Exception as wrong:  # noqa: BLE001 - a run that is broken is told as such, with the step
            self.broken.append(f"{step}: {type(wrong).__name__}: {wrong}")
