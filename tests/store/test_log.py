"""The log of events: numbers, stamps, what others are told and tell, deletions, lost and restored files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from peermesh.core.events import STAMP_LEAP, STAMP_LIMIT, EventId, What, task_id
from peermesh.errors import DiskFull, ReadOnly, StoreBroken, StoreNewer
from peermesh.store import log_writer
from peermesh.store.log import EVENT_LIMIT, EVENTS_AT_ONCE, EVENTS_OF_A_HOST, KEPT_AT_ONCE, LogStore, Part
from peermesh.store.log_rows import KEY_LIMIT
from tests.store.boxes import ANN, BOB, CLEO, CLOCK
from tests.store.conftest import Mount
from tests.store.logs import (
    EPOCH,
    LAP,
    NEXT,
    OLD,
    REPO,
    bare,
    draft,
    heard,
    log,
    notes,
    part,
    say,
    texts,
)
from tests.store.test_damage import DAMAGES

ROOT = Path(__file__).parents[2]


# ---------------------------------------------------------------- saying


def test_numbers_and_stamps(tmp_path: Path) -> None:
    """Both rise by one with each event, and go on where they were when the file is opened again."""
    with log(tmp_path) as store:
        said = say(store, "a", "b")
        name = store.id
    with log(tmp_path) as store:
        said += say(store, "c")
        assert store.id == name
        assert [(one.id, one.stamp) for one in said] == [(EventId(name, n), n) for n in (1, 2, 3)]


def test_an_event_comes_back_as_it_was_said(tmp_path: Path) -> None:
    """All of it, in order of arrival, behind the place that was asked for."""
    with log(tmp_path) as store:
        one = store.say(draft("claim", path="src/é", lease=1.5, over=[["a" * 16, 3]]), CLOCK)
        other = store.say(draft(by=BOB, here=True), CLOCK + 1)
        store.say(draft(repo="remote:other"), CLOCK)
        (place, first), (last, second) = store.since(REPO, 0)
        assert (first, second) == (one, other)
        assert store.since(REPO, place) == [(last, other)]
        assert store.since(REPO, last) == []
        assert (store.count(REPO), store.counts(), store.last_seq()) == (
            2,
            {REPO: 2, "remote:other": 1},
            3,
        )


def test_check_then_say_is_one_step(tmp_path: Path) -> None:
    """Another process cannot say anything in between, and what fails says nothing."""
    with log(tmp_path) as store, log(tmp_path) as other:
        other._db.execute("PRAGMA busy_timeout=50")
        with store.writing() as writer:
            assert list(writer.each(REPO, 0)) == []
            with pytest.raises(StoreBroken, match="locked"):
                other.say(draft(), CLOCK)
            writer.say(draft(text="first"), CLOCK)
            assert [one.data["text"] for _, one in writer.each(REPO, 0)] == ["first"]
        with pytest.raises(TypeError), store.writing() as writer:
            [writer.say(draft(text=text), CLOCK) for text in ("lost", b"bytes")]
        (second,) = say(other, "second")
        assert (texts(store), second.id.n, second.stamp) == (["first", "second"], 2, 2)


def test_what_json_cannot_say(tmp_path: Path) -> None:
    """It is refused, and nothing of the step is kept."""
    with log(tmp_path) as store:
        for data in ({"text": b"bytes"}, {"text": float("nan")}):
            with pytest.raises((TypeError, ValueError)):
                store.say(draft(**data), CLOCK)
        with pytest.raises(StoreBroken):
            store.say(draft(text="\ud800"), CLOCK)
        assert (texts(store), store.due()) == ([], 0)


def test_what_changed(tmp_path: Path) -> None:
    """The revision changes with what this and another process write, and only then."""
    with log(tmp_path) as store, log(tmp_path) as other:
        seen = [store.revision()]
        assert store.revision() == seen[0]
        say(store, "a")
        seen.append(store.revision())
        say(other, "b")
        seen.append(store.revision())
        store.notebook.set_told(ANN, 1, {})
        seen.append(store.revision())
        store.since(REPO, 0)
        assert store.revision() == seen[-1]
        assert len(set(seen)) == 4


def test_a_stamp_that_cannot_rise(tmp_path: Path) -> None:
    """At its limit it stays, and events can still be said."""
    with log(tmp_path) as store:
        store._db.execute("UPDATE own SET stamp = ?", (STAMP_LIMIT,))
        assert [one.stamp for one in say(store, "a", "b")] == [STAMP_LIMIT] * 2


# ---------------------------------------------------------------- telling


def test_told_in_parts(tmp_path: Path) -> None:
    """At most so many at once, each part from where the last ended, and nothing twice."""
    with log(tmp_path) as store:
        said = say(store, *map(str, range(2 * EVENTS_AT_ONCE + 1)))
        after, told, sizes = 0, [], []
        while after < store.due():
            one = store.tell(after)
            assert (one.log, one.after, one.more) == (store.id, after, one.upto < store.due())
            after = one.upto
            told += one.events
            sizes.append(len(one.events))
        assert told == said
        assert sizes == [EVENTS_AT_ONCE, EVENTS_AT_ONCE, 1]
        assert store.tell(after) == Part(store.id, one.epoch, after, after)


def test_a_part_has_so_many_bytes(tmp_path: Path) -> None:
    """What is large is told in more parts; a single event always fits into one."""
    with log(tmp_path) as store:
        say(store, *["é" * 4_000] * 20)
        assert [len(store.tell(after, size=40_000).events) for after in (0, 4, 18)] == [4, 4, 2]
        one = store.tell(3, size=10)
        assert ([event.id.n for event in one.events], one.upto, one.more) == ([4], 4, True)
        assert not store.tell(19, size=10).more


def test_what_is_not_told(tmp_path: Path) -> None:
    """What was said for this host only, of directories, and what would not go into a frame."""
    with log(tmp_path) as store:
        store.say(draft(text="a"), CLOCK)
        store.say(draft(text="here", here=True), CLOCK)
        store.say(draft(text="b"), CLOCK)
        store.say(draft(text="dir", repo="dir:/srv/app"), CLOCK)
        store.say(draft(repo="remote:" + "x" * KEY_LIMIT), CLOCK)
        store.say(draft(text="x" * EVENT_LIMIT), CLOCK)
        told = store.tell(0)
        assert [one.data["text"] for one in told.events] == ["a", "b"]
        assert (told.upto, store.due()) == (3, 3)


def test_only_the_own_log_is_told(tmp_path: Path) -> None:
    """Nothing that another host told goes to a third."""
    with log(tmp_path) as store:
        store.take_in(LAP, notes(0, 3))
        say(store, "mine")
        assert [one.data["text"] for one in store.tell(0).events] == ["mine"]


# ---------------------------------------------------------------- hearing


def test_taken_in(tmp_path: Path) -> None:
    """What a host tells is kept, with its key, and our own stamps are larger from then on."""
    with log(tmp_path) as store:
        assert store.known(LAP) == ("", 0)
        taken = store.take_in(LAP, part(0, 5, heard(2, stamp=40), heard(4, stamp=70)))
        assert (taken.epoch, taken.upto, taken.changed, taken.strange) == (EPOCH, 5, True, 0)
        assert store.known(LAP) == (EPOCH, 5)
        found = [one for _, one in store.since(REPO, 0)]
        assert [bare(one) for one in found] == [bare(heard(2, stamp=40)), bare(heard(4, stamp=70))]
        assert {one.host_key for one in found} == {LAP}
        assert taken.events == tuple(found)
        assert say(store, "mine")[0].stamp == 71


@pytest.mark.parametrize(
    ("told", "upto"),
    [
        pytest.param(notes(0, 3), 3, id="the same again"),
        pytest.param(notes(1, 2), 3, id="a part of it"),
        pytest.param(notes(4, 6), 3, id="what comes later, without what is between"),
        pytest.param(notes(2, 6), 6, id="what overlaps"),
        pytest.param(part(3, 3), 3, id="nothing"),
        pytest.param(part(3, 9), 9, id="numbers of which nothing remains"),
        pytest.param(part(9, 9), 3, id="nothing, far ahead"),
        pytest.param(notes(5, 6, NEXT), 3, id="the middle of another epoch"),
    ],
)
def test_parts_in_any_order(tmp_path: Path, told: Part, upto: int) -> None:
    """Each event is taken once; what is known goes on without gaps."""
    with log(tmp_path) as store:
        store.take_in(LAP, notes(0, 3))
        taken = store.take_in(LAP, told)
        assert (taken.upto, taken.refused) == (upto, "")
        assert store.known(LAP) == (EPOCH, upto)
        assert texts(store) == [str(n) for n in range(1, min(upto, 6) + 1 if told.events else 4)]


def test_repeats_write_nothing(tmp_path: Path) -> None:
    """They must not wake every sidecar."""
    with log(tmp_path) as store:
        store.take_in(LAP, notes(0, 3))
        before = store.revision()
        assert not store.take_in(LAP, notes(0, 3)).changed
        assert not store.take_in(LAP, notes(5, 6)).changed
        assert store.revision() == before


def test_another_epoch(tmp_path: Path) -> None:
    """What that host does not tell again is void; what other hosts told, and ours, is not."""
    with log(tmp_path) as store:
        store.take_in(LAP, notes(0, 3))
        store.take_in(OLD, part(0, 1, heard(1, log="2" * 16, text="theirs"), epoch="c" * 16))
        say(store, "mine")
        before = store.generation()
        taken = store.take_in(LAP, part(0, 1, heard(1, text="anew"), epoch=NEXT))
        assert (taken.epoch, taken.upto, len(taken.events)) == (NEXT, 1, 1)
        assert texts(store) == ["theirs", "mine", "anew"]
        assert store.generation() != before


def test_another_epoch_in_parts(tmp_path: Path) -> None:
    """What was heard before and still counts stays where it is; the rest goes as soon as that is known."""
    with log(tmp_path) as store:
        store.take_in(LAP, notes(0, 9))
        places = {event.id.n: seq for seq, event in store.since(REPO, 0)}

        def numbers() -> list[int]:
            return [event.id.n for _, event in store.since(REPO, 0)]

        assert not store.take_in(LAP, part(0, 2, heard(1), heard(2), epoch=NEXT, more=True)).changed
        assert numbers() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
        taken = store.take_in(LAP, part(2, 5, heard(4), heard(5, text="other"), epoch=NEXT, more=True))
        assert [one.id.n for one in taken.events] == [5]
        assert numbers() == [1, 2, 4, 6, 7, 8, 9, 5]
        assert not store.take_in(LAP, part(0, 2, heard(1), heard(2), epoch=NEXT, more=True)).changed
        taken = store.take_in(LAP, part(5, 7, heard(7), epoch=NEXT))
        assert (taken.events, taken.changed) == ((), True)
        assert numbers() == [1, 2, 4, 7, 5]
        assert {n: places[n] for n in (1, 2, 4, 7)} == {
            event.id.n: seq for seq, event in store.since(REPO, 0) if event.id.n != 5
        }
        store.take_in(LAP, part(7, 9, heard(8, text="new"), epoch=NEXT))
        assert numbers() == [1, 2, 4, 7, 5, 8]


def test_another_epoch_before_the_last_was_told(tmp_path: Path) -> None:
    """What is left of the first counts no more than that of the second."""
    with log(tmp_path) as store:
        store.take_in(LAP, notes(0, 9))
        store.take_in(LAP, part(0, 2, heard(1), epoch=NEXT, more=True))
        store.take_in(LAP, part(0, 1, heard(1), epoch="d" * 16, more=True))
        assert store.count(REPO) == 8
        store.take_in(LAP, part(1, 3, heard(3), epoch="d" * 16))
        assert texts(store) == ["1", "3"]


def test_an_epoch_that_is_over(tmp_path: Path) -> None:
    """A late word from it is ignored, however often the two alternate."""
    with log(tmp_path) as store:
        store.take_in(LAP, notes(0, 3))
        store.take_in(LAP, notes(0, 1, NEXT))
        before = store.revision(), store.generation()
        for _ in range(20):
            taken = store.take_in(LAP, notes(0, 3))
            assert (taken.epoch, taken.upto, taken.changed) == (NEXT, 1, False)
        assert (store.revision(), store.generation()) == before


def test_a_new_log_of_the_same_host(tmp_path: Path) -> None:
    """Its file was lost: all that it told is, too."""
    with log(tmp_path) as store:
        store.take_in(LAP, notes(0, 3))
        store.take_in(LAP, part(0, 1, heard(1, log="2" * 16, text="anew"), epoch=NEXT))
        assert texts(store) == ["anew"]


def test_epochs_without_end(tmp_path: Path) -> None:
    """A host that begins anew again and again takes no more room than its last log."""
    with log(tmp_path) as store:
        for number in range(100):
            store.take_in(LAP, notes(0, 5, f"{number:016x}"))
        assert store.count(REPO) == 5
        (past,) = store._db.execute("SELECT past FROM logs").fetchone()
        assert len(past) < 1_000


def test_the_log_of_another(tmp_path: Path) -> None:
    """A host that tells a log that is ours, or another host's, is not listened to."""
    with log(tmp_path) as store:
        store.take_in(OLD, part(0, 1, heard(1, log="2" * 16), epoch="c" * 16))
        say(store, "mine")
        before = texts(store)
        for stolen in (store.id, "2" * 16):
            taken = store.take_in(LAP, part(0, 9, heard(2, log=stolen), epoch=NEXT))
            assert "another's" in taken.refused
        store.take_in(LAP, notes(0, 1))
        taken = store.take_in(LAP, part(1, 2, heard(2, log="3" * 16)))
        assert taken.refused, "another log in the same epoch"
        assert texts(store) == [*before, "1"]


def test_a_stamp_far_ahead(tmp_path: Path) -> None:
    """It would use up all stamps: the event is dropped and counted, and the others are taken."""
    with log(tmp_path) as store:
        far = heard(1, stamp=STAMP_LEAP + 1)
        taken = store.take_in(
            LAP, part(0, 3, far, heard(2, stamp=STAMP_LEAP), heard(3, stamp=STAMP_LEAP + 7))
        )
        assert ([one.id.n for one in taken.events], taken.strange, taken.upto) == ([2, 3], 1, 3)


def test_data_that_cannot_be_kept(tmp_path: Path) -> None:
    """Dropped and counted, and the others are taken."""
    with log(tmp_path) as store:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        odd = [heard(1, text=b"x"), heard(2, text=float("inf")), heard(3, text=deep)]
        taken = store.take_in(LAP, part(0, 4, *odd, heard(4)))
        assert ([one.id.n for one in taken.events], taken.strange) == ([4], 3)


def test_a_host_has_so_many_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it the oldest edits and notes go first; other hosts' are left alone."""
    monkeypatch.setattr(log_writer, "EVENTS_OF_A_HOST", 20)
    with log(tmp_path) as store:
        store.take_in(OLD, part(0, 1, heard(1, log="2" * 16, text="theirs"), epoch="c" * 16))
        tasks = [heard(n, What.TASK, title="t", text=f"task {n}") for n in range(1, 11)]
        store.take_in(LAP, part(0, 10, *tasks))
        before = store.generation()
        store.take_in(LAP, notes(10, 20))
        assert store.generation() == before
        assert store.take_in(LAP, notes(20, 21)).changed
        assert store.generation() != before
        kept = ["theirs", *(f"task {n}" for n in range(1, 11)), *map(str, range(14, 22))]
        assert texts(store) == kept
        store.take_in(LAP, part(21, 32, *(heard(n, What.TASK, text=f"task {n}") for n in range(22, 33))))
        assert len(texts(store)) == 1 + 18
        assert texts(store)[-1] == "task 32"
        assert "theirs" in texts(store)
        assert store.known(LAP) == (EPOCH, 32)


def test_forgetting_hosts(tmp_path: Path) -> None:
    """With all that they told; the others stay, and nothing is written if there is nothing to forget."""
    with log(tmp_path) as store:
        store.take_in(LAP, notes(0, 3))
        store.take_in(OLD, part(0, 1, heard(1, log="2" * 16, text="theirs"), epoch="c" * 16))
        before = store.generation()
        store.forget([LAP])
        assert (texts(store), store.known(LAP)) == (["theirs"], ("", 0))
        assert store.generation() != before
        seen = store.revision()
        store.forget([LAP])
        assert store.revision() == seen
        assert store.take_in(LAP, notes(0, 2)).upto == 2


# ---------------------------------------------------------------- deleting


def both(tmp_path: Path) -> tuple[Any, Any]:
    """Two hosts' logs."""
    return log(tmp_path / "one"), log(tmp_path / "two", 0xB0)


def catch_up(teller: LogStore, hearer: LogStore, *, heard_cut: int = -1) -> Part:
    """One host tells another all that it does not know; the last part."""
    while True:
        _, upto = hearer.known(LAP)
        one = teller.tell(upto, heard_cut)
        heard_cut = one.cut
        assert hearer.take_in(LAP, one).refused == ""
        if not one.more:
            return one


def test_compacted(tmp_path: Path) -> None:
    """What is not needed is gone; numbers are not used again, and pictures are to be made anew."""
    with log(tmp_path) as store:
        said = say(store, "a", "b", "c", "d")
        say(store, "other", repo="remote:other")
        before, upto = store.generation(), store.since(REPO, 0)[-2][0]
        assert store.compact(REPO, {said[1].id}, upto) == 2
        assert (texts(store), texts(store, "remote:other")) == (["b", "d"], ["other"])
        assert store.generation() != before
        assert say(store, "e")[0].id.n > 5
        seen = store.revision()
        assert store.compact(REPO, {said[1].id}, upto) == 0
        assert store.revision() == seen


def test_the_last_number_is_not_used_again(tmp_path: Path) -> None:
    """Also when its event is gone, and the file was opened again."""
    with log(tmp_path) as store:
        say(store, "a", "b")
        store.compact(REPO, [], store.last_seq())
    with log(tmp_path) as store:
        (one,) = say(store, "c")
        assert (one.id.n, one.stamp) == (4, 3)


def test_others_hear_what_was_deleted(tmp_path: Path) -> None:
    """Who had it deletes it, who had not never hears of it; both then hold what its origin holds."""
    with both(tmp_path)[0] as store, both(tmp_path)[1] as near, log(tmp_path / "far", 0xC0) as far:
        said = say(store, *"abcdef")
        catch_up(store, near)
        store.compact(REPO, {said[n].id for n in (1, 3)}, store.last_seq())
        told = store.tell(6)
        assert (told.kept, told.events, told.upto) == ((2, 4), (), 7)
        before = near.generation()
        catch_up(store, near)
        assert near.generation() != before
        say(store, "g")
        for other in (near, far):
            catch_up(store, other)
            assert texts(other) == ["b", "d", "g"]


def test_a_deletion_is_told_once(tmp_path: Path) -> None:
    """Not with each part that follows it, unless another came."""
    with log(tmp_path) as store:
        said = say(store, *map(str, range(10)))
        store.compact(REPO, {one.id for one in said[1:]}, store.last_seq())
        first = store.tell(3, most=2)
        assert (first.kept, first.cut) == ((2, 3), 11)
        second = store.tell(first.upto, first.cut, most=2)
        assert (second.kept, [one.id.n for one in second.events]) == (None, [6, 7])
        store.compact(REPO, {one.id for one in said[2:]}, store.last_seq())
        assert store.tell(second.upto, second.cut).kept == (3, 4, 5, 6, 7)
        assert store.tell(12, first.cut).kept is None


def test_deletions_out_of_order(tmp_path: Path) -> None:
    """What came before the deletion and is late brings nothing back; what overlaps it deletes, too."""
    with both(tmp_path)[0] as store, both(tmp_path)[1] as other:
        said = say(store, *"abcdef")
        early = [store.tell(0), store.tell(2)]
        other.take_in(LAP, early[0])
        store.compact(REPO, {said[5].id}, store.last_seq())
        late = store.tell(3)
        assert other.take_in(LAP, late).upto == 7
        assert texts(other) == ["f"]
        for one in (*early, late, store.tell(0)):
            assert not other.take_in(LAP, one).changed
        assert texts(other) == ["f"]


def test_a_deletion_of_what_was_not_told(tmp_path: Path) -> None:
    """Others need not hear of it."""
    with log(tmp_path) as store:
        say(store, "a")
        store.say(draft(here=True), CLOCK)
        assert store.compact(REPO, {EventId(store.id, 1)}, store.last_seq()) == 1
        assert (store.due(), store.tell(1).kept) == (1, None)


def test_copies_are_their_origins_to_delete(tmp_path: Path) -> None:
    """A compaction here takes nothing from them, nor kinds that only later versions know."""
    with log(tmp_path) as store:
        store.take_in(LAP, notes(0, 3))
        store.say(draft("mood", text="later"), CLOCK)
        say(store, "mine")
        assert store.compact(REPO, [], store.last_seq()) == 1
        assert texts(store) == ["1", "2", "3", "later"]


def test_what_was_said_of_a_task_stays_as_long_as_the_task(tmp_path: Path) -> None:
    """Else the board of somebody who still has the task would show it as open."""
    with log(tmp_path) as store:
        task = heard(1, What.TASK, title="t")
        store.take_in(LAP, part(0, 1, task))
        one = task_id(task.id)
        kept = [
            store.say(draft(What.TAKE, task=one, to=ANN), CLOCK),
            store.say(draft(What.DONE, task=one), CLOCK),
            store.say(draft(What.GONE, died=True), CLOCK),
        ]
        store.say(draft(What.DONE, task="zzzzzzzz"), CLOCK)
        store.say(draft(What.GONE, by=CLEO, died=True), CLOCK)
        assert store.compact(REPO, [], store.last_seq()) == 2
        assert [one for _, one in store.since(REPO, 0)][1:] == kept
        store.take_in(LAP, part(1, 2, kept=()))
        assert store.compact(REPO, [], store.last_seq()) == 3
        assert store.count(REPO) == 0


def test_more_is_kept_than_one_part_can_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are named: a copy has no room for more anyway."""
    assert KEPT_AT_ONCE == EVENTS_OF_A_HOST
    monkeypatch.setattr("peermesh.store.log.KEPT_AT_ONCE", 3)
    with log(tmp_path) as store:
        said = say(store, *map(str, range(8)))
        store.compact(REPO, {one.id for one in said[1:]}, store.last_seq())
        assert store.tell(7).kept == (5, 6, 7)


# ---------------------------------------------------------------- older copies that were put back


def copied(store: LogStore, to: Path) -> None:
    """A copy of the file as it is now."""
    with sqlite3.connect(to) as copy:
        store._db.backup(copy)
    copy.close()


def put_back(root: Path, copy: Path) -> None:
    """Put the copy in the place of the file."""
    for end in ("", "-wal", "-shm"):
        (root / f"log.db{end}").unlink(missing_ok=True)
    shutil.copy(copy, root / "log.db")


def test_a_host_that_holds_what_it_was_told(tmp_path: Path) -> None:
    """It is told what is behind that; one that holds nothing, or an epoch that is over, all."""
    with log(tmp_path) as store:
        say(store, *"abc")
        epoch = store.tell(0).epoch
        store.sending({LAP: 2})
        assert [store.position(LAP, epoch, n) for n in (0, 1, 2)] == [0, 1, 2]
        assert store.position(LAP, "", 0) == 0
        assert store.position(LAP, epoch, 3) is None, "that it was never told"
        assert store.position(OLD, epoch, 1) is None, "nor was this one"
        store.sending({LAP: 1})
        assert store.position(LAP, epoch, 2) == 2, "what was sent stays sent"


def test_reborn(tmp_path: Path) -> None:
    """A log that others know better begins another epoch: same name, same ids, all is told again."""
    root, copy = tmp_path / "one", tmp_path / "copy"
    with log(root) as store, log(tmp_path / "two", 0xB0) as other:
        say(store, *"ab")
        store.sending({OLD: 2})
        copied(store, copy)
        say(store, *"cde")
        store.sending({OLD: 5})
        catch_up(store, other)
        name = store.id
        store.close()
        put_back(root, copy)
        (root / "log.mark").unlink()  # by which it would be found out at once
        with log(root, 0xD0) as back:
            epoch, upto = other.known(LAP)
            assert back.position(OLD, epoch, upto) is None
            (lost,) = say(back, "x")
            back.reborn(epoch, upto)
            assert (back.id, back.position(OLD, epoch, upto)) == (name, 0)
            (new,) = say(back, "y")
            assert (lost.id.n, new.id.n) == (3, 7), "5 was used, and the new epoch itself took 6"
            other.take_in(LAP, back.tell(0))
            assert texts(other) == texts(back) == ["a", "b", "x", "y"]
            assert [one.id for _, one in other.since(REPO, 0)] == [EventId(name, n) for n in (1, 2, 3, 7)]


def test_reborn_with_nothing_to_tell(tmp_path: Path) -> None:
    """That nothing remains is told, too."""
    with log(tmp_path) as store:
        store.reborn(EPOCH, 5)
        assert store.position(LAP, EPOCH, 5) == 0
        told = store.tell(0)
        assert (told.events, told.upto, store.due()) == ((), 6, 6)


def test_an_epoch_that_was_never_known(tmp_path: Path) -> None:
    """Somebody holds one: begin anew once, and it is over."""
    with log(tmp_path) as store:
        assert store.position(LAP, EPOCH, 3) is None
        store.reborn(EPOCH, 3)
        assert store.position(LAP, EPOCH, 3) == store.position(OLD, EPOCH, 2) == 0
        assert store.position(LAP, NEXT, 1) is None


def test_numbers_are_not_used_up(tmp_path: Path) -> None:
    """Whatever number somebody claims to know."""
    with log(tmp_path) as store:
        for number in range(200):
            store.reborn(f"{number:016x}", STAMP_LIMIT)
        assert say(store, "a")[0].id.n < STAMP_LIMIT
        (past,) = store._db.execute("SELECT past FROM own").fetchone()
        assert len(past) < 2_000


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside_with_a_word(tmp_path: Path, damage: Any) -> None:
    """A new log with another name takes its place."""
    with log(tmp_path) as store:
        say(store, *map(str, range(200)))
        name = store.id
    damage(tmp_path / "log.db")
    with log(tmp_path, 0xE0) as store:
        assert store.set_aside is not None
        assert Path(store.set_aside).exists()
        assert store.id != name
        assert [one.id.n for one in say(store, "a")] == [1]
    with log(tmp_path) as store:
        assert (store.set_aside, texts(store)) == (None, ["a"])


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """And stays as it was, to the byte."""
    db = sqlite3.connect(tmp_path / "log.db")
    db.executescript("CREATE TABLE events (a); PRAGMA user_version=99")
    db.close()
    was = (tmp_path / "log.db").read_bytes()
    with pytest.raises(StoreNewer), log(tmp_path):
        pass
    assert (tmp_path / "log.db").read_bytes() == was


def test_a_full_disk(disk: Mount) -> None:
    """Nothing is said or taken in, which is told; what was there stays, and it goes on when there is room."""
    with log(disk.path) as store:
        say(store, "a")
        hog = disk.fill()
        with pytest.raises(DiskFull):
            say(store, "x" * 200_000)
        with pytest.raises(DiskFull):
            store.take_in(LAP, part(0, 1, heard(1, text="x" * 200_000)))
        assert (texts(store), store.known(LAP), store.due()) == (["a"], ("", 0), 1)
        hog.unlink()
        assert say(store, "b")[0].id.n == 2
    with log(disk.path) as store:
        assert (store.set_aside, texts(store)) == (None, ["a", "b"])


def test_a_read_only_disk(disk: Mount) -> None:
    """It is said, as such."""
    with log(disk.path):
        pass
    disk.read_only(on=True)
    with pytest.raises(ReadOnly), log(disk.path):
        pass


def test_who_died_as_it_was_made(tmp_path: Path) -> None:
    """A file without its own row gets one."""
    with log(tmp_path) as store:
        store._db.execute("DELETE FROM own")
    with log(tmp_path, 0xE0) as store:
        assert store.id == f"{0xE0:016x}"
        say(store, "a")


def test_a_file_that_was_set_aside_by_another_process(tmp_path: Path) -> None:
    """Who has the old one open follows to the new one, which is another log."""
    with log(tmp_path) as store:
        say(store, "old")
        before = store.revision(), store.generation(), store.id
        for end in ("", "-wal", "-shm"):
            os.replace(tmp_path / f"log.db{end}", tmp_path / f"aside{end}")
        with log(tmp_path, 0xE0) as other:
            say(other, "new")
            assert store.revision() != before[0]
            assert store.generation() != before[1]
            assert store.id == other.id != before[2]
            assert texts(store) == ["new"]
        assert store.openings == 2


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """It is made again."""
    with log(tmp_path) as store:
        for one in tmp_path.iterdir():
            one.unlink()
        store.revision()
        say(store, "a")
        assert (tmp_path / "log.db").exists()


def test_a_file_that_cannot_be_made_again(tmp_path: Path) -> None:
    """That is said each time in a sentence, and it goes on as soon as the file can be made."""
    root, away = tmp_path / "peer", tmp_path / "away"
    root.mkdir()
    with closing(LogStore(str(root), boot="this run")) as store:  # as a sidecar opens it
        say(store, "old")
        root.rename(away)
        for use in (store.revision, store.sign, store.generation, lambda: say(store, "lost")):
            with pytest.raises(ReadOnly, match="No such file"):
                use()
        root.mkdir()
        assert say(store, "new")
        assert texts(store) == ["new"]


def test_a_file_that_was_closed(tmp_path: Path) -> None:
    """It is not opened again by who comes late: in what stands there by then, nobody knows of it."""
    with log(tmp_path) as store:
        say(store, "a")
    with pytest.raises(StoreBroken, match="is closed"):
        store.last_seq()


RACE = """
import sys
sys.path.append(sys.argv[1])
from peermesh.core.events import Draft
from peermesh.store.log import LogStore
sys.stdin.readline()
store = LogStore(sys.argv[2])
for number in range(20):
    said = store.say(Draft(by="aaaaaaaa", name="a", repo="remote:x", kind="note", data={"text": "x"}), 1.0)
    print(said.id.log, said.id.n, said.stamp)
print(store.set_aside)
"""


def test_processes_that_say_at_once(tmp_path: Path) -> None:
    """One log, in which each number and stamp is used once, without gaps; none takes the file for damaged."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(ROOT), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for run in runs:
        assert run.stdin
        run.stdin.write("go\n")
        run.stdin.flush()
    lines = [line for run in runs for line in run.communicate(timeout=60)[0].splitlines()]
    said = [line.split() for line in lines if line != "None"]
    assert len(lines) == len(said) + 4
    assert len({name for name, _, _ in said}) == 1
    assert sorted(int(n) for _, n, _ in said) == sorted(int(s) for _, _, s in said) == list(range(1, 81))


# ---------------------------------------------------------------- the notebook


def test_the_notebook(tmp_path: Path) -> None:
    """Each peer's state and place, each repo's mode; kept over opening again."""
    with log(tmp_path) as store:
        book = store.notebook
        assert (book.state_get(ANN, "plan"), book.state_all(ANN), book.told(ANN), book.mode(REPO)) == (
            None,
            [],
            None,
            "",
        )
        book.state_set(ANN, "plan", "tests first", CLOCK)
        book.state_set(ANN, "plan", "ship", CLOCK + 1)
        book.state_set(ANN, "é", "x", CLOCK)
        book.state_set(BOB, "plan", "other", CLOCK)
        book.set_told(ANN, 5, {})
        book.set_told(ANN, 7, {"branch": "é"})
        book.set_mode(REPO, "ask")
    with log(tmp_path) as store:
        book = store.notebook
        assert book.state_get(ANN, "plan") == "ship"
        assert book.state_all(ANN) == [("plan", "ship", CLOCK + 1), ("é", "x", CLOCK)]
        assert (book.told(ANN), book.mode(REPO)) == ((7, {"branch": "é"}), "ask")
        book.state_clear(ANN, "plan")
        assert [key for key, _, _ in book.state_all(ANN)] == ["é"]
        book.state_clear(ANN)
        book.set_mode(REPO, "")
        assert (book.state_all(ANN), book.mode(REPO), book.state_get(BOB, "plan")) == ([], "", "other")
        book.forget(ANN)
        assert (book.told(ANN), book.state_get(BOB, "plan")) == (None, "other")


# ---------------------------------------------------------------- how long it takes


def took(work: Any, times: int) -> float:
    """The best of a few runs, in seconds for each call."""
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(times):
            work()
        best = min(best, (time.perf_counter() - begin) / times)
    return best


def test_figures(tmp_path: Path) -> None:
    """With 20,000 events: what is asked at every hook costs microseconds, a part milliseconds."""
    with both(tmp_path)[0] as store, both(tmp_path)[1] as other:
        for one in (store, other):
            one._db.execute("PRAGMA synchronous=OFF")
        with store.writing() as writer:
            for number in range(20_000):
                writer.say(draft(text=f"note {number}"), CLOCK)
        last = store.last_seq()
        revision, generation = took(store.revision, 200), took(store.generation, 200)
        nothing = took(lambda: store.since(REPO, last), 200)
        begin = time.perf_counter()
        parts = 0
        while other.known(LAP)[1] < store.due():
            other.take_in(LAP, store.tell(other.known(LAP)[1]))
            parts += 1
        a_part = (time.perf_counter() - begin) / parts
        said = took(lambda: say(store, "x"), 50)
        begin = time.perf_counter()
        assert len(other.since(REPO, 0)) >= 18_000
        whole = time.perf_counter() - begin
        print(
            f"revision {revision * 1e6:.0f} µs, generation {generation * 1e6:.0f} µs, nothing new"
            f" {nothing * 1e6:.0f} µs, 200 told and taken in {a_part * 1e3:.1f} ms, said without sync"
            f" {said * 1e6:.0f} µs, all 20,000 read {whole * 1e3:.0f} ms"
        )
        # Far above what it takes, far below what would be felt.
        assert max(revision, generation, nothing) < 1e-3
        assert a_part < 0.2
