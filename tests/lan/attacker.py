"""Run inside a namespace by test_attacks.py: a host that speaks the protocol and means harm.

    attacker.py '{"secret": HEX, "server": HEX, "endpoint": "tcp://…", "say": [HEX, …], "wait": SECONDS}'

Dials, says each frame, and prints what came back as a line of JSON: {"lost": why, "heard": [HEX, …]}.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from peermesh.mesh.hosts.curve import Dialler, public_of
from peermesh.mesh.links import end_context, make_context


async def attack(plan: dict[str, Any]) -> dict[str, Any]:
    """Carry the plan out."""
    context = make_context()
    heard: list[str] = []
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    secret = bytes.fromhex(plan["secret"])
    dialler = Dialler(
        context,
        (public_of(secret), secret),
        server=bytes.fromhex(plan["server"]),
        endpoint=plan["endpoint"],
        received=lambda data: heard.append(data.hex()),
        lost=lambda why: None if lost.done() else lost.set_result(why),
    )
    for one in plan["say"]:
        dialler.send(bytes.fromhex(one))
        await asyncio.sleep(plan.get("pause", 0.0))
    try:
        why = await asyncio.wait_for(lost, plan["wait"])
    except TimeoutError:
        why = ""
    dialler.close()
    end_context(context)
    return {"lost": why, "heard": heard}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(attack(json.loads(sys.argv[1])))))
