"""Who is trusted and who was invited: names, keys, and invitations that are good once and not for long."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic, sleep

import pytest

from peermesh.errors import BadUsage, InviteRefused, KeyChanged, NotTrusted
from peermesh.store import trust as module
from peermesh.store import trusted
from peermesh.store.trust import HOSTS, SECRET_BYTES, TRIES, TrustStore
from peermesh.store.trusted import INVITE_LIFE, Trust, fingerprint
from tests.store.trusts import LAP, NEW, OLD, OTHER, SECRET, WRONG, again, key, names


class Clock:
    """A wall clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def time(self) -> float:
        """Seconds since 1970."""
        return self.now

    monotonic = staticmethod(monotonic)
    sleep = staticmethod(sleep)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The module's clock."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(trusted, "time", clock)
    return clock


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    """The trust of the host ``desk``."""
    return TrustStore(str(tmp_path), "desk")


# ---------------------------------------------------------------- who is trusted


def test_nobody_is_trusted_at_first(store: TrustStore) -> None:
    """And reading makes no file."""
    assert store.read() == Trust()
    assert not store.inviting()
    assert not os.path.exists(store.path)


def test_a_host_is_added(store: TrustStore, clock: Clock) -> None:
    """With its name, key, time and addresses, for every process."""
    store.add(LAP, "lap", ("10.0.0.2:7337",))
    [one] = again(store).read().hosts
    assert (one.name, one.key, one.since, one.addresses) == ("lap", LAP, clock.now, ("10.0.0.2:7337",))
    assert store.read().by_key(LAP) == store.read().by_name("LAP") == one
    assert store.read().by_key(OLD) is None


def test_added_twice_is_one_host(store: TrustStore, clock: Clock) -> None:
    """The same key again: since the first time, at its new addresses and its older ones."""
    store.add(LAP, "lap", ("10.0.0.2:7337",))
    first = clock.now
    clock.now += 60
    again(store).add(LAP, "lap", ("10.0.0.9:7337",))
    [one] = store.read().hosts
    assert (one.since, one.addresses) == (first, ("10.0.0.9:7337", "10.0.0.2:7337"))


def test_added_again_keeps_its_name(store: TrustStore) -> None:
    """What a person called it stays, unless a person says otherwise; and it is no alarm that it is not new."""
    store.add(LAP, "lap")
    store.rename("lap", "laptop")
    assert store.add(LAP, "lap").name == "laptop"
    store.add(OLD, "lap")
    assert store.add(LAP, "lap").name == "laptop"
    store.invite(SECRET)
    assert store.redeem(SECRET, LAP, "lap", ()).name == "laptop"
    assert store.add(LAP, "new", exact=True).name == "new"
    assert names(store) == ["new", "lap"]


def test_another_key_by_that_name_is_an_alarm(store: TrustStore) -> None:
    """Nothing is changed, and the sentence shows both keys' fingerprints."""
    store.add(LAP, "lap")
    with pytest.raises(KeyChanged) as wrong:
        store.add(OLD, "LAP")
    assert fingerprint(LAP) in str(wrong.value)
    assert fingerprint(OLD) in str(wrong.value)
    assert [one.key for one in store.read().hosts] == [LAP]
    store.add(OLD, "lap two", exact=True)
    assert names(store) == ["lap", "lap-two"]


@pytest.mark.parametrize("full", [False, True])
def test_errors_name_commands_that_there_are(store: TrustStore, *, full: bool) -> None:
    """Removing is `peer trust remove NAME`."""
    for number in range(HOSTS if full else 1):
        store.add(key(number), f"lap{number}")
    with pytest.raises((KeyChanged, BadUsage)) as wrong:
        store.add(OLD, "more" if full else "lap0")
    assert "peer trust remove " in str(wrong.value)


def test_a_host_of_our_own_name(store: TrustStore) -> None:
    """It is given another, for name@host must be clear; a person may not choose just ours."""
    assert store.add(LAP, "Desk").name == "Desk-2"
    with pytest.raises(BadUsage, match="this host itself"):
        store.add(OLD, "desk", exact=True)
    with pytest.raises(BadUsage):
        store.rename("Desk-2", "DESK")


def test_two_hosts_of_our_own_name(store: TrustStore) -> None:
    """Three machines out of one image: each gets a name of its own, and none is lost."""
    store.add(LAP, "desk")
    store.add(OLD, "desk")
    assert names(store) == ["desk-2", "desk-3"]


def test_a_name_that_is_none(store: TrustStore) -> None:
    """A host that calls itself something unusable is called "host"."""
    assert store.add(LAP, " @@ \n").name == "host"
    assert store.add(OLD, "a b\x1b[31m").name == "a-b-[31m"


def test_rename(store: TrustStore) -> None:
    """A host is called otherwise; case may be changed, others' names may not be taken."""
    store.add(LAP, "lap")
    store.add(OLD, "old")
    assert store.rename("LAP", "Laptop").name == "Laptop"
    assert store.rename("laptop", "LapTop").name == "LapTop"
    for taken in ("OLD", "desk", "", "@"):
        with pytest.raises(BadUsage):
            store.rename("laptop", taken)
    with pytest.raises(NotTrusted, match="LapTop, old"):
        store.rename("lap", "x")
    assert names(store) == ["LapTop", "old"]


def test_remove(store: TrustStore) -> None:
    """A removed host is trusted no longer; its name and key may be used again."""
    store.add(LAP, "lap")
    store.add(OLD, "old")
    assert store.remove("Lap").key == LAP
    with pytest.raises(NotTrusted):
        store.remove("lap")
    assert names(store) == ["old"]
    store.add(NEW, "lap")
    store.add(LAP, "lap two")
    assert names(store) == ["old", "lap", "lap-two"]


def test_where_it_was_met(store: TrustStore) -> None:
    """The newest addresses come first, eight are kept, and nothing is written that is no news."""
    store.add(LAP, "lap", tuple(f"10.0.0.{n}:7337" for n in range(8)))
    store.met(LAP, ("10.0.0.5:7337", "10.0.1.1:7337"))
    [one] = again(store).read().hosts
    assert one.addresses[:3] == ("10.0.0.5:7337", "10.0.1.1:7337", "10.0.0.0:7337")
    assert len(one.addresses) == module.ADDRESSES
    was = store.revision()
    store.met(LAP, ("10.0.0.5:7337",))
    store.met(OLD, ("10.0.0.5:7337",))
    assert store.revision() == was


def test_connect(store: TrustStore) -> None:
    """Addresses to try: the newest first, once each, and no more than a hundred."""
    store.connect("desk.example")
    store.connect("10.0.0.2:7337")
    assert store.connect("desk.example") == ("desk.example", "10.0.0.2:7337")
    assert store.connect("desk.example", forget=True) == ("10.0.0.2:7337",)
    with pytest.raises(BadUsage, match=r"10\.0\.0\.2"):
        store.connect("desk.example", forget=True)
    for number in range(HOSTS - 1):
        store.connect(f"host{number}")
    with pytest.raises(BadUsage, match="--forget"):
        store.connect("one.more")
    assert again(store).read().connect == store.read().connect


def test_no_more_than_a_hundred_hosts(store: TrustStore) -> None:
    """The next is refused, one that is known is not."""
    for number in range(HOSTS):
        store.add(key(number), f"host{number}")
    with pytest.raises(BadUsage):
        store.add(LAP, "lap")
    store.invite(SECRET)
    with pytest.raises(BadUsage):
        store.redeem(SECRET, LAP, "lap", ())
    store.add(key(3), "host3")
    assert len(names(store)) == HOSTS


# ---------------------------------------------------------------- invitations


def test_an_invitation_is_used_once(store: TrustStore) -> None:
    """The second guest with the same secret is refused and counted."""
    store.invite(SECRET)
    assert again(store).inviting()
    assert store.redeem(SECRET, LAP, "lap", ("10.0.0.2:7337",)).name == "lap"
    assert not again(store).inviting()
    with pytest.raises(InviteRefused):
        store.redeem(SECRET, OLD, "old", ())
    assert names(store) == ["lap"]
    assert again(store).read().refused == 1


def test_the_same_host_may_ask_again(store: TrustStore) -> None:
    """Its answer was lost: it hears the same again, nothing is counted and nothing changes."""
    store.invite(SECRET)
    first = store.redeem(SECRET, LAP, "lap", ())
    was = store.revision()
    assert again(store).redeem(SECRET, LAP, "lap", ()) == first
    assert store.revision() == was
    assert store.read().refused == 0


def test_the_secret_itself_is_not_kept(store: TrustStore) -> None:
    """Who reads the file, or a backup of it, cannot come in by it."""
    store.invite(SECRET)
    text = Path(store.path).read_text()
    assert SECRET.hex() not in text
    assert SECRET.decode() not in text


def test_ten_minutes(store: TrustStore, clock: Clock) -> None:
    """Until then it is good, from then on it is not."""
    store.invite(SECRET)
    clock.now += INVITE_LIFE - 0.1
    assert store.inviting()
    clock.now += 0.1
    assert not store.inviting()
    with pytest.raises(InviteRefused, match="ten minutes"):
        store.redeem(SECRET, LAP, "lap", ())
    assert (names(store), store.read().refused) == ([], 1)


def test_a_clock_that_is_set_back(store: TrustStore, clock: Clock) -> None:
    """An invitation does not live longer by it."""
    store.invite(SECRET)
    clock.now -= 3_600
    assert not store.inviting()
    with pytest.raises(InviteRefused):
        store.redeem(SECRET, LAP, "lap", ())


def test_three_wrong_tries_end_all_that_are_open(store: TrustStore) -> None:
    """Two do not; one that was made in between has tries of its own."""
    store.invite(SECRET)
    for _ in range(TRIES - 1):
        with pytest.raises(InviteRefused):
            store.redeem(WRONG, OLD, "old", ())
    assert store.inviting()
    store.invite(OTHER)
    with pytest.raises(InviteRefused):
        store.redeem(WRONG, OLD, "old", ())
    with pytest.raises(InviteRefused):
        store.redeem(SECRET, LAP, "lap", ())
    assert store.redeem(OTHER, LAP, "lap", ()).name == "lap"
    assert store.read().refused == TRIES + 1


def test_the_right_secret_is_no_wrong_try(store: TrustStore) -> None:
    """Using one invitation takes no tries from another."""
    for number in range(TRIES + 1):
        store.invite(bytes([number]) * 16)
    for number in range(TRIES + 1):
        store.redeem(bytes([number]) * 16, key(number), f"host{number}", ())
    assert len(names(store)) == TRIES + 1


def test_the_inviter_chooses_the_name(store: TrustStore) -> None:
    """Whatever the guest calls itself."""
    store.invite(SECRET, "laptop")
    assert store.redeem(SECRET, LAP, "localhost", ()).name == "laptop"


def test_an_alarm_leaves_the_invitation_open(store: TrustStore) -> None:
    """A guest with a taken name is refused; nothing is counted, and by another name it comes in."""
    store.add(OLD, "lap")
    store.invite(SECRET)
    with pytest.raises(KeyChanged):
        store.redeem(SECRET, LAP, "lap", ())
    assert (store.read().refused, names(store)) == (0, ["lap"])
    assert store.redeem(SECRET, LAP, "lap two", ()).name == "lap-two"


def test_a_guest_that_is_known_uses_up_its_invitation(store: TrustStore) -> None:
    """Pairing again spends the invitation and makes no second host."""
    store.add(LAP, "lap")
    store.invite(SECRET)
    store.redeem(SECRET, LAP, "lap", ("10.0.0.7:7337",))
    assert not store.inviting()
    [one] = store.read().hosts
    assert one.addresses == ("10.0.0.7:7337",)


def test_fingerprints(store: TrustStore) -> None:
    """Three groups of four digits, of the key only, and others for other keys."""
    found = {fingerprint(key(number)) for number in range(500)}
    assert len(found) == 500
    assert all([len(part) for part in one.split("-")] == [4, 4, 4] for one in found)
    assert fingerprint(LAP) == fingerprint(LAP)


def test_revoked(store: TrustStore) -> None:
    """An invitation that was taken back lets nobody in; others stay."""
    mine, other = b"m" * SECRET_BYTES, b"o" * SECRET_BYTES
    store.invite(mine)
    store.invite(other)
    store.revoke(mine)
    store.revoke(mine)
    with pytest.raises(InviteRefused):
        store.redeem(mine, LAP, "lap", ())
    assert store.redeem(other, LAP, "lap", ()).name == "lap"
