"""One link's life: the table has no dead ends, and times are what is promised."""

from __future__ import annotations

import pytest

from peermesh.core.links import (
    BACKOFF_LAST,
    GREETING,
    MANY,
    PATIENCE,
    PAUSE,
    QUIET,
    SILENCE,
    TABLE,
    Link,
    Move,
    Phase,
)


def reachable(start: Phase) -> set[Phase]:
    """The phases to which the table leads from *start*."""
    seen, edge = {start}, [start]
    while edge:
        here = edge.pop()
        for (phase, _), to in TABLE.items():
            if phase is here and to not in seen:
                seen.add(to)
                edge.append(to)
    return seen


def test_every_phase_is_reached() -> None:
    """From a closed link the table leads to every phase."""
    assert reachable(Phase.IDLE) == set(Phase)


@pytest.mark.parametrize("phase", Phase)
def test_no_dead_ends(phase: Phase) -> None:
    """From every phase a link can come up, and can come to rest."""
    assert {Phase.UP, Phase.IDLE} <= reachable(phase)


@pytest.mark.parametrize("phase", [Phase.GREETING, Phase.UP, Phase.WAITING])
def test_a_link_that_is_not_idle_has_a_due_time(phase: Phase) -> None:
    """Nothing but an idle link may be forgotten: something is always due on the others."""
    roads = {
        Phase.GREETING: [Move.WANT],
        Phase.UP: [Move.WANT, Move.WELCOME],
        Phase.WAITING: [Move.WANT, Move.LOST],
    }
    link = Link()
    for move in roads[phase]:
        assert link.move(move, 1.0)
    assert link.phase is phase
    assert link.due is not None
    assert link.due > 1.0


def test_idle_has_no_due_time() -> None:
    """A quiet link asks for no attention."""
    link = Link()
    for move in (Move.WANT, Move.WELCOME, Move.DUE):
        link.move(move, 1.0)
    assert (link.phase, link.due) == (Phase.IDLE, None)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("move", Move)
def test_what_is_not_in_the_table_changes_nothing(phase: Phase, move: Move) -> None:
    """A move that makes no sense in a phase leaves the link as it was."""
    link = Link(phase=phase, due=7.0)
    moved = link.move(move, 1.0)
    assert moved == ((phase, move) in TABLE)
    if not moved:
        assert (link.phase, link.due, link.failures) == (phase, 7.0, 0)


def test_retries_back_off() -> None:
    """The first retry comes at once, later ones seldom, and none later than the longest."""
    link, waits = Link(), []
    link.move(Move.WANT, 0.0)
    for _ in range(12):
        link.move(Move.LOST, 0.0)
        assert link.due is not None
        waits.append(link.due)
        link.move(Move.DUE, 0.0)
    assert waits[0] == pytest.approx(0.05)
    assert waits == sorted(waits)
    assert waits[-1] == BACKOFF_LAST


def test_welcome_forgets_failures() -> None:
    """A peer that answers is tried quickly again when it is lost later."""
    link = Link(phase=Phase.GREETING, failures=9)
    link.move(Move.WELCOME, 0.0)
    link.move(Move.LOST, 100.0)
    assert link.due == pytest.approx(100.05)


def test_silence_is_noticed_within_fifteen_seconds() -> None:
    """The promise that the sender of a message hears of a hang is kept by the constants."""
    assert SILENCE + PATIENCE < 15
    assert 2 * GREETING + 1 < 15


def test_expecting_more_does_not_put_off_the_question() -> None:
    """Who says something every second still asks after five whether anybody is there."""
    link = Link()
    link.move(Move.WANT, 0.0)
    link.move(Move.WELCOME, 0.0)
    for second in range(5):
        link.expect(float(second))
    assert link.due == SILENCE


def test_a_sign_of_life_puts_it_off() -> None:
    """A frame from there means that the other lives: silence is counted anew, or quiet if all is said."""
    link = Link()
    link.move(Move.WANT, 0.0)
    link.move(Move.WELCOME, 0.0)
    link.sign_of_life(3.0, outstanding=True)
    assert link.due == 3.0 + SILENCE
    link.sign_of_life(4.0, outstanding=False)
    assert link.due == 4.0 + QUIET


def test_a_link_that_brought_many_frames_is_closed_in_a_pause() -> None:
    """ZeroMQ's queues grow with what went through them: a second of quiet is enough then, unless an answer is due."""
    link = Link()
    link.move(Move.WANT, 0.0)
    link.move(Move.WELCOME, 0.0)
    for _ in range(MANY - 1):
        link.sign_of_life(1.0, outstanding=False)
    assert link.due == 1.0 + QUIET
    link.sign_of_life(2.0, outstanding=False)
    assert link.due == 2.0 + PAUSE
    link.sign_of_life(3.0, outstanding=True)
    assert link.due == 3.0 + SILENCE
    for move in (Move.DUE, Move.WANT, Move.WELCOME):
        link.move(move, 4.0)
    link.sign_of_life(5.0, outstanding=False)
    assert link.due == 5.0 + QUIET


def test_two_failures_and_it_does_not_answer() -> None:
    """One failed dial may be a restart; after two the sender is told that nobody answers."""
    link = Link()
    said = []
    for _ in range(2):
        link.move(Move.WANT if link.phase is Phase.IDLE else Move.DUE, 0.0)
        link.move(Move.DUE, 0.0)
        said.append(link.answers)
    assert said == [True, False]
