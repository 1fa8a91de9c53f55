"""What `peer doctor` says about other machines: what was tried, and what may be in the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from peermesh.cli import draw, plain
from peermesh.cli.findings import Finding, finding

# Of the addresses of one machine that were tried, so many are named.
NAMED = 4


def findings(answer: dict[str, Any]) -> Iterator[Finding]:
    """What the door's answer to ``hosts`` means for a person."""
    if answer["trouble"]:
        yield finding(
            "wrong", "listening", answer["trouble"], "set PEER_PORT to a free port, or end what has it"
        )
    elif answer["hosts"] and not answer["addresses"] and not any(one["up"] for one in answer["hosts"]):
        yield finding("wrong", "network", "this machine is on none", "connect it, or look at PEER_INTERFACES")
    elif answer["port"]:
        where = ", ".join(answer["addresses"])
        yield finding("fine", "listening", f"TCP port {answer['port']} ({where}), for trusted machines only")
    else:
        yield finding(
            "fine", "other machines", "none is trusted, so nothing listens; let one in with: peer invite"
        )
    for one in answer["hosts"]:
        yield _host(one, answer)
    yield from _strangers(answer)


def _host(one: dict[str, Any], answer: dict[str, Any]) -> Finding:
    if one["up"]:
        at = f" at {one['endpoint']}" if one["endpoint"] else ", it dialled"
        return finding("fine", one["name"], f"up{at}, {plain.count(one['sessions'], 'session')}")
    seen = f"last seen {draw.ago(one['last_seen'])}" if one["last_seen"] else "never seen since it is trusted"
    if one["refuses"]:
        return finding(
            "wrong", one["name"], f"it does not trust this machine (any more), {seen}", _advice(one, answer)
        )
    failed = [(where, why) for where, why, _ in one["tried"] if why][-NAMED:]
    tried = "; ".join(f"{where}: {why}" for where, why in failed) or "nothing that has failed so far"
    return finding("note", one["name"], f"not reached, {seen}. Tried {tried}", _advice(one, answer))


def _advice(one: dict[str, Any], answer: dict[str, Any]) -> str:
    if one["refuses"]:
        return "pair again: here peer invite, there peer join TOKEN"
    if not answer["addresses"]:
        return "connect this machine to a network"
    if one["heard"]:
        ports = sorted({where.rpartition(":")[2] for where in one["heard"]})
        return (
            "mDNS heard of it lately, and it does not answer: it just went to sleep or lost its network, or a "
            f"firewall there keeps out TCP port {', '.join(ports)} "
            f"(with ufw: sudo ufw allow {ports[0]}/tcp); one open port of the two machines is enough, this one's "
            f"is {answer['port']}"
        )
    return (
        "nothing is heard of it by mDNS (UDP port 5353): it sleeps, has no session open, or the network carries "
        "no multicast. If it is there, say where: peer connect HOST"
    )


def _strangers(answer: dict[str, Any]) -> Iterator[Finding]:
    if answer["strangers"]:
        yield finding(
            "note",
            "strangers",
            f"{answer['strangers']} connections with unknown keys were refused since it listens",
        )
    if answer["refused"]:
        yield finding(
            "note",
            "invitations",
            f"{answer['refused']} attempts to join with a wrong, late or used invitation were refused",
        )
    if answer["wrong"]:
        yield finding(
            "note",
            "wrong frames",
            f"{answer['wrong']} from trusted machines, passed over",
            "is peer of the same version there? peer doctor --log shows more",
        )
