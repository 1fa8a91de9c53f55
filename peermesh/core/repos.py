"""What makes two checkouts the same project.

A repo's key is one of

    remote:HOST/PATH    the address of its remote, without what differs between clones
    remote#DIGEST       the same, for an address that is too long to be told
    root:SHA            it has none: its first commit
    dir:PATH            neither: a directory, which means something on its own host only
"""

from __future__ import annotations

import hashlib
import re

# A key above this is told by its digest, which is the same on every host.
LONGEST_KEY = 300  # characters

_SCP = re.compile(r"(?:[^/:]*@)?(\[[^\]/]+\]|[^:/]+):(?!//|:)(.+)")
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(?:[^/]*@)?(\[[^\]/]+\]|[^:/]+)(?::\d+)?/(.+)", re.IGNORECASE)

# By these the large forges take SSH at the port of HTTPS.
_OTHER_NAMES = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}


def remote_key(url: str) -> str:
    """A remote's address without what differs between clones: scheme, user, port, case of the host, ``.git``.

    "" if *url* is a path on this machine, which means nothing elsewhere.
    """
    host, path = _parts(url.strip())
    path = re.sub("/+", "/", path).strip("/").removesuffix(".git").strip("/")
    host = host.lower()
    return f"{_OTHER_NAMES.get(host, host)}/{path}" if path else ""


def _parts(url: str) -> tuple[str, str]:
    if match := _URL.fullmatch(url):
        scheme, host, path = match[1].lower(), match[2], match[3]
        if scheme == "file":
            return "", ""
        return host, path.partition("?")[0] if scheme in ("http", "https") else path
    if match := _SCP.fullmatch(url):
        return match[1], match[2]
    return "", ""


def bounded(key: str) -> str:
    """A key that may be told to other hosts, short enough for their frames; a directory's is no such key."""
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode(errors="replace")).hexdigest()
    return f"remote#{digest}"
