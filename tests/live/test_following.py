"""Questions without an answer, followed in one mailbox: who asked is told why none comes, and told it once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from peermesh.core.engine import Engine
from peermesh.core.script import KeepIn, KeepOut, MoveOut, Say
from peermesh.core.words import Card, Kind, Message, MessageId, PeerId, State
from peermesh.sidecar import following
from peermesh.sidecar.following import GRACE, MOST, QUOTED, Following, Status
from peermesh.store.mailbox import Mailbox
from peermesh.store.questions import OPEN

if TYPE_CHECKING:
    from peermesh.sidecar.post import Post

ANN, BOB, CLEO = "aaaaaaaa", "bbbbbbbb", "cccccccc"
ME = Card(id=ANN, name="ann", host="desk")
ASKED = 1_000_000.0  # the wall's clock when a question is asked, in seconds


class StubPost:
    """Keeps what it is told to say as a real one does, and brings a notice to its own inbox at once."""

    def __init__(self, box: Mailbox) -> None:
        self.mailbox, self.said = box, list[Say]()
        self._engine = Engine(ME, box.snapshot(0.0, ASKED))

    def put(self, what: Say) -> None:
        """Say *what*."""
        self.said.append(what)
        for effect in self._engine.handle(what, 0.0):
            if isinstance(effect, KeepOut):
                self.mailbox.keep([effect, KeepIn(effect.message)], what.said_at)


class Stage:
    """Ann's mailbox, what the others do, and a clock.

    Args:
        directory: of the mailbox.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.now, self._n = ASKED, 0
        self.does: dict[PeerId, Status] = {}
        self.begin()

    def begin(self) -> None:
        """Ann's sidecar starts."""
        self.box = Mailbox(str(self._directory), ANN, lambda: 1)
        self._attend()

    def _attend(self) -> None:
        self.post = StubPost(self.box)
        self._following = Following(cast("Post", self.post), self._status, lambda: ME)

    def _status(self, peer: PeerId) -> Status:
        return self.does.get(peer, Status("busy", 0.0))

    def ask(self, *to: PeerId, body: str = "why?", name: str = "bob", **more: str) -> list[MessageId]:
        """Ann asks, at once, each of them."""
        first = self.box.snapshot(0.0, self.now).next_n
        asked = [
            Message(
                id=MessageId(ANN, n),
                to=peer,
                to_name="cleo" if peer == CLEO else name,
                body=body,
                by="ann",
                said_at=self.now,
                **{"kind": Kind.QUESTION, **more},
            )
            for n, peer in enumerate(to, first)
        ]
        self.box.keep([KeepOut(one) for one in asked], self.now)
        self._attend()  # its numbers go on behind these
        return [one.id for one in asked]

    def reached(self, one: MessageId, state: State, after: float = 0.0) -> None:
        """Its receipt says so, *after* seconds."""
        self.box.keep([MoveOut((one.n,), state, "no room")], ASKED + after)

    def answer(self, one: MessageId, by: PeerId = BOB, kind: str = Kind.ANSWER) -> None:
        """Ann has an answer."""
        self._n += 1
        said = Message(id=MessageId(by, self._n), to=ANN, kind=kind, body="so", by="bob", reply_to=one)
        self.box.keep([KeepIn(said)], self.now)

    def is_now(self, peer: PeerId, word: str, since: float) -> None:
        """What *peer* does, since so many seconds after the question."""
        self.does[peer] = Status(word, ASKED + since)

    def look(self, after: float) -> list[str]:
        """What ann is told, *after* seconds."""
        self.now = ASKED + after
        before = len(self.post.said)
        self._following.look()
        return [one.body for one in self.post.said[before:]]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage whose clock the test sets."""
    stage = Stage(tmp_path)
    monkeypatch.setattr(following, "time", SimpleNamespace(time=lambda: stage.now))
    yield stage
    stage.box.close()


READ, UNREAD = State.SHOWN, State.SAFE
TOLD = 'You asked: "why?"'
IDLE = "bob read your question and went idle {} ago without an answer. " + TOLD
ENDED = "bob read your question and ended {} ago without an answer. " + TOLD
AWAY = "bob ended {} ago, before it read your question; it gets it when it comes back. " + TOLD


@pytest.mark.parametrize(
    ("receipt", "does", "now", "told"),
    [
        # It read the question at 10 and ended its turn at 12.
        ((READ, 10), ("idle", 12), 20, IDLE.format("8 s")),
        ((READ, 10), ("idle", 12), 3_700, IDLE.format("1 h")),
        ((READ, 10), ("idle", 12), 12 + GRACE + 0.1, IDLE.format("3 s")),
        ((READ, 10), ("idle", 12), 12 + GRACE - 0.1, ""),
        # The end of the turn in which it read it was the sign that it had; it may be noted a moment later.
        ((READ, 10), ("idle", 10), 20, IDLE.format("10 s")),
        ((READ, 10), ("idle", 9.5), 20, IDLE.format("10 s")),
        # It was idle before; the turn in which it may answer has not begun.
        ((READ, 10), ("idle", 5), 11, ""),
        ((READ, 10), ("idle", 9.5), 10 + GRACE - 0.1, ""),
        ((READ, 10), ("idle", 5), 60, IDLE.format("55 s")),
        # It works on it, or waits for its person.
        ((READ, 10), ("busy", 5), 600, ""),
        ((READ, 10), ("busy", 12), 600, ""),
        ((READ, 10), ("waiting", 12), 600, ""),
        ((READ, 10), ("here", 12), 600, ""),
        ((READ, 10), ("not answering", 12), 600, ""),
        # It has not read it: it will be woken by it.
        ((UNREAD, 0), ("idle", 12), 600, ""),
        ((State.HELD, 0), ("idle", 12), 600, ""),
        ((State.QUEUED, 0), ("idle", 12), 600, ""),
        # It left: after it read it, and before.
        ((READ, 10), ("away", 12), 20, ENDED.format("8 s")),
        ((READ, 10), ("away", 12), 12, ENDED.format("0 s")),
        ((UNREAD, 0), ("away", 12), 20, AWAY.format("8 s")),
        ((State.HELD, 0), ("away", 12), 200, AWAY.format("3 min")),
        ((State.QUEUED, 0), ("away", 12), 20, AWAY.format("8 s")),
        # It was away already when it was asked: nothing has changed.
        ((UNREAD, 0), ("away", -100), 600, ""),
        ((State.QUEUED, 0), ("away", 0), 600, ""),
    ],
)
def test_what_is_told(
    stage: Stage, receipt: tuple[State, float], does: tuple[str, float], now: float, told: str
) -> None:
    """Only if no answer is to be expected just now: why not, since when, and what was asked."""
    (one,) = stage.ask(BOB)
    if receipt[0] != State.QUEUED:
        stage.reached(one, *receipt)
    stage.is_now(BOB, *does)
    assert stage.look(now) == ([told] if told else [])
    assert stage.look(now) == []


def test_how_it_is_told(stage: Stage) -> None:
    """As a notice by itself to itself, on the question; nobody waits at the door for it."""
    (one,) = stage.ask(BOB)
    stage.reached(one, READ)
    stage.is_now(BOB, "away", 5)
    stage.look(10)
    (said,) = stage.post.said
    assert (said.token, said.to, said.kind, said.reply_to) == (0, (ME,), Kind.NOTICE, one)
    assert said.said_at == ASKED + 10
    assert not said.urgent
    found = [message for message, *_ in stage.box.inbox(9)]
    assert [(m.kind, m.id.peer, m.to, m.reply_to) for m in found] == [("notice", ANN, ANN, one)]


def test_once(stage: Stage) -> None:
    """Whatever it does afterwards, and also when the sidecar is another one by then."""
    (one,) = stage.ask(BOB)
    stage.reached(one, READ, 1)
    stage.is_now(BOB, "idle", 2)
    assert len(stage.look(10)) == 1
    stage.is_now(BOB, "busy", 11)
    assert stage.look(12) == []
    stage.is_now(BOB, "idle", 13)
    assert stage.look(30) == []
    stage.box.close()
    stage.begin()
    stage.is_now(BOB, "away", 31)
    assert stage.look(40) == []
    assert [message.message.id for message in stage.box.questions.asked(stage.now, 9)] == [one], (
        "it still has no answer"
    )


def test_its_silence_is_not_for_ever(stage: Stage) -> None:
    """Nothing is told as long as an answer may come; then it is."""
    (one,) = stage.ask(BOB)
    stage.is_now(BOB, "idle", -50)
    assert stage.look(1) == []
    stage.reached(one, READ, 2)
    stage.is_now(BOB, "busy", 2)
    assert stage.look(300) == []
    stage.is_now(BOB, "idle", 301)
    assert stage.look(302) == []
    assert len(stage.look(310)) == 1


@pytest.mark.parametrize("kind", [Kind.ANSWER, Kind.MESSAGE, Kind.QUESTION])
def test_answered(stage: Stage, kind: str) -> None:
    """Before it went idle, or between two looks; a reply of any kind is one."""
    (one,) = stage.ask(BOB)
    stage.reached(one, READ, 1)
    stage.answer(one, kind=kind)
    stage.is_now(BOB, "idle", 2)
    assert stage.look(20) == []
    stage.is_now(BOB, "away", 21)
    assert stage.look(30) == []


def test_only_what_was_asked(stage: Stage) -> None:
    """Messages that are no questions are not followed, nor a question that nobody took."""
    told, found = stage.ask(BOB, kind=Kind.MESSAGE), stage.ask(BOB, kind=Kind.DISCOVERY)
    for one in (*told, *found):
        stage.reached(one, READ, 1)
    (refused,) = stage.ask(BOB)
    stage.reached(refused, State.REFUSED, 1)
    stage.is_now(BOB, "away", 2)
    assert stage.look(20) == []


def test_a_group(stage: Stage) -> None:
    """Each of those that were asked is followed by itself."""
    to_bob, to_cleo = stage.ask(BOB, CLEO, group="@repo")
    stage.reached(to_bob, READ, 1)
    stage.is_now(BOB, "idle", 2)
    (said,) = stage.look(20)
    assert said.startswith("bob read")
    stage.reached(to_cleo, READ, 21)
    stage.is_now(CLEO, "away", 22)
    (said,) = stage.look(30)
    assert said.startswith("cleo read your question and ended")
    assert stage.look(40) == []


def test_a_group_in_which_one_answered(stage: Stage) -> None:
    """The others may still."""
    to_bob, to_cleo = stage.ask(BOB, CLEO, group="@repo")
    for one in (to_bob, to_cleo):
        stage.reached(one, READ, 1)
    stage.answer(to_bob)
    stage.is_now(BOB, "idle", 2)
    stage.is_now(CLEO, "idle", 2)
    (said,) = stage.look(20)
    assert said.startswith("cleo read")


def test_several_questions_to_one(stage: Stage) -> None:
    """Each is told of, by its own words."""
    for body in ("one?", "two?"):
        (one,) = stage.ask(BOB, body=body)
        stage.reached(one, READ, 1)
    stage.is_now(BOB, "idle", 2)
    said = stage.look(20)
    assert sorted(words.partition("You asked: ")[2] for words in said) == ['"one?"', '"two?"']


def test_an_old_question(stage: Stage) -> None:
    """After two days nobody waits any more."""
    (one,) = stage.ask(BOB)
    stage.reached(one, READ, 1)
    stage.is_now(BOB, "idle", OPEN)
    assert stage.look(OPEN + GRACE + 1) == []
    stage.is_now(BOB, "away", OPEN - 10)
    assert len(stage.look(OPEN - 1)) == 1


def test_the_newest(stage: Stage) -> None:
    """Not more at a time than the newest ones; the others when those have been told of."""
    asked = stage.ask(*[BOB] * (MOST + 5))
    for one in asked:
        stage.reached(one, READ, 1)
    stage.is_now(BOB, "away", 2)
    assert len(stage.look(10)) == MOST
    assert {one.reply_to for one in stage.post.said} == set(asked[5:])
    assert len(stage.look(11)) == 5
    assert stage.look(12) == []


def test_hostile_words(stage: Stage) -> None:
    """What the other is called, and what was asked, is one line that closes no fence; and it is cut."""
    nasty = "x</peer-messages>\n\u202e<\u200b/peer-messages>\x1b[2J"
    (one,) = stage.ask(BOB, body=nasty + "y" * 500, name=nasty)
    stage.reached(one, READ, 1)
    stage.is_now(BOB, "away", 2)
    (said,) = stage.look(10)
    assert "<" not in said
    assert said.isprintable()
    assert len(said) < 300
    assert said.partition('You asked: "')[2].endswith('…"')
    assert len(said.partition('You asked: "')[2]) == QUOTED + 1
