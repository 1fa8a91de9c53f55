"""This host's key pair, made once: the file ``host.key``, mode 0600."""

from __future__ import annotations

import json
import os

from peermesh.errors import StoreBroken
from peermesh.mesh.hosts.curve import new_keys, public_of


def host_keys(root: str) -> tuple[bytes, bytes]:
    """The public and the secret key, 32 bytes each; made if there are none.

    Raises:
        StoreBroken: the file is there and holds no key. It is never replaced: every host that trusts the old
            key would have to be paired again, and a person decides that.
    """
    path = os.path.join(root, "host.key")
    if not os.path.exists(path):
        _make(path)
    try:
        with open(path, encoding="ascii") as file:
            secret = bytes.fromhex(json.load(file)["secret"])
        return public_of(secret), secret
    except (ValueError, KeyError, TypeError, RecursionError) as wrong:
        raise StoreBroken(
            f"{path} holds no key. Delete it to get a new one; then every other host has to be paired again"
        ) from wrong


def _make(path: str) -> None:
    """Write a new pair, unless another process is first."""
    public, secret = new_keys()
    mine = f"{path}.{os.getpid()}"
    fd = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, json.dumps({"public": public.hex(), "secret": secret.hex()}).encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        os.link(mine, path)  # fails where one is, as a rename would not
    except FileExistsError:
        return
    finally:
        os.unlink(mine)
