"""The fork server: the second sidecar of a host is forked, is like one that was started, and needs it for nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from peermesh.door.client import SPEC
from peermesh.door.forking import fork_path

from .actors import Person, Session
from .conftest import Sessions
from .home import PYTHON, ROOT, Home, send_signal, state_of, until

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="a fork without exec is safe on Linux only: no fork server elsewhere"
)


def parent(pid: int) -> int:
    """The process that *pid* is a child of."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def field(pid: int, name: str) -> str:
    """A line of the process's status."""
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(row.partition(":")[2].strip() for row in rows if row.startswith(f"{name}:"))


def own(pid: int) -> dict[str, object]:
    """What a process has that a fork could have left as its parent's."""
    files = []
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # open for a moment
            files.append(os.readlink(one))
    return {
        "leads its session": os.getsid(pid) == pid,
        "directory": os.readlink(f"/proc/{pid}/cwd"),
        "streams": [os.path.basename(os.readlink(f"/proc/{pid}/fd/{n}")) for n in range(3)],
        "mask": field(pid, "Umask"),
        "signals": [field(pid, name) for name in ("SigBlk", "SigIgn", "SigCgt")],
        "threads": field(pid, "Threads"),
        "files": sorted(one.partition(":")[0] for one in files if not one.startswith("/")),
    }


def forked(home: Home, start: Callable[[], Session]) -> Session:
    """A session whose sidecar a server forked: on a machine that is busy beyond measure one may start plainly."""
    for _ in range(5):
        one = start()
        if parent(one.pid) in home.servers():
            return one
        one.end()
        one.gone()
    raise AssertionError("no sidecar is forked")


def started(home: Home, name: str) -> Session:
    """A session that has begun."""
    one = Session(home, name, home.app)
    one.start()
    return one


def started_plainly(home: Home) -> Session:
    """A session whose sidecar no fork server forked."""
    plain = Session(home, "plain", home.app)
    spec = json.dumps({"session": plain.id, "client": plain.client.pid, "cwd": str(home.app)})
    with (home.peer / "sidecar.log").open("ab") as log:
        sidecar = subprocess.Popen(
            [PYTHON, "-I", "-m", "peermesh.sidecar", spec],
            env=plain.env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    home.processes.append(sidecar)
    until(lambda: plain.pid, "its sidecar")
    assert plain.status
    return plain


def test_second_sidecar_is_forked_and_is_like_any(home: Home, session: Sessions) -> None:
    """Both are children of one server, called by their names; else they are as one that was started plainly."""
    one, two = session("a"), forked(home, lambda: session("b"))
    (server,) = home.servers()
    assert {parent(one.pid), parent(two.pid)} == {server}
    until(lambda: field(two.pid, "Name") == "peer b", "its name in ps")
    plain = started_plainly(home)
    until(lambda: own(two.pid) == own(plain.pid), f"{own(two.pid)} to be as {own(plain.pid)}")
    assert field(server, "Threads") == "1"
    assert (
        len(list(Path(f"/proc/{server}/fd").iterdir())) == 7
    )  # streams, lock, listener, the pair that wakes it


def test_each_has_its_own_environment(home: Home, session: Sessions) -> None:
    """What a forked sidecar reads of its environment is what its hook had, and not the server's."""
    session("a")
    (home.path / "other/sessions").mkdir(parents=True)

    def named() -> Session:
        one = Session(home, "b", home.app, CLAUDE_CONFIG_DIR=str(home.path / "other"))
        said = {"name": "given", "nameSource": "user"}
        (home.path / f"other/sessions/{one.client.pid}.json").write_text(json.dumps(said))
        one.start()
        return one

    two = forked(home, named)
    assert {row["name"] for row in two.ask("list")["peers"]} == {"a", "given"}


def test_ends_with_the_last_sidecar(home: Home, session: Sessions) -> None:
    """It leaves nothing behind but its lock's file."""
    one, two = session("a"), session("b")
    one.end()
    one.gone()
    assert len(home.servers()) == 1
    two.end()
    until(lambda: not home.leftovers(), "the end of all")
    assert not os.path.exists(fork_path(str(home.peer)))


def test_killed_one_is_replaced(home: Home, session: Sessions) -> None:
    """Its sidecars live on, and the next start leaves another behind."""
    one = session("a")
    (first,) = home.servers()
    send_signal(first, signal.SIGKILL)
    two, three = session("b"), forked(home, lambda: session("c"))
    (second,) = home.servers()
    assert first != second
    assert {parent(two.pid), parent(three.pid)} == {second}
    assert one.status["pid"] == one.pid


def test_another_server_is_left_alone(home: Home, session: Sessions) -> None:
    """Where somebody removed its files, the next start leaves a second one behind, which outlives the first."""
    one = session("a")
    (first,) = home.servers()
    for name in ("fork", "fork.lock"):
        (home.peer / name).unlink()
    two = session("b")
    (second,) = {*home.servers()} - {first}
    one.end()
    until(lambda: home.servers() == [second], "the end of the first")
    assert {parent(two.pid), parent(forked(home, lambda: session("c")).pid)} == {second}


def test_stopped_one_holds_nobody_up(home: Home, session: Sessions) -> None:
    """A session starts without it, by a blink later; when it goes on, it does not start that session again."""
    session("a")
    (server,) = home.servers()
    send_signal(server, signal.SIGSTOP)
    two = session("b", start=False)
    began = time.monotonic()
    assert two.run_hook("SessionStart", source="startup").code == 0
    assert time.monotonic() - began < 1.0  # 0.1 s, and the hook itself on a busy machine
    assert two.status
    assert parent(two.pid) != server
    pids = {*home.leftovers()}
    send_signal(server, signal.SIGCONT)
    three = forked(home, lambda: session("c"))
    assert parent(three.pid) == server
    assert {*home.leftovers()} == pids | {three.pid}


def test_half_a_request_holds_nobody_up(home: Home, session: Sessions) -> None:
    """Nor does nonsense: the next one is served."""
    session("a")
    with contextlib.ExitStack() as open_until_then:
        for said in (
            b"",
            b'{"run": ',
            b"[]\n",
            b'{"run": [], "env": []}\n',
            b"[" * 100_000 + b"\n",
            b"\xff\n",
        ):
            near = open_until_then.enter_context(socket.socket(socket.AF_UNIX))
            near.connect(fork_path(str(home.peer)))
            near.sendall(said)
        assert forked(home, lambda: session("b")).status


def test_another_nature_is_not_forked(home: Home, session: Sessions) -> None:
    """Who was started with other limits, or with what is read only once, starts its sidecar itself."""
    session("a")
    (server,) = home.servers()
    two = session("b", start=False)
    hook = ["/bin/sh", "-c", f"ulimit -t 99999; exec /bin/sh {home.hook} SessionStart"]
    subprocess.run(hook, env=two.env, cwd=two.cwd, input=two.payload("SessionStart"), check=True)
    until(lambda: two.pid, "its sidecar")
    assert parent(two.pid) != server
    assert Path(f"/proc/{two.pid}/limits").read_text().count("99999") == 2
    three = session("c", TZ="Asia/Kathmandu")
    assert parent(three.pid) != server
    assert home.servers() == [server]


def test_is_nobodys_leftover(home: Home, person: Person) -> None:
    """A job that starts a sidecar, and with it a server, has left nothing running: they are not of the job."""
    person.ok("list")
    (first,) = home.servers()
    send_signal(first, signal.SIGKILL)
    two = Session(home, "b", home.app)
    said = home.path / "payload.json"
    said.write_bytes(two.payload("SessionStart", source="startup"))
    names = {
        "CLAUDE_CODE_SESSION_ID": two.id,
        "CLAUDE_PID": str(two.client.pid),
        "CLAUDE_CODE_ENTRYPOINT": "cli",
    }
    words = " ".join(f"{name}={value}" for name, value in names.items())
    hook = (
        f"{words} /bin/sh {home.hook} SessionStart <{said}; until [ -e {two.link}/pid ]; do sleep 0.1; done"
    )
    done = person.peer("run", "--", "/bin/sh", "-c", hook)
    assert done.code == 0, done
    (end,) = home.peer.glob("jobs/*/end.json")
    assert json.loads(end.read_text())["left"] == []
    assert [parent(two.pid)] == home.servers()


def test_replaced_program_is_not_forked(home: Home, tmp_path: Path) -> None:
    """When a file that it has loaded changes, it ends: the next start is the new program's."""
    module = tmp_path / "replaced.py"
    module.write_text("")
    one = Session(home, "a", home.app)
    spec = json.dumps({"session": one.id, "client": one.client.pid, "cwd": str(home.app)})
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(tmp_path)!r}]; import replaced; "
        "from peermesh.sidecar.forkserver import main; sys.exit(main())"
    )
    home.processes.append(
        subprocess.Popen(
            [PYTHON, "-I", "-c", code], env={**one.env, SPEC: spec}, cwd="/", stdin=subprocess.DEVNULL
        )
    )
    (server,) = until(home.servers, "the fork server")
    forked(home, lambda: started(home, "b"))
    assert home.servers() == [server]
    module.write_text("# another version\n")
    three = started(home, "c")
    assert state_of(server) in ("", "Z")
    (other,) = home.servers()
    assert parent(three.pid) == other
    assert one.status["pid"] == one.pid
