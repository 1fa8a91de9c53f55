"""Targets: small files in the state directory: trust, keys, jobs, and what processes tell each other by a file."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from typing import Any

from peermesh.cli import statusline
from peermesh.core.words import is_peer_id
from peermesh.door import client
from peermesh.errors import PeerError, StoreBroken, StoreNewer
from peermesh.hooks import installing
from peermesh.jobs import logs, record
from peermesh.mesh.hosts.keys import host_keys
from peermesh.sidecar import lanstate, offers, presence
from peermesh.sidecar.checkouts import Repos, _led_to
from peermesh.sidecar.deaths import Deaths
from peermesh.sidecar.session import client_says, turn_of
from peermesh.sidecar.shelf import LINE_LIMIT, TAIL, Shelf
from peermesh.store.trust import TrustStore
from peermesh.store.trusted import Trust, is_line
from tests.fuzz.loops import scratch
from tests.fuzz.source import EXAMPLE, Source, as_json, edited, seeds_of, shaped
from tests.fuzz.target import Target, must, one_line

_FOLDERS: list[str] = []


def _root() -> str:
    """A state directory, empty."""
    if not _FOLDERS:
        _FOLDERS.append(scratch("files"))
    root = os.path.join(_FOLDERS[0], "home")
    shutil.rmtree(root, ignore_errors=True)
    os.mkdir(root)
    return root


def close() -> None:
    """Remove it."""
    while _FOLDERS:
        shutil.rmtree(_FOLDERS.pop(), ignore_errors=True)


def _write(folder: str, name: str, data: bytes) -> str:
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return path


# ---------------------------------------------------------------- who is trusted

TRUST: list[Any] = EXAMPLE["trust"]


def trust_file(data: bytes) -> None:
    """The list of trusted machines: read, changed, read again."""
    raw, root = shaped(data, TRUST, as_json), _root()
    path = _write(root, "trust.json", raw)
    store = TrustStore(root, "desk")
    try:
        trust = store.read()
    except StoreNewer:
        must(os.path.exists(path), "a newer program's file is gone")
        return
    if store.set_aside is None:
        _trusted(trust, json.loads(raw))
    else:
        must(trust == Trust(), "something of a damaged file is believed")
        with open(store.set_aside, "rb") as file:
            must(file.read() == raw, "what was set aside is not what stood there")
    before = trust.hosts
    with contextlib.suppress(PeerError):
        store.add("12" * 32, "fresh", ("10.0.0.9:7337",))
        now = TrustStore(root, "desk")
        must({one.key for one in before} < {one.key for one in now.read().hosts}, "somebody was lost")
        must(now.set_aside is None, "what we wrote cannot be read")


def _trusted(trust: Trust, said: Any) -> None:
    must(len(trust.hosts) == len(said["hosts"]), "somebody was lost without a word")
    for one in trust.hosts:
        must(len(bytes.fromhex(one.key)) == 32 and one.name and is_line(one.name), "a host that is none")
        must(all(is_line(place) for place in one.addresses), "an address that is none")
        trust.by_name(one.name)
    trust.open_invites()


def host_key(data: bytes) -> None:
    """This host's own key."""
    good = {"public": "aa" * 32, "secret": "5b" * 32}
    root = _root()
    _write(root, "host.key", shaped(data, [good], as_json))
    try:
        public, secret = host_keys(root)
    except StoreBroken:
        return
    must(len(public) == len(secret) == 32, "a key of another length")


# ---------------------------------------------------------------- jobs

JOB: dict[str, Any] = EXAMPLE["job"]
END: dict[str, Any] = EXAMPLE["end"]


def job_files(data: bytes) -> None:
    """A job's directory, whose files other processes wrote."""
    source, root = Source(data), _root()
    folder = os.path.join(root, "jobs", "abcdef")
    _write(folder, "job.json", _file(source, JOB))
    if source.byte() % 4:
        _write(folder, "end.json", _file(source, END))
    _write(folder, "progress", source.take(200))
    _write(folder, "log.base", source.take(40))
    _write(folder, "log", b"one\ntwo\n")
    told: list[str] = []
    shelf = Shelf(root, told.append)
    for one in shelf.look():
        job, end = one.job, one.end
        for text in (one.cmd, one.line(), job.name, job.repo, job.branch, job.owner_name, *job.argv):
            one_line(text, LINE_LIMIT, "what is shown of a job")
        must(is_peer_id(job.owner) and all(is_peer_id(to.id) for to in job.tell), "who is told?")
        must(one.seconds(1_700_000_010.0) >= 0 and isinstance(one.state, str), "a state that is none")
        if end is not None:
            must(len(end.stderr) <= TAIL and end.ended >= 0 and end.seconds >= 0, "an end that is none")
            must(end.code is None or type(end.code) is int, "an exit code that is none")
    must(len(told) <= 1 and all(one.isprintable() for one in told), "the log is told more than a line")
    if not shelf.look():
        must(told, "a job is left out without a word")
    after = source.pick((None, 0, 5, 10**15))
    text, at = logs.read_log(folder, after)
    must(isinstance(text, str) and isinstance(at, int), "a log that is none")
    record.read_job(folder)
    record.read_end(folder)


def _file(source: Source, example: dict[str, Any]) -> bytes:
    if source.byte() % 8 == 7:
        return source.take(255)
    return as_json(edited(source, example, of_json=True))


# ---------------------------------------------------------------- words that processes leave for each other

SMALL: list[Any] = EXAMPLE["small"]
NUMBERS = (
    b"1",
    b"0",
    b"-1",
    b"99999999999999999999",
    b"1 1",
    b"",
    b"\xff",
    b"7\n",
    b"idle 5",
    b"busy 99999999999999999",
)


def small_files(data: bytes) -> None:
    """Files of a line or an object: lan.json, offer.json, watched.json, pid, client, turn, began, starting marks."""
    source, root = Source(data), _root()
    raw = shaped(source.take(200) if source.byte() % 2 else source.rest(), SMALL, as_json)
    line = source.pick(NUMBERS) + source.take(20)
    for name in ("lan.json", "offer.json", "watched.json", "sessions/7.json", "setup.json", "s.starting"):
        _write(root, name, raw)
    for name in ("pid", "turn", "began", "statusline", "session/s/pid", "session/s/statusline", "repo/.git"):
        _write(root, name, line)
    for read in READS:
        read(root)


def _lan(root: str) -> None:
    must(isinstance(lanstate.read(root), dict), "not as promised")


def _offer(root: str) -> None:
    one = offers.instance(root, 1)
    must(one is None or 0 <= one.port < 65_536, "a port that is none")


def _watched(root: str) -> None:
    deaths = Deaths.__new__(Deaths)
    deaths._path = os.path.join(root, "watched.json")
    must(all(is_peer_id(one) for one in deaths._read()), "somebody who is none")


def _client(root: str) -> None:
    before = os.environ.get("CLAUDE_CONFIG_DIR")
    os.environ["CLAUDE_CONFIG_DIR"] = root
    try:
        must(isinstance(client_says(7), dict), "not as promised")
    finally:
        os.environ.pop("CLAUDE_CONFIG_DIR")
        if before is not None:
            os.environ["CLAUDE_CONFIG_DIR"] = before


def _turn(root: str) -> None:
    doing = turn_of(root)
    must(isinstance(doing.word, str) and doing.since <= doing.active, "a time that is none")


def _status(root: str) -> None:
    before = os.environ.get("PEER_HOME")
    os.environ["PEER_HOME"] = root
    try:
        one_line(statusline._line("s"), statusline.LIMIT, "the status line")
    finally:
        os.environ.pop("PEER_HOME")
        if before is not None:
            os.environ["PEER_HOME"] = before


def _mark(root: str) -> None:
    failure = client._failure(os.path.join(root, "s"))
    must(failure is None or str(failure) is not None, "an error without a sentence")


def _note(root: str) -> None:
    must(isinstance(installing._noted(root), dict), "not as promised")


def _git(root: str) -> None:
    must(not _led_to(os.path.join(root, "repo", ".git")), "a git directory that is none")
    must(Repos().at(os.path.join(root, "repo")) is None, "a checkout that is none")


def _alive(root: str) -> None:
    path = os.path.join(root, "pid")
    with open(path, encoding="ascii", errors="replace") as file, contextlib.suppress(ValueError):
        presence.alive(int(file.read(20)))


READS: tuple[Callable[[str], None], ...] = (
    *(_lan, _offer, _watched, _client, _turn, _status, _mark, _note, _git, _alive),
)

TARGETS = (
    Target(
        "trust_file",
        trust_file,
        lambda: seeds_of(TRUST, as_json),
        "the trust file (`store/trust.py`, `trusted.py`)",
        "StoreNewer, or read whole, or set aside with a word and nobody trusted; what is written is read",
    ),
    Target(
        "host_key",
        host_key,
        lambda: seeds_of([{"public": "aa" * 32, "secret": "5b" * 32}], as_json),
        "this host's key (`mesh/hosts/keys.py`)",
        "StoreBroken only, and never replaced",
        longest=600,
    ),
    Target(
        "job_files",
        job_files,
        lambda: [
            bytes([0, 0, 1, 0, 0, 0]),
            bytes([0, 2, *range(30)]),
            bytes([1] * 40),
            bytes([2, 2, 5, 9, 4, 4, 6] * 8),
        ],
        "a job's directory (`jobs/record.py`, `files.py`, `logs.py`, `sidecar/shelf.py`)",
        "never raises; clean lines within limits, or left out with one line in the log",
        longest=800,
    ),
    Target(
        "small_files",
        small_files,
        lambda: [
            *(b"\0" + one for one in seeds_of(SMALL, as_json)),
            *(bytes([1, 3, 1, 0, 0, number, 0]) for number in range(len(NUMBERS))),
        ],
        "lan.json, offer.json, watched.json, setup.json, pid, turn, began, statusline, starting marks, `.git`",
        "never raises; nothing where nothing can be read",
        longest=600,
    ),
)
