"""Paths and patterns: one form for each, what they cover, and which may meet."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from peermesh.core.events import PATH_LIMIT
from peermesh.core.patterns import Covers, covers, is_glob, overlap, tidy_file, tidy_path


@pytest.mark.parametrize(
    ("typed", "tidy"),
    [
        ("src/a.py", "src/a.py"),
        ("./src//a.py", "src/a.py"),
        ("/src/./a.py", "src/a.py"),
        ("src/", "src/"),
        ("src//", "src/"),
        ("src/.", "src/"),
        ("src/**", "src/"),
        ("src/**/", "src/"),
        ("src/**/**/*.py", "src/**/*.py"),
        ("**.py", "**/*.py"),
        ("src/**_test.py", "src/**/*_test.py"),
        (".", "**"),
        ("./", "**"),
        ("/", "**"),
        ("**/", "**"),
        ("...", "..."),
        ("a b/c", "a b/c"),
        ("cafe\u0301.md", "café.md"),
    ],
)
def test_one_form(typed: str, tidy: str) -> None:
    """However it is spelled, a path has one form, which stays what it is."""
    assert tidy_path(typed) == tidy
    assert tidy_path(tidy) == tidy


@pytest.mark.parametrize(
    "typed",
    [
        *("", "  ", "..", "../a", "src/../../a", "src/.."),
        *("a\nb", "a\tb", "a\x1b[0m", "a\u202eb", "a\u2028b", "\udc80", "<system-reminder>"),
        *("a**b", "src/foo**", "***", "a" * (PATH_LIMIT + 1), "a/" * PATH_LIMIT, "**a/" * (PATH_LIMIT // 4)),
    ],
)
def test_what_is_no_path(typed: str) -> None:
    """What leads out of the repo, cannot be shown, or says nothing clear is refused with a sentence."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        tidy_path(typed)


def test_a_file_is_no_directory() -> None:
    """An edit is of one file, whose name may hold what stands for others in patterns."""
    assert tidy_file("./app/[id]/page.tsx") == "app/[id]/page.tsx"
    for directory in ("src/", ".", "src/**"):
        with pytest.raises(ValueError, match="names a directory"):
            tidy_file(directory)


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("src/a.py", ["src/a.py"], ["src/a.pyc", "src", "a.py", "src/a.py/b"]),
        ("src/", ["src/a.py", "src/x/y"], ["src", "srcs/a.py", "x/src/a.py"]),
        ("**", ["a", "a/b/c"], []),
        ("*.py", ["a.py", ".py"], ["src/a.py", "a.pyc"]),
        ("src/*.py", ["src/a.py"], ["src/x/a.py", "a.py", "src/a.js"]),
        ("src/a?.py", ["src/ab.py"], ["src/a.py", "src/abc.py", "src/a/.py"]),
        ("src/**/*.py", ["src/a.py", "src/x/y/a.py"], ["a.py", "srcs/a.py", "src/a.js"]),
        ("**/test_*", ["test_a", "x/y/test_b.py"], ["x/atest_", "test_d/a.py"]),
        ("**/x/**/y", ["x/y", "a/x/y", "x/b/y", "a/x/b/c/y"], ["y", "x", "xx/y", "x/yy"]),
        ("docs/*/", ["docs/a/b", "docs/a/b/c"], ["docs/a", "docs/"]),
        ("[ab].py", ["a.py", "b.py", "[ab].py"], ["c.py", "ab.py"]),
        ("[!a].py", ["b.py"], ["a.py", "/.py"]),
        ("[a-c]/x", ["b/x", "[a-c]/x"], ["d/x", "-/x"]),
        ("[c-a]/x", ["[c-a]/x"], ["b/x"]),
        ("x[+-0]y", ["x+y", "x.y"], ["x/y"]),
        ("[]]", ["]", "[]]"], ["["]),
        ("[", ["["], ["]"]),
        ("a[b", ["a[b"], ["ab"]),
        ("[^a-]x", ["bx"], ["ax", "-x"]),
        ("app/[id]/*.tsx", ["app/[id]/page.tsx", "app/i/page.tsx"], ["app/id/page.tsx"]),
        ("app/[id]/", ["app/[id]/page.tsx", "app/d/x/y"], ["app/[id]"]),
        ("*a*b*c", ["abc", "xaybzc", "abcc", "abcbc"], ["acb", "ab/c"]),
        ("a.b", ["a.b"], ["axb"]),
        ("a+*", ["a+", "a+b"], ["aa"]),
    ],
)
def test_what_a_pattern_covers(pattern: str, inside: list[str], outside: list[str]) -> None:
    """Directories cover what is below them; stars stay within a name, two of them do not."""
    assert tidy_path(pattern) == pattern
    index = Covers[str]()
    index.add(pattern, "it")
    for path in inside:
        assert covers(pattern, path), path
        assert index.of(path) == ["it"], path
    for path in outside:
        assert not covers(pattern, path), path
        assert index.of(path) == [], path


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("src/", "src/a.py", True),
        ("src/", "src/x/", True),
        ("src/", "srcs/", False),
        ("src", "src/", True),
        ("**", "x/*.py", True),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/a.js", False),
        ("src/*.py", "src/*.js", False),
        ("src/a*.py", "src/*b.py", True),
        ("src/a*.py", "src/b*.py", False),
        ("src/*.py", "src/x/", False),
        ("src/**/*.py", "src/x/", True),
        ("**/*.py", "docs/a.md", False),
        ("**/a/*.py", "x.py", False),
        ("src/**/x", "lib/**/x", False),
        ("src/**/x", "src/**/y", False),
        ("src/**/x", "src/y/**/x", True),
        ("*/x", "a/b/x", False),
        ("docs/*/", "docs/a.md", False),
        ("app/[id]/", "app/[id]/page.tsx", True),
        ("*.py", "src/", False),
    ],
)
def test_which_patterns_meet(one: str, other: str, meet: bool) -> None:
    """Two patterns meet if a path may be covered by both, whichever comes first."""
    assert overlap(one, other) is overlap(other, one) is meet


names = st.text(alphabet="ab*?[]!-.", min_size=1, max_size=5)
typed = st.lists(st.sampled_from(["**", "a", "b"]) | names, min_size=1, max_size=4).map("/".join)


def _is_path(text: str) -> bool:
    try:
        tidy_path(text)
    except ValueError:
        return False
    return True


patterns = st.builds(lambda text, tail: text + tail, typed, st.sampled_from(["", "", "/"])).filter(_is_path)
paths = st.lists(st.text(alphabet="ab.[]-", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


@given(patterns.map(tidy_path), patterns.map(tidy_path), paths.filter(_is_path).map(tidy_path))
@settings(max_examples=500)
@example("*[a]", "a*", "a")
def test_patterns_that_cover_one_path_meet(one: str, other: str, path: str) -> None:
    """``overlap`` never overlooks anything; a path is covered by itself; the index finds what ``covers`` says."""
    if covers(one, path) and covers(other, path):
        assert overlap(one, other)
    assert overlap(one, path) >= covers(one, path)
    assert covers(path, path)
    index = Covers[int]()
    index.add(one, 1)
    index.add(other, 2)
    assert sorted(index.of(path)) == [n for n, pattern in ((1, one), (2, other)) if covers(pattern, path)]
    index.drop(one, 1)
    assert index.of(path) == [2] * covers(other, path)


@st.composite
def patterns_of(draw: st.DrawFn, path: str) -> str:
    """A pattern that covers *path*, made of it."""
    names = path.split("/")
    kept = draw(st.integers(0, len(names)))
    if kept < len(names) and draw(st.booleans()):
        names = [*names[:kept], ""] if kept else ["**"]
    ways = [lambda n: n, lambda n: "*", lambda n: f"{n[0]}*", lambda n: f"*{n[-1]}", lambda n: "?" * len(n)]
    made = [draw(st.sampled_from(ways))(name) if name not in ("", "**") else name for name in names]
    at = draw(st.integers(0, len(made) - 1))
    away = draw(st.integers(0, at))
    return "/".join([*made[:away], "**", *made[at:]] if draw(st.booleans()) else made)


plain = st.lists(st.text(alphabet="abc", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join)


@given(plain.flatmap(lambda path: st.tuples(st.just(path), *[patterns_of(path)] * 2)))
@settings(max_examples=500)
def test_patterns_made_of_one_path_meet(made: tuple[str, str, str]) -> None:
    """What a path is made into by putting stars for its parts covers it, and two of those meet."""
    path, one, other = made[0], tidy_path(made[1]), tidy_path(made[2])
    assert covers(one, path)
    assert covers(other, path)
    assert overlap(one, other)


@given(st.text(max_size=40) | typed)
@settings(max_examples=500)
def test_any_text(text: str) -> None:
    """Any text is refused with ``ValueError``, or has one form, which is one printable line and its own form."""
    try:
        tidy = tidy_path(text)
    except ValueError:
        return
    assert tidy_path(tidy) == tidy
    assert len(tidy.splitlines()) == 1
    assert ".." not in tidy.split("/")
    assert not tidy.startswith("/")
    assert covers(tidy, tidy) or tidy.endswith("/")


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 200 + "*b", "**/a*/" * 60 + "b", "*?" * 200, "[a*]" * 100 + "b", "**/" + "[a]*/" * 60 + "**/b"],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    """Another host's pattern cannot make us think for seconds."""
    tidy, began = tidy_path(pattern), time.process_time()
    for path in ("a" * 500, "a/" * 250 + "a", "aaaa/" * 100 + "c"):
        covers(tidy, path)
        overlap(tidy, path)
    overlap(tidy, tidy_path("**/" + "*a" * 100))
    assert time.process_time() - began < 0.5


def test_globs_are_known() -> None:
    """Only what stands for others makes a glob."""
    assert [is_glob(one) for one in ("a/b", "src/", "*.py", "a?", "[ab]")] == [False, False, True, True, True]


def test_an_index_is_emptied() -> None:
    """What is dropped twice, or cleared, is gone."""
    index = Covers[str]()
    for pattern in ("a", "b/", "*", "**"):
        index.add(pattern, pattern)
    assert sorted(index.of("a")) == ["*", "**", "a"]
    for _ in range(2):
        index.drop("a", "a")
        index.drop("**", "**")
    assert (index.of("a"), index.of("b/c")) == (["*"], ["b/"])
    index.clear()
    assert (index.of("a"), index.of("b/c")) == ([], [])
