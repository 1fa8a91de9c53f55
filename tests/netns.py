"""A network in a box: hosts as network namespaces on one bridge, made by a test and gone after it.

Usage, from any test:

    with Network("desk", "lap", "spare", unplugged=["spare"]) as lan:
        lan.run("desk", ["ip", "-br", "address"])
        process = lan.popen("lap", [sys.executable, "-c", "..."], stdout=subprocess.PIPE)
        lan.plug("spare")                       # a cable that comes later
        lan.address("desk")                     # "10.83.0.1"
        raw = lan.socket("desk", lambda: socket.socket(...))   # a socket of this process, inside a host

Nothing outside the namespaces is touched: the bridge has a namespace of its own, so no packet can
reach a real network. Needs Linux, root and iproute2; without them the test is skipped with the reason,
or failed where the environment says CI=true, because there a skipped test is a test nobody runs.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest

# From sched.h: the kind of namespace setns() is allowed to enter.
CLONE_NEWNET = 0x40000000

# Addresses the hosts get. Private, and never routed: there is no way out of the bridge.
SUBNET = "10.83.0"

# How long a process of a test may take to end before it is killed, in seconds.
PATIENCE = 3.0

Made = TypeVar("Made")


def unavailable() -> str | None:
    """Why this machine cannot make networks, or None if it can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need the program `ip` (iproute2)"
    return None


def require() -> None:
    """Skip the calling test when networks cannot be made; fail it where CI=true."""
    reason = unavailable()
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and on CI that is a failure", pytrace=False)
    pytest.skip(reason)


class Network:
    """Hosts on one bridge, as a context manager; see the top of this file.

    Arguments: the hosts' names (short words, at most 20 hosts), *unplugged*: which of them start with
    only a loopback, *interface*: what the interface is called inside a host (at most 15 characters),
    *ipv6*: give each interface a link-local address too.
    """

    def __init__(
        self, *hosts: str, unplugged: Collection[str] = (), interface: str = "lan0", ipv6: bool = True
    ) -> None:
        self.hosts = hosts
        self.interface = interface
        self._ipv6 = ipv6
        self._unplugged = set(unplugged)
        self._token = f"peer{os.getpid()}-{secrets.token_hex(3)}"
        self._hub = f"{self._token}-hub"
        self._made: list[str] = []
        self._started: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> Self:
        require()
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def namespace(self, host: str) -> str:
        """The namespace's name, as `ip netns` knows it."""
        if host not in self.hosts:
            raise KeyError(f"no host {host!r} in this network, only {', '.join(self.hosts)}")
        return f"{self._token}-{host}"

    def address(self, host: str) -> str:
        """The host's IPv4 address, also before it is plugged in."""
        return f"{SUBNET}.{self.hosts.index(host) + 1}"

    def command(self, host: str, argv: Sequence[str]) -> list[str]:
        """*argv* as a command line that runs inside *host*."""
        return ["ip", "netns", "exec", self.namespace(host), *argv]

    def run(self, host: str, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run *argv* inside *host* to its end; options as for subprocess.run, output captured as text."""
        settings: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 30, **options}
        return subprocess.run(self.command(host, argv), check=False, **settings)

    def popen(self, host: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start *argv* inside *host*; it is ended with the network, if it has not ended before."""
        process = subprocess.Popen(self.command(host, argv), **options)
        self._started.append(process)
        return process

    def socket(self, host: str, make: Callable[[], Made]) -> Made:
        """What *make* returns when called inside *host*: a socket belongs to where it was made.

        The caller closes it. It runs in a thread of its own, because entering a namespace is done by
        a thread and cannot be left again without being root in both.
        """

        def inside() -> Made:
            _enter(self.namespace(host))
            return make()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(inside).result()

    def plug(self, host: str, interface: str | None = None) -> None:
        """Give *host* its cable to the bridge, with its address, up and ready."""
        number = self.hosts.index(host) + 1
        name = interface or self.interface
        space = self.namespace(host)
        _ip(
            f"link add {name} netns {space} type veth peer name port{number} netns {self._hub}",
        )
        _ip(
            f"link set port{number} master bridge0 addrgenmode none",
            f"link set port{number} up",
            inside=self._hub,
        )
        lines = [f"link set {name} addrgenmode none", f"link set {name} up"]
        lines.append(f"address add {self.address(host)}/24 brd + dev {name}")
        if self._ipv6:
            # No duplicate detection: it would keep the address unusable for a second or two.
            lines.append(f"address add fe80::{number:x}/64 dev {name} nodad")
        _ip(*lines, inside=space)

    def unplug(self, host: str, interface: str | None = None) -> None:
        """Take the cable of *host* away: the interface is gone, not only down."""
        _ip(f"link delete {interface or self.interface}", inside=self.namespace(host))

    def _build(self) -> None:
        for space in [self._hub, *(self.namespace(host) for host in self.hosts)]:
            _ip(f"netns add {space}")
            self._made.append(space)
            _ip("link set lo up", inside=space)
        # No snooping: a bridge that learns who listens to what is not what is tested here.
        _ip(
            "link add bridge0 type bridge mcast_snooping 0",
            "link set bridge0 addrgenmode none",
            "link set bridge0 up",
            inside=self._hub,
        )
        for host in self.hosts:
            if host not in self._unplugged:
                self.plug(host)

    def _remove(self) -> None:
        for process in self._started:
            _end(process)
        self._started.clear()
        while self._made:
            _ip(f"netns delete {self._made.pop()}")


def _ip(*lines: str, inside: str | None = None) -> None:
    """Run `ip` with each line; raises RuntimeError with its words when one is refused."""
    where = ["-n", inside] if inside else []
    done = subprocess.run(
        ["ip", *where, "-batch", "-"],
        input="\n".join(lines),
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    if done.returncode:
        raise RuntimeError(f"ip could not do {list(lines)}: {done.stderr.strip()}")


def _enter(namespace: str) -> None:
    """Move the calling thread into *namespace*."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}", "rb") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _end(process: subprocess.Popen[Any]) -> None:
    """End one process of ours and close its pipes."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
