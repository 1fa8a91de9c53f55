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
    (
        "checkout",
        "",
        True,
        "busy",
        185,
        "feature/checkout",
        "shop",
        "new payment form",
        ("src/pay/form.tsx", "src/pay/api.ts", "src/pay/card.ts", "tests/pay.test.ts"),
    ),
    (
        "dashboard",
        "",
        True,
        "waiting",
        40,
        "restyle",
        "shop-css",
        "restyle of the admin dashboard",
        ("src/admin/users.tsx", "src/admin/theme.css"),
    ),
    (
        "flaky-login",
        "",
        True,
        "idle",
        20,
        "fix/login",
        "shop-login",
        "the login test that fails on Mondays",
        ("tests/login.test.ts",),
    ),
    ("build", "desktop", True, "busy", 640, "main", "shop", "nightly build, slow tests", ()),
    (
        "docs",
        "desktop",
        True,
        "idle",
        1_500,
        "docs/api",
        "shop-docs",
        "reference of the v2 API",
        ("docs/api/orders.md",),
    ),
    ("migration", "", False, "away", 5_400, "db/orders", "shop", "orders get their own table", ()),
)

NOTE = "the staging database is being rebuilt until noon; tests against it fail, please use the local one"
RENAMED = """I renamed the prop userId to accountId, everywhere but in your files.

In src/admin/users.tsx it is used twice, lines 14 and 88. I left these to you, because you hold src/admin/."""

FEED: tuple[tuple[int, str, str, dict[str, str]], ...] = (
    # seconds ago, kind, who, and what else there is to say
    (4_100, "joined", "docs@desktop", {"text": "docs/api"}),
    (3_900, "task", "checkout", {"text": "move the API to v2", "state": "open", "id": "7kq2m3x9"}),
    (3_600, "note", "build@desktop", {"text": NOTE}),
    (2_700, "claim", "dashboard", {"path": "src/admin/", "text": "new dashboard", "state": "held"}),
    (2_400, "edit", "dashboard", {"path": "src/admin/users.tsx", "text": "restyle"}),
    (1_900, "message", "checkout", {"to": "pat", "what": "message", "text": RENAMED, "state": "shown"}),
    (1_850, "message", "pat", {"to": "checkout", "what": "message", "text": "Thank you. dashboard is told, and takes care of both.", "state": "shown"}),
    (1_500, "job", "build@desktop", {"text": "nightly (make test-slow)", "state": "running", "id": "k3m9x2"}),
    (1_200, "discovery", "flaky-login", {"text": "api.ts caches users for 60 s, so tests have to reset it first", "path": "src/api.ts"}),
    (900, "task", "flaky-login", {"text": "find out why login fails on Mondays", "state": "taken", "id": "p0d4aaaa"}),
    (640, "edit", "checkout", {"path": "src/pay/form.tsx", "text": "feature/checkout"}),
    (420, "message", "pat", {"to": "build@desktop", "what": "question", "text": "Is the migration on main yet?", "state": "shown"}),
    (395, "message", "build@desktop", {"to": "pat", "what": "answer", "text": "Yes, since ten minutes ago."}),
    (240, "job", "checkout", {"text": "exit 1 after 38 s: unit (npm test -- src/pay)", "state": "ended", "what": "failed", "id": "r4d8hn"}),
    (120, "release", "flaky-login", {"path": "tests/login.test.ts", "state": "released"}),
    (95, "left", "migration", {"text": "db/orders"}),
    (40, "message", "dashboard", {"to": "pat", "what": "question", "text": "The mockup has two blues for buttons. Which one do you want?", "state": "safe"}),
    (12, "edit", "checkout", {"path": "src/pay/card.ts", "text": "feature/checkout"}),
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


def peer(number: int, row: tuple[Any, ...], now: float) -> dict[str, Any]:
    """A session as the door tells it."""
    name, host, here, status, since, branch, worktree, focus, files = row
    edits = [{"path": path, "age": 70.0 + 190 * at} for at, path in enumerate(files)]
    return {
        "id": f"peer000{number}",
        "name": name,
        "host": host or "laptop",
        "person": False,
        "repo": "shop",
        "repo_key": "remote:shop",
        "branch": branch,
        "worktree": worktree,
        "cwd": "",
        "roles": [],
        "focus": focus,
        "status": status,
        "since": now - since,
        "active": now - 3,
        "here": here,
        "files": edits,
    }


def claim(row: tuple[Any, ...]) -> dict[str, Any]:
    """A claim as the door tells it."""
    told = dict(zip(("path", "by", "host", "branch", "why", "since", "left"), row, strict=True))
    return {**told, "peer": told["by"], "mine": told["by"] == "pat"}


def task(row: tuple[Any, ...]) -> dict[str, Any]:
    """A task as the door tells it."""
    words = ("id", "title", "state", "owner", "owner_host", "mine", "waits_for", "changed", "why")
    told = {**dict(zip(words, row, strict=True)), "waits_for": list(row[6])}
    more = {"full": row[0] * 2, "owner_here": True, "confirmed": True, "tentative": False, "by": "checkout"}
    return {**told, **more, "after": list(row[6]), "host": "", "age": row[7] + 60}


def job(row: tuple[Any, ...]) -> dict[str, Any]:
    """A job as the door tells it."""
    words = ("id", "name", "cmd", "state", "code", "signal", "by", "host", "seconds", "line")
    told = dict(zip(words, row, strict=True))
    age = told["seconds"] if told["state"] == "running" else 200.0
    more = {
        "mine": told["by"] == "pat",
        "here": not told["host"],
        "reached": True,
        "age": age,
        "branch": "main",
    }
    return {**told, **more, "told": [told["by"]], "detached": True, "kind": "run", "why": "", "pid": 0}


class World:
    """What the invented sidecar knows, and what it was asked.

    Args:
        unknown: verbs that it does not know.
    """

    def __init__(self, unknown: tuple[str, ...] = ()) -> None:
        self.began = time.time()
        self.unknown = unknown
        self.up = True
        self.retired = False
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.shown: list[int] = []
        self.peers = [peer(n, row, self.began) for n, row in enumerate(PEERS)]
        self.claims = [claim(row) for row in CLAIMS]
        self.tasks = [task(row) for row in TASKS]
        self.jobs = [job(row) for row in JOBS]
        self.items: list[dict[str, Any]] = []
        self.news = threading.Condition()
        for ago, kind, who, more in FEED:
            self.happens(kind, who, ago=ago, **more)

    def happens(self, kind: str, who: str, *, ago: float = 0.0, **more: str) -> str:
        """Something happens, and whoever waits for it hears it; its id."""
        name, _, host = who.partition("@")
        empty = dict.fromkeys(("to", "group", "what", "state", "text", "path"), "")
        with self.news:
            at = (self.began if ago else time.time()) - ago
            last = self.items[-1]["n"] if self.items else 0
            head = {"n": max(last + 1, int(at * 1_000)), "at": at, "kind": kind, "who": name, "host": host}
            ident = f"zzzzzzzz-{len(self.items) + 1}"
            rest = {"peer": name, "mine": who == "pat", "cut": False, "id": ident}
            self.items.append({**head, **rest, **empty, **more})
            self.news.notify_all()
        return more.get("id", ident)

    # ------------------------------------------------------------ the door

    def connect(self) -> Ear:
        """A connection to it."""
        if not self.up:
            raise ConnectionRefusedError
        return Ear(self)

    def down(self, *, retired: bool = False) -> None:
        """The sidecar is gone, and whoever asked it hears that; *retired*: by intention."""
        with self.news:
            self.up, self.retired = retired, retired
            self.news.notify_all()

    def restart(self) -> None:
        """Another sidecar: what was said to this one alone it does not know, and some numbers are others."""
        with self.news:
            self.items = [{**one, "n": one["n"] + 1} for one in self.items if one["kind"] != "joined"]
            self.up, self.retired = True, False

    def knock(self) -> Ear | None:
        """A connection, if it runs and was not ended."""
        return Ear(self) if self.up and not self.retired else None


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
            "job_log": self._job_log,
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
        me = {
            **world.peers[0],
            "id": "zzzzzzzz",
            "name": "pat",
            "person": True,
            "status": "here",
            "files": [],
        }
        return {
            "me": "zzzzzzzz", "name": "pat", "host": "laptop", "repo_key": "remote:shop", "unread": 1,
            "meeting": False, "peers": [*world.peers, me],
        }  # fmt: skip

    def _feed(self, fields: dict[str, Any]) -> dict[str, Any]:
        world, after = self._world, fields["after"] or 0

        def behind() -> list[dict[str, Any]]:
            return [one for one in world.items[-2_000:] if one["n"] > after][: fields["most"]]

        with world.news:
            if fields["wait"]:
                world.news.wait_for(lambda: behind() or not world.up or world.retired, fields["wait"])
            if not world.up:
                raise Closed("the sidecar went away")
            items = behind()
            retire = {"retire": True} if world.retired else {}
            return {"items": items, "after": items[-1]["n"] if items else after, "missed": False, **retire}

    def _tasks(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "task" not in fields:
            return {"tasks": self._world.tasks, "repo": "shop"}
        row = next(one for one in self._world.tasks if one["id"] == fields["task"])
        steps = [("task", "checkout", 7_300.0), ("take", "flaky-login", 900.0)]
        history = [
            {"what": what, "by": by, "to": "", "granted": None, "age": age, "why": ""}
            for what, by, age in steps
        ]
        return {"tasks": [{**row, "history": history}], "repo": "shop"}

    def _jobs(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "job" not in fields:
            return {"jobs": self._world.jobs, "repo": "shop"}
        row = next(one for one in self._world.jobs if one["id"] == fields["job"])
        return {
            "jobs": [{**row, "stderr": ["FAIL src/pay/form.test.tsx", "expected 3, got 2"], "stdout": []}]
        }

    def _job_log(self, fields: dict[str, Any]) -> dict[str, Any]:
        row = next(one for one in self._world.jobs if one["id"] == fields["job"])
        text = "\n".join(f"test {n} passed" for n in range(60)) if row["name"] != "lint" else ""
        return {"job": row["id"], "text": text, "after": 9, "ended": row["state"] != "running"}

    def _read(self, fields: dict[str, Any]) -> dict[str, Any]:
        row = next(one for one in self._world.items if one["id"] == fields["message"])
        said = {
            "from": row["who"],
            "body": row["text"],
            "said_at": row["at"],
            "repo": "shop",
            "branch": "restyle",
        }
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
        row = claim((path, "pat", "", "main", fields["why"], 0.0, 1_800.0))
        self._world.claims.append(row)
        return {"claims": [row], "refused": []}

    def _release(self, fields: dict[str, Any]) -> dict[str, Any]:
        gone = [one for one in self._world.claims if one["path"] in fields["paths"] and one["mine"]]
        self._world.claims = [one for one in self._world.claims if one not in gone]
        return {"released": gone}

    def _task(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["act"] == "add":
            row = task(("n3w1", fields["title"], "open", "", "", False, (), 0.0, ""))
            self._world.tasks.append(row)
            return {"task": row, "confirmed": True, "waits_for_host": ""}
        row = next(one for one in self._world.tasks if one["id"] == fields["task"])
        if row["waits_for"] and fields["act"] == "take":
            raise PeerError(f"that task waits for {row['waits_for'][0]}")
        state = {"take": "taken", "done": "done", "drop": "dropped", "reopen": "open"}[fields["act"]]
        mine = {"mine": True, "owner": "pat"} if state == "taken" else {}
        row.update(state=state, changed=0.0, why=fields["why"], **mine)
        return {"task": row, "confirmed": True, "waits_for_host": ""}
