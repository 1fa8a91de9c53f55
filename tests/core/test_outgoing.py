"""What one peer has to say to another: in order, without gaps, until it is safe; and what if nobody answers."""

from __future__ import annotations

import itertools

import pytest

from peermesh.core.frames import (
    Ack,
    Bye,
    Denied,
    Gap,
    Hello,
    Noted,
    Ping,
    Pong,
    Receipts,
    Refused,
    Welcome,
)
from peermesh.core.links import BACKOFF_FIRST, BUSY, GREETING, PATIENCE, QUIET, SILENCE, Phase
from peermesh.core.outgoing import RECEIPTS_AT_ONCE, WINDOW, WINDOW_SIZE
from peermesh.core.script import (
    Asked,
    Dial,
    HangUp,
    Heard,
    KeepOut,
    LinkLost,
    MoveOut,
    NoSuchPeer,
    NotNow,
    SayAnswer,
    Snapshot,
    Tell,
    Tick,
    Told,
    Transmit,
)
from peermesh.core.words import MessageId, State
from tests.core.people import ANN, BOB, CLEO, ROAD, Story, ids, say


def flying(count: int) -> Story:
    """Ann said *count* messages to bob on a link that is up, and none is acknowledged."""
    story = Story(snapshot=Snapshot(next_n=count + 1, queued=tuple((BOB, n, 2) for n in range(1, count + 1))))
    story.effects += story.engine.start(0.0)
    story.then(Dial(BOB), Tell(BOB, Hello(ANN, BOB)))
    story.when(Heard(BOB, Welcome(BOB, 0)))
    return story


def phase(story: Story) -> Phase:
    """Where ann's link to bob is."""
    return story.engine.outgoing.other(BOB).link.phase


def test_the_first_message_dials() -> None:
    """It is kept first, then the other is dialled and greeted, then the asker is told that it is queued."""
    kept, dial, hello, answer = Story().when(say(BOB)).then_some(KeepOut, Dial, Tell, SayAnswer)
    assert kept.message.id == MessageId(ANN, 1)
    assert (dial, hello) == (Dial(BOB), Tell(BOB, Hello(ANN, BOB)))
    assert answer.messages == ((MessageId(ANN, 1), BOB, State.QUEUED, ""),)


def test_nothing_is_sent_before_the_welcome() -> None:
    """A message waits for the greeting to be answered."""
    story = Story()
    story.when(say(BOB)).whatever()
    story.when(say(BOB)).then_some(KeepOut, SayAnswer)
    story.when(Heard(BOB, Welcome(BOB, 0))).then(Transmit(BOB, 1, 0), Transmit(BOB, 2, 1))


def test_each_message_names_the_one_before_it() -> None:
    """So that a lost frame is noticed by the next one."""
    flying(3).then(Transmit(BOB, 1, 0), Transmit(BOB, 2, 1), Transmit(BOB, 3, 2))


def test_a_message_to_another_is_no_gap() -> None:
    """Numbers are counted over all recipients; what is before it is before it on this link."""
    story = Story()
    story.when(say(BOB)).whatever()
    story.when(say(CLEO)).whatever()
    story.when(say(BOB)).whatever()
    story.when(Heard(BOB, Welcome(BOB, 0))).then(Transmit(BOB, 1, 0), Transmit(BOB, 3, 1))


def test_acknowledged_is_safe() -> None:
    """An acknowledgement is about all up to it."""
    flying(3).whatever().when(Heard(BOB, Ack(2))).then(MoveOut((1, 2), State.SAFE))


def test_the_welcome_says_what_arrived_before() -> None:
    """What the other has from an earlier link is safe, and not sent again."""
    story = Story(snapshot=Snapshot(next_n=4, queued=((BOB, 1, 2), (BOB, 2, 2), (BOB, 3, 2))))
    story.effects += story.engine.start(0.0)
    story.whatever().when(Heard(BOB, Welcome(BOB, 2))).then(MoveOut((1, 2), State.SAFE), Transmit(BOB, 3, 0))


def test_the_window_in_messages() -> None:
    """No more than a window's messages are in the air; each acknowledgement makes room for one more."""
    story = flying(WINDOW + 10)
    assert len(story.effects) == WINDOW
    story.whatever().when(Heard(BOB, Ack(1))).then(
        MoveOut((1,), State.SAFE), Transmit(BOB, WINDOW + 1, WINDOW)
    )


def test_the_window_in_characters() -> None:
    """Large messages fill the window sooner, but one always goes."""
    size = WINDOW_SIZE // 2 + 1
    story = Story(snapshot=Snapshot(next_n=3, queued=((BOB, 1, size), (BOB, 2, size))))
    story.effects += story.engine.start(0.0)
    story.whatever().when(Heard(BOB, Welcome(BOB, 0))).then(Transmit(BOB, 1, 0))
    story.when(Heard(BOB, Ack(1))).then(MoveOut((1,), State.SAFE), Transmit(BOB, 2, 0))


def test_a_gap_is_sent_again() -> None:
    """What the other misses is sent again from there."""
    flying(3).whatever().when(Heard(BOB, Gap(1))).then(
        MoveOut((1,), State.SAFE), Transmit(BOB, 2, 0), Transmit(BOB, 3, 2)
    )


def test_refused_is_told_and_the_queue_goes_on() -> None:
    """A refused message does not hold up those behind it."""
    story = flying(3).whatever()
    story.when(Heard(BOB, Refused(1, "chain", "too long"))).then(
        MoveOut((1,), State.REFUSED, "chain: too long")
    )
    story.when(Heard(BOB, Ack(3))).then(MoveOut((2, 3), State.SAFE))


def test_a_full_inbox_refuses_all_that_is_on_its_way() -> None:
    """There is no room for those behind it either; what was not sent yet gets its own answer."""
    story = flying(WINDOW + 2).whatever()
    refused = tuple(range(1, WINDOW + 1))
    story.when(Heard(BOB, Refused(1, "full", "no room"))).then(
        MoveOut(refused, State.REFUSED, "full: no room"),
        Transmit(BOB, WINDOW + 1, 0),
        Transmit(BOB, WINDOW + 2, WINDOW + 1),
    )
    story.when(Heard(BOB, Ack(WINDOW + 2))).then(MoveOut((WINDOW + 1, WINDOW + 2), State.SAFE))


def test_a_repeated_refusal_refuses_nothing_else() -> None:
    """The same refusal twice is about the same message."""
    story = flying(2).whatever()
    story.when(Heard(BOB, Refused(1, "chain", "too long"))).whatever()
    story.when(Heard(BOB, Refused(1, "chain", "too long"))).then()


# ---------------------------------------------------------------- silence


def test_silence_asks() -> None:
    """Nothing heard for a while though something is in the air: ask."""
    story = flying(1).whatever()
    story.at(SILENCE - 0.1).when(Tick()).then()
    story.at(SILENCE).when(Tick()).then(Tell(BOB, Ping()))


def test_a_pong_means_that_a_frame_was_lost() -> None:
    """Links keep order, so what should have come before the answer never will: send again."""
    story = flying(2).whatever()
    story.at(SILENCE).when(Tick()).whatever()
    story.when(Heard(BOB, Pong())).then(Transmit(BOB, 1, 0), Transmit(BOB, 2, 1))


def test_a_lost_pong_is_a_hang() -> None:
    """No answer to the question either: the link is given up, within fifteen seconds of the message."""
    story = flying(1).whatever()
    story.at(SILENCE).when(Tick()).whatever()
    story.at(SILENCE + PATIENCE).when(Tick()).then(HangUp(BOB))
    assert story.now < 15
    assert not story.engine.outgoing.other(BOB).link.answers


@pytest.mark.parametrize("welcomed", [True, False])
def test_a_hang_is_noticed_within_fifteen_seconds(welcomed: bool) -> None:
    """Whether it hung before or after the welcome, the sender knows in time, by the alarms alone."""
    story = Story()
    story.when(say(BOB)).whatever()
    if welcomed:
        story.when(Heard(BOB, Welcome(BOB, 0))).whatever()
    while story.engine.outgoing.other(BOB).link.answers:
        at = story.engine.next_alarm(story.now)
        assert at is not None
        story.at(at).when(Tick()).whatever()
    assert story.now < 15


def test_a_hang_after_talk_is_noticed_too() -> None:
    """The clock starts with the message, not with the link."""
    story = Story().linked()
    story.at(30.0).when(say(BOB)).whatever()
    while story.engine.outgoing.other(BOB).link.answers:
        story.at(story.engine.next_alarm(story.now) or 0.0).when(Tick()).whatever()
    assert story.now - 30.0 < 15


def test_a_lost_receipt_is_sent_again() -> None:
    """A receipt that was not noted is sent again after a question and its answer."""
    story = Story(snapshot=Snapshot(receipts=((MessageId(BOB, 1), State.SHOWN),)))
    story.effects += story.engine.start(0.0)
    story.whatever()
    receipts = Tell(BOB, Receipts(((1, State.SHOWN),)))
    story.when(Heard(BOB, Welcome(BOB, 0))).then(receipts)
    story.at(SILENCE).when(Tick()).then(Tell(BOB, Ping()))
    story.when(Heard(BOB, Pong())).then(receipts)
    story.when(Heard(BOB, Noted(((1, State.SHOWN),)))).then(Told(BOB, ((1, State.SHOWN),)))


# ---------------------------------------------------------------- lost links


def test_no_welcome_in_time() -> None:
    """A greeting without an answer is given up and tried again."""
    story = Story()
    story.when(say(BOB)).whatever()
    story.at(GREETING).when(Tick()).then(HangUp(BOB))
    story.at(GREETING + BACKOFF_FIRST).when(Tick()).then(Dial(BOB), Tell(BOB, Hello(ANN, BOB)))


def test_who_was_not_dialled_is_tried_as_soon_each_time() -> None:
    """However often there was no room: that is no failure of the other's, who is then tried at once when lost."""
    story = Story()
    story.when(say(BOB)).whatever()
    for _ in range(30):
        story.when(NotNow(BOB)).then()
        story.at(story.now + BUSY).when(Tick()).then(Dial(BOB), Tell(BOB, Hello(ANN, BOB)))
    assert story.engine.outgoing.other(BOB).link.answers
    story.when(LinkLost(BOB)).then(HangUp(BOB))
    assert story.engine.next_alarm(story.now) == story.now + BACKOFF_FIRST


def test_who_was_not_dialled_and_is_known_no_longer() -> None:
    """There is nothing to come back to."""
    story = Story()
    story.when(say(BOB)).whatever()
    story.when(NoSuchPeer(BOB)).whatever()
    story.when(NotNow(BOB)).then()
    assert story.engine.next_alarm(story.now) is None


def test_a_cut_link_is_dialled_again_at_once() -> None:
    """What was in the air is sent again after the next welcome."""
    story = flying(1).whatever()
    story.when(LinkLost(BOB)).then(HangUp(BOB))
    story.at(BACKOFF_FIRST).when(Tick()).then(Dial(BOB), Tell(BOB, Hello(ANN, BOB)))
    story.when(Heard(BOB, Welcome(BOB, 0))).then(Transmit(BOB, 1, 0))


def test_retries_back_off_to_a_quarter_of_a_minute() -> None:
    """A peer that never answers is tried ever less often, but never given up."""
    story = Story()
    story.when(say(BOB)).whatever()
    dials = []
    while story.now < 600:
        story.at(story.engine.next_alarm(story.now) or 0.0).when(Tick())
        dials += [story.now for one in story.effects if isinstance(one, Dial)]
        story.whatever()
    pauses = [round(b - a, 6) for a, b in itertools.pairwise(dials)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(15 + GREETING)


@pytest.mark.parametrize("frame", [Denied("not-me"), Bye(), Welcome(CLEO, 9)])
def test_who_denies_is_dialled_again_later(frame: Denied | Bye | Welcome) -> None:
    """A denial, a goodbye or somebody else's welcome end the link; the message stays queued."""
    story = Story()
    story.when(say(BOB)).whatever()
    story.when(Heard(BOB, frame)).then(HangUp(BOB))
    assert phase(story) is Phase.WAITING
    assert story.engine.outgoing.queued_for(BOB) == 1


def test_a_welcome_twice_is_one() -> None:
    """A repeated welcome sends nothing twice."""
    flying(1).whatever().when(Heard(BOB, Welcome(BOB, 0))).then()


def test_nothing_to_say_after_a_cut() -> None:
    """A link that is cut with nothing to say is not dialled again."""
    story = Story().linked()
    story.when(LinkLost(BOB)).then(HangUp(BOB))
    assert phase(story) is Phase.IDLE
    assert story.engine.next_alarm(0.0) is None


def test_a_quiet_link_is_closed() -> None:
    """After a quiet minute we say goodbye; cost follows the conversation."""
    story = Story().linked()
    story.at(QUIET).when(Tick()).then(Tell(BOB, Bye()), HangUp(BOB))
    assert story.engine.next_alarm(story.now) is None


def test_a_link_in_use_is_not_closed() -> None:
    """Each message counts the quiet minute anew."""
    story = Story().linked()
    story.at(QUIET - 1).when(say(BOB)).whatever()
    story.when(Heard(BOB, Ack(2))).whatever()
    story.at(QUIET + 1).when(Tick()).then()


def test_who_is_gone_for_good_gets_nothing() -> None:
    """Messages to a peer that was forgotten are refused, and its receipts are dropped."""
    story = Story(snapshot=Snapshot(receipts=((MessageId(BOB, 4), State.SHOWN),)))
    asked = say(BOB, wait=State.SAFE, timeout=60.0)
    story.when(asked).whatever()
    story.when(NoSuchPeer(BOB))
    assert HangUp(BOB) in story.effects
    assert Told(BOB, ((4, State.SHOWN),)) in story.effects
    assert story.state_of(asked.token) == [State.REFUSED]
    assert story.engine.outgoing.queued_for(BOB) == 0


# ---------------------------------------------------------------- receipts


def test_receipts_come_back_as_states() -> None:
    """The recipient dials us to say what became of our messages, and is told that we noted it."""
    story = flying(1).whatever()
    story.when(Heard(BOB, Ack(1))).whatever()
    story.greeted()
    story.when(Asked(ROAD, Receipts(((1, State.SHOWN),))))
    moved = [one for one in story.effects if isinstance(one, MoveOut)]
    assert [(one.ns, one.state) for one in moved] == [((1,), State.SHOWN)]


def test_many_receipts_come_in_several_frames() -> None:
    """A peer that comes back to thousands tells of them a frame at a time."""
    owed = tuple((one, State.SHOWN) for one in ids(*range(1, RECEIPTS_AT_ONCE + 2)))
    story = Story(snapshot=Snapshot(receipts=owed))
    story.effects += story.engine.start(0.0)
    story.whatever().when(Heard(BOB, Welcome(BOB, 0)))
    (first,) = story.then_some(Tell)
    assert len(first.frame.states) == RECEIPTS_AT_ONCE
    story.when(Heard(BOB, Noted(first.frame.states)))
    _, second = story.then_some(Told, Tell)
    assert second.frame.states == ((RECEIPTS_AT_ONCE + 1, State.SHOWN),)


def test_a_receipt_that_was_overtaken_is_still_owed() -> None:
    """*Held* was noted when *shown* is true already: that is told too."""
    story = Story(snapshot=Snapshot(receipts=((MessageId(BOB, 1), State.HELD),)))
    story.effects += story.engine.start(0.0)
    story.whatever().when(Heard(BOB, Welcome(BOB, 0))).whatever()
    story.effects += story.engine.outgoing.owe(MessageId(BOB, 1), State.SHOWN, 0.0)
    story.then()
    story.when(Heard(BOB, Noted(((1, State.HELD),)))).then(
        Told(BOB, ((1, State.HELD),)), Tell(BOB, Receipts(((1, State.SHOWN),)))
    )
