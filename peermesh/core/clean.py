"""Others' words made harmless to read, and times made words."""

from __future__ import annotations


def clean(text: str) -> str:
    """*text* without what a reader cannot see, and unable to close the fence it stands in."""
    if text.isascii() and "<" not in text and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    from peermesh.core.scrub import scrub

    return scrub(text)


def line(text: str, limit: int = 200) -> str:
    """*text* as one printable line of at most *limit* characters."""
    kept = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def called(name: str, cmd: str) -> str:
    """A job in words: its name, and behind it its command; that alone where it, or its beginning, is the name."""
    begins = name.endswith("…") and cmd.startswith(name[:-1])
    return cmd or name if begins or cmd in ("", name) or not name else f"{name} ({cmd})"


def span(seconds: float) -> str:
    """A length of time in words: "5 s", "3 min", "2 h", "4 d"."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def age(seconds: float) -> str:
    """How long ago: "just now", "5 s ago", "3 min ago"."""
    return "just now" if seconds < 2 else f"{span(seconds)} ago"
