"""``python -m peermesh.sidecar SPEC``: one sidecar, without a fork server. Hooks and commands start forkserver.py."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time

# asyncio takes ssl along if it can, for connections that a sidecar never makes: 8 ms of its start and
# 1.5 MB of each. It does without where there is none.
sys.modules["ssl"] = None  # type: ignore[assignment]

import asyncio  # noqa: E402 - after the line above, which is for it

from peermesh import config  # noqa: E402
from peermesh.door.client import tell_failure  # noqa: E402
from peermesh.errors import PeerError, SwitchedOff  # noqa: E402
from peermesh.sidecar.enrol import Spec  # noqa: E402
from peermesh.sidecar.process import Sidecar  # noqa: E402


async def _main(root: str, spec: Spec) -> int:
    return await Sidecar(root, spec).run()


def main(said: str) -> int:
    """Run the sidecar of the spec *said*; whatever keeps it from starting is a line in the log."""
    os.umask(0o077)
    try:
        root = config.make_home()
        spec = Spec(**json.loads(said))
    except (PeerError, OSError) as wrong:
        return _no_start(wrong)
    link = config.session_link(root, spec.session) if spec.session else config.person_link(root)
    try:
        return asyncio.run(_main(root, spec))
    except (PeerError, OSError) as wrong:
        with contextlib.suppress(OSError):  # a full disk: the log below is full too, and the caller sees it
            tell_failure(link, wrong if isinstance(wrong, PeerError) else PeerError(str(wrong)))
        return 0 if isinstance(wrong, SwitchedOff) else _no_start(wrong)


def _no_start(wrong: Exception) -> int:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} [{os.getpid()}] no start: {wrong}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
