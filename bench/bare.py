"""What ZeroMQ alone does: one DEALER dials a ROUTER in each of so many processes and says one message to each."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import zmq

BODY = b"x" * 200
PATIENCE_MS = 60_000


def _answer(endpoint: str, database: str, ready: int) -> None:
    """Be a receiver until told to end: acknowledge each message, after a fully synced commit if *database* is given."""
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.bind(endpoint)
    db = None
    if database:
        db = sqlite3.connect(database, isolation_level=None)
        db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE m (body)")
    os.write(ready, b".")
    while True:
        route, body = router.recv_multipart()
        if body == b"end":
            break
        if db is not None:
            db.execute("INSERT INTO m VALUES (?)", (body,))
        router.send_multipart([route, b"ack"])
    context.destroy(linger=0)


@contextmanager
def receivers(
    endpoints: list[str], folder: str, *, synced: bool, enter: Callable[[int], None] = lambda _: None
) -> Iterator[None]:
    """A process at each of *endpoints*, until they are told to end.

    Args:
        endpoints: where they listen.
        folder: for their databases.
        synced: whether each commits what it was told.
        enter: called first in the n-th process.
    """
    reading, writing = os.pipe()
    pids = []
    for number, endpoint in enumerate(endpoints):
        pid = os.fork()
        if pid == 0:
            try:
                enter(number)
                _answer(endpoint, os.path.join(folder, f"{number}.db") if synced else "", writing)
            finally:
                os._exit(0)
        pids.append(pid)
    left = len(endpoints)
    while left:
        left -= len(os.read(reading, left))
    try:
        yield
    finally:
        for pid in pids:
            os.waitpid(pid, 0)
        os.close(reading)
        os.close(writing)


def rounds(endpoints: list[str], count: int) -> list[float]:
    """Seconds of each of *count* rounds, from the first send until all have acknowledged; the first one dials."""
    context, found = zmq.Context(), []
    began = time.perf_counter()
    dealer = context.socket(zmq.DEALER)
    dealer.set(zmq.RCVTIMEO, PATIENCE_MS)
    for endpoint in endpoints:
        dealer.connect(endpoint)
    for _ in range(count):
        for _ in endpoints:  # a DEALER says one to each in turn
            dealer.send(BODY)
        for _ in endpoints:
            dealer.recv()
        found.append(time.perf_counter() - began)
        began = time.perf_counter()
    for _ in endpoints:
        dealer.send(b"end")
    dealer.close(linger=PATIENCE_MS)
    context.term()
    return found


def fan_out(count: int, times: int, *, synced: bool) -> list[float]:
    """The same on this host, over ipc."""
    with tempfile.TemporaryDirectory(prefix="pb", dir="/tmp") as folder:
        endpoints = [f"ipc://{folder}/{number}" for number in range(count)]
        with receivers(endpoints, folder, synced=synced):
            return rounds(endpoints, times)
