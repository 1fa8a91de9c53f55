"""Who waits to be shown: nobody's words are buried below another's, and order between two is kept."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peermesh.core import engine, incoming
from peermesh.core.engine import Engine
from peermesh.core.frames import Ack, Hello, Mail, Refused, Welcome
from peermesh.core.incoming import AROUND, BLOCK, PREVIEW
from peermesh.core.script import Asked, Fail, Heard, HookAsked, KeepIn, ReadAsked, Reply, Shown, Snapshot
from peermesh.core.turns import BATCH, PROMPT
from peermesh.core.waiting import Waiting, place
from peermesh.core.words import Envelope, MessageId
from peermesh.errors import Exit, by_code
from tests.core.people import ANN, BOB, CLEO, ROAD, Story, card, message, say, session

MANY = 2_000


def one(n: int, by: str = BOB, arrived: float = 0.0, **more: Any) -> Envelope:
    """A message that waits."""
    return Envelope(id=MessageId(by, n), kind="message", size=10, arrived=arrived or float(n), **more)


def flooded(story: Story, size: int = 10) -> Story:
    """Bob said two thousand things to ann, and then cleo one."""
    story.engine.incoming.due = Waiting(one(n) for n in range(1, MANY + 1))
    story.engine.incoming.due.add(replace(one(1, CLEO, MANY + 1.0), size=size))
    return story


def shown_at_a_prompt(story: Story, token: int) -> tuple[MessageId, ...]:
    """What a person's prompt brings before the model, which takes note of it."""
    story.when(HookAsked(token, PROMPT, typed=True))
    (show,) = story.shows()
    story.whatever().when(Shown(token)).whatever().when(HookAsked(token + 1, BATCH)).whatever()
    return show.ids


def test_a_flood_does_not_bury_another() -> None:
    """What cleo said after two thousand words of bob's is shown at the next prompt, and bob's stay in order."""
    story = flooded(session())
    seen = [shown_at_a_prompt(story, 10 * turn) for turn in range(1, 4)]
    assert MessageId(CLEO, 1) in seen[0]
    assert all(len(ids) <= BLOCK // AROUND + 1 for ids in seen)
    assert [i.n for ids in seen for i in ids if i.peer == BOB] == list(range(1, sum(map(len, seen))))


def test_a_short_word_goes_before_long_ones_of_many() -> None:
    """Five who said long things for long do not take all the room each time: whoever was not served yet is next."""
    story = session()
    crowd = [letter * 8 for letter in "bdfgh"]
    rows = [
        replace(one(n, by, n + at / 10), size=PREVIEW) for n in range(1, 101) for at, by in enumerate(crowd)
    ]
    story.engine.incoming.due = Waiting([*rows, one(1, CLEO, MANY)])
    first = [shown_at_a_prompt(story, 10 * turn) for turn in (1, 2)]
    assert {i.peer for ids in first for i in ids} == {*crowd, CLEO}


def test_reading_is_fair_too() -> None:
    """`peer inbox` prints of each sender some."""
    story = flooded(session()).when(ReadAsked(5, 20))
    (show,) = story.shows()
    assert (len(show.ids), show.more) == (20, MANY + 1 - 20)
    assert show.ids[-1] == MessageId(CLEO, 1)
    assert [i.n for i in show.ids[:-1]] == list(range(1, 20))


def test_one_message_of_two_thousand() -> None:
    """`peer read ID` finds it, and there it is no longer."""
    story = flooded(session()).when(ReadAsked(5, 1, only=MessageId(BOB, 1_500)))
    (show,) = story.shows()
    assert show.ids == (MessageId(BOB, 1_500),)
    story.whatever().when(ReadAsked(6, 1, only=MessageId(BOB, 1_500)))
    assert story.shows()[0].ids == ()


def test_handing_out_touches_few() -> None:
    """A hook's share of two thousand is chosen without a look at all of them."""
    looked = 0

    def fits(_: Envelope) -> bool:
        nonlocal looked
        looked += 1
        return True

    story = flooded(session())
    chosen = story.engine.incoming.choose(fits)
    assert looked <= len(chosen) + 2


def test_holding_touches_what_is_new() -> None:
    """What is held back already is not held back again."""
    due = Waiting(one(n) for n in range(1, MANY + 1))
    assert len(due.hold()) == MANY
    due.add(one(MANY + 1))
    due.put_back([replace(one(1, CLEO), held=False)])
    assert [i.id for i in due.hold()] == [MessageId(CLEO, 1), MessageId(BOB, MANY + 1)]
    assert due.hold() == []


def test_held_in_another_order() -> None:
    """An engine before this one held some back that came later than others: these are held back too."""
    due = Waiting([one(1), one(2, held=True), one(3)])
    assert [i.id.n for i in due.hold()] == [1, 3]
    assert all(i.held for i in due.values())


acts = st.lists(
    st.tuples(st.sampled_from(["add", "take", "back"]), st.integers(0, 3), st.booleans()), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(acts)
def test_as_a_plain_list(told: list[tuple[str, int, bool]]) -> None:
    """Whatever is added, taken and put back: the same as a list in order of arrival."""
    due, plain, out, count = Waiting(), {}, [], 0
    for what, number, flag in told:
        if what == "add":
            count += 1
            new = replace(one(count, "bcdf"[number] * 8, float(count // 2), urgent=flag), size=count * count)
            plain[new.id] = new
            due.add(new)
        elif what == "take" and plain:
            chosen = list(islice(due.fair(), number + 1))
            for each in chosen:
                due.take(each)
                out.append(plain.pop(each.id))
        elif what == "back":
            due.put_back(reversed(out))
            plain |= {each.id: each for each in out}
            out = []
        expected = sorted(plain.values(), key=place)
        assert list(due.values()) == expected
        assert due.characters == sum(each.size for each in expected)
        assert (len(due), due.urgent) == (len(plain), any(each.urgent for each in expected))
        arrivals = [each.arrived for each in expected]
        assert due.span() == ((min(arrivals), max(arrivals)) if arrivals else None)
        for by in {each.id.peer for each in expected}:
            assert [i for i in due.fair() if i.id.peer == by] == [i for i in expected if i.id.peer == by]


# ---------------------------------------------------------------- limits, and who stands in


def test_who_stands_in_only_counts() -> None:
    """Nobody is shown an absent peer's mail, so its words are not kept in memory."""
    absent = Engine(card(ANN), Snapshot(waiting=7, waiting_size=70), reader=False)
    absent.handle(Asked(ROAD, Hello(BOB, ANN)), 0.0)
    for n in range(1, 4):
        mail = message(n)
        assert absent.handle(Asked(ROAD, Mail(mail, 0)), 0.0) == [KeepIn(mail), Reply(ROAD, Ack(n))]
    theirs = absent.incoming
    assert (len(theirs.due), theirs.unread, theirs.unread_size) == (0, 10, 70 + 3 * len("hi"))


@pytest.mark.parametrize("reader", [True, False])
def test_a_full_inbox_is_told(monkeypatch: pytest.MonkeyPatch, reader: bool) -> None:
    """The sender hears that there is no room and what to do, whoever takes the mail."""
    monkeypatch.setattr(incoming, "INBOX_LIMIT", 2)
    one = Engine(card(ANN), Snapshot(), reader=reader)
    one.handle(Asked(ROAD, Hello(BOB, ANN)), 0.0)
    for n in (1, 2):
        one.handle(Asked(ROAD, Mail(message(n), 0)), 0.0)
    (said,) = one.handle(Asked(ROAD, Mail(message(3), 0)), 0.0)
    assert isinstance(said, Reply)
    assert isinstance(said.frame, Refused)
    assert (said.frame.code, said.frame.n) == ("full", 3)
    assert "say it again when some are read" in said.frame.why


@pytest.mark.parametrize("reader", [True, False])
def test_an_inbox_full_of_text_is_told(monkeypatch: pytest.MonkeyPatch, reader: bool) -> None:
    """The same where few messages are long: the one that reaches the limit is taken, the next is not."""
    monkeypatch.setattr(incoming, "INBOX_SIZE", 2 * 1024 * 1024)
    one = Engine(card(ANN), Snapshot(), reader=reader)
    one.handle(Asked(ROAD, Hello(BOB, ANN)), 0.0)
    for n in (1, 2, 3):
        long = message(n, body="x" * 1024 * 700)
        assert one.handle(Asked(ROAD, Mail(long, 0)), 0.0) == [KeepIn(long), Reply(ROAD, Ack(n))]
    why = "2 Mi characters wait there unread; say it again when some are read"
    assert one.handle(Asked(ROAD, Mail(message(4), 0)), 0.0) == [Reply(ROAD, Refused(4, "full", why))]


def test_a_full_queue_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot even be queued is refused at once, by exit code 5 and a sentence; others are written to as before."""
    monkeypatch.setattr(engine, "QUEUE_LIMIT", 2)
    story = Story()
    for _ in range(2):
        story.when(say(BOB)).whatever()
    third = say(BOB)
    story.when(third).then(Fail(third.token, "full", "2 messages to bob are still queued; wait"))
    assert by_code("full", "").exit == Exit.REFUSED
    story.when(say(CLEO))
    assert not any(isinstance(effect, Fail) for effect in story.effects)


def test_a_queue_full_of_text_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where few messages are long, also to an engine that finds them queued; when they are safe there is room."""
    monkeypatch.setattr(engine, "QUEUE_SIZE", 1024 * 1024)
    story = Story(snapshot=Snapshot(next_n=2, queued=((BOB, 1, 1024 * 1023),)))
    story.when(say(BOB, body="x" * 1024)).whatever()
    full, other = say(BOB), say(CLEO)
    story.when(full).then(Fail(full.token, "full", "1 Mi characters to bob are still queued; wait"))
    story.when(other)
    assert not any(isinstance(effect, Fail) for effect in story.effects)
    story.whatever().when(Heard(BOB, Welcome(BOB, 1))).whatever()
    story.when(say(BOB))
    assert not any(isinstance(effect, Fail) for effect in story.effects)
