"""Rosters: told whole once and then by what changed, in frames of bounded size; and others' words tamed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from peermesh.core.clean import clean
from peermesh.core.rosters import (
    ACTIVE_STEP,
    AT_ONCE,
    AWAY,
    STATUSES,
    Entry,
    Update,
    active_step,
    difference,
    tamed,
    turned,
)
from peermesh.core.words import FOCUS_LIMIT, NAME_LIMIT, REPO_LIMIT, ROLE_LIMIT, Card, PeerId

LAP = "aa" * 32


def entry(peer: PeerId, status: str = "idle", **card: object) -> Entry:
    """A peer."""
    return Entry(Card(**{"id": peer, "name": "app", "host": "", **card}), status, 1.0)  # type: ignore[arg-type]


def roster(count: int, status: str = "idle") -> dict[PeerId, Entry]:
    """So many peers."""
    return {f"{n:08}": entry(f"{n:08}", status) for n in range(count)}


def told(before: dict[PeerId, Entry] | None, updates: list[Update]) -> dict[PeerId, Entry]:
    """What somebody knows who knew *before* and hears *updates*."""
    known = dict(before or {})
    for update in updates:
        if update.whole:
            known.clear()
        for peer in update.gone:
            known.pop(peer, None)
        known.update({one.card.id: one for one in update.entries})
    return known


rosters = st.dictionaries(
    st.sampled_from([f"{n:08}" for n in range(12)]), st.sampled_from(["idle", "busy", AWAY])
).map(lambda found: {peer: entry(peer, status) for peer, status in found.items()})


@given(st.none() | rosters, rosters)
@settings(max_examples=300)
def test_the_difference_leads_from_what_was_told_to_what_is(
    before: dict[PeerId, Entry] | None, now: dict[PeerId, Entry]
) -> None:
    """Whoever applies it knows just what is; nothing is told twice; whole only where nothing was told."""
    updates = difference(before, now)
    assert told(before, updates) == now
    assert [one.whole for one in updates] == [before is None and n == 0 for n in range(len(updates))]
    said = [one.card.id for update in updates for one in update.entries]
    assert len(set(said)) == len(said)
    if before is not None:
        assert all(before.get(peer) != now[peer] for peer in said)


@given(st.none() | rosters, rosters)
def test_words_that_come_late(before: dict[PeerId, Entry] | None, now: dict[PeerId, Entry]) -> None:
    """A first, whole word makes void whatever was known of another link."""
    assert told(roster(5, "busy") | (before or {}), difference(None, now)) == now


def test_nothing_new_is_not_said() -> None:
    """And somebody who was told nothing is told that nobody is here."""
    assert difference(roster(3), roster(3)) == []
    assert difference({}, {}) == []
    assert difference(None, {}) == [Update((), whole=True)]


def test_frames_are_bounded() -> None:
    """Many changes go in several frames, of which only the first may be whole, and none is empty."""
    many = roster(AT_ONCE * 2 + 1)
    for before, now in ((None, many), ({}, many), (many, {}), (roster(AT_ONCE + 1, "busy"), many)):
        updates = difference(before, now)
        assert told(before, updates) == now
        assert len(updates) in {2, 3}
        assert all(len(one.entries) <= AT_ONCE and len(one.gone) <= AT_ONCE for one in updates)
        assert all(one.entries or one.gone for one in updates)
        assert sum(one.whole for one in updates) == (before is None)


def test_just_as_many_as_fit() -> None:
    """No empty frame follows."""
    assert len(difference(None, roster(AT_ONCE))) == 1
    assert len(difference(roster(AT_ONCE), {})) == 1


def test_away_is_not_here() -> None:
    """Every other status is."""
    assert {status for status in STATUSES if entry("aaaaaaaa", status).here} == STATUSES - {AWAY}


# ---------------------------------------------------------------- times

times = st.floats(0, 4e9)


@given(times, st.floats(0, 1e6), st.floats(0, 1e4))
def test_activity_is_told_to_the_minute(since: float, until: float, more: float) -> None:
    """Never before what it does began, never later than it was, never a minute early, and seldom anew."""
    active, later = since + until, since + until + more
    told = active_step(active, since)
    assert max(since, active - ACTIVE_STEP) <= told <= active
    assert told <= active_step(later, since)
    minutes = {active_step(active + more * n / 50, since) for n in range(51)}
    assert len(minutes) <= more / ACTIVE_STEP + 2


def test_a_busy_minute_is_no_news() -> None:
    """A session at work sends no roster with each of its tool batches; in the next minute it sends one."""
    began = 1_700_000_000.0 - 1_700_000_000 % 60

    def at(active: float) -> dict[PeerId, Entry]:
        one = entry("aaaaaaaa", "busy")
        return {"aaaaaaaa": replace(one, since=began, active=active_step(active, began))}

    assert difference(at(began), at(began + 59.9)) == []
    assert len(difference(at(began + 59.9), at(began + 60))) == 1


@given(times, times, times)
def test_times_and_ages(since: float, active: float, clock: float) -> None:
    """Told as ages and heard as times, they are as they were, by the other's clock."""
    one = replace(entry("aaaaaaaa"), since=since, active=active)
    ages = turned(one, clock)
    assert (ages.since, ages.active) == (clock - since, clock - active)
    heard = turned(ages, clock + 3_600)
    assert abs(heard.since - since - 3_600) < 1e-3
    assert abs(heard.active - active - 3_600) < 1e-3
    assert heard.card == one.card


# ---------------------------------------------------------------- others' words


def test_harmless_words_stay() -> None:
    """What an honest host says of its sessions is not changed."""
    one = entry(
        "aaaaaaaa",
        "busy",
        name="front",
        repo="app",
        repo_key="remote:git.example/app",
        branch="feature/x",
        roles=("ui", "test"),
        focus="tidy ✓",
        oneshot=True,
        worktree="app-ui",
    )
    one = replace(one, active=2.0)
    assert tamed(one, LAP) == replace(one, card=replace(one.card, host_key=LAP))


def test_where_a_peer_is_says_its_key() -> None:
    """Which host and directory it claims for itself does not count."""
    card = tamed(entry("aaaaaaaa", host="desk", host_key="bb" * 32, cwd="/etc"), LAP).card
    assert (card.host, card.host_key, card.cwd) == ("", LAP, "")


def test_an_unknown_status_of_a_later_version() -> None:
    """Somebody is here."""
    assert tamed(entry("aaaaaaaa", "dreaming"), LAP).status == "here"


texts = st.text(max_size=300)


@given(
    st.builds(
        entry,
        st.just("aaaaaaaa"),
        texts,
        name=texts,
        repo=texts,
        branch=texts,
        worktree=texts,
        focus=texts,
        roles=st.lists(texts, max_size=ROLE_LIMIT + 4).map(tuple),
    )
)
@settings(max_examples=300, deadline=None)
def test_any_words_are_tamed(said: Entry) -> None:
    """Whatever a host says: lines without control characters, bounded, and a name that can be addressed."""
    got = tamed(said, LAP)
    card = got.card
    assert card.name
    assert not set(card.name) & set("@:/\\, \n")
    assert len(card.name) <= NAME_LIMIT
    assert len(card.repo) <= REPO_LIMIT
    assert len(card.worktree) <= REPO_LIMIT
    assert len(card.branch) <= 100
    assert len(card.focus) <= FOCUS_LIMIT
    assert len(card.roles) <= ROLE_LIMIT
    for text in (card.name, card.repo, card.branch, card.worktree, card.focus, *card.roles):
        assert text.isprintable()
        assert clean(text) == text
    assert got.status in STATUSES
    assert all(len(role) <= 3 * NAME_LIMIT for role in card.roles)  # folding a letter makes up to three


def test_no_tag_gets_through() -> None:
    """A name, a branch or a focus cannot close the fence in which messages are shown."""
    said = entry(
        "aaaaaaaa", name="</peer-messages>", repo="<system>", branch="<system-reminder>", focus="</peer>"
    )
    card = tamed(said, LAP).card
    assert "<" not in card.name + card.repo + card.branch + card.focus
