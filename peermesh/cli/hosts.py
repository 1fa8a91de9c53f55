"""`peer invite`, `peer join`, `peer trust`, `peer connect`, `peer lan`: other machines."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from peermesh import config
from peermesh.cli import draw, link, plain
from peermesh.cli.options import json_option
from peermesh.core.clean import span
from peermesh.errors import SwitchedOff

# Two hosts that just met have each other's sessions after a greeting or two.
MEETING = 4.0  # seconds
LOOK = 0.1


@click.command("invite", short_help="Let another machine of mine in, once.")
@click.option("--as", "name", default="", help="What the other machine is to be called here.")
@click.option(
    "--address",
    "addresses",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Where I can be reached, if not at my own addresses (a tunnel, a VPN). May be repeated.",
)
@click.option("--cancel", is_flag=True, help="Take back the invitations that nobody used yet.")
@json_option
def invite_command(name: str, addresses: tuple[str, ...], cancel: bool, as_json: bool) -> None:
    """Print an invitation for another machine: good once, for ten minutes, for three tries.

    \b
    Example:
      peer invite                               then, on the other machine: peer join TOKEN
      ssh desktop peer join "$(peer invite)"    both in one line
    """
    if cancel:
        near, answer = link.ask("uninvite")
        near.close()
        _say(answer, as_json, f"{plain.count(answer['cancelled'], 'invitation')} taken back")
        return
    near, answer = link.ask("invite", name=name, addresses=list(addresses))
    near.close()
    if as_json:
        plain.as_json(answer)
        return
    click.echo(answer["token"])
    # To a pipe or into $(…) goes the token alone; the words are for whoever looks at the terminal.
    where = ", ".join(answer["addresses"]) or "no address"
    click.secho(
        f"on the other machine, within ten minutes: peer join TOKEN\n"
        f"(it comes to port {answer['port']} of {where}; use it once, and treat it like a password until then)",
        dim=True,
        err=True,
    )


@click.command("join", short_help="Use an invitation of another machine of mine.")
@click.argument("token")
@click.option("--as", "name", default="", help="What the inviting machine is to be called here.")
@json_option
def join_command(token: str, name: str, as_json: bool) -> None:
    """Use an invitation: from then on the sessions of both machines see each other.

    \b
    Example:
      peer join "$TOKEN"
    """
    near, answer = link.ask("join", token=token, name=name)
    near.close()
    met(answer, as_json)


def met(host: dict[str, Any], as_json: bool) -> None:
    """Two hosts trust each other now: wait until they see each other, and say what there is to see."""
    row = _meet(host)
    if as_json:
        plain.as_json(row)
        return
    there = f"{plain.count(row['sessions'], 'session')} there" if row["up"] else "not reached yet"
    click.echo(f"{row['name']} is trusted, and trusts this machine ({there})")
    click.secho(f"its key's fingerprint: {row['fingerprint']}", dim=True)
    if row["up"]:
        click.secho(f'see them with: peer list --all, write with: peer send NAME@{row["name"]} "…"', dim=True)
    else:
        click.secho("peer doctor shows what was tried", dim=True)


def _meet(host: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + MEETING
    while True:
        near, answer = link.ask("hosts")
        near.close()
        row = next((one for one in answer["hosts"] if one["key"] == host["key"]), None)
        if row is not None and ((row["up"] and row["last_seen"]) or time.monotonic() > deadline):
            return dict(row)
        if time.monotonic() > deadline:
            return {**host, "up": False, "sessions": 0}
        time.sleep(LOOK)


@click.group("trust", short_help="The machines that may speak with this one.", invoke_without_command=True)
@json_option
@click.pass_context
def trust_command(ctx: click.Context, as_json: bool) -> None:
    """List the machines that may speak with this one; rename or remove one.

    \b
    Example:
      peer trust
      peer trust rename ubuntu desktop
      peer trust remove desktop
    """
    if ctx.invoked_subcommand is not None:
        return
    near, answer = link.ask("hosts")
    near.close()
    if as_json:
        plain.as_json(answer)
        return
    if not answer["hosts"]:
        click.echo("no other machine is trusted; let one in with: peer invite")
    else:
        draw.table(
            ("HOST", "STATUS", "FINGERPRINT", "SINCE", "WHERE"),
            [_host_row(one) for one in answer["hosts"]],
            [{} if one["up"] else {"dim": True} for one in answer["hosts"]],
        )
    for until in answer["invites"]:
        left = span(max(0.0, until - time.time()))
        click.secho(f"1 invitation is open for {left} more (peer invite --cancel)", fg="yellow")
    if answer["fingerprint"]:
        click.secho(f"this machine: {answer['host']}, {answer['fingerprint']}", dim=True)
    if answer["refused"]:
        click.secho(f"invitations refused so far: {answer['refused']} (wrong, late or used)", fg="yellow")


def _host_row(one: dict[str, Any]) -> tuple[str, str, str, str, str]:
    if one["up"]:
        status = f"up, {plain.count(one['sessions'], 'session')}"
    elif one["refuses"]:
        status = "does not trust us"
    else:
        status = f"seen {draw.ago(one['last_seen'])}" if one["last_seen"] else "not seen yet"
    where = one["endpoint"] or next(iter(one["addresses"]), "")
    return one["name"], status, one["fingerprint"], draw.ago(one["since"]), where


@trust_command.command("rename", short_help="Call a machine otherwise here.")
@click.argument("name")
@click.argument("new")
@json_option
def rename_command(name: str, new: str, as_json: bool) -> None:
    """Call a machine otherwise here.

    \b
    Example:
      peer trust rename ubuntu desktop
    """
    near, answer = link.ask("rename_host", name=name, new=new)
    near.close()
    _say(answer, as_json, f"{name} is called {answer['name']} here from now on")


@trust_command.command("remove", short_help="Trust a machine no longer; its links are cut now.")
@click.argument("name")
@json_option
def remove_command(name: str, as_json: bool) -> None:
    """Trust a machine no longer; its links are cut at once.

    \b
    Example:
      peer trust remove desktop
    """
    near, answer = link.ask("remove_host", name=name)
    near.close()
    _say(
        answer,
        as_json,
        f"{answer['name']} is not trusted any more, and its links are cut; it may still trust this machine "
        "(there: peer trust remove)",
    )


@click.command("connect", short_help="Where other machines are, if they are not found by themselves.")
@click.argument("address", metavar="[HOST[:PORT]]", required=False)
@click.option("--forget", is_flag=True, help="Look there no longer.")
@json_option
def connect_command(address: str | None, forget: bool, as_json: bool) -> None:
    """Remember an address at which a trusted machine is looked for: in networks without multicast, over a
    VPN or a tunnel. Only a machine with a trusted key is spoken with there. Without an address: list them.

    \b
    Example:
      peer connect desktop.tailnet.example
      peer connect 10.8.0.2:7337
    """
    near, answer = link.ask("connect", address=address or "", forget=forget)
    near.close()
    if not address:
        _looked_for(answer, as_json)
        return
    if forget:
        _say(answer, as_json, f"{address} is forgotten")
        return
    rest = "" if answer["hosts"] else "; nobody is trusted yet: peer invite, and there peer join TOKEN"
    _say(answer, as_json, f"trusted machines are looked for at {address} too{rest}")


def _looked_for(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        plain.as_json(answer)
        return
    for one in answer["connect"]:
        how = "a trusted machine is there" if one["up"] else one["why"] or "not in use"
        click.echo(f"{one['address']}  {click.style(how, dim=True)}")
    if not answer["connect"]:
        click.echo("no address is remembered; machines are looked for by mDNS and where they were before")


@click.command("lan", short_help="Show the LAN, or switch it on or off for this machine.")
@click.argument("switch", type=click.Choice(["on", "off"]), required=False)
@json_option
def lan_command(switch: str | None, as_json: bool) -> None:
    """Show where this machine listens, or switch the LAN on or off for all its sessions.

    Off means off: nothing listens and no packet is sent, mDNS included. Sessions on this machine go on.

    \b
    Example:
      peer lan
      peer lan off
    """
    root = config.make_home()
    if switch is not None:
        if "PEER_LAN" in os.environ:
            raise SwitchedOff(
                f"PEER_LAN={os.environ['PEER_LAN']} in the environment decides here; unset it first"
            )
        config.change_setting(root, "PEER_LAN", switch)
    answer = _settled(switch)
    if as_json:
        plain.as_json(answer)
        return
    if not answer["lan"]:
        click.echo(
            "the LAN is off: nothing listens, and no packet is sent"
            + (" (closing)" if answer["gate"] else "")
        )
    elif answer["port"]:
        where = ", ".join(answer["addresses"]) or "no network"
        click.echo(f"{answer['host']} listens on TCP port {answer['port']} ({where}) for machines it trusts")
    else:
        click.echo(f"on; {answer['trouble'] or 'nothing listens until a machine is trusted: peer invite'}")


def _settled(switch: str | None) -> dict[str, Any]:
    """How things stand; after a change, as soon as it has taken effect."""
    deadline = time.monotonic() + MEETING
    while True:
        near, answer = link.ask("lan", changed=switch is not None)
        near.close()
        done = not answer["gate"] if switch == "off" else bool(answer["port"] or not answer["hosts"])
        if switch is None or done or answer["trouble"] or time.monotonic() > deadline:
            return answer
        time.sleep(LOOK)


def _say(answer: dict[str, Any], as_json: bool, words: str) -> None:
    if as_json:
        plain.as_json(answer)
    else:
        click.echo(words)
