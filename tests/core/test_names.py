"""Names: tidy, unique, and found again from what somebody typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peermesh.core import names
from peermesh.core.clean import line
from peermesh.core.names import Ambiguous, Unknown, derived, find, is_group, key, members, tidy, unique
from peermesh.core.words import FOCUS_LIMIT, NAME_LIMIT, Card
from tests.core.people import ANN, BOB, CLEO, card

DAN, EVE = "dddddddd", "eeeeeeee"

HERE = [card(ANN, name="api"), card(BOB, name="web"), card(CLEO, name="docs")]
THERE = [card(DAN, name="api", host="laptop"), card(EVE, name="ui", host="laptop")]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("session-b", "session-b"),
        ("  two   words ", "two-words"),
        ("a/b\\c:d,e@f", "a-b-c-d-e-f"),
        ("@all", "all"),
        ("tab\there\nand there", "tab-here-and-there"),
        ("\x1b[31mred", "[31mred"),
        ("\u202eevil", "evil"),
        ("-rf", "rf"),
        ("..", ""),
        ("---", ""),
        ("", ""),
        ("é", "é"),
        ("日本", "日本"),
        ("x" * 60, "x" * NAME_LIMIT),
        ("x" * 39 + " y", "x" * 39),
    ],
)
def test_tidy(text: str, name: str) -> None:
    """One printable word that no group, host or option can be mistaken for."""
    assert tidy(text) == name


@given(st.text())
def test_tidy_is_always_a_name_or_nothing(text: str) -> None:
    """Whatever was typed, what comes out is short, printable, has no reserved letter, and is tidy already."""
    name = tidy(text)
    assert len(name) <= NAME_LIMIT
    assert name.isprintable()
    assert not set(name) & set("@:/\\, \t\n")
    assert not name.startswith(("-", "."))
    assert tidy(name) == name


@given(st.text(max_size=300), st.integers(1, FOCUS_LIMIT))
def test_line(text: str, limit: int) -> None:
    """One printable line of at most so many characters."""
    said = line(text, limit)
    assert len(said) <= limit
    assert said.isprintable()
    assert "  " not in said


def test_line_that_is_cut_says_so() -> None:
    """What was cut ends in an ellipsis."""
    assert line("x" * 300) == "x" * (FOCUS_LIMIT - 1) + "…"
    assert line("x" * FOCUS_LIMIT) == "x" * FOCUS_LIMIT


@pytest.mark.parametrize(
    ("repo", "branch", "name"),
    [("app", "main", "app-main"), ("app", "", "app"), ("", "", "session"), ("app", "feat/x", "app-feat-x")],
)
def test_derived(repo: str, branch: str, name: str) -> None:
    """A session that nobody named is called by its repo and branch."""
    assert derived(repo, branch) == name


def test_unique() -> None:
    """The smallest number that makes it differ; case does not count."""
    assert unique("app", set()) == "app"
    assert unique("App", {"app"}) == "App-2"
    assert unique("app", {"app", "app-2", "app-4"}) == "app-3"


def test_unique_of_a_long_name() -> None:
    """The number fits within the limit."""
    long = "x" * NAME_LIMIT
    other = unique(long, {long})
    assert other == "x" * (NAME_LIMIT - 2) + "-2"
    assert len(other) == NAME_LIMIT


@given(st.text().map(tidy).filter(bool), st.integers(0, 30))
def test_unique_is_unique(name: str, others: int) -> None:
    """However many have it, the next one gets another."""
    taken: set[str] = set()
    for _ in range(others + 1):
        got = unique(name, taken)
        assert key(got) not in taken
        assert len(got) <= NAME_LIMIT
        taken.add(key(got))


# ---------------------------------------------------------------- finding


@pytest.mark.parametrize(
    ("wanted", "peer"),
    [
        ("web", BOB),
        ("WEB", BOB),
        ("ui", EVE),  # nobody here has that name
        ("api", ANN),  # a plain name means this host first
        ("api@laptop", DAN),
        ("api@desk", ANN),
        ("API@Laptop", DAN),
        (DAN, DAN),  # an id
    ],
)
def test_find(wanted: str, peer: str) -> None:
    """A name, a name with its host, or an id."""
    assert find(wanted, HERE + THERE, "desk").id == peer


def test_a_name_goes_before_an_id() -> None:
    """Who calls himself by another's id does not become invisible by it."""
    assert find(DAN, [*THERE, card(BOB, name=DAN)], "desk").id == BOB


def test_ambiguous() -> None:
    """Two hosts elsewhere have the name: an error that names both."""
    others = [card(ANN, name="x", host="one"), card(BOB, name="x", host="two")]
    with pytest.raises(Ambiguous) as wrong:
        find("x", others, "desk")
    assert wrong.value.choices == (f"x@one ({ANN})", f"x@two ({BOB})")


def test_every_choice_can_be_typed() -> None:
    """What an ambiguous name offers finds just one."""
    others = [card(ANN, name="x", host="one"), card(BOB, name="x", host="two")]
    assert [find(one.address, others, "desk").id for one in others] == [ANN, BOB]


@pytest.mark.parametrize("wanted", ["nobody", "", "@web", "web@laptop", "web@", "@"])
def test_unknown(wanted: str) -> None:
    """Nobody has that name: an error, and never somebody else."""
    if wanted == "web@":
        assert find(wanted, HERE, "desk").id == BOB  # an empty host is none
        return
    with pytest.raises(Unknown):
        find(wanted, HERE + THERE, "desk")


def test_nearest() -> None:
    """A slip of the fingers is offered what was meant, first of all."""
    others = [card(ANN, name="frontend"), card(BOB, name="backend"), card(CLEO, name="docs")]
    with pytest.raises(Unknown) as wrong:
        find("fronted", others, "desk")
    assert wrong.value.nearest[0] == "frontend"


def test_nearest_by_a_part() -> None:
    """Part of a name is near it; of nothing, nothing is."""
    others = [card(ANN, name="peermesh-feature-login"), card(BOB, name="docs")]
    assert names.nearest("login", others) == ["peermesh-feature-login"]
    assert names.nearest("", others) == []


def test_nearest_is_a_few() -> None:
    """Not everybody is offered."""
    others = [card(f"{n:08d}", name=f"app-{n}") for n in range(50)]
    assert len(names.nearest("app", others)) == names.CHOICES


# ---------------------------------------------------------------- groups

ROLED = [
    card(ANN, name="me"),
    card(BOB, name="web", roles=("tester",)),
    card(CLEO, name="far", host="laptop", repo_key="example.org/other"),
    card(DAN, name="shell", person=True, roles=("tester",)),
]


def addressed(group: str, me: Card = ROLED[0]) -> list[str]:
    """Whom *group* addresses."""
    return [one.id for one in members(group, ROLED, me)]


def test_groups() -> None:
    """Everybody, those of the repo, of a host, with a role; never oneself, and never people's shells."""
    assert addressed("@all") == [BOB, CLEO]
    assert addressed("@repo") == [BOB]
    assert addressed("@host:laptop") == [CLEO]
    assert addressed("@host:LAPTOP") == [CLEO]
    assert addressed("@host") == [BOB]
    assert addressed("@role:tester") == [BOB]
    assert addressed("@role:Tester") == [BOB]


def test_a_group_may_be_empty() -> None:
    """A role that nobody has addresses nobody, and that is no error."""
    assert addressed("@role:pilot") == []


def test_outside_a_repo_nobody_is_of_it() -> None:
    """Two sessions without a repo are not of the same one."""
    me = card(ANN, repo_key="")
    assert members("@repo", [me, card(BOB, repo_key="")], me) == []


@pytest.mark.parametrize("group", ["@", "@nobody", "@role", "@role:", "@all:x", "@repo:x", "@ALL"])
def test_no_such_group(group: str) -> None:
    """An unknown group is an error that lists those there are."""
    with pytest.raises(Unknown) as wrong:
        addressed(group)
    assert "@all" in wrong.value.nearest


def test_is_group() -> None:
    """What begins with @ is a group, and no name does."""
    assert is_group("@all")
    assert not is_group("a@b")
