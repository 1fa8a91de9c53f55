"""Opening SQLite files: stepped schema, refused when newer, set aside with a word when damaged."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence

from peermesh.errors import DiskFull, PeerError, ReadOnly, StoreBroken, StoreNewer

# Another process of this host may hold the shared file's write lock for a commit or two.
BUSY_TIMEOUT = 5.0  # seconds

# What one connection keeps of its file. A sidecar has three, and SQLite's 2 MB for each would fill within the hour
# as mailbox and log grow; the kernel has the same pages at hand, and no commit is slower for it.
CACHE = 256  # KB

# "peer" in ASCII: tells our files from any other SQLite file.
APPLICATION_ID = 0x70656572

# How a sign ends that has the name of a file that was set aside: one was deleted, or its journal was cut.
GONE, CUT = "-gone", "-cut"

# A database's files: itself, its journal, and the memory that its users share.
_ENDS = ("", "-wal", "-shm")

# A file of so many pages is looked through as thoroughly as SQLite can: 1 MB, in some milliseconds.
SMALL = 256
# Columns whose text is JSON, in any of our files, and what it is.
_JSON = {
    **dict.fromkeys(("fields", "data", "known", "card"), "object"),
    **dict.fromkeys(("past", "roles"), "array"),
}

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_READ_ONLY = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    """Theirs to ours: an error of SQLite's about *path* becomes one with a sentence that helps.

    Raises:
        DiskFull, ReadOnly, StoreBroken: what happened.
    """
    try:
        yield
    except sqlite3.Error as wrong:
        raise _ours(wrong, path) from wrong
    except UnicodeEncodeError as wrong:
        raise StoreBroken(f"{path} cannot hold a text that is not valid UTF-8") from wrong
    except UnicodeDecodeError as wrong:
        raise StoreBroken(f"{path} holds a text that is not valid UTF-8", damaged=True) from wrong


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """The same around what makes values of rows: SQLite takes any value anywhere, and a broken disk gives any.

    Raises:
        DiskFull, ReadOnly, StoreBroken: what happened.
    """
    try:
        with translated(path):
            yield
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as wrong:
        raise StoreBroken(f"{path} holds a row that makes no sense ({wrong})", damaged=True) from wrong


@contextlib.contextmanager
def translated_os(path: str) -> Iterator[None]:
    """The same for an ``OSError`` about a plain file.

    Raises:
        DiskFull, ReadOnly: what happened.
    """
    try:
        yield
    except OSError as wrong:
        if wrong.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull() from wrong
        raise ReadOnly(f"{path} cannot be written ({wrong.strerror})") from wrong


def _ours(wrong: sqlite3.Error, path: str) -> PeerError:
    exact = getattr(wrong, "sqlite_errorcode", 0)
    code = exact & 0xFF
    if code == sqlite3.SQLITE_FULL or exact == sqlite3.SQLITE_IOERR_SHMSIZE:  # no room for the shared memory
        return DiskFull()
    if code in _READ_ONLY:
        return ReadOnly(f"{path} cannot be written; check the owner and permissions of its directory")
    return StoreBroken(f"{path}: {wrong}", damaged=code in _DAMAGE)


def texts(value: object) -> tuple[str, ...]:
    """*value*, decoded JSON, as texts; ``ValueError`` if it is no list of such."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise ValueError("no list of texts")


def open_file(path: str, steps: Sequence[str]) -> tuple[sqlite3.Connection, str | None]:
    """Open the database at *path*, made or stepped forward as *steps* say.

    Args:
        path: the file.
        steps: one SQL script for each version of the schema, the first version first.

    Returns:
        The connection (in autocommit mode, WAL, fully synced), and where a damaged file that stood
        there was set aside, if one did.

    Raises:
        StoreNewer: a newer program wrote it.
        DiskFull, ReadOnly, StoreBroken: it cannot be opened or made.
    """
    with translated(path):
        try:
            return _open(path, steps), None
        except sqlite3.DatabaseError as wrong:
            if getattr(wrong, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:
                raise
        except UnicodeDecodeError:
            pass  # SQLite's own words about the damage quote the noise
        aside = set_aside(path)
        return _open(path, steps), aside


def _open(path: str, steps: Sequence[str]) -> sqlite3.Connection:
    existed = os.path.exists(path)
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA cache_size=-{CACHE}")
        # Before anything is written: a newer program's file, and a damaged one, are left as they are.
        version = _version(db, path, steps)
        if existed:
            _not_empty(version)
            _format_fits(db, path, version)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        _step(db, path, steps)
    except BaseException:
        db.close()
        if not existed:
            _remove(path)  # half made: not to be taken for a damaged one later
        raise
    return db


def _not_empty(version: int) -> None:
    if version == 0:  # cut to nothing, or its journal is lost: not a new store
        raise _damaged("it is empty")


def _format_fits(db: sqlite3.Connection, path: str, version: int) -> None:
    """SQLite takes a changed byte of the header for a later format, and opens the file for reading only.

    The file itself is not opened to look: closing it would take away this process's locks on it (POSIX), and the
    next process that leaves would delete the journal under us.
    """
    if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        raise _damaged("its header")
    db.execute("PRAGMA busy_timeout=0")  # whoever writes just now has found that it can
    try:
        db.execute("BEGIN IMMEDIATE")
        db.execute(f"PRAGMA user_version={version}")  # a write, which is not kept
    except sqlite3.OperationalError as wrong:
        code = getattr(wrong, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_READONLY and os.access(path, os.W_OK):
            raise _damaged("its header") from wrong
        if code != sqlite3.SQLITE_BUSY:
            raise
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT * 1_000:.0f}")


def _remove(path: str) -> None:
    for end in _ENDS:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + end)


def _step(db: sqlite3.Connection, path: str, steps: Sequence[str]) -> None:
    version = _version(db, path, steps)
    if version == len(steps):
        _look_through(db)
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for number in range(_version(db, path, steps), len(steps)):
            for statement in steps[number].split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={number + 1}")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection, path: str, steps: Sequence[str]) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version < 0:
        raise _damaged(f"its schema has the number {version}")
    if version > len(steps):
        raise StoreNewer(
            f"{path} was written by a newer peer (schema {version}, this program knows {len(steps)}); "
            "install that version here too"
        )
    return version


def _look_through(db: sqlite3.Connection) -> None:
    """Find damage now and not in the middle of a message. Small files are read whole."""
    pages = int(db.execute("PRAGMA page_count").fetchone()[0])
    if pages > 2_000:  # 8 MB: a check would take longer than a session's start may
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return
    # The first also holds tables against their indexes, which takes four times as long.
    check = "integrity_check" if pages <= SMALL else "quick_check"
    words = db.execute(f"PRAGMA {check}(1)").fetchone()[0]
    if words != "ok":
        raise _damaged(words)
    for table, question in _questions(db):
        if db.execute(question).fetchone():
            raise _damaged(f"{table} holds what cannot stand there")


def _questions(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """For each table a query for a row with a value of another type than its column has.

    SQLite's own check does not look for them, and a changed byte often makes one.
    """
    tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    for (table,) in tables.fetchall():
        wrong = []
        for _, column, kind, needed, _, key in db.execute(f"PRAGMA table_info({table})"):
            types = f"'{kind.lower()}'" if needed or key else f"'{kind.lower()}', 'null'"
            wrong.append(f"typeof({column}) NOT IN ({types})")
            if column in _JSON:
                wrong.append(
                    f"CASE WHEN json_valid({column}) THEN json_type({column}) <> '{_JSON[column]}' ELSE 1 END"
                )
        yield table, f"SELECT 1 FROM {table} WHERE {' OR '.join(wrong)} LIMIT 1"  # noqa: S608 - the schema's words


def _damaged(words: str) -> sqlite3.DatabaseError:
    wrong = sqlite3.DatabaseError(f"damaged: {words}")
    wrong.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return wrong


def set_aside(path: str) -> str:
    """Move a damaged file, its journal too, out of the way; where it is now."""
    aside = stem = f"{path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    again = 1
    while os.path.exists(aside):  # the second one in the same second
        again += 1
        aside = f"{stem}-{again}"
    for end in _ENDS:
        if os.path.exists(path + end):
            os.replace(path + end, aside + end)
    return aside


def about(what: str, aside: str) -> str:
    """A sentence on *what*, of which *aside* is what was set aside, or a sign, see ``note``."""
    if aside.endswith(GONE):
        return f"the {what} was deleted"
    if aside.endswith(CUT):
        return f"the journal of the {what} was cut: what was written last is lost"
    return f"the damaged {what} was set aside as {aside}"


def note(path: str, what: str) -> str:
    """Leave a sign for `peer doctor` beside the file at *path*: ``GONE`` or ``CUT``; what the sign is called."""
    sign = f"{path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}{what}"
    with translated_os(sign):
        os.close(os.open(sign, os.O_WRONLY | os.O_CREAT, 0o600))
    return sign


@contextlib.contextmanager
def transaction(db: sqlite3.Connection, path: str) -> Iterator[None]:
    """All that is written inside is kept together, or not at all.

    Raises:
        DiskFull, ReadOnly, StoreBroken: nothing of it was kept.
    """
    with translated(path):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
