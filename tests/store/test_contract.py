"""The mailbox on disk and the one in memory are the same to the engine, whatever is kept in them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from peermesh.core.script import Keep, KeepIn, KeepOut, MoveIn, MoveOut, Told
from peermesh.core.words import MessageId, State
from peermesh.mesh.memory import MemoryMailbox
from tests.store.boxes import ANN, BOB, CLEO, CLOCK, Births, heard, mailbox, said

others = st.sampled_from([BOB, CLEO])
few = st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple)
states = st.sampled_from(State)
in_states = st.sampled_from([State.SAFE, State.HELD, State.HANDED, State.SHOWN])
bodies = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
extras = st.fixed_dictionaries(
    {},
    optional={
        "urgent": st.booleans(),
        "chain": st.lists(others, max_size=3).map(tuple),
        "reply_to": st.builds(MessageId, others, st.integers(1, 9)),
        "group": st.just("@all"),
        "branch": bodies,
    },
)
# Numbers of our own messages are filled in when they are kept: 0 stands for the next one.
changes = st.one_of(
    st.builds(lambda to, body, more: KeepOut(said(0, to, body, **more)), others, bodies, extras),
    st.builds(
        lambda by, n, body, more: KeepIn(heard(n, by, body, **more)),
        others,
        st.integers(1, 6),
        bodies,
        extras,
    ),
    st.builds(MoveOut, few, states, st.sampled_from(["", "full: no room"])),
    st.builds(MoveOut, few, states, st.just(""), others),
    st.builds(
        lambda by, ns, state: MoveIn(tuple(MessageId(by, n) for n in ns), state), others, few, in_states
    ),
    st.builds(lambda by, ns, state: Told(by, tuple((n, state) for n in ns)), others, few, in_states),
)
# Seconds that the wall clock moves on before a batch; it may be set back.
steps = st.sampled_from([0.0, 0.5, 60.0, -100.0])
batches = st.lists(st.tuples(st.lists(changes, max_size=6), steps), max_size=6)


def numbered(changes: list[Keep], next_n: int) -> list[Keep]:
    """The same, with the next numbers for our own messages."""
    made: list[Keep] = []
    for change in changes:
        if isinstance(change, KeepOut):
            m = change.message
            change = KeepOut(  # noqa: PLW2901 - the change with its number
                said(next_n, m.to, m.body, urgent=m.urgent, chain=m.chain, reply_to=m.reply_to, group=m.group)
            )
            next_n += 1
        made.append(change)
    return made


@given(batches)
@settings(max_examples=80, deadline=None)
def test_the_same_snapshot(batches: list[tuple[list[Keep], float]]) -> None:
    """After any batches, and after opening the file again, both tell an engine the same."""
    clock = CLOCK
    with tempfile.TemporaryDirectory() as name:
        directory, births, memory = Path(name), Births(), MemoryMailbox(ANN)
        for batch, step in batches:
            clock += step
            with mailbox(directory, births) as disk:
                kept = numbered(batch, disk.snapshot(0.0, clock).next_n)
                disk.keep(kept, clock)
                memory.keep(kept, clock)
                assert disk.snapshot(5_000.0, clock) == memory.snapshot(5_000.0, clock)
            with mailbox(directory, births) as again:
                assert again.snapshot(9_000.0, clock + 10) == memory.snapshot(9_000.0, clock + 10)
                for n, row in memory.outbox.items():
                    assert again.outgoing(n) == row.message
                for one, received in memory.inbox.items():
                    assert again.incoming(one) == (received.message, received.came_at)
        assert births.count <= 1
