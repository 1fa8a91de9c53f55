"""`peer run` without a sidecar: ``runner.py ROOT [--detach] CMD…``. Prints nothing of its own but what is wrong."""

from __future__ import annotations

import contextlib
import os
import sys
import time

from peermesh.jobs import foreground, program, record


def followed(one: foreground.Foreground, wanted: foreground.Wanted) -> int:
    """The exit code of *wanted*; does not return if a signal ended it."""
    code = one.run(wanted)
    if one.sign:
        one.die()
    return code


def main(root: str, *words: str) -> int:
    """Run *words* as a job of the state directory *root*; its directory is put into the file ``ROOT/newest``."""
    detached = words[0] == "--detach"
    argv = words[1:] if detached else words
    near = foreground.summon()
    try:
        path = program.find(argv[0])
        job = record.JobRecord(
            id="", argv=argv, started=time.time(), boot=record.boot_id(), detached=detached
        )
        job, directory = record.create(root, job)
        noted = os.path.join(root, f"newest.{os.getpid()}")
        with open(noted, "w", encoding="utf-8") as file:
            file.write(directory)
        os.replace(noted, os.path.join(root, "newest"))
        wanted = foreground.Wanted(directory, root, path, argv)
        if detached:
            print(foreground.detach(near, wanted))
            return 0
        return followed(foreground.Foreground(near), wanted)
    except foreground.CannotRunError as wrong:
        print(wrong, file=sys.stderr)
        return program.exit_code(wrong)
    except foreground.SupervisorDiedError:
        print("supervisor died", file=sys.stderr)
        return 1
    except foreground.LeftError as left:
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(2, b"left\n")
        return 128 + left.sign


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
