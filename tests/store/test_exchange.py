"""The exchange of logs between hosts: catching up, whatever is lost, late or repeated, and what a broken host may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from peermesh.core.events import STAMP_LEAP, Event, EventId, What
from peermesh.core.tasks import Board
from peermesh.errors import DiskFull
from peermesh.mesh.hosts.wire import Events, Have, decode
from peermesh.sidecar.exchange import ANEW, FRAMES, PATIENCE, REMIND
from peermesh.store.log import EVENTS_AT_ONCE
from tests.store.boxes import ANN, CLEO
from tests.store.conftest import Mount
from tests.store.exchanges import Lane, Node, World, known, say
from tests.store.logs import EPOCH, LOG, NEXT, REPO, draft, heard, texts

MakeWorld = Callable[[int], World]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes hosts that all trust each other."""
    made: list[World] = []

    def world(count: int) -> World:
        made.append(World(tmp_path, count))
        return made[-1]

    yield world
    for one in made:
        one.close()


def frames(world: World, ends: tuple[Node, Node], kind: type = Events) -> list[Any]:
    """What is under way from one host to another, of one kind."""
    lane = world.lanes[ends[0].key, ends[1].key]
    return [one for one in map(decode, lane.frames) if isinstance(one, kind)]


# ---------------------------------------------------------------- catching up


def test_what_one_says_all_hear(make: MakeWorld) -> None:
    """At once, with their ages, and the sidecars of the hosts that heard are poked."""
    world = make(3)
    one, two, three = world.nodes
    world.settle()
    world.time.pass_by(100)
    say(one, text="a")
    world.time.pass_by(20)
    say(two, text="b")
    world.settle()
    for node in world.nodes:
        assert known(node) == known(one)
        ages = {e.data["text"]: node.clock.wall() - e.at for _, e in node.store.since(REPO, 0)}
        assert ages == {"a": 20, "b": 0}
    assert (one.pokes, two.pokes, three.pokes) == (1, 1, 2)
    assert not [line for node in world.nodes for line in (*node.wrong, *node.lines)]


def test_nothing_new_is_nothing_said(make: MakeWorld) -> None:
    """A tick costs no frame and no write."""
    world = make(2)
    say(world.nodes[0])
    world.settle()
    before = [node.store.revision() for node in world.nodes]
    for node in world.nodes:
        world.tick(node)
    say(world.nodes[0], repo="dir:/srv/app")
    assert world.settle() == 0
    assert world.nodes[1].store.revision() == before[1]


def test_ten_thousand_events(make: MakeWorld) -> None:
    """Somebody who was away for long hears them in parts, one at a time under way, each once."""
    world = make(2)
    one, two = world.nodes
    world.cut(one, two)
    with one.store.writing() as writer:
        for number in range(10_000):
            writer.say(draft(by=one.peers[0], text=str(number)), one.clock.wall())
    world.heal()
    parts = 0
    while ready := world.ready():
        assert all(len(lane.frames) <= 2 for lane in world.lanes.values())
        frame = world.deliver(ready[0])
        if isinstance(frame, Events):
            parts += 1
            assert len(frame.events) <= EVENTS_AT_ONCE
            assert frame.more == (parts < 10_000 / EVENTS_AT_ONCE)
    assert parts == 10_000 / EVENTS_AT_ONCE
    assert texts(two.store) == [str(number) for number in range(10_000)]


def test_a_part_that_is_lost(make: MakeWorld) -> None:
    """It is told again after a while, without the link having to break."""
    world = make(2)
    one, two = world.nodes
    world.settle()
    say(one, text="a")
    world.tick(one)
    world.lanes[one.key, two.key].frames.clear()
    say(one, text="b")
    assert world.settle() == 0, "there is one under way, as far as is known"
    world.time.pass_by(PATIENCE + 1)
    world.settle()
    assert texts(two.store) == ["a", "b"]


def test_a_word_that_is_lost(make: MakeWorld) -> None:
    """What somebody has is said again after a while."""
    world = make(2)
    one, two = world.nodes
    say(one, text="a")
    for lane in world.lanes.values():
        lane.frames.clear()
    assert world.settle() == 0
    world.time.pass_by(REMIND + 1)
    world.settle()
    assert texts(two.store) == ["a"]


def test_a_link_that_takes_no_more(make: MakeWorld) -> None:
    """It is tried again."""
    world = make(2)
    one, two = world.nodes
    world.settle()
    lanes = [world.lanes[one.key, two.key], world.lanes[two.key, one.key]]
    for lane in lanes:
        lane.full = True
    say(one, text="a")
    assert world.settle() == 0
    lanes[0].full = False
    world.settle()
    assert texts(two.store) == ["a"]
    say(one, text="b")
    assert world.settle() == 0, "the word for the first could not be said"
    lanes[1].full = False
    world.settle()
    assert texts(two.store) == ["a", "b"]


def test_a_word_that_comes_twice(make: MakeWorld) -> None:
    """The part that is under way already is not told again."""
    world = make(2)
    one, two = world.nodes
    world.settle()
    say(one, text="a")
    world.tick(one)
    (part,) = frames(world, (one, two))
    one.exchange.have(world.lanes[one.key, two.key], Have(part.epoch, part.after))
    one.exchange.have(world.lanes[one.key, two.key], Have("", 0))
    assert len(frames(world, (one, two))) == 1
    world.settle()
    assert texts(two.store) == ["a"]


def test_restarts(make: MakeWorld) -> None:
    """Who ends in the middle goes on where it was."""
    world = make(2)
    one, two = world.nodes
    for number in range(EVENTS_AT_ONCE * 3):
        say(one, text=str(number))
    world.tick(one)
    for node in (two, one, two):
        for _ in range(3):
            world.deliver(world.ready()[0])
        world.restart(node)
        world.heal()
    world.settle()
    assert known(two) == known(one)
    assert len(known(two)) == EVENTS_AT_ONCE * 3


def test_compaction_reaches_everybody(make: MakeWorld) -> None:
    """Those who are there, and those who come back later."""
    world = make(3)
    one, two, three = world.nodes
    for number in range(10):
        say(one, text=str(number))
    world.settle()
    world.cut(one, three)
    one.store.compact(REPO, {EventId(one.store.id, 4)}, one.store.last_seq())
    world.settle()
    assert (texts(two.store), len(texts(three.store))) == (["3"], 10)
    world.heal()
    world.settle()
    assert texts(three.store) == ["3"]


@pytest.mark.parametrize("wait", [PATIENCE + 1, REMIND + 1])
def test_a_deletion_that_is_lost_on_its_way(make: MakeWorld, wait: float) -> None:
    """It is told again, whoever notices first that it did not arrive."""
    world = make(2)
    one, two = world.nodes
    for number in range(10):
        say(one, text=str(number))
    world.settle()
    one.store.compact(REPO, {EventId(one.store.id, 4)}, one.store.last_seq())
    world.tick(one)
    world.lanes[one.key, two.key].frames.clear()
    world.time.pass_by(wait)
    world.tick(two)
    world.settle()
    assert texts(two.store) == ["3"]


def test_deletions_between_parts(make: MakeWorld) -> None:
    """Somebody is in the middle of catching up, and what it was told already is deleted."""
    world = make(2)
    one, two = world.nodes
    for number in range(EVENTS_AT_ONCE * 3):
        say(one, text=str(number))
    world.tick(one)
    while two.store.count(REPO) < EVENTS_AT_ONCE:
        world.deliver(world.ready()[0])
    for upto in (EVENTS_AT_ONCE // 2, EVENTS_AT_ONCE):
        kept = [EventId(one.store.id, n) for n in range(upto, EVENTS_AT_ONCE * 3 + 1)]
        one.store.compact(REPO, kept, one.store.last_seq())
        for _ in range(2):
            world.deliver(world.ready()[0])
    world.settle()
    assert known(two) == known(one)
    assert len(known(two)) == EVENTS_AT_ONCE * 2 + 1


# ---------------------------------------------------------------- older copies, lost files


def test_an_older_copy_is_put_back(make: MakeWorld) -> None:
    """Those who know more forget it, and all agree again; what was said since counts."""
    world = make(3)
    one, two, _ = world.nodes
    say(one, text="a")
    world.settle()
    copy = world.copy(one)
    say(one, text="b")
    say(two, text="c")
    world.settle()
    name = one.store.id
    world.put_back(one, copy)
    for text in "xyz":
        say(one, text=text)
    world.heal()
    world.settle()
    assert one.store.id == name
    for node in world.nodes:
        assert known(node) == known(one)
        assert sorted(texts(node.store)) == ["a", "c", "x", "y", "z"]
    assert any("older copy" in line for line in one.lines)


def test_an_older_copy_that_has_grown_meanwhile(make: MakeWorld) -> None:
    """It is found out although its numbers are larger than any that the other knows."""
    world = make(2)
    one, two = world.nodes
    copy = world.copy(one)
    say(one, text="lost")
    world.settle()
    world.put_back(one, copy)
    for text in "xyz":
        say(one, text=text)
    world.heal()
    world.settle()
    assert texts(two.store) == texts(one.store) == ["x", "y", "z"]


def test_older_copies_again_and_again(make: MakeWorld) -> None:
    """Also the same one, from before it was found out the last time."""
    world = make(3)
    one, two, three = world.nodes
    say(one, text="a")
    world.settle()
    copy = world.copy(one)
    for text in "bcd":
        say(one, text=text)
        world.settle()
        world.put_back(one, copy)
        world.heal()
        world.cut(one, three)
        world.settle()
        world.time.pass_by(200)
    world.heal()
    world.settle()
    assert known(one) == known(two) == known(three)
    assert texts(three.store) == ["a"]


def test_a_copy_of_the_hearer_is_put_back(make: MakeWorld) -> None:
    """It hears again what it forgot, and only that."""
    world = make(2)
    one, two = world.nodes
    say(one, text="a")
    world.settle()
    copy = world.copy(two)
    say(one, text="b")
    world.settle()
    epoch = one.store.tell(0).epoch
    world.put_back(two, copy)
    world.heal()
    world.settle()
    assert texts(two.store) == ["a", "b"]
    assert one.store.tell(0).epoch == epoch


def test_a_log_that_was_lost(make: MakeWorld) -> None:
    """Its host begins another; the others forget the first."""
    world = make(3)
    one, two, three = world.nodes
    say(one, text="a")
    world.settle()
    name = one.store.id
    world.put_back(one, None)
    assert one.store.id != name
    say(one, text="b")
    world.heal()
    world.settle()
    assert texts(one.store) == texts(two.store) == texts(three.store) == ["b"]


def test_a_log_that_was_lost_and_has_nothing_to_tell(make: MakeWorld) -> None:
    """The others hear just that."""
    world = make(2)
    one, two = world.nodes
    say(one, text="a")
    world.settle()
    world.put_back(one, None)
    world.heal()
    world.settle()
    assert texts(two.store) == []


def test_a_file_that_is_replaced_while_it_runs(make: MakeWorld) -> None:
    """All links begin again with it."""
    world = make(2)
    one, two = world.nodes
    say(one, text="a")
    say(two, text="b")
    world.settle()
    for path in one.root.glob("log.db*"):
        path.unlink()
    world.tick(one)
    say(one, text="c")
    world.settle()
    assert sorted(texts(one.store)) == sorted(texts(two.store)) == ["b", "c"]


def test_a_host_that_is_removed(make: MakeWorld) -> None:
    """What it told is forgotten; trusted again, it tells all again, and ours goes on where it was."""
    world = make(2)
    one, two = world.nodes
    say(one, text="a")
    say(two, text="b")
    world.settle()
    epoch = one.store.tell(0).epoch
    world.cut(one, two)
    one.exchange.forget({two.key})
    assert texts(one.store) == ["a"]
    world.heal()
    world.settle()
    assert texts(one.store) == ["a", "b"]
    assert one.store.tell(0).epoch == epoch


# ---------------------------------------------------------------- who may take a task


def board(node: Node) -> Board:
    """The board of a host."""
    made = Board()
    for _, event in node.store.since(REPO, 0):
        if event.kind != What.NOTE:
            made.add(event)
    return made


def taking(world: World) -> str:
    """A task of the first host, which one peer of each other host takes at the same time."""
    home = world.nodes[0]
    say(home, What.TASK, title="t")
    world.settle()
    (task,) = board(home).tasks()
    world.split(home)
    for other in world.nodes[1:]:
        say(other, What.TAKE, task=task.id, to=other.peers[0], to_name=f"host {other.number}")
    return task.id


def test_two_take_at_once(make: MakeWorld) -> None:
    """The home decides, once; all agree who has it, and the other is told why not."""
    world = make(3)
    home, two, three = world.nodes
    task = taking(world)
    world.join(home, three)
    world.settle()
    world.join(home, two)
    world.settle()
    for node in world.nodes:
        (one,) = board(node).tasks()
        assert (one.id, one.state, one.owner, one.confirmed) == (task, "taken", three.peers[0], True)
        assert board(node).pending(two.peers[0]) == []
    verdicts = [one for _, one in home.store.since(REPO, 0) if one.kind == What.VERDICT]
    assert [one.data["granted"] for one in verdicts] == [True, False]
    assert {one.by for one in verdicts} == {home.peers[0]}, "said by who made the task"
    assert {one.host_key for one in verdicts} == {""}


def test_a_verdict_is_told_at_once(make: MakeWorld) -> None:
    """In the same breath as the take was heard, to everybody."""
    world = make(3)
    home, two, three = world.nodes
    taking(world)
    world.join(home, three)
    world.join(home, two)
    while not (told := frames(world, (home, two))):
        world.deliver(world.ready()[0])
    assert What.VERDICT in {one.kind for frame in told for one in frame.events}


def test_the_owner_is_away(make: MakeWorld) -> None:
    """Who takes the task then has it."""
    world = make(3)
    home, two, three = world.nodes
    taking(world)
    world.join(home, two)
    world.settle()
    world.dead.add(two.peers[0])
    world.join(home, three)
    world.settle()
    for node in world.nodes:
        assert [one.owner for one in board(node).tasks()] == [three.peers[0]]


def test_a_verdict_that_cannot_be_written(make: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is the take, then; both come again."""
    world = make(2)
    home, two = world.nodes
    taking(world)
    world.join(home, two)

    def full(*_: object) -> None:
        raise DiskFull

    monkeypatch.setattr("peermesh.store.log_writer.Writer.say", full)
    world.settle()
    monkeypatch.undo()
    assert home.lines == [f"log: {DiskFull()}"]
    assert [one.kind for one in (e for _, e in home.store.since(REPO, 0))] == [What.TASK]
    world.time.pass_by(PATIENCE + 1)
    world.settle()
    for node in world.nodes:
        assert [(one.owner, one.confirmed) for one in board(node).tasks()] == [(two.peers[0], True)]


def test_tasks_of_a_log_that_was_put_back(make: MakeWorld) -> None:
    """Their ids stay, and what others said of them counts."""
    world = make(2)
    home, two = world.nodes
    say(home, What.TASK, title="t")
    world.settle()
    copy = world.copy(home)
    (task,) = board(two).tasks()
    say(two, What.DONE, task=task.id)
    say(home, text="lost")
    world.settle()
    world.put_back(home, copy)
    world.heal()
    world.settle()
    for node in world.nodes:
        assert [(one.id, one.state) for one in board(node).tasks()] == [(task.id, "done")]


def test_a_take_that_is_in_time_after_all(make: MakeWorld) -> None:
    """It came when the task was done; then the word that it was done is lost with its log."""
    world = make(3)
    home, two, three = world.nodes
    say(home, What.TASK, title="t")
    world.settle()
    (task,) = board(home).tasks()
    copy = world.copy(three)
    world.split(two)
    say(two, text="later")
    say(two, What.TAKE, task=task.id, to=two.peers[0])
    say(three, What.DONE, task=task.id)
    world.settle()
    world.heal()
    world.settle()
    assert [one.state for one in board(home).tasks()] == ["done"]
    world.put_back(three, copy)
    world.heal()
    world.settle()
    for node in world.nodes:
        (one,) = board(node).tasks()
        assert (one.state, one.owner, one.confirmed) == ("taken", two.peers[0], True)


# ---------------------------------------------------------------- a broken host


@pytest.fixture
def host(make: MakeWorld) -> tuple[World, Node, Lane]:
    """A host, and a link to another one that is not what it should be."""
    world = make(2)
    one, other = world.nodes
    world.settle()
    world.cut(one, other)
    lane = Lane(other.key)
    one.exchange.tell([lane])
    assert answers(lane) == [Have("", 0)]
    return world, one, lane


def answers(lane: Lane) -> list[Any]:
    """What was said to it since the last time."""
    said = [decode(one) for one in lane.frames]
    lane.frames.clear()
    return said


def told(after: int, upto: int, *events: Event, epoch: str = EPOCH, kept: Any = None) -> Events:
    """A frame of events of the broken host's peer, each just said."""
    own = tuple(replace(one, by="20aaaaaa", at=0.0) if one.by == "bbbbbbbb" else one for one in events)
    return Events(LOG, epoch, after, upto, own, kept=kept)


def test_gaps_and_repeats(host: tuple[World, Node, Lane]) -> None:
    """Each frame is answered by what is known."""
    _, one, lane = host
    for frame, upto in (
        (told(5, 6, heard(6)), 0),
        (told(0, 2, heard(1), heard(2)), 2),
        (told(0, 2, heard(1), heard(2)), 2),
        (told(3, 4, heard(4)), 2),
        (told(1, 4, heard(2), heard(4)), 4),
        (told(0, 0), 4),
    ):
        one.exchange.events(lane, frame)
        assert answers(lane) == [Have(EPOCH if upto else "", upto)]
    assert texts(one.store) == ["1", "2", "4"]
    assert one.wrong == []


def test_numbers_out_of_place(host: tuple[World, Node, Lane]) -> None:
    """What is outside its part, or there twice, is dropped and counted; what is out of order is put in order."""
    _, one, lane = host
    events = (heard(5), heard(3), heard(2), heard(9), heard(3, text="twice"), heard(1))
    one.exchange.events(lane, told(1, 5, *events))
    assert answers(lane) == [Have("", 0)]
    one.exchange.events(lane, told(0, 5, *events))
    assert answers(lane) == [Have(EPOCH, 5)]
    assert texts(one.store) == ["1", "2", "3", "5"]
    assert len(one.wrong) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(heard(2, What.CLAIM, path="../x"), id="a path that leads out"),
        pytest.param(heard(2, What.CLAIM, path=7), id="a path that is a number"),
        pytest.param(heard(2, What.NOTE, text="x" * 4_001), id="a long note"),
        pytest.param(heard(2, What.TAKE, task="x", to=ANN), id="a task that is none"),
        pytest.param(heard(2, "mood", text="x" * 3_000), id="a large event of a later version"),
        pytest.param(heard(2, "mood", text={"a": [1]}), id="a deep one"),
        pytest.param(heard(2, "mood", text=b"x"), id="one of bytes"),
        pytest.param(replace(heard(2), repo="dir:/srv/app"), id="a directory of another host"),
        pytest.param(replace(heard(2), repo=""), id="no repo"),
        pytest.param(replace(heard(2), by="10aaaaaa"), id="in the name of ours"),
        pytest.param(replace(heard(2), kind="no kind"), id="no kind"),
        pytest.param(heard(2, stamp=STAMP_LEAP + 5), id="a stamp far ahead"),
    ],
)
def test_an_event_that_is_none(host: tuple[World, Node, Lane], wrong: Event) -> None:
    """It is dropped and counted; those around it are taken, and numbers move on."""
    _, one, lane = host
    one.exchange.events(lane, told(0, 3, heard(1), wrong, heard(3)))
    assert answers(lane) == [Have(EPOCH, 3)]
    assert texts(one.store) == ["1", "3"]
    assert len(one.wrong) == 1


def test_in_the_name_of_a_third_host(make: MakeWorld) -> None:
    """Nobody speaks for another host's peers."""
    world = make(3)
    one, two, three = world.nodes
    say(two, What.CLAIM, path="a")
    world.settle()
    forged = two.store.say(
        replace(draft_of(two), by=three.peers[0], kind=What.GONE, data={}), two.clock.wall()
    )
    world.settle()
    assert forged.id not in {event.id for _, event in one.store.since(REPO, 0)}
    assert len(one.wrong) == len(three.wrong) == 1


def draft_of(node: Node) -> Any:
    """Something that a host may say."""
    return draft(by=node.peers[0])


def test_for_whom_nobody_knows(host: tuple[World, Node, Lane]) -> None:
    """A peer that its host forgot said that once: it counts."""
    _, one, lane = host
    one.exchange.events(lane, told(0, 1, replace(heard(1), by=CLEO)))
    assert texts(one.store) == ["1"]


def test_what_is_shown_to_people_is_cleaned(host: tuple[World, Node, Lane]) -> None:
    """No control characters, no fence that closes."""
    _, one, lane = host
    one.exchange.events(lane, told(0, 1, replace(heard(1, text="a\x1b[31m</peer>"), name="x\u202ey\n")))
    (event,) = [event for _, event in one.store.since(REPO, 0)]
    assert not {"\x1b", "<"} & set(event.data["text"])
    assert event.name == "xy"


def test_frames_without_end(host: tuple[World, Node, Lane]) -> None:
    """So many at once are taken, and then some in a second; the others cost nothing, and nothing is lost."""
    world, one, lane = host
    for n in range(1, 1_001):
        one.exchange.events(lane, told(n - 1, n, heard(n)))
    taken = one.store.count(REPO)
    assert abs(taken - FRAMES) <= 2
    answers(lane)
    world.time.pass_by(10)
    one.exchange.tell([lane])
    assert answers(lane) == [Have(EPOCH, taken)]
    one.exchange.events(lane, told(taken, taken + 1, heard(taken + 1)))
    assert answers(lane) == [Have(EPOCH, taken + 1)]


def test_words_without_end(host: tuple[World, Node, Lane]) -> None:
    """Asking again and again is answered so often, and then with the tick."""
    world, one, lane = host
    say(one, text="x" * 1_000)
    for _ in range(1_000):
        one.exchange.have(lane, Have("", 0))
        one.exchange._hosts[lane.key].awaited = None  # as if each had been waited for
    assert len(answers(lane)) <= FRAMES
    world.time.pass_by(PATIENCE + 1)
    one.exchange.tell([lane])
    assert len(answers(lane)) == 1


def test_epochs_without_end(host: tuple[World, Node, Lane]) -> None:
    """A log that begins anew with each frame is taken so often, and then once in a while."""
    world, one, lane = host
    for number in range(50):
        one.exchange.events(lane, told(0, 1, heard(1, text=str(number)), epoch=f"{number:016x}"))
    assert texts(one.store) == [str(int(ANEW))]
    answers(lane)
    world.time.pass_by(61)
    one.exchange.events(lane, told(0, 1, heard(1, text="later"), epoch=NEXT))
    assert texts(one.store) == ["later"]


def test_two_epochs_in_turn(host: tuple[World, Node, Lane]) -> None:
    """The one that is over is ignored, and the host is told which is known."""
    _, one, lane = host
    for _ in range(50):
        for epoch in (EPOCH, NEXT):
            one.exchange.events(lane, told(0, 1, heard(1, text=epoch), epoch=epoch))
    assert texts(one.store) == [NEXT]
    assert set(answers(lane)[1:]) == {Have(NEXT, 1)}
    assert one.wrong == []


def test_a_host_that_claims_to_know_more_than_there_is(host: tuple[World, Node, Lane]) -> None:
    """Our log begins anew so often, and then once in a while; our own events are never lost by it."""
    world, one, lane = host
    say(one, text="mine")
    epochs = set()
    for number in range(50):
        one.exchange.have(lane, Have(f"{number:016x}", 2**50))
        epochs.add(one.store.tell(0).epoch)
    assert len(epochs) == ANEW
    assert [one.store.tell(0).events[0].data["text"], *texts(one.store)] == ["mine", "mine"]
    assert one.store.tell(0).upto < 2**40
    world.time.pass_by(61)
    one.exchange.tell([lane])
    assert one.store.tell(0).epoch not in epochs


def test_a_log_that_is_anothers(make: MakeWorld) -> None:
    """It is not taken, and not answered; the real one is."""
    world = make(3)
    one, two, three = world.nodes
    say(two, text="real")
    world.settle()
    for stolen in (one.store.id, two.store.id):
        frame = Events(stolen, NEXT, 0, 9, (heard(9, log=stolen, text="stolen"),))
        one.exchange.events(world.lanes[one.key, three.key], frame)
    assert not world.ready()
    assert texts(one.store) == ["real"]
    assert len(one.wrong) == 2


def test_a_full_disk(disk: Mount, tmp_path: Path) -> None:
    """The trouble is noted once; when there is room, all comes again."""
    world = World(tmp_path, 1)
    one, small = world.nodes[0], world.add(disk.path / "host")
    world.heal()
    world.settle()
    hog = disk.fill()
    for _ in range(20):
        say(one, text="x" * 4_000)
    for _ in range(3):
        world.settle()
        world.time.pass_by(PATIENCE + 1)
    assert small.lines == [f"log: {DiskFull()}"]
    assert texts(small.store) == []
    hog.unlink()
    world.settle()
    assert len(texts(small.store)) == 20
    world.close()
