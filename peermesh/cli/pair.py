"""`peer pair`: two machines are made known to each other by a short code that can be read aloud."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import click

from peermesh import config
from peermesh.cli import hosts, link
from peermesh.cli.options import json_option
from peermesh.errors import BadUsage, NotReached, PairingFailed
from peermesh.mesh.hosts.token import check_address, split, with_port
from peermesh.mesh.pairing.codes import Code, new_code
from peermesh.mesh.pairing.handshake import Introduction, Offer, answer

# A code is for as long as it takes to walk to the other machine.
OFFER_LIFE = 600.0  # seconds
# The other machine is found by mDNS in milliseconds; its record may come a second late.
FINDING = 15.0
LOOK = 0.2
# The whole exchange: milliseconds on a LAN.
EXCHANGE = 30.0
# So that `--host ADDRESS` needs no port; a free one if it is taken.
PORT = 7347


@click.command("pair", short_help="Make two machines known to each other by a short code.")
@click.argument("code", nargs=-1)
@click.option(
    "--host", metavar="ADDRESS[:PORT]", help="Where the other machine is, in a network without multicast."
)
@click.option("--as", "name", default="", help="What the other machine is to be called here.")
@json_option
def pair_command(code: tuple[str, ...], host: str | None, name: str, as_json: bool) -> None:
    """Show a code here; type it on the other machine. It is good for one guess, within ten minutes.

    \b
    Example:
      peer pair                       shows a code, such as 7-guitar-ocean
      peer pair 7-guitar-ocean        on the other machine
    """
    parsed = _parsed(" ".join(code)) if code else None
    wrong = False
    try:
        row = _pair(parsed, host, name)
    except PairingFailed:
        wrong = True
        raise
    finally:
        near, _ = link.ask("offer", nameplate=0, port=0, pid=0, done=True, wrong=wrong)
        near.close()
    hosts.met(row, as_json)


def _pair(parsed: Code | None, host: str | None, name: str) -> dict[str, Any]:
    """The host that is trusted now."""
    near, me = link.ask("gate")
    near.close()
    myself = Introduction(bytes.fromhex(me["key"]), me["name"][:40], me["port"], tuple(me["addresses"][:8]))
    places: tuple[str, ...] = ()
    if parsed is None:
        other = asyncio.run(_offer(myself))
    else:
        other, places = _answer(parsed, myself, host)
    spelled = tuple(with_port(one, other.port) for one in (*places, *other.addresses)) if other.port else ()
    near, row = link.ask(
        "introduce", key=other.key.hex(), host=other.name, name=name, addresses=list(dict.fromkeys(spelled))
    )
    near.close()
    return row


def _parsed(text: str) -> Code:
    try:
        return Code.parse(text)
    except ValueError as wrong:
        raise BadUsage(str(wrong)) from wrong


async def _offer(me: Introduction) -> Introduction:
    """Show a code, and wait for the one who types it."""
    code = new_code()
    offer = Offer(code, me)
    # With chosen interfaces, on these only, as the gate does.
    port = await offer.open(me.addresses if config.interfaces() else ("*",), (PORT, 0))
    _publish(code.nameplate, port)
    at = f"{me.addresses[0] if me.addresses else 'ADDRESS'}{'' if port == PORT else f':{port}'}"
    click.secho(str(code), bold=True)
    click.secho(
        f"on the other machine, within ten minutes: peer pair {code}\n"
        f"(if it does not find this one by itself: peer pair {code} --host {at})",
        dim=True,
        err=True,
    )
    try:
        return await offer.result(OFFER_LIFE)
    except TimeoutError as late:
        raise NotReached("nobody came within ten minutes; the code is void") from late
    finally:
        await offer.close()


def _publish(nameplate: int, port: int) -> None:
    near, _ = link.ask("offer", nameplate=nameplate, port=port, pid=os.getpid())
    near.close()


def _answer(code: Code, me: Introduction, host: str | None) -> tuple[Introduction, tuple[str, ...]]:
    """The host that shows *code*, and the address at which it is."""
    endpoints = [split(with_port(check_address(host), PORT))] if host else _found(code.nameplate)
    other, address = asyncio.run(answer(code, me, endpoints, EXCHANGE))
    return other, (address,)


def _found(nameplate: int) -> list[tuple[str, int]]:
    """Where the code with that number is offered, as mDNS tells."""
    if sys.stderr.isatty():
        click.secho("looking for the other machine on this network …", dim=True, err=True)
    deadline = time.monotonic() + FINDING
    while time.monotonic() < deadline:
        near, said = link.ask("offers")
        near.close()
        places: list[dict[str, Any]] = [one for one in said["offers"] if one["nameplate"] == nameplate]
        if places:
            return [(address, one["port"]) for one in places for address in one["addresses"]]
        time.sleep(LOOK)
    raise NotReached(
        "the other machine was not found on this network; say where it is: "
        "peer pair CODE --host ADDRESS (it prints its own)"
    )
