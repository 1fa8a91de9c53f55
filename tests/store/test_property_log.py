"""Three to five hosts, each with a real log and a real exchange, and every order of events, losses, partitions,
restarts, deletions and older copies put back that hypothesis can think of: healed, all see the same.

``PEER_TEST=long`` lets it think for minutes.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from peermesh.core import tasks
from peermesh.core.claims import release
from peermesh.core.events import Draft, Event, EventId, What, task_id
from peermesh.core.picture import Picture
from peermesh.core.tasks import CLOSED, CLOSED_KEPT, TAKEN, Task
from peermesh.core.words import PeerId
from peermesh.store.log import Writer
from tests.store.exchanges import Node, World, known
from tests.store.logs import REPO

LONG = os.environ.get("PEER_TEST") == "long"
DAY = 86_400

# So few that compactions have something to delete.
NOTES = 3
CLOSED_HERE = 1

PATHS = ("a.py", "src/b.py", "src/c.py")
numbers = st.integers(min_value=0, max_value=7)
paths = st.sampled_from(PATHS)
patterns = st.sampled_from([*PATHS, "src/", "*.py"])
leases = st.sampled_from([10, 100, 1_800, DAY])
# Most things that are said reach everybody at once, or hypothesis would seldom see two hosts agree.
calms = st.sampled_from([True, False, False])


class View:
    """The picture of one host, brought up to date as a sidecar does."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._picture, self._seq, self._generation = Picture(NOTES), 0, -1

    def picture(self, writer: Writer | None = None) -> Picture:
        """It, with all that is known now."""
        store = self._node.store
        store.revision()
        if store.generation() != self._generation:
            self._picture, self._seq, self._generation = Picture(NOTES), 0, store.generation()
        for seq, event in (writer or store).each(REPO, self._seq):
            self._picture.add(event)
            self._seq = seq
        return self._picture

    def seq(self) -> int:
        """The place of the last event that it heard."""
        return self._seq


def seen(picture: Picture, node: Node) -> dict[str, Any]:
    """What a picture shows, without what differs from host to host."""
    now = node.clock.wall()
    peers = node.world.homes if node.world else ()
    holders = {path: picture.claims.holder(path, now) for path in PATHS}
    return {
        "claims": {(one.id, one.by, one.path, one.until - now) for one in picture.claims.live(now)},
        "holders": {path: one.id for path, one in holders.items() if one is not None},
        "tasks": {
            one.id: (one.title, one.state, one.owner, one.confirmed, one.after)
            for one in picture.board.tasks()
        },
        "notes": [(one.id, one.text) for one in picture.notes()],
        "edits": {(one.by, one.path, now - one.at) for peer in peers for one in picture.files(peer, now)},
    }


def lasting(view: dict[str, Any]) -> dict[str, Any]:
    """What of a view no compaction may change: all but tasks that are closed."""
    return {**view, "tasks": {one: row for one, row in view["tasks"].items() if row[1] not in CLOSED}}


class Hosts(RuleBasedStateMachine):
    """The hosts, and what an onlooker knows who saw everything."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(prefix="peer-test-")
        self.world: World
        self.views: dict[Node, View] = {}
        self.said: dict[EventId, set[tuple[Any, ...]]] = defaultdict(set)
        self.copies: dict[Node, Path] = {}
        self.doubtful: dict[Node, str] = {}  # an older copy was put back, in this epoch
        self.count = 0

    @initialize(count=st.integers(min_value=3, max_value=5))
    def begin(self, count: int) -> None:
        """Hosts that all trust each other."""
        tasks.CLOSED_KEPT = CLOSED_HERE
        self.world = World(Path(self.directory.name), count)
        self.views = {node: View(node) for node in self.world.nodes}
        for node in self.world.nodes:
            node.when_said = partial(self.note, node)

    # ------------------------------------------------------------ choosing

    def node(self, number: int) -> Node:
        """One of the hosts."""
        return self.world.nodes[number % len(self.world.nodes)]

    def decide(self, node: Node, place: int, judge: Callable[[Picture, PeerId], list[Draft]]) -> list[Event]:
        """A peer says what it judges right by what its host knows, in one step."""
        me = node.peers[place % len(node.peers)]
        with node.store.writing() as writer:
            drafts = judge(self.views[node].picture(writer), me)
            events = [writer.say(one, node.clock.wall()) for one in drafts]
        if events and me in self.world.dead:
            self.world.dead.discard(me)
        self.note(node)
        return events

    def note(self, node: Node) -> None:
        """Remember all that stands in a host's own log."""
        for _, event in node.store.since(REPO, 0):
            if not event.host_key:
                self.said[event.id].add((event.stamp, event.by, event.kind))

    def say(self, node: Node, place: int, kind: What, **data: Any) -> list[Event]:
        """A peer says one thing."""
        return self.decide(node, place, lambda _, me: [draft(me, kind, **data)])

    def rest(self, now: bool) -> None:
        """Everything that is under way arrives, if so."""
        if now:
            self.world.settle()

    # ------------------------------------------------------------ what is said

    @rule(a=numbers, b=numbers, path=patterns, lease=leases, calm=calms)
    def claim(self, a: int, b: int, path: str, lease: int, calm: bool) -> None:
        """Somebody claims a path that nobody holds, as far as is known there."""
        node = self.node(a)
        now = node.clock.wall()

        def judge(picture: Picture, me: PeerId) -> list[Draft]:
            if any(picture.claims.against(me, one, now) for one in PATHS):
                return []
            over = picture.claims.over(path, now)
            return [draft(me, What.CLAIM, path=path, lease=float(lease), over=over)]

        self.decide(node, b, judge)
        self.rest(calm)

    @rule(a=numbers, b=numbers, calm=calms)
    def release(self, a: int, b: int, calm: bool) -> None:
        """Somebody releases all that it holds."""
        node = self.node(a)
        now = node.clock.wall()

        def judge(picture: Picture, me: PeerId) -> list[Draft]:
            held = picture.claims.held_by(me, now)
            return [draft(me, What.RELEASE, **release(held))] if held else []

        self.decide(node, b, judge)
        self.rest(calm)

    @rule(a=numbers, b=numbers, path=paths, calm=calms)
    def edit(self, a: int, b: int, path: str, calm: bool) -> None:
        """Somebody edits a file."""
        self.say(self.node(a), b, What.EDIT, path=path, branch="main")
        self.rest(calm)

    @rule(a=numbers, b=numbers, calm=calms)
    def leave_note(self, a: int, b: int, calm: bool) -> None:
        """Somebody leaves a note."""
        self.count += 1
        self.say(self.node(a), b, What.NOTE, text=f"note {self.count}")
        self.rest(calm)

    @rule(a=numbers, b=numbers, calm=calms)
    def add_task(self, a: int, b: int, calm: bool) -> None:
        """Somebody puts a task on the board."""
        self.count += 1
        self.say(self.node(a), b, What.TASK, title=f"task {self.count}", after=[])
        self.rest(calm)

    def of_task(
        self, a: int, b: int, which: int, judge: Callable[[Picture, PeerId, Task], list[Draft]]
    ) -> None:
        """Somebody says something of one of the tasks that its host knows."""

        def decide(picture: Picture, me: PeerId) -> list[Draft]:
            board = picture.board.tasks()
            return judge(picture, me, board[which % len(board)]) if board else []

        self.decide(self.node(a), b, decide)

    @rule(a=numbers, b=numbers, which=numbers, calm=calms)
    def take(self, a: int, b: int, which: int, calm: bool) -> None:
        """Somebody takes a task that nobody has, or one whose owner is away."""

        def judge(_: Picture, me: PeerId, task: Task) -> list[Draft]:
            if task.state in CLOSED or (
                task.state == TAKEN and task.owner != me and task.owner not in self.world.dead
            ):
                return []
            return [draft(me, What.TAKE, task=task.id, to=me, to_name=me[:2])]

        self.of_task(a, b, which, judge)
        self.rest(calm)

    @rule(
        a=numbers,
        b=numbers,
        which=numbers,
        kind=st.sampled_from([What.DONE, What.DONE, What.DROP, What.REOPEN]),
        calm=calms,
    )
    def change(self, a: int, b: int, which: int, kind: What, calm: bool) -> None:
        """Somebody ends a task, or puts it back on the board."""
        self.of_task(a, b, which, lambda _, me, task: [draft(me, kind, task=task.id)])
        self.rest(calm)

    @rule(a=numbers, b=numbers, died=st.booleans(), calm=calms)
    def end(self, a: int, b: int, died: bool, calm: bool) -> None:
        """A session ends."""
        node = self.node(a)
        self.say(node, b, What.GONE, died=died)
        self.world.dead.add(node.peers[b % len(node.peers)])
        self.rest(calm)

    # ------------------------------------------------------------ what takes several steps to come about

    @rule(a=numbers, b=numbers, kind=st.sampled_from([What.DONE, What.DROP]))
    def end_elsewhere(self, a: int, b: int, kind: What) -> None:
        """A task is made on one host and ended on another."""
        made = self.make_task(a)
        self.say(self.node(b), 0, kind, task=made)
        self.rest(now=True)

    @rule(a=numbers, b=numbers, c=numbers, died=st.booleans())
    def take_at_once(self, a: int, b: int, c: int, died: bool) -> None:
        """Two take the same task while neither hears of the other; one of them may die at once."""
        made = self.make_task(a)
        takers = [node for node in (self.node(b), self.node(c)) if node is not self.node(a)]
        for node in takers:
            self.world.split(node)
            self.say(node, 0, What.TAKE, task=made, to=node.peers[0], to_name="")
        if takers and died:
            self.end(takers[0].number - 1, 0, died=True, calm=False)

    def make_task(self, a: int) -> str:
        """A task that all know."""
        self.world.heal()
        self.count += 1
        (said,) = self.say(self.node(a), 0, What.TASK, title=f"task {self.count}", after=[])
        self.agree()
        return task_id(said.id)

    @rule(a=numbers, b=numbers, count=st.sampled_from([1, 3]), more=st.sampled_from([0, 1, 5]), calm=calms)
    def lose_some(self, a: int, b: int, count: int, more: int, calm: bool) -> None:
        """A host says something that others hear, and then an older copy of its log is put back."""
        node = self.node(a)
        copy = self.world.copy(node)
        for _ in range(count):
            self.leave_note(a, 0, calm=False)
            self.world.tick(node)
        self.add_task(a, 0, calm=calm)
        self.copies[node] = copy
        self.put_back(list(self.copies).index(node), heal=False)
        for _ in range(more):
            self.leave_note(a, 1, calm=False)
        if node is not self.node(b):
            self.world.join(node, self.node(b))

    # ------------------------------------------------------------ the network

    @rule(which=numbers, count=st.sampled_from([1, 2, 4, 20]))
    def deliver(self, which: int, count: int) -> None:
        """Frames arrive."""
        for _ in range(count):
            ready = self.world.ready()
            if ready:
                self.world.deliver(ready[which % len(ready)])

    @rule(which=numbers, mishap=st.sampled_from(["lose", "repeat", "repeat", "late"]))
    def disturb(self, which: int, mishap: str) -> None:
        """A frame is lost, comes twice, or is overtaken."""
        ready = self.world.ready()
        if ready:
            frames = self.world.lanes[ready[which % len(ready)]].frames
            if mishap != "lose":
                frames.append(frames[0])
            if mishap != "repeat":
                frames.popleft()

    @rule(a=numbers)
    def tick(self, a: int) -> None:
        """Half a second has passed for one host."""
        self.world.tick(self.node(a))

    @rule(a=numbers, b=numbers)
    def cut(self, a: int, b: int) -> None:
        """A link breaks, with what is under way."""
        if self.node(a) is not self.node(b):
            self.world.cut(self.node(a), self.node(b))

    @rule(size=st.integers(min_value=1, max_value=2))
    def split(self, size: int) -> None:
        """The network falls apart."""
        for one in self.world.nodes[:size]:
            for other in self.world.nodes[size:]:
                self.world.cut(one, other)

    @rule(a=numbers, b=numbers)
    def join(self, a: int, b: int) -> None:
        """Two hosts meet, perhaps anew."""
        if self.node(a) is not self.node(b):
            self.world.join(self.node(a), self.node(b))

    @rule()
    def heal(self) -> None:
        """The network is one again."""
        self.world.heal()

    @rule(seconds=st.sampled_from([1, 5, 31, 61, 700, 4 * 3_600, 8 * DAY]))
    def time_passes(self, seconds: int) -> None:
        """Nothing is under way for so long: what is, arrives before."""
        self.rest(now=True)
        self.world.time.pass_by(seconds)

    # ------------------------------------------------------------ the files

    @rule(a=numbers)
    def restart(self, a: int) -> None:
        """A host ends and begins again."""
        self.world.restart(self.node(a))
        self.world.heal()

    @rule(a=numbers)
    def copy(self, a: int) -> None:
        """A copy of a host's log is made, as a backup does."""
        self.copies[self.node(a)] = self.world.copy(self.node(a))

    @precondition(lambda self: self.copies)
    @rule(a=numbers, heal=st.booleans())
    def put_back(self, a: int, heal: bool) -> None:
        """The copy takes the log's place."""
        node = list(self.copies)[a % len(self.copies)]
        self.world.put_back(node, self.copies[node])
        self.views[node] = View(node)
        self.doubtful[node] = node.store.tell(0).epoch
        if heal:
            self.world.heal()

    @rule(a=numbers, sure=st.sampled_from([True, False, False, False]))
    def lose_all(self, a: int, sure: bool) -> None:
        """A host's log is lost; an older copy may still turn up."""
        if sure:
            node = self.node(a)
            self.world.put_back(node, None)
            self.views[node] = View(node)

    @rule(a=numbers)
    def compact(self, a: int) -> None:
        """A host deletes of its log what nobody needs."""
        node, view = self.node(a), self.views[self.node(a)]
        picture = view.picture()
        now = node.clock.wall()
        before = lasting(seen(picture, node))
        node.store.compact(REPO, picture.needed(now), view.seq())
        self.world.tick(node)
        assert lasting(seen(view.picture(), node)) == before

    # ------------------------------------------------------------ what always holds

    @invariant()
    def nobody_knows_more_than_the_origin(self) -> None:
        """Of no log; but for a host whose log was put back, until that is found out."""
        for node in self.views:
            last = node.store._db.execute("SELECT last, epoch FROM own").fetchone()
            if self.doubtful.get(node) == last[1]:
                continue
            for other in self.views:
                epoch, upto = other.store.known(node.key)
                if epoch == last[1]:
                    assert upto <= last[0]

    @invariant()
    def what_is_known_was_said(self) -> None:
        """Just so, by that host."""
        for node in self.views:
            for one, stamp, by, kind, host in copies(node):
                assert (stamp, by, kind) in self.said[one]
                assert self.world.homes[by] == host

    # ------------------------------------------------------------ what comes true in the end

    def teardown(self) -> None:
        """With a fair network, all know and see the same, and go on doing so when all is compacted."""
        try:
            if self.views:
                self.come_to_rest()
        finally:
            tasks.CLOSED_KEPT = CLOSED_KEPT
            if self.views:
                self.world.close()
            self.directory.cleanup()

    def come_to_rest(self) -> None:
        """What ``teardown`` promises."""
        self.world.heal()
        before = self.agree()
        for node in reversed(self.world.nodes):
            self.compact(node.number - 1)
            self.world.settle()
            assert lasting(self.view(node)) == lasting(before)
        self.agree()
        self.world.time.pass_by(8 * DAY)
        before = self.agree()
        for _ in range(3):
            for node in self.world.nodes:
                self.compact(node.number - 1)
                self.world.settle()
        after = self.agree()
        assert lasting(after) == lasting(before)
        assert sum(row[1] in CLOSED for row in after["tasks"].values()) <= CLOSED_HERE

    def agree(self) -> dict[str, Any]:
        """All know and see the same in the end; what."""
        for _ in range(20):  # links on which something was lost, and logs that began anew often, need a while
            self.world.settle()
            if len({frozenset(known(node)) for node in self.world.nodes}) == 1:
                break
            self.world.time.pass_by(61)
        first = known(self.world.nodes[0])
        for node in self.world.nodes:
            assert known(node) == first
        shown = [self.view(node) for node in self.world.nodes]
        assert all(one == shown[0] for one in shown)
        for node in self.world.nodes:
            self.is_settled(node)
        return shown[0]

    def view(self, node: Node) -> dict[str, Any]:
        """What a host shows, which is the same as what it shows after a restart."""
        shown = seen(self.views[node].picture(), node)
        assert shown == seen(View(node).picture(), node)
        return shown

    def is_settled(self, node: Node) -> None:
        """One holder for each path, one owner for each task, and a word on each take."""
        picture, now = self.views[node].picture(), node.clock.wall()
        assert not [line for line in node.wrong if "again and again" not in line]
        live = picture.claims.live(now)
        for path in PATHS:
            holder = picture.claims.holder(path, now)
            assert holder is None or holder in live
            for peer in self.world.homes:
                against = picture.claims.against(peer, path, now)
                assert against == (holder if holder is not None and holder.by != peer else None)
        board = {task.id: task for task in picture.board.tasks()}
        for task in board.values():
            assert (task.state == TAKEN) == task.confirmed == bool(task.owner) or task.state in CLOSED
        for _, event in node.store.since(REPO, 0):
            if event.kind == What.TAKE and event.data["task"] in board:
                assert picture.board.verdict_on(event.id)[0] is not None


def copies(node: Node) -> list[tuple[EventId, int, PeerId, str, str]]:
    """What a host holds of others' logs."""
    rows = node.store._db.execute(
        "SELECT events.log, n, stamp, by, kind, host_key FROM events JOIN logs USING (log)"
    )
    return [(EventId(row[0], row[1]), *row[2:]) for row in rows.fetchall()]


def draft(by: PeerId, kind: What, **data: Any) -> Draft:
    """Something to say."""
    return Draft(by=by, name=by[:2], repo=REPO, kind=kind, data=data)


Hosts.TestCase.settings = settings(
    max_examples=int(os.environ.get("PEER_TEST_EXAMPLES", "1500")) if LONG else 90,
    stateful_step_count=80 if LONG else 40,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    print_blob=True,
)
TestHosts = Hosts.TestCase
