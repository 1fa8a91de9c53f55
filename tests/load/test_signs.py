"""A hook's first step may be faster than the sidecar's commit: its sign counts for what was shown just before."""

from __future__ import annotations

import json

from tests.live.conftest import Sessions
from tests.live.home import knock, until

# Requests that the sidecar reads in one go with the first of them, and that keep it for some 50 ms.
BUSY = 200


def test_a_stop_right_behind_what_was_shown(session: Sessions) -> None:
    """The turn ends while the sidecar has not got round to keep what the hook told it: shown, and shown once."""
    one, two = session("a"), session("b")
    ident = one.send("b", "word")
    door = knock(str(two.link))
    assert door is not None
    asked = json.loads(two.payload("UserPromptSubmit", prompt="go on"))
    spec = {"session": two.id, "client": two.client.pid, "cwd": str(two.cwd)}
    said = door.ask(
        "hook", 5.0, event="UserPromptSubmit", client=two.client.pid, spec=spec, session=two.id, source="",
        reason="", prompt=asked["prompt"], prompt_id="", cwd=str(two.cwd), tool="", path="",
    )  # fmt: skip
    assert "word" in said["text"]
    lines = [{"do": "shown", "hand": said["hand"]}, *({"do": "list"} for _ in range(BUSY))]
    door._socket.sendall(
        b"".join(json.dumps({"v": 1, "id": 100 + n, **line}).encode() + b"\n" for n, line in enumerate(lines))
    )
    while door.read()["id"] != 100:
        pass
    assert two.stop() == ""
    until(lambda: one.state(ident) == "shown", "the receipt")
    door.close()
    assert "word" not in two.prompt()
