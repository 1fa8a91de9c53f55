"""Hosts that meet: what tests of pairing start, ask and look at."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.lan.hosts import Host, until
from tests.netns import Network

PORT = 7337
MDNS = 5353


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
