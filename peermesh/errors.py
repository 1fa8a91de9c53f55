"""Every error of peer, in the reader's words, with a code for machines and an exit code."""

from __future__ import annotations

# The hook's lane imports this file at events that matter, so it does without enum and typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Exit:
    """What a command's exit code says."""

    DONE = 0
    FAULT = 1  # ours
    USAGE = 2
    NO_PEER = 3
    NOT_YET = 4  # the state asked for was not reached in time
    REFUSED = 5


class PeerError(Exception):
    """Something went wrong in peer."""

    code = "fault"
    exit = Exit.FAULT

    def __init__(self, message: str | None = None, **detail: Any) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.detail = detail


# ---------------------------------------------------------------- said by whoever asked wrongly


class BadUsage(PeerError):
    """That is not how this is asked."""

    code, exit = "usage", Exit.USAGE


class EmptyText(BadUsage):
    """There is no text to send. Give it as an argument, with --file, or on standard input with -."""

    code = "empty"


class NotText(BadUsage):
    """The text is not valid UTF-8. Convert it first (iconv -t UTF-8), or send a path instead."""

    code = "not-text"


class TooLarge(PeerError):
    """The text is longer than 1 MiB. Put it into a file and send the path."""

    code, exit = "too-large", Exit.REFUSED


class NoSuchMessage(PeerError):
    """There is no message with that id here. `peer inbox --all` and `peer sent` list what there is."""

    code, exit = "no-message", Exit.NO_PEER


class UnknownPeer(PeerError):
    """Nobody here has that name. `peer list --all` shows who is known."""

    code, exit = "unknown-peer", Exit.NO_PEER


class AmbiguousPeer(PeerError):
    """More than one peer has that name. Say which, as name@host or by its id."""

    code, exit = "ambiguous-peer", Exit.NO_PEER


class Held(PeerError):
    """Another session holds that. Ask it, or wait until it lets go; `peer claims` shows who holds what."""

    code, exit = "held", Exit.REFUSED


class OutsideRepo(BadUsage):
    """That path is not in this repo, and nobody of this repo would meet you there."""

    code = "outside"


class NoSuchTask(PeerError):
    """There is no such task on this repo's board. `peer task list --all` shows all."""

    code, exit = "no-task", Exit.NO_PEER


class NoSuchJob(PeerError):
    """There is no such job here. `peer jobs --all` lists them."""

    code, exit = "no-job", Exit.NO_PEER


class NotYours(PeerError):
    """Somebody else holds that path; only its holder can release it."""

    code, exit = "not-yours", Exit.REFUSED


class TaskTaken(PeerError):
    """Somebody else has that task."""

    code, exit = "task-taken", Exit.REFUSED


class TaskWaits(PeerError):
    """That task waits for others. Take one of them first, or say --anyway."""

    code, exit = "task-waits", Exit.REFUSED


class NoSuchState(PeerError):
    """Nothing is kept under that key. `peer state show` lists what is."""

    code, exit = "no-state", Exit.NO_PEER


class TooMany(PeerError):
    """That is more than one session may have."""

    code, exit = "too-many", Exit.REFUSED


class NameTaken(PeerError):
    """A session that is running has that name. Choose another, or rename that one first."""

    code, exit = "name-taken", Exit.REFUSED


# ---------------------------------------------------------------- refused


class ChainTooLong(PeerError):
    """Sessions have answered each other too often since a person spoke. Ask the person to go on."""

    code, exit = "chain", Exit.REFUSED


class QueueFull(PeerError):
    """Too much is still undelivered to that peer. Wait until it has read some of it."""

    code, exit = "full", Exit.REFUSED


class SwitchedOff(PeerError):
    """peer is switched off here. `peer on` switches it on again."""

    code, exit = "off", Exit.REFUSED


class NotTrusted(PeerError):
    """No such host is trusted here. `peer trust` lists those that are."""

    code, exit = "not-trusted", Exit.NO_PEER


class KeyChanged(PeerError):
    """A host of that name is trusted already, with another key."""

    code, exit = "key-changed", Exit.REFUSED


class InviteRefused(PeerError):
    """That invitation is not valid here. Make a new one with `peer invite`."""

    code, exit = "invite", Exit.REFUSED


class PairingFailed(PeerError):
    """The code is spent. Make a new one with `peer pair`, and type it on the other host."""

    code, exit = "pairing", Exit.REFUSED


class LanOff(PeerError):
    """The LAN is off on this machine; switch it on with `peer lan on`."""

    code, exit = "lan-off", Exit.REFUSED


# ---------------------------------------------------------------- the machine


class NotReached(PeerError):
    """The other host did not answer."""

    code, exit = "not-reached", Exit.NOT_YET


class NoPairing(PeerError):
    """Pairing by a code needs an extra. Install it here: pip install 'peermesh[pair]'. Or use `peer invite`."""

    code = "no-pairing"


class NoPanel(PeerError):
    """The panel needs an extra. Install it here: pip install 'peermesh[ui]'."""

    code = "no-panel"


class HomeUnusable(PeerError):
    """The state directory cannot be used."""

    code = "home"


class StoreNewer(PeerError):
    """The store was written by a newer peer. Install that version here too (pip install -U peermesh)."""

    code = "store-newer"


class StoreBroken(PeerError):
    """The store cannot be read."""

    code = "store-broken"


class DiskFull(PeerError):
    """The disk is full, so nothing was sent. Free some space and try again."""

    code = "disk-full"


class ReadOnly(PeerError):
    """The state directory cannot be written, so nothing was sent. Check its owner and permissions."""

    code = "read-only"


class NoSidecar(PeerError):
    """The sidecar did not start in time. `peer doctor` shows why."""

    code = "no-sidecar"


class CannotListen(PeerError):
    """This host cannot listen for other hosts. Set PEER_PORT to a port that is free."""

    code = "cannot-listen"


class OtherVersion(PeerError):
    """The sidecar that runs is of another version. End it with `peer down`; the next command starts yours."""

    code = "other-version"


class NoClaude(PeerError):
    """Claude Code's program `claude` was not found. Say where it is: peer setup --claude PATH."""

    code = "no-claude"


class ClaudeFailed(PeerError):
    """Claude Code refused to change its plugins."""

    code = "claude-failed"


# ---------------------------------------------------------------- what others got wrong


class RemoteError(PeerError):
    """Another process sent something that is not of the protocol."""

    code = "remote"


class BadFrame(RemoteError):
    """A frame that came over a link cannot be read."""

    code = "bad-frame"


class BadRequest(RemoteError):
    """A request that came through the door cannot be read."""

    code, exit = "bad-request", Exit.USAGE


def _tree(root: type[PeerError]) -> dict[str, type[PeerError]]:
    found = {root.code: root}
    for below in root.__subclasses__():
        found.update(_tree(below))
    return found


def by_code(code: str, message: str, detail: dict[str, Any] | None = None) -> PeerError:
    """The error that crossed the door as *code* and *message*; unknown codes are plain faults."""
    more = (
        {name: one for name, one in detail.items() if name != "message"} if isinstance(detail, dict) else {}
    )
    return _tree(PeerError).get(code, PeerError)(message, **more)
