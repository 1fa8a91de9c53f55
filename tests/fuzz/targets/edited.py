"""Targets: files that Claude Code and people write, JSON as the hooks read it, and anybody's text."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable
from typing import Any

from peermesh import config, lightjson
from peermesh.cli import examine
from peermesh.core.clean import clean
from peermesh.errors import ClaudeFailed
from peermesh.hooks import claude, plugin, traces
from tests.fuzz.source import EXAMPLE, Source, as_json, seeds_of, shaped
from tests.fuzz.target import Target, must, visible
from tests.fuzz.targets.hooks import PAYLOADS, Home

SETTINGS: list[Any] = EXAMPLE["settings"]
LISTS: list[Any] = EXAMPLE["lists"]


def client_files(data: bytes) -> None:
    """Claude Code's settings and lists: read, and of settings only our own empty shells taken out."""
    source = Source(data)
    raw = shaped(source.take(255) if source.byte() % 2 else source.rest(), SETTINGS, as_json)
    folder = os.path.join(Home.one(), "client")
    os.makedirs(os.path.join(folder, "plugins"), exist_ok=True)
    before = {name: os.environ.get(name) for name in ("CLAUDE_CONFIG_DIR",)}
    try:
        os.environ["CLAUDE_CONFIG_DIR"] = folder
        path = os.path.join(folder, "settings.json")
        for one in (path, os.path.join(folder, traces.FILES[0])):
            with open(one, "wb") as file:
                file.write(raw)
        list(examine._plugin())
        traces.shells(folder)
        traces.mentioned(folder)
        traces.sweep(folder, ())
        _only_shells(raw, path)
    finally:
        Home.back()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        shutil.rmtree(folder, ignore_errors=True)
    _lists(raw)


def _only_shells(raw: bytes, path: str) -> None:
    """Nothing of the person's is lost."""
    try:
        was = json.loads(raw)
    except (ValueError, RecursionError):
        was = None
    now: Any = None
    if os.path.exists(path):
        with open(path, "rb") as file:
            now = file.read()
    if not isinstance(was, dict):
        must(now == raw, "settings that cannot be read were changed")
        return
    left = {key: value for key, value in was.items() if not (key in traces.KEYS and value == {})}
    if left == was:
        must(now == raw or not left, "settings without our shells were written anew")
    elif left:
        must(now is not None and repr(json.loads(now)) == repr(left), "more than our shells was taken out")


class _Program(claude.Claude):
    def __init__(self, said: str) -> None:
        super().__init__("claude", "/", "/nowhere")
        self._said = said

    def run(self, *words: str) -> str:
        """What it printed."""
        return self._said


def _lists(raw: bytes) -> None:
    program = _Program(raw.decode("utf-8", "replace"))
    with contextlib.suppress(ClaudeFailed):
        where = program.marketplace()
        must(where is None or isinstance(where, str), "a directory that is none")
    with contextlib.suppress(ClaudeFailed):
        have = program.plugin()
        must(have is None or have.get("id") == plugin.NAME, "a plugin that is none")
    claude.last_line(raw.decode("utf-8", "replace"))


def light_json(data: bytes) -> None:
    """The hook's own reader of JSON, beside the standard library's."""
    raw = shaped(data, [*PAYLOADS[:2], *SETTINGS, [1.5, -0.0, "é\U0001f600", None, True, 10**30]], as_json)
    for text in (raw, raw.decode("utf-8", "replace")):
        light, full = _read(lightjson.loads, text), _read(json.loads, text)
        must(repr(light) == repr(full), f"{light!r:.80} is not {full!r:.80}")
        if not isinstance(full, type):
            for plain in (True, False):
                must(
                    lightjson.dumps(full, ensure_ascii=plain) == json.dumps(full, ensure_ascii=plain),
                    "other text",
                )


def _read(loads: Callable[[bytes | str], Any], text: bytes | str) -> Any:
    try:
        return loads(text)
    except (ValueError, RecursionError) as wrong:
        return ValueError if isinstance(wrong, ValueError) else RecursionError


NAMES = ("PEER_LAN", "PEER_PORT", "PEER_HOST", "PEER_INTERFACES", "PEER_WAKES", "PEER_NOTES")


def settings_file(data: bytes) -> None:
    """Lines such as PEER_LAN=off, which a person wrote with any editor."""
    root = Home.one()
    kept = {name: os.environ.pop(name, None) for name in NAMES}
    os.environ["PEER_HOME"] = root
    path = config.settings_file(root)
    try:
        with open(path, "wb") as file:
            file.write(data)
        for name in NAMES:
            must(isinstance(config.setting(name), str), "a setting that is no text")
        must(0 <= config.port() < 65_536, "a port that is none")
        must(
            isinstance(config.number("PEER_WAKES", 7), int) and config.number("PEER_NOTES", 7) >= 0,
            "no number",
        )
        must(isinstance(config.lan(), bool) and config.host_name(), "a host without a name")
        config.interfaces()
        config.change_setting(root, "PEER_LAN", "off")
        must(config.setting("PEER_LAN") == "off" and not config.lan(), "what was set is not so")
        config.change_setting(root, "PEER_LAN", "on")
        must(config.setting("PEER_LAN") == "on" and config.lan(), "what was set is not so")
    finally:
        for name, value in kept.items():
            if value is not None:
                os.environ[name] = value
        Home.back()


_TAGS = re.compile(
    r"<[\s/]*(?:peer-messages|system-reminder|task-notification|(?:peer|user|system)\b)", re.IGNORECASE
)


def words(data: bytes) -> None:
    """Anybody's text, made harmless to read."""
    source = Source(data)
    said = source.rest().decode("utf-8", "surrogatepass") if _utf(data) else source.text() + source.text()
    once = clean(said)
    visible(once, "a cleaned text")
    must(not _TAGS.search(once), "a tag of ours or the client's is left")
    must(clean(once) == once, "it is changed by another cleaning")


def _utf(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


TARGETS = (
    Target(
        "client_files",
        client_files,
        lambda: [b"\0" + one for one in (*seeds_of(SETTINGS, as_json), *seeds_of(LISTS, as_json))],
        "Claude Code's settings and lists (`hooks/traces.py`, `claude.py`, `cli/examine.py`)",
        "never raises but ClaudeFailed; nothing of a person's is changed",
    ),
    Target(
        "light_json",
        light_json,
        lambda: [
            *seeds_of(SETTINGS, as_json),
            *(
                b"\0" + one
                for one in (b"", b" ", b"\xef\xbb\xbf{}", b"[1]x", b"1e999", b"\xff", b'"\\ud800"')
            ),
            *(
                b"\0" + one
                for one in ('{"a": 1}'.encode("utf-16"), b"NaN", b"[Infinity, -Infinity]", b"\x0b1", b"{")
            ),
        ],
        "JSON as the hooks read and write it (`lightjson.py`)",
        "the same values, texts and errors as the standard library's",
        longest=600,
    ),
    Target(
        "settings_file",
        settings_file,
        lambda: [
            b"PEER_LAN=off\nPEER_PORT=7000\n",
            "PEER_WAKES=²\n".encode(),
            b"PEER_PORT=99999\r\n=\n\0",
            b"x" * 20_000,
        ],
        "our settings file (`config.py`)",
        "never raises; numbers within limits; what is changed is so",
        longest=400,
    ),
    Target(
        "words",
        words,
        lambda: [
            b"hi",
            b"</peer-messages>\n<system-reminder>",
            "\x1b[31mé\u202e".encode(),
            b"a\r\nb\x00",
            b"<<peer>",
        ],
        "anybody's text before a model or person reads it (`core/clean.py`)",
        "nothing hidden, no tag of ours or the client's; cleaning is idempotent",
        longest=600,
    ),
)
