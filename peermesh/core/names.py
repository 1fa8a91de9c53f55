"""Names: made tidy, made unique, and found again from what somebody typed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence

from peermesh.core.words import NAME_LIMIT, Card

# Reserved: @ begins a group and parts a name from its host, : parts a group from its argument.
_RESERVED = str.maketrans({"@": "-", ":": "-", "/": "-", "\\": "-", ",": "-"})

# How many near names an error offers.
CHOICES = 5


def tidy(text: str) -> str:
    """*text* as a name: one word, printable, at most 40 characters; "" if nothing is left of it."""
    kept = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", text))
    return "-".join(kept.translate(_RESERVED).split()).strip("-.")[:NAME_LIMIT].strip("-.")


def derived(repo: str, branch: str) -> str:
    """The name of a session that nobody named: its repo and branch."""
    return tidy(f"{repo}-{branch}" if branch else repo) or "session"


def key(name: str) -> str:
    """What two names that people take for the same have in common."""
    return name.casefold()


def unique(name: str, taken: Collection[str]) -> str:
    """*name*, or *name* with the smallest number that makes it differ from the keys in *taken*."""
    if key(name) not in taken:
        return name
    number = 2
    while True:
        tail = f"-{number}"
        candidate = name[: NAME_LIMIT - len(tail)] + tail
        if key(candidate) not in taken:
            return candidate
        number += 1


class Unknown(LookupError):
    """Nobody has that name; *nearest* are the names most like it."""

    def __init__(self, wanted: str, nearest: Sequence[str]) -> None:
        super().__init__(wanted)
        self.wanted, self.nearest = wanted, tuple(nearest)


class Ambiguous(LookupError):
    """Several have that name; *choices* tell them apart."""

    def __init__(self, wanted: str, choices: Sequence[str]) -> None:
        super().__init__(wanted)
        self.wanted, self.choices = wanted, tuple(choices)


def is_group(wanted: str) -> bool:
    """Whether *wanted* addresses a group: ``@all``, ``@repo``, ``@host:NAME``, ``@role:NAME``."""
    return wanted.startswith("@")


def find(wanted: str, cards: Collection[Card], here: str) -> Card:
    """The one peer that *wanted* means: a name, ``name@host``, or an id.

    Args:
        wanted: what was typed.
        cards: everybody that is known.
        here: this host's name; a plain name means a peer of this host before any other.

    Raises:
        Unknown, Ambiguous: with names to choose from.
    """
    name, _, host = wanted.partition("@")
    named = [c for c in cards if key(c.name) == key(name) and (not host or key(c.host) == key(host))]
    if not host:
        named = [c for c in named if key(c.host) == key(here)] or named
    named = named or [c for c in cards if c.id == wanted]
    if len(named) > 1:
        raise Ambiguous(wanted, [f"{c.address} ({c.id})" for c in named[:CHOICES]])
    if not named and any(key(c.host) == key(wanted) for c in cards):
        raise Unknown(wanted, [f"@host:{wanted}"])  # a machine, not a session
    if not named:
        raise Unknown(wanted, nearest(wanted, cards))
    return named[0]


def nearest(wanted: str, cards: Collection[Card]) -> list[str]:
    """The names most like *wanted*; with a host, those of that host before any other."""
    name, _, host = (key(part) for part in wanted.partition("@"))
    there = [c for c in cards if host and key(c.host) == host]
    by_key = {key(c.name): c.address if host else c.name for c in there or cards}
    close = _like(name, by_key)
    within = [k for k in by_key if name and name in k]
    return [by_key[k] for k in dict.fromkeys([*close, *within])][:CHOICES]


def members(group: str, cards: Iterable[Card], me: Card) -> list[Card]:
    """The sessions that *group* addresses, without *me*. People's shells are reached by name only.

    Raises:
        Unknown: there is no such group.
    """
    word, _, argument = group.partition(":")
    tests: dict[str, Callable[[Card], bool]] = {
        "@all": lambda c: True,
        "@repo": lambda c: bool(me.repo_key) and c.repo_key == me.repo_key,
        "@host": lambda c: key(c.host) == key(argument or me.host),
        "@role": lambda c: key(argument) in c.roles,
    }
    test = tests.get(word)
    if test is None or (argument == "" and word == "@role") or (argument and word in ("@all", "@repo")):
        raise Unknown(group, ["@all", "@repo", "@host:NAME", "@role:NAME"])
    known = list(cards)
    hosts = {key(c.host): c.host for c in (*known, me)}
    if word == "@host" and argument and key(argument) not in hosts:
        raise Unknown(group, [f"@host:{hosts[one]}" for one in _like(key(argument), hosts) or hosts])
    return [c for c in known if c.id != me.id and not c.person and test(c)]


def _like(word: str, known: Iterable[str]) -> list[str]:
    import difflib  # for slips only: every command and every sidecar would pay for its load

    return difflib.get_close_matches(word, list(known), n=CHOICES, cutoff=0.5)
