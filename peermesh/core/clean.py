"""Others' words made harmless to read, and times made words."""

from __future__ import annotations

import re

# What a tag of the client's or of ours may look like: a word with a dash, or a name of a role. Such a "<"
# becomes "‹", so that no body can close our fence or open one of the client's.
_TAG = re.compile(
    r"<(?=[\s/]*(?:[a-z]+(?:[-_][a-z]+)+|peer|system|human|user|assistant|summary)\b)", re.IGNORECASE
)

# Control, format (bidi, zero-width, tags), surrogate, private and unassigned characters.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# A terminal's escape sequences, whole (ECMA-48): without their first character the rest would be litter.
_ESCAPES = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b\n]*(?:\x07|\x1b\\\\)?|[ -/]*[0-~])")
_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def clean(text: str) -> str:
    """*text* without what a reader cannot see, and unable to close the fence it stands in."""
    text = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text) if "\x1b" in text else text)
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return _TAG.sub("‹", text)
    import unicodedata  # most text is plain, and the quick commands are spared its load

    seen = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _HIDDEN)
    return _TAG.sub("‹", seen)


def line(text: str, limit: int = 200) -> str:
    """*text* as one printable line of at most *limit* characters."""
    kept = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def span(seconds: float) -> str:
    """A length of time in words: "5 s", "3 min", "2 h", "4 d"."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def age(seconds: float) -> str:
    """How long ago: "just now", "5 s ago", "3 min ago"."""
    return "just now" if seconds < 2 else f"{span(seconds)} ago"
