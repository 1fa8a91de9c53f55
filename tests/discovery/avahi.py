"""Avahi, Debian's own responder, in a host of a test's network, and what its tools say there.

Each host gets an avahi-daemon with a D-Bus of its own. The bus listens on an abstract socket, which belongs
to the network namespace; the folders whose places are fixed (/run/avahi-daemon, /etc/avahi) are empty ones
in a mount namespace of the daemon. So nothing of the machine is read or touched, also when it runs an avahi.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import netns
from tests.netns import Network

PROGRAMS = ("avahi-daemon", "avahi-browse", "dbus-daemon")
# How long anything may take, in seconds; the longest thing, a daemon's start, takes one on a quiet machine.
PATIENCE = 20.0

BUS = "unix:abstract=/avahi/bus"
# Of the type that asks for no more file descriptors than it has; within, everybody may do everything.
BUS_SETTINGS = f"""<busconfig>
  <type>session</type>
  <listen>{BUS}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
SETTINGS = """[server]
host-name={host}
disallow-other-stacks={alone}
[wide-area]
enable-wide-area=no
"""
# Mounts before it becomes the daemon, and only in a mount namespace that `unshare` has just made.
PRIVATELY = """set -e
mount -t tmpfs tmpfs /run
mkdir /run/avahi-daemon
mount -t tmpfs tmpfs /etc/avahi
mkdir /etc/avahi/services
exec "$@"
"""
# However this process ends, what begins so ends with it.
WITH_US = ("setpriv", "--pdeathsig", "KILL")


def unavailable() -> str | None:
    """Why this machine cannot run avahi in a network of a test, or None if it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return (
            f"life beside avahi needs {', '.join(missing)} (Debian: avahi-daemon, avahi-utils, dbus-daemon)"
        )
    return None


def require() -> None:
    """Skip the calling test when there is no avahi or no network for it; fail it where CI=true."""
    netns.require()
    reason = unavailable()
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and on CI that is a failure", pytrace=False)
    pytest.skip(reason)


def until(is_so: Callable[[], bool], words: Callable[[], Any]) -> float:
    """Wait until *is_so*; the time then, or an AssertionError with *words* when it took too long."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, words()
        time.sleep(0.01)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A service as avahi resolved it: the host's name, one of its addresses, port and strings of text."""

    target: str
    address: str
    port: int
    text: set[bytes]


class Browsing:
    """An `avahi-browse -rp` that goes on, and writes to *log*."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def listed(self) -> dict[str, Resolved]:
        """What it lists at this moment, by the service's name."""
        return listed(self._log.read_text())

    def until_has(self, *names: str) -> None:
        """Returns when these services are listed and resolved; AssertionError if they never are."""
        until(lambda: set(names) <= self.listed().keys(), self._log.read_text)

    def until_lacks(self, name: str) -> float:
        """The time at which the service was not listed any more; AssertionError if it stays."""
        return until(lambda: name not in self.listed(), self._log.read_text)


class Avahi:
    """An avahi-daemon in *host* of *lan*, where the host's name is `<host>.local`; it ends with the network.

    *folder*: where its settings and logs are kept. *alone*: share the port with no other program.
    It is being started when this returns; ready() waits for it.
    """

    def __init__(self, lan: Network, host: str, folder: Path, *, alone: bool = False) -> None:
        self.host = host
        self._lan = lan
        self._folder = folder / host
        self._folder.mkdir()
        bus, settings = self._folder / "bus.conf", self._folder / "avahi.conf"
        bus.write_text(BUS_SETTINGS)
        settings.write_text(SETTINGS.format(host=host, alone="yes" if alone else "no"))
        self._bus, told = self._start(
            "bus", "dbus-daemon", "--nofork", "--nopidfile", "--print-address=1", f"--config-file={bus}"
        )
        until(lambda: BUS in told.read_text(), told.read_text)
        self.daemon, self._words = self._start(
            *("daemon", "unshare", "--mount", "--propagation", "private", "sh", "-c", PRIVATELY, "sh"),
            *("avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits", f"--file={settings}"),
        )

    def ready(self) -> Avahi:
        """Itself, when the daemon has made sure of its name and serves it."""
        until(lambda: "startup complete" in self._words.read_text(), self._words.read_text)
        return self

    def browse(self, service: str, *names: str) -> dict[str, Resolved]:
        """What `avahi-browse -rpt` lists, by the service's name, when it is *names* and nothing else.

        It gives the others one second to answer, which on a busy machine may not do: so it is asked again.
        AssertionError if it never lists just these.
        """
        said = ""

        def just_these() -> bool:
            nonlocal said
            said = self._run("avahi-browse", "-rpt", service)
            return listed(said).keys() == set(names)

        until(just_these, lambda: said)
        return listed(said)

    def browsing(self, service: str) -> Browsing:
        """An `avahi-browse -rp` that goes on."""
        return Browsing(self._start(f"browse{service}", "avahi-browse", "-rp", service)[1])

    def publish(self, name: str, service: str, port: int, text: str) -> None:
        """Publish a service, by `avahi-publish`, until the network ends."""
        self._start("publish", "avahi-publish", "-s", name, service, str(port), text)

    def resolve(self, name: str) -> str:
        """The IPv4 address of *name* by `avahi-resolve`, empty if it finds none in five seconds."""
        return self._run("avahi-resolve", "-4", "-n", name).strip().removeprefix(f"{name}\t")

    def end(self) -> None:
        """End the daemon as a person would."""
        self.daemon.terminate()
        self.daemon.wait(PATIENCE)

    def _run(self, *argv: str) -> str:
        return self._lan.run(self.host, argv, env=_environment()).stdout

    def _start(self, name: str, *argv: str) -> tuple[subprocess.Popen[bytes], Path]:
        """A process of the host, and the file in which all it writes is kept."""
        log = self._folder / f"{name}.log"
        with open(log, "wb") as written:
            process = self._lan.popen(
                self.host,
                [*WITH_US, *argv],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
            )
        return process, log


def listed(lines: str) -> dict[str, Resolved]:
    """The services in what `avahi-browse -rp` wrote, less those of which it said that they went."""
    found: dict[tuple[str, ...], Resolved] = {}
    for line in lines[: lines.rfind("\n") + 1].splitlines():
        # Interface, protocol, name, service and domain tell them apart; a text may hold a semicolon.
        kind, *fields = line.split(";", 9)
        if kind == "-":
            found.pop(tuple(fields[:5]), None)
        elif kind == "=" and len(fields) == 9:
            target, address, port, text = fields[5:]
            found[tuple(fields[:5])] = Resolved(target, address, int(port), _strings(text))
    return {name: resolved for (_, _, name, _, _), resolved in found.items()}


def _strings(text: str) -> set[bytes]:
    """Each string is in quotation marks; what cannot be printed in it is its number in three digits."""
    strings = re.findall(rb'"((?:\\.|[^"\\])*)"', text.encode())
    return {re.sub(rb"\\(\d{3}|.)", _byte, string) for string in strings}


def _byte(escaped: re.Match[bytes]) -> bytes:
    written = escaped[1]
    return bytes([int(written)]) if len(written) == 3 else written


def _environment() -> dict[str, str]:
    return {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": BUS, "LC_ALL": "C"}
