"""What hosts say to each other: golden bytes of each frame, any bytes decode or raise BadFrame, limits."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peermesh.core.events import LOG_ID_LENGTH, STAMP_LIMIT, Event, EventId
from peermesh.core.rosters import AT_ONCE, Entry, Update
from peermesh.core.words import (
    BRANCH_LIMIT,
    FOCUS_LIMIT,
    NAME_LIMIT,
    REPO_LIMIT,
    ROLE_LIMIT,
    Card,
)
from peermesh.errors import BadFrame
from peermesh.mesh import wire
from peermesh.mesh.fields import SHORT as LONGEST
from peermesh.mesh.hosts import wire as hostwire
from peermesh.mesh.hosts.wire import (
    ADDRESSES,
    DATA_ITEMS,
    EVENTS_AT_ONCE,
    HOST_FRAME_LIMIT,
    KEPT_AT_ONCE,
    KEY_LIMIT,
    LONGEST_AGE,
    NUMBER_LIMIT,
    VERSION,
    Again,
    Answer,
    Ask,
    Beat,
    Events,
    Greet,
    Have,
    HostFrame,
    Join,
    Joined,
    Leave,
    No,
    Part,
    Roster,
    decode,
    encode,
)
from peermesh.sidecar.neighbours import roster
from peermesh.store import log, log_rows
from tests.mesh.noise import decodes_or_bad_frame, peers, values

GOLDEN = json.loads(Path(__file__).with_name("golden_hosts.json").read_text("utf-8"))
ANN, BOB, CLEO = "aaaaaaaa", "bbbbbbbb", "cccccccc"

SHORT = Entry(Card(id=ANN, name="app", host=""), "idle", 0.0)
FULL = Entry(
    Card(
        id=BOB,
        name="é",
        host="",
        person=True,
        oneshot=True,
        repo="app",
        repo_key="remote:git.example/app",
        branch="main",
        roles=("ui", "test"),
        focus="tidy",
        worktree="app-ui",
    ),
    "away",
    1.5,
    60.0,
)
LOG, EPOCH = "0123456789abcdef", "fedcba9876543210"
NOTE = Event(
    id=EventId(LOG, 7),
    stamp=11,
    by=ANN,
    name="é",
    repo="remote:git.example/app",
    kind="note",
    data={"text": "hi", "discovery": True, "paths": ["src/a.py"]},
    at=1.5,
)
GONE = replace(NOTE, id=EventId(LOG, 9), stamp=12, kind="gone", data={})
# What the golden bytes of that name stand for.
EXAMPLES: dict[str, HostFrame] = {
    "greet": Greet("desk", 7337, ("10.0.0.2", "fd00::2")),
    "roster": Roster(Update((SHORT, FULL), (CLEO,), whole=True)),
    "roster of nobody": Roster(Update(())),
    "ask": Ask(ANN, BOB, b"\x92\x01\xa4ping"),
    "answer": Answer(ANN, BOB, b"\x92\x01\xa4pong"),
    "part": Part(ANN, BOB),
    "have": Have(EPOCH, 7),
    "have nothing": Have("", 0),
    "events": Events(LOG, EPOCH, 5, 9, (NOTE, GONE), more=True, kept=(1, 300)),
    "events of which none remain": Events(LOG, EPOCH, 0, 70_000, ()),
    "beat": Beat(),
    "leave": Leave(),
    "again": Again(),
    "join": Join(b"0123456789abcdef", "lap", 7338, ("10.0.0.3",)),
    "joined": Joined("desk", 7337, ("10.0.0.2",)),
    "no": No("invite", "it was used"),
}


def packed(*fields: Any) -> bytes:
    """A frame made by hand, with a version."""
    data: bytes = msgpack.packb([VERSION, *fields])
    return data


# ---------------------------------------------------------------- golden


def test_golden_has_every_type_of_frame() -> None:
    """A frame that is added to the table needs golden bytes."""
    assert {type(one) for one in EXAMPLES.values()} == set(get_args(HostFrame))
    assert set(GOLDEN) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden_encode(name: str) -> None:
    """What we say are just these bytes, which other versions rely on."""
    assert encode(EXAMPLES[name]).hex() == GOLDEN[name].replace(" ", "")


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden_decode(name: str) -> None:
    """These bytes are understood as just that."""
    assert decode(bytes.fromhex(GOLDEN[name])) == EXAMPLES[name]


def test_tables_agree() -> None:
    """What can be said can be read, by the same word."""
    assert sorted(tag for tag, _ in hostwire._PACKERS.values()) == sorted(hostwire._UNPACKERS)


def test_directories_are_not_told() -> None:
    """Where a session works, and what a host calls itself on its cards, is not said."""
    told = encode(
        Roster(Update((replace(SHORT, card=replace(SHORT.card, cwd="/srv/secret", host="hidden")),)))
    )
    assert b"secret" not in told
    assert b"hidden" not in told


# ---------------------------------------------------------------- any frame, any bytes

texts = st.text(max_size=LONGEST)
lines = st.text(max_size=20)
ports = st.integers(0, 65_535)
places = st.lists(lines, max_size=ADDRESSES).map(tuple)
cards = st.builds(
    Card,
    id=peers,
    name=texts,
    host=st.just(""),
    person=st.booleans(),
    oneshot=st.booleans(),
    repo=lines,
    repo_key=texts,
    branch=lines,
    cwd=st.just(""),
    roles=st.lists(lines, max_size=ROLE_LIMIT).map(tuple),
    focus=texts,
    host_key=st.just(""),
    worktree=lines,
)
entries = st.builds(Entry, cards, lines, st.floats(0, LONGEST_AGE), st.floats(0, LONGEST_AGE))
updates = st.builds(
    Update,
    st.lists(entries, max_size=4).map(tuple),
    st.lists(peers, max_size=4).map(tuple),
    whole=st.booleans(),
)
log_ids = st.text("0123456789abcdef", min_size=LOG_ID_LENGTH, max_size=LOG_ID_LENGTH)
numbers = st.integers(0, NUMBER_LIMIT)
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | lines
events = st.builds(
    Event,
    id=st.builds(EventId, st.just(LOG), st.integers(1, NUMBER_LIMIT)),
    stamp=st.integers(1, STAMP_LIMIT),
    by=peers,
    name=texts,
    repo=lines,
    kind=lines,
    data=st.dictionaries(lines, plain | st.lists(plain, max_size=3), max_size=4),
    at=st.floats(0, LONGEST_AGE),
    host_key=st.just(""),
    here=st.just(False),
)
any_frame = st.one_of(
    st.builds(Have, st.just("") | log_ids, numbers),
    st.builds(
        lambda ends, *more: Events(LOG, more[0], min(ends), max(ends), *more[1:]),
        st.tuples(numbers, numbers),
        log_ids,
        st.lists(events, max_size=4).map(tuple),
        st.booleans(),
        st.none() | st.lists(st.integers(1, NUMBER_LIMIT), max_size=4).map(tuple),
    ),
    st.builds(Greet, texts, ports, places),
    st.builds(Roster, updates),
    st.builds(Ask, peers, peers, st.binary(max_size=200)),
    st.builds(Answer, peers, peers, st.binary(max_size=200)),
    st.builds(Part, peers, peers),
    st.builds(Join, st.binary(max_size=64), texts, ports, places),
    st.builds(Joined, texts, ports, places),
    st.builds(No, lines, texts),
    st.sampled_from([Beat(), Leave(), Again()]),
)


@given(any_frame)
@settings(max_examples=300, deadline=None)
def test_round_trip(frame: HostFrame) -> None:
    """Any frame that keeps the limits comes back as it was."""
    assert decode(encode(frame)) == frame


safely = partial(decodes_or_bad_frame, decode, encode)


@given(st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_any_bytes(data: bytes) -> None:
    """Noise is a frame or BadFrame, and nothing else."""
    safely(data)


anything = values()


@given(st.sampled_from(sorted(hostwire._UNPACKERS)), st.lists(anything, max_size=8))
@settings(max_examples=500, deadline=None)
def test_any_fields(tag: str, fields: list[Any]) -> None:
    """A known type with any fields is a frame or BadFrame, and nothing else."""
    safely(packed(tag, *fields))


GOOD_ENTRY = [ANN, "app", False, False, "", "", "", [], "", "idle", 0.0, "", 0.0]
EARLIER = 11  # fields of an entry in the first version


@given(st.integers(0, len(GOOD_ENTRY) - 1), anything)
@settings(max_examples=500, deadline=None)
def test_any_field_of_an_entry(place: int, value: Any) -> None:
    """An entry with one field of any value is an entry or BadFrame, and nothing else."""
    fields = [*GOOD_ENTRY[:place], value, *GOOD_ENTRY[place + 1 :]]
    safely(packed("roster", True, False, [fields], []))


GOOD_EVENT = [7, 11, ANN, "app", "remote:x", "note", {"text": "hi"}, 1.5]


@given(st.integers(0, len(GOOD_EVENT) - 1), anything)
@settings(max_examples=500, deadline=None)
def test_any_field_of_an_event(place: int, value: Any) -> None:
    """An event with one field of any value is an event or BadFrame, and nothing else."""
    fields = [*GOOD_EVENT[:place], value, *GOOD_EVENT[place + 1 :]]
    safely(told(fields))


def told(*rows: Any, log: Any = LOG, epoch: Any = EPOCH, ends: Any = (5, 9), kept: Any = None) -> bytes:
    """A frame of events made by hand."""
    return packed("events", log, epoch, *ends, False, kept, list(rows))


@given(st.sampled_from(sorted(GOLDEN)), st.data())
@settings(max_examples=500, deadline=None)
def test_damaged_bytes(name: str, data: st.DataObject) -> None:
    """A real frame with one byte changed, or cut short, is a frame or BadFrame, and nothing else."""
    real = bytearray.fromhex(GOLDEN[name])
    place = data.draw(st.integers(0, len(real) - 1))
    real[place] = data.draw(st.integers(0, 255))
    safely(bytes(real))
    safely(bytes(real[:place]))


# ---------------------------------------------------------------- ages


def aged(age: Any) -> tuple[float, float]:
    """How old an entry's times are taken to be that says *age* of both."""
    fields = [*GOOD_ENTRY[:10], age, "", age]
    frame = decode(packed("roster", False, False, [fields], []))
    assert isinstance(frame, Roster)
    return frame.update.entries[0].since, frame.update.entries[0].active


@pytest.mark.parametrize(
    ("age", "taken"),
    [
        (0, 0.0),
        (7, 7.0),
        (1.5, 1.5),
        (-1, 0.0),
        (-1e300, 0.0),
        (-math.inf, 0.0),
        (math.inf, LONGEST_AGE),
        (1e300, LONGEST_AGE),
        (2**64 - 1, LONGEST_AGE),
    ],
)
def test_ages_are_bounded(age: float, taken: float) -> None:
    """From now on, as another clock may have it, to ten years ago."""
    assert aged(age) == (taken, taken)


@pytest.mark.parametrize("age", [math.nan, None, True, "1", [1]])
def test_what_is_no_age(age: object) -> None:
    """It is refused, for a time cannot be made of it."""
    for fields in (
        [*GOOD_ENTRY[:10], age, "", 0.0],
        [*GOOD_ENTRY[:10], 0.0, "", age],
        [*GOOD_ENTRY[:10], age],
    ):
        with pytest.raises(BadFrame, match="age"):
            decode(packed("roster", False, False, [fields], []))


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="a byte that msgpack never uses"),
        pytest.param(b"\x91" * 2_000, id="nested too deep"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="an array that claims four thousand million fields"),
        pytest.param(encode(Beat()) + b"\x00", id="something behind it"),
        pytest.param(msgpack.packb({"v": 1}), id="no array"),
        pytest.param(msgpack.packb([]), id="no version"),
        pytest.param(msgpack.packb([VERSION]), id="no type"),
        pytest.param(msgpack.packb([VERSION, 7]), id="a type that is no text"),
        pytest.param(packed("shout"), id="an unknown type"),
        pytest.param(msgpack.packb([VERSION + 1, "beat"]), id="another version"),
        pytest.param(msgpack.packb([True, "beat"]), id="true, which Python takes for 1"),
        pytest.param(msgpack.packb([1.0, "beat"]), id="a version with a fraction"),
        pytest.param(packed("beat", 1), id="a field too many"),
        pytest.param(packed("part", ANN), id="a field too few"),
        pytest.param(packed("part", ANN, "BBBBBBBB"), id="a peer id with wrong letters"),
        pytest.param(packed("part", ANN, BOB + "\n"), id="a peer id with a line's end"),
        pytest.param(packed("ask", ANN, BOB, "text"), id="a frame that is no bytes"),
        pytest.param(packed("greet", "desk", 65_536, []), id="a port too high"),
        pytest.param(packed("greet", "desk", -1, []), id="a port below 0"),
        pytest.param(packed("greet", "desk", True, []), id="a flag as port"),
        pytest.param(packed("greet", "x" * (LONGEST + 1), 1, []), id="a long name"),
        pytest.param(packed("greet", "desk", 1, ["a"] * (ADDRESSES + 1)), id="too many addresses"),
        pytest.param(packed("greet", "desk", 1, "10.0.0.2"), id="an address that is no list"),
        pytest.param(packed("join", b"s" * 65, "lap", 1, []), id="a long secret"),
        pytest.param(packed("join", "s" * 16, "lap", 1, []), id="a secret that is text"),
        pytest.param(packed("no", "x", "y" * (LONGEST + 1)), id="a long reason"),
        pytest.param(packed("roster", 1, False, [], []), id="a number as flag"),
        pytest.param(packed("roster", True, False, [GOOD_ENTRY] * (AT_ONCE + 1), []), id="too many entries"),
        pytest.param(packed("roster", True, False, [], [ANN] * (AT_ONCE + 1)), id="too many that are gone"),
        pytest.param(
            packed("roster", True, False, [GOOD_ENTRY[: EARLIER - 1]], []), id="an entry that is short"
        ),
        pytest.param(
            packed("roster", True, False, [[*GOOD_ENTRY, *range(20)]], []), id="an entry that is long"
        ),
        pytest.param(
            packed("roster", True, False, [[*GOOD_ENTRY[:7], ["r"] * (ROLE_LIMIT + 1), *GOOD_ENTRY[8:]]], []),
            id="too many roles",
        ),
        pytest.param(packed("have", EPOCH[:-1], 0), id="the id of a log that is short"),
        pytest.param(packed("have", EPOCH.upper(), 0), id="the id of a log in capitals"),
        pytest.param(packed("have", None, 0), id="no id of a log"),
        pytest.param(packed("have", EPOCH, -1), id="a number below 0"),
        pytest.param(packed("have", EPOCH, NUMBER_LIMIT + 1), id="a number too high"),
        pytest.param(packed("have", EPOCH, True), id="a flag as number"),
        pytest.param(told(ends=(9, 5)), id="events whose end is before their beginning"),
        pytest.param(told(log=""), id="events of no log"),
        pytest.param(told(epoch=""), id="events of no epoch"),
        pytest.param(told(kept=[0]), id="a kept number that no event has"),
        pytest.param(told(kept=[1] * (KEPT_AT_ONCE + 1)), id="too many kept numbers"),
        pytest.param(told(*[GOOD_EVENT] * (EVENTS_AT_ONCE + 1)), id="too many events"),
        pytest.param(told(GOOD_EVENT[:-1]), id="an event that is short"),
        pytest.param(told([*GOOD_EVENT, *range(25)]), id="an event that is long"),
        pytest.param(told([0, *GOOD_EVENT[1:]]), id="an event without number"),
        pytest.param(told([7, STAMP_LIMIT + 1, *GOOD_EVENT[2:]]), id="a stamp too high"),
        pytest.param(told([7, 0, *GOOD_EVENT[2:]]), id="a stamp too low"),
        pytest.param(told([7, 11, ANN.upper(), *GOOD_EVENT[3:]]), id="an event by nobody"),
        pytest.param(told([*GOOD_EVENT[:6], [["text", "hi"]], 1.5]), id="data that are no map"),
        pytest.param(
            told([*GOOD_EVENT[:6], {str(n): n for n in range(DATA_ITEMS + 1)}, 1.5]), id="too many data"
        ),
        pytest.param(told([*GOOD_EVENT[:4], "x" * (KEY_LIMIT + 1), *GOOD_EVENT[5:]]), id="a long repo"),
        pytest.param(b"\xc4" * (HOST_FRAME_LIMIT + 1), id="a frame above the limit"),
    ],
)
def test_refused(data: bytes) -> None:
    """What breaks a rule is refused with BadFrame, which says what was wrong."""
    with pytest.raises(BadFrame) as wrong:
        decode(data)
    assert len(str(wrong.value)) > 10


def test_a_later_version_may_say_more_of_a_peer() -> None:
    """What stands behind the fields that we know is passed over."""
    assert decode(packed("roster", False, False, [[*GOOD_ENTRY, "mood", 7]], [])) == Roster(Update((SHORT,)))


@pytest.mark.parametrize("more", [[], ["half of it"]])
def test_an_earlier_version_says_less_of_a_peer(more: list[str]) -> None:
    """Then its worktree is not known, and it was active when it began to do what it does."""
    fields = [*GOOD_ENTRY[: EARLIER - 1], 7.5, *more]
    [entry] = decode(packed("roster", False, False, [fields], [])).update.entries  # type: ignore[union-attr]
    assert entry == replace(SHORT, since=7.5, active=7.5)


def test_a_later_version_may_say_more_of_an_event() -> None:
    """What stands behind the fields that we know is passed over."""
    frame = decode(told([*GOOD_EVENT, "mood", 7]))
    assert isinstance(frame, Events)
    assert frame.events[0].data == {"text": "hi"}


def test_what_is_only_of_its_own_host_is_not_told() -> None:
    """Neither the host's key as it is known here, nor that an event was for this host only."""
    frame = Events(LOG, EPOCH, 5, 9, (replace(NOTE, host_key="ab" * 32, here=True),))
    assert decode(encode(frame)) == Events(LOG, EPOCH, 5, 9, (NOTE,))


def test_what_the_log_tells_at_once_fits() -> None:
    """A part of the log as long as it may be, of the longest numbers, is one frame that decodes."""
    assert (log.EVENTS_AT_ONCE, log.KEPT_AT_ONCE) == (EVENTS_AT_ONCE, KEPT_AT_ONCE)
    assert log_rows.KEY_LIMIT == KEY_LIMIT
    four = "\U0001f600"  # four bytes
    size = log.PART_SIZE // EVENTS_AT_ONCE // 4
    note = replace(NOTE, id=EventId(LOG, NUMBER_LIMIT), data={"text": four * size})
    kept = tuple(range(NUMBER_LIMIT - KEPT_AT_ONCE, NUMBER_LIMIT))
    frame = Events(LOG, EPOCH, NUMBER_LIMIT, NUMBER_LIMIT, (note,) * EVENTS_AT_ONCE, kept=kept)
    assert decode(encode(frame)) == frame
    single = replace(frame, events=(replace(note, data={"text": four * (log.EVENT_LIMIT // 4)}),))
    assert decode(encode(single)) == single


def test_the_largest_frame_of_two_peers_fits() -> None:
    """What a peer may say to one of this host, it may say to one of another."""
    for frame in (Ask(ANN, BOB, b"x" * wire.FRAME_LIMIT), Answer(ANN, BOB, b"x" * wire.FRAME_LIMIT)):
        assert decode(encode(frame)) == frame
    with pytest.raises(BadFrame):
        decode(packed("ask", ANN, BOB, b"x" * (wire.FRAME_LIMIT + 1)))


def longest(repo_key: str) -> Card:
    """A card of our own whose every field is as long as we let it be (enrol.py, where.py, names.py)."""
    four = "\U0001f600"  # four bytes
    return Card(
        id=ANN,
        name=four * NAME_LIMIT,
        host="",
        repo=four * REPO_LIMIT,
        repo_key=repo_key,
        branch=four * BRANCH_LIMIT,
        roles=(four * NAME_LIMIT,) * ROLE_LIMIT,
        focus=four * FOCUS_LIMIT,
        worktree=four * REPO_LIMIT,
    )


def test_the_largest_roster_fits() -> None:
    """As many peers as are told at once, each with the longest of everything, are one frame that decodes."""
    entry = Entry(longest("é" * LONGEST), "not answering", 1e8, 1e8)
    frame = Roster(Update((entry,) * AT_ONCE, (BOB,) * AT_ONCE, whole=True))
    assert len(encode(frame)) <= HOST_FRAME_LIMIT
    assert decode(encode(frame)) == frame


def test_the_longest_address_of_a_remote(tmp_path: Path) -> None:
    """A clone of a URL of any length hides no session of its host, and is the same project on every host."""
    cards = [FULL.card, longest(f"remote:git.example/{'deep/' * 70}app")]
    for card in cards:
        (tmp_path / "peers" / card.id).mkdir(parents=True)
    root = str(tmp_path)
    told = [roster(root, cards, lambda _: False, {}, secret=secret) for secret in (b"desk", b"lap")]
    heard = [decode(encode(Roster(Update(tuple(one.values()), whole=True)))) for one in told]
    assert heard[0] == heard[1]
    assert isinstance(heard[0], Roster)
    keys = {one.card.id: one.card.repo_key for one in heard[0].update.entries}
    assert keys[BOB] == FULL.card.repo_key
    assert keys[ANN] not in {"", keys[BOB]}
