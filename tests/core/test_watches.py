"""Who waits for messages to get somewhere: counted step by step, and the same as counted anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from peermesh.core.script import MoveOut, SayAnswer
from peermesh.core.watches import Watch, Watches
from peermesh.core.words import State, further

ME, OTHER, STRANGER = "aaaaaaaa", "bbbbbbbb", "cccccccc"
STATES = [State.QUEUED, State.SAFE, State.HELD, State.SHOWN, State.REFUSED]
MOVES = st.lists(
    st.builds(
        MoveOut,
        st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
        st.sampled_from(STATES),
        st.just("why"),
        st.sampled_from(["", OTHER, STRANGER]),
    ),
    max_size=30,
)


def watch(count: int, wait: State, first: State = State.QUEUED) -> Watch:
    """A question about so many messages."""
    return Watch(1, wait, 60.0, answer=False, states=dict.fromkeys(range(1, count + 1), (OTHER, first, "")))


@given(count=st.integers(1, 8), wait=st.sampled_from(STATES), first=st.sampled_from(STATES), moves=MOVES)
def test_the_count_is_right(count: int, wait: State, first: State, moves: list[MoveOut]) -> None:
    """After whatever moves, repeats and moves of others' messages included."""
    one = watch(count, wait, first)
    for move in (None, *moves):
        if move is not None:
            one.advance(move)
        states = [state for _, state, _ in one.states.values()]
        assert one.reached == all(state is wait or further(state, wait) for state in states)
        assert one.refused == (State.REFUSED in states)


def test_a_word_to_thousands_is_looked_at_once_for_each() -> None:
    """Not all of them for each acknowledgement."""
    looks = 0

    class Counted(dict[int, tuple[str, State, str]]):
        def values(self) -> object:  # type: ignore[override]
            nonlocal looks
            looks += len(self)
            return super().values()

    many = Watch(1, State.SAFE, 60.0, answer=False, states=Counted(watch(3_000, State.SAFE).states))
    watches, answers = Watches(ME), []
    assert not list(watches.add(many))
    for n in range(1, 3_001):
        answers += watches.moved(MoveOut((n,), State.SAFE))
    assert [type(one) for one in answers] == [SayAnswer]
    assert looks <= 4 * 3_000
