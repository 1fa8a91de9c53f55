"""`peer task`: the board of what is to be done in this repo, and who does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from peermesh.cli import draw, plain
from peermesh.cli.options import Peers, body, json_option
from peermesh.cli.together import Known, Shown, asked, readable
from peermesh.core.clean import age, span

HEADS = ("ID", "STATE", "OWNER", "TITLE")
UNTITLED = 'a task needs a title: peer task add "what is to be done"'
UNSAID = "the word why is empty; write it, or leave it out"


def _ids(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(str(one["id"]), draw.one_line(one["title"])) for one in answer["tasks"]]


OpenTask = Known("task", _ids, "tasks", all=False)
AnyTask = Known("task", _ids, "tasks", all=True)


def _task(kind: Known = OpenTask) -> Callable[[Any], Any]:
    return click.argument("task", metavar="ID", type=kind)


_why = click.argument("why", metavar="[WHY]…", nargs=-1)


@click.group(
    "task",
    cls=Shown,
    short_help="What is to be done in this repo, and who does it.",
    invoke_without_command=True,
)
@json_option
@click.pass_context
def task_command(ctx: click.Context, as_json: bool) -> None:
    """The board of this repo's tasks, the same for all sessions and machines. Without a word more: list it.

    \b
    Example:
      peer task add "move the API to v2"
      peer task
      peer task take 7kq2
    """
    if ctx.invoked_subcommand is None:
        _list(as_json, everything=False)


@task_command.command("add", short_help="Put a task on the board.")
@click.argument("title", nargs=-1)
@click.option(
    "--after",
    metavar="ID",
    multiple=True,
    type=OpenTask,
    help="A task that has to be done first. May be repeated.",
)
@json_option
def add_command(title: tuple[str, ...], after: tuple[str, ...], as_json: bool) -> None:
    """Put a task on the board, for whoever takes it.

    \b
    Example:
      peer task add "move the API to v2"
      peer task add "restyle the dashboard" --after 7kq2
    """
    if not title:
        raise click.UsageError(f"A{UNTITLED[1:]}")
    answer = asked("task", act="add", title=body(title, None, UNTITLED), after=readable(after, "task's id"))
    _say(answer, as_json, _waiting(answer["task"]) or "on the board")


@task_command.command("list", short_help="The board.")
@click.option("--all", "-a", "everything", is_flag=True, help="Also what is done or dropped.")
@click.option("--mine", is_flag=True, help="Only those that I took.")
@json_option
def list_command(everything: bool, mine: bool, as_json: bool) -> None:
    """What is to be done, who does it, and what waits for what.

    \b
    Example:
      peer task list
      peer task list --mine
      peer task list --all --json
    """
    _list(as_json, everything=everything, mine=mine)


@task_command.command("show", short_help="One task and its history.")
@_task(AnyTask)
@json_option
def show_command(task: str, as_json: bool) -> None:
    """One task: its title in full, its owner, what it waits for, and all that happened to it.

    \b
    Example:
      peer task show 7kq2
    """
    row = asked("tasks", task=_named(task), all=True)["tasks"][0]
    if as_json:
        plain.as_json(row)
        return
    for text in _story(row):
        click.echo(text)


@task_command.command("take", short_help="Make a task mine.")
@_task()
@click.option("--anyway", is_flag=True, help="Although it waits for others.")
@json_option
def take_command(task: str, anyway: bool, as_json: bool) -> None:
    """Make a task mine. Exit code 5 if somebody else has it, or if it waits for others.

    The machine on which it was made confirms that. While that machine is out of reach the task is taken
    tentatively: if somebody else took it meanwhile, one of the two keeps it, and the other is told.

    \b
    Example:
      peer task take 7kq2
    """
    answer = asked("task", act="take", task=_named(task), anyway=anyway)
    _say(answer, as_json, f"taken, {_sureness(answer)}")


@task_command.command("assign", short_help="Make a task somebody's.")
@_task()
@click.argument("name", type=Peers())
@json_option
def assign_command(task: str, name: str, as_json: bool) -> None:
    """Make a task somebody's, who is told.

    \b
    Example:
      peer task assign 7kq2 session-b
    """
    answer = asked("task", act="assign", task=_named(task), to=readable([name], "name")[0])
    owner = draw.address(answer["task"]["owner"], answer["task"]["owner_host"])
    _say(answer, as_json, f"assigned to {owner}, {_sureness(answer)}")


@task_command.command("done", short_help="A task is finished.")
@_task()
@_why
@json_option
def done_command(task: str, why: tuple[str, ...], as_json: bool) -> None:
    """A task is finished; what waited for it can begin.

    \b
    Example:
      peer task done 7kq2 "merged as 4f1c2aa"
    """
    _say_change(_change("done", task, why), as_json, "done", why)


@task_command.command("drop", short_help="A task is not to be done any more.")
@_task()
@_why
@json_option
def drop_command(task: str, why: tuple[str, ...], as_json: bool) -> None:
    """A task is not to be done any more; what waited for it waits no longer.

    \b
    Example:
      peer task drop 7kq2 "the page is going away"
    """
    _say_change(_change("drop", task, why), as_json, "dropped", why)


@task_command.command("reopen", short_help="Put a task back on the board.")
@_task(AnyTask)
@_why
@json_option
def reopen_command(task: str, why: tuple[str, ...], as_json: bool) -> None:
    """Put a task back on the board: one that is done, dropped, or taken and not wanted any more.

    \b
    Example:
      peer task reopen 7kq2 "it came back on Safari"
    """
    _say_change(_change("reopen", task, why), as_json, "open again", why)


def _change(act: str, task: str, why: tuple[str, ...]) -> dict[str, Any]:
    return asked("task", act=act, task=_named(task), why=body(why, None, UNSAID) if why else "")


def _named(task: str) -> str:
    return readable([task], "task's id")[0]


# ------------------------------------------------------------ in words


def _say(answer: dict[str, Any], as_json: bool, words: str) -> None:
    """The task's id, what became of it, and its title."""
    if as_json:
        plain.as_json(answer)
        return
    row = answer["task"]
    mark = click.style("…", fg="yellow") if row["tentative"] else click.style("✓", fg="green")
    click.echo(
        f"{mark} {draw.one_line(row['id'])} {words}  {click.style(draw.one_line(row['title']), dim=True)}"
    )


def _say_change(answer: dict[str, Any], as_json: bool, words: str, why: tuple[str, ...]) -> None:
    """The same, with whose task it was, and what may begin now."""
    if not answer["changed"]:
        unkept = "; the reason given now is not kept (peer task reopen it first)" if why else ""
        words = f"was {answer['task']['state']} before{unkept}"
    elif answer["was_with"]:
        words += f", it was with {draw.one_line(answer['was_with'])}"
    if answer["freed"]:
        words += f", {', '.join(map(draw.one_line, answer['freed']))} can begin"
    _say(answer, as_json, words)


def _sureness(answer: dict[str, Any]) -> str:
    """Whether the taking is settled, and if not, by whom it will be."""
    if answer["confirmed"]:
        return "confirmed"
    host = draw.one_line(answer["waits_for_host"])
    if host:
        return f"tentative: {host} is out of reach; it is settled when that machine is back"
    return "tentative: it is settled in a moment; peer task show tells"


def _waiting(row: dict[str, Any], most: int = 16) -> str:
    """What a task waits for: at most *most* ids."""
    ids = [draw.one_line(one) for one in row["waits_for"]]
    rest = f" +{len(ids) - most}" if len(ids) > most else ""
    return f"waits for {', '.join(ids[:most])}{rest}" if ids else ""


def _list(as_json: bool, *, everything: bool, mine: bool = False) -> None:
    answer = asked("tasks", all=everything)
    rows = [row for row in answer["tasks"] if row["mine"] or not mine]
    if as_json:
        plain.as_json(rows)
    elif rows:
        head, *lines = draw.rows(HEADS, [_row(one) for one in rows], [_look(one) for one in rows])
        click.echo(head)
        for text, row in zip(lines, rows, strict=True):
            click.echo(text)
            if row["state"] == "open" and row["why"]:  # it was somebody's, or done, before
                why = draw.fit(
                    f"back on the board: {draw.one_line(row['why'])}", draw.width() - len(draw.INDENT)
                )
                click.secho(f"{draw.INDENT}{why.rstrip()}", dim=True)
    else:
        nothing = "no task is yours" if mine else "no tasks yet" if everything else "nothing to do"
        click.echo(
            f"{nothing} in {draw.one_line(answer['repo'])}; put something on the board: peer task add TITLE"
        )


def _row(row: dict[str, Any]) -> tuple[str, str, str, str]:
    return row["id"], _state(row), _owner(row), row["title"]


def _state(row: dict[str, Any]) -> str:
    if row["state"] == "open":
        return _waiting(row, most=1) or "open"
    word = "tentative" if row["tentative"] else row["state"]
    return f"{word} {span(row['changed'])}"


def _owner(row: dict[str, Any]) -> str:
    if not row["owner"]:
        return ""
    away = " (away)" if row["state"] == "taken" and not row["owner_here"] else ""
    return draw.address(row["owner"], row["owner_host"]) + (" (you)" if row["mine"] else away)


def _look(row: dict[str, Any]) -> dict[str, Any]:
    if row["state"] in ("done", "dropped") or (row["state"] == "open" and row["waits_for"]):
        return {"dim": True}
    if row["state"] == "taken":
        return {"fg": "green"} if row["mine"] else {"fg": "yellow"}
    return {}


def _story(row: dict[str, Any]) -> list[str]:
    """A task as a person reads it."""
    said = [f"{click.style(draw.one_line(row['id']), bold=True)}  {draw.one_line(row['title'])}"]
    facts = [_fact(row), _waiting(row)]
    after = ", ".join(draw.one_line(one) for one in row["after"])
    facts.append(f"comes after {after}" if after and not row["waits_for"] else "")
    said += [f"{draw.INDENT}{one}" for one in facts if one]
    history = [(age(row["age"]), f"added by {draw.address(row['by'], row['host'])}")]
    history += [(age(one["age"]), _happened(one)) for one in row["history"] if one["what"] != "task"]
    wide = max(draw.cells(when) for when, _ in history)
    for when, words in history:
        said.append(f"{draw.INDENT}{click.style(draw.fit(when, wide), dim=True)}  {words}")
    return said


def _happened(one: dict[str, Any]) -> str:
    """One event of a task's life in words; those that a later version of peer knows by their own name."""
    by, to = draw.address(one["by"]), draw.address(one.get("to") or "")
    words = {
        "take": f"assigned to {to} by {by}" if to not in ("", by) else f"taken by {by}",
        "verdict": f"{'confirmed' if one.get('granted') else 'refused'} for {to}",
        "done": f"done by {by}",
        "drop": f"dropped by {by}",
        "reopen": f"put back by {by}",
        "gone": f"{by} ended",
    }
    why = f": {draw.one_line(one['why'])}" if one["why"] else ""
    return words.get(one["what"], f"{draw.one_line(one['what'])} by {by}") + why


def _fact(row: dict[str, Any]) -> str:
    """Its state as a sentence."""
    why = f": {draw.one_line(row['why'])}" if row["why"] else ""
    if row["state"] == "open":
        return f"open since {span(row['changed'])}{why}"
    word = "taken tentatively" if row["tentative"] else draw.one_line(row["state"])
    owner = f" by {_owner(row)}" if row["owner"] and row["state"] == "taken" else ""
    return f"{word}{owner}, {age(row['changed'])}{why}"
