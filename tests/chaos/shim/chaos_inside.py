"""What a chaos run puts inside the product's processes, from outside the package: loaded before peermesh is.

Everything it does is asked for by small files in the directory that ``CHAOS`` names, so that a run can ask for it
while the processes live:

    at/POINT      a number: kill -9 of the process that passes POINT for that many-th time
    io            words, one a line: ``commit mail.db`` makes commits to mail.db fail as a broken disk does
    clock         seconds by which the wall clock of this host is wrong
    boot          what the machine says its boot's id is
    fired         a line is added for everything that was done
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

FOLDER = os.environ.get("CHAOS", "")

_stat, _fstat, _time, _write = os.stat, os.fstat, time.time, os.write


def fired(what: str, **about: object) -> None:
    """Note that *what* was done; the line is on disk before anything follows."""
    import json

    session = "" if _peer() else os.environ.get("CLAUDE_CODE_SESSION_ID", "")
    if not session and what.startswith("cli-"):
        session = os.environ.get("PEER_HOST", "")  # a person's command
    who = {"pid": os.getpid(), "session": session, "peer": _peer()}
    line = json.dumps({"point": what, "at": time.monotonic(), **who, **about})
    file = os.open(f"{FOLDER}/fired", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    _write(file, line.encode() + b"\n")
    os.close(file)


def _peer() -> str:
    """Whose sidecar this process is; "" if it is none."""
    folder = os.path.join(os.environ.get("PEER_HOME", ""), "peers")
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        try:
            with open(os.path.join(folder, name, "pid"), encoding="ascii") as file:
                if int(file.read() or 0) == os.getpid():
                    return name
        except (OSError, ValueError):
            continue
    return ""


def passing(point: str, **about: object) -> None:
    """This process passes *point*: it dies here if it was asked to."""
    path = f"{FOLDER}/at/{point}"
    mine = f"{path}.{os.getpid()}"
    try:
        os.rename(path, mine)
    except OSError:
        return
    with open(mine, encoding="ascii") as file:
        left = int(file.read() or 1) - 1
    if left > 0:
        with open(mine, "w", encoding="ascii") as file:
            file.write(str(left))
        os.rename(mine, path)
        return
    os.unlink(mine)
    fired(point, **about)
    os.kill(os.getpid(), 9)


# ---------------------------------------------------------------- a file that is read when it changed


class Asked:
    """The words of a small file, read again when it is another; they are replaced in one step."""

    def __init__(self, name: str) -> None:
        self._path, self._seen, self._words = f"{FOLDER}/{name}", 0, ""

    def words(self) -> str:
        """What the file says now; "" if there is none."""
        try:
            seen = _stat(self._path).st_ino
        except OSError:
            self._seen, self._words = 0, ""
            return ""
        if seen != self._seen:
            with open(self._path, encoding="ascii") as file:
                self._seen, self._words = seen, file.read().strip()
        return self._words


_clock, _io, _boot = Asked("clock"), Asked("io"), Asked("boot")


# ---------------------------------------------------------------- the clock


def _offset() -> int:
    """By how many seconds the wall clock is wrong."""
    return int(_clock.words() or 0)


def _wrong_time() -> float:
    return _time() + _offset()


def _shifted(found: os.stat_result) -> os.stat_result:
    """A file's times as a machine with the wrong clock would have written them."""
    by = _offset()
    if not by:
        return found
    more: dict[str, Any] = {}
    for name in ("st_atime", "st_mtime", "st_ctime"):
        more[name] = getattr(found, name) + by
        more[f"{name}_ns"] = getattr(found, f"{name}_ns") + by * 1_000_000_000
    plain = [*found[:7], *(int(found[n]) + by for n in (7, 8, 9))]
    return os.stat_result(plain, more)


def _wrong_clock() -> None:
    def stat(*words: Any, **named: Any) -> os.stat_result:
        return _shifted(_stat(*words, **named))

    def fstat(file: int) -> os.stat_result:
        return _shifted(_fstat(file))

    time.time, os.stat, os.fstat = _wrong_time, stat, fstat


# ---------------------------------------------------------------- inside peermesh's modules


def _mailbox(module: ModuleType) -> None:
    """Named points around a mailbox's commit."""
    keep = module.Mailbox.keep

    def kept(self: Any, changes: Any, clock: float) -> None:
        changes = list(changes)
        names = {_kind(one) for one in changes}
        for name in names:
            passing(f"before-{name}", mailbox=self.peer)
        keep(self, changes, clock)
        for name in names:
            passing(f"after-{name}", mailbox=self.peer)

    module.Mailbox.keep = kept


def _kind(change: Any) -> str:
    """What a change of a mailbox is: keepout, keepin, moveout-safe, movein-handed, told."""
    state = getattr(change, "state", None)
    return type(change).__name__.lower() + (f"-{state}" if state else "")


def _sqlite(module: ModuleType) -> None:
    """A disk that fails under SQLite, and named points around every commit."""
    sqlite3 = module.sqlite3
    connect = sqlite3.connect

    class Faulty(sqlite3.Connection):  # type: ignore[misc, name-defined]
        path = ""

        def execute(self, statement: str, *words: Any) -> Any:
            if statement == "COMMIT":
                passing(f"before-commit-{self.path}")
            _fail(sqlite3, _verb(statement), self.path)
            done = super().execute(statement, *words)
            if statement == "COMMIT":
                passing(f"after-commit-{self.path}")
            return done

    def opened(path: str, *words: Any, **named: Any) -> Any:
        _fail(sqlite3, "open", os.path.basename(path))
        made = connect(path, *words, factory=Faulty, **named)
        made.path = os.path.basename(path)
        return made

    sqlite3.connect = opened


def _verb(statement: str) -> str:
    if statement == "COMMIT":
        return "commit"
    return "read" if statement.startswith("SELECT") else "other"


def _fail(sqlite3: ModuleType, verb: str, path: str) -> None:
    if f"{verb} {path}" in _io.words().splitlines():
        fired(f"io {verb} {path}")
        wrong = sqlite3.OperationalError("disk I/O error")
        wrong.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC if verb == "commit" else sqlite3.SQLITE_IOERR_READ
        raise wrong


def _door(module: ModuleType) -> None:
    """Named points of hooks and commands: asked, answered, written out, told."""
    ask, write = module.Door.ask, module.Door.write

    def written(self: Any, do: str, number: int, fields: Any) -> None:
        if do == "shown":
            passing(f"{_who()}-flushed")
        write(self, do, number, fields)
        passing(f"{_who()}-asked")

    def asked(self: Any, do: str, *words: Any, **named: Any) -> Any:
        answer = ask(self, do, *words, **named)
        passing(f"{_who()}-told" if do == "shown" else f"{_who()}-answered")
        return answer

    module.Door.write, module.Door.ask = written, asked


def _who() -> str:
    return "hook" if "peermesh.hooks.lane" in sys.modules else "cli"


def _links(module: ModuleType) -> None:
    """Named points where a frame leaves: the acknowledgement is on its way, or not."""
    tell, reply = module.Links.tell, module.Links.reply

    def told(self: Any, peer: Any, frame: Any) -> None:
        passing(f"before-{type(frame).__name__.lower()}")
        tell(self, peer, frame)
        passing(f"after-{type(frame).__name__.lower()}")

    def replied(self: Any, route: Any, frame: Any) -> None:
        passing(f"before-{type(frame).__name__.lower()}")
        reply(self, route, frame)
        passing(f"after-{type(frame).__name__.lower()}")

    module.Links.tell, module.Links.reply = told, replied


def _jobs(module: ModuleType) -> None:
    """A machine that was started again, and the end of a job: noted, and not yet poked."""
    boot_id, poke = module.boot_id, module.poke

    def booted() -> str:
        return _boot.words() or str(boot_id())

    def poked(root: str) -> None:
        passing("supervisor-noted")
        poke(root)

    module.boot_id, module.poke = booted, poked


INSIDE: dict[str, Callable[[ModuleType], None]] = {
    "peermesh.store.mailbox": _mailbox,
    "peermesh.store.sqlite": _sqlite,
    "peermesh.door.client": _door,
    "peermesh.mesh.links": _links,
    "peermesh.jobs.files": _jobs,
}


class Finder:
    """Finds the modules of ``INSIDE`` as always, and changes each right after it was run."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        """The module's spec, with a loader that adds ours; ``None`` for all others."""
        change = INSIDE.get(name)
        if change is None:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def then(module: ModuleType) -> None:
            run(module)
            change(module)

        spec.loader.exec_module = then  # type: ignore[method-assign]
        return spec


if FOLDER:
    _wrong_clock()
    sys.meta_path.insert(0, Finder)
