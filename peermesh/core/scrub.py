"""What ``clean`` does with text that is not plain. On its own, since most text is, and regular expressions cost
the quick commands and hooks milliseconds to load.
"""

from __future__ import annotations

import re
import unicodedata

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


def scrub(text: str) -> str:
    """*text* without what a reader cannot see, and unable to close the fence it stands in."""
    text = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text) if "\x1b" in text else text)
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return _TAG.sub("‹", text)
    seen = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _HIDDEN)
    return _TAG.sub("‹", seen)
