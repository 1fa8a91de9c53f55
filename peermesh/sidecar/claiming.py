"""Claims at the door: `peer claim`, `peer release`, `peer claims`, and what a session is told before it edits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from peermesh import config
from peermesh.core.claims import Claim, release, renewal
from peermesh.core.clean import clean, line
from peermesh.core.events import LEASE, LONGEST_LEASE, SHORTEST_LEASE, WHY_LIMIT, Draft, EventId, What
from peermesh.core.patterns import Overlaps, covers, is_glob, tidy_path
from peermesh.core.picture import Picture
from peermesh.errors import BadUsage, NotYours, TooMany
from peermesh.hooks import warning
from peermesh.sidecar.ask import short

if TYPE_CHECKING:
    from peermesh.door.server import Caller
    from peermesh.sidecar.scope import Here, Scope
    from peermesh.sidecar.shared import Shared

# How strict the hook before an edit is.
WARN, NOTE, ASK, OFF = "warn", "note", "ask", "off"
MODES = (WARN, NOTE, ASK, OFF)

# Claims of one session at once; a thousand work, and a directory or a glob does for more.
MOST = 2_000
# An edit that nobody claimed is worth a word for so long.
LATELY = 600.0  # seconds
# The same file edited again within this is not said again: everybody knows.
AGAIN = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class _Wish:
    """For how long, in seconds, and why somebody wants to be asked first."""

    lease: float | None  # None: as usual
    why: str


@dataclass(frozen=True, slots=True)
class Word:
    """What is said before an edit: *how* is deny, ask or note; *said* is called when it has been written out."""

    how: str
    text: str
    said: Callable[[], object]


class Claiming:
    """What one sidecar says and answers about claims.

    Args:
        shared: the shared picture.
        scope: which repo is meant, and where a path lies in it.
    """

    def __init__(self, shared: Shared, scope: Scope) -> None:
        self._shared, self._scope = shared, scope
        self._warned: dict[tuple[str, EventId], object] = {}  # by path and claim: the turn's mark then
        self._passed: set[tuple[str, EventId]] = set()  # and edited all the same
        self.mark: Callable[[], object] = object  # what changes when the model has read what tools answered
        self.did: Callable[[], None] = lambda: None  # called when this peer claimed or released something
        self._noted: dict[tuple[str, str], float] = {}
        self._edited: dict[str, float] = {}
        self.verbs: dict[str, Callable[[Caller, int, dict[str, Any]], dict[str, Any] | None]] = {
            "claim": self._claim,
            "release": self._release,
            "claims": self._claims,
            "claims_mode": self._mode,
        }

    # ------------------------------------------------------------ the commands

    def _claim(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        place = self._scope.of(str(fields["cwd"]))
        wanted = [self._pattern(str(one), place.cwd, place.key) for one in fields["paths"]]
        if not wanted:
            raise BadUsage("say what to claim: a file, a directory or a glob")
        wish = _Wish(_lease(fields.get("lease")), short(fields.get("why"), WHY_LIMIT, "reason"))
        refused: list[dict[str, Any]] = []

        def judge(picture: Picture) -> list[Draft]:
            drafts = []
            now, refused[:] = time.time(), []
            others = Overlaps((one.path, one) for one in picture.claims.others(self._scope.me.id, now))
            mine = {one.path: one for one in picture.claims.held_by(self._scope.me.id, now)}
            for path in dict.fromkeys(wanted):
                held = others.first(path)
                if held is not None:
                    refused.append({**self.row(held, now), "wanted": path})
                    continue
                drafts.append(self._draft(picture, place, path, wish, mine.get(path)))
            if len(mine) + len(drafts) > MOST:
                raise TooMany(f"one session can hold {MOST} claims; claim a directory or a glob instead")
            return drafts

        self._shared.decide(place.key, judge)
        self.did()
        picture, now = self._shared.picture(place.key), time.time()
        mine = [one for one in picture.claims.held_by(self._scope.me.id, now) if one.path in wanted]
        return {"claims": [self.row(one, now) for one in mine], "refused": refused, "repo": place.repo}

    def _draft(self, picture: Picture, place: Here, path: str, wish: _Wish, held: Claim | None) -> Draft:
        if held is not None:
            lease = wish.lease or max(held.lease, LEASE)
            return self._shared.draft(place.key, What.RENEW, renewal(held, lease, wish.why))
        over = picture.claims.over(path, time.time())
        data = {
            "path": path,
            "why": wish.why,
            "lease": wish.lease or LEASE,
            "branch": place.branch,
            "over": over,
        }
        return self._shared.draft(place.key, What.CLAIM, data)

    def _pattern(self, text: str, cwd: str, key: str) -> str:
        """A path or pattern as it was typed in *cwd*, as the repo knows it."""
        if is_glob(text) and not os.path.lexists(os.path.join(cwd, text)):
            fixed = text[: next(i for i, c in enumerate(text) if c in "*?[")]
            folder = fixed.rpartition("/")[0]
            base = self._scope.place(folder or ".", cwd, key)
            rest = text[len(folder) :].lstrip("/") if folder else text
            text = rest if base in (".", "") else f"{base}/{rest}"
        else:
            full = os.path.join(cwd, text)
            directory = text.endswith("/") or os.path.isdir(full)
            base = self._scope.place(text, cwd, key)
            text = ("**" if base in (".", "") else f"{base}/") if directory else base
        try:
            return tidy_path(text)
        except ValueError as wrong:
            raise BadUsage(str(wrong)) from wrong

    def _release(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        place = self._scope.of(str(fields["cwd"]))
        wanted = [self._pattern(str(one), place.cwd, place.key) for one in fields.get("paths") or ()]
        everything = bool(fields.get("all"))
        now = time.time()
        mine = self._shared.picture(place.key).claims.held_by(self._scope.me.id, now)

        # What was no directory when it was claimed may be one now.
        def frees(path: str, one: Claim) -> bool:
            return path.rstrip("/") == one.path.rstrip("/") or covers(path, one.path)

        chosen = [one for one in mine if everything or any(frees(path, one) for path in wanted)]
        missing = [path for path in wanted if not any(frees(path, one) for one in mine)]
        if missing and not everything:
            self._refuse_release(place, missing[0], mine, now)
        for some in range(0, len(chosen), 100):
            self._shared.say(place.key, What.RELEASE, release(chosen[some : some + 100]))
        self.did()
        return {"released": [self.row(one, now) for one in chosen]}

    def _refuse_release(self, place: Here, path: str, mine: Sequence[Claim], now: float) -> NoReturn:
        """*path* is not ours to release: say whose it is, or what we hold instead."""
        others = self._shared.picture(place.key).claims.others(self._scope.me.id, now)
        held = Overlaps((one.path, one) for one in others).first(path)
        if held is not None:
            who = line(clean(self._shared.called(held.by, held.name, held.host_key)), 80)
            part = "" if held.path == path else f" as part of {line(clean(held.path), 200)}"
            raise NotYours(
                f"{path} is held by {who}{part}, who alone can release it; ask: peer ask {who} TEXT"
            )
        more = f" and {len(mine) - 5} more" if len(mine) > 5 else ""
        names = ", ".join(one.path for one in mine[:5]) or "nothing"
        raise BadUsage(f"you have no claim on {path}; you hold {names}{more}")

    def _claims(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        place, now = self._scope.of(str(fields["cwd"])), time.time()
        live = self._shared.picture(place.key).claims.live(now)
        rows = [self.row(one, now) for one in live]
        return {"claims": rows, "mode": self.mode(place.key), "repo": place.repo}

    def _mode(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        place, mode = self._scope.of(str(fields["cwd"])), str(fields["mode"])
        if mode not in MODES:
            raise BadUsage(f"there is no way {mode[:20]!r}; choose one of {', '.join(MODES)}")
        self._shared.log.notebook.set_mode(place.key, mode)
        self._shared.spread()
        return {"mode": self.mode(place.key), "repo": place.repo}

    def mode(self, repo: str) -> str:
        """How strict the hook is: as the session's environment says, else the repo's setting, else the host's."""
        own, of_repo = os.environ.get("PEER_CLAIMS", ""), self._shared.log.notebook.mode(repo)
        said = own or of_repo or config.setting("PEER_CLAIMS")
        return said if said in MODES else WARN

    def row(self, one: Claim, now: float) -> dict[str, Any]:
        """What `peer claims` tells of a claim."""
        return {
            "path": one.path,
            "by": self._shared.called(one.by, one.name, one.host_key).partition("@")[0],
            "host": self._shared.host_called(one.host_key),
            "peer": one.by,
            "mine": one.by == self._scope.me.id,
            "why": one.why,
            "branch": one.branch,
            "since": max(0.0, now - one.since),
            "left": max(0.0, one.until - now),
        }

    # ------------------------------------------------------------ the hooks

    def alert(self) -> bool:
        """Whether the hook before an edit has anything to look at."""
        me = self._scope.me
        if not me.repo_key or self.mode(me.repo_key) == OFF:
            return False
        return self._shared.picture(me.repo_key).touches(me.id, time.time(), LATELY)

    def before_edit(self, path: str, cwd: str) -> Word | None:
        """What to say before *path* is edited."""
        me, now = self._scope.me, time.time()
        mode, where = self.mode(me.repo_key), self._scope.file(path, cwd)
        if where is None or mode == OFF:
            return None
        picture = self._shared.picture(me.repo_key)
        held = picture.claims.against(me.id, where, now)
        return self._before_unclaimed(picture, where, now) if held is None else self._warn(mode, where, held)

    def _warn(self, mode: str, path: str, held: Claim) -> Word | None:
        """Once for each path and claim; where the person decides, until the edit was done."""
        one, mark = (path, held.id), self.mark()
        # Several edits of one message are all turned back: the model has read nothing in between.
        read = self._warned.get(one, mark) != mark
        if one in self._passed or (one in self._warned and (mode == NOTE or (mode == WARN and read))):
            return None
        how = NOTE if mode == NOTE else ASK if mode == ASK and read else "deny"
        then = {WARN: warning.PASSES, ASK: warning.ASKS}.get(mode, "") if how == "deny" else ""
        who = self._shared.called(held.by, held.name, held.host_key)
        text = warning.claimed(path, held, who, time.time(), then)
        return Word(how, text, lambda: self._warned.setdefault(one, mark))

    def _before_unclaimed(self, picture: Picture, path: str, now: float) -> Word | None:
        """Somebody edited it a moment ago: worth a word, once."""
        me = self._scope.me
        edit = next((one for one in picture.editors(path, now, LATELY) if one.by != me.id), None)
        if edit is None or self._noted.get((path, edit.by), -LATELY) > now - LATELY:
            return None
        text = warning.edited(path, edit, self._shared.called(edit.by, edit.name, edit.host_key), now)
        return Word(NOTE, text, lambda: self._noted.update({(path, edit.by): now}))

    def after_edit(self, path: str, cwd: str) -> None:
        """*path* was edited: everybody of the repo is to know."""
        me, now = self._scope.me, time.time()
        where = self._scope.file(path, cwd)
        if where is not None:
            asked = self.mode(me.repo_key) == ASK
            self._passed |= {one for one in self._warned if asked and one[0] == where}
        if where is None or self._edited.get(where, now - AGAIN) > now - self._pause(where, now):
            return
        self._edited = {one: at for one, at in self._edited.items() if at > now - AGAIN}
        self._edited[where] = now
        self._shared.say(me.repo_key, What.EDIT, {"path": where, "branch": me.branch})

    def _pause(self, path: str, now: float) -> float:
        """How long an edit of *path* need not be said again: it renews one's own claim, which may be a short one."""
        mine = self._shared.picture(self._scope.me.repo_key).claims.holder(path, now)
        return AGAIN if mine is None or mine.by != self._scope.me.id else min(AGAIN, mine.lease / 3)


def _lease(given: Any) -> float | None:
    if given is None:
        return None
    seconds = float(given)
    if not SHORTEST_LEASE <= seconds <= LONGEST_LEASE:
        raise BadUsage(
            f"a claim lasts from {SHORTEST_LEASE:.0f} s to {LONGEST_LEASE / 3_600:.0f} h; edits renew it"
        )
    return seconds
