"""Who may import whom, read from the sources by `ast`. The table is the one in docs/architecture.md."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "peermesh"

# The longest name that a file's path begins with is its rule. Of peermesh: rooms, or files of a room; a room
# may import itself, but for the light files, and everybody the package (its version). "any" of the standard library is any of it.
PAGE = ROOT / "docs" / "architecture.md"
# The page's own table, so that it cannot say one thing and the code do another.
TABLE = PAGE.read_text(encoding="utf-8").partition("<!-- imports -->")[2].partition("<!-- end -->")[0]

# Modules that compute and nothing else: no clock, file, socket, process, randomness or logging.
PURE = frozenset(
    [
        "abc",
        "bisect",
        "collections",
        "collections.abc",
        "contextlib",
        "copy",
        "dataclasses",
        "difflib",
        "enum",
        "functools",
        "hashlib",
        "heapq",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "string",
        "types",
        "typing",
        "unicodedata",
    ]
)
# What the hook's lane can afford at every event; json, which `peer send --json` can, as it brings re and enum; and
# site, by which a command that began without the installed packages fetches them.
LIGHT = frozenset(["_json", "_socket", "errno", "json", "os", "site", "stat", "sys", "time"])
# The lane's closure may not hold these, whoever brings them: each costs milliseconds.
HEAVY = frozenset(
    [
        "argparse",
        "ast",
        "asyncio",
        "concurrent",
        "contextlib",
        "dataclasses",
        "email",
        "enum",
        "functools",
        "http",
        "importlib.metadata",
        "inspect",
        "json",
        "logging",
        "multiprocessing",
        "pathlib",
        "pickle",
        "random",
        "re",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "typing",
        "unicodedata",
        "urllib",
        "uuid",
    ]
)
# SQLite is the store's, and processes' business is where it is said.
ONLY = {
    "sqlite3": ("store/",),
    "asyncio": (
        "mesh/links.py",
        "mesh/hosts/",
        "mesh/pairing/",
        "discovery/",
        "door/listener.py",
        "door/server.py",
        "sidecar/",
        "cli/pair.py",
    ),
}


@dataclass(frozen=True)
class Rule:
    """What a room or file may import."""

    where: str
    ours: frozenset[str]
    theirs: frozenset[str]
    library: frozenset[str] | None  # None: any of it


def rules() -> list[Rule]:
    """The table, read."""
    names = {"": frozenset[str](), "pure": PURE, "light": LIGHT, "any": None}
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in TABLE.strip().splitlines()[2:]]
    return [Rule(w, _words(ours), _words(theirs), names[library]) for w, ours, theirs, library in rows]


def _words(cell: str) -> frozenset[str]:
    return frozenset(filter(None, (word.strip() for word in cell.split(","))))


def rule_for(path: str) -> Rule:
    """The rule of the file *path*, counted from the package."""
    fitting = [one for one in rules() if path.startswith(one.where)]
    assert fitting, f"{path} is in no room"
    return max(fitting, key=lambda one: len(one.where))


def imports(source: str) -> Iterator[tuple[str, bool]]:
    """Each module that *source* imports, and whether only for types."""
    tree = ast.parse(source)
    typed = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and "TYPE_CHECKING" in ast.unparse(test.test)
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in typed) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            assert node.module
            for alias in node.names:
                yield _module(node.module, alias.name), id(node) in typed


def _module(module: str, name: str) -> str:
    """``from module import name`` imports a module of ours if there is one of that name."""
    if module.split(".", maxsplit=1)[0] == "peermesh":
        path = PACKAGE.joinpath(*module.split(".")[1:], name)
        if path.is_dir() or path.with_suffix(".py").is_file():
            return f"{module}.{name}"
    return module


def complaints(path: str, source: str) -> list[str]:
    """What in *source*, the file *path* of the package, breaks the map."""
    rule = rule_for(path)
    return [
        f"{path} may not import {name}"
        for name, typed in imports(source)
        if not _may(rule, path, name, typed=typed)
    ]


def _may(rule: Rule, path: str, name: str, *, typed: bool) -> bool:
    top = name.split(".", maxsplit=1)[0]
    if top == "peermesh":
        inner = name.removeprefix("peermesh").removeprefix(".")
        own = path.split("/", maxsplit=1)[0] if "/" in path and rule.library != LIGHT else ""
        rooms = {*rule.ours, own} - {""}
        return not inner or any(inner == one or inner.startswith(f"{one}.") for one in rooms)
    if top not in sys.stdlib_module_names:
        return top in rule.theirs
    if top in ONLY and not path.startswith(ONLY[top]):
        return typed
    return top == "__future__" or typed or rule.library is None or name in rule.library


FILES = sorted(str(one.relative_to(PACKAGE)) for one in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES)
def test_map(path: str) -> None:
    """Each file imports only what its room may."""
    assert complaints(path, (PACKAGE / path).read_text("utf-8")) == []


def test_every_row_is_about_something() -> None:
    """A row of the table that no file falls under is out of date."""
    used = {rule_for(path).where for path in FILES}
    assert used == {rule.where for rule in rules()}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("core/engine.py", "import time"),
        ("core/engine.py", "import random"),
        ("core/engine.py", "from peermesh.mesh.wire import encode"),
        ("core/engine.py", "from peermesh import config"),
        ("core/engine.py", "def f():\n    import socket"),
        ("mesh/wire.py", "import zmq"),
        ("mesh/box.py", "import msgpack"),
        ("mesh/box.py", "import time"),
        ("mesh/links.py", "from peermesh.store.mailbox import Mailbox"),
        ("store/mailbox.py", "from peermesh.mesh import wire"),
        ("discovery/record.py", "import zeroconf"),
        ("discovery/record.py", "from peermesh.core.words import Card"),
        ("door/server.py", "from peermesh.core.script import Say"),
        ("door/client.py", "import asyncio"),
        ("hooks/lane.py", "from typing import Any"),
        ("hooks/lane.py", "from peermesh.hooks import text"),
        ("hooks/lane.py", "from peermesh.core.words import Card"),
        ("hooks/payload.py", "import re"),
        ("sidecar/desk.py", "from peermesh.cli import main"),
        ("sidecar/desk.py", "import sqlite3"),
        ("cli/mail.py", "from peermesh.store.host import HostStore"),
        ("cli/mail.py", "from peermesh.core.engine import Engine"),
        ("cli/mail.py", "from peermesh.sidecar import desk"),
        ("cli/mail.py", "import asyncio"),
        ("errors.py", "import enum"),
    ],
)
def test_a_breach_is_found(path: str, line: str) -> None:
    """The test is able to fail: such a line in such a file is a breach."""
    assert complaints(path, line) != []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("hooks/lane.py", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Any"),
        ("sidecar/desk.py", "from peermesh.sidecar.process import Sidecar"),
        ("sidecar/desk.py", "from peermesh import __version__"),
        ("mesh/box.py", "from peermesh.core.engine import Engine"),
    ],
)
def test_what_is_allowed(path: str, line: str) -> None:
    """And such a line is none."""
    assert complaints(path, line) == []


def loaded(statement: str) -> set[str]:
    """The modules that a bare interpreter has loaded after *statement*, as hook.sh starts it."""
    code = f"import sys; sys.path.append({str(ROOT)!r}); {statement}; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", code]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_lane_carries_no_luggage() -> None:
    """With the lane comes nothing but itself, and the light modules."""
    lane, bare = loaded("import peermesh.hooks.lane"), loaded(f"import {', '.join(sorted(LIGHT))}")
    assert {name for name in lane - bare if not name.startswith("peermesh")} <= {"__future__"}
    assert lane & HEAVY == set()
    assert {name for name in lane if name.startswith("peermesh")} == {
        "peermesh",
        "peermesh.config",
        "peermesh.door",
        "peermesh.door.client",
        "peermesh.errors",
        "peermesh.hooks",
        "peermesh.hooks.lane",
        "peermesh.hooks.payload",
        "peermesh.lightjson",
    }


def test_short_road_carries_no_luggage() -> None:
    """`peer send` with plain words loads no click, and nothing else that it does not use."""
    road, bare = loaded("import peermesh.cli.main"), loaded(f"import {', '.join(sorted(LIGHT))}")
    assert {name for name in road - bare if not name.startswith("peermesh")} <= {"__future__"}
    assert {name for name in road if name.startswith("peermesh.c")} == {
        "peermesh.cli",
        "peermesh.cli.link",
        "peermesh.cli.main",
        "peermesh.cli.plain",
        "peermesh.cli.sending",
        "peermesh.cli.short",
        "peermesh.config",
        "peermesh.core",
        "peermesh.core.clean",
    }


@pytest.mark.parametrize("path", [path for path in FILES if path.endswith("__init__.py")])
def test_rooms_import_nothing_by_themselves(path: str) -> None:
    """An ``__init__`` imports nothing: who wants one file of a room pays for that one."""
    assert list(imports((PACKAGE / path).read_text("utf-8"))) == []
