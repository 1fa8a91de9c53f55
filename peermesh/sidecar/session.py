"""A Claude Code session as its sidecar sees it: its turns, its client's process, what it was told."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from peermesh import config
from peermesh.core.incoming import Way
from peermesh.core.script import Turn
from peermesh.hooks.payload import BATCH, PROMPT, START
from peermesh.sidecar.post import Post

# The client's own word that it is idle, against the hooks' that it works, is believed when it was seen this
# often in a row, a second apart: a turn that was broken off by Esc has no Stop. And so is its word that it
# works, against the hook's that its person is asked: it may write down that it waits a moment after that.
SURE = 2
# And while no mail waits it is asked when no hook has told of the turn for so long.
QUIET = 5.0  # seconds

# The words in the file `turn`, each as long as the others. While its person is asked for permission, a turn goes on.
BUSY, IDLE, WAIT = "busy", "idle", "wait"
GOING_ON = (BUSY, WAIT)
# Behind a word that the sidecar wrote, where the hooks' first step ends the line.
OURS = " "
# What is told of a session instead of the word.
STATUS = {WAIT: "waiting"}


class Session:
    """Reads and writes the small files by which the hooks' first step and the sidecar agree.

    Args:
        post: the session's post.
        client: the client's process.
    """

    def __init__(self, post: Post, client: int) -> None:
        self._post, self.client = post, client
        self._directory = post.directory
        self._turn_seen, self._typed_at = (0, ""), 0
        self._client_seen = (False, "", 0)  # whether its person is asked, what it says, how often in a row
        self._word = ""  # of the last turn that was seen
        self._turn_began = 0  # as the file system counts: nanoseconds
        self.more: Callable[[], set[str]] = set  # further events at which the model is to be told something
        self.told_name = ""  # the name the model knows
        self.briefed = False
        self.batches = 0  # ends of batches and turns that came through the door
        self._prompt_id = ""  # of the last prompt that came through the door
        os.makedirs(self._path("due"), mode=0o700, exist_ok=True)
        self._flags = {os.path.join("due", name) for name in os.listdir(self._path("due"))} | {
            "armed",
            "woken",
        }
        signed = bool(post.engine.incoming.unproven) and self._signed()
        self._flag(set())
        self._write_turn(busy=False)
        if signed:  # to a sidecar that died before it looked
            post.put(Turn(busy=False, sign=True))
        if self.client_says().get("status") in ("busy", "waiting"):
            # A prompt that came with the session's start did not wait for us; nor does a turn for a crash.
            post.put(Turn(busy=True))
        self._typed_at = self._changed("typed")

    def _path(self, *parts: str) -> str:
        return "/".join((self._directory, *parts))

    # ------------------------------------------------------------ turns

    def look(self) -> bool:
        """Once a second: whether the hooks' first step wrote something that was not observed yet."""
        turn = self._turn()
        if self._look_idle(asked=turn[1] == WAIT):
            turn = self._turn()
        return (turn, self._changed("typed")) != (self._turn_seen, self._typed_at)

    def observe(self) -> None:
        """Before a batch: tell the engine what the hooks' first step wrote."""
        turns = self._post.engine.turns
        turn, typed_at = self._turn(), self._changed("typed")
        if turns is None or (turn, typed_at) == (self._turn_seen, self._typed_at):
            return
        typed = typed_at != self._typed_at
        self._turn_seen, self._typed_at = turn, typed_at
        self._note_since()
        self._post.put_first(Turn(busy=turn[1] in GOING_ON, typed=typed, sign=True))

    def handing(self) -> None:
        """What a hook has written out is about to be noted: what the first step writes from now on is a sign of it."""
        with contextlib.suppress(OSError):  # then a successor sees no sign
            self._write_over("handed", f"{self._turn_seen[0]:020}\n")

    def _signed(self) -> bool:
        """Whether the hooks' first step left a sign of what was handed out last. A prompt is none: what the one before
        it was handed may have been taken back. Nor is the beginning of a woken turn, if its client is gone.
        """
        if os.path.exists(self._path("woken")) and self._read("client") != str(self.client):
            return False
        at, said = self._changed("turn"), self._raw("turn")
        since = self._read("handed")
        by_hook = not said.endswith(OURS) and at > self._changed("typed")
        return by_hook and since.isdecimal() and int(since) != at

    def publish(self) -> None:
        """After a batch: the events at which the hooks' second step is wanted, and the turn."""
        turns = self._post.engine.turns
        if turns is None:
            return
        wanted = set(self._post.engine.occasions(self._post.loop_time()))
        wanted |= (self.news_at() - {START}) | self.more()
        self._flag(
            {os.path.join("due", name) for name in wanted}
            | ({"armed"} if turns.waiter is not None else set())
            | ({"woken"} if self._post.engine.waking else set())
        )
        turn = self._turn()
        told = turn != self._turn_seen  # while this batch was kept: a hook's word stands
        if not told and turns.busy != (turn[1] in GOING_ON):
            self._write_turn(busy=turns.busy)

    def _flag(self, wanted: set[str]) -> None:
        """Make the small files that the hooks' first step tests equal to *wanted*."""
        for name in wanted - self._flags:
            os.close(os.open(self._path(name), os.O_WRONLY | os.O_CREAT, 0o600))
        for name in self._flags - wanted:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(name))
        self._flags = wanted

    def _write_turn(self, *, busy: bool) -> None:
        word = BUSY if busy else IDLE
        self._write_over("turn", f"{word}{OURS}")
        self._turn_seen = (self._changed("turn"), word)
        self._note_since()

    def _note_since(self) -> None:
        """Leave beside the turn, which is written again at each tool batch, since when it is what it is.

        A turn goes on when the person has answered.
        """
        (at, word), before = self._turn_seen, self._word
        if word == before or not word:
            return
        self._word = word
        if before not in GOING_ON:
            self._turn_began = at
        if word == BUSY:
            at = self._turn_began
        with contextlib.suppress(OSError):  # then it is told since the last batch
            self._write_over("began", f"{word} {at:020}\n")

    def _write_word(self, word: str) -> None:
        self._write_over("turn", f"{word}\n")

    def _write_over(self, name: str, words: str) -> None:
        # Written over each other, equally long, as hook.sh does: nobody ever reads half of one.
        file = os.open(self._path(name), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.write(file, words.encode())
        finally:
            os.close(file)

    def _turn(self) -> tuple[int, str]:
        """When the turn was written, and the word: a file's time stands still for some milliseconds."""
        return self._changed("turn"), self._read("turn")

    def mark(self) -> tuple[int, int]:
        """What changes when the model has read what its tools answered: a batch of them, or the turn, has ended."""
        return self._changed("turn"), self.batches

    def _changed(self, name: str) -> int:
        try:
            return os.stat(self._path(name)).st_mtime_ns
        except FileNotFoundError:
            return 0

    def _read(self, name: str) -> str:
        return self._raw(name).strip()

    def _raw(self, name: str) -> str:
        try:
            with open(self._path(name), "rb", buffering=0) as file:
                return file.read(100).decode("ascii", errors="replace")
        except FileNotFoundError:
            return ""

    def _look_idle(self, *, asked: bool) -> bool:
        """While mail waits, or no hook has told anything for a while: a turn that was broken off never said that it
        ended. Or while the person is *asked* for permission: no hook says what the answer was, and whether there was
        one is told here.
        """
        turns = self._post.engine.turns
        if turns is None:
            return False
        doubt = turns.busy and (self._post.engine.incoming.due or self._quiet())
        if not asked and not doubt:
            self._client_seen = (False, "", 0)
            return False
        says = str(self.client_says().get("status"))
        often = self._client_seen[2] + 1 if self._client_seen[:2] == (asked, says) else 1
        self._client_seen = (asked, says, often % SURE)
        if often == SURE and says == IDLE:
            self._post.put(Turn(busy=False))
        elif often == SURE and says == BUSY and asked:
            self._write_word(BUSY)
            return True
        return False

    def _quiet(self) -> bool:
        return time.time() - self._turn_seen[0] / 1e9 >= QUIET

    def queued(self, prompt_id: str) -> bool:
        """Whether a prompt was typed in the middle of a turn: the client keeps it until the tool has ended,
        and may give it back, together with what its hook said. It bears the id of the turn's first prompt.
        """
        same = bool(prompt_id) and prompt_id == self._prompt_id
        self._prompt_id = prompt_id
        if same or any(how is Way.PROMPT for _, how in self._post.engine.incoming.unproven.values()):
            return same
        # The turn's first prompt needed no second step, and its id is not known. After Esc the client is idle.
        return self._turn()[1] in GOING_ON and self.client_says().get("status") == "busy"

    # ------------------------------------------------------------ the client's own file

    def client_says(self) -> dict[str, Any]:
        """What the client notes about itself; {} when it does not. Not a documented file: never rely on it."""
        return client_says(self.client)

    def given_name(self) -> str:
        """The name that a person gave the session in the client; "" if none did."""
        said = self.client_says()
        name = said.get("name")
        return name if isinstance(name, str) and said.get("nameSource") == "user" else ""

    # ------------------------------------------------------------ what the model was told

    def news_at(self) -> set[str]:
        """The hook events at which the model is told who it is, because it does not know, or no longer."""
        if not self.briefed:
            return {START, PROMPT, BATCH}
        return {PROMPT} if self.told_name != self._post.engine.card.name else set()

    def told(self) -> None:
        """It knows now."""
        self.briefed, self.told_name = True, self._post.engine.card.name


def client_says(client: int) -> dict[str, Any]:
    """What the client process *client* notes about itself, see ``Session.client_says``."""
    folder = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(os.path.expanduser("~"), ".claude")
    try:
        with open(os.path.join(folder, "sessions", f"{client}.json"), encoding="utf-8") as file:
            said = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


class Doing(NamedTuple):
    """What a session does; both times are the wall clock's, in seconds."""

    word: str  # as in the file `turn`; "" if nothing is known
    since: float  # of a turn: since it began, whatever came in between
    active: float  # when its hooks told something last


def turn_of(directory: str) -> Doing:
    """What the session of the peer at *directory* does, for any reader on this host."""
    path = os.path.join(directory, "turn")
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            word, active = file.read(20).strip() or IDLE, os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return Doing("", 0.0, 0.0)
    return Doing(word, min(_began(directory, word) or active, active) / 1e9, active / 1e9)


def _began(directory: str, word: str) -> int:
    """Since when a session does that (nanoseconds); 0 if its sidecar has not seen it yet."""
    try:
        with open(os.path.join(directory, "began"), encoding="ascii", errors="replace") as file:
            of, _, at = file.read(60).strip().partition(" ")
    except OSError:
        return 0
    return int(at) if of == word and at.isdecimal() else 0


def link_to(link: str, directory: str) -> None:
    """Make *link* lead to a peer's directory, whatever stood there before; readers see one or the other."""
    os.makedirs(os.path.dirname(link), mode=0o700, exist_ok=True)
    target = os.path.relpath(directory, os.path.dirname(link))
    if os.path.islink(link) and os.readlink(link) == target:
        return
    fresh = f"{link}.{os.getpid()}"
    os.symlink(target, fresh)
    os.replace(fresh, link)


def unlink_if_to(link: str, directory: str) -> None:
    """Remove *link* if it leads to *directory*."""
    if os.path.islink(link) and os.path.realpath(link) == os.path.realpath(directory):
        os.unlink(link)


def clients_of(root: str, directory: str) -> list[str]:
    """The links of client processes that lead to *directory*."""
    folder = os.path.dirname(config.client_link(root, 0))
    if not os.path.isdir(folder):
        return []
    links = [os.path.join(folder, name) for name in os.listdir(folder)]
    return [one for one in links if os.path.realpath(one) == os.path.realpath(directory)]
