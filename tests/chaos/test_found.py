"""What runs of chaos found, each as small as it can be posed."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from peermesh.core.events import EventId
from peermesh.core.news import Scene
from peermesh.core.picture import Picture
from peermesh.door.client import starting_mark
from peermesh.errors import DiskFull, NoSuchTask, PeerError
from peermesh.sidecar.awareness import Awareness
from peermesh.sidecar.tasking import Tasking, _Awaited
from tests.live.actors import Session
from tests.live.home import Home, adopt_orphans, until

from . import interpreter


class Shimmed(Home):
    """A state directory whose processes have the shim inside; ``chaos`` is its directory."""

    def __init__(self) -> None:
        super().__init__()
        self.chaos = self.path / "chaos"
        (self.chaos / "at").mkdir(parents=True)
        self.python, root = interpreter.make(self.path / "tools")
        text = (interpreter.ROOT / "peermesh/hooks/files/hook.sh").read_text()
        for mark, value in (("@PYTHON@", self.python), ("@ROOT@", root)):
            text = text.replace(mark, str(value))
        self.hook.write_text(text)

    def environment(self, **extra: str) -> dict[str, str]:
        """As for any home, and the shim's directory."""
        return super().environment(CHAOS=str(self.chaos), **extra)

    def fail(self, *what: str) -> None:
        """These accesses fail from now on: ``commit mail.db``; none, if none are named."""
        (self.chaos / ".io").write_text("\n".join(what))
        (self.chaos / ".io").rename(self.chaos / "io")


@pytest.fixture
def home() -> Iterator[Shimmed]:
    """A home with the shim."""
    adopt_orphans()
    home = Shimmed()
    yield home
    home.close()


def started(home: Shimmed, name: str) -> Session:
    """A session that had its first turn."""
    one = Session(home, name, home.app)
    one.start()
    one.ask("name", name=name, told=True)
    one.turn()
    return one


def test_send_when_its_sidecar_ends(home: Shimmed) -> None:
    """Who waits is told how far the message got, and not by a traceback."""
    one, two = started(home, "a"), started(home, "b")
    sending = one.start_peer("send", "b", "hello", "--wait", "shown", "--json")
    until(lambda: two.unread() == ["hello"], "the message")
    one.peer("down")
    out, err = sending.communicate(timeout=20)
    assert err == b""
    assert sending.returncode == 4
    assert json.loads(out)["messages"][0]["state"] == "safe"


@pytest.mark.parametrize("broken", [["commit mail.db"], ["commit mail.db", "read mail.db"]])
def test_nothing_is_queued_on_a_disk_that_fails(home: Shimmed, broken: list[str]) -> None:
    """A sender is not told *queued* of what was never kept, also while the mailbox cannot be read either."""
    one, two = started(home, "a"), started(home, "b")
    kept = one.send("b", "before")
    home.fail(*broken)
    done = one.peer("send", "b", "never said", "--json")
    assert done.code == 1, done
    assert done.json["error"]["code"] == "store-broken"
    time.sleep(1.5)  # it tries again after a second
    home.fail()
    assert "safe with b" in until(lambda: one.peer("send", "b", "after"), "the disk to be well").out
    assert [m["body"] for i, m in one.sent().items() if i != kept] == ["after"]
    assert two.unread() == ["before", "after"]


def test_a_message_that_was_kept_is_not_called_lost(home: Shimmed) -> None:
    """When only what became of it cannot be written, its sender is told *queued*, and not that nothing was sent."""
    one, two = started(home, "a"), started(home, "b")
    with two.hang():
        sending = one.start_peer("send", "b", "kept", "--wait", "safe", "--json")
        until(lambda: [m["body"] for m in one.sent().values()] == ["kept"], "it to be on disk")
        home.fail("commit mail.db")
    time.sleep(0.5)
    home.fail()
    out, _ = sending.communicate(timeout=30)
    said = json.loads(out)
    assert "error" not in said
    assert said["messages"][0]["state"] in ("queued", "safe")
    until(lambda: two.unread() == ["kept"], "the delivery")


def test_a_start_after_the_clock_was_set_back(home: Shimmed) -> None:
    """The mark of a sidecar that died as it started seems to be of the future then, and holds nobody up."""
    one = Session(home, "a", home.app)
    mark = Path(starting_mark(str(one.link)))
    mark.parent.mkdir(parents=True)
    mark.touch()
    later = time.time() + 3_600
    os.utime(mark, (later, later))
    assert one.peer("status").code == 0


def test_a_full_disk_at_the_end(home: Shimmed) -> None:
    """A sidecar that cannot note when it went does all the rest of its going: the last signs of its client, too."""
    one, two = started(home, "a"), started(home, "b")
    ident = one.send("b", "read and not signed")
    assert f"[{ident}]" in two.prompt()
    home.fail("commit host.db")
    (two.directory / "turn").write_text("idle\n")  # as the hooks' first step leaves it
    pid = two.directory / "pid"
    two.peer("down")
    until(lambda: not pid.exists(), "its end")
    home.fail()
    assert "Traceback" not in home.log()
    until(lambda: one.state(ident) == "shown", "the receipt")


def test_a_question_that_was_sent_is_not_called_unsent(home: Shimmed) -> None:
    """When its answer cannot be kept, its asker is told that there is none yet; it comes as a message."""
    one, two = started(home, "a"), started(home, "b")
    asking = one.start_peer("ask", "b", "well?", "--timeout", "90s", "--json")
    (ident,) = until(one.sent, "the question")
    until(lambda: two.unread() == ["well?"], "its coming")
    with one.hang():
        assert two.peer("reply", ident, "well").code == 0
        home.fail("commit mail.db")
    out, _ = asking.communicate(timeout=30)
    home.fail()
    assert asking.returncode == 4
    assert [row["id"] for row in json.loads(out)["messages"]] == [ident]
    until(lambda: "> well" in one.turn(), "the answer")


@pytest.mark.parametrize("done", [lambda aware: aware.did("k3m9x2ab"), lambda aware: aware.claimed()])
def test_what_was_done_is_answered_on_a_full_disk(done: Callable[[Awareness], None]) -> None:
    """That it is no news to who did it cannot be kept; it is done all the same, and nothing is raised."""

    def full(*_: object) -> None:
        raise DiskFull()

    aware = object.__new__(Awareness)
    shared = SimpleNamespace(log=SimpleNamespace(notebook=SimpleNamespace(set_told=full)))
    post = SimpleNamespace(engine=SimpleNamespace(card=SimpleNamespace(id="annannan")))
    looked: list[bool] = []
    parts = {"_base": Scene(), "_now": Scene, "_shared": shared, "_post": post, "_seq_told": 0}
    for name, value in {**parts, "look": lambda: looked.append(True)}.items():
        setattr(aware, name, value)
    done(aware)
    assert looked == [True]


def test_a_task_whose_log_was_lost_while_it_was_taken() -> None:
    """Who waits for the other host's word on it is told that there is no such task any more, and nothing is raised."""
    told: list[tuple[int, PeerError]] = []
    caller = SimpleNamespace(fail=lambda number, wrong: told.append((number, wrong)))
    shared = SimpleNamespace(picture=lambda _: Picture(10))
    tasking = Tasking(cast(Any, shared), cast(Any, None), cast(Any, None))
    place, timer = SimpleNamespace(key="remote:shop"), SimpleNamespace(cancel=lambda: None)
    take = EventId("host:1", 7)
    tasking._awaited[take] = _Awaited(*cast(Any, (caller, 3, place, "kvb6sc1f", timer)))
    tasking._give_up(take)
    assert [(number, wrong.code) for number, wrong in told] == [(3, NoSuchTask.code)]
    assert not tasking._awaited


def test_a_point_kills_whoever_passes_it(home: Shimmed) -> None:
    """The shim itself: a sidecar dies between its commit and the acknowledgement, and the message is shown once."""
    one, two = started(home, "a"), started(home, "b")
    dead = two.pid
    (home.chaos / "at" / "after-keepin").write_text("1")
    ident = one.send("b", "committed and not acknowledged", wait="queued")
    until(lambda: two.pid != dead, "the death")
    said = until(two.turn, "the message", 20)
    assert said.count(f"[{ident}]") == 1
    assert "after-keepin" in (home.chaos / "fired").read_text()
    until(lambda: one.state(ident) != "queued", "the acknowledgement")


def test_the_wrong_clock_is_inside(home: Shimmed) -> None:
    """The shim itself: its processes see another time, and of files too; nobody else does."""
    (home.chaos / "clock").write_text("3600")
    code = "import os, time; print(time.time(), os.stat('/proc/self').st_mtime)"
    env = home.environment()
    done = subprocess.run([home.python, "-c", code], env=env, capture_output=True, text=True, check=True)
    wrong, of_file = map(float, done.stdout.split())
    assert wrong - time.time() == pytest.approx(3600, abs=30)
    assert of_file - time.time() == pytest.approx(3600, abs=30)
