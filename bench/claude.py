"""From one Claude Code session to another: peer and the client's own SendMessage, and what a start costs.

The real client, against a scripted model: needs npm, tmux and what `make test` installs.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from stage import ROOT, ms, ratio

sys.path.insert(0, ROOT)

from tests.e2e import client
from tests.e2e.api import Api
from tests.e2e.home import Home, until
from tests.e2e.launch import Claude
from tests.e2e.model import Turn, bash, use
from tests.e2e.product import Product
from tests.e2e.terminal import Session, Terminal

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "15"))

# More wakes than any benchmark makes: what is measured is the way, not the budget.
UNLIMITED = {"PEER_WAKES": "1000000", "PEER_WAKES_PER_MINUTE": "1000000"}

# A SendMessage has arrived by then; nothing tells when.
ARRIVED = 1.0  # seconds

# Longer than a benchmark takes with any sensible number of rounds: nothing hangs for ever.
PATIENCE = 3_600.0  # seconds

_numbers = itertools.count(1)


class Held:
    """A session whose model is in the middle of a turn, and says next what it is told to."""

    def __init__(self, api: Api, session: Session) -> None:
        self._api, self._session, self.name = api, session, session.name
        self._ready, self._go, self._turn = threading.Event(), threading.Event(), Turn()
        api.script(self.name, use("ToolSearch", query="select:SendMessage", max_results=5))
        api.script_by(self.name, lambda _: self._wait())
        session.submit("begin")

    def _wait(self) -> Turn:
        """In a thread of the API: hold the model's answer back."""
        self._go.clear()
        self._ready.set()
        self._go.wait(PATIENCE)
        return self._turn

    def say(self, turn: Turn) -> float:
        """Let the model say *turn* now; the moment (monotonic seconds)."""
        if not self._ready.wait(PATIENCE):
            raise TimeoutError(f"{self.name} asks its model nothing")
        self._ready.clear()
        self._turn = turn
        at = time.monotonic()
        self._go.set()
        return at

    def begin_anew(self) -> None:
        """End the turn and begin another: the client lets hooks prolong one a few times only."""
        self.say(Turn("that was all"))
        self._session.wait_status("idle")
        self._session.submit("begin")

    def end(self) -> None:
        """Let the model end its turn, if it is in one: after an error it may not be."""
        self._api.script_by(self.name, lambda _: Turn("the end"))
        if self._ready.wait(ARRIVED):
            self.say(Turn("the end"))


class Bench:
    """Two pairs of sessions, with the plugin and without; every figure is one way from here to there."""

    def __init__(self, product: Product, claude: Claude, api: Api) -> None:
        self._product, self._claude, self._api = product, claude, api
        self._receiver = product.session("receiver", env=UNLIMITED)
        self._bare_receiver = claude("bare-receiver")
        self._sender = Held(api, product.session("sender", env=UNLIMITED))
        self._bare_sender = Held(api, claude("bare-sender"))
        self._busy = Held(api, product.session("busy", env=UNLIMITED))
        self._bare_busy = Held(api, claude("bare-busy"))

    def acts(self) -> dict[str, Callable[[], float]]:
        """What is measured, by its line in the table; each gives seconds."""
        return {
            "`peer send` in a shell, from its start": self._shell,
            "a model's Bash `peer send`": lambda: self._bash("peer send receiver"),
            "a model's SendMessage, with the plugin": lambda: self._own(self._sender, self._receiver),
            "a model's SendMessage, without it": lambda: self._own(self._bare_sender, self._bare_receiver),
            "to a busy session by `peer send`: from its turn's end": self._shell_busy,
            "to a busy session by SendMessage, without the plugin: from its turn's end": self._own_busy,
            "an interactive session to its first request, with the plugin": lambda: self._open(plugin=True),
            "an interactive session to its first request, without it": lambda: self._open(plugin=False),
            "`claude -p` to its first request, with the plugin": lambda: self._start(plugin=True),
            "`claude -p` to its first request, without it": lambda: self._start(plugin=False),
        }

    def end(self) -> None:
        """Let the turns end."""
        for held in (self._sender, self._bare_sender, self._busy, self._bare_busy):
            held.end()

    def _idle(self, session: Session) -> None:
        """Until *session* waits for somebody: the client itself says so, and with the plugin peer does."""
        session.wait_status("idle")
        if session is self._receiver:
            until(lambda: self._product.row(session)["status"] == "idle", 20.0, "an idle session")
            until(lambda: self._product.status(session)["waiter"], 20.0, "a waiter")

    def _arrived(self, session: Session, words: str, began: float) -> float:
        """Seconds from *began* to the request of *session* that shows *words*."""
        return self._api.wait_for_text(session.name, words, 30.0).at - began

    def _shell(self) -> float:
        self._idle(self._receiver)
        words, began = _words(), time.monotonic()
        self._send("receiver", words)
        return self._arrived(self._receiver, words, began)

    def _send(self, to: str, words: str) -> None:
        """As a person types it: words in, words out."""
        done = self._product.shell("send", to, words)
        if done.returncode:
            raise RuntimeError(f"peer send: {done}")

    def _shell_busy(self) -> float:
        words = _words()
        self._send("busy", words)
        return self._turn_ends(self._busy, words)

    def _own_busy(self) -> float:
        words = _words()
        said = use("SendMessage", to=self._bare_busy.name, message=words, summary="a figure")
        self._bare_sender.say(said)
        time.sleep(ARRIVED)
        return self._turn_ends(self._bare_busy, words)

    def _turn_ends(self, busy: Held, words: str) -> float:
        """Seconds from the model's last word of a turn until its next request, which shows *words*."""
        began = busy.say(Turn("that is all"))
        took = self._api.wait_for_text(busy.name, words, 30.0).at - began
        busy.begin_anew()
        return took

    def _bash(self, command: str) -> float:
        self._idle(self._receiver)
        words = _words()
        return self._arrived(self._receiver, words, self._sender.say(bash(f"{command} '{words}'")))

    def _own(self, sender: Held, receiver: Session) -> float:
        self._idle(receiver)
        words = _words()
        began = sender.say(use("SendMessage", to=receiver.name, message=words, summary="a figure"))
        return self._arrived(receiver, words, began)

    def _start(self, *, plugin: bool) -> float:
        words, began = _words(), time.monotonic()
        ended = self._claude.oneshot(words, plugins=(self._product.plugin,) if plugin else ())
        if ended.code:
            raise RuntimeError(f"claude -p: {ended}")
        return self._api.wait_for_text("oneshot", words).at - began

    def _open(self, *, plugin: bool) -> float:
        words, began = _words(), time.monotonic()
        name = f"fresh{next(_numbers)}"
        plugins = (self._product.plugin,) if plugin else ()
        session = self._claude(name, words, plugins=plugins, ready=False)
        took = self._api.wait_for_text(name, words, 30.0).at - began
        session.close()
        return took


def _words() -> str:
    """A message that no other is like."""
    return f"line {next(_numbers)} of the benchmark, as long as sessions write"


@contextmanager
def bench() -> Iterator[Bench]:
    """Everything that is needed, gone afterwards."""
    with ExitStack() as stack:
        binary = client.binary()
        api = stack.enter_context(Api())
        home = Home()
        stack.callback(home.close)
        terminal = Terminal(home.path)
        stack.callback(terminal.close)
        claude = Claude(binary, api, home, home.repo(), terminal)
        stack.callback(claude.close)
        product = Product(home, claude, api)
        made = Bench(product, claude, api)
        stack.callback(made.end)
        yield made


def main() -> None:
    """Print the table."""
    with bench() as here:
        acts = here.acts()
        took: dict[str, list[float]] = {name: [] for name in acts}
        for number in range(ROUNDS + 1):  # the first one warms everything up
            for name, act in acts.items():
                once = act()
                if number:
                    took[name].append(once)
    print("| | median ms | 90 % ms |\n|---|---|---|")
    for name, seconds in took.items():
        print(f"| {name} | {ms(seconds)} |")
    shell, peer, own, bare, busy, bare_busy, fresh, bare_fresh, start, bare_start = took.values()
    print(
        f"\nClaude Code {client.VERSION}, {ROUNDS} rounds, one of each in every round. Medians of the rounds' ratios:"
    )
    print(
        f"to SendMessage without the plugin: `peer send` in a shell {ratio(shell, bare):.2f}, of a model"
        f" {ratio(peer, bare):.2f},"
    )
    print(f"to a busy session {ratio(busy, bare_busy):.2f}. SendMessage with the plugin to")
    print(f"without {ratio(own, bare):.2f}, an interactive start with the plugin to without")
    print(
        f"{ratio(fresh, bare_fresh):.2f}, `claude -p` with the plugin to without {ratio(start, bare_start):.2f}."
    )


if __name__ == "__main__":
    main()
