"""The panel as a program: the door's thread on one side, the screen on the other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from textual.app import App
from textual.message import Message

from peermesh.ui import looks
from peermesh.ui.door import Connect, Knock, Told, Watch, ask_once
from peermesh.ui.main import Panel


class Heard(Message):
    """The door's thread has something to tell."""

    def __init__(self, told: Told) -> None:
        super().__init__()
        self.told = told


class PeerApp(App[None]):
    """Draws what comes through the door, until it is quit.

    Args:
        connect: opens the door; starts the sidecar if it is not there.
        knock: opens the door of a sidecar that runs.
        fields: what each question says besides: ``cwd``, and ``lan`` where nothing may leave this machine.
    """

    CSS_PATH = "panel.tcss"
    TITLE = "peer"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS: ClassVar[str | None] = None

    def __init__(self, connect: Connect, knock: Knock, fields: Mapping[str, Any]) -> None:
        # Textual makes greys of all colours for NO_COLOR, but of a terminal's own colours none at all.
        super().__init__(ansi_color=bool(os.environ.get("NO_COLOR")))
        self._connect_door, self._fields = connect, fields
        self._watch = Watch(connect, knock, fields, lambda told: self.post_message(Heard(told)))
        self.panel = Panel()
        self._ended = False

    async def on_mount(self) -> None:
        """Show the panel, and then listen."""
        self.register_theme(looks.THEME)
        self.theme = looks.THEME.name
        await self.push_screen(self.panel)
        self._watch.start()

    def on_heard(self, event: Heard) -> None:
        """Give it to the panel, also while something else is above it."""
        if self.panel.is_mounted and not self._ended:
            self.panel.take(event.told)

    async def action_quit(self) -> None:
        """End."""
        self._end()
        await super().action_quit()

    def on_unmount(self) -> None:
        """It ends in another way."""
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._watch.stop()

    def ask(self, do: str, fields: Mapping[str, Any], *, shown: bool = False) -> dict[str, Any]:
        """One question on a person's behalf; see ``door.ask_once``. For threads: it waits."""
        return ask_once(self._connect_door, do, {**self._fields, **fields}, shown=shown)
