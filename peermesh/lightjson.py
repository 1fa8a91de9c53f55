"""JSON by the standard library's own C parts, without what the package ``json`` brings along.

Importing ``json`` imports re, enum and functools for its errors and options: 9 ms, which the hook's lane would pay at
every event that matters. Where this interpreter lacks the parts, or a text is not plain UTF-8 JSON, ``json`` itself
decides, so that nothing is understood otherwise than by it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# What JSON allows around a value.
_SPACE = " \t\n\r"


class _Options:
    """What the scanner asks for: the defaults of ``json.loads``."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float  # NaN, Infinity and -Infinity, as json has them


def _scanner() -> Callable[[str, int], tuple[Any, int]] | None:
    try:
        from _json import make_scanner
    except ImportError:
        return None
    return make_scanner(_Options)  # type: ignore[arg-type]


def _encoder(name: str) -> Callable[[Any, int], tuple[str, ...]] | None:
    try:
        import _json
    except ImportError:
        return None
    escape = getattr(_json, name)

    def other(value: object) -> Any:
        raise TypeError(f"{type(value).__name__} is nothing that JSON has")

    return _json.make_encoder(None, other, escape, None, ": ", ", ", False, False, True)


_scan = _scanner()
_plain, _ascii = _encoder("encode_basestring"), _encoder("encode_basestring_ascii")


def loads(text: bytes | str) -> Any:
    """What *text* means.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    if not text or text.isspace():
        raise ValueError("nothing is no JSON")
    try:
        if _scan is not None:
            given = (text.decode() if isinstance(text, bytes) else text).lstrip(_SPACE)
            value, end = _scan(given, 0)
            if not given[end:].strip(_SPACE):
                return value
    except (StopIteration, ValueError, SystemError):
        # json says what is wrong, or understands it after all (another encoding). The C part itself cannot say
        # it before json is imported, whose error it looks for: hence SystemError.
        pass
    import json

    return json.loads(text)


def dumps(value: object, *, ensure_ascii: bool = True) -> str:
    """*value* as JSON, as ``json.dumps`` writes it.

    Raises:
        TypeError, ValueError: it holds what JSON has not.
    """
    encode = _ascii if ensure_ascii else _plain
    if encode is None:
        import json

        return json.dumps(value, ensure_ascii=ensure_ascii)
    return "".join(encode(value, 0))
