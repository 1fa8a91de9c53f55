"""When a session is told something: at its turns, on waking it, and within a budget."""

from __future__ import annotations

import pytest

from peermesh.core.budget import MINUTE, WAKES, WAKES_A_MINUTE, Budget
from peermesh.core.engine import SETTLING
from peermesh.core.frames import Hello, Mail, Noted, Receipts, Welcome
from peermesh.core.script import (
    Asked,
    Fail,
    Gone,
    Heard,
    HookAsked,
    Input,
    KeepOut,
    MoveIn,
    ReadAsked,
    Retire,
    Show,
    Shown,
    Tell,
    Tick,
    Turn,
    WaiterCame,
)
from peermesh.core.turns import BATCH, GATHER_LONGEST, GATHER_QUIET, LOOK, LOOKED_FOR, PROMPT, STOP
from peermesh.core.words import CHAIN_LIMIT, State
from tests.core.people import ANN, BOB, CLEO, ROAD, Story, ids, message, say, session

WAITER = 77


def given(story: Story, *inputs: Input) -> Show | None:
    """What is handed out when these happen."""
    story.when(*inputs)
    shows = story.shows()
    story.whatever()
    assert len(shows) <= 1
    return shows[0] if shows else None


def alarm(story: Story) -> Show | None:
    """Let alarms come until one hands something out; links have theirs too."""
    for _ in range(5):
        at = story.engine.next_alarm(story.now)
        assert at is not None
        show = given(story.at(max(at, story.now)), Tick())
        if show is not None:
            return show
    return None


def woken(story: Story, times: int) -> Story:
    """Wake the session so often, and end the turn that each makes, with the next waiter there."""
    for _ in range(times):
        n = story.engine.incoming.last.get(BOB, 0) + 1
        given(story, WaiterCame(WAITER))
        story.got(n)
        show = alarm(story)
        assert show is not None
        assert show.wake
        given(story, Shown(WAITER), HookAsked(1, PROMPT))
        given(story, HookAsked(2, STOP))
    return story


# ---------------------------------------------------------------- turns


def test_shown_with_the_prompt() -> None:
    """What came before is shown with the person's next prompt."""
    story = session().greeted().got(1)
    show = given(story, HookAsked(1, PROMPT, typed=True))
    assert show == Show(1, ids(1))


def test_shown_at_the_end_of_a_turn() -> None:
    """What came during a turn is shown at its end, and the turn goes on with it."""
    story = session().greeted()
    given(story, HookAsked(1, PROMPT, typed=True))
    story.got(1)
    assert given(story, HookAsked(2, STOP)) == Show(2, ids(1))
    assert story.engine.turns is not None
    assert story.engine.turns.busy


def test_a_turn_with_nothing_to_say_ends() -> None:
    """A Stop with nothing to show leaves the session idle."""
    story = session()
    given(story, HookAsked(1, PROMPT, typed=True))
    assert given(story, HookAsked(2, STOP)) == Show(2, ())
    assert story.engine.turns is not None
    assert not story.engine.turns.busy


def test_a_stop_hook_that_died_ended_the_turn() -> None:
    """What a Stop hook could not say is shown on waking the session, which is idle after all."""
    story = session().greeted()
    given(story, HookAsked(1, PROMPT, typed=True))
    story.got(1)
    given(story, HookAsked(2, STOP))
    given(story, Gone(2))
    story.at(1.0)
    show = given(story, WaiterCame(WAITER))
    assert show == Show(WAITER, ids(1), wake=True)


def test_not_in_the_middle_of_a_turn() -> None:
    """After a tool batch, and at any other event, an ordinary message waits."""
    story = session().greeted()
    given(story, HookAsked(1, PROMPT, typed=True))
    story.got(1)
    assert given(story, HookAsked(2, BATCH)) == Show(2, (), more=1)
    assert given(story, HookAsked(3, "PreToolUse")) == Show(3, (), more=1)


def test_urgent_after_a_tool_batch() -> None:
    """What its sender marked as urgent is shown after the next tool batch; the others wait."""
    story = session().greeted()
    given(story, HookAsked(1, PROMPT, typed=True))
    story.got(1).got(2, urgent=True)
    assert given(story, HookAsked(2, BATCH)) == Show(2, ids(2), more=1)
    assert given(story, HookAsked(3, STOP)) == Show(3, ids(1))


def test_urgent_is_not_shown_before_a_tool_runs() -> None:
    """Not even an urgent message breaks into a tool call."""
    story = session().greeted()
    given(story, HookAsked(1, PROMPT, typed=True))
    story.got(1, urgent=True)
    assert given(story, HookAsked(2, "PreToolUse")) == Show(2, (), more=1)


def test_a_busy_session_is_not_woken() -> None:
    """A waiter does not break into a turn."""
    story = session().greeted()
    given(story, WaiterCame(WAITER), HookAsked(1, PROMPT, typed=True))
    story.got(1)
    assert given(story.at(10.0), Tick()) is None


def test_a_turn_that_was_broken_off() -> None:
    """When the client says that it is idle, the session is woken as if there had been a Stop."""
    story = session().greeted()
    given(story, WaiterCame(WAITER), HookAsked(1, PROMPT, typed=True))
    story.got(1)
    assert given(story.at(10.0), Turn(busy=False)) == Show(WAITER, ids(1), wake=True)


def test_a_shell_has_no_turns() -> None:
    """A person's shell shows what it is asked for, and is never woken."""
    story = Story().greeted().got(1)
    story.when(WaiterCame(WAITER)).then(Retire(WAITER))
    assert given(story, HookAsked(1, PROMPT)) == Show(1, ())
    assert given(story, ReadAsked(2, 10)) == Show(2, ids(1))


# ---------------------------------------------------------------- what the hooks' first step needs


def test_occasions() -> None:
    """The lane is started only at events at which there is something to say."""
    story = session().greeted()
    assert story.engine.occasions(0.0) == frozenset()
    story.got(1)
    assert story.engine.occasions(0.0) == {PROMPT, STOP}
    story.got(2, urgent=True)
    assert story.engine.occasions(0.0) == {PROMPT, STOP, BATCH}


def test_occasions_without_budget() -> None:
    """A Stop at which nothing may be said is none."""
    story = session(wakes=0).greeted().got(1)
    assert story.engine.occasions(0.0) == {PROMPT}


def test_occasions_of_a_shell() -> None:
    """A shell has no hooks."""
    assert Story().greeted().got(1).engine.occasions(0.0) == frozenset()


# ---------------------------------------------------------------- waking


def test_an_idle_session_wakes() -> None:
    """A message for an idle session wakes it within a moment."""
    story = session().greeted()
    given(story, WaiterCame(WAITER))
    story.got(1)
    show = alarm(story)
    assert show == Show(WAITER, ids(1), wake=True)
    assert story.now == pytest.approx(GATHER_QUIET)


def test_mail_that_was_there_first_wakes_too() -> None:
    """A waiter that comes when something waits is sent back with it at once."""
    story = session().greeted().got(1)
    assert given(story.at(1.0), WaiterCame(WAITER)) == Show(WAITER, ids(1), wake=True)


def test_a_burst_is_one_waking() -> None:
    """Messages that come close together, for up to 0.3 s, wake the session once."""
    story = session().greeted()
    given(story, WaiterCame(WAITER))
    wakes = []
    n = 0
    step = 0.95 * GATHER_QUIET
    while story.now < GATHER_LONGEST - step:
        n += 1
        story.when(Asked(ROAD, Mail(message(n), 0)))
        wakes += story.shows()
        story.whatever().at(story.now + step)
    assert wakes == []
    show = alarm(story)
    assert show is not None
    assert len(show.ids) + show.more == n
    assert story.now == pytest.approx(GATHER_LONGEST, abs=step)


def test_a_long_burst_does_not_put_the_waking_off() -> None:
    """Who never stops sending delays nobody for more than 0.3 s."""
    story = session().greeted()
    given(story, WaiterCame(WAITER))
    n, woken_at = 0, None
    while story.now < 1.0 and woken_at is None:
        n += 1
        story.when(Asked(ROAD, Mail(message(n), 0)))
        woken_at = story.now if story.shows() else None
        story.whatever().at(story.now + 0.95 * GATHER_QUIET)
    assert woken_at == pytest.approx(GATHER_LONGEST, abs=GATHER_QUIET)


def test_one_waiter_wakes_once() -> None:
    """What comes after a waiter left waits for the next one."""
    story = session().greeted()
    given(story, WaiterCame(WAITER))
    story.got(1)
    alarm(story)
    story.got(2)
    assert given(story.at(5.0), Tick()) is None


def test_the_newest_waiter_retires_the_others() -> None:
    """One is started at every Stop; only the last stays."""
    story = session()
    given(story, WaiterCame(1))
    story.when(WaiterCame(2)).then(Retire(1))
    story.when(WaiterCame(3)).then(Retire(2))


def test_the_newest_waiter_wakes() -> None:
    """And it is the last that is sent back."""
    story = session().greeted()
    given(story, WaiterCame(1))
    story.when(WaiterCame(2)).whatever()
    story.got(1)
    show = alarm(story)
    assert show is not None
    assert show.token == 2


def test_a_waiter_that_died_wakes_nobody() -> None:
    """What was said stays, for the next occasion."""
    story = session().greeted()
    given(story, WaiterCame(WAITER))
    given(story, Gone(WAITER))
    story.got(1)
    assert given(story.at(5.0), Tick()) is None
    assert given(story, HookAsked(1, PROMPT, typed=True)) == Show(1, ids(1))


def test_a_waiter_that_died_with_mail_in_hand() -> None:
    """What it was to say waits again, for the next one."""
    story = session().greeted()
    given(story, WaiterCame(WAITER))
    story.got(1)
    alarm(story)
    given(story, Gone(WAITER))
    assert given(story.at(1.0), WaiterCame(WAITER + 1)) == Show(WAITER + 1, ids(1), wake=True)


# ---------------------------------------------------------------- the turn of a waking


def told(story: Story) -> Story:
    """The session was given what wakes it; its client has not begun yet."""
    given(story, WaiterCame(WAITER))
    story.got(1)
    alarm(story)
    assert story.engine.occasions(story.now) == frozenset()
    story.when(Shown(WAITER)).then(MoveIn(ids(1), State.HANDED))
    assert story.engine.occasions(story.now) == frozenset()
    return story


def test_the_first_step_alone_sees_a_woken_turn() -> None:
    """The sign is looked for at once, and what woke the session has stuck a moment after it."""
    story = told(session().greeted())
    at = story.engine.next_alarm(story.now)
    assert at == pytest.approx(story.now + LOOK)
    story.at(at).when(Turn(busy=True, sign=True)).then()
    assert story.engine.occasions(story.now) == {PROMPT}  # the next one may be a person's
    story.at(at + SETTLING / 2).when(Tick()).then()
    story.at(at + SETTLING).when(Tick())
    assert MoveIn(ids(1), State.SHOWN) in story.effects


def test_a_turn_that_ends_before_it_settled_was_shown() -> None:
    """The next sign proves it, however soon it comes."""
    story = told(session().greeted())
    story.when(Turn(busy=True, sign=True)).then()
    story.when(Turn(busy=True, sign=True))
    assert MoveIn(ids(1), State.SHOWN) in story.effects


def test_a_woken_client_is_not_looked_for_without_end() -> None:
    """One that died in between is left to the other signs."""
    story = told(session().greeted())
    story.at(story.now + LOOKED_FOR + LOOK).when(Tick()).then()
    at = story.engine.next_alarm(story.now)
    assert at is None or at > story.now + LOOK


def test_mail_that_comes_before_a_woken_turn_is_due() -> None:
    """Then the prompt's hook has something to say."""
    story = told(session().greeted()).got(2)
    assert story.engine.occasions(story.now) == {PROMPT, STOP}
    assert given(story, HookAsked(1, PROMPT)) == Show(1, ids(2))


def test_a_waiter_that_dies_with_its_words_woke_nobody() -> None:
    """What it held is due at the next prompt, whosever that is."""
    story = session().greeted()
    given(story, WaiterCame(WAITER))
    story.got(1)
    alarm(story)
    given(story, Gone(WAITER))
    assert story.engine.occasions(story.now) == {PROMPT, STOP}


# ---------------------------------------------------------------- the budget


def test_six_wakes_a_minute() -> None:
    """The seventh within a minute waits until the first is a minute old, and then comes by itself."""
    story = woken(session().greeted(), WAKES_A_MINUTE)
    first = GATHER_QUIET
    given(story, WaiterCame(WAITER))
    story.got(WAKES_A_MINUTE + 1)
    while story.now < first + MINUTE - 0.001:
        assert not story.shows()
        at = story.engine.next_alarm(story.now)
        assert at is not None
        given_now = given(story.at(at), Tick())
    assert given_now is not None
    assert given_now.wake
    assert story.now == pytest.approx(first + MINUTE)


def test_twenty_wakes_since_the_person_typed() -> None:
    """After twenty, at whatever pace, nothing but the person wakes the session."""
    story = session().greeted()
    for _ in range(WAKES):
        woken(story.at(story.now + MINUTE), 1)
    given(story.at(story.now + MINUTE), WaiterCame(WAITER))
    story.got(WAKES + 1)
    assert given(story.at(story.now + 10 * MINUTE), Tick()) is None


def test_held_is_told_to_the_sender() -> None:
    """What the budget keeps back is *held* on disk, and its sender gets to know."""
    story = session(wakes=0).greeted()
    given(story, WaiterCame(WAITER))
    story.when(Asked(ROAD, Mail(message(1), 0)))
    assert MoveIn(ids(1), State.HELD) in story.effects
    assert Tell(BOB, Hello(ANN, BOB)) in story.effects
    story.whatever()
    story.when(Heard(BOB, Welcome(BOB, 0))).then(Tell(BOB, Receipts(((1, State.HELD),))))
    story.when(Heard(BOB, Noted(((1, State.HELD),)))).whatever()


def test_held_is_told_once() -> None:
    """Each message is held once, whatever else happens."""
    story = session(wakes=0).greeted()
    given(story, WaiterCame(WAITER))
    story.got(1)
    story.when(Asked(b"other road", Hello(CLEO, ANN)), Tick(), WaiterCame(WAITER + 1))
    assert not [one for one in story.effects if isinstance(one, MoveIn)]


def test_the_person_releases_what_was_held() -> None:
    """With the person's next prompt all that was held is shown, and the budget is whole again."""
    story = session(wakes=1).greeted()
    woken(story, 1)
    given(story, WaiterCame(WAITER))
    story.got(2)
    assert given(story, HookAsked(1, PROMPT, typed=True)) == Show(1, ids(2))
    given(story, Shown(1), HookAsked(2, STOP))
    woken(story.at(story.now + 1.0), 1)


def test_a_waking_is_no_typing() -> None:
    """The prompt that a waking makes does not fill the budget."""
    story = session(wakes=1).greeted()
    woken(story, 1)
    given(story, WaiterCame(WAITER))
    story.got(2)
    assert given(story.at(100.0), Tick()) is None


def test_a_prompt_that_only_the_first_step_saw() -> None:
    """When no hook was needed, the person's typing is known by the turn."""
    story = session(wakes=1).greeted()
    woken(story, 1)
    given(story, Turn(busy=True, typed=True), Turn(busy=False))
    woken(story.at(story.now + 1.0), 1)


def test_a_longer_turn_costs_as_much_as_a_waking() -> None:
    """Two models that answer each other at every Stop are stopped too."""
    story = session().greeted()
    given(story, HookAsked(1, PROMPT, typed=True))
    longer = 0
    for n in range(1, WAKES_A_MINUTE + 5):
        story.got(n)
        show = given(story, HookAsked(1 + n, STOP))
        longer += bool(show and show.ids)
        given(story, Shown(1 + n))
    assert longer == WAKES_A_MINUTE


@pytest.mark.parametrize("budget", [{"wakes": 0}, {"a_minute": 0}])
def test_a_budget_of_nothing(budget: dict[str, int]) -> None:
    """Who sets either to 0 is never woken, and sees everything with his own prompts."""
    story = session(**budget).greeted()
    given(story, WaiterCame(WAITER))
    story.got(1)
    assert given(story.at(1000.0), Tick()) is None
    assert given(story, HookAsked(1, STOP)) == Show(1, (), more=1)
    assert given(story, HookAsked(2, PROMPT, typed=True)) == Show(2, ids(1))


def test_the_budget_counts_a_sliding_minute() -> None:
    """Not the minutes of the clock: each wake is free again sixty seconds after it."""
    budget = Budget(wakes=100, a_minute=2)
    budget.spend(0.0)
    budget.spend(50.0)
    assert budget.free_at(55.0) == MINUTE
    budget.spend(60.0)
    assert budget.free_at(61.0) == 50.0 + MINUTE


# ---------------------------------------------------------------- chains


def answered(story: Story, chain: tuple[str, ...]) -> Story:
    """Ann is shown a message that came by that chain."""
    n = story.engine.incoming.last.get(BOB, 0) + 1
    story.got(n, chain=chain)
    given(story, HookAsked(1, PROMPT), Shown(1))
    return story


def test_a_message_says_through_whom_it_came() -> None:
    """What a session says after it was shown something goes back to the same person."""
    story = answered(session().greeted(), (CLEO, BOB))
    story.when(say(BOB))
    (kept,) = [one for one in story.effects if isinstance(one, KeepOut)]
    assert kept.message.chain == (CLEO, BOB, ANN)


def test_a_chain_that_is_too_long_stops() -> None:
    """Two models that answer each other stop, and are told to ask the person."""
    story = answered(session().greeted(), (CLEO, BOB) * (CHAIN_LIMIT // 2))
    asked = say(BOB)
    story.when(asked)
    (fail,) = story.then_some(Fail)
    assert (fail.token, fail.code) == (asked.token, "chain")
    assert "person" in fail.why


def test_the_last_link_of_a_chain_holds() -> None:
    """One below the limit is still said."""
    story = answered(session().greeted(), (CLEO, BOB) * (CHAIN_LIMIT // 2 - 1) + (BOB,))
    story.when(say(BOB))
    assert any(isinstance(one, KeepOut) for one in story.effects)


def test_the_person_starts_a_new_chain() -> None:
    """What the person types goes back to the person alone."""
    story = answered(session().greeted(), (CLEO, BOB) * (CHAIN_LIMIT // 2))
    given(story, HookAsked(2, PROMPT, typed=True))
    story.when(say(BOB))
    (kept,) = [one for one in story.effects if isinstance(one, KeepOut)]
    assert kept.message.chain == (ANN,)


def test_a_person_is_no_link() -> None:
    """What somebody says in a shell begins a chain."""
    story = Story()
    story.when(say(BOB))
    (kept,) = [one for one in story.effects if isinstance(one, KeepOut)]
    assert kept.message.chain == ()
