"""The network in a box does to frames what it is told, and nothing else."""

from __future__ import annotations

import pytest

from peermesh.core.budget import Budget
from peermesh.core.script import Fail, HookAsked, Say, SayAnswer, Shown, WaiterCame
from peermesh.core.turns import PROMPT, STOP
from peermesh.core.words import MessageId, State
from peermesh.mesh import box as box_module
from peermesh.mesh.box import Box, Lane
from tests.core.people import ANN, BOB, CLEO, card, say


@pytest.fixture
def box() -> Box:
    """Ann and bob, two sessions."""
    made = Box()
    made.add(card(ANN), Budget)
    made.add(card(BOB), Budget)
    return made


def only(box: Box) -> Lane:
    """The one lane with something on it."""
    (lane,) = box.ready()
    return lane


def state(box: Box, n: int = 1) -> State:
    """How far ann's message *n* got, as she knows."""
    return box.nodes[ANN].mailbox.outbox[n].state


def ann_says(box: Box, **more: object) -> Say:
    """Ann says something to bob."""
    asked = say(BOB, **more)
    box.nodes[ANN].handle(asked)
    return asked


def test_from_end_to_end(box: Box) -> None:
    """Said, safe, shown, and told so."""
    ann_says(box)
    box.settle()
    assert state(box) is State.SAFE
    bob = box.nodes[BOB]
    bob.handle(HookAsked(1, PROMPT, typed=True))
    bob.handle(Shown(1))
    bob.handle(HookAsked(2, STOP))
    box.settle()
    assert state(box) is State.SHOWN


@pytest.mark.parametrize("deed", ["lose", "repeat", "reorder"])
@pytest.mark.parametrize("when", range(6))
def test_misfortune_is_outlived(box: Box, deed: str, when: int) -> None:
    """Whichever frame is lost, repeated or overtaken, both messages arrive once and in order."""
    ann_says(box)
    ann_says(box)
    for _ in range(when):
        if box.ready():
            box.deliver(box.ready()[0])
    for lane in box.ready()[:1]:
        getattr(box, deed)(lane)
    box.run(60.0)
    assert (state(box, 1), state(box, 2)) == (State.SAFE, State.SAFE)
    assert list(box.nodes[BOB].mailbox.inbox) == [MessageId(ANN, 1), MessageId(ANN, 2)]


def test_a_split_holds_frames_back(box: Box) -> None:
    """Nothing passes, for as long as it lasts; then it does."""
    box.split([ANN], [BOB])
    ann_says(box)
    box.run(30.0)
    assert state(box) is State.QUEUED
    box.heal()
    box.run(30.0)
    assert state(box) is State.SAFE


def test_a_delay_ends(box: Box) -> None:
    """A delayed frame arrives when its time has come."""
    ann_says(box)
    box.delay(only(box), 1.0)
    box.run(0.9)
    assert state(box) is State.QUEUED
    box.run(0.2)
    assert state(box) is State.SAFE


def test_a_cut_is_noticed(box: Box) -> None:
    """Who dialled dials again."""
    ann_says(box)
    box.cut(ANN, BOB)
    box.run(1.0)
    assert state(box) is State.SAFE


@pytest.mark.parametrize("crash", [0, 1, 2])
def test_a_crash_after_the_commit_loses_nothing(box: Box, crash: int) -> None:
    """Who dies before or while speaking has it on disk, and says it when he is back."""
    ann = box.nodes[ANN]
    ann.handle(say(BOB), crash=crash)
    assert ann.engine is None
    assert ann.answers == []
    ann.start()
    box.run(5.0)
    assert state(box) is State.SAFE


def test_a_recipient_that_dies_over_a_message(box: Box) -> None:
    """It was kept and not acknowledged: the next welcome says so, and it is there once."""
    ann_says(box)
    while b"mail" not in (only(box).frames[0][1] or b""):
        box.deliver(only(box))
    box.deliver(only(box), crash=0)
    bob = box.nodes[BOB]
    assert (len(bob.mailbox.inbox), state(box)) == (1, State.QUEUED)
    bob.start()
    box.run(5.0)
    assert (len(bob.mailbox.inbox), state(box)) == (1, State.SAFE)


def test_a_crash_between_hand_out_and_shown(box: Box) -> None:
    """What was handed out and not noted is handed out again: twice is a nuisance, never is a bug."""
    ann_says(box)
    box.settle()
    bob = box.nodes[BOB]
    bob.handle(HookAsked(1, PROMPT, typed=True))
    first = bob.hands()
    bob.kill()
    bob.start()
    assert bob.hands() == []
    bob.handle(HookAsked(2, PROMPT, typed=True))
    assert [one.ids for one in bob.hands()] == [one.ids for one in first]


def test_the_dead_hear_nothing(box: Box) -> None:
    """What is said to a dead peer waits for it."""
    box.nodes[BOB].kill()
    ann_says(box)
    box.run(100.0)
    assert state(box) is State.QUEUED
    box.nodes[BOB].start()
    box.run(20.0)
    assert state(box) is State.SAFE


def test_nobody_there(box: Box) -> None:
    """A peer that never was in the box is forgotten: the message is refused."""
    box.nodes[ANN].handle(say(CLEO))
    assert state(box) is State.REFUSED


def test_a_full_disk_is_silence_and_no_lie(box: Box) -> None:
    """Nothing is kept, nothing is said, and the asker is told; when there is room it works again."""
    ann = box.nodes[ANN]
    ann.mailbox.full = True
    asked = ann_says(box)
    assert box.ready() == []
    assert [(type(one), one.token) for one in ann.answers] == [(Fail, asked.token)]
    ann.mailbox.full = False
    ann_says(box)
    box.run(5.0)
    assert list(box.nodes[BOB].mailbox.inbox) == [MessageId(ANN, 1)]


def test_a_full_disk_at_the_recipient(box: Box) -> None:
    """It does not acknowledge what it could not keep; the sender's message stays queued until it can."""
    bob = box.nodes[BOB]
    bob.mailbox.full = True
    ann_says(box)
    box.run(30.0)
    assert (state(box), dict(bob.mailbox.inbox)) == (State.QUEUED, {})
    bob.mailbox.full = False
    box.run(30.0)
    assert state(box) is State.SAFE


def test_a_waiter_outlives_a_failed_commit(box: Box) -> None:
    """The session is still woken when the disk has room again."""
    bob = box.nodes[BOB]
    bob.handle(WaiterCame(1))
    bob.mailbox.full = True
    ann_says(box)
    box.run(5.0)
    bob.mailbox.full = False
    box.run(30.0)
    assert [(one.token, one.wake) for one in bob.hands()] == [(1, True)]


def test_an_answer_in_a_failed_batch_is_an_answer(box: Box) -> None:
    """Who waits for *safe* is told that the disk is full, and does not wait for ever."""
    ann = box.nodes[ANN]
    asked = ann_says(box, wait=State.SAFE, timeout=60.0)
    ann.mailbox.full = True
    box.settle()
    assert [one.token for one in ann.answers if isinstance(one, (Fail, SayAnswer))] == [asked.token]


def test_a_box_that_never_rests_says_so(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless exchange ends the run with an error and not with a hang."""
    monkeypatch.setattr(box_module, "STEPS", 3)
    ann_says(box)
    with pytest.raises(RuntimeError, match="rest"):
        box.settle()
