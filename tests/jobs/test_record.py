"""What stands on disk of a job: written whole, read with care, and told from another's."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from peermesh.jobs import files, record
from peermesh.jobs.record import EndRecord, JobRecord, Listener
from tests.live.home import until

NOW = 1_000_000.0


@pytest.fixture
def job(tmp_path: Path) -> tuple[JobRecord, str]:
    """A job that was begun just now."""
    tell = (Listener(id="aaaaaaaa", name="session-a"), Listener(id="bbbbbbbb", name="b@box", host_key="00"))
    wanted = JobRecord(
        id="", name="build", argv=("make", "-j\udcff"), tell=tell, started=NOW, boot=files.boot_id()
    )
    return record.create(str(tmp_path), wanted)


def test_a_record_comes_back(job: tuple[JobRecord, str]) -> None:
    """As it was written, in a directory for its owner alone."""
    known, directory = job
    assert record.read_job(directory) == known
    assert record.is_job_id(known.id)
    assert os.stat(directory).st_mode & 0o777 == 0o700
    assert record.directories(str(Path(directory).parents[1])) == [directory]


def test_an_end_comes_back(job: tuple[JobRecord, str]) -> None:
    """The same for its end; a field of a later version is passed over."""
    end = EndRecord(code=3, ended=NOW, seconds=1.5, stderr=("err",), left=(7,), why="why")
    record.write_end(job[1], end)
    assert record.read_end(job[1]) == end
    files.write_json(job[1], files.END, {**files.read_json(job[1], files.END), "later": 1})
    assert record.read_end(job[1]) == end


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"v":1}', '{"id":"x","tell":[1]}', '{"id":"x","argv":3}', "\xff"]
)
def test_what_cannot_be_read(job: tuple[JobRecord, str], text: str) -> None:
    """A damaged record is none."""
    Path(job[1], files.JOB).write_bytes(text.encode("latin-1"))
    assert record.read_job(job[1]) is None


@pytest.mark.parametrize("text", ["", "../..", "k3m9x", "k3m9x22", "k3m9xu", "K3M9X2", "k3m9x/"])
def test_only_ids_become_paths(text: str) -> None:
    """A text of another form names no job."""
    assert not record.is_job_id(text)


def test_who_is_lost(job: tuple[JobRecord, str]) -> None:
    """A job is lost when nobody holds its lock, it has no end, and it had time to get a supervisor."""
    known, directory = job
    assert not record.is_lost(directory, known, NOW + 1.0)
    assert record.is_lost(directory, known, NOW + record.GRACE + 1.0)
    fd = files.take_lock(directory)
    assert record.is_supervised(directory)
    assert not record.is_lost(directory, known, NOW + record.GRACE + 1.0)
    os.close(fd)
    record.write_end(directory, EndRecord(code=0))
    assert not record.is_lost(directory, known, NOW + record.GRACE + 1.0)


def test_an_end_that_a_crash_tore_is_none(job: tuple[JobRecord, str]) -> None:
    """What was renamed and never reached the disk is told as lost, and written anew."""
    known, directory = job
    files.make_room(directory)
    os.replace(Path(directory, files.ROOM), Path(directory, files.END))
    assert record.is_lost(directory, known, NOW + record.GRACE + 1.0)
    record.write_end(directory, EndRecord(why=record.RESTARTED))
    assert not record.is_lost(directory, known, NOW + record.GRACE + 1.0)


def test_a_look_does_not_take_the_lock_away(job: tuple[JobRecord, str]) -> None:
    """A supervisor that starts while somebody looks has its lock a moment later."""
    looks = (
        "import sys, time; from peermesh.jobs import record\nwhile True: record.is_supervised(sys.argv[1])"
    )
    process = subprocess.Popen([sys.executable, "-c", looks, job[1]])
    try:
        for _ in range(200):
            os.close(files.take_lock(job[1]))
    finally:
        process.kill()
        process.wait()


def test_what_is_said_of_who_is_lost(job: tuple[JobRecord, str]) -> None:
    """That its supervisor died, or that the machine was restarted; of a watched one that nobody looked."""
    known = job[0]
    assert record.lost_end(known, NOW + 5.0) == EndRecord(ended=NOW + 5.0, seconds=5.0, why=record.DIED)
    assert record.lost_end(replace(known, boot="other"), NOW).why == record.RESTARTED
    assert record.lost_end(replace(known, kind=record.WATCH), NOW).why == record.UNSEEN


def test_a_number_that_was_given_again(job: tuple[JobRecord, str]) -> None:
    """A process of the same number that started at another time, or before the machine did, is another one."""
    watched = replace(job[0], kind=record.WATCH, pid=os.getpid(), start_time=files.start_time(os.getpid()))
    assert record.is_alive(watched)
    assert not record.is_lost(job[1], watched, NOW)
    assert not record.is_alive(replace(watched, boot="other"))
    if sys.platform == "linux":
        assert record.is_lost(job[1], replace(watched, start_time="1"), NOW)


def test_who_only_waits_for_its_parent_has_ended(job: tuple[JobRecord, str]) -> None:
    """A zombie is no process that runs."""
    process = subprocess.Popen(["true"])
    watched = replace(job[0], kind=record.WATCH, pid=process.pid)
    until(lambda: not record.is_alive(watched), "its end")
    process.wait()
    assert not record.is_alive(watched)


def test_nobody_hears_a_word_to_who_is_gone(job: tuple[JobRecord, str]) -> None:
    """To say `stop` to a job without a supervisor is no error, and is known."""
    assert not record.control(job[1], "stop")


def test_told_once(job: tuple[JobRecord, str]) -> None:
    """What was told is marked, and a job can be forgotten with all of it."""
    assert not record.is_told(job[1])
    record.mark_told(job[1])
    assert record.is_told(job[1])
    record.remove(job[1])
    assert not Path(job[1]).exists()
