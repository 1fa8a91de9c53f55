"""Codes: words that are easily told apart, and a reader that takes what people type."""

from __future__ import annotations

import contextlib
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peermesh.mesh.pairing.codes import NAMEPLATES, TYPED_LIMIT, WORDS, Code, new_code

codes = st.builds(Code, st.integers(1, NAMEPLATES), st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)))


def distance(one: str, two: str) -> int:
    """How many letters have to be changed, put in or left out to make *two* of *one*."""
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        above, row = row, [i]
        for j, b in enumerate(two, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1]


def test_distance_is_one() -> None:
    """The measure that the next test relies on measures."""
    assert [distance("cat", other) for other in ("cat", "cot", "cart", "at", "dog", "")] == [0, 1, 1, 1, 3, 3]


def test_words() -> None:
    """256 of them, so two have 16 bits; short plain letters; in order, each once."""
    assert len(WORDS) == len(set(WORDS)) == 256
    assert all(re.fullmatch("[a-z]{3,8}", word) for word in WORDS)
    assert list(WORDS) == sorted(WORDS)


def test_words_are_told_apart() -> None:
    """No two are nearer than three letters, and four letters tell which one it is."""
    assert [pair for pair in itertools.combinations(WORDS, 2) if distance(*pair) < 3] == []
    assert len({word[:4] for word in WORDS}) == len(WORDS)


@given(codes)
def test_round_trip(code: Code) -> None:
    """What is shown is what is read."""
    assert Code.parse(str(code)) == code


def test_parts() -> None:
    """The number is public, the words are the secret, and a traceback does not show them."""
    code = Code.parse("7-guitar-ocean")
    assert (code.nameplate, code.secret, str(code)) == (7, b"guitar ocean", "7-guitar-ocean")
    assert "guitar" not in repr(code)
    assert "ocean" not in repr(code)


@pytest.mark.parametrize(
    "typed",
    [
        "7 guitar ocean",
        "  7-Guitar-OCEAN\n",
        "7_guitar_ocean",
        "07--guitar - ocean-",
        "-7-guitar-ocean",
        "7\u2013guitar\u2014ocean",
        "7\u2011guitar\u2212ocean",
        "7\u00a0guitar\u3000ocean",
        "\uff17-\uff47uitar-ocean",
    ],
)
def test_what_people_type(typed: str) -> None:
    """Case, blanks, underscores, further dashes and those of chat programs do not matter."""
    assert str(Code.parse(typed)) == "7-guitar-ocean"


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "",
            "-",
            "7",
            "guitar-ocean",
            "7-guitar",
            "7-guitar-ocean-tiger",
            "guitar-7-ocean",
            "7guitar-ocean",
        ),
        *(
            "0-guitar-ocean",
            "100-guitar-ocean",
            "1.5-guitar-ocean",
            "\u0667-guitar-ocean",
        ),
        "9" * TYPED_LIMIT + "-guitar-ocean",
        "9" * (TYPED_LIMIT - 13) + "-guitar-ocean",
    ],
)
def test_what_is_no_code(typed: str) -> None:
    """Neither another shape nor another number is taken."""
    with pytest.raises(ValueError, match="a code"):
        Code.parse(typed)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("7-gitar-ocean", "guitar"),
        ("7-guitar-oshen", "ocean"),
        ("7-guitarr-ocean", "guitar"),
        ("7-guitar-oceans", "ocean"),
    ],
)
def test_near_misses(typed: str, meant: str) -> None:
    """A word that is not listed is not guessed at: the one that is nearest is offered first."""
    with pytest.raises(ValueError, match=f"did you mean {meant}"):
        Code.parse(typed)


@given(st.sampled_from(WORDS), st.data())
def test_one_wrong_letter_is_told(word: str, data: st.DataObject) -> None:
    """Whatever one letter becomes, the word that was meant is offered."""
    at = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from([c for c in "abcdefghijklmnopqrstuvwxyz" if c != word[at]]))
    with pytest.raises(ValueError, match=rf"did you mean .*\b{word}\b"):
        Code.parse(f"7-{word[:at]}{letter}{word[at + 1 :]}-ocean")


def test_far_misses() -> None:
    """A word that is like none gets no advice."""
    with pytest.raises(ValueError, match=r"none of the words that codes are made of$"):
        Code.parse("7-qqqq-ocean")


@given(st.text())
def test_any_text(text: str) -> None:
    """Any text is a code or a ValueError."""
    with contextlib.suppress(ValueError):
        assert Code.parse(str(Code.parse(text))).nameplate <= NAMEPLATES


def test_new_codes() -> None:
    """They use all numbers and all words, and hardly ever come twice."""
    made = [new_code() for _ in range(5_000)]
    assert {code.nameplate for code in made} == set(range(1, NAMEPLATES + 1))
    assert {word for code in made for word in code.words} == set(WORDS)
    assert len(set(made)) > 4_980
