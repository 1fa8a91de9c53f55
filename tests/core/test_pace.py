"""How often one peer may say something that everybody must hear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peermesh.core.pace import MINUTE, Pace


def test_so_many_at_once_and_no_more() -> None:
    """The next is allowed when the first is a minute old, and who is told to wait does not wait longer for asking."""
    pace = Pace(3)
    assert [pace.take(10.0 + n) for n in range(3)] == [0.0, 0.0, 0.0]
    assert pace.take(30.0) == 40.0
    assert pace.take(69.5) == 0.5
    assert pace.take(70.0) == 0.0
    assert pace.take(70.0) == 1.0


@given(st.integers(1, 5), st.lists(st.floats(0.0, 40.0), max_size=60))
def test_never_more_in_any_minute(most: int, pauses: list[float]) -> None:
    """Whenever it is asked, no minute has more, and it says yes just when the wait that it told of is over."""
    pace, now, taken = Pace(most), 0.0, list[float]()
    for pause in pauses:
        now += pause
        wait = pace.take(now)
        recent = [one for one in taken if now < one + MINUTE]
        assert (wait > 0.0) == (len(recent) >= most)
        if wait:
            assert wait == pytest.approx(recent[-most] + MINUTE - now)
        else:
            taken.append(now)
