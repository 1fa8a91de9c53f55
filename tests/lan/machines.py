"""Hosts that meet: what tests of pairing start, ask and look at."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.lan.hosts import Host, pair, until
from tests.netns import Network

PORT = 7337
MDNS = 5353
REMOTE = "git@example.invalid:acme/shop.git"


@contextmanager
def closing(*hosts: Host) -> Iterator[None]:
    """End all *hosts* afterwards, also if one of them does not end well."""
    with contextlib.ExitStack() as stack:
        for host in hosts:
            stack.callback(host.close)
        yield


@contextmanager
def two(desk: type[Host] = Host, **network: Any) -> Iterator[tuple[Host, Host]]:
    """Two hosts with a session each, which have not met."""
    with Network("desk", "lap", **network) as lan:
        one, other = desk(lan, "desk"), Host(lan, "lap")
        with closing(one, other):
            one.start("d1", "build")
            other.start("l1", "front")
            yield one, other


def clone(host: Host, where: str = "work", remote: str = REMOTE) -> str:
    """A checkout of the shop on *host*; its path."""
    path = host.home / where
    path.mkdir(exist_ok=True)
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false"]
    (path / "a.css").write_text("body {}\n")
    for words in (
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", remote],
        ["add", "."],
        [*who, "commit", "-q", "-m", f"On {host.name}"],
    ):
        subprocess.run(["git", "-C", str(path), *words], check=True, capture_output=True, timeout=30)
    return str(path)


@contextmanager
def sharing() -> Iterator[tuple[Host, Host]]:
    """Two hosts that trust each other, each with a session in a clone of the same repo."""
    with Network("desk", "lap") as lan:
        desk, lap = Host(lan, "desk"), Host(lan, "lap")
        with closing(desk, lap):
            for host, session in ((desk, "build"), (lap, "front")):
                clone(host)
                host.start(session, session)
            pair(desk, lap)
            until(lambda: desk.sees("lap", "front") and lap.sees("desk", "build"), "each other")
            yield desk, lap


def met(desk: Host, lap: Host, here: str = "desk", there: str = "lap") -> None:
    """Wait until both see each other's session."""
    until(lambda: desk.sees(there, "front"), f"desk to see front@{there}")
    until(lambda: lap.sees(here, "build"), f"lap to see build@{here}")


def error(host: Host, *words: str) -> tuple[int, str, str]:
    """A command that fails: its exit code, the error's code and sentence."""
    done = host.run(*words, "--json", check=False)
    assert done.stdout, done
    said = json.loads(done.stdout)["error"]
    return done.returncode, said["code"], said["message"]


def trusted(host: Host) -> list[str]:
    """The names of those that *host* trusts."""
    return [one["name"] for one in host.run("trust")["hosts"]]


def open_ports(host: Host, kind: str = "-t") -> set[str]:
    """Where anything listens inside the host's namespace: ``*:7337``."""
    done = host.lan.run(host.name, ["ss", "-Hln", kind])
    assert done.returncode == 0, done.stderr
    return {line.split()[3] for line in done.stdout.splitlines()}


def port_is_open(host: Host, port: int = PORT) -> bool:
    """Whether the host listens on that TCP port."""
    return any(one.endswith(f":{port}") for one in open_ports(host))


def speaks_mdns(host: Host) -> bool:
    """Whether anything there listens to mDNS."""
    return any(one.endswith(f":{MDNS}") for one in open_ports(host, "-u"))


def rewrite(host: Host, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the file ``trust.json`` of *host* by hand, in one step."""
    path = host.home / "p" / "trust.json"
    record = json.loads(path.read_text())
    change(record)
    path.with_suffix(".test").write_text(json.dumps(record))
    path.with_suffix(".test").rename(path)
