"""Waiting at the door: for a state, for an answer, and no longer than was said."""

from __future__ import annotations

import pytest

from peermesh.core import engine as engine_module
from peermesh.core.engine import Engine
from peermesh.core.frames import Ack, Mail, Receipts, Refused, Welcome
from peermesh.core.script import (
    Asked,
    Fail,
    Gone,
    Heard,
    HookAsked,
    LinkLost,
    ReadAsked,
    SayAnswer,
    Show,
    Shown,
    Snapshot,
    Tick,
    WaiterCame,
)
from peermesh.core.turns import PROMPT
from peermesh.core.words import MessageId, State
from tests.core.people import ANN, BOB, CLEO, ROAD, Story, card, ids, message, say, session


def answer(story: Story) -> SayAnswer:
    """The one answer to what was said."""
    (one,) = [one for one in story.effects if isinstance(one, SayAnswer)]
    story.whatever()
    return one


def waiting(wait: State, timeout: float = 10.0, *to: str) -> Story:
    """Ann said something and waits at the door for its state; bob's link is up."""
    story = Story()
    story.when(say(*(to or (BOB,)), wait=wait, timeout=timeout))
    assert not any(isinstance(one, SayAnswer) for one in story.effects)
    story.whatever().when(Heard(BOB, Welcome(BOB, 0))).whatever()
    return story


def test_queued_is_answered_at_once() -> None:
    """Who does not wait is told that it is on disk."""
    assert answer(Story().when(say(BOB))).reached


def test_waiting_for_safe() -> None:
    """The answer comes with the acknowledgement."""
    one = answer(waiting(State.SAFE).when(Heard(BOB, Ack(1))))
    assert one.messages == ((MessageId(ANN, 1), BOB, State.SAFE, ""),)
    assert one.reached


def test_waiting_for_shown() -> None:
    """Safe is not enough for who waits for shown; the receipt is."""
    story = waiting(State.SHOWN)
    story.when(Heard(BOB, Ack(1)))
    assert story.shows() == []
    assert not any(isinstance(one, SayAnswer) for one in story.effects)
    story.whatever().greeted()
    assert answer(story.when(Asked(ROAD, Receipts(((1, State.SHOWN),))))).reached


def test_a_receipt_may_overtake_the_acknowledgement() -> None:
    """They come on two links; shown stays shown."""
    story = waiting(State.SHOWN).greeted()
    assert answer(story.when(Asked(ROAD, Receipts(((1, State.SHOWN),))))).reached
    story.when(Heard(BOB, Ack(1)))
    assert not any(isinstance(one, SayAnswer) for one in story.effects)


def test_only_the_recipient_says_what_became_of_it() -> None:
    """A receipt of somebody else's for a message to bob changes nothing for who waits."""
    story = waiting(State.SHOWN)
    story.greeted(by=CLEO, road=b"cleo's")
    story.when(Asked(b"cleo's", Receipts(((1, State.SHOWN),))))
    assert not any(isinstance(one, SayAnswer) for one in story.effects)


def test_not_in_time() -> None:
    """When the time is over, the truth is told: how far it got, and that this is not what was asked for."""
    story = waiting(State.SHOWN, 10.0)
    story.when(Heard(BOB, Ack(1))).whatever()
    one = answer(story.at(10.0).when(Tick()))
    assert one.messages[0][2] is State.SAFE
    assert not one.reached


def test_the_alarm_comes_for_who_waits() -> None:
    """The engine asks to be called when the time is over, not later."""
    story = waiting(State.SAFE, 3.0)
    at = story.engine.next_alarm(0.0)
    assert at is not None
    assert at <= 3.0


def test_refused_is_told_at_once() -> None:
    """Who waits for more than can be is not kept waiting."""
    one = answer(waiting(State.SHOWN).when(Heard(BOB, Refused(1, "full", "no room"))))
    assert one.messages[0][2:] == (State.REFUSED, "full: no room")
    assert not one.reached


def test_a_group_is_waited_for_together() -> None:
    """The answer comes when the last got there."""
    story = waiting(State.SAFE, 10.0, BOB, CLEO)
    story.when(Heard(BOB, Ack(1)))
    assert not any(isinstance(one, SayAnswer) for one in story.effects)
    story.whatever().when(Heard(CLEO, Welcome(CLEO, 0))).whatever()
    one = answer(story.when(Heard(CLEO, Ack(2))))
    assert [state for _, _, state, _ in one.messages] == [State.SAFE, State.SAFE]


def test_a_group_of_nobody() -> None:
    """A message to an empty group is done at once."""
    assert answer(Story().when(say())).messages == ()


def test_who_hangs_up_is_not_answered() -> None:
    """A command that was broken off gets no answer later; the message goes its way."""
    story = Story()
    asked = say(BOB, wait=State.SAFE, timeout=10.0)
    story.when(asked).whatever().when(Gone(asked.token)).then()
    story.when(Heard(BOB, Welcome(BOB, 0))).whatever().when(Heard(BOB, Ack(1)))
    assert not any(isinstance(one, SayAnswer) for one in story.effects)


def test_too_much_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who fills a queue for a peer that is away is told to wait."""
    monkeypatch.setattr(engine_module, "QUEUE_LIMIT", 2)
    story = Story()
    story.when(say(BOB), say(BOB)).whatever()
    story.when(say(BOB))
    (fail,) = story.then_some(Fail)
    assert fail.code == "full"
    assert "bob" in fail.why


# ---------------------------------------------------------------- ask


def asking(story: Story | None = None) -> tuple[Story, int]:
    """Ann asked bob a question and waits for the answer."""
    story = story or Story()
    question = say(BOB, kind="question", answer=True, timeout=10.0)
    story.when(question).whatever().when(Heard(BOB, Welcome(BOB, 0)), Heard(BOB, Ack(1))).whatever()
    return story.greeted(), question.token


def test_the_answer_goes_to_who_asked() -> None:
    """It is handed to the command that waits, not to the next hook."""
    story, token = asking(session())
    story.when(Asked(ROAD, Mail(message(1, reply_to=MessageId(ANN, 1)), 0)))
    (show,) = story.shows()
    assert (show.token, show.ids) == (token, ids(1))
    story.whatever().when(HookAsked(5, PROMPT))
    assert story.shows() == [Show(5, ())]


def test_an_answer_wakes_nobody() -> None:
    """A session whose command waits for the answer is not woken for it."""
    story, _ = asking(session())
    story.when(WaiterCame(9)).whatever()
    story.when(Asked(ROAD, Mail(message(1, reply_to=MessageId(ANN, 1)), 0))).whatever()
    story.at(5.0).when(Tick())
    assert story.shows() == []


def test_other_mail_is_no_answer() -> None:
    """Only a reply to just this question is."""
    story, _ = asking()
    for n, to in enumerate((None, MessageId(ANN, 2), MessageId(CLEO, 1)), start=1):
        story.when(Asked(ROAD, Mail(message(n, reply_to=to), 0)))
        assert story.shows() == []
        story.whatever()


def test_shown_is_told_when_the_answer_was_printed() -> None:
    """The answer counts as shown when the command says that it printed it."""
    story, token = asking()
    story.when(Asked(ROAD, Mail(message(1, reply_to=MessageId(ANN, 1)), 0))).whatever()
    assert story.engine.outgoing.other(BOB).receipts == {}
    story.when(Shown(token)).whatever()
    assert story.engine.outgoing.other(BOB).receipts == {1: State.SHOWN}


def test_an_answer_that_was_not_printed_waits() -> None:
    """If the command died with the answer in hand, it is ordinary mail."""
    story, token = asking()
    story.when(Asked(ROAD, Mail(message(1, reply_to=MessageId(ANN, 1)), 0))).whatever()
    story.when(Gone(token)).whatever().when(ReadAsked(5, 10))
    assert story.shows() == [Show(5, ids(1))]


def test_no_answer_in_time() -> None:
    """The asker is told how far the question got; a late answer is ordinary mail."""
    story, token = asking()
    one = answer(story.at(10.0).when(Tick()))
    assert (one.token, one.reached) == (token, False)
    story.when(Asked(ROAD, Mail(message(1, reply_to=MessageId(ANN, 1)), 0)))
    assert story.shows() == []


def test_one_answer_is_enough() -> None:
    """The second answer to the same question is ordinary mail."""
    story, _ = asking()
    story.when(Asked(ROAD, Mail(message(1, reply_to=MessageId(ANN, 1)), 0))).whatever()
    story.when(Asked(ROAD, Mail(message(2, reply_to=MessageId(ANN, 1)), 0)))
    assert story.shows() == []
    assert list(story.engine.incoming.due) == list(ids(2))


def test_a_question_that_is_refused() -> None:
    """There will be no answer: the asker is told at once."""
    story = Story()
    story.when(say(BOB, answer=True, timeout=10.0)).whatever().when(Heard(BOB, Welcome(BOB, 0))).whatever()
    assert not answer(story.when(Heard(BOB, Refused(1, "full", "no room")))).reached


# ---------------------------------------------------------------- after a commit that failed


def heir(old: Engine, failed: list[int], snapshot: Snapshot) -> Engine:
    """The engine that carries on when nothing of a batch was kept."""
    engine = Engine(card(ANN), snapshot)
    engine.inherit(old, failed)
    return engine


def test_who_waited_before_still_waits() -> None:
    """A failed commit ends the questions that were in it, and no others."""
    story = Story()
    first, second = say(BOB, wait=State.SAFE, timeout=9.0), say(BOB, wait=State.SAFE, timeout=9.0)
    story.when(first).whatever().when(second).whatever()
    engine = heir(story.engine, [second.token], Snapshot(next_n=2, queued=((BOB, 1, 2),)))
    told = [one.token for one in engine.handle(Tick(), 9.0) if isinstance(one, SayAnswer)]
    assert told == [first.token]


def test_what_was_in_hand_before_stays_in_hand() -> None:
    """Who holds messages from before the failed batch goes on holding them."""
    story = session().greeted().got(1)
    story.when(HookAsked(1, PROMPT)).whatever()
    due = Snapshot(unshown=tuple(one for hand in story.engine.incoming.handed.values() for one in hand.ids))
    assert heir(story.engine, [], due).incoming.due == {}


def test_what_was_not_given_waits_again() -> None:
    """A hook whose answer was in the failed batch got nothing: the messages are still due."""
    story = session().greeted().got(1)
    story.when(HookAsked(1, PROMPT)).whatever()
    due = Snapshot(unshown=tuple(one for hand in story.engine.incoming.handed.values() for one in hand.ids))
    engine = heir(story.engine, [1], due)
    assert list(engine.incoming.due) == list(ids(1))
    assert engine.incoming.handed == {}


def test_a_lost_link_is_not_lost_mail() -> None:
    """The question waits on over a cut link."""
    story = waiting(State.SAFE)
    story.when(LinkLost(BOB)).whatever()
    story.at(1.0).when(Tick()).whatever()
    assert answer(story.when(Heard(BOB, Welcome(BOB, 1)))).reached
