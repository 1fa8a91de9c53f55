"""Sending: to *safe*, as a whole command, until a waiting hook has the text, and many in flight; beside hcom, and
beside what ZeroMQ, SQLite and the interpreter alone can do on this machine in this run. Takes about a minute.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing import get_context

import rival
import zmq
from sides import Ours, Theirs
from stage import Stage, interleaved, ms, stage, timed

ONE = int(os.environ.get("BENCH_ONE", "500"))
MANY = int(os.environ.get("BENCH_MANY", "5000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "30"))
BODY = "x" * 200

# As many are on their way at once as a link of peer allows.
WINDOW = 256
PATIENCE_MS = 60_000

# Lines of the table that have a bound.
SAFE, WHOLE = "send to *safe*, one in flight", "`peer send`, the whole command"
WAITED = "`peer send`, until the waiting hook has ended"
DOOR = "a send through an open door, until the waiting hook has ended"

TRIP, COMMIT = "bare: ZeroMQ round trip over ipc", "bare: SQLite commit, fully synced"
PYTHON = "bare: `python3 -I -S -c pass`"

PEER = [os.path.join(os.path.dirname(sys.executable), "peer"), "send"]


def many(here: Stage, to: str) -> float:
    """Messages a second when all are sent without waiting, until the last is safe; their order is looked at."""
    door = here.open("a")
    began = time.perf_counter()

    def feed() -> None:
        for number in range(1, MANY + 1):
            body = f"{number:08d}{BODY[8:]}"
            door.write("send", number, {"to": to, "body": body, "wait": "safe", "within": 60})

    feeder = threading.Thread(target=feed)
    feeder.start()
    for _ in range(MANY):
        answer = door.read()
        assert answer["ok"]["messages"][0]["state"] == "safe", answer
    took = time.perf_counter() - began
    feeder.join()
    store = os.path.join(here.home, "session", "b", "mail.db")
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT substr(body, 1, 8) FROM inbox ORDER BY seq DESC LIMIT ?", (MANY,))
        assert [int(number) for (number,) in rows] == list(range(MANY, 0, -1)), "the order is not kept"
    return MANY / took


def database(path: str) -> sqlite3.Connection:
    """A fully synced one with a table."""
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (body TEXT)")
    return db


def small(us: Ours) -> dict[str, list[float]]:
    """Seconds of a send to *safe* through an open door, one at a time, and of the parts that it cannot do without."""
    home = us.here.home
    db = database(os.path.join(home, "bare.db"))
    file = os.open(os.path.join(home, "bare.txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    context = zmq.Context()
    router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    router.bind(f"ipc://{home}/bare")
    dealer.connect(f"ipc://{home}/bare")
    one, two = socket.socketpair()

    def trip() -> None:
        dealer.send(BODY.encode())
        route, body = router.recv_multipart()
        router.send_multipart([route, body])
        dealer.recv()

    def socket_trip() -> None:
        one.send(BODY.encode())
        two.send(two.recv(4096))
        one.recv(4096)

    def append() -> None:
        os.write(file, BODY.encode())
        os.fsync(file)

    found = interleaved(
        {
            SAFE: lambda: us.send(BODY),
            TRIP: trip,
            "bare: Unix socket round trip": socket_trip,
            "bare: 200 bytes appended and synced": append,
            COMMIT: lambda: db.execute("INSERT INTO t VALUES (?)", (BODY,)),
        },
        ONE,
    )
    context.destroy(linger=0)
    db.close()
    os.close(file)
    one.close()
    two.close()
    return found


def _keep(endpoint: str, path: str, count: int) -> None:
    """In a process of its own: commit what came, as much as there is at a time, then acknowledge it."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.bind(endpoint)
    db = database(path)
    while count:
        batch = [router.recv_multipart()]
        while len(batch) < WINDOW and router.poll(0):
            batch.append(router.recv_multipart())
        db.execute("BEGIN")
        db.executemany("INSERT INTO t VALUES (?)", [(body,) for _, body in batch])
        db.execute("COMMIT")
        for route, _ in batch:
            router.send_multipart([route, b""])
        count -= len(batch)
    context.destroy(linger=1000)


def bare_many(here: Stage) -> float:
    """Messages a second of ZeroMQ and SQLite alone: committed and synced on both sides, then acknowledged."""
    endpoint, count = f"ipc://{here.home}/bare-many", max(MANY, 20_000)
    keeper = get_context("fork").Process(target=_keep, args=(endpoint, f"{here.home}/in.db", count))
    keeper.start()
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.connect(endpoint)
    db = database(f"{here.home}/out.db")
    sent = acknowledged = 0
    began = time.perf_counter()
    while acknowledged < count:
        room = min(WINDOW - (sent - acknowledged), count - sent)
        if room >= WINDOW // 4 or room == count - sent > 0:
            db.execute("BEGIN")
            db.executemany("INSERT INTO t VALUES (?)", [(BODY,)] * room)
            db.execute("COMMIT")
            for _ in range(room):
                dealer.send(BODY.encode())
            sent += room
        if not dealer.poll(PATIENCE_MS):
            raise TimeoutError("the bare receiver says nothing")
        dealer.recv()
        acknowledged += 1
    took = time.perf_counter() - began
    keeper.join()
    context.destroy(linger=0)
    db.close()
    return count / took


def delivered(us: Ours, them: Theirs | None) -> dict[str, list[float]]:
    """Seconds from the start of a send until the hook that waits has the text and has ended, by three ways."""
    found: dict[str, list[float]] = {}
    env, to = us.here.environment("a"), us.to
    for number in range(ROUNDS + 1):
        ways = {
            WAITED: lambda: subprocess.run([*PEER, to, BODY], env=env, capture_output=True, check=True),
            DOOR: lambda: us.send(BODY),
        }
        for name, send in ways.items():
            waiter = us.waiter()
            took = timed(lambda s=send, w=waiter: (s(), w.wait()))  # type: ignore[misc]
            assert waiter.returncode == 2, "the waiter did not wake its session"
            us.woken()
            found.setdefault(name, []).extend([took] * bool(number))
        if them is not None:
            took = them.delivery(BODY)
            found.setdefault("`hcom send`, until its waiting hook has ended", []).extend(
                [took] * bool(number)
            )
    return found


def commands(us: Ours, them: Theirs | None) -> dict[str, list[float]]:
    """Seconds of the whole commands, and of what nothing that starts an interpreter can be faster than."""
    env = us.here.environment("a")

    def run(*words: str) -> None:
        subprocess.run(words, env=env, capture_output=True, check=True)

    acts: dict[str, Callable[[], object]] = {
        "bare: `/bin/sh -c :`": lambda: run("/bin/sh", "-c", ":"),
        PYTHON: lambda: run(sys.executable, "-I", "-S", "-c", "pass"),
        WHOLE: lambda: run(*PEER, us.to, BODY),
    }
    if them is not None:
        acts["`hcom send`, the whole command"] = lambda: them.send(BODY)
    return interleaved(acts, ROUNDS)


def table(rows: dict[str, list[float]], bounds: dict[str, float]) -> None:
    """Print the rows; of each that has a bound, in seconds, how many times as long it takes."""
    print("| | median ms | 90 % ms | to what is possible |\n|---|---|---|---|")
    for name, seconds in rows.items():
        bound = bounds.get(name)
        times = f"{statistics.median(seconds) / bound:.1f}" if bound else ""
        print(f"| {name} | {ms(seconds)} | {times} |")


def main() -> None:
    """Print the table."""
    why = rival.unavailable()
    if not why:
        rival.alone()
    with ExitStack() as stack:
        here = stack.enter_context(stage())
        them = None if why else Theirs(stack.enter_context(rival.rival()))
        us = Ours(here)
        us.call("UserPromptSubmit")  # the briefing, which is said once
        us.ended()
        rows = delivered(us, them)
        rows = {**small(us), **commands(us, them), **rows}
        safe = statistics.median(rows[TRIP]) + 2 * statistics.median(rows[COMMIT])
        started = safe + statistics.median(rows[PYTHON])
        table(rows, {SAFE: safe, DOOR: safe, WHOLE: started, WAITED: started})
        ours, bare = many(here, us.to), bare_many(here)
    print(
        "\nPossible: a ZeroMQ round trip and a synced commit on either side, and for a command an interpreter's start."
    )
    print(
        f"Many in flight through one open door: {ours:,.0f} messages a second, each fully synced on both disks, order"
    )
    print(
        f"kept ({MANY:,} of 200 bytes). ZeroMQ and SQLite alone, the same promise: {bare:,.0f}; {bare / ours:.1f} times that."
    )


if __name__ == "__main__":
    main()
