"""A bad cable: what goes through it is lost, late, doubled or overtaken, also one way only. In user space, since many
kernels are built without netem.

The host's end of the bridge is taken off the bridge, and a thread carries frames between the two, each way:

    host's lan0 ── portN  ═ this thread ═  nearN ── farN ── bridge0
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import heapq
import itertools
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time
from types import TracebackType
from typing import Self

from tests.netns import Network, _enter

# From the kernel's headers if_ether.h, if_packet.h, sockios.h and ethtool.h.
ETH_P_ALL = 3
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23
SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO = 0x17, 0x1F, 0x24
FRAME = 65_535  # bytes
# How far a frame falls behind others that overtake it, at most.
SPREAD = 0.05  # seconds


class Cable:
    """The cable of *host*, as a context manager; afterwards it is a good one again.

    Args:
        lan: the network.
        host: whose cable it is.
        loss: which part of the frames is lost, 0 to 1, each way.
        delay: how late the others come, in seconds, each way.
        seed: which frames are lost, if they come in the same order.
        repeat: which part of the frames comes twice, 0 to 1; the second one up to ``SPREAD`` seconds later.
        reorder: which part of the frames is overtaken by others, 0 to 1, by up to ``SPREAD`` seconds.
        lost_way: ``in``: nothing reaches the host; ``out``: nothing leaves it; "" for neither.
    """

    def __init__(
        self,
        lan: Network,
        host: str,
        loss: float = 0.0,
        delay: float = 0.0,
        seed: int = 1,
        *,
        repeat: float = 0.0,
        reorder: float = 0.0,
        lost_way: str = "",
    ) -> None:
        self.loss, self.delay, self.repeat, self.reorder = loss, delay, repeat, reorder
        self.lost_way = lost_way
        self.carried = self.lost = self.repeated = self.reordered = 0
        number = lan.hosts.index(host) + 1
        self._lan, self._host, self._hub = lan, host, lan._hub
        self._port, self._near, self._far = f"port{number}", f"near{number}", f"far{number}"
        self._chance = random.Random(seed)
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._error: BaseException | None = None
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        _ip(self._hub, f"link add {self._near} type veth peer name {self._far}")
        for name in (self._near, self._far):
            _ip(self._hub, f"link set {name} addrgenmode none")
            _ip(self._hub, f"link set {name} up")
        self._thread.start()
        self._ready.wait(5)
        _ip(self._hub, f"link set {self._port} nomaster")
        _ip(self._hub, f"link set {self._far} master bridge0")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._stopped)
        self._thread.join(5)
        os.close(self._stop)
        with contextlib.suppress(RuntimeError):  # a host that was unplugged took its end away
            _ip(self._hub, f"link set {self._port} master bridge0")
        _ip(self._hub, f"link delete {self._near}")
        if self._error is not None:
            raise self._error

    # ------------------------------------------------------------ in the thread

    def _carry(self) -> None:
        try:
            # Checksums and cutting into packets are left to the network card, and here is none: do it before.
            _enter(self._lan.namespace(self._host))
            _no_offload(self._lan.interface)
            _enter(self._hub)
            _no_offload(self._far)
            with _tap(self._port) as port, _tap(self._near) as near:
                self._ready.set()
                self._run({port: near, near: port}, port)
        except BaseException as wrong:  # noqa: BLE001 - it is raised where the test ends
            self._error = wrong
        finally:
            self._ready.set()

    def _run(self, other: dict[socket.socket, socket.socket], port: socket.socket) -> None:
        late: list[tuple[float, int, socket.socket, bytes]] = []
        count = itertools.count()
        while True:
            wait = max(0.0, late[0][0] - time.monotonic()) if late else None
            ready, _, _ = select.select([*other, self._stop], [], [], wait)
            if self._stop in ready:
                return
            now = time.monotonic()
            for one in ready:
                way = "out" if one is port else "in"
                for frame in _frames(one):
                    for pause in self._pauses(way):
                        heapq.heappush(late, (now + pause, next(count), other[one], frame))
            while late and late[0][0] <= time.monotonic():
                _, _, out, frame = heapq.heappop(late)
                self.carried += 1
                with contextlib.suppress(OSError):  # the other end is down: then the frame is lost too
                    out.send(frame)

    def _pauses(self, way: str) -> list[float]:
        """After how many seconds a frame leaves again: never, once, or twice."""
        if way == self.lost_way or self._chance.random() < self.loss:
            self.lost += 1
            return []
        pauses = [self.delay]
        if self.reorder and self._chance.random() < self.reorder:
            self.reordered += 1
            pauses = [self.delay + self._chance.uniform(0.0, SPREAD)]
        if self.repeat and self._chance.random() < self.repeat:
            self.repeated += 1
            pauses.append(self.delay + self._chance.uniform(0.0, SPREAD))
        return pauses


def _tap(interface: str) -> socket.socket:
    """All frames that come in at *interface*, and a way to send some."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    made.bind((interface, ETH_P_ALL))
    made.setblocking(False)
    return made


def _frames(one: socket.socket) -> list[bytes]:
    found: list[bytes] = []
    with contextlib.suppress(BlockingIOError):
        while len(found) < 256:
            found.append(one.recv(FRAME))
    return found


def _no_offload(interface: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for what in (ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_STXCSUM):
            value = array.array("B", struct.pack("II", what, 0))
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            fcntl.ioctl(asked, SIOCETHTOOL, request)


def _ip(namespace: str, words: str) -> None:
    done = subprocess.run(
        ["ip", "-n", namespace, *words.split()], capture_output=True, text=True, check=False, timeout=10
    )
    if done.returncode:
        raise RuntimeError(f"ip {words}: {done.stderr.strip()}")
