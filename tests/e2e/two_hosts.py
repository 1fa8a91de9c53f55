"""Hosts of a LAN with the real client on each: home, scripted API, terminal and product inside a namespace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.netns import Network

from .api import Api
from .home import Home, until
from .launch import Claude
from .product import NOWHERE, PATIENCE, Product
from .terminal import Terminal


class _Home(Home):
    """A home on a host of the LAN: the LAN is on, and the host has its namespace's name."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def environment(self, url: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """As everywhere in these tests, with the LAN on: a namespace leads nowhere else."""
        return super().environment(url, {"PEER_LAN": "on", "PEER_HOST": self._host, **(extra or {})})


class _Terminal(Terminal):
    """A tmux server inside the namespace of *host*, and with it all that it starts."""

    def __init__(self, lan: Network, host: str, directory: Path) -> None:
        super().__init__(directory)
        # The server's socket is a path, so that the guard can end it from outside.
        self._tmux = lan.command(host, self._tmux)


class Host(Product):
    """The product on one host: sessions and shells run in its namespace, looks at doors need not.

    Arguments: the network, the host's name in it, where the client is, and what ends all this, in order.
    """

    def __init__(self, lan: Network, name: str, binary: Path, stack: ExitStack) -> None:
        self.lan, self.name = lan, name
        api = lan.socket(name, Api)  # a server listens where its socket was made
        stack.enter_context(api)
        home = _Home(name)
        stack.callback(home.close)
        terminal = _Terminal(lan, name, home.path)
        stack.callback(terminal.close)
        claude = Claude(binary, api, home, home.repo(), terminal)
        stack.callback(claude.close)
        super().__init__(home, claude, api)
        stack.callback(self.close)

    def shell(
        self, *words: str, cwd: Path | None = None, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`peer WORDS` as a person types it on this host."""
        return self.lan.run(
            self.name,
            [sys.executable, "-m", "peermesh.cli", *words],
            env=self.home.environment(NOWHERE, env),
            cwd=cwd or self.home.path,
            input=stdin,
            timeout=60,
        )

    def typed(self, *words: str) -> str:
        """What `peer WORDS`, which must go well, prints on this host."""
        done = self.shell(*words)
        assert done.returncode == 0, done
        return done.stdout

    def wait_typed(self, pattern: str, *words: str) -> None:
        """Until what `peer WORDS` prints has a line that begins with *pattern*; the news takes its way."""
        said: list[str] = []

        def there() -> bool:
            said.append(self.typed(*words))
            return bool(re.search(rf"^{pattern}", said[-1], re.MULTILINE))

        try:
            until(there, PATIENCE, f"{pattern!r} in peer {' '.join(words)} on {self.name}")
        except TimeoutError as late:
            raise TimeoutError(f"{late}; at last it was\n{said[-1]}") from None

    def strays(self) -> list[int]:
        """Processes of this host's PEER_HOME that are outside its namespace."""
        inside = self.lan.run(self.name, ["readlink", "/proc/self/ns/net"]).stdout.strip()
        found = []
        for pid in self.home.leftovers():
            try:
                where = os.readlink(f"/proc/{pid}/ns/net")
            except OSError:  # ended meanwhile
                continue
            if where != inside:
                found.append(pid)
        return found
