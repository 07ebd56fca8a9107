"""`lab nat`: the user-space NAT on the command line."""

import asyncio
import signal
import socket
from typing import Annotated, get_args

import typer

from host_tools.errors import UserError
from host_tools.lab.nat import Behaviour, Direction, UserNat
from host_tools.lab.serve import address, on_typed_line, show, until_stopped

HELP = "rebind | expire | show | drop outbound|inbound|both | pass"


def obey(nat: UserNat, line: str) -> str:
    """Carry out one typed command; returns what to print."""
    command, _, argument = line.partition(" ")
    if command == "rebind":
        count = len(nat.mappings)
        nat.rebind()
        return f"rebind: {count} mappings forgotten"
    if command == "expire":
        nat.expire()
        return "expire: every mapping timed out"
    if command == "drop" and argument in get_args(Direction):
        nat.drop(argument)  # type: ignore[arg-type]
        return f"drop: losing {argument} until `pass`"
    if command == "pass":
        nat.drop(None)
        return "pass: everything passes"
    if command == "show":
        lines = [f"{show(inside)} <-> {show(outside)}" for inside, outside in nat.mappings]
        lines += [f"{name}: {count}" for name, count in sorted(nat.counters.items())]
        return "\n".join(lines) or "show: nothing yet"
    return HELP


def nat(
    server: Annotated[list[str], typer.Option(help="host:port of a server outside; repeatable.")],
    inside_host: Annotated[
        str, typer.Option(help="Address that stands for the servers on the inside.")
    ] = "127.0.10.1",
    inside_port: Annotated[
        int, typer.Option(help="Alias port of the first server, then counting up; 0: free ones.")
    ] = 3478,
    outside_host: Annotated[
        str, typer.Option(help="The NAT's address on the outside.")
    ] = "127.0.20.1",
    mapping: Annotated[
        Behaviour, typer.Option(help="What a mapping depends on.")
    ] = Behaviour.ENDPOINT_INDEPENDENT,
    filtering: Annotated[
        Behaviour, typer.Option(help="Whom a mapping lets in.")
    ] = Behaviour.ADDRESS_AND_PORT_DEPENDENT,
    preserve_port: Annotated[bool, typer.Option(help="Keep the inside port if free.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds a mapping lives without use.")] = 30.0,
    refresh_inbound: Annotated[
        bool, typer.Option(help="Inbound datagrams keep a mapping alive too.")
    ] = False,
) -> None:
    """Run a UDP NAT between a CPE and servers; type `rebind` (or send SIGHUP) to reboot it."""
    box = UserNat(
        inside_host=inside_host,
        outside_host=outside_host,
        mapping=mapping,
        filtering=filtering,
        preserve_port=preserve_port,
        timeout=timeout,
        refresh_inbound=refresh_inbound,
    )

    async def serve() -> None:
        async with box:
            for index, text in enumerate(server):
                name, port = address(text, default_port=3478)
                outside = (socket.gethostbyname(name), port)
                inside = box.alias(outside, inside_port + index if inside_port else 0)
                typer.echo(f"nat {show(inside)} stands for {show(outside)}")
            asyncio.get_running_loop().add_signal_handler(
                signal.SIGHUP, lambda: typer.echo(obey(box, "rebind"))
            )
            on_typed_line(lambda line: typer.echo(obey(box, line)) if line else None)
            await until_stopped()

    try:
        asyncio.run(serve())
    except OSError as error:
        raise UserError(f"cannot open the NAT: {error.strerror}") from error


def register(app: typer.Typer) -> None:
    app.command("nat")(nat)
