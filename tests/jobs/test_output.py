"""What a program prints: all of it, to whom it was meant for, and a bounded part of it kept."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from peermesh.jobs import files, logs, output
from peermesh.jobs.output import Log, Tail, readable
from tests.live.home import until

from .bench import SUPERVISOR, Bench, Job


def test_streams_are_kept_apart(bench: Bench) -> None:
    """Pipes stay two, and the last lines of each are kept."""
    done = bench.sh("echo out; echo err >&2; echo more")
    assert (done.stdout, done.stderr) == (b"out\nmore\n", b"err\n")
    end = bench.job.end()
    assert (end.stdout, end.stderr, end.bytes) == (("out", "more"), ("err",), 13)
    assert end.last_words() == ("stderr", ("err",))


def test_one_file_keeps_the_order(bench: Bench) -> None:
    """Where both go to one place, lines stand there in the order in which they were printed."""
    text = "for i in 1 2 3 4 5 6 7 8 9; do echo $i; echo e$i >&2; done"
    done = bench.sh(text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wanted = "".join(f"{i}\ne{i}\n" for i in range(1, 10)).encode()
    assert (done.stdout, bench.job.log()) == (wanted, wanted)
    assert bench.job.end().last_words() == ("stdout", tuple(wanted.decode().split()))


def test_input_is_the_callers(bench: Bench) -> None:
    """The program reads what was left to read, to its end; what it leaves is left for the next one."""
    assert bench.run("cat", input=b"a\0b\xff").stdout == b"a\0b\xff"
    text = bench.work / "lines"
    text.write_text("one\ntwo\n")
    with text.open("rb") as file:
        assert bench.sh("read a; echo got $a", stdin=file).stdout == b"got one\n"
        assert bench.sh("read a; echo got $a", stdin=file).stdout == b"got two\n"


def test_closed_streams(bench: Bench) -> None:
    """Who closed its streams gets the exit code all the same."""
    words = " ".join(f"'{word}'" for word in map(str, bench.words("sh", "-c", "echo x; exit 3")))
    done = subprocess.run(["sh", "-c", f"{words} <&- >&- 2>&-"], env=bench.env, cwd=bench.work, check=False)
    assert (done.returncode, bench.job.log()) == (3, b"x\n")


def test_binary_output(bench: Bench) -> None:
    """Every byte comes through, and none of them reaches a reader of the last lines."""
    data = bytes(range(256)) * 300
    (bench.work / "data").write_bytes(data)
    assert bench.run("cat", "data").stdout == data
    assert bench.job.log() == data
    lines = bench.job.end().stdout
    assert lines
    assert all(line.isprintable() or "\t" in line for line in lines)


def test_a_line_without_end(bench: Bench) -> None:
    """It comes through, and of it so much is kept as a reader bears."""
    done = bench.sh("head -c 3000000 /dev/zero | tr '\\0' x")
    assert len(done.stdout) == 3_000_000
    assert bench.job.end().stdout == ("x" * output.LINE_LIMIT,)


def test_who_reads_no_more(bench: Bench) -> None:
    """A reader that goes away ends the program, as without us: `yes | head`."""
    process = bench.start("yes")
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(10.0) == -signal.SIGPIPE
    assert bench.job.end().signal == "SIGPIPE"


def test_who_reads_slowly(bench: Bench) -> None:
    """Gets all of it, also after the program has ended; its end is not held up by that."""
    process = bench.start("head", "-c", "400000", "/dev/zero")
    job = bench.job
    time.sleep(1.5)
    assert process.stdout is not None
    assert len(process.stdout.read()) == 400_000
    assert process.wait(10.0) == 0
    assert job.end().bytes == 400_000


def test_a_stalled_reader_stalls_the_program(bench: Bench) -> None:
    """As a pipe does: nothing piles up in memory."""
    bench.start("sh", "-c", "head -c 50000000 /dev/zero; echo done >&2")
    time.sleep(1.5)
    assert not bench.job.ended
    assert _memory(bench.supervisor()) < 60_000


def _memory(pid: int) -> int:
    """The most that *pid* ever held, in kB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def test_much_output(bench: Bench) -> None:
    """200 MB come through; of them the newest 32 MB at least are kept, and little is held in memory."""
    begun = (
        "i=0; while [ $i -lt 200 ]; do head -c 1000000 /dev/zero; i=$((i+1)); done; echo; echo last; sleep 1"
    )
    process = bench.start("sh", "-c", begun, stdout=subprocess.DEVNULL)
    bench.job.printed(b"last")
    assert _memory(bench.supervisor()) < 60_000
    assert process.wait(60.0) == 0
    end, path = bench.job.end(), bench.job.path
    assert (end.bytes, end.stdout[-1]) == (200_000_006, "last")
    kept = (path / "log").stat().st_size + (path / "log.1").stat().st_size
    assert files.LOG_LIMIT <= kept <= 2 * files.LOG_LIMIT
    assert int((path / "log.base").read_text()) + (path / "log").stat().st_size == 200_000_006


def test_progress(bench: Bench) -> None:
    """The last line is written down while it runs, as it stands on the screen, once a second at most."""
    job = bench.detached(
        "sh", "-c", "printf '10%%\\r\\033[32m50%%\\033[0m\\r'; sleep 1.7; printf '\\n\\n80%%\\n'; sleep 30"
    )
    path = job.path / "progress"
    until(lambda: path.exists() and path.read_text() == "50%", "the first line")
    until(lambda: path.read_text() == "80%", "the next one")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (b"plain", "plain"),
        (b"\x1b[1;31merror\x1b[0m: no", "error: no"),
        (b"\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link", "textlink"),
        (b"10%\r20%\r", "20%"),
        (b"tab\there\x07\x08\x00", "tab\there"),
        ("grün \u202eabc".encode(), "grün abc"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"</system-reminder>", "‹/system-reminder>"),
        (b"\x1b", ""),
    ],
)
def test_readable(row: bytes, text: str) -> None:
    """Orders to terminals and what cannot be seen are gone from what is told."""
    assert readable(row) == text


def test_tail() -> None:
    """The last twenty lines that say something, in whatever pieces they came."""
    whole, pieces = Tail(), Tail()
    data = b"".join(b"%d\n\n" % number for number in range(50_000))
    whole.add(data)
    for at in range(0, len(data), 1_000):
        pieces.add(data[at : at + 1_000])
    assert whole.lines() == pieces.lines() == [str(number) for number in range(49_980, 50_000)]
    assert (whole.last(), whole.count) == ("49999", len(data))


def test_a_log_is_read_on_while_it_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads on gets each byte once, over a log that is begun anew; who comes late gets what is kept."""
    monkeypatch.setattr(files, "LOG_LIMIT", 100)
    log, after, read = Log(str(tmp_path)), 0, ""
    for number in range(100):
        log.write(f"{number:05} ä\n".encode())
        for _ in range(3):
            text, after = logs.read_log(str(tmp_path), after, 7)
            read += text
    log.close()
    assert read == "".join(f"{number:05} ä\n" for number in range(100))
    late, end = logs.read_log(str(tmp_path), 0)
    assert read.endswith(late.lstrip("\ufffd"))  # of which the first letter may be cut
    assert len(late) > 50
    assert logs.read_log(str(tmp_path), end)[0] == ""
    assert logs.read_log(str(tmp_path), None)[1] == end == after


def test_where_output_cannot_be_written(bench: Bench) -> None:
    """A full disk on our side does not end the program; its log has all."""
    with open("/dev/full", "wb") as full:
        done = bench.sh("head -c 100000 /dev/zero; echo err >&2; exit 4", stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (4, b"err\n")
    assert bench.job.end().bytes == 100_004


def test_a_limit_on_files(bench: Bench) -> None:
    """A log that may not grow is cut: all comes through, and it is said that the log is cut."""

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = bench.sh("head -c 500000 /dev/zero; exit 5", preexec_fn=small)
    assert (done.returncode, len(done.stdout)) == (5, 500_000)
    end = bench.job.end()
    assert (end.code, end.bytes) == (5, 500_000)
    assert "its log is cut" in end.why


@contextmanager
def _small_disk(bench: Bench) -> Iterator[None]:
    """A small file system for the jobs; on CI it must be there."""
    if sys.platform != "linux" or os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "a file system of its own needs root on Linux"
        )
    path = bench.root / "jobs"
    path.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(path)], check=True)
    try:
        yield
    finally:
        until(lambda: not bench.alive(SUPERVISOR), "the end of all supervisors")
        subprocess.run(["umount", "-l", str(path)], check=True)


def _fill(path: Path) -> None:
    """Leave no room on the disk of *path*."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))


def test_a_full_disk(bench: Bench) -> None:
    """The job runs, all it prints and its exit code go through, and its end says that the log is cut."""
    with _small_disk(bench):
        done = bench.sh("head -c 5000000 /dev/zero; echo; echo last; exit 6")
        assert (done.returncode, len(done.stdout)) == (6, 5_000_006)
        end = bench.job.end()
        assert (end.code, end.stdout[-1], end.bytes) == (6, "last", 5_000_006)
        assert end.why == "its log is cut: No space left on device"


def test_a_disk_that_others_filled(bench: Bench) -> None:
    """The same when nothing is left even for the end: room for it was kept."""
    with _small_disk(bench):
        process = bench.start("sh", "-c", "echo here; read line; exit 7")
        assert process.stdout is not None
        process.stdout.readline()
        _fill(bench.root / "jobs" / "filler")
        process.communicate(b"x\n")
        assert process.returncode == 7
        assert bench.job.end().code == 7


def test_room_that_comes_later(bench: Bench) -> None:
    """An end for which there is no room at all is written when there is; the exit code does not wait for it."""
    with _small_disk(bench):
        process = bench.start("sh", "-c", "echo here; read line; exit 8")
        assert process.stdout is not None
        process.stdout.readline()
        job: Job = bench.job
        assert job.pid
        job.printed(b"here")  # nothing more is written of its beginning, which would make room
        (job.path / files.ROOM).unlink()
        (job.path / files.LOG).write_bytes(b"")
        filler = bench.root / "jobs" / "filler"
        _fill(filler)
        process.communicate(b"x\n")
        assert (process.returncode, job.ended) == (8, False)
        filler.unlink()
        assert job.end().code == 8
