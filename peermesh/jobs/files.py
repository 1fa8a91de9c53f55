"""A job's files, as far as its supervisor needs them: which there are, and how each is written.

Standard library only, and little of it: a supervisor starts with each `peer run`.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys

from peermesh import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VERSION = 1

JOB, END, ROOM, LOCK = "job.json", "end.json", "end.room", "lock"
LOG, OLDER, BASE = "log", "log.1", "log.base"
PROGRESS, CONTROL, TOLD = "progress", "control", "told"

# A log that grew to this is put aside, in place of the one before: at most twice as much for a job.
LOG_LIMIT = 32 * 1024 * 1024  # bytes
# Kept free from the start, so that a full disk does not keep the end from being written down.
END_ROOM = 32 * 1024  # bytes
# Whoever looks whether a lock is held, holds it for that moment.
LOOKED_AT = 2.0  # seconds


def dumped(value: Mapping[str, Any]) -> bytes:
    """*value* as JSON: any text can be written so."""
    return json.dumps(value).encode("ascii")


def read_json(directory: str, name: str) -> dict[str, Any]:
    """What the file *name* of *directory* holds.

    Raises:
        OSError, ValueError: there is nothing that can be read.
    """
    with open(os.path.join(directory, name), "rb") as file:
        found = json.loads(file.read())
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def write_json(directory: str, name: str, value: Mapping[str, Any]) -> None:
    """Write *value* as the file *name* of *directory*, whole or not at all.

    Args:
        directory: the job's.
        name: the file's name.
        value: what it holds.

    Raises:
        OSError: it cannot be written.
    """
    path = os.path.join(directory, name)
    fd = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(dumped(value))
    os.replace(f"{path}.new", path)


def write_text(directory: str, name: str, text: str) -> None:
    """Write *text* as the file *name* of *directory*, whole or not at all; ``OSError`` if that fails."""
    path = os.path.join(directory, name)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


def note(directory: str, name: str, text: str) -> None:
    """The same for a word that nobody misses: on a full disk it is not written."""
    try:
        write_text(directory, name, text)
    except OSError:
        unlink(directory, f"{name}.new")


def unlink(directory: str, name: str) -> None:
    """Remove the file *name*; that there is none is fine."""
    try:
        os.unlink(os.path.join(directory, name))
    except OSError:
        return


def forget(directory: str) -> None:
    """Remove the job; what cannot be removed now is removed with its age."""
    try:
        for name in os.listdir(directory):
            unlink(directory, name)
        os.rmdir(directory)
    except OSError:
        return


def make_room(directory: str) -> None:
    """Set room aside for the job's end; on a disk that is full already there is none."""
    try:
        with open(os.path.join(directory, ROOM), "wb") as room:
            room.write(b" " * END_ROOM)
    except OSError as wrong:
        if wrong.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise


def write_end(directory: str, value: Mapping[str, Any]) -> None:
    """Write the job's end into the room that was set aside, or as a new file where there is none.

    It can be read when this returns; it is on the disk after ``sync_end``. One that a crash of the machine tore
    in between cannot be read, and is none.

    Args:
        directory: the job's.
        value: what ``end.json`` holds.

    Raises:
        OSError: it cannot be written, now.
    """
    room = os.path.join(directory, ROOM)
    try:
        fd = os.open(room, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        write_json(directory, END, value)
        return
    with open(fd, "r+b") as file:
        file.write(dumped(value))
        file.truncate()
    os.replace(room, os.path.join(directory, END))


def sync_end(directory: str) -> None:
    """Have the job's end on the disk, and not only on its way there; what cannot be done is left."""
    try:
        fd = os.open(os.path.join(directory, END), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return  # the job was forgotten
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def take_lock(directory: str) -> int:
    """The job's lock as an open file, which the kernel frees when its holder ends, however it ends.

    Raises:
        OSError: another process holds it for longer than a look takes, or it cannot be made.
    """
    fd = locks.take_lock(os.path.join(directory, LOCK), LOOKED_AT)
    if fd is None:
        raise BlockingIOError(errno.EAGAIN, "another process holds the job's lock")
    return fd


def start_time(pid: int) -> str:
    """When the kernel started the process *pid*, in its own units; "" if that cannot be known.

    With it a process is told from a later one that was given the same number.
    """
    known = _stat(pid)
    return known[19].decode("ascii") if known else ""


def has_ended(pid: int) -> bool:
    """Whether the process *pid* is not there, or has ended and only waits for its parent to notice."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's, so it is there
    known = _stat(pid)
    return bool(known) and known[0] in (b"Z", b"X")


def _stat(pid: int) -> list[bytes]:
    """What Linux says of the process *pid*, from its state on; nothing elsewhere, or if it is gone."""
    if sys.platform != "linux":
        return []
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def boot_id() -> str:
    """What tells this run of the machine from the one before; "" where the system does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def poke(root: str) -> None:
    """Have all sidecars of this host look; whoever is away looks when it starts."""
    folder = os.path.join(root, "peers")
    try:
        names = os.listdir(folder)
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as near:
        near.setblocking(False)
        for name in names:
            try:
                near.sendto(b"", os.path.join(folder, name, "poke"))
            except OSError:
                continue  # nobody there, or poked already
