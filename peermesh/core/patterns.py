"""Paths of a repo, and patterns of paths: made normal, and which covers which.

A pattern is an exact path (``src/a.py``), a directory (``src/``: all that is below it; the whole repo is ``**``), or
a glob: ``*``, ``?`` and ``[..]`` stay within one name, ``**`` stands for any number of directories.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Generic, TypeVar

from peermesh.core.clean import clean
from peermesh.core.events import PATH_LIMIT

EVERYTHING = "**"

_SPECIAL = frozenset("*?[")
_ANY_DEPTH_THEN = re.compile(r"\*\*([^*].*)", re.DOTALL)

# Patterns that are compiled at a time: more than the live globs of a busy repo.
_COMPILED = 4_096

T = TypeVar("T")


def tidy_path(text: str) -> str:
    """*text*, a path or pattern as seen from the repo's top, in the one form that is compared.

    Args:
        text: such as ``./src//a.py`` or ``src/**``; at most ``PATH_LIMIT`` characters.

    Raises:
        ValueError: it leads out of the repo, cannot be shown on one line, or is no pattern; with a sentence.
    """
    _readable(text)
    names: list[str] = []
    for name in unicodedata.normalize("NFC", text).split("/"):
        if name == "..":
            raise ValueError(f"{text!r} leads out of the repo")
        if name not in ("", "."):
            names.extend(_names(name))
    # Twice any number of directories is any number of them.
    names = [one for n, one in enumerate(names) if names[n : n + 2] != ["**", "**"]]
    below = text.endswith(("/", "/.")) or text == "."
    if names and names[-1] == "**":
        names, below = names[:-1], True
    tidy = "/".join(names) + ("/" if below else "") if names else EVERYTHING
    if not tidy.strip():  # "./ ": a name of blanks alone, which nobody else would take from us
        raise ValueError("a path cannot be empty")
    if len(tidy) > PATH_LIMIT:
        raise ValueError(f"a path has at most {PATH_LIMIT} characters")
    return tidy


def tidy_file(text: str) -> str:
    """*text*, the path of one file, in the one form that is compared; ``ValueError`` if it names none."""
    tidy = tidy_path(text)
    if tidy.endswith("/") or tidy == EVERYTHING:
        raise ValueError(f"{text!r} names a directory, not a file")
    return tidy


def _readable(text: str) -> None:
    if not text.strip():
        raise ValueError("a path cannot be empty")
    if len(text) > PATH_LIMIT:
        raise ValueError(f"a path has at most {PATH_LIMIT} characters")
    if "\n" in text or "\t" in text or clean(text) != text:
        raise ValueError(f"{text!r} has line breaks, tags or characters that cannot be seen")


def _names(name: str) -> list[str]:
    """``**.py`` means ``**/*.py``; elsewhere in a name ``**`` means nothing that people agree on."""
    if "**" not in name or name == "**":
        return [name]
    match = _ANY_DEPTH_THEN.fullmatch(name)
    if match is None or "**" in match[1]:
        raise ValueError(f"in {name!r} the ** is not a whole name, as in src/**/test_*.py")
    return ["**", f"*{match[1]}"]


def is_glob(text: str) -> bool:
    """Whether *text* has a character that stands for others."""
    return not _SPECIAL.isdisjoint(text)


def covers(pattern: str, path: str) -> bool:
    """Whether the exact *path* is one of those that *pattern* means. Both tidy.

    A pattern covers also what it says literally: ``app/[id]/page.tsx`` is a name that people give to files.
    """
    if pattern in (path, EVERYTHING):
        return True
    if not is_glob(pattern):
        return pattern.endswith("/") and path.startswith(pattern)
    return path.startswith(_head(pattern)) and _compiled(pattern).fullmatch(path) is not None


def overlap(a: str, b: str) -> bool:
    """Whether some path may be covered by both tidy patterns. Of two globs it may say so wrongly, never not."""
    if a == b or EVERYTHING in (a, b):
        return True
    if not is_glob(a) and not is_glob(b):
        # The same name with and without a slash is the same directory.
        return (a.endswith("/") and f"{b}/".startswith(a)) or (b.endswith("/") and f"{a}/".startswith(b))
    ours, theirs = _split(a, below="*/**"), _split(b, below="*/**")
    if not (_side_by_side(ours, theirs) and _side_by_side(ours[::-1], theirs[::-1])):
        return False
    deep_ours, deep_theirs = ours.count("**"), theirs.count("**")
    if deep_ours and deep_theirs:
        return True
    if deep_ours or deep_theirs:
        return len(theirs) >= len(ours) - deep_ours if deep_ours else len(ours) >= len(theirs) - deep_theirs
    return len(ours) == len(theirs)


def _split(pattern: str, below: str = "**") -> tuple[str, ...]:
    """Its names; a directory is what is at any depth *below* it."""
    return tuple(f"{pattern}{below}".split("/") if pattern.endswith("/") else pattern.split("/"))


def _side_by_side(ours: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    """Whether name by name both may mean the same, as far as neither means any depth."""
    for one, other in zip(ours, theirs, strict=False):
        if "**" in (one, other):
            return True
        if not _alike(one, other):
            return False
    return True


def _alike(one: str, other: str) -> bool:
    """Whether two names of patterns may mean the same name."""
    if one == other:
        return True
    if not is_glob(other):
        one, other = other, one
    if not is_glob(one):
        return is_glob(other) and _compiled(other).fullmatch(one) is not None
    (head, tail), (other_head, other_tail) = _ends(one), _ends(other)
    return (head.startswith(other_head) or other_head.startswith(head)) and (
        tail.endswith(other_tail) or other_tail.endswith(tail)
    )


def _head(pattern: str) -> str:
    """What stands before the first character that stands for others."""
    return pattern[: min((n for n in map(pattern.find, _SPECIAL) if n >= 0), default=None)]


def _ends(name: str) -> tuple[str, str]:
    return _head(name), name[max(map(name.rfind, "*?]")) + 1 :]


@lru_cache(maxsize=_COMPILED)
def _compiled(pattern: str) -> re.Pattern[str]:
    """The glob *pattern* as an expression that takes no more than the square of a path's length.

    Others write patterns too, so nothing here may be tried in every combination: what stands between two ``*`` of a
    name, or between two ``**``, has a fixed length, so where it fits first is where it fits best (``(?>…)``).
    """
    runs: list[list[str]] = [[]]
    for name in _split(pattern):
        if name == "**":
            runs.append([])
        else:
            runs[-1].append(name)
    first, *others = runs
    if not others:
        return re.compile(_run(first[:-1], "/") + _run(first[-1:], r"\Z"), re.DOTALL)
    text = _run(first, "/")
    for run in others[:-1]:
        text += f"(?>(?:[^/]++/)*?{_run(run, '/')})"
    last = others[-1]
    text += "(?:[^/]++/)*" + _run(last[:-1], "/") + _run(last[-1:], r"\Z") if last else ".+"
    return re.compile(text, re.DOTALL)


def _run(names: list[str], end: str) -> str:
    """Names of a glob, each up to its *end*; with brackets that mean a choice, or themselves."""
    texts = [
        [_name(name, brackets=True), _name(name, brackets=False)] if "[" in name else [_name(name)]
        for name in names
    ]
    return "".join(f"(?>(?:{'|'.join(ways)}){end})" for ways in texts)


def _name(name: str, *, brackets: bool = False) -> str:
    pieces, at = [""], 0
    while at < len(name):
        close = name.find("]", at + 3 if name[at + 1 : at + 2] in ("!", "^") else at + 2)
        if name[at] == "*":
            pieces.append("")
        elif name[at] == "?":
            pieces[-1] += "[^/]"
        elif name[at] == "[" and brackets and close > 0:
            pieces[-1] += _choice(name[at + 1 : close])
            at = close
        else:
            pieces[-1] += re.escape(name[at])
        at += 1
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle) + f"[^/]*{last}"


def _choice(inside: str) -> str:
    """What stands between brackets, as an expression: ``a-z`` is a range, ``!`` at its beginning turns it round."""
    turned = inside[0] in "!^"
    left, items = inside[1:] if turned else inside, ""
    while left:
        if left[1:2] == "-" and len(left) > 2:
            items += f"{re.escape(left[0])}-{re.escape(left[2])}" if left[0] <= left[2] else ""
            left = left[3:]
        else:
            items += re.escape(left[0])
            left = left[1:]
    if not items:
        return "[^/]" if turned else "(?!)"
    return f"(?!/)[{'^' if turned else ''}{items}]"


class Overlaps(Generic[T]):
    """Finds the first of many things whose pattern overlaps with another one. Exact paths by a look, others in turn.

    Args:
        things: patterns, tidy, and what they stand for, the first first.
    """

    def __init__(self, things: Iterable[tuple[str, T]]) -> None:
        self._all = list(things)
        self._exact: dict[str, int] = {}
        self._wide: list[int] = []
        for place, (pattern, _) in enumerate(self._all):
            if _is_wide(pattern):
                self._wide.append(place)
            else:
                self._exact.setdefault(pattern, place)

    def first(self, pattern: str) -> T | None:
        """The first whose pattern overlaps with *pattern*."""
        wide = _is_wide(pattern)
        places = range(len(self._all)) if wide else self._wide
        found = next((one for one in places if overlap(self._all[one][0], pattern)), None)
        exact = None if wide else self._exact.get(pattern)
        best = min((one for one in (found, exact) if one is not None), default=None)
        return None if best is None else self._all[best][1]


def _is_wide(pattern: str) -> bool:
    return pattern.endswith("/") or is_glob(pattern)


class Covers(Generic[T]):
    """Things under patterns, found by a path that the pattern covers without trying them all."""

    def __init__(self) -> None:
        self._exact: dict[str, set[T]] = {}
        self._below: dict[str, set[T]] = {}  # by the directory, with its slash; "" is the whole repo
        self._globs: dict[T, tuple[str, str]] = {}  # the text they all begin with, and the pattern

    def add(self, pattern: str, one: T) -> None:
        """Put *one* under the tidy *pattern*."""
        if pattern != EVERYTHING and is_glob(pattern):
            self._globs[one] = (_head(pattern), pattern)
        else:
            table, key = self._place(pattern)
            table.setdefault(key, set()).add(one)

    def drop(self, pattern: str, one: T) -> None:
        """Take *one* away from under *pattern*, if it is there."""
        if self._globs.pop(one, None) is not None:
            return
        table, key = self._place(pattern)
        there = table.get(key, set())
        there.discard(one)
        if not there:
            table.pop(key, None)

    def of(self, path: str) -> list[T]:
        """All whose pattern covers the exact *path*, in no order."""
        found = list(self._exact.get(path, ()))
        if self._below:
            end = 0
            found += self._below.get("", ())
            while end := path.find("/", end) + 1:
                found += self._below.get(path[:end], ())
        found += [
            one
            for one, (head, pattern) in self._globs.items()
            if path.startswith(head) and (path == pattern or _compiled(pattern).fullmatch(path))
        ]
        return found

    def clear(self) -> None:
        """Forget all."""
        self._exact.clear()
        self._below.clear()
        self._globs.clear()

    def _place(self, pattern: str) -> tuple[dict[str, set[T]], str]:
        if pattern == EVERYTHING:
            return self._below, ""
        return (self._below if pattern.endswith("/") else self._exact), pattern
