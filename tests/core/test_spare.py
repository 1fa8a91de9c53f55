"""Room for more links: those on which all is said are closed, and no others."""

from __future__ import annotations

from peermesh.core.frames import Ack, Bye, Welcome
from peermesh.core.links import Phase
from peermesh.core.outgoing import Outgoing
from peermesh.core.script import HangUp, Tell

ME = "aaaaaaaa"
OTHERS = [f"bbbbbbb{number}" for number in range(4)]


def spoken() -> Outgoing:
    """One that has said something to four others, at one second each; the last one has not answered yet."""
    mine = Outgoing(ME)
    for number, peer in enumerate(OTHERS, 1):
        list(mine.enqueue(peer, number, 10, float(number)))
        list(mine.heard(peer, Welcome(peer, 0), float(number)))
    for number, peer in enumerate(OTHERS[:-1], 1):
        list(mine.heard(peer, Ack(number), float(number)))
    return mine


def test_those_go_first_that_are_quiet_for_longest() -> None:
    """With a goodbye; the next word dials again."""
    mine = spoken()
    assert list(mine.spare(2, 9.0)) == [
        one for peer in OTHERS[:2] for one in (Tell(peer, Bye()), HangUp(peer))
    ]
    assert [mine.other(peer).link.phase for peer in OTHERS] == [Phase.IDLE, Phase.IDLE, Phase.UP, Phase.UP]
    list(mine.enqueue(OTHERS[0], 9, 10, 9.0))
    assert mine.other(OTHERS[0]).link.phase is Phase.GREETING


def test_who_is_awaited_stays() -> None:
    """However much room is wanted."""
    mine = spoken()
    list(mine.spare(10, 9.0))
    assert mine.other(OTHERS[-1]).link.phase is Phase.UP
    assert not list(mine.spare(10, 9.0))
