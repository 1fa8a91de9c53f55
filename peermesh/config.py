"""Where things are and what was set: environment and paths. Standard library only, and cheap to import:
the hook's lane pays for it at every event.
"""

from __future__ import annotations

import os
import stat

from peermesh.errors import HomeUnusable

# A Unix socket's path has 107 bytes on Linux and 103 on macOS; ours add "/peers/k3m9x2ab/door".
SOCKET_PATH_LIMIT = 103
HOME_LIMIT = SOCKET_PATH_LIMIT - len("/peers/k3m9x2ab/door")
# A person wrote it by hand: what stands behind so much is not read.
SETTINGS_LIMIT = 1024 * 1024  # characters


def home() -> str:
    """The state directory: ``$PEER_HOME``, else ``peer`` in the XDG state directory, on macOS too.

    The same rule stands in hooks/files/hook.sh, which must find it without starting a program.
    """
    given = os.environ.get("PEER_HOME")
    if given:
        return os.path.abspath(given)
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(state, "peer")


def make_home() -> str:
    """The state directory, made with mode 0700 if it is not there.

    Raises:
        HomeUnusable: it cannot be made, is not ours, is open to others, or its path is too long.
    """
    path = home()
    if len(os.fsencode(path)) > HOME_LIMIT:
        raise HomeUnusable(
            f"the state directory {path} has a longer path than sockets allow ({HOME_LIMIT} bytes); "
            "set PEER_HOME to a shorter one"
        )
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        info = os.stat(path)
    except OSError as wrong:
        raise HomeUnusable(
            f"the state directory {path} cannot be made ({wrong.strerror}); set PEER_HOME to another"
        ) from wrong
    if info.st_uid != os.getuid():
        raise HomeUnusable(f"the state directory {path} belongs to another user; set PEER_HOME to another")
    if stat.S_IMODE(info.st_mode) & 0o077:
        os.chmod(path, 0o700)
    return path


def peer_dir(root: str, peer: str) -> str:
    """The directory of *peer* in the state directory *root*."""
    return os.path.join(root, "peers", peer)


def session_link(root: str, session: str) -> str:
    """The link by which hooks find the peer of a Claude Code session.

    *session* comes from outside, so only its letters, digits, dashes and underscores name the file.
    """
    return os.path.join(root, "session", plain(session))


def client_link(root: str, client: int) -> str:
    """The link by which a session that changed its id (``/clear``) is found by its client's process."""
    return os.path.join(root, "client", str(client))


def person_link(root: str) -> str:
    """The link to the peer of the person's shells."""
    return os.path.join(root, "person")


def gate_link(root: str) -> str:
    """The socket at which this host's sidecars reach other hosts."""
    return os.path.join(root, "gate")


def plain(text: str) -> str:
    """*text* as a file's name: others' words never become a path elsewhere."""
    return "".join(c for c in text[:128] if c.isascii() and (c.isalnum() or c in "-_")) or "none"


def session_id() -> str | None:
    """The Claude Code session that this process runs in, if any."""
    return os.environ.get("CLAUDE_CODE_SESSION_ID") or None


def client_pid() -> int:
    """The process of the Claude Code client that this process runs in; 0 if there is none."""
    return _whole(os.environ.get("CLAUDE_PID", ""), 0)


def oneshot() -> bool:
    """Whether the client is a ``claude -p`` run, which nobody sits in front of."""
    unattended = os.environ.get("CLAUDE_CODE_SESSION_ATTENDED") == "0"
    return unattended or os.environ.get("CLAUDE_CODE_ENTRYPOINT", "cli").startswith("sdk-")


def disabled() -> bool:
    """Whether ``PEER_DISABLE`` takes this session out."""
    return os.environ.get("PEER_DISABLE", "") not in ("", "0")


def settings_file(root: str) -> str:
    """Lines such as ``PEER_LAN=off``, for all sessions of the host; the environment goes before it."""
    return os.path.join(root, "settings")


def setting(name: str) -> str:
    """What the environment, else the settings file, says for *name*; "" if neither does."""
    given = os.environ.get(name)
    if given is not None:
        return given
    try:
        with open(settings_file(home()), encoding="utf-8", errors="replace") as file:
            lines = [line.partition("=") for line in file.read(SETTINGS_LIMIT).splitlines()]
    except OSError:
        return ""
    return next((value.strip() for key, _, value in reversed(lines) if key.strip() == name), "")


def change_setting(root: str, name: str, value: str) -> None:
    """Write ``name=value`` into the settings file, in place of what it said; other lines stay."""
    path = settings_file(root)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        lines = []
    kept = [line for line in lines if line.partition("=")[0].strip() != name]
    with open(f"{path}.new", "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("\n".join([*kept, f"{name}={value}", ""]))
    os.replace(f"{path}.new", path)


def lan() -> bool:
    """Whether the LAN may be used. ``PEER_LAN=off`` sends no packet, mDNS included, and nothing listens."""
    return setting("PEER_LAN").lower() not in ("off", "0", "no", "false")


def lan_forbidden() -> bool:
    """Whether the environment of just this process keeps it from the LAN, whatever the settings file says."""
    return "PEER_LAN" in os.environ and not lan()


def why_no_lan() -> str:
    """What switched the LAN off, and what to do about it."""
    given = os.environ.get("PEER_LAN")
    if given is None:
        return "the LAN is off on this machine; switch it on with `peer lan on`"
    return f"PEER_LAN={given} in the environment switches the LAN off here; unset it to use the LAN"


def interfaces() -> list[str] | None:
    """The network interfaces that ``PEER_INTERFACES`` names (comma between), or ``None`` to choose."""
    names = [name.strip() for name in setting("PEER_INTERFACES").split(",")]
    return [name for name in names if name] or None


def port() -> int:
    """The TCP port that ``PEER_PORT`` names for other hosts' links; 0: one of the usual ones."""
    given = _whole(setting("PEER_PORT"), 0)
    return given if given < 65_536 else 0


def host_name() -> str:
    """This host's name for people: ``PEER_HOST``, else the machine's, without its domain."""
    return (setting("PEER_HOST") or os.uname().nodename).split(".")[0] or "host"


def number(name: str, default: int) -> int:
    """The whole number that the environment or the settings file gives for *name*, else *default*."""
    return _whole(setting(name), default)


def _whole(text: str, default: int) -> int:
    """The number of at most nine digits that *text* is, else *default*: "²" is a digit too, and no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default
