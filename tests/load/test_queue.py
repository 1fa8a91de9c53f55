"""A long queue for one who sleeps, and for one who hangs: all of it, in order, and never too much at once."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from typing import Any

from peermesh.core.incoming import BLOCK, PREVIEW
from tests.live.actors import Session
from tests.live.conftest import Sessions
from tests.live.home import knock, until

MANY = 2_000


def feed(one: Session, to: str, count: int, wait: str, word: str = "word") -> Counter[str]:
    """Say so many things through one open door, without waiting in between; how many got how far."""
    door = knock(str(one.link))
    assert door is not None
    door._socket.settimeout(60.0)

    def write() -> None:
        for number in range(1, count + 1):
            door.write("send", number, {"to": to, "body": f"{word} {number}", "wait": wait, "within": 60.0})

    writer = threading.Thread(target=write)
    writer.start()
    answers: list[dict[str, Any]] = [door.read() for _ in range(count)]
    writer.join()
    door.close()
    return Counter(a["ok"]["messages"][0]["state"] if "ok" in a else a["error"]["code"] for a in answers)


def words(text: str, word: str = "word") -> list[int]:
    """The numbers of the words in a text that a model is shown."""
    return [int(n) for n in re.findall(rf"^> {word} (\d+)$", text, re.MULTILINE)]


def drain(one: Session) -> list[str]:
    """Read all that waits, some hundred at a time."""
    door, bodies = knock(str(one.link)), []
    assert door is not None
    while (answer := door.ask("inbox", 30.0, most=500))["messages"]:
        bodies += [m["body"] for m in answer["messages"]]
        door.ask("shown", 30.0, hand=answer["hand"])
    door.close()
    return bodies


def test_a_long_queue_for_one_who_sleeps(session: Sessions) -> None:
    """It is on the sleeper's disk at once; when it wakes its model is told how much there is, and can read it."""
    one, two = session("a"), session("b")
    two.end()
    assert feed(one, "b", MANY, "safe") == {"safe": MANY}
    again = session("b", ident=two.id, start=False)
    again.start("resume")
    said = until(lambda: again.prompt("go on"), "the first messages")
    while "peer-messages" not in said:
        said = again.prompt("go on")
    first = words(said)
    assert first == list(range(1, len(first) + 1))
    assert f"{MANY - len(first)} more wait: peer inbox" in said
    assert len(said) < BLOCK + PREVIEW
    assert again.hook("PostToolBatch") == ""
    printed = again.ok("inbox")
    assert words(printed) == list(range(len(first) + 1, len(first) + 21))
    assert f"{MANY - len(first) - 20} more wait: peer inbox" in printed
    assert drain(again) == [f"word {n}" for n in range(len(first) + 21, MANY + 1)]
    until(lambda: again.status["mail"]["untold"] == 0, "that its sender was told")
    until(lambda: {row["state"] for row in one.sent().values()} == {"shown"}, "the last receipts")
    assert again.ok("inbox") == "no new messages\n"


def test_a_long_queue_for_one_who_hangs(session: Sessions) -> None:
    """Its sender is told that it waits, and when the other goes on all of it is there, in order."""
    one, two = session("a"), session("b")
    with two.hang():
        assert feed(one, "b", MANY, "queued") == {"queued": MANY}
        assert one.status["mail"]["queued"] == MANY
        done = one.peer("send", "b", "one more", "--json")
        assert json.loads(done.out)["messages"][0]["state"] == "queued"
    until(lambda: one.status["mail"]["queued"] == 0, "that all is safe", 30.0)
    assert drain(two) == [*(f"word {n}" for n in range(1, MANY + 1)), "one more"]
