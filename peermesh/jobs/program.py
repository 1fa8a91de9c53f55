"""Which file a typed command is, found as a shell finds it."""

from __future__ import annotations

import errno
import os
import stat

from peermesh.jobs.foreground import CannotRunError

# What a shell says of a command that is not there, and of one that is no program.
NOT_FOUND, NOT_RUNNABLE = 127, 126


def find(word: str) -> str:
    """The file of the command *word*.

    Raises:
        CannotRunError: there is none, or it is no program.
    """
    if "/" in word:
        return _checked(word)
    found: CannotRunError | None = None
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        try:
            return _checked(os.path.join(folder or ".", word))
        except CannotRunError as wrong:
            if wrong.number != errno.ENOENT:
                found = wrong
    raise found or CannotRunError(errno.ENOENT, "command not found")


def _checked(path: str) -> str:
    try:
        info = os.stat(path)
    except (OSError, ValueError) as wrong:
        number = getattr(wrong, "errno", None) or errno.ENOENT
        if number == errno.ENOTDIR:
            number = errno.ENOENT
        raise CannotRunError(number, os.strerror(number)) from wrong
    if stat.S_ISDIR(info.st_mode):
        raise CannotRunError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(path, os.X_OK):
        raise CannotRunError(errno.EACCES, os.strerror(errno.EACCES))
    return path


def exit_code(wrong: CannotRunError) -> int:
    """What a shell exits with when a command cannot be run."""
    return NOT_FOUND if wrong.number == errno.ENOENT else NOT_RUNNABLE
