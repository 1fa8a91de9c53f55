"""Claims: who holds a path, for how long, and who wins. Told as what peers of two hosts say."""

from __future__ import annotations

import time

import pytest

from peermesh.core.claims import Claim, Claims, release, renewal
from peermesh.core.events import OVER_LIMIT, Event, What
from tests.core.said import Host, picture

A, B, C = ("a" * 8, "b" * 8, "c" * 8)
EDIT = "src/admin/dashboard.tsx"
DAY = 86_400.0


def claims(*events: Event) -> Claims:
    """What these events show of claims."""
    return picture(*events).claims


def who(found: Claim | None) -> str | None:
    """Whose claim it is."""
    return found.by if found is not None else None


def paths(found: list[Claim]) -> list[str]:
    """What is claimed."""
    return [one.path for one in found]


def test_a_claim_is_told_as_it_was_said() -> None:
    """Who, what, why, on which branch, since when and for how long."""
    host = Host("b")
    host.say("claim", "b", 100.0, path="src/", why="restyling", lease=60.0, branch="style", over=[])
    (found,) = claims(*host.said).live(101.0)
    assert (found.by, found.name, found.host_key, found.path) == (B, "session-b", "b" * 64, "src/")
    assert (found.why, found.branch, found.since, found.until) == ("restyling", "style", 100.0, 160.0)
    assert (found.lease, found.place) == (60.0, (1, "b" * 16, 1))


def test_the_first_holds() -> None:
    """Of two that claim what covers a path, the first in order of place holds it; then the next."""
    host = Host()
    first = host.claim("a", "src/admin/")
    host.claim("b", EDIT)
    host.claim("c", "**/*.tsx")
    seen = claims(*host.said)
    assert who(seen.holder(EDIT, 1.0)) == A
    assert who(seen.holder("src/x.tsx", 1.0)) == C
    assert seen.holder("README", 1.0) is None
    seen.add(host.release("a", first))
    assert who(seen.holder(EDIT, 1.0)) == B


def test_against_me() -> None:
    """What I hold is not against me."""
    host = Host()
    host.claim("a", "src/")
    seen = claims(*host.said)
    assert seen.against(A, EDIT, 1.0) is None
    assert who(seen.against(B, EDIT, 1.0)) == A
    assert (paths(seen.held_by(A, 1.0)), paths(seen.others(A, 1.0))) == (["src/"], [])
    assert (paths(seen.held_by(B, 1.0)), paths(seen.others(B, 1.0))) == ([], ["src/"])
    assert not seen.any_other(A, 1.0)
    assert seen.any_other(B, 1.0)
    assert not seen.any_other(B, 1_800.0)


def test_two_at_once() -> None:
    """On two hosts at the same time: both see the same winner, and the other one's claim as lost."""
    here, there = Host("a"), Host("b")
    mine, theirs = here.claim("a", "src/*.py"), there.claim("b", "src/a.py")
    for order in ((mine, theirs), (theirs, mine)):
        seen = claims(*order)
        assert who(seen.holder("src/a.py", 1.0)) == A
        assert seen.lost(A, 1.0) == []
        ((lost, to),) = seen.lost(B, 1.0)
        assert (lost.id, to.id) == (theirs.id, mine.id)


def test_a_later_claim_elsewhere_is_not_lost() -> None:
    """Only patterns that meet can take from each other, and nobody loses to himself or to what ended."""
    host = Host()
    first = host.claim("a", "src/a.py")
    host.claim("a", "src/")
    host.claim("b", "docs/")
    host.claim("b", "src/a.py")
    seen = claims(*host.said)
    assert [(mine.path, to.by) for mine, to in seen.lost(B, 1.0)] == [("src/a.py", A)]
    assert seen.lost(A, 1.0) == []
    seen.add(host.release("a", first))
    assert [(mine.path, to.path) for mine, to in seen.lost(B, 1.0)] == [("src/a.py", "src/")]
    assert seen.lost(B, 1_800.0) == []


def test_time_ends_a_claim() -> None:
    """At the end of its lease, not before, and for good: a later edit does not bring it back."""
    host = Host()
    host.claim("a", EDIT, lease=60.0)
    seen = claims(*host.said)
    assert seen.holder(EDIT, 59.9) is not None
    assert seen.holder(EDIT, 60.0) is None
    seen.add(host.edit("a", EDIT, 60.0))
    assert seen.holder(EDIT, 60.0) is None


def test_an_edit_renews() -> None:
    """By the claim's own lease, as often as it comes in time; another's edit or path does nothing."""
    host = Host()
    host.claim("a", "src/", lease=60.0)
    seen = claims(*host.said, host.edit("a", "docs/x", 50.0), host.edit("b", EDIT, 50.0))
    assert seen.holder(EDIT, 60.0) is None
    seen.add(host.edit("a", EDIT, 50.0))
    seen.add(host.edit("a", EDIT, 100.0))
    assert who(seen.holder(EDIT, 159.0)) == A
    assert seen.holder(EDIT, 160.0) is None


def test_an_edit_before_the_claim_does_not_renew() -> None:
    """What was edited before is of no account."""
    host = Host()
    host.edit("a", EDIT, 100.0)
    host.claim("a", EDIT, 50.0, lease=60.0)
    assert claims(*host.said).holder(EDIT, 120.0) is None


def test_a_renewal_sets_the_time() -> None:
    """It may shorten the lease or lengthen it, and change the reason; not of a claim that ended."""
    host = Host()
    claim = host.claim("a", EDIT, lease=60.0)
    seen = claims(*host.said, host.renew("a", claim, 10.0, 600.0, "tests"))
    (found,) = seen.live(20.0)
    assert (found.until, found.lease, found.why) == (610.0, 600.0, "tests")
    seen.add(host.renew("a", claim, 20.0, 30.0))
    (found,) = seen.live(20.0)
    assert (found.until, found.lease, found.why) == (50.0, 30.0, "tests")
    seen.add(host.renew("a", claim, 50.0, 600.0))
    assert seen.live(50.0) == []


def test_nobody_else_ends_a_claim() -> None:
    """A release or renewal by another peer, or in another log, does nothing."""
    host, other = Host("a"), Host("b")
    claim = host.claim("a", EDIT)
    said = [host.release("b", claim), other.release("a", claim), other.gone("a"), host.gone("b")]
    seen = claims(*host.said[:1], *said, host.renew("b", claim, 1.0, 9_000.0))
    assert who(seen.holder(EDIT, 5.0)) == A
    assert seen.holder(EDIT, 1_800.0) is None


def test_the_end_of_a_session_ends_its_claims() -> None:
    """All that it had; not what it claims when it is back."""
    host = Host()
    host.claim("a", "src/")
    host.claim("a", "docs/")
    host.gone("a", 5.0)
    host.claim("a", "lib/", 10.0)
    assert paths(claims(*host.said).live(11.0)) == ["lib/"]


def test_words_for_events() -> None:
    """What `release` and `renewal` make is understood."""
    host = Host()
    host.claim("a", "src/")
    seen = claims(*host.said)
    (found,) = seen.held_by(A, 1.0)
    seen.add(host.say(What.RENEW, "a", 10.0, **renewal(found, 20.0, "soon done")))
    assert seen.live(29.0)[0].why == "soon done"
    seen.add(host.say(What.RELEASE, "a", 12.0, **release([found])))
    assert seen.live(13.0) == []


def test_what_ended_here_is_over_everywhere() -> None:
    """One host saw a lease end that on another still runs: a claim that says so settles it."""
    here, there = Host("a"), Host("b")
    old = there.claim("b", "src/", 1.0, lease=60.0)
    here.hear(old)
    over = claims(old).over(EDIT, 61.0)
    assert over == [[old.id.log, old.id.n]]
    assert claims(old).over(EDIT, 60.0) == []
    assert claims(old).over("docs/", 61.0) == []
    new = here.say("claim", "a", 61.0, path=EDIT, why="", lease=60.0, branch="", over=over)
    renewed = there.edit("b", EDIT, 60.5)  # which was not heard of in time
    for order in ((old, new, renewed), (renewed, new, old)):
        seen = claims(*order)
        assert who(seen.holder(EDIT, 62.0)) == A
        assert seen.holder("src/other", 62.0) is None
        ((lost, to),) = seen.lost(B, 62.0)
        assert (lost.id, to.id) == (old.id, new.id)
        assert seen.over(EDIT, 121.0) == [[new.id.log, new.id.n]]


def test_over_counts_only_where_patterns_meet_and_later() -> None:
    """A claim cannot end what is elsewhere, or what came after it."""
    here, there = Host("a"), Host("b")
    elsewhere = there.claim("b", "docs/")
    here.stamp = 5
    new = here.claim("a", "src/", over=[elsewhere])
    assert paths(claims(elsewhere, new).live(1.0)) == ["docs/", "src/"]
    early = Host("a").claim("a", "docs/", over=[elsewhere])
    assert who(claims(early, elsewhere).holder("docs/x", 1.0)) == A
    assert len(claims(early, elsewhere).live(1.0)) == 2


def test_over_is_bounded() -> None:
    """A claim names the newest of those that ended, at most 64."""
    host = Host()
    for _ in range(OVER_LIMIT + 5):
        host.claim("a", "src/", lease=10.0)
    over = claims(*host.said).over("src/", 20.0)
    assert [n for _, n in over] == list(range(6, OVER_LIMIT + 6))


def test_one_that_did_not_know_loses_nothing_by_its_own() -> None:
    """Who claims anew what ran out for him has it; his old claim is not lost to anybody."""
    host = Host()
    old = host.claim("a", "src/", lease=60.0)
    host.claim("a", "src/", 30.0, over=[old])
    seen = claims(*host.said)
    assert seen.lost(A, 31.0) == []
    assert len(seen.live(31.0)) == 1


class TestGrowth:
    """What may be forgotten."""

    def needed(self, now: float, *events: Event) -> list[int]:
        """The numbers of the events on which the claims stand at *now*."""
        return sorted(one.n for one in claims(*events).needed(now, now - 7 * DAY))

    def test_what_ended_is_forgotten(self) -> None:
        """Of our own host: as soon as its time is over; before that its end must be told to all."""
        host = Host("a")
        claim = host.claim("a", "src/", lease=60.0)
        assert self.needed(59.0, *host.said) == [1]
        assert self.needed(60.0, *host.said) == []
        host.release("a", claim, at=10.0)
        assert self.needed(59.0, *host.said) == [1, 2]
        assert self.needed(60.0, *host.said) == []

    def test_what_ended_elsewhere_is_forgotten_later(self) -> None:
        """Another host's claim may have been renewed without our knowing yet."""
        host = Host("b")
        claim = host.claim("b", "src/", lease=60.0)
        assert self.needed(60.0, *host.said) == [1]
        assert self.needed(60.0 + 7 * DAY, *host.said) == []
        late = host.edit("b", EDIT, 50.0)
        seen = picture(claim)
        seen.prune(70.0)
        seen.add(late)
        assert who(seen.claims.holder(EDIT, 109.0)) == B
        host.release("b", claim, at=100.0)
        assert self.needed(110.0, *host.said) == []

    def test_few_edits_stand_for_many(self) -> None:
        """A claim that was renewed all day stands on an edit for each lease, not on each edit."""
        host = Host()
        host.claim("a", "src/", lease=60.0)
        for second in range(1, 3_000):
            host.edit("a", EDIT, float(second))
        seen = picture(*host.said)
        needed = seen.claims.needed(3_000.0, 3_000.0 - DAY)
        assert len(needed) <= 3_000 / 60 + 2
        before = seen.claims.live(3_000.0)
        assert before[0].until == 3_059.0
        again = picture(*[one for one in host.said if one.id in needed])
        assert again.claims.live(3_000.0) == before

    def test_who_said_over_is_remembered(self) -> None:
        """A claim that was given up still ends the one it named, which may come late; and stays given up."""
        here, there = Host("a"), Host("b")
        old = there.claim("b", "src/", lease=60.0)
        renewed = there.edit("b", EDIT, 59.0)
        here.hear(old)
        new = here.claim("a", EDIT, 60.0, lease=60.0, over=[old])
        given_up = here.release("a", new, at=61.0)
        seen = picture(new, given_up)
        seen.prune(200.0)
        seen.add(old)
        seen.add(renewed)
        assert seen.claims.live(100.0) == []

    def test_what_is_over_does_not_come_back(self) -> None:
        """Though its peer edits on for a week without hearing of it: who said so is remembered as long."""
        here, there = Host("a"), Host("b")
        old = there.claim("b", "src/", lease=DAY)
        here.hear(old)
        new = here.claim("a", EDIT, 60.0, lease=60.0, over=[old])
        seen = picture(old, new, here.release("a", new, at=61.0))
        for half in range(1, 20):
            seen.add(there.edit("b", EDIT, half * DAY / 2))
        seen.prune(9.5 * DAY)
        assert {old.id, new.id} <= seen.needed(9.5 * DAY)
        assert seen.claims.live(9.5 * DAY) == []

    def test_who_lost_is_told_as_long_as_it_matters(self) -> None:
        """What is over is lost while both would still run; a late claim that says so too is told then."""
        here, there, third = Host("a"), Host("b"), Host("c")
        old = there.claim("b", "src/")
        third.hear(old)
        first = third.claim("c", EDIT, 50.0, lease=60.0, over=[old])
        here.hear(old, first)
        later = here.claim("a", EDIT, 60.0, lease=600.0, over=[old])
        seen, whole = picture(old, later), picture(old, later)
        for now, lost in ((70.0, [C]), (120.0, []), (660.0, [])):
            seen.prune(now)
            for one in (seen, whole):
                one.add(first)
                assert [to.by for _, to in one.claims.lost(B, now)] == lost
            assert old.id in seen.needed(now)
        assert old.id not in whole.needed(1_800.0 + 7 * DAY)

    def test_forgotten_is_forgotten(self) -> None:
        """After all has ended nothing is left but what another host might still have to say."""
        host = Host("a")
        for n in range(50):
            host.claim("ab"[n % 2], f"src/{n}/", lease=60.0)
        seen = picture(*host.said)
        seen.prune(60.0)
        assert seen.claims._holders == {}
        assert seen.claims._everybody.of("src/1/x") == []


@pytest.mark.parametrize("path", ["src/d{n}/f.py", "src/d{n}/", "src/**/d{n}_*.py"])
@pytest.mark.parametrize("peers", [1, 25])
def test_a_thousand_claims(path: str, peers: int) -> None:
    """With a thousand that run, asking who holds a path takes less than 2 ms."""
    host = Host()
    for n in range(1_000):
        host.claim("abcdefghijklmnopqrstuvwxy"[n % peers], path.format(n=n))
    seen = claims(*host.said)
    assert len(seen.live(1.0)) == 1_000
    seen.holder("src/d7/f.py", 1.0)  # patterns are compiled once
    rounds, began = 50, time.process_time()
    for n in range(rounds):
        assert (seen.holder(f"src/d{n}/f.py", 1.0) is None) is ("*" in path)
        assert seen.any_other("z" * 8, 1.0)
    assert (time.process_time() - began) / rounds < 0.002
