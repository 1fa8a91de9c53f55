"""How things look: a mark and a word for all that has a colour, so that nothing is told by colour alone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from textual.theme import Theme

from peermesh.core.clean import age, span
from peermesh.ui.values import Claim, Item, Job, Session, Task

# Blue against orange is told apart with every common kind of colour blindness; red against green is not.
BLUE, SKY, ORANGE, PLAIN, DIM = "#58a6ff", "#9ecbff", "#f0a050", "#e4e8ee", "#8b95a5"
GROUND, RAISED, BAR = "#10151d", "#18202b", "#1e2937"

THEME = Theme(
    name="peer",
    primary=BLUE,
    secondary=SKY,
    accent=ORANGE,
    warning=ORANGE,
    error=ORANGE,
    success=BLUE,
    foreground=PLAIN,
    background=GROUND,
    surface=GROUND,
    panel=RAISED,
    dark=True,
    variables={
        "block-cursor-text-style": "bold underline",  # to be seen without colours too
        "footer-background": BAR,
        "footer-key-foreground": ORANGE,
        "footer-description-foreground": PLAIN,
        "border": BLUE,
        "border-blurred": "#3a4658",
        "scrollbar": "#3a4658",
        "scrollbar-hover": BLUE,
        "scrollbar-active": BLUE,
        "scrollbar-background": GROUND,
        "scrollbar-corner-color": GROUND,
        "input-selection-background": "#58a6ff 40%",
    },
)

# A cell's look: the name of one of these, which `Rows` has as a style of its own.
LOOKS = ("plain", "strong", "dim", "blue", "orange")


@dataclass(frozen=True, slots=True)
class Cell:
    """A text of one line and its look."""

    text: str
    look: str = "plain"


def cell(text: str, look: str = "plain") -> Cell:
    """The same, shorter to write."""
    return Cell(text, look)


STATUS = {
    "busy": Cell("● busy", "orange"),
    "idle": Cell("○ idle", "blue"),
    "waiting": Cell("◆ waiting", "orange"),
    "here": Cell("○ here", "blue"),
    "away": Cell("· away", "dim"),
    "not answering": Cell("! no answer", "orange"),
}

KINDS = {
    "message": Cell("» message", "blue"),
    "question": Cell("? question", "orange"),
    "answer": Cell("« answer", "blue"),
    "done": Cell("= done", "orange"),
    "notice": Cell("! notice", "orange"),
    "note": Cell("# note", "plain"),
    "discovery": Cell("* discovery", "plain"),
    "claim": Cell("■ claim", "orange"),
    "release": Cell("□ release", "dim"),
    "task": Cell("◇ task", "blue"),
    "job": Cell("▶ job", "orange"),
    "joined": Cell("+ joined", "dim"),
    "left": Cell("- left", "dim"),
    "edit": Cell("~ edit", "dim"),
}

TASKS = {
    "open": Cell("○ open", "plain"),
    "taken": Cell("● taken", "orange"),
    "done": Cell("✓ done", "dim"),
    "dropped": Cell("✗ dropped", "dim"),
}


# A job that ended, in the feed; one that began looks as its kind does.
ENDS = {
    "fine": Cell("✓ job", "blue"),
    "failed": Cell("✗ job", "orange"),
    "unknown": Cell("? job", "plain"),
}


def kind(item: Item) -> Cell:
    """What an item of the feed is, as a mark and a word."""
    if item.kind == "job" and item.state in ENDS:
        return ENDS[item.state]
    return KINDS.get(item.kind) or Cell(f"  {item.kind}")


# What became of a message of ours.
STATES = {"queued": "…", "safe": "✓", "held": "⏸", "shown": "✓✓", "refused": "✗"}


# What somebody did with a task.
DID = {"open": "added", "taken": "took", "done": "finished", "reopened": "put back"}


def happened(one: Item) -> str:
    """An item of the feed in one line, behind who did it."""
    first = one.text.partition("\n")[0]
    beside = f" ({first})" if first else ""
    if one.message:
        return f"{STATES.get(one.state, '')} {first}".strip() if one.mine else first
    if one.kind == "claim":
        return f"{one.path}{' for longer' if one.state == 'renewed' else ''}{beside}"
    if one.kind == "release":
        return one.path or f"all: its session {one.state}"
    if one.kind in ("edit", "joined", "left"):
        return f"{one.path} on {first}".strip() if first else one.path
    if one.kind == "task":
        given = one.state == "taken" and one.to not in ("", one.who)
        return f"{'gave' if given else DID.get(one.state, one.state)} {one.id[:4]}: {first}"
    if one.kind == "job":
        return f"started {first}" if one.state == "running" else first
    return f"{first} ({one.path})" if one.path else first


def status(session: Session) -> Cell:
    """What a session does, and for how long."""
    word = session.status if session.here else "away"
    look = STATUS.get(word) or Cell(f"○ {word}")
    return Cell(f"{look.text} {since(session.since)}".strip(), look.look)


def task(one: Task) -> Cell:
    """How far a task is."""
    if one.state == "open" and one.waits_for:
        more = f" +{len(one.waits_for) - 1}" if len(one.waits_for) > 1 else ""
        return Cell(f"… after {one.waits_for[0]}{more}", "dim")
    if one.tentative:
        return Cell("● tentative", "orange")
    return TASKS.get(one.state) or Cell(f"  {one.state}")


def job(one: Job) -> Cell:
    """How a job fares."""
    if one.state == "running":
        return Cell("▶ running", "orange")
    if one.state == "lost":
        return Cell("! lost", "orange")
    if one.signal:
        return Cell(f"✗ {one.signal}", "orange")
    if one.code is None:
        return Cell("? ended", "plain")
    return Cell("✓ done", "blue") if one.code == 0 else Cell(f"✗ exit {one.code}", "orange")


def since(when: float) -> str:
    """For how long, from *when* (wall clock, seconds) on."""
    return span(max(0.0, time.time() - when)) if when else ""


def ago(when: float) -> str:
    """How long ago that was."""
    return age(max(0.0, time.time() - when)) if when else ""


def left(claim: Claim) -> str:
    """How much time a claim has."""
    return span(max(0.0, claim.until - time.time() + 0.999))


def clock(when: float, *, full: bool = False) -> str:
    """The time of day, with the day if that is another one."""
    then, now = time.localtime(when), time.localtime()
    if full:
        return time.strftime("%a %d %b, %H:%M:%S", then)
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%a %H:%M", then)


def fit(text: str, room: int) -> str:
    """*text* in exactly *room* columns, cut with an ellipsis or filled with spaces."""
    if room <= 0:
        return ""
    if cell_len(text) > room:
        return set_cell_size(text, room - 1) + "…"
    return text + " " * (room - cell_len(text))


def tail(text: str, room: int) -> str:
    """*text* in at most *room* columns; of a longer one the end, which tells more of a path."""
    if cell_len(text) <= room:
        return text
    while text and cell_len(text) > room - 1:
        text = text[1:]
    return f"…{text}"


def count(number: int, what: str) -> str:
    """So many of a thing: ``1 session``, ``2 sessions``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def took(one: Job) -> str:
    """How long a job runs, or ran."""
    return since(one.at) if one.state == "running" else span(one.seconds)
