"""The file ``trust.json``: no damage, crash, race, or word of another host trusts or forgets anybody."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peermesh.core.words import NAME_LIMIT
from peermesh.errors import BadUsage, DiskFull, PeerError, StoreNewer
from peermesh.store.trust import TrustStore
from peermesh.store.trusted import VERSION, Trust
from tests.store.conftest import Mount
from tests.store.trusts import LAP, NEW, OLD, SECRET, again, key, names

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    """The trust of the host ``desk``."""
    return TrustStore(str(tmp_path), "desk")


# ---------------------------------------------------------------- what stands in it


def test_nobody_else_reads_it(store: TrustStore) -> None:
    """Its mode, and that of what is beside it, is 0600, whatever the process's mask."""
    before = os.umask(0)
    try:
        store.add(LAP, "lap")
        store.add(OLD, "old")
    finally:
        os.umask(before)
    for file in Path(store.path).parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_a_newer_file_is_refused(store: TrustStore) -> None:
    """It is neither read nor changed, to the byte."""
    store.add(LAP, "lap")
    was = Path(store.path).read_text().replace(f'"version": {VERSION}', f'"version": {VERSION + 1}')
    Path(store.path).write_text(was)
    other = again(store)
    changes: list[Callable[[], object]] = [
        other.read,
        other.inviting,
        lambda: other.add(OLD, "old"),
        lambda: other.redeem(SECRET, OLD, "old", ()),
        lambda: other.remove("lap"),
    ]
    for change in changes:
        with pytest.raises(StoreNewer, match="newer"):
            change()
    assert Path(store.path).read_text() == was


def good(**fields: Any) -> str:
    """A file with one host, and some fields otherwise."""
    host = {"name": "lap", "key": LAP, "since": 1.0, "addresses": []}
    invite = {"digest": "ab", "until": 1.0, "tries": 0, "name": ""}
    record = {"version": 1, "hosts": [host], "invites": [invite], "connect": [], "refused": 0}
    for name, value in fields.items():
        (record if name in record else host if name in host else invite)[name] = value
    return json.dumps(record)


def test_the_example_is_good(store: TrustStore) -> None:
    """Unchanged, the file that the next test damages is read."""
    Path(store.path).write_text(good())
    assert names(store) == ["lap"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00" * 100,
        "[]",
        "null",
        "7",
        '"text"',
        "{}",
        good()[:-20],
        "[" * 100_000,
        good(version=None),
        good(hosts=None),
        good(hosts=[[]]),
        good(hosts=json.loads(good())["hosts"] * 2),
        good(invites={"a": 1}),
        good(connect=[7]),
        good(refused="many"),
        good(key="aa"),
        good(key="zz" * 32),
        good(key=LAP.upper()),
        good(name=""),
        good(name="a@b"),
        good(name="a\nb"),
        good(since="today"),
        good(addresses=[None]),
        good(addresses=["\x1b[31m"]),
        good(until=None),
        good(digest=["ab"]),
        good(refused=float("inf")),
        good(since=10**400),
    ],
)
def test_a_damaged_file_is_set_aside(store: TrustStore, text: str) -> None:
    """It is kept beside, nobody is trusted, and from then on the file works."""
    Path(store.path).write_text(text)
    assert store.read() == Trust()
    assert store.set_aside is not None
    assert ".damaged-" in store.set_aside
    assert Path(store.set_aside).read_text() == text
    assert not os.path.exists(store.path)
    store.add(OLD, "old")
    assert names(store) == ["old"]


def test_bytes_that_are_no_text(store: TrustStore) -> None:
    """The same."""
    Path(store.path).write_bytes(b"\xff\xfe" + os.urandom(100))
    assert store.read() == Trust()
    assert store.set_aside


def test_damage_under_a_program_that_runs(store: TrustStore) -> None:
    """What was read before does not stay trusted."""
    store.add(LAP, "lap")
    assert store.read().hosts
    Path(store.path).write_text("{")
    assert store.read() == Trust()
    assert store.set_aside


def test_a_file_that_was_removed(store: TrustStore) -> None:
    """Whoever deletes it trusts nobody any more."""
    store.add(LAP, "lap")
    assert store.read().hosts
    os.unlink(store.path)
    assert store.read() == Trust()


def test_a_removed_file_does_not_come_back_with_the_next_change(store: TrustStore) -> None:
    """Not even if the next that happens is a change."""
    store.add(LAP, "lap")
    assert store.read().hosts
    os.unlink(store.path)
    store.add(OLD, "old")
    assert names(store) == ["old"]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([LAP, OLD, "lap", "10.0.0.2:7337"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
hosts = st.fixed_dictionaries(
    {
        "name": st.just("lap") | values,
        "key": st.just(LAP) | values,
        "since": st.just(1.0) | values,
        "addresses": st.just([]) | values,
    }
)
invites = st.fixed_dictionaries(
    {
        "digest": st.just("ab") | values,
        "until": st.just(1.0) | values,
        "tries": st.just(0) | values,
        "name": st.just("") | values,
    }
)
records = st.fixed_dictionaries(
    {
        "version": st.sampled_from([1, 0, "1", True]) | values,
        "hosts": st.lists(hosts, max_size=2) | values,
        "invites": st.lists(invites, max_size=2) | values,
        "connect": st.lists(st.text(max_size=5), max_size=2) | values,
        "refused": st.sampled_from([0, float("inf"), 10**400]) | values,
    }
)


def reads_or_sets_aside(path: Path) -> None:
    """Whatever stands there: it is trust, or is set aside and nobody is trusted; and never anything else."""
    store = TrustStore(str(path), "desk")
    try:
        trust = store.read()
    except StoreNewer:
        return
    assert store.set_aside is None or trust == Trust()
    assert store.inviting() in {True, False}
    store.add(NEW, "new")
    assert "new" in names(store)


@given(records | values)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json(tmp_path: Path, record: Any) -> None:
    """Any JSON is read or set aside."""
    (tmp_path / "trust.json").write_text(json.dumps(record))
    reads_or_sets_aside(tmp_path)


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_of_a_good_file(tmp_path: Path, data: st.DataObject) -> None:
    """Any bytes of a good file changed, or cut off."""
    content = bytearray(good().encode())
    place = data.draw(st.integers(0, len(content) - 1))
    noise = data.draw(st.binary(max_size=8))
    content[place : place + len(noise)] = noise
    path = tmp_path / "trust.json"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    reads_or_sets_aside(tmp_path)


# ---------------------------------------------------------------- what others say may not damage it


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name(tmp_path: Path, wish: str, new: str) -> None:
    """Whatever a host calls itself, the file that is written can be read."""
    path = tmp_path / str(len(list(tmp_path.iterdir())))
    path.mkdir()
    store = TrustStore(str(path), "desk")
    one = store.add(LAP, wish)
    assert names(store) == [one.name]
    assert 0 < len(one.name) <= NAME_LIMIT
    try:
        one = store.rename(one.name, new)
    except BadUsage:
        return
    assert names(store) == [one.name]


@pytest.mark.parametrize("address", ["10.0.0.2\n:7337", "x" * 301, "\x1b[31m", "\u202e:7337"])
def test_any_address(store: TrustStore, address: str) -> None:
    """An address that another host claims to have makes nobody forget whom they trust."""
    store.add(LAP, "lap")
    store.met(LAP, (address, "10.0.0.2:7337"))
    assert names(store) == ["lap"]
    assert "10.0.0.2:7337" in store.read().hosts[0].addresses


@pytest.mark.parametrize("name", ["my\tlap", "lap\n", "\u202elap"])
def test_any_invited_name(store: TrustStore, name: str) -> None:
    """A name that a person chose for a guest is made tidy, or refused; nobody is forgotten for it."""
    store.add(OLD, "old")
    with contextlib.suppress(BadUsage):
        store.invite(SECRET, name)
    assert names(store) == ["old"]


# ---------------------------------------------------------------- crashes, races, full disks


def test_a_kill_between_writing_and_replacing(store: TrustStore) -> None:
    """The old file stays; what was half written is in nobody's way."""
    store.add(LAP, "lap")
    was = Path(store.path).read_bytes()
    pid = os.fork()
    if pid == 0:
        os.replace = lambda *_: os._exit(7)  # type: ignore[assignment]
        try:
            again(store).add(OLD, "old")
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert Path(store.path).read_bytes() == was
    assert Path(f"{store.path}.new").exists()
    store.add(NEW, "n")
    assert names(store) == ["lap", "n"]


CHANGER = """
import sys
from peermesh.store.trust import TrustStore
root, first = sys.argv[1], int(sys.argv[2])
store = TrustStore(root, "desk")
sys.stdin.read(1)
for number in range(first, first + 20):
    store.add(f"{number:064x}", f"host{number}")
    store.connect(f"address{number}")
"""


def test_two_processes_lose_nothing(store: TrustStore) -> None:
    """What two write at the same time is there afterwards, all of it."""
    command = [sys.executable, "-c", CHANGER, os.path.dirname(store.path)]
    writers = [subprocess.Popen([*command, str(first)], stdin=subprocess.PIPE, cwd=ROOT) for first in (0, 20)]
    for one in writers:
        assert one.stdin is not None
        one.stdin.write(b"x")
        one.stdin.flush()
    reader = again(store)
    while any(one.poll() is None for one in writers):
        reader.read()
        assert reader.set_aside is None
    for one in writers:
        one.communicate()
        assert one.returncode == 0
    assert sorted(names(store)) == sorted(f"host{number}" for number in range(40))
    assert len(store.read().connect) == 40


REDEEMER = """
import sys
from peermesh.store.trust import TrustStore
from peermesh.errors import InviteRefused
root, number = sys.argv[1], int(sys.argv[2])
store = TrustStore(root, "desk")
sys.stdin.read(1)
try:
    store.redeem(b"s" * 16, f"{number:064x}", f"host{number}", ())
except InviteRefused:
    sys.exit(5)
"""


def test_two_guests_at_once(store: TrustStore) -> None:
    """One invitation lets one in, also if several come at the same moment."""
    store.invite(SECRET)
    command = [sys.executable, "-c", REDEEMER, os.path.dirname(store.path)]
    guests = [subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, cwd=ROOT) for n in range(4)]
    for one in guests:
        assert one.stdin is not None
        one.stdin.write(b"x")
        one.stdin.flush()
    for one in guests:
        one.communicate()
    assert sorted(one.returncode for one in guests) == [0, 5, 5, 5]
    assert len(names(store)) == 1


def test_a_full_disk(disk: Mount) -> None:
    """However little room there is: the change is kept, or refused and all that was before stays."""
    store = TrustStore(str(disk.path), "desk")
    for number in range(40):
        store.add(key(number), f"host{number}", (f"10.0.0.{number}:7337",))
    hog = disk.fill()
    size = hog.stat().st_size
    outcomes = set()
    for room in range(0, 24 * 1024, 4096):
        os.truncate(hog, size - room)
        try:
            store.connect(f"address{room}")
            outcomes.add("works")
        except DiskFull:
            outcomes.add("full")
        assert len(names(store)) == 40, room
    assert outcomes == {"full", "works"}


def test_a_disk_that_is_read_only(disk: Mount) -> None:
    """It is said in our words, and who is trusted can still be read."""
    store = TrustStore(str(disk.path), "desk")
    store.add(LAP, "lap")
    disk.read_only(on=True)
    try:
        with pytest.raises(PeerError, match="cannot be written"):
            store.add(OLD, "old")
        assert [one.name for one in again(store).read().hosts] == ["lap"]
    finally:
        disk.read_only(on=False)
