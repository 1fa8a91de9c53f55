"""Send to *safe* through an open door: one in flight and many, beside what the parts alone can do."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import zmq
from stage import Stage, ms, stage, timed

ONE = int(os.environ.get("BENCH_ONE", "500"))
MANY = int(os.environ.get("BENCH_MANY", "5000"))
BODY = "x" * 200


def one_in_flight(here: Stage, to: str) -> list[float]:
    """Seconds of each send, the next one after the last is safe."""
    door = here.open("a")
    return [timed(lambda: door.ask("send", to=to, body=BODY, wait="safe", within=5)) for _ in range(ONE)]


def many(here: Stage, to: str) -> float:
    """Messages a second when all are sent without waiting, until the last is safe."""
    door = here.open("a")
    began = time.perf_counter()

    def feed() -> None:
        for number in range(1, MANY + 1):
            door.write("send", number, {"to": to, "body": BODY, "wait": "safe", "within": 60})

    feeder = threading.Thread(target=feed)
    feeder.start()
    for _ in range(MANY):
        answer = door.read()
        assert answer["ok"]["messages"][0]["state"] == "safe", answer
    feeder.join()
    return MANY / (time.perf_counter() - began)


def commits(here: Stage) -> list[float]:
    """Seconds of a fully synced SQLite commit of 200 bytes."""
    db = sqlite3.connect(os.path.join(here.home, "bare.db"), isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE t (body TEXT)")
    found = [timed(lambda: db.execute("INSERT INTO t VALUES (?)", (BODY,))) for _ in range(ONE)]
    db.close()
    return found


def round_trips(here: Stage) -> list[float]:
    """Seconds of a bare ZeroMQ round trip of 200 bytes over ipc, in one process."""
    context = zmq.Context()
    router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    router.bind(f"ipc://{here.home}/bare")
    dealer.connect(f"ipc://{here.home}/bare")

    def trip() -> None:
        dealer.send(BODY.encode())
        route, body = router.recv_multipart()
        router.send_multipart([route, body])
        dealer.recv()

    trip()
    found = [timed(trip) for _ in range(ONE)]
    context.destroy(linger=0)
    return found


def socket_trips() -> list[float]:
    """Seconds of a round trip over a Unix socket pair."""
    one, two = socket.socketpair()

    def trip() -> None:
        one.send(BODY.encode())
        two.send(two.recv(4096))
        one.recv(4096)

    found = [timed(trip) for _ in range(ONE)]
    one.close()
    two.close()
    return found


def command(here: Stage, to: str) -> list[float]:
    """Seconds of the whole command `peer send`."""
    words = [sys.executable, "-m", "peermesh.cli", "send", to, BODY]
    env = here.environment("a")
    return [timed(lambda: subprocess.run(words, env=env, capture_output=True, check=True)) for _ in range(20)]


def main() -> None:
    """Print the table."""
    with stage() as here:
        here.session("a")
        here.session("b")
        to = here.open("b").ask("name")["name"]
        one_in_flight(here, to)
        rows = {
            "send to *safe*, one in flight": one_in_flight(here, to),
            "bare: SQLite commit, fully synced": commits(here),
            "bare: ZeroMQ round trip over ipc": round_trips(here),
            "bare: Unix socket round trip": socket_trips(),
            "`peer send`, the whole command": command(here, to),
        }
        print("| | median ms | 90 % ms |\n|---|---|---|")
        for name, seconds in rows.items():
            print(f"| {name} | {ms(seconds)} |")
        print(
            f"\nMany in flight through one open door: {many(here, to):,.0f} messages a second, each fully synced on"
        )
        print(f"both disks, order kept ({MANY} messages of 200 bytes).")


if __name__ == "__main__":
    main()
