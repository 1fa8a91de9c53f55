"""What makes two checkouts the same project."""

from __future__ import annotations

import re

_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^@/]*@)?([^:/]+)(?::\d+)?/(.+)", re.IGNORECASE)


def remote_key(url: str) -> str:
    """A remote's address without what differs between clones: scheme, user, port, case of the host, ``.git``.

    "" if *url* is a path on this machine, which means nothing elsewhere.
    """
    match = _URL.fullmatch(url.strip()) or _SCP.fullmatch(url.strip())
    if match is None:
        return ""
    path = match[2].strip("/").removesuffix(".git").strip("/")
    return f"{match[1].lower()}/{path}" if path else ""
