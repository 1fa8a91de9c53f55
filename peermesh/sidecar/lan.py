"""The door's verbs about other hosts: inviting, joining, trusting, and where they are looked for."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from peermesh import config
from peermesh.errors import BadRequest, BadUsage, CannotListen, LanOff, NotReached, PeerError
from peermesh.mesh.hosts.token import USUAL_PORT, Token, check_address, choose, with_port
from peermesh.sidecar import lanstate, offers
from peermesh.sidecar.resolving import look_up
from peermesh.store.trust import SECRET_BYTES
from peermesh.store.trusted import KEY_BYTES, Trusted, fingerprint

if TYPE_CHECKING:
    from peermesh.core.words import Card
    from peermesh.door.server import Caller
    from peermesh.sidecar.joining import Welcomed
    from peermesh.sidecar.process import Sidecar

# A port is opened at the keeper's next look, half a second later.
LISTENING = 6.0  # seconds
LOOK = 0.05
# A gate that begins has its links within this, if it can have them.
MEETING = 1.0
# The longest name a host may be wished.
NAME = 60

Verb = Callable[["Caller", int, dict[str, Any]], dict[str, Any] | None]


class LanDesk:
    """Answers questions about other hosts.

    Args:
        sidecar: whose door it is.
    """

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._waiting: set[asyncio.Task[None]] = set()
        self._open_door = b""  # the secret of an invitation that nobody was given
        self.verbs: dict[str, Verb] = {
            "hosts": self._hosts,
            "lan": self._switched,
            "invite": self._invite,
            "join": self._join,
            "gate": self._gate,
            "offer": self._offer,
            "offers": self._offers,
            "introduce": self._introduce,
            "rename_host": self._rename,
            "remove_host": self._remove,
            "connect": self._connect,
            "uninvite": self._uninvite,
        }

    @staticmethod
    def _must_have_lan() -> None:
        if not config.lan():
            raise LanOff(config.why_no_lan())

    def state(self) -> dict[str, Any]:
        """How the gate fares, in whichever sidecar it runs; {} if none does."""
        return lanstate.read(self._sidecar.root)

    def up(self) -> dict[str, bool]:
        """Each trusted host's name, and whether it is reached just now."""
        links = self.state().get("hosts", {})
        return {one.name: bool(links.get(one.key, {}).get("up")) for one in self._sidecar.trust.read().hosts}

    def meeting(self) -> bool:
        """Whether this sidecar began just now, and other hosts may be reached in a moment."""
        fresh = time.time() - self._sidecar.started < MEETING
        return fresh and config.lan() and not all(self.up().values())

    # ------------------------------------------------------------ who is trusted

    def _hosts(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        trust, state = self._sidecar.trust.read(), self.state()
        seen = self._sidecar.host.remotes.hosts()
        links = state.get("hosts", {})
        sessions = [c for c in self._sidecar.cards() if c.host_key and not c.person]
        rows = []
        for one in trust.hosts:
            link, last = links.get(one.key, {}), seen.get(one.key)
            here = [c for c in sessions if c.host_key == one.key and self._sidecar.is_live(c.id)]
            rows.append(
                {
                    **_row(one),
                    "up": bool(link.get("up")),
                    "endpoint": link.get("endpoint", ""),
                    "last_seen": last.seen_at if last else None,
                    "refuses": bool(link.get("refuses")),
                    "sessions": len(here),
                    "heard": link.get("heard", []),
                    "tried": link.get("tried", []),
                }
            )
        return {
            "host": config.host_name(),
            "lan": config.lan(),
            "key": state.get("key", ""),
            "fingerprint": fingerprint(state["key"]) if state.get("key") else "",
            "port": state.get("port", 0),
            "addresses": state.get("addresses", []),
            "trouble": state.get("trouble", ""),
            "strangers": state.get("strangers", 0),
            "wrong": state.get("wrong", 0),
            "refused": trust.refused,
            "invites": [one.until for one in trust.open_invites() if one.given],
            "connect": list(trust.connect),
            "hosts": rows,
        }

    def _switched(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        """After `peer lan on` or `off`: the keeper looks at once. *gate*: whether a link may still be open."""
        if fields.get("changed"):
            self._sidecar.nudge()
        open_ = os.path.exists(config.gate_link(self._sidecar.root)) and bool(self.state().get("port"))
        return {**self._hosts(caller, number, fields), "gate": open_}

    @staticmethod
    def here_only(to: list[Card]) -> list[Card]:
        """Of those addressed, the ones on this machine, for a command that was told PEER_LAN=off.

        Raises:
            LanOff: there is none.
        """
        here = [one for one in to if not one.host_key]
        if not here:
            raise LanOff("PEER_LAN=off in the environment of this command: nothing is said to other machines")
        return here

    def waits_for(self, key: str) -> str:
        """Why what is said to the host *key* does not leave, as far as that is known; "" if it may."""
        if not config.lan():
            return config.why_no_lan()
        link, one = self.state().get("hosts", {}).get(key, {}), self._sidecar.trust.read().by_key(key)
        name = one.name if one is not None else "its machine"
        if link.get("refuses"):
            return f"{name} does not trust this machine any more"
        return "" if link.get("up") else f"{name} is not reached just now"

    def _rename(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        return _row(self._sidecar.trust.rename(str(fields["name"]), str(fields["new"])))

    def _remove(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        one = self._sidecar.trust.remove(str(fields["name"]))
        self._sidecar.nudge()  # the gate cuts its links now
        return _row(one)

    def _connect(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        self._must_have_lan()
        if not fields.get("address"):
            return self._looked_for()
        address = check_address(str(fields["address"]))
        known = self._sidecar.trust.connect(address, forget=bool(fields.get("forget")))
        self._sidecar.nudge()
        return {"connect": list(known), "hosts": len(self._sidecar.trust.read().hosts)}

    def _looked_for(self) -> dict[str, Any]:
        """The addresses that a person gave, and what became of each when it was tried last."""
        links = self.state().get("hosts", {}).values()
        tried = {endpoint: why for link in links for endpoint, why, _ in link.get("tried", [])}
        up = {link["endpoint"] for link in links if link["up"]}
        rows = []
        for one in self._sidecar.trust.read().connect:
            place = with_port(one, USUAL_PORT)
            rows.append({"address": one, "up": place in up, "why": tried.get(place, "")})
        return {"connect": rows, "hosts": len(self._sidecar.trust.read().hosts)}

    # ------------------------------------------------------------ letting in

    def _uninvite(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        return {"cancelled": self._sidecar.trust.uninvite()}

    def _invite(self, caller: Caller, number: int, fields: dict[str, Any]) -> None:
        self._must_have_lan()
        named = [check_address(str(one)) for one in list(fields.get("addresses") or [])]
        if not named and not self._sidecar.keeper.addresses():
            raise NotReached(
                "this machine has no address at which others could reach it: connect it to a network, or say where "
                "it is reached: peer invite --address HOST"
            )
        secret = secrets.token_bytes(SECRET_BYTES)
        self._sidecar.trust.invite(secret, _wish(fields))
        self._listening(
            caller,
            number,
            lambda state: {
                "token": str(
                    Token(
                        bytes.fromhex(state["key"]),
                        secret,
                        int(state["port"]),
                        choose(state["addresses"], named),
                    )
                ),
                "addresses": list(choose(state["addresses"], named)),
                "port": state["port"],
                "host": config.host_name(),
            },
        )

    def _gate(self, caller: Caller, number: int, fields: dict[str, Any]) -> None:
        """What a host says of itself when it is introduced by a short code; it listens for a while."""
        self._must_have_lan()
        self._close_door()
        self._open_door = secrets.token_bytes(SECRET_BYTES)
        self._sidecar.trust.invite(
            self._open_door, given=False
        )  # nobody is told this one: it only makes the gate listen
        self._listening(
            caller,
            number,
            lambda state: {
                "key": state["key"],
                "name": config.host_name(),
                "port": state["port"],
                "addresses": state["addresses"],
                "trouble": state["trouble"],
            },
        )

    def _offer(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        """A command waits at a port for whoever types its code: the keeper says so by mDNS."""
        if fields.get("wrong"):
            self._sidecar.trust.count_refused()
        if fields.get("done"):
            self._close_door()
        offers.write(self._sidecar.root, int(fields["nameplate"]), int(fields["port"]), int(fields["pid"]))
        return {}

    def _close_door(self) -> None:
        """The gate need not listen any longer for a code's sake."""
        if self._open_door:
            self._sidecar.trust.revoke(self._open_door)
            self._open_door = b""

    def _offers(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        return {"offers": self.state().get("offers", [])}

    def _listening(
        self, caller: Caller, number: int, answer: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        """Answer as soon as the gate listens."""
        self._sidecar.nudge()
        self._begin(self._answer_when_listening(caller, number, answer))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _answer_when_listening(
        self, caller: Caller, number: int, answer: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        deadline = time.monotonic() + LISTENING
        while time.monotonic() < deadline:
            state = self.state()
            if state.get("port"):
                caller.answer(number, answer(state))
                return
            if state.get("trouble"):
                break
            await asyncio.sleep(LOOK)
        why = self.state().get("trouble") or "no port was opened in time; `peer doctor --log` may show why"
        caller.fail(number, CannotListen(str(why)))

    def _join(self, caller: Caller, number: int, fields: dict[str, Any]) -> None:
        from peermesh.mesh.hosts.keys import host_keys

        self._must_have_lan()
        token, wish = Token.parse(str(fields["token"])), _wish(fields)
        keys = host_keys(self._sidecar.root)
        if token.key == keys[0]:
            raise BadUsage("that invitation was made on this host; use it on the other one")
        if not token.addresses:
            raise BadUsage("that invitation names no address: the inviting host is on no network")
        self._begin(self._come_in(caller, number, token, keys, wish))

    async def _come_in(
        self, caller: Caller, number: int, token: Token, keys: tuple[bytes, bytes], wish: str
    ) -> None:
        from peermesh.sidecar.joining import Joining

        places = [one for place in token.endpoints() for one in await look_up(place)]
        if not places:
            caller.fail(
                number, NotReached(f"{', '.join(token.addresses)} is not known to this host's resolver")
            )
            return

        def done(how: Welcomed | PeerError) -> None:
            try:
                if isinstance(how, PeerError):
                    raise how
                one = self._sidecar.trust.add(
                    token.key.hex(), wish or how.name, how.addresses, exact=bool(wish)
                )
            except PeerError as wrong:
                caller.fail(number, wrong)
                return
            self._sidecar.nudge()
            caller.answer(number, _row(one))

        Joining(self._sidecar.posts.context, keys, token.key, places, token.secret, done)

    def _introduce(self, caller: Caller, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Trust a host whose key a person vouched for by a short code."""
        key = str(fields["key"]).lower()
        if len(bytes.fromhex(key)) != KEY_BYTES:
            raise BadRequest("that is no host's key")
        places = tuple(check_address(str(one)) for one in list(fields.get("addresses") or []))
        wish = _wish(fields)
        one = self._sidecar.trust.add(key, wish or str(fields["host"]), places, exact=bool(wish))
        self._close_door()
        self._sidecar.nudge()
        return _row(one)


def _wish(fields: dict[str, Any]) -> str:
    return str(fields.get("name") or "")[:NAME]


def _row(one: Trusted) -> dict[str, Any]:
    return {
        "name": one.name,
        "key": one.key,
        "fingerprint": fingerprint(one.key),
        "since": one.since,
        "addresses": list(one.addresses),
    }
