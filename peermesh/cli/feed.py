"""`peer log`: what happened, one line each, and with -f as it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import click

from peermesh import config
from peermesh.cli import draw, link, plain
from peermesh.cli.options import Peers, Span, json_option
from peermesh.cli.screen import Screen
from peermesh.cli.together import asked, here
from peermesh.core.clean import clean, line
from peermesh.door.client import Door
from peermesh.errors import NoSidecar

# What there is to follow, and its colour; the word for it stands in each line too.
KINDS = {
    "message": "cyan",
    "receipt": "bright_black",
    "note": "yellow",
    "discovery": "yellow",
    "claim": "magenta",
    "release": "magenta",
    "edit": "blue",
    "task": "green",
    "job": "green",
    "joined": "white",
    "left": "white",
}
# Items in one question, for one that goes through all of them, and seconds for which one waits for the next.
PAGE, WAIT = 500, 5.0
# Letters of a line; in full, `peer read` and `peer notes` give what was said.
LONGEST = 400
# Columns for the kind, and for the words at least.
KIND, NARROW = 9, 20
# A sidecar that ended by intention is looked for this often; one that died is asked again after so long.
LOOK, AGAIN = 0.5, 0.1  # seconds
# Letters of a task's id, as the board shows them.
TASK = 4
# How a job fares: what a running one does has no mark.
MARKS = {"fine": "✓", "failed": "✗", "unknown": "?"}


@click.command("log", short_help="What happened here, and with -f what happens.")
@click.option("--follow", "-f", is_flag=True, help="Go on as it happens.")
@click.option(
    "--kind", "-k", "kinds", type=click.Choice(list(KINDS)), multiple=True, help="Only that. May be repeated."
)
@click.option("--from", "who", metavar="NAME", type=Peers(), default="", help="Only what NAME did or said.")
@click.option("--since", type=Span(), help="Only what happened in the last 30m, 2h, 1d.")
@click.option(
    "--most", "-n", type=click.IntRange(0, 2_000), default=40, show_default=True, help="The newest so many."
)
@json_option
def log_command(
    follow: bool, kinds: tuple[str, ...], who: str, since: float | None, most: int, as_json: bool
) -> None:
    """What happened in this project and to my messages: messages, receipts, notes, claims, edits, tasks, jobs,
    who came and who went. With --json, one object a line.

    \b
    Example:
      peer log --since 2h
      peer log -f --kind message --kind note
    """
    wanted = _Wanted(kinds, who, time.time() - since if since is not None else 0.0)
    past, after = _past(wanted)
    if who and not wanted.met:
        asked("alive", to=who)  # nobody is called so: that is said, with the names that are like it
    for item in past[len(past) - most :] if most else []:
        _print(item, as_json)
    if not past and not follow and not as_json:
        click.echo("nothing happened yet" if wanted.everything else "nothing like that happened")
    if follow:
        for item in _coming(after):
            if wanted.has(item):
                _print(item, as_json)


class _Wanted:
    """What is to be printed.

    Args:
        kinds: these; none for all but signs that a message is safe, which each one gives.
        who: "" for everybody, or a name, with or without its machine's.
        since: wall clock, seconds.
    """

    def __init__(self, kinds: tuple[str, ...], who: str, since: float) -> None:
        self._kinds, self._who, self._since = kinds, who.casefold(), since
        self.met = False  # whether anything was of whom is wanted

    @property
    def everything(self) -> bool:
        return not self._kinds and not self._who and not self._since

    def has(self, item: dict[str, Any]) -> bool:
        if self._kinds:
            known = item["kind"] in self._kinds
        else:
            known = (item["kind"], item["state"]) != ("receipt", "safe")
        full = f"{item['who']}@{item['host'] or config.host_name()}"
        theirs = self._who in (item["who"].casefold(), full.casefold())
        self.met = self.met or theirs
        return known and (not self._who or theirs) and item["at"] >= self._since


def _past(wanted: _Wanted) -> tuple[list[dict[str, Any]], int]:
    """What happened, as far as it is held, and the number to go on from."""
    found, after, more = [], 0, True
    while more:
        answer = asked("feed", after=after, most=PAGE)
        found += [item for item in answer["items"] if wanted.has(item)]
        after, more = int(answer["after"]), len(answer["items"]) == PAGE
    return found, after


def _coming(after: int) -> Iterator[dict[str, Any]]:
    """What happens, for ever; a sidecar that dies is started again."""
    near, cwd = link.door(), here()
    while True:
        try:
            answer = near.ask("feed", timeout=2 * WAIT, cwd=cwd, after=after, most=PAGE, wait=WAIT)
        except NoSidecar:
            near = _next()
            continue
        except OSError:
            time.sleep(AGAIN)
            near = link.door()
            continue
        after = int(answer["after"])
        if draw.nobody_reads():
            raise BrokenPipeError
        if answer["missed"]:
            click.secho("some of what happened is not held any more", dim=True, err=True)
        yield from answer["items"]
        if answer.get("retire"):
            near = _next()


def _next() -> Door:
    """The sidecar ended by intention: wait until there is one again."""
    while True:
        time.sleep(LOOK)
        near = link.running()
        if near is not None:
            return near


# ------------------------------------------------------------ how it looks


def _print(item: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(item, ensure_ascii=False))
        return
    when, kind = _clock(item["at"]), draw.fit(draw.one_line(item["kind"]), KIND)
    who = draw.address(item["who"], item["host"]) + (" (you)" if item["mine"] else "")
    words, tail = line(clean(_words(item)), LONGEST), draw.one_line(_tail(item))
    if Screen.live():
        room = draw.width() - draw.cells(f"{when}  {kind}  {who} {tail}") - 2
        words = draw.fit(words, max(room, NARROW)).rstrip()
    parts = (
        click.style(when, dim=True),
        click.style(kind, fg=KINDS.get(item["kind"])),
        f"{click.style(who, bold=True)} {words}",
        click.style(tail, dim=True),
    )
    click.echo("  ".join(parts).rstrip() if tail else "  ".join(parts[:-1]).rstrip())


def _clock(at: float) -> str:
    """The time of day, with the day if that is another one."""
    now, then = time.localtime(), time.localtime(at)
    return time.strftime("%H:%M:%S" if now[:3] == then[:3] else "%b %d %H:%M", then)


def _tail(item: dict[str, Any]) -> str:
    """The name by which it can be read, answered or changed."""
    return str(item["id"]) if item["kind"] in ("message", "receipt", "job") else ""


def _words(item: dict[str, Any]) -> str:
    """What happened, behind who did it."""
    text, path, state = str(item["text"]), str(item["path"]), str(item["state"])
    to = str(item["group"] or item["to"])
    match item["kind"]:
        case "message":
            what = "" if item["what"] == "message" else f" ({item['what']})"
            return f"→ {to}{what}: {text}"
        case "receipt":
            mark = plain.STATE_LOOK.get(state, ("", ""))[0]
            return f"→ {to}: {mark} {state}" + (f", {text}" if text else "")
        case "claim":
            return f"{path}{' for longer' if state == 'renewed' else ''}" + (f" ({text})" if text else "")
        case "release":
            return path or text
        case "edit" | "joined" | "left":
            return path + (f" on {text}" if text else "")
        case "task":
            return f"{_moved(item, state, to)}: {text}"
        case "job":
            mark = "started" if state == "running" else MARKS.get(item["what"], "")
            return f"{mark} {text}".lstrip()
        case _:
            return f"{text} ({path})" if path else text


def _moved(item: dict[str, Any], state: str, to: str) -> str:
    """What somebody did with a task, behind the name."""
    one = str(item["id"])[:TASK]
    words = {
        "open": f"added {one}",
        "taken": f"took {one}" if to in ("", item["who"]) else f"gave {one} to {to}",
        "confirmed": f"confirmed that {one} is {to}'s" if to else f"confirmed {one}",
        "refused": f"refused {one}{f' to {to}' if to else ''}",
        "dropped": f"dropped {one}",
        "done": f"finished {one}",
        "reopened": f"put {one} back",
    }
    return words.get(state, f"{state} {one}")
