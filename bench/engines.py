"""Engines that could carry peer further, on loopback: one tells so many receivers, and each acknowledges.

Not run by `make bench`: needs a `nats-server` (BENCH_NATS_SERVER, or on the path) with `pip install nats-py`, and
`pip install eclipse-zenoh`; what is missing is left out. Nothing leaves 127.0.0.1, and zenoh's scouting is off.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from bare import fan_out, receivers, rounds

COUNTS = [int(one) for one in os.environ.get("BENCH_RECEIVERS", "1,10,50,200").split(",")]
TIMES = int(os.environ.get("BENCH_ROUNDS", "30"))
BODY = b"x" * 200
PATIENCE = 60.0  # seconds


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def processes(count: int, act: Callable[[int], None]) -> Iterator[None]:
    """So many processes that act and say by a byte that they are ready; killed afterwards."""
    reading, writing = os.pipe()
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            try:
                act(writing)
            finally:
                os._exit(0)
        pids.append(pid)
    left = count
    while left:
        left -= len(os.read(reading, left))
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(reading)
        os.close(writing)


def rss(pid: int) -> float:
    """MB of memory of a process."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


# ---------------------------------------------------------------- ZeroMQ, as bench/scale.py has it


def zeromq(count: int) -> list[float]:
    """Over TCP, without a disk."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]  # so that no port comes twice
    ports = [f"tcp://127.0.0.1:{one.getsockname()[1]}" for one in held]
    for one in held:
        one.close()
    with receivers(ports, "", synced=False):
        return rounds(ports, TIMES)


# ---------------------------------------------------------------- NATS


class Nats:
    """Core NATS; *stored*: said to a stream of JetStream on disk, of which each receiver has a durable consumer.

    Args:
        url: of the server.
        stored: see above.
    """

    def __init__(self, url: str, *, stored: bool) -> None:
        self._url, self._stored = url, stored

    async def _connect(self) -> Any:
        import nats

        return await nats.connect(self._url)

    async def _receive(self, ready: int) -> None:
        client = await self._connect()

        async def heard(message: Any) -> None:
            await client.publish("ack", b"")
            if self._stored:
                await message.ack()

        if self._stored:
            await client.jetstream().subscribe("all", durable=f"c{os.getpid()}", cb=heard, manual_ack=True)
        else:
            await client.subscribe("all", cb=heard)
        await client.flush()
        os.write(ready, b".")
        await asyncio.sleep(3_600)

    async def _tell(self, count: int) -> list[float]:
        client = await self._connect()
        acks: asyncio.Queue[Any] = asyncio.Queue()
        await client.subscribe("ack", cb=acks.put)
        await client.flush()
        say = client.jetstream().publish if self._stored else client.publish
        found = []
        for _ in range(TIMES):
            began = time.perf_counter()
            await say("all", BODY)
            for _ in range(count):
                await asyncio.wait_for(acks.get(), PATIENCE)
            found.append(time.perf_counter() - began)
        await client.close()
        return found

    async def _make_stream(self) -> None:
        client = await self._connect()
        await client.jetstream().add_stream(name="S", subjects=["all"])
        await client.close()

    def fan_out(self, count: int) -> list[float]:
        """Seconds of each round."""
        if self._stored:
            asyncio.run(self._make_stream())
        with processes(count, lambda ready: asyncio.run(self._receive(ready))):
            return asyncio.run(self._tell(count))


@contextmanager
def nats_server() -> Iterator[tuple[str, int]]:
    """A server with JetStream on disk: its address and process."""
    program = os.environ.get("BENCH_NATS_SERVER") or shutil.which("nats-server")
    if not program:
        raise FileNotFoundError("there is no nats-server")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pb", dir="/tmp") as folder:
        command = [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", folder]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            for _ in range(500):
                with socket.socket() as one:
                    if one.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.01)
            yield f"nats://127.0.0.1:{port}", server.pid
        finally:
            server.terminate()
            server.wait()


# ---------------------------------------------------------------- zenoh


def zenoh_session(mode: str, *, listen: str = "", connect: str = "") -> Any:
    """A session that scouts nobody and speaks on loopback only."""
    import zenoh

    config = zenoh.Config()
    for key, value in {
        "mode": mode,
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
        "listen/endpoints": [listen] if listen else [],
        "connect/endpoints": [connect] if connect else [],
    }.items():
        config.insert_json5(key, json.dumps(value))
    return zenoh.open(config)


def zenoh_fan_out(count: int, place: str) -> list[float]:
    """By a router at *place*, which is a process of its own."""

    def receive(ready: int) -> None:
        session = zenoh_session("client", connect=place)
        back = session.declare_publisher("ack")
        kept = session.declare_subscriber("all", lambda _: back.put(b""))
        time.sleep(0.2)
        os.write(ready, b".")
        time.sleep(3_600)
        del kept

    with processes(count, receive):
        return json.loads(
            subprocess.run(
                [sys.executable, __file__, "zenoh-tell", place, str(count)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )


def zenoh_tell(place: str, count: int) -> list[float]:
    """In a process of its own: zenoh's threads do not outlive a fork."""
    session = zenoh_session("client", connect=place)
    acks, lock, found = threading.Semaphore(0), threading.Lock(), []
    kept = session.declare_subscriber("ack", lambda _: acks.release())
    say = session.declare_publisher("all")
    time.sleep(1.0)
    with lock:
        for _ in range(TIMES):
            began = time.perf_counter()
            say.put(BODY)
            for _ in range(count):
                if not acks.acquire(timeout=PATIENCE):
                    raise TimeoutError("an acknowledgement was lost")
            found.append(time.perf_counter() - began)
    kept.undeclare()
    session.close()
    return found


@contextmanager
def zenoh_router() -> Iterator[tuple[str, int]]:
    """Its address and process."""
    import zenoh

    del zenoh  # only whether it is there
    place = f"tcp/127.0.0.1:{free_port()}"
    router = subprocess.Popen([sys.executable, __file__, "zenoh-router", place], stdout=subprocess.PIPE)
    try:
        if router.stdout is not None:
            router.stdout.readline()
        yield place, router.pid
    finally:
        router.terminate()
        router.wait()


def ms(found: list[float]) -> str:
    """Median and 90 % in milliseconds, the first round left out."""
    ordered = sorted(found[1:])
    return f"{statistics.median(ordered) * 1e3:.2f}, {ordered[int(len(ordered) * 0.9)] * 1e3:.2f}"


def row(what: str, cells: list[str], of: str = "") -> None:
    """One line of the table."""
    print(f"| {what} | {' | '.join(cells)} | {of} |", flush=True)


def main() -> None:
    """Print the table, or be one of zenoh's processes."""
    if sys.argv[1:2] == ["zenoh-tell"]:
        print(json.dumps(zenoh_tell(sys.argv[2], int(sys.argv[3]))))
        return
    if sys.argv[1:2] == ["zenoh-router"]:
        kept = zenoh_session("router", listen=sys.argv[2])
        print("ready", flush=True)
        time.sleep(3_600)
        del kept
        return
    print(
        "| one message until the last of so many receivers acknowledged it, ms, median and 90 % | "
        + " | ".join(map(str, COUNTS))
        + " | memory of the server, MB |"
    )
    print(f"|{'---|' * (len(COUNTS) + 2)}")
    row("ZeroMQ over TCP, no server", [ms(zeromq(count)) for count in COUNTS])
    row(
        "ZeroMQ over ipc, no server, a synced SQLite commit at each receiver",
        [ms(fan_out(count, TIMES, synced=True)) for count in COUNTS],
    )
    for what, stored in (
        ("NATS, nothing kept", False),
        ("NATS with JetStream on disk, not synced at each message", True),
    ):
        found, weight = [], 0.0
        try:
            for count in COUNTS:
                with nats_server() as (url, pid):
                    found.append(ms(Nats(url, stored=stored).fan_out(count)))
                    weight = rss(pid)
        except (FileNotFoundError, ModuleNotFoundError) as wrong:
            print(f"{what}: {wrong}", file=sys.stderr)
            continue
        row(what, found, f"{weight:.0f}")
    found = []
    try:
        for count in COUNTS:
            with zenoh_router() as (place, pid):
                found.append(ms(zenoh_fan_out(count, place)))
                weight = rss(pid)
    except ModuleNotFoundError as wrong:
        print(f"zenoh: {wrong}", file=sys.stderr)
    else:
        row("zenoh by a router, nothing kept", found, f"{weight:.0f}")


if __name__ == "__main__":
    main()
