"""The board: tasks, who has them, and what becomes of them. Told as what peers of several hosts say."""

from __future__ import annotations

import pytest

from peermesh.core import tasks
from peermesh.core.events import Event, What, task_id
from peermesh.core.tasks import DONE, DROPPED, HISTORY, OPEN, ORPHANS, TAKEN, Board, Task
from peermesh.core.words import PeerId
from tests.core.said import Host, picture

A, B, C = ("a" * 8, "b" * 8, "c" * 8)
DAY = 86_400.0


def board(*events: Event) -> Board:
    """What these events show of tasks."""
    return picture(*events).board


def only(*events: Event) -> Task:
    """The one task."""
    (found,) = board(*events).tasks()
    return found


def nobody(_: PeerId) -> bool:
    """Nobody is away."""
    return False


def judge(host: Host, *events: Event, away: tuple[PeerId, ...] = ()) -> list[Event]:
    """What *host* says to the takings among *events*."""
    owed = board(*events).verdicts(host.log, away.__contains__)
    host.hear(*events)
    return [host.say(What.VERDICT, "a", 50.0, **data) for data in owed]


def test_a_task_is_made() -> None:
    """It has a title, a maker, an id of eight letters, and is open."""
    host = Host("b")
    made = host.task("b", "restyle", at=5.0)
    task = only(made)
    assert (task.title, task.by, task.by_name, task.at) == ("restyle", B, "session-b", 5.0)
    assert (task.id, task.made, task.host_key) == (task_id(made.id), made.id, "b" * 64)
    assert (task.state, task.owner, task.confirmed, task.changed_at) == (OPEN, "", False, 5.0)


def test_its_life() -> None:
    """Taken, done, reopened, taken again, dropped; each with its time and why."""
    host = Host()
    made = host.task("a", "t")
    take = host.take("b", made, at=1.0)
    task = only(*host.said)
    assert (task.state, task.owner, task.owner_name, task.confirmed) == (TAKEN, B, "session-b", True)
    assert board(*host.said).verdict_on(take.id) == (True, "")
    host.word(What.DONE, "b", made, 2.0, "merged")
    task = only(*host.said)
    assert (task.state, task.owner, task.why, task.closed_by) == (DONE, B, "merged", "session-b")
    host.word(What.REOPEN, "a", made, 3.0, "it broke")
    task = only(*host.said)
    assert (task.state, task.owner, task.why, task.confirmed) == (OPEN, "", "it broke", False)
    assert (task.changed_at, task.closed_by) == (3.0, "")
    host.take("a", made, "c", at=4.0)
    assert only(*host.said).owner == C
    host.word(What.DROP, "a", made, 5.0)
    assert only(*host.said).state == DROPPED
    said = board(*host.said).history(task.id)
    assert [one.what for one in said] == ["take", "done", "reopen", "take", "drop"]
    assert [(one.by, one.at, one.why) for one in said[1:3]] == [(B, 2.0, "merged"), (A, 3.0, "it broke")]
    assert said[3].to_name == "session-c"


def test_what_is_closed_stays_so() -> None:
    """Until somebody reopens it nobody takes it, and it does not matter who else closes it."""
    host = Host()
    made = host.task("a", "t")
    host.word(What.DONE, "a", made, 1.0)
    late = host.take("b", made)
    host.word(What.DROP, "b", made, 2.0)
    task = only(*host.said)
    assert (task.state, task.owner, task.closed_by) == (DONE, "", "session-a")
    assert board(*host.said).verdict_on(late.id) == (False, "it is done")


def test_one_word_gives_it_to_another() -> None:
    """The host where it was made may give a task that somebody has to somebody else."""
    host = Host()
    made = host.task("a", "t")
    host.take("b", made)
    host.take("a", made, "c")
    assert only(*host.said).owner == C


class TestAcross:
    """Tasks of one host, taken on others."""

    def setup_method(self) -> None:
        """A task on host a, known to hosts b and c."""
        self.home, self.b, self.c = Host("a"), Host("b"), Host("c")
        self.made = self.home.task("a", "t")
        self.b.hear(self.made)
        self.c.hear(self.made)

    def test_tentative(self) -> None:
        """Without the home's word a taking shows, and is not confirmed."""
        take = self.b.take("b", self.made, at=7.0)
        shown = board(self.made, take)
        (task,) = shown.tasks()
        assert (task.state, task.owner, task.confirmed, task.changed_at) == (TAKEN, B, False, 7.0)
        assert shown.verdict_on(take.id) == (None, "")
        assert [one.id for one in shown.pending(B)] == [take.id]
        assert shown.pending(C) == []

    def test_confirmed(self) -> None:
        """The home's word makes it so."""
        take = self.b.take("b", self.made)
        (granted,) = judge(self.home, self.made, take)
        for order in ((self.made, take, granted), (granted, take, self.made)):
            shown = board(*order)
            (task,) = shown.tasks()
            assert (task.state, task.owner, task.owner_name, task.confirmed) == (TAKEN, B, "session-b", True)
            assert shown.verdict_on(take.id) == (True, "")
            assert shown.pending(B) == shown.verdicts(self.home.log, nobody) == []

    def test_only_the_home_decides(self) -> None:
        """A verdict by another host does nothing, and a host owes none for another's task."""
        take = self.b.take("b", self.made)
        shown = board(self.made, take, self.c.verdict("c", self.made, take))
        assert only(self.made, take).confirmed is False
        assert shown.verdict_on(take.id) == (None, "")
        assert shown.verdicts(self.b.log, nobody) == []
        assert shown.history(task_id(self.made.id))[-1].what == "take"

    def test_two_takers(self) -> None:
        """The first in order of place gets it, the other is told who has it."""
        first, second = self.b.take("b", self.made), self.c.take("c", self.made)
        said = judge(self.home, self.made, second, first)
        shown = board(*said, second, first, self.made)
        assert [one.data["granted"] for one in said] == [True, False]
        assert shown.tasks()[0].owner == B
        assert shown.verdict_on(second.id) == (False, "session-b has it")

    def test_taken_at_home_meanwhile(self) -> None:
        """Who took it where it was made has it, whoever else said so earlier elsewhere."""
        take = self.b.take("b", self.made)
        self.home.stamp = 9
        mine = self.home.take("a", self.made)
        said = judge(self.home, self.made, take, mine)
        assert [one.data["granted"] for one in said] == [False]
        shown = board(self.made, take, mine, *said)
        assert (shown.tasks()[0].owner, shown.tasks()[0].confirmed) == (A, True)
        assert shown.verdict_on(take.id) == (False, "session-a has it")

    def test_whom_nobody_sees(self) -> None:
        """The task of one who is away goes to who asks for it; the next one waits."""
        mine = self.home.take("a", self.made)
        self.b.hear(mine)
        self.c.hear(mine)
        takes = self.b.take("b", self.made), self.c.take("c", self.made)
        said = judge(self.home, self.made, mine, *takes, away=(A, B))
        assert [one.data["granted"] for one in said] == [True, False]
        assert board(self.made, mine, *takes, *said).tasks()[0].owner == B

    def test_twice_by_the_same(self) -> None:
        """Who asks again for what he has is told yes."""
        takes = self.b.take("b", self.made), self.b.take("b", self.made)
        said = judge(self.home, self.made, *takes)
        assert [one.data["granted"] for one in said] == [True, True]

    def test_done_meanwhile(self) -> None:
        """Of a task that is closed the taker is told so, whatever the home said before it knew."""
        take, done = self.b.take("b", self.made), self.c.word(What.DONE, "c", self.made)
        (granted,) = judge(self.home, self.made, take)
        assert [one.data["why"] for one in judge(self.home, self.made, take, done)] == ["it is done"]
        shown = board(self.made, take, done, granted)
        assert shown.tasks()[0].state == DONE
        assert shown.verdict_on(take.id) == (False, "it is done")

    def test_reopened(self) -> None:
        """What was pending is void, and who said it is told by whom."""
        take = self.b.take("b", self.made)
        self.c.hear(take)
        reopen = self.c.word(What.REOPEN, "c", self.made)
        shown = board(self.made, take, reopen)
        assert shown.tasks()[0].state == OPEN
        assert shown.verdicts(self.home.log, nobody) == []
        assert shown.verdict_on(take.id) == (False, "session-c put it back on the board")

    def test_a_session_dies(self) -> None:
        """What it had returns to the board with a word why; what it wanted is void."""
        take = self.b.take("b", self.made)
        (granted,) = judge(self.home, self.made, take)
        self.b.hear(granted)
        gone = self.b.gone("b", 9.0, died=True, why="its terminal was closed")
        for said in ((self.made, take, granted, gone), (gone, granted, take, self.made)):
            task = only(*said)
            assert (task.state, task.owner, task.confirmed) == (OPEN, "", False)
            assert (task.why, task.changed_at) == ("its terminal was closed", 9.0)
        shown = board(self.made, take, gone)
        assert shown.tasks()[0].state == OPEN
        assert shown.verdict_on(take.id) == (False, "its terminal was closed")
        assert [one.what for one in shown.history(task_id(self.made.id))] == ["take", "gone"]

    def test_a_session_dies_before_our_eyes(self) -> None:
        """The board that was looked at before changes with it."""
        take = self.b.take("b", self.made)
        shown = board(self.made, take)
        assert shown.tasks()[0].owner == B
        shown.add(self.b.gone("b", died=True))
        assert shown.tasks()[0].state == OPEN
        assert shown.pending(B) == []

    def test_what_was_said_before_it_was_made(self) -> None:
        """Only a broken host can do that: it counts for nothing."""
        broken = Host("c")
        self.home.stamp = 9
        made = self.home.task("a", "late")
        said = broken.take("c", made), broken.word(What.DONE, "c", made)
        assert only(made, *said).state == OPEN
        assert board(made, *said).history(task_id(made.id)) == []

    def test_dead_before_the_verdict(self) -> None:
        """The home, which did not know yet, cannot give it to the dead."""
        take = self.b.take("b", self.made)
        gone = self.b.gone("b", died=True)
        (granted,) = judge(self.home, self.made, take)
        self.home.stamp = gone.stamp + 5
        later = self.home.verdict("a", self.made, take)
        for verdict in (granted, later):
            task = only(self.made, take, gone, verdict)
            assert (task.state, task.owner) == (OPEN, "")

    def test_a_session_that_ends_well_keeps_its_tasks(self) -> None:
        """It may come back; and one that came back may take again."""
        mine = self.home.take("a", self.made)
        assert only(self.made, mine, self.home.gone("a")).owner == A
        died = self.home.gone("a", died=True)
        again = self.home.take("a", self.made)
        assert only(self.made, mine, died, again).owner == A


def test_what_a_task_waits_for() -> None:
    """Those it comes after, until they are closed; of what is not known it does not wait."""
    host = Host()
    first, second = host.task("a", "one"), host.task("a", "two")
    unknown = Host("c").task("c", "never heard of")
    last = host.task("a", "three", first, second, unknown)
    shown = board(*host.said)
    waits = shown.waits_for(shown.tasks()[2])
    assert [one.title for one in waits] == ["one", "two"]
    shown.add(host.word(What.DONE, "a", first))
    shown.add(host.word(What.DROP, "a", second))
    assert shown.waits_for(shown.tasks()[2]) == []
    shown.add(host.word(What.REOPEN, "a", second))
    assert [one.title for one in shown.waits_for(shown.find(task_id(last.id))[0])] == ["two"]


def test_found_by_its_first_letters() -> None:
    """In the order in which they were made, in either case of letters."""
    host = Host()
    made = [host.task("a", str(n)) for n in range(200)]
    shown = board(*made)
    assert [one.title for one in shown.tasks()] == [str(n) for n in range(200)]
    one = shown.tasks()[17]
    assert shown.find(one.id.upper()) == [one]
    assert one in shown.find(one.id[:1])
    assert all(found.id[0] == one.id[0] for found in shown.find(one.id[:1]))
    assert shown.find("iiii") == []


class TestGrowth:
    """What may be forgotten."""

    @pytest.fixture(autouse=True)
    def _few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tasks, "CLOSED_KEPT", 2)

    def test_closed_long_ago(self) -> None:
        """Closed for a week and not among the newest closed ones: then it goes, with all that was said of it."""
        host = Host()
        made = [host.task("a", str(n)) for n in range(5)]
        for n, one in enumerate(made[:4]):
            host.take("a", one)
            host.word(What.DONE, "a", one, n * DAY)
        shown = picture(*host.said)
        shown.prune(7 * DAY)
        assert [one.title for one in shown.board.tasks()] == ["1", "2", "3", "4"]
        shown.prune(30 * DAY)
        assert [one.title for one in shown.board.tasks()] == ["2", "3", "4"]
        assert len(shown.needed(30 * DAY)) == 2 * 3 + 1

    def test_open_ones_stay(self) -> None:
        """However old, with all that made them what they are, and the taking that waits."""
        host, other = Host("a"), Host("b")
        made = [host.task("a", str(n)) for n in range(9)]
        other.hear(*made)
        take = other.take("b", made[3])
        shown = picture(*made, take)
        before = shown.board.tasks()
        shown.prune(365 * DAY)
        assert shown.board.tasks() == before
        assert [one.id for one in shown.board.pending(B)] == [take.id]

    def test_much_that_was_said_of_one(self) -> None:
        """Beyond the last fifty words what was said before it was last put back is forgotten."""
        host = Host()
        made = host.task("a", "t")
        for n in range(100):
            host.take("a", made, at=float(n))
            host.word(What.REOPEN, "a", made, float(n))
        for n in range(HISTORY + 20):
            host.take("a", made, "b", at=float(n))
        shown = picture(*host.said)
        before = shown.board.tasks()
        assert len(shown.needed(1_000.0)) == HISTORY + 20 + 2
        shown.prune(1_000.0)
        assert shown.board.tasks() == before
        assert len(shown.board.history(task_id(made.id))) == HISTORY

    def test_words_that_wait_for_their_task(self) -> None:
        """They are kept for a week."""
        host, other = Host("a"), Host("b")
        made = host.task("a", "t")
        other.hear(made)
        take = other.take("b", made, at=DAY)
        for day, owner in ((7.9, B), (8.1, "")):
            shown = picture(take)
            shown.prune(day * DAY)
            shown.add(made)
            assert shown.board.tasks()[0].owner == owner

    def test_words_that_wait_are_bounded(self) -> None:
        """A host that speaks of tasks that nobody made does not fill our memory; the latest are kept."""
        host, other = Host("a"), Host("b")
        made = [host.task("a", str(n)) for n in range(ORPHANS // 100 + 5)]
        other.hear(*made)
        for n in range(ORPHANS + 500):
            other.take("b", made[n // 100])
        shown = board(*other.said)
        assert shown._waiting == sum(len(one.said) for one in shown._orphans.values()) <= ORPHANS
        for one in made:
            shown.add(one)
        assert [one.state for one in shown.tasks()] == [OPEN] * 5 + [TAKEN] * (ORPHANS // 100)
        assert shown._waiting == 0

    def test_the_end_of_who_may_have_been_given_one(self) -> None:
        """The home's word to somebody who died may come after we forgot all else of him."""
        host, other = Host("a"), Host("b")
        made = host.task("a", "t")
        given = host.take("a", made, "b", at=5.0)
        other.hear(given)
        gone = other.gone("b", 10.0, died=True)
        shown = picture(gone)
        shown.prune(DAY)
        shown.add(made)
        shown.add(given)
        assert shown.board.tasks()[0].state == OPEN
