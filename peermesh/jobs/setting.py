"""What a job's program is run with: its words, its three streams, its terminal."""

from __future__ import annotations

import os

from peermesh.jobs import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a stream can be: the one of the command that asked, nothing, a pipe to us, a terminal of its own.
OWN, NULL, PIPE, TERMINAL = "own", "null", "pipe", "terminal"
SAME = "same"  # of standard error: it goes where standard output goes


def environment() -> dict[bytes, bytes]:
    """The person's environment: without the locale that Python sets for itself where there is none."""
    found = dict(os.environb)
    if b"LC_CTYPE" in found:
        try:
            with open("/proc/self/environ", "rb") as file:
                if b"\0LC_CTYPE=" not in b"\0" + file.read():
                    del found[b"LC_CTYPE"]
        except OSError:
            return found  # a system without it
    return found


class Setting:
    """As the command that asked for it said it.

    Args:
        said: ``dir`` (the job's), ``root`` (the state directory), ``path`` and ``argv`` (any bytes, as Latin-1),
            ``streams`` (what standard input, output and error are).
        given: files that came with it: the terminal's two sides if there is one, then, if somebody follows,
            where to hand on what comes from each pipe or terminal.
    """

    def __init__(self, said: dict[str, Any], given: list[int]) -> None:
        self.directory, self.root = str(said["dir"]), str(said["root"])
        self._path = said["path"].encode("latin-1")
        self._argv = [word.encode("latin-1") for word in said["argv"]]
        self._kinds = [str(one) for one in said["streams"]]
        self._followers = list(given)
        self._master = self.slave = -1
        if TERMINAL in self._kinds:
            self._master, self.slave, *self._followers = given

    def start(self) -> tuple[int, list[tuple[str, int, int]]]:
        """Start the program.

        Returns: its process, and for each stream of it that comes to us the name, where it comes from, and where
        it is handed on to (-1: nowhere).

        Raises:
            OSError: it cannot be run.
        """
        theirs, sources, mine = list[int](), list[tuple[str, int]](), list[int]()
        for number, kind in enumerate(self._kinds):
            name = ("stdin", "stdout", "stderr")[number]
            if kind == PIPE:
                near, far = os.pipe()
                mine.append(far)
                theirs.append(far)
                sources.append((name, near))
            elif kind == TERMINAL:
                theirs.append(self.slave)
                if number and self._master not in [fd for _, fd in sources]:
                    sources.append((name, self._master))
            elif kind == NULL:
                mine.append(os.open(os.devnull, os.O_RDWR))
                theirs.append(mine[-1])
            else:
                theirs.append(theirs[1] if kind == SAME else number)
        if self.slave >= 0:
            child.own_terminal(self.slave)
        pid = child.start((self._path, self._argv, environment()), theirs, self.slave)
        for fd in mine:
            os.close(fd)
        followers = self._followers + [-1] * (len(sources) - len(self._followers))
        return pid, [(name, fd, to) for (name, fd), to in zip(sources, followers, strict=True)]
