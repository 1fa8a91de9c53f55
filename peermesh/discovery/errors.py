"""What can go wrong in discovery, in the reader's words."""

from __future__ import annotations

from peermesh.errors import PeerError, RemoteError


class BadRecord(RemoteError):
    """A name, a port or a text breaks the rules for records of ours."""

    code = "bad-record"


class DiscoveryUnavailable(PeerError):
    """Nobody can be found on the network at present; everything on this host works all the same."""

    code = "no-discovery"
