"""One sidecar looks after what others left: another follows it within a second, and old mail arrives."""

from __future__ import annotations

import sqlite3
import time

from .actors import Actor
from .conftest import Sessions
from .home import state_of, until


def keepers(actors: list[Actor]) -> list[Actor]:
    """Who holds the keeper's lock."""
    return [one for one in actors if one.pid and one.status["keeper"]]


def test_killed_keeper_is_followed(session: Sessions) -> None:
    """Within 1 s of kill -9 of the keeper another sidecar is it; there is never more than one."""
    actors: list[Actor] = [session(name) for name in "abc"]
    first = until(lambda: keepers(actors), "a keeper")
    assert len(first) == 1
    began = time.monotonic()
    first[0].kill_sidecar()
    others = [one for one in actors if one is not first[0]]
    next_one = until(lambda: keepers(others), "the next keeper")
    assert time.monotonic() - began < 1.5  # 1 s, and what asking costs on a busy machine
    assert len(next_one) == 1


def test_mail_of_the_dead_is_delivered_by_a_third(session: Sessions) -> None:
    """What dead senders left for a recipient that stood still arrives without them, by a third sidecar."""
    third = session("third")
    until(lambda: third.status["keeper"], "the third to be keeper")
    one, two, target = session("a"), session("b"), session("target")
    with target.hang():
        ids = [one.send("target", "from a", wait="queued"), two.send("target", "from b", wait="queued")]
        pids = [one.pid, two.pid]
        one.end()
        two.kill_client()
        two.gone()
        until(lambda: all(state_of(pid) in ("", "Z") for pid in pids), "the end of both senders")
    until(lambda: sorted(target.unread()) == ["from a", "from b"], "the mail of the dead", 15.0)
    said = target.turn()
    assert all(f"[{ident}]" in said for ident in ids)
    assert target.turn() == ""


def test_mail_for_the_away_outlives_everybody(session: Sessions) -> None:
    """Sender and recipient both ended before the delivery: a third that starts later takes care of it."""
    one, target = session("a"), session("target")
    with target.hang():
        one.send("target", "left behind", wait="queued")
        one.kill_sidecar()
        one.kill_client()
        target.kill_client()
    target.gone()
    assert list(one.home.peer.glob("peers/*/pending"))
    third = session("third")
    until(lambda: not list(one.home.peer.glob("peers/*/pending")), "the third to deliver it", 10.0)
    rows = {p["name"]: p["here"] for p in third.ask("list")["peers"]}
    assert rows == {"a": False, "target": False, "third": True}
    with sqlite3.connect(target.directory / "mail.db") as mail:
        assert mail.execute("SELECT body, state FROM inbox").fetchall() == [("left behind", "safe")]
    mail.close()
