"""Holds what every sender was told against what every hook printed. Pure: a journal's entries in, findings out.

What the entries mean:

    peer      a session's id, ``who`` and ``id``
    said      a sender was told: ``token`` is the body, ``code`` the exit code (below zero: killed, None: never
              started), ``rows`` the messages with id, recipient and state, ``error`` the code of a refusal
    hook      a hook ended: ``ids`` are pairs of id and token that it printed
    left      a session's client ended; ``died``: a sidecar was killed, or with ``session`` "" all of the host
    stopped   a sidecar, or a whole host, stood still; ``disk``: writes failed there
    fired     a process died at a named point
    damaged   a file was damaged on purpose; ``word``: what peer said of damage, in the end
    sent      what `peer sent` says in the end: states by id
    view      what a host shows in the end of claims, tasks, notes: ``what`` and ``rows``
    command   any other command, with its output
    hung      a hook or a command that did not end
    answered  `peer ask` printed something: the question's ``token``, ids and tokens ``by`` which, its ``code``
    peeked    what a person's inbox showed as unread, without being read

A command that prints messages (ask, inbox, read) is a ``hook`` with its name as ``event``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from . import asking, manners
from .excuses import COMMANDS, Entry, Showing, excuse
from .findings import Findings

# What was said so shortly before a file was damaged may not have been written elsewhere yet.
UNDER_WAY = 3.0
# A waiter that wakes the session and a prompt that is typed at that moment overtake each other.
AT_ONCE = 1.0
# What its sender's store says in the end of a message that no damage took away: it is there and was not delivered.
UNDELIVERED = ("queued", "refused")
# Errors by which a sender is told that nothing was said. Others leave it open.
NOTHING_SAID = (
    "disk-full",
    "read-only",
    "store-broken",
    "unknown-peer",
    "ambiguous-peer",
    "usage",
    "full",
    "off",
)


def check(entries: Iterable[Entry]) -> Findings:
    """All findings about one run."""
    return _Checker(list(entries)).run()


class _Checker:
    def __init__(self, entries: list[Entry]) -> None:
        self.by_kind: dict[str, list[Entry]] = defaultdict(list)
        for one in entries:
            self.by_kind[one["kind"]].append(one)
        self.found = Findings()
        self.who = {one["id"]: one["who"] for one in self.by_kind["peer"]}
        self.last = {ident: state for one in self.by_kind["sent"] for ident, state in one["states"].items()}
        self.shown: dict[tuple[str, str], list[Showing]] = defaultdict(list)
        for hook in self.by_kind["hook"]:
            for ident, token in hook["ids"]:
                self.shown[hook["who"], token].append(
                    Showing(
                        ident,
                        token,
                        hook["who"],
                        hook["began"],
                        hook["ended"],
                        (hook["code"] or 0) < 0 or hook["killed"],
                        hook["event"],
                        failed=hook["code"] == 1,
                    )
                )
        for some in self.shown.values():
            some.sort(key=lambda one: one.ended)

    def run(self) -> Findings:
        """Every rule once."""
        manners.look(self.by_kind, self.found)
        for rule in (
            self._lost, self._jobs, self._refused, self._twice, self._order, self._false_shown, self._questions,
        ):  # fmt: skip
            rule()
        self.found.counts["messages told of"] = sum(1 for _ in self._told())
        self.found.counts["messages shown"] = len(self.shown)
        return self.found

    def _told(self) -> Iterator[tuple[Entry, str, str]]:
        """Each message that its sender was told is at least queued: what was said, its id, its recipient."""
        for said in self.by_kind["said"]:
            for row in said["rows"]:
                if row["state"] != "refused" and row["peer"] in self.who:
                    yield said, row["id"], self.who[row["peer"]]

    # ------------------------------------------------------------ lost, refused

    def _lost(self) -> None:
        """(a) All that was told of is shown."""
        for said, ident, to in self._told():
            if self.shown.get((to, said["token"])):
                continue
            left = self.last.get(ident) in UNDELIVERED
            if self._destroyed(said, to) and not left:
                self.found.counts["lost with its store"] += 1
            else:
                self.found.add(
                    "lost", f"{ident} {said['token']} from {said['who']} to {to}, told at {said['ended']:.2f}"
                )

    def _destroyed(self, said: Entry, to: str) -> bool:
        """Whether a mailbox that held it was damaged on purpose."""
        return any(
            one["file"] == "mail.db"
            and one["session"] in (to, said["who"])
            and one["at"] > said["began"] - UNDER_WAY
            for one in self.by_kind["damaged"]
        )

    def _jobs(self) -> None:
        """The end of every job that was begun is shown to who began it."""
        for ran in self.by_kind["ran"]:
            shown = self.shown.get((ran["who"], ran["token"]))
            if ran["code"] == 0 and not shown:
                if self._destroyed({"who": ran["who"], "began": ran["ended"]}, ran["who"]):
                    self.found.counts["lost with its store"] += 1
                else:
                    self.found.add("lost", f"the end of job {ran['token']}, begun at {ran['ended']:.2f}")

    def _refused(self) -> None:
        """Who was told that nothing was said was told the truth."""
        shown: dict[str, list[Showing]] = defaultdict(list)
        for (_, token), some in self.shown.items():
            shown[token] += some
        for said in self.by_kind["said"]:
            nothing = said["error"] in NOTHING_SAID
            for one in shown.get(said["token"], []) if nothing else ():
                self.found.add("refused and shown", f"{said['token']} ({said['error']}) to {one.who}")
            refused = {row["peer"] for row in said["rows"] if row["state"] == "refused"}
            for one in shown.get(said["token"], []):
                if any(self.who.get(peer) == one.who for peer in refused):
                    self.found.add("refused and shown", f"{one.id} {said['token']} to {one.who}")

    # ------------------------------------------------------------ twice

    def _twice(self) -> None:
        """(b) Nothing is shown twice, but by the window between flush and record."""
        for (who, token), some in self.shown.items():
            ids = {one.id for one in some}
            if len(ids) > 1 and not token.startswith("j."):
                self._twice_by_ids(who, token, ids)
            for first, second in pairwise(some):
                if first.id != second.id:
                    continue
                why = excuse(self.by_kind, self.who, first, second)
                if why:
                    self.found.counts[f"shown again: {why}"] += 1
                else:
                    times = f"{first.began:.2f}-{first.ended:.2f} and {second.began:.2f}-{second.ended:.2f}"
                    self.found.add("twice", f"{first.id} {token} to {who} at {times}")

    def _twice_by_ids(self, who: str, token: str, ids: set[str]) -> None:
        """One text under two ids was said twice: nobody's sender does that by itself."""
        self.found.add("two ids", f"{token} to {who} as {', '.join(sorted(ids))}")

    # ------------------------------------------------------------ order, receipts

    def _order(self) -> None:
        """(c) What one says to another is shown in the order in which it was said; urgent messages overtake. Of
        commands that ran beside each other nobody can say which said it first.
        """
        before: dict[tuple[str, str, bool], list[tuple[int, float, str]]] = {}
        place = {key: index for index, key in enumerate(self._places())}
        for said, ident, to in sorted(self._told(), key=lambda one: float(one[0]["began"])):
            some = self.shown.get((to, said["token"]))
            if not some or some[0].event in (
                "ask",
                "read",
            ):  # of all that waits these show what was asked for
                continue
            earlier = before.setdefault((said["who"], to, said["urgent"]), [])
            now = place[to, said["token"]]
            for at, ended, token in earlier:
                if now < at and ended <= said["began"]:
                    if self._at_once((to, said["token"]), (to, token)):
                        self.found.counts["woken and prompted at once"] += 1
                    else:
                        self.found.add("order", f"{ident} {said['token']} was shown to {to} before {token}")
                    break
            earlier.append((now, float(said["ended"]), said["token"]))

    def _places(self) -> Iterator[tuple[str, str]]:
        """What was shown for the first time, in its order, hook after hook and line after line."""
        seen: set[tuple[str, str]] = set()
        for hook in sorted(self.by_kind["hook"], key=lambda one: float(one["ended"])):
            for _, token in hook["ids"]:
                if (hook["who"], token) not in seen:
                    seen.add((hook["who"], token))
                    yield hook["who"], token

    def _at_once(self, one: tuple[str, str], other: tuple[str, str]) -> bool:
        """Whether a waiter or a command showed the one and something else the other, at nearly the same moment."""
        first, second = self.shown[one][0], self.shown[other][0]
        beside = {first.event, second.event} & {"Wait", *COMMANDS}
        near = min(
            abs(first.ended - second.ended), max(first.began, second.began) - min(first.ended, second.ended)
        )
        return bool(beside) and first is not second and near < AT_ONCE

    def _false_shown(self) -> None:
        """(d) Whenever a sender is told *shown*, a hook of the recipient did print it."""
        printed: dict[tuple[str, str], float] = {}  # and when that began at first
        for (who, _), some in self.shown.items():
            for one in some:
                printed[who, one.id] = min(one.began, printed.get((who, one.id), one.began))
        for said, ident, to in self._told():
            rows = [row["state"] for row in said["rows"] if row["id"] == ident]
            if "shown" not in rows:
                continue
            self.found.counts["told that it is shown"] += 1
            if printed.get((to, ident), said["ended"]) >= said["ended"]:
                self.found.add("false shown", f"{ident} {said['token']} to {to}, told by the command")
        recipient = {ident: to for _, ident, to in self._told()}
        for sent in self.by_kind["sent"]:
            for ident, state in sent["states"].items():
                to = recipient.get(ident)
                if state == "shown" and to is not None and (to, ident) not in printed:
                    self.found.add("false shown", f"{ident} to {to}, by peer sent of {sent['who']}")

    def _questions(self) -> None:
        """Who asked was told the truth, and hears in the end; what was read stays read."""
        tokens = {token for who, token in self.shown}
        for kind, words in (
            *asking.false_answers(self.by_kind),
            *asking.unread_again(self.by_kind, self.who, self.shown),
            *asking.never_said(self.by_kind, tokens),
        ):
            self.found.add(kind, words)
        for said, to in asking.unanswered(self.by_kind, self.who, self.shown):
            if self._destroyed(said, to):
                self.found.counts["lost with its store"] += 1
            elif any(one["host"] == said["who"][0] for one in self.by_kind["clock"]):
                self.found.counts["no word of a question where a clock was set"] += 1  # see docs/faults.md
            else:
                self.found.add("unanswered", f"{said['token']} of {said['who']} to {to}")
