"""One value in full, as text with looks. Nothing of others is read as markup: `Content` takes it as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.content import Content

from peermesh.core.clean import age
from peermesh.ui import looks, values
from peermesh.ui.looks import BLUE, DIM, ORANGE, Cell
from peermesh.ui.values import Claim, Item, Job, Session, Task

Value = Session | Item | Claim | Task | Job

_STYLE = {"plain": "", "strong": "bold", "dim": DIM, "blue": BLUE, "orange": ORANGE}
# Files of a session that are told in full.
FILES = 12

HAPPENED = {
    "task": "added",
    "take": "taken",
    "verdict": "settled",
    "done": "done",
    "drop": "dropped",
    "reopen": "put back",
    "gone": "its session ended",
}


def styled(cell: Cell) -> tuple[str, str]:
    """A cell as a part of a text."""
    return cell.text, _STYLE[cell.look]


def title(value: Value) -> str:
    """What a value is called."""
    if isinstance(value, Session):
        return value.address
    if isinstance(value, Item):
        return f"{value.kind} · {value.who}" if value.who else value.kind
    if isinstance(value, Claim):
        return value.path
    return value.id if isinstance(value, Task) else f"{value.id} {value.name}".strip()


def full(value: Value) -> Content:
    """All that the panel knows of a value."""
    if isinstance(value, Session):
        return _session(value)
    if isinstance(value, Item):
        return _item(value)
    if isinstance(value, Claim):
        return _claim(value)
    return _task(value) if isinstance(value, Task) else _job(value)


def _facts(*facts: tuple[str, str | tuple[str, str]]) -> list[str | tuple[str, str]]:
    """Lines of a word and what it says; empty ones are left out."""
    said: list[str | tuple[str, str]] = []
    for word, text in facts:
        plain = text[0] if isinstance(text, tuple) else text
        if plain:
            said += [(f"{word:<10}", DIM), text, "\n"]
    return said


def _session(one: Session) -> Content:
    where = one.repo + (f", in {one.worktree}" if one.worktree not in ("", one.repo) else "")
    said = _facts(
        ("is", "a person" if one.person else ""),
        ("status", styled(looks.status(one))),
        ("focus", (one.focus, "bold")),
        ("project", where),
        ("branch", one.branch),
        ("roles", " ".join(f"@role:{role}" for role in one.roles)),
        ("active", looks.ago(one.active) if one.here else ""),
        ("id", one.id),
    )
    if one.files:
        said += ["\n", ("edited lately\n", DIM)]
        for path, when in one.files[:FILES]:
            said += [f"  {path}  ", (f"{looks.ago(when)}\n", DIM)]
        if len(one.files) > FILES:
            said.append((f"  +{len(one.files) - FILES}\n", DIM))
    return Content.assemble(*said)


def _item(one: Item) -> Content:
    said = _facts(
        ("kind", styled(looks.kind(one))),
        ("from", (one.who + (" (you)" if one.mine else ""), "bold")),
        ("to", one.to),
        ("when", f"{looks.clock(one.at, full=True)}, {looks.ago(one.at)}"),
        ("path", one.path),
        (
            "state",
            " ".join((looks.STATES.get(one.state, ""), one.state)).strip()
            if one.mine or not one.message
            else "",
        ),
        ("id", one.id),
    )
    return Content.assemble(*said, "\n", one.text)


def _claim(one: Claim) -> Content:
    said = _facts(
        ("path", (one.path, "bold")),
        ("held by", one.by + (" (you)" if one.mine else "")),
        ("why", one.why),
        ("branch", one.branch),
        ("since", looks.since(one.since)),
        ("left", looks.left(one)),
    )
    hint = "x lets it go" if one.mine else f"s asks {one.by}"
    return Content.assemble(*said, "\n", (hint, DIM))


def _task(one: Task) -> Content:
    away = "" if one.owner_here or one.state != "taken" else " (away)"
    return Content.assemble(
        (one.title, "bold"),
        "\n\n",
        *_facts(
            ("id", one.id),
            ("state", styled(looks.task(one))),
            ("owner", one.owner + (" (you)" if one.mine and one.owner else away)),
            ("waits for", ", ".join(one.waits_for)),
            ("changed", looks.ago(one.changed)),
            ("why", one.why),
            ("added by", one.by),
        ),
    )


def _job(one: Job) -> Content:
    owner = f"{one.by}@{one.host}" if one.host else one.by
    return Content.assemble(
        (one.command, "bold"),
        "\n\n",
        *_facts(
            ("name", one.name),
            ("state", styled(looks.job(one))),
            ("ran" if one.state != "running" else "runs", looks.took(one)),
            ("began" if one.state == "running" else "ended", looks.ago(one.at)),
            ("why", one.why),
            ("by", owner + (" (you)" if one.mine else "")),
            ("branch", one.branch),
            ("tells", ", ".join(one.told)),
            ("last line", one.line),
            ("id", one.id),
        ),
    )


# ------------------------------------------------------------ what the door tells of one


def message(answer: Mapping[str, Any]) -> Content:
    """The answer to ``read``."""
    rows = answer.get("messages") or []
    if not rows:
        return Content("it is not there any more")
    row = rows[0]
    where = " ".join(filter(None, (values.short(row.get("repo")), values.short(row.get("branch")))))
    to = values.short(row.get("group")) or values.short(row.get("to"))
    return Content.assemble(
        *_facts(
            ("from", (values.address(row.get("from"), row.get("host")), "bold")),
            ("to", to),
            ("of", where),
            ("kind", values.short(row.get("kind")) + (", urgent" if row.get("urgent") else "")),
            ("on", values.short(row.get("reply_to"))),
            ("when", looks.clock(float(row.get("said_at") or row.get("came_at") or 0.0), full=True)),
            ("id", values.short(row.get("id"))),
        ),
        "\n",
        values.long(row.get("body")),
    )


def history(task: Task, answer: Mapping[str, Any]) -> Content:
    """A task and the answer to ``tasks`` with its id: what happened to it."""
    rows = answer.get("tasks") or [{}]
    said: list[str | tuple[str, str] | Content] = [_task(task), ("\nhistory\n", DIM)]
    for one in rows[0].get("history") or ():
        what, by, to = (values.short(one.get(word), 80) for word in ("what", "by", "to"))
        whom = f" for {to}" if to and to != by else ""
        why = values.short(one.get("why"))
        said += [
            (f"  {age(float(one.get('age') or 0.0)):<12}", DIM),
            f"{HAPPENED.get(what, what)}{whom} by {by}",
            f": {why}\n" if why else "\n",
        ]
    return Content.assemble(*said)


def tails(job: Job, answer: Mapping[str, Any]) -> Content:
    """A job and the answer to ``jobs`` with its id: the last lines of what it wrote."""
    rows = answer.get("jobs")
    row = rows[0] if isinstance(rows, list) and rows else answer
    said: list[str | tuple[str, str] | Content] = [_job(job)]
    for word in ("stderr", "stdout"):
        lines = row.get(word) or []
        if lines:
            said.append((f"\n{word}, its last lines\n", DIM))
            said += [f"  {values.short(text)}\n" for text in lines]
    return Content.assemble(*said)


def note(item: Item, answer: Mapping[str, Any]) -> Content:
    """A note and the answer to ``notes``, which has it in full."""
    for row in answer.get("notes") or ():
        if row.get("id") == item.id:
            paths = ", ".join(values.short(path) for path in row.get("paths") or ())
            facts = _facts(
                ("from", (item.who, "bold")),
                ("when", f"{looks.clock(item.at, full=True)}, {looks.ago(item.at)}"),
                ("about", paths),
            )
            return Content.assemble(*facts, "\n", values.long(row.get("text")))
    return _item(item)
