"""A door with invented values behind it: for the panel's screenshots, its benchmark and its tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from peermesh.door.client import Closed
from peermesh.errors import BadRequest, PeerError

PEERS = (
    # name, host, here, status, seconds since, branch, worktree, focus, files
    ("checkout", "", True, "busy", 185, "feature/checkout", "shop", "new payment form", ("src/pay/form.tsx", "src/pay/api.ts", "src/pay/card.ts", "tests/pay.test.ts")),
    ("dashboard", "", True, "waiting", 40, "restyle", "shop-css", "restyle of the admin dashboard", ("src/admin/users.tsx", "src/admin/theme.css")),
    ("flaky-login", "", True, "idle", 20, "fix/login", "shop-login", "the login test that fails on Mondays", ("tests/login.test.ts",)),
    ("build", "desktop", True, "busy", 640, "main", "shop", "nightly build, slow tests", ()),
    ("docs", "desktop", True, "idle", 1_500, "docs/api", "shop-docs", "reference of the v2 API", ("docs/api/orders.md",)),
    ("migration", "", False, "away", 5_400, "db/orders", "shop", "orders get their own table", ()),
)

FEED = (
    # seconds ago, kind, who, host, to, text, path, state
    (4_100, "joined", "docs", "desktop", "", "", "", ""),
    (3_900, "task", "checkout", "", "", "move the API to v2", "", "added"),
    (3_600, "note", "build", "desktop", "", "the staging database is being rebuilt until noon; tests against it fail, please use the local one", "", ""),
    (2_700, "claim", "dashboard", "", "", "new dashboard", "src/admin/", ""),
    (2_400, "edit", "dashboard", "", "", "", "src/admin/users.tsx", ""),
    (1_900, "message", "checkout", "", "dashboard", "I renamed the prop userId to accountId, everywhere but in your files.\n\nIn src/admin/users.tsx it is used twice, lines 14 and 88. I left these to you, because you hold src/admin/.", "", "shown"),
    (1_850, "answer", "dashboard", "", "checkout", "Done, both lines. Thank you for asking.", "", "shown"),
    (1_500, "job", "build", "desktop", "", "nightly: make test-slow", "", "running"),
    (1_200, "discovery", "flaky-login", "", "", "api.ts caches users for 60 s, so tests have to reset it first", "src/api.ts", ""),
    (900, "task", "flaky-login", "", "", "find out why login fails on Mondays", "", "taken"),
    (640, "edit", "checkout", "", "", "", "src/pay/form.tsx", ""),
    (420, "question", "flaky-login", "", "build", "Is the migration on main yet? The login test needs the new column.", "", "shown"),
    (395, "answer", "build", "desktop", "flaky-login", "Yes, since ten minutes ago.", "", "shown"),
    (240, "job", "checkout", "", "", "unit: npm test -- src/pay", "", "exit 1"),
    (120, "release", "flaky-login", "", "", "", "tests/login.test.ts", ""),
    (95, "left", "migration", "", "", "", "", ""),
    (40, "question", "dashboard", "", "pat", "The mockup has two blues for buttons. Which one do you want?", "", "safe"),
    (12, "edit", "checkout", "", "", "", "src/pay/card.ts", ""),
)  # fmt: skip

TASKS = (
    # id, title, state, owner, host, mine, waits for, changed, why
    ("7kq2", "move the API to v2", "taken", "checkout", "", False, (), 600, ""),
    ("m3x9", "restyle the dashboard", "taken", "dashboard", "", False, (), 2_700, ""),
    ("p0d4", "find out why login fails on Mondays", "taken", "flaky-login", "", False, (), 900, ""),
    ("w8hn", "write the changelog for 2.0", "open", "", "", False, (), 7_300, ""),
    ("c5tz", "remove the v1 endpoints", "open", "", "", False, ("7kq2",), 3_900, ""),
    ("e2rj", "new favicon", "done", "docs", "desktop", False, (), 9_000, "merged as 4f1c2aa"),
)

CLAIMS = (
    ("src/admin/", "dashboard", "", "restyle", "new dashboard", 2_700, 900),
    ("src/pay/", "checkout", "", "feature/checkout", "new payment form", 1_200, 1_520),
    ("docs/api/**/*.md", "docs", "desktop", "docs/api", "v2 reference", 300, 6_900),
)

JOBS = (
    # id, name, cmd, state, code, signal, by, host, seconds, line
    ("k3m9x2", "nightly", "make test-slow", "running", None, "", "build", "desktop", 1_500, "tests/orders: 412 of 1,250 passed"),
    ("b7q0ve", "dev", "npm run dev", "running", None, "", "checkout", "", 5_200, "ready on port 5173"),
    ("r4d8hn", "unit", "npm test -- src/pay", "ended", 1, "", "checkout", "", 38, "1 failed, 96 passed"),
    ("z1c6tp", "lint", "make lint", "ended", 0, "", "flaky-login", "", 12, "all checks passed"),
    ("f9w2ks", "import", "python import.py --all", "ended", None, "SIGKILL", "migration", "", 724, "row 1,204,000"),
)  # fmt: skip


class World:
    """What the invented sidecar knows, and what it was asked.

    Args:
        unknown: verbs that it does not know.
    """

    def __init__(self, unknown: tuple[str, ...] = ()) -> None:
        self.began = time.time()
        self.unknown = unknown
        self.up = True
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.shown: list[int] = []
        self.peers = [self._peer(n, *one) for n, one in enumerate(PEERS)]
        self.claims = [self._claim(*one) for one in CLAIMS]
        self.tasks = [self._task(*one) for one in TASKS]
        self.jobs = [self._job(*one) for one in JOBS]
        self.items: list[dict[str, Any]] = []
        self.news = threading.Condition()
        for ago, *rest in FEED:
            self.happens(*rest, ago=ago)  # type: ignore[arg-type]

    # ------------------------------------------------------------ what there is

    def _peer(self, n: int, name: str, host: str, here: bool, status: str, since: int, branch: str, tree: str, focus: str, files: tuple[str, ...]) -> dict[str, Any]:  # fmt: skip
        return {
            "id": f"peer000{n}", "name": name, "host": host or "laptop", "person": False, "repo": "shop",
            "repo_key": "remote:shop", "branch": branch, "worktree": tree, "cwd": "", "roles": [], "focus": focus,
            "status": status, "since": self.began - since, "active": self.began - 3, "here": here,
            "files": [{"path": path, "age": 70.0 + 190 * at} for at, path in enumerate(files)],
        }  # fmt: skip

    @staticmethod
    def _claim(path: str, by: str, host: str, branch: str, why: str, since: float, left: float) -> dict[str, Any]:
        return {"path": path, "by": by, "host": host, "peer": by, "mine": by == "pat", "why": why, "branch": branch, "since": since, "left": left}  # fmt: skip

    @staticmethod
    def _task(ident: str, title: str, state: str, owner: str, host: str, mine: bool, waits: tuple[str, ...], changed: float, why: str) -> dict[str, Any]:  # fmt: skip
        return {
            "id": ident, "full": ident * 2, "title": title, "state": state, "owner": owner, "owner_host": host,
            "owner_here": True, "mine": mine, "confirmed": True, "tentative": False, "after": list(waits),
            "waits_for": list(waits), "by": "checkout", "host": "", "age": changed + 60, "changed": changed, "why": why,
        }  # fmt: skip

    @staticmethod
    def _job(ident: str, name: str, cmd: str, state: str, code: int | None, signal: str, by: str, host: str, seconds: float, line: str) -> dict[str, Any]:  # fmt: skip
        return {
            "id": ident, "name": name, "cmd": cmd, "state": state, "code": code, "signal": signal, "by": by, "host": host,
            "mine": by == "pat", "here": not host, "age": seconds + (0 if state == "running" else 200), "seconds": seconds,
            "line": line, "branch": "main", "told": [by], "detached": True, "kind": "run",
        }  # fmt: skip

    def happens(self, kind: str, who: str, host: str = "", to: str = "", text: str = "", path: str = "", state: str = "", *, ago: float = 0.0) -> None:  # fmt: skip
        """Something happens, and whoever waits for it hears it."""
        with self.news:
            n = len(self.items) + 1
            at = (self.began if ago else time.time()) - ago
            self.items.append({
                "n": n, "at": at, "kind": kind, "who": who, "host": host, "to": to, "text": text,
                "id": f"{kind}-{n}", "path": path, "state": state,
            })  # fmt: skip
            self.news.notify_all()

    # ------------------------------------------------------------ the door

    def connect(self) -> Ear:
        """A connection to it."""
        if not self.up:
            raise ConnectionRefusedError
        return Ear(self)

    def down(self) -> None:
        """The sidecar is gone, and whoever asked it hears that."""
        with self.news:
            self.up = False
            self.news.notify_all()

    def restart(self) -> None:
        """Another sidecar: it tells of the same, by other numbers."""
        with self.news:
            self.items = [{**one, "n": n} for n, one in enumerate(self.items[2:], start=1)]
            self.up = True


class Ear:
    """One connection."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._verbs: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "list": self._list,
            "claims": lambda _: {"claims": world.claims, "mode": "warn", "repo": "shop"},
            "tasks": self._tasks,
            "jobs": self._jobs,
            "feed": self._feed,
            "read": self._read,
            "notes": self._notes,
            "shown": self._shown,
            "send": lambda f: {"messages": [{"id": "zzzzzzzz-1", "to": f.get("to") or "dashboard", "state": "safe"}]},
            "claim": self._claim,
            "release": self._release,
            "note": lambda _: {"id": "note-9", "sent": []},
            "task": self._task,
            "job_stop": lambda f: {"stopping": f["job"]},
            "job_log": lambda _: {"text": "\n".join(f"test {n} passed" for n in range(60)), "after": 9, "ended": False},
        }  # fmt: skip

    def ask(self, do: str, timeout: float | None = None, **fields: Any) -> dict[str, Any]:
        """The answer to one request."""
        if not self._world.up:
            raise Closed("the sidecar went away")
        if do in self._world.unknown or do not in self._verbs:
            raise BadRequest(f"there is no verb {do!r}")
        if do not in ("feed", "list", "claims", "tasks", "jobs") or "job" in fields or "task" in fields:
            self._world.asked.append((do, fields))
        return self._verbs[do](fields)

    def close(self) -> None:
        """Hang up."""

    def _list(self, fields: dict[str, Any]) -> dict[str, Any]:
        world = self._world
        me = {**world.peers[0], "id": "zzzzzzzz", "name": "pat", "person": True, "status": "here", "files": []}
        return {
            "me": "zzzzzzzz", "name": "pat", "host": "laptop", "repo_key": "remote:shop", "unread": 1,
            "meeting": False, "peers": [*world.peers, me],
        }  # fmt: skip

    def _feed(self, fields: dict[str, Any]) -> dict[str, Any]:
        world, after = self._world, fields["after"]
        with world.news:
            if after is not None:
                world.news.wait_for(lambda: len(world.items) > after or not world.up, fields["wait"])
            if not world.up:
                raise Closed("the sidecar went away")
            items = world.items[after:] if after is not None else world.items
            some = items[: fields["most"]] if after is not None else items[-fields["most"] :]
            return {"items": list(some), "after": some[-1]["n"] if some else after or 0}

    def _tasks(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "task" not in fields:
            return {"tasks": self._world.tasks, "repo": "shop"}
        row = next(one for one in self._world.tasks if one["id"] == fields["task"])
        steps = [("task", "checkout", 7_300.0), ("take", "flaky-login", 900.0)]
        history = [{"what": what, "by": by, "to": "", "granted": None, "age": age, "why": ""} for what, by, age in steps]
        return {"tasks": [{**row, "history": history}], "repo": "shop"}

    def _jobs(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "job" not in fields:
            return {"jobs": self._world.jobs, "repo": "shop"}
        row = next(one for one in self._world.jobs if one["id"] == fields["job"])
        return {"jobs": [{**row, "stderr": ["FAIL src/pay/form.test.tsx", "expected 3, got 2"], "stdout": []}]}

    def _read(self, fields: dict[str, Any]) -> dict[str, Any]:
        row = next(one for one in self._world.items if one["id"] == fields["message"])
        said = {"from": row["who"], "body": row["text"], "said_at": row["at"], "repo": "shop", "branch": "restyle"}
        return {"messages": [{**row, **said}], "hand": 7}

    def _notes(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"notes": [{"id": one["id"], "text": one["text"], "paths": []} for one in self._world.items]}

    def _shown(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._world.shown.append(fields["hand"])
        return {}

    def _claim(self, fields: dict[str, Any]) -> dict[str, Any]:
        path = fields["paths"][0]
        for one in self._world.claims:
            if path.startswith(one["path"]):
                return {"claims": [], "refused": [{**one, "wanted": path}]}
        row = self._world._claim(path, "pat", "", "main", fields["why"], 0.0, 1_800.0)
        self._world.claims.append(row)
        return {"claims": [row], "refused": []}

    def _release(self, fields: dict[str, Any]) -> dict[str, Any]:
        gone = [one for one in self._world.claims if one["path"] in fields["paths"] and one["mine"]]
        self._world.claims = [one for one in self._world.claims if one not in gone]
        return {"released": gone}

    def _task(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["act"] == "add":
            row = World._task("n3w1", fields["title"], "open", "", "", False, (), 0.0, "")
            self._world.tasks.append(row)
            return {"task": row, "confirmed": True, "waits_for_host": ""}
        row = next(one for one in self._world.tasks if one["id"] == fields["task"])
        if row["waits_for"] and fields["act"] == "take":
            raise PeerError(f"that task waits for {row['waits_for'][0]}")
        state = {"take": "taken", "done": "done", "drop": "dropped", "reopen": "open"}[fields["act"]]
        mine = {"mine": True, "owner": "pat"} if state == "taken" else {}
        row.update(state=state, changed=0.0, why=fields["why"], **mine)
        return {"task": row, "confirmed": True, "waits_for_host": ""}
