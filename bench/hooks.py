"""What a hook costs: with nothing to say, with one message, against the shell and an empty interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from stage import ROOT, Stage, interleaved, ms, ratio, stage, timed, until

STARTS = 15  # each starts a sidecar
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "60"))


def hook_file(here: Stage) -> str:
    """hook.sh as `peer setup` would write it."""
    with open(os.path.join(ROOT, "peermesh", "hooks", "files", "hook.sh"), encoding="utf-8") as file:
        text = file.read().replace("@PYTHON@", sys.executable).replace("@ROOT@", ROOT)
    path = os.path.join(here.home, "hook.sh")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o700)
    return path


def main() -> None:
    """Print the table."""
    with stage() as here:
        here.session("a")
        here.session("b")
        to_b = here.open("b").ask("name")["name"]
        path, env = hook_file(here), here.environment("b")
        said = json.dumps({"session_id": "b", "cwd": here.home, "prompt": "go on"}).encode()
        sender = here.open("a")

        def run(*words: str) -> None:
            subprocess.run(words, env=env, input=said, capture_output=True, check=True)

        def with_message() -> None:
            run(path, "Stop")

        run(path, "UserPromptSubmit")  # the briefing, which is said once
        run(path, "UserPromptSubmit")
        acts = {
            "`/bin/sh -c :`": lambda: run("/bin/sh", "-c", ":"),
            "`python3 -I -S -c pass`": lambda: run(sys.executable, "-I", "-S", "-c", "pass"),
            "UserPromptSubmit, nothing to say": lambda: run(path, "UserPromptSubmit"),
            "Stop, nothing to say": lambda: run(path, "Stop"),
            "PostToolBatch, nothing to say": lambda: run(path, "PostToolBatch"),
        }
        quiet = interleaved(acts, ROUNDS)

        def prompt_with_message() -> None:
            run(path, "UserPromptSubmit")

        def send() -> None:
            sender.ask(
                "send",
                to=to_b,
                body="a message of an ordinary length, as sessions write",
                wait="safe",
                within=5,
            )

        loud = []
        for _ in range(ROUNDS):
            send()
            loud.append(timed(prompt_with_message))
        starts = []
        for number in range(STARTS):
            name = f"new{number}"
            here.client(name)
            fresh = json.dumps({"session_id": name, "cwd": here.home, "source": "startup"}).encode()
            words = ([path, "SessionStart"], here.environment(name), fresh)
            starts.append(timed(lambda w=words: subprocess.run(w[0], env=w[1], input=w[2], check=True)))  # type: ignore[misc]
            until(lambda n=name: here.door(n))  # type: ignore[misc]
        base = quiet["`/bin/sh -c :`"]
        rows = {**quiet, "UserPromptSubmit, one message": loud, "SessionStart, starts the sidecar": starts}
        print("| hook | median ms | 90 % ms | ratio to `/bin/sh -c :` |\n|---|---|---|---|")
        for name, seconds in rows.items():
            median, ninety = ms(seconds).split(" | ")
            print(f"| {name} | {median} | {ninety} | {ratio(seconds, base):.2f} |")


if __name__ == "__main__":
    main()
