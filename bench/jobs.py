"""What it costs to run a process by peer, and how soon its end is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from stage import Stage, interleaved, ms, ratio, stage, until

from peermesh.door.client import Door

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "20"))
# No turn ends here: after 16 messages in one a session says no more of its own.
ENDS = 10
PEER = os.path.join(os.path.dirname(sys.executable), "peer")


def told(here: Stage, waiter: Door) -> float:
    """Seconds from the end of a detached process until an idle session's waiter has the text."""
    mark = os.path.join(here.home, "mark")
    script = f"while [ ! -e {mark} ]; do sleep 0.01; done; date +%s.%N >{mark}.ended"
    words = [PEER, "run", "--detach", "--", "sh", "-c", script]
    subprocess.run(words, env=here.environment("a"), cwd=here.home, capture_output=True, check=True)
    waiter.write("wait", 1, {"session": "a", "client": 0})
    with open(mark, "w", encoding="ascii"):
        pass
    answer = waiter.read()["ok"]
    came = time.time()
    assert "ended with exit code 0" in answer["text"], answer
    waiter.ask("shown", hand=answer["hand"])
    with open(f"{mark}.ended", encoding="ascii") as file:
        ended = float(file.read())
    for path in (mark, f"{mark}.ended"):
        os.unlink(path)
    return came - ended


def main() -> None:
    """Print the tables."""
    with stage() as here:
        for env in (here.env, os.environ):  # sidecars have the second
            env.update(PEER_WAKES="1000", PEER_WAKES_PER_MINUTE="1000")
        here.session("a")
        env = here.environment("a")

        def run(*words: str) -> None:
            subprocess.run(words, env=env, cwd=here.home, capture_output=True, check=True)

        acts = {
            "`true`": lambda: run("true"),
            "`peer list`": lambda: run(PEER, "list"),
            "`peer run -- true`": lambda: run(PEER, "run", "--", "true"),
        }
        rows = interleaved(acts, ROUNDS)
        print("| command | median ms | 90 % ms | ratio to `peer list` |\n|---|---|---|---|")
        for name, seconds in rows.items():
            median, ninety = ms(seconds).split(" | ")
            print(f"| {name} | {median} | {ninety} | {ratio(seconds, rows['`peer list`']):.2f} |")
        # What those runs told waits for the session: it is read first.
        until(lambda: not here.open("a").ask("inbox", peek=True, most=500)["messages"] or _read(here))
        waiter = here.open("a")
        ends = [told(here, waiter) for _ in range(ENDS)]
        median, ninety = ms(ends).split(" | ")
        print(
            f"\nFrom the end of a process until an idle session's waiter has the text: {median} ms, 90 % {ninety} ms."
        )


def _read(here: Stage) -> bool:
    """Read what waits; whether nothing is left is seen by the next look."""
    near = here.open("a")
    answer = near.ask("inbox", most=500)
    if answer.get("hand"):
        near.ask("shown", hand=answer["hand"])
    return False


if __name__ == "__main__":
    main()
