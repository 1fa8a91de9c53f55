"""All targets. A new decoder of what others wrote gets one in a module here, with its contract."""

from __future__ import annotations

from importlib import import_module

from tests.fuzz.target import Target

# The last one is not among ``every``: it is the runner's own test.
_MODULES = (
    *(
        "wires",
        "judgement",
        "pairing",
        "network",
        "mailboxes",
        "hosts",
        "logs",
        "hooks",
        "edited",
        "files",
        "doors",
    ),
)
_PLANTED = "planted"


def every() -> tuple[Target, ...]:
    """All of them."""
    return tuple(one for name in _MODULES for one in _targets(name))


def find(name: str) -> Target:
    """The target *name*, also the one with a planted bug; ``KeyError`` if there is none.

    No more modules are imported than it takes: a fuzzer's child rewrites the code of each.
    """
    for module in (_PLANTED, *_MODULES):
        for one in _targets(module):
            if one.name == name:
                return one
    raise KeyError(name)


def close() -> None:
    """Let go of what the targets of this process share."""
    for name in _MODULES:
        getattr(import_module(f"{__name__}.{name}"), "close", lambda: None)()


def _targets(module: str) -> tuple[Target, ...]:
    found: tuple[Target, ...] = import_module(f"{__name__}.{module}").TARGETS
    return found
