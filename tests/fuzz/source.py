"""Bytes made into values: what a fuzzer's input means to a target. The same bytes always give the same values.

Of its own, and not atheris' FuzzedDataProvider, so that every input can be replayed where atheris is not installed.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgpack

T = TypeVar("T")

# What the decoders' food looks like when it is sound; targets change it.
EXAMPLE: dict[str, Any] = json.loads(Path(__file__).with_name("examples.json").read_text("utf-8"))
DEEPEST = 4  # levels of a value that is made up
EDITS = 4  # changes of one example

# What has gone wrong in decoders before, wherever that was.
TEXTS = (
    *(
        "",
        "a",
        "x" * 301,
        "y" * 5_000,
        "\x00",
        "\x1b[31mred",
        "\x1b]0;title\x07",
        "a\r\nb",
        "\u2028",
        "\u202e",
    ),
    *("\u200b", "\ufeff", "</peer-messages>", "< / peer-messages>", "<system-reminder>", "\udc80", "\ud800x"),
    *(
        "²",
        "٣",
        "1e400",
        "-1",
        "0x10",
        "9" * 25,
        "9" * 5_000,
        "NaN",
        "nan",
        "Infinity",
        "null",
        "..",
        "../../x",
    ),
    *(
        "/",
        "\\",
        "a/b",
        "@all",
        "@role:",
        "aaaaaaaa",
        "bbbbbbbb",
        "aaaaaaaa-1",
        "bbbbbbbb-7",
        "0" * 16,
        "f" * 64,
    ),
    *(
        "dir:/srv/app",
        "remote:git.example/app",
        "ﬁ",
        "İ",
        "e\u0301",
        "\U000e0041",
        "\U0010ffff",
        "[",
        "{}",
        "[[]]",
    ),
)
NUMBERS = (
    *(0, 1, -1, 2, 7, 8, 16, 64, 127, 128, 255, 256, 300, 1_000, 4_300, 65_535, 65_536, 7_337),
    *(2**31 - 1, 2**31, 2**32, 2**52, 2**52 + 1, 2**53, 10**18 - 1, 10**18, 2**63 - 1, 2**63, 2**64 - 1),
    *(-(2**31), -(2**63), 1_700_000_000),
)
HUGE = (10**30, 10**400, -(10**400))  # JSON alone can say them
FLOATS = (0.0, -0.0, 0.5, -1.5, 1e12, 1e308, 5e-324, math.inf, -math.inf, math.nan, 1_700_000_000.25)


class Source:
    """A fuzzer's input, used up from its front; behind its end all is zero."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def empty(self) -> bool:
        """Whether all is used up."""
        return self._at >= len(self._data)

    def byte(self) -> int:
        """The next byte."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def number(self, below: int) -> int:
        """A number from 0 to *below*, which it is not."""
        width = max(1, (max(below - 1, 1).bit_length() + 7) // 8)
        return int.from_bytes(bytes(self.byte() for _ in range(width)), "big") % max(below, 1)

    def pick(self, choices: Sequence[T]) -> T:
        """One of *choices*."""
        return choices[self.number(len(choices))]

    def take(self, most: int) -> bytes:
        """At most *most* bytes, as many as the next one says."""
        size = min(self.byte(), most)
        data = self._data[self._at : self._at + size]
        self._at += size
        return data

    def rest(self) -> bytes:
        """All that is left."""
        data = self._data[self._at :]
        self._at = len(self._data)
        return data

    def text(self) -> str:
        """A text: one that is known to be nasty, or letters of the input's own."""
        kind = self.byte() % 4
        if kind == 0:
            return self.pick(TEXTS)
        if kind == 1:
            return self.take(64).decode("utf-8", "replace")
        if kind == 2:
            return self.take(64).decode("latin-1")
        return self.pick(TEXTS) * (1 + self.number(3)) + self.take(8).decode("latin-1")

    def value(self, *, of_json: bool, depth: int = 0) -> Any:
        """Any value that JSON, or msgpack, can say."""
        kind = self.byte() % (11 if depth < DEEPEST else 8)
        if kind <= 1:
            return self.text()
        if kind <= 3:
            return self.pick((*NUMBERS, *HUGE)) if of_json else self.pick(NUMBERS)
        if kind == 4:
            return self.pick(FLOATS)
        if kind == 5:
            return self.pick((True, False, None))
        if kind == 6:
            return self.text() if of_json else self.take(80)
        if kind == 7:
            return [] if self.byte() % 2 else {}
        if kind == 8:
            return [self.value(of_json=of_json, depth=depth + 1) for _ in range(self.number(6))]
        if kind == 9:
            return {self.text(): self.value(of_json=of_json, depth=depth + 1) for _ in range(self.number(5))}
        if self.byte() % 2:
            return _deep(1 + self.number(1_200))
        return [self.value(of_json=of_json, depth=DEEPEST)] * 70


def _deep(levels: int) -> Any:
    found: Any = []
    for _ in range(levels):
        found = [found]
    return found


# ---------------------------------------------------------------- examples, changed a little


def edited(source: Source, example: T, *, of_json: bool) -> T:
    """*example* with some of its parts, at any depth, replaced, removed, repeated or added to."""
    try:
        holder = [copy.deepcopy(example)]
    except RecursionError:
        return example  # nested more deeply than can be copied: it means something as it is
    for number in range(source.number(EDITS + 1)):
        _edit(source, holder, of_json=of_json, repeats=1 if number else 80)
    return holder[0]


def _edit(source: Source, holder: Any, *, of_json: bool, repeats: int) -> None:
    """One change somewhere inside of *holder*, never of what it is itself."""
    where: Any = holder
    key: Any = 0
    while isinstance(where[key], dict | list) and where[key] and source.byte() % 8:
        where = where[key]
        key = source.pick(sorted(where, key=repr)) if isinstance(where, dict) else source.number(len(where))
    how = source.byte() % 8
    if how == 0 and where is not holder:
        del where[key]
    elif how == 1 and isinstance(where, list) and where is not holder:
        where[key:key] = [where[key]] * (1 + source.number(repeats))
    elif how == 2 and isinstance(where[key], dict):
        where[key][source.text()] = source.value(of_json=of_json)
    elif how == 3 and isinstance(where[key], list):
        where[key].append(source.value(of_json=of_json))
    elif how == 4 and isinstance(where[key], str):
        at = source.number(len(where[key]) + 1)
        where[key] = where[key][:at] + source.text() + where[key][at:]
    elif how == 5 and isinstance(where[key], int) and not isinstance(where[key], bool):
        where[key] += source.number(5) - 2
    else:
        where[key] = source.value(of_json=of_json)


def as_json(value: Any) -> bytes:
    """*value* as JSON, with what Python's own writer and reader know beyond it (NaN, lone surrogates)."""
    try:
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return b"[" * 2_000


def as_msgpack(value: Any) -> bytes:
    """*value* as msgpack, also where its texts are not UTF-8."""
    try:
        packed: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    except (ValueError, OverflowError, TypeError):
        return b"\x91" * 1_500
    return packed


def shaped(data: bytes, examples: Sequence[Any], pack: Callable[[Any], bytes]) -> bytes:
    """What a decoder is to be given: the input itself, or one of *examples* as the input changes it.

    The first byte says which; behind an even one stands the decoder's food as it is.
    """
    source = Source(data)
    if source.byte() % 2 == 0:
        return source.rest()
    return pack(edited(source, source.pick(examples), of_json=pack is as_json))


def seeds_of(examples: Sequence[Any], pack: Callable[[Any], bytes]) -> list[bytes]:
    """For ``shaped``: each example as bytes, and as a shape without an edit and with some."""
    plain = [b"\0" + pack(one) for one in examples]
    shapes = [bytes([1, number, 0]) for number in range(len(examples))]
    changed = [bytes([1, number, 2, *range(number, number + 24)]) for number in range(len(examples))]
    return [*plain, *shapes, *changed]
