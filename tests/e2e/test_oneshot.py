"""`claude -p` with peer: as quick as without, able to speak and to hear, and gone without a trace."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from .api import Api
from .home import until
from .launch import Ended
from .model import bash, bash_until, say
from .product import END, Product, count

pytestmark = pytest.mark.claude

Run = Callable[..., Ended]

ROUNDS = 4
# No model answers at once; this is quick already.
THINKING = 1.0  # seconds
# Runs beside another test's on two cores scatter by a fifth; a hook that held the run up would cost a second.
RATIO = 1.5
# The keeper delivers what a run left behind, its last receipt, every 5 s; and then the run is forgotten.
SWEPT = 12.0


def sessions(product: Product) -> list[str]:
    """The names of all sessions that peer knows, here or away."""
    return [name for name, peer in product.people().items() if not peer["person"]]


def test_oneshot_is_as_quick_as_without(product: Product, oneshot: Run, api: Api) -> None:
    """The median of interleaved runs with the plugin is near that of runs without it."""
    took: dict[bool, list[float]] = {True: [], False: []}
    for number in range(ROUNDS):
        for loaded in (True, False) if number % 2 else (False, True):
            api.script("oneshot", say("hello", delay=THINKING))
            ended = oneshot("hello", plugins=(product.plugin,) if loaded else ())
            assert (ended.code, ended.err) == (0, "")
            took[loaded].append(ended.seconds)
    with_peer, without = statistics.median(took[True]), statistics.median(took[False])
    print(f"-p: {with_peer:.2f} s with peer, {without:.2f} s without: ratio {with_peer / without:.2f}")
    assert with_peer / without < RATIO


def test_oneshot_without_peer_starts_nothing(product: Product, oneshot: Run) -> None:
    """A run that does not use peer has no sidecar, no peer and no directory."""
    assert oneshot("hello", plugins=(product.plugin,)).code == 0
    assert not (product.home.peer / "peers").exists()
    assert not (product.home.peer / "session").exists()


def test_oneshot_leaves_nothing(product: Product, oneshot: Run, api: Api) -> None:
    """When a run that used peer is over its sidecar ends, and its peer is forgotten."""
    api.script("oneshot", bash("peer list"), say("done"))
    ended = oneshot("hello", plugins=(product.plugin,))
    assert ended.code == 0
    until(lambda: not product.home.leftovers(), END, "the end of its sidecar")
    assert not list((product.home.peer / "peers").iterdir())
    assert not list((product.home.peer / "session").iterdir())
    assert sessions(product) == []


def test_oneshot_sends_from_bash(product: Product, oneshot: Run, api: Api) -> None:
    """A run's model tells a session something, and is gone when the session reads it; the receipt has nowhere to go."""
    b = product.session("b")
    product.turn(b, "first words")
    api.script("oneshot", bash("peer send b 'the nightly run failed'"), say("told"))
    ended = oneshot("tell b", plugins=(product.plugin,))
    assert (ended.code, ended.out.strip()) == (0, "told")
    assert "safe with b" in api.shown_text("oneshot")
    api.wait_for_text("b", "> the nightly run failed")
    product.wait_idle(b)
    until(lambda: sessions(product) == ["b"], SWEPT, "the run to be forgotten")


def test_oneshot_hears_at_its_end(product: Product, oneshot: Run, api: Api) -> None:
    """A message that comes during a run's only turn prolongs it once; the sender sees that it was shown."""
    done = product.home.path / "done"
    command = f"touch {product.home.path}/begun; peer name nightly"
    api.script("oneshot", bash(command), bash_until(done), say("finished"), say("noted"))
    sent: list[str] = []

    def tell() -> None:
        until((product.home.path / "begun").exists, 20.0, "the run's first tool")
        until(lambda: "nightly" in product.people(), 20.0, "the run in peer")
        sent.append(product.send("nightly", "one thing more"))
        done.touch()

    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(tell)
        ended = oneshot("work", plugins=(product.plugin,))
        told.result()
    assert (ended.code, ended.out.strip()) == (0, "noted")
    assert count(api.requests("oneshot")[-1], sent[0]) == 1
    product.wait_state(sent[0], "shown")
    until(lambda: not sessions(product), SWEPT, "the run to be forgotten")


def test_message_after_the_end_of_a_run_is_no_secret(product: Product, oneshot: Run, api: Api) -> None:
    """Who writes to a run that is over is told that nobody of that name is here, with exit code 3."""
    api.script("oneshot", bash("peer name nightly"))
    assert oneshot("work", plugins=(product.plugin,)).code == 0
    until(lambda: not sessions(product), SWEPT, "the run to be forgotten")
    done = product.shell("send", "nightly", "too late")
    assert done.returncode == 3
