"""JSON by the C parts alone: the same as ``json`` in everything that it says and reads."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peermesh import lightjson

TEXTS = st.text(st.characters(codec=None, categories=None))  # lone surrogates too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)


@given(VALUES, st.booleans())
def test_says_what_json_says(value: object, ascii_only: bool) -> None:
    """To the letter."""
    assert lightjson.dumps(value, ensure_ascii=ascii_only) == json.dumps(value, ensure_ascii=ascii_only)


@given(VALUES)
def test_reads_what_json_wrote(value: object) -> None:
    """As text and as bytes, with room around it."""
    text = json.dumps(value)
    assert lightjson.loads(text) == value
    assert lightjson.loads(f" \n{text}\r\n\t".encode()) == value


def same(text: str | bytes) -> None:
    """*text* means what ``json`` says, or is refused as there."""
    try:
        wanted = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            lightjson.loads(text)
    else:
        assert lightjson.loads(text) == wanted


@given(st.text('[]{}",:0123456789.eE+-aflnrstu \\/\n', max_size=30))
def test_reads_or_refuses_as_json_does(text: str) -> None:
    """What is no JSON is refused, and nothing else."""
    same(text)


@given(st.binary(max_size=40))
def test_reads_or_refuses_bytes_as_json_does(text: bytes) -> None:
    """Other encodings and bytes without sense too."""
    same(text)


def test_other_encodings() -> None:
    """What is not UTF-8 is json's to understand."""
    assert lightjson.loads('{"a": "ü"}'.encode("utf-16")) == {"a": "ü"}
    assert lightjson.loads('\ufeff["b"]'.encode()) == ["b"]


def test_numbers_at_the_edge() -> None:
    """As json has them."""
    assert lightjson.loads("[Infinity, -Infinity]") == [math.inf, -math.inf]
    assert math.isnan(lightjson.loads("NaN"))
    assert lightjson.dumps([math.inf, math.nan]) == json.dumps([math.inf, math.nan])


@pytest.mark.parametrize("text", ["", " ", "{", "[", "[1", '{"a":', '{"a" 1}', '"abc', "x", "1 2"])
def test_refuses_before_json_is_imported(text: str) -> None:
    """The C parts look for json's error, and cannot raise it while nobody has imported json."""
    code = (
        f"import sys; sys.path.append(sys.argv[1])\nfrom peermesh import lightjson\nlightjson.loads({text!r})"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(Path(__file__).parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "ValueError" in done.stderr or "JSONDecodeError" in done.stderr, done.stderr
    assert "SystemError" not in done.stderr.splitlines()[-1]


def test_too_deep() -> None:
    """A tower of brackets ends in the error that the lane knows."""
    with pytest.raises(RecursionError):
        lightjson.loads("[" * 1_000_000)


def test_what_json_has_not() -> None:
    """Is refused by name."""
    with pytest.raises(TypeError, match="object is nothing that JSON has"):
        lightjson.dumps({"a": object()})


@pytest.mark.parametrize("missing", ["_scan", "_plain", "_ascii"])
def test_without_the_parts(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """An interpreter that lacks them does it by json."""
    monkeypatch.setattr(lightjson, missing, None)
    assert lightjson.loads(b'{"a": [1, "\xc3\xbc"]}') == {"a": [1, "ü"]}
    assert lightjson.dumps({"a": "ü"}, ensure_ascii=False) == '{"a": "ü"}'
    assert lightjson.dumps({"a": "ü"}) == '{"a": "\\u00fc"}'
