"""What others said: taken once and in order, refused within limits, handed out a screenful at a time."""

from __future__ import annotations

import pytest

from peermesh.core import incoming
from peermesh.core.frames import (
    Ack,
    Bye,
    Denied,
    Gap,
    Hello,
    Mail,
    Ping,
    Pong,
    Refused,
    Welcome,
)
from peermesh.core.incoming import AROUND, BLOCK, PREVIEW
from peermesh.core.script import Asked, Gone, HookAsked, KeepIn, ReadAsked, Reply, Show
from peermesh.core.turns import PROMPT
from peermesh.core.words import CHAIN_LIMIT
from tests.core.people import ANN, BOB, CLEO, ROAD, Story, ids, message, session


def test_who_greets_is_told_where_to_go_on() -> None:
    """The welcome names the last number that is on disk."""
    story = Story().greeted().got(3)
    story.when(Asked(b"other road", Hello(BOB, ANN))).then(Reply(b"other road", Welcome(ANN, 3)))


def test_kept_then_acknowledged() -> None:
    """A message is to be written down before it is acknowledged."""
    one = message(1)
    Story().greeted().when(Asked(ROAD, Mail(one, 0))).then(KeepIn(one), Reply(ROAD, Ack(1)))


def test_a_repeat_is_acknowledged_and_dropped() -> None:
    """A message that comes twice is there once."""
    Story().greeted().got(1).when(Asked(ROAD, Mail(message(1), 0))).then(Reply(ROAD, Ack(1)))


def test_a_gap_is_asked_for_once() -> None:
    """Every frame behind a lost one shows the same gap; one question is enough."""
    story = Story().greeted().got(1)
    story.when(Asked(ROAD, Mail(message(3), 2))).then(Reply(ROAD, Gap(1)))
    story.when(Asked(ROAD, Mail(message(4), 3))).then()


def test_the_next_gap_is_asked_for_again() -> None:
    """After the first was filled, another one is another question."""
    story = Story().greeted().got(1)
    story.when(Asked(ROAD, Mail(message(3), 2))).whatever()
    story.got(2).got(3)
    story.when(Asked(ROAD, Mail(message(5), 4))).then(Reply(ROAD, Gap(3)))


def test_numbers_may_be_left_out() -> None:
    """What the sender said to others is no gap for us."""
    one = message(9)
    Story().greeted().got(2).when(Asked(ROAD, Mail(one, 2))).then(KeepIn(one), Reply(ROAD, Ack(9)))


def test_hello_first() -> None:
    """Who does not say who he is gets nothing."""
    Story().when(Asked(ROAD, Mail(message(1), 0))).then(Reply(ROAD, Denied("hello-first")))


def test_not_me() -> None:
    """A greeting for somebody else is told so."""
    Story().when(Asked(ROAD, Hello(BOB, CLEO))).then(Reply(ROAD, Denied("not-me")))


@pytest.mark.parametrize("stray", [message(1, by=CLEO), message(1, to=CLEO)])
def test_not_yours(stray: object) -> None:
    """On a link come only messages of who greeted, for us."""
    Story().greeted().when(Asked(ROAD, Mail(stray, 0))).then(Reply(ROAD, Denied("not-yours")))


def test_after_goodbye_a_greeting_is_needed() -> None:
    """A goodbye ends the link on our side too."""
    story = Story().greeted()
    story.when(Asked(ROAD, Bye())).then()
    story.when(Asked(ROAD, Ping())).then(Reply(ROAD, Denied("hello-first")))


def test_alive() -> None:
    """A question whether we live is answered."""
    Story().greeted().when(Asked(ROAD, Ping())).then(Reply(ROAD, Pong()))


def test_too_many_links() -> None:
    """The oldest link is forgotten; who has it is told to greet again, and nothing grows for ever."""
    story = Story().greeted()
    for number in range(incoming.ROUTES_LIMIT):
        story.when(Asked(number.to_bytes(4, "big"), Hello(CLEO, ANN))).whatever()
    story.when(Asked(ROAD, Ping())).then(Reply(ROAD, Denied("hello-first")))


def test_a_chain_that_is_too_long_is_refused() -> None:
    """A message that passed through too many sessions is not taken; its sender is told why."""
    story = Story().greeted()
    story.when(Asked(ROAD, Mail(message(1, chain=(BOB,) * (CHAIN_LIMIT + 1)), 0)))
    (reply,) = story.then_some(Reply)
    assert isinstance(reply.frame, Refused)
    assert (reply.frame.n, reply.frame.code) == (1, "chain")


def test_a_full_inbox_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody reads does not grow for ever; when it is read, there is room again."""
    monkeypatch.setattr(incoming, "INBOX_LIMIT", 2)
    story = Story().greeted().got(1).got(2)
    story.when(Asked(ROAD, Mail(message(3), 2)))
    assert [type(one) for one in story.effects] == [Reply]
    story.whatever().when(ReadAsked(1, 50)).whatever()
    story.got(4)


def test_after_a_refusal_the_next_is_asked_for_again() -> None:
    """What was on its way behind a refused message comes again, now that its sender knows."""
    story = Story().greeted()
    story.when(Asked(ROAD, Mail(message(1, chain=(BOB,) * 17), 0))).whatever()
    two = message(2)
    story.when(Asked(ROAD, Mail(two, 1))).then(Reply(ROAD, Gap(0)))
    story.when(Asked(ROAD, Mail(two, 0))).then(KeepIn(two), Reply(ROAD, Ack(2)))


def test_a_lost_refusal_is_no_lie() -> None:
    """The answer gets lost with its link: the next welcome does not say *safe*."""
    story = Story().greeted()
    story.when(Asked(ROAD, Mail(message(1, chain=(BOB,) * 17), 0))).whatever()
    story.when(Asked(b"next road", Hello(BOB, ANN))).then(Reply(b"next road", Welcome(ANN, 0)))


# ---------------------------------------------------------------- handing out


def shown(story: Story) -> Show:
    """What the only hook or reader was given."""
    (show,) = story.shows()
    story.whatever()
    return show


def test_a_screenful() -> None:
    """A hook is given as much as one output holds, and told how much waits behind."""
    story = session().greeted()
    fit = BLOCK // (PREVIEW + AROUND)
    for n in range(1, fit + 3):
        story.got(n, body="x" * 5_000)
    first = shown(story.when(HookAsked(1, PROMPT)))
    assert first.ids == ids(*range(1, fit + 1))
    assert first.more == 2
    assert shown(story.when(HookAsked(2, PROMPT))).ids == ids(fit + 1, fit + 2)


def test_the_largest_output_is_below_the_client_limit() -> None:
    """What is chosen never exceeds the ten thousand characters above which the client shows a file."""
    assert BLOCK + 1_000 < 10_000
    assert PREVIEW + AROUND < BLOCK


def test_one_always_fits() -> None:
    """A body larger than everything is handed out alone: its preview fits."""
    story = session().greeted().got(1, body="x" * 1_000_000).got(2)
    assert shown(story.when(HookAsked(1, PROMPT))).ids == ids(1, 2)


def test_in_hand_is_for_nobody_else() -> None:
    """Two who ask at once are not given the same."""
    story = session().greeted().got(1)
    assert shown(story.when(HookAsked(1, PROMPT))).ids == ids(1)
    assert shown(story.when(ReadAsked(2, 10))).ids == ()


def test_a_command_overtakes_no_hook() -> None:
    """What its sender said before is in the hand of a hook that may have given up: nothing behind it is read."""
    story = session().greeted().got(1)
    story.when(HookAsked(1, PROMPT)).whatever()
    story.at(1.0).got(2)
    assert shown(story.when(ReadAsked(2, 10))).ids == ()
    story.when(Gone(1)).then()
    assert shown(story.when(ReadAsked(3, 10))).ids == ids(1, 2)


def test_a_command_waits_for_no_command() -> None:
    """Whose output may stand in a pager for an hour."""
    story = session().greeted().got(1)
    assert shown(story.when(ReadAsked(1, 10))).ids == ids(1)
    story.at(1.0).got(2)
    assert shown(story.when(ReadAsked(2, 10))).ids == ids(2)


def test_who_goes_away_gives_back() -> None:
    """What was handed to a hook that died waits again, before what came later."""
    story = session().greeted().got(1)
    story.when(HookAsked(1, PROMPT)).whatever()
    story.at(1.0).got(2)
    story.when(Gone(1)).then()
    assert shown(story.when(ReadAsked(2, 10))).ids == ids(1, 2)


def test_reading_one() -> None:
    """``peer read ID`` takes just that one."""
    story = session().greeted().got(1).got(2)
    assert shown(story.when(ReadAsked(1, 1, only=ids(2)[0]))).ids == ids(2)
    assert shown(story.when(ReadAsked(2, 10))).ids == ids(1)


def test_reading_a_few() -> None:
    """At most as many as asked for, the oldest first, and how many wait behind."""
    story = session().greeted().got(1).got(2).got(3)
    show = shown(story.when(ReadAsked(1, 2)))
    assert (show.ids, show.more) == (ids(1, 2), 1)
