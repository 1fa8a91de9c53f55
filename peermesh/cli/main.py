"""Where `peer` begins: the short road or click's, and errors of ours as a sentence and an exit code."""

from __future__ import annotations

import errno
import os
import sys

from peermesh.cli import plain, short
from peermesh.errors import Exit, PeerError

# As a shell says it of a command that Ctrl-C ended.
INTERRUPTED = 130
# Whoever read us has gone, as a shell says it (128 and SIGPIPE).
UNREAD = 141

# How the short road ends, on which nothing is left to tidy up: that would cost 2 ms more.
leave = os._exit

# What standard output says when there is no room where it leads.
_FULL = (errno.ENOSPC, errno.EDQUOT)


def main() -> None:
    """Run the command line."""
    try:
        sys.exit(_run(sys.argv[1:]))
    except PeerError as wrong:
        _report(wrong)
        sys.exit(wrong.exit)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as wrong:
        if wrong.errno in _FULL:
            plain.say(f"peer: this cannot be printed: {wrong.strerror}", sys.stderr)
        elif not isinstance(wrong, BrokenPipeError):
            raise
        # Whoever read us has gone; nothing more is to be written, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.FAULT if wrong.errno in _FULL else UNREAD)


def _run(words: list[str]) -> int:
    if short.fits(words):
        code = short.run(words)
        sys.stdout.flush()
        leave(code)
    if sys.flags.no_site:  # the plugin's command begins without the installed packages, which take 2 ms
        import site

        site.main()
    from peermesh.cli import group  # click, which the short road does without

    return group.run()


def wants_json() -> bool:
    """Whether a program reads what is wrong; words behind ``--`` are another command's."""
    words = sys.argv[1:]
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _report(wrong: PeerError) -> None:
    if wants_json():
        said = {
            "code": wrong.code,
            "message": str(wrong),
            **({"detail": wrong.detail} if wrong.detail else {}),
        }
        plain.as_json({"error": said}, indent=None)
    else:
        plain.say(f"peer: {wrong}", sys.stderr)
