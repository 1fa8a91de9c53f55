"""The faults of a run: each has a function of the stage and its step's arguments, and mends what it broke."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peermesh.locks import free_lock, take_lock
from tests.lan.cable import Cable

from .ending import signalled
from .machine import Machine
from .spoiling import spoil
from .trusting import pair_again

if TYPE_CHECKING:
    from .stage import Stage


def kill_sidecar(stage: Stage, session: str) -> None:
    """Kill -9 of one sidecar."""
    _kill(stage, stage.of(session), [session])


def kill_keeper(stage: Stage, host: str) -> None:
    """Kill -9 of whoever runs a host's gate."""
    machine = stage.machines[host]
    keeper = machine.keeper()
    if keeper is not None:
        _kill(stage, machine, [keeper or host])


def kill_sidecars(stage: Stage, host: str) -> None:
    """Kill -9 of all of a host at once."""
    machine = stage.machines[host]
    _kill(stage, machine, [host, *(one for one in stage.plan.names() if one[0] == host)])


def _kill(stage: Stage, machine: Machine, sessions: list[str]) -> None:
    for session in sessions:
        pid = machine.sidecar(session)
        if pid and signalled(pid, signal.SIGKILL):
            stage.journal.add("died", host=machine.name, session=session, why="kill -9")


def kill_point(stage: Stage, host: str, point: str, nth: int) -> None:
    """Whoever passes *point* on a host for the *nth* time dies there."""
    folder = stage.machines[host].chaos / "at"
    (folder / f".{point}").write_text(str(nth))
    (folder / f".{point}").rename(folder / point)


def kill_supervisor(stage: Stage, host: str) -> None:
    """Kill -9 of the owner of a job."""
    machine = stage.machines[host]
    for pid in machine.supervisors()[:1]:
        if signalled(pid, signal.SIGKILL):
            stage.journal.add("died", host=host, session="", why="supervisor")


def kill_fork_server(stage: Stage, host: str) -> None:
    """Kill -9 of what forks the host's sidecars."""
    pid = stage.machines[host].fork_server()
    if pid:
        signalled(pid, signal.SIGKILL)


def stop_fork_server(stage: Stage, host: str, seconds: float) -> None:
    """It stands still, and sidecars are asked of it all the same."""
    machine = stage.machines[host]
    _stand(stage, machine, [machine.fork_server()], seconds, "nobody")


def stop_sidecar(stage: Stage, session: str, seconds: float) -> None:
    """A sidecar stands still for a while."""
    _stand(stage, stage.of(session), [stage.of(session).sidecar(session)], seconds, session)


def freeze_host(stage: Stage, host: str, seconds: float) -> None:
    """All that runs on a host stands still for a while, as when it sleeps."""
    machine = stage.machines[host]
    _stand(stage, machine, machine.pids(), seconds, "")


def _stand(stage: Stage, machine: Machine, pids: list[int], seconds: float, session: str) -> None:
    began = time.monotonic()
    stood = [pid for pid in pids if pid and signalled(pid, signal.SIGSTOP)]
    try:
        stage.sleep(seconds)
    finally:
        for pid in stood:
            signalled(pid, signal.SIGCONT)
        stage.journal.add(
            "stopped",
            host=machine.name,
            session=session,
            began=began,
            ended=time.monotonic(),
            count=len(stood),
        )


# ---------------------------------------------------------------- the cable


def cut(stage: Stage, host: str, seconds: float) -> None:
    """The cable is cut somewhere: no interface shows it."""
    machine = stage.machines[host]
    machine.cut()
    try:
        stage.sleep(seconds)
    finally:
        machine.mend()


def unplug(stage: Stage, host: str, seconds: float) -> None:
    """The interface loses its carrier."""
    machine = stage.machines[host]
    machine.link("down")
    try:
        stage.sleep(seconds)
    finally:
        machine.link("up")


def cut_one_way(stage: Stage, host: str, seconds: float, way: str) -> None:
    """What the host says is heard, and what is said to it is not; or the other way round."""
    with stage.machines[host].cable, Cable(stage.lan, host, lost_way=way):
        stage.sleep(seconds)


def bad_cable(stage: Stage, host: str, seconds: float, **how: float) -> None:
    """Frames are lost, late, doubled and overtaken."""
    with stage.machines[host].cable, Cable(stage.lan, host, **how):
        stage.sleep(seconds)


# ---------------------------------------------------------------- the disk, the clock


def disk_full(stage: Stage, host: str, seconds: float, left: int) -> None:
    """The state directory's file system has only *left* KiB."""
    machine = stage.machines[host]
    began = time.monotonic()
    ballast = machine.state / "ballast"
    try:
        with ballast.open("wb") as file:
            free = os.statvfs(machine.state).f_bavail * os.statvfs(machine.state).f_frsize
            os.posix_fallocate(file.fileno(), 0, max(1, free - left * 1024))
        stage.sleep(seconds)
    except OSError:  # another took the room meanwhile: it is full
        stage.sleep(seconds)
    finally:
        ballast.unlink(missing_ok=True)
        stage.journal.add("disk", host=host, began=began, ended=time.monotonic(), what="full")


def io_error(stage: Stage, host: str, seconds: float, what: str) -> None:
    """One kind of access to one kind of file fails."""
    machine = stage.machines[host]
    began = time.monotonic()
    _tell(machine, "io", what)
    try:
        stage.sleep(seconds)
    finally:
        (machine.chaos / "io").unlink()
        stage.journal.add("disk", host=host, began=began, ended=time.monotonic(), what=what)


def _tell(machine: Machine, name: str, words: str) -> None:
    path = machine.chaos / f".{name}"
    path.write_text(words)
    path.rename(machine.chaos / name)


def clock(stage: Stage, host: str, by: int) -> None:
    """The wall clock of a host is set *by* so many seconds; the files' times stay what they were."""
    machine = stage.machines[host]
    # Nobody sees it half done; some may be killed meanwhile.
    pids = [pid for pid in machine.pids() if signalled(pid, signal.SIGSTOP)]
    try:
        path = machine.chaos / "clock"
        now = int(path.read_text()) if path.exists() else 0
        _tell(machine, "clock", str(now + by))
        for one in machine.state.rglob("*"):
            _age(one, by)
    finally:
        for pid in pids:
            signalled(pid, signal.SIGCONT)
        stage.journal.add("clock", host=host, by=by)


def _age(path: Path, by: int) -> None:
    try:
        if not path.is_symlink():
            times = path.stat()
            os.utime(path, ns=(times.st_atime_ns - by * 10**9, times.st_mtime_ns - by * 10**9))
    except OSError:  # it went away meanwhile
        return


# ---------------------------------------------------------------- files


def damage(stage: Stage, session: str, file: str, how: str) -> None:
    """A file of a dead sidecar's, or of a dead host's, is damaged before it is started again."""
    machine = stage.of(session)
    if file == "mail.db":
        _damage_mailbox(stage, machine, session, how)
        return
    machine.power_off()
    stage.journal.add("died", host=machine.name, session="", why="power")
    spoil(stage, machine, machine.state / file, how, session)
    _boot(stage, machine)
    if file == "trust.json":
        pair_again(stage)


def _damage_mailbox(stage: Stage, machine: Machine, session: str, how: str) -> None:
    folder = machine.folder(session).resolve()
    _kill(stage, machine, [session])
    end = time.monotonic() + 5
    while (lock := take_lock(str(folder / "lock"))) is None:
        _kill(stage, machine, [session])  # somebody started it again at once, or stands in for it
        if time.monotonic() > end:
            return
        time.sleep(0.001)
    try:
        spoil(stage, machine, folder / "mail.db", how, session)
    finally:
        free_lock(lock)


def reboot(stage: Stage, host: str, seconds: float) -> None:
    """The power fails and comes back: all processes die at once, the interface goes and comes, sessions are resumed."""
    machine = stage.machines[host]
    machine.power_off()
    stage.journal.add("died", host=host, session="", why="power")
    machine.link("down")
    try:
        stage.sleep(seconds)
    finally:
        machine.link("up")
        _boot(stage, machine)


def _boot(stage: Stage, machine: Machine) -> None:
    _tell(machine, "boot", f"boot-{time.monotonic()}")
    machine.power_on()
    for session in stage.plan.names():
        if session[0] == machine.name:
            stage.wanted(session)


def end_session(stage: Stage, session: str, seconds: float, *, goodbye: bool) -> None:
    """The client ends, and is started again later with ``--resume``."""
    stage.ended(session)
    stage.of(session).finish(session, goodbye=goodbye)
    stage.journal.add("left", host=session[0], session=session)
    stage.sleep(seconds)
    stage.wanted(session)


DO: dict[str, Callable[..., Any]] = {
    name.replace("_", "-"): found
    for name, found in list(globals().items())
    if callable(found) and not name.startswith("_") and getattr(found, "__module__", "") == __name__
}
