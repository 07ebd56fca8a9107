"""`lab stun`: the lab STUN server on the command line."""

import asyncio
import dataclasses
from typing import Annotated

import typer

from host_tools.errors import UserError
from host_tools.lab.serve import address, show, until_stopped
from host_tools.lab.stun import Binding, Request, StunServer
from host_tools.lab.stun_faults import FAULTS, Fault
from host_tools.lab.stun_personality import PERSONALITIES


def parse_fault(text: str) -> Fault:
    """`name[:field=value,...]`, e.g. `error:code=431,when=change,next=2`; ValueError."""
    name, _, rest = text.partition(":")
    if name not in FAULTS:
        raise ValueError(f"no fault {name!r}; there are {', '.join(sorted(FAULTS))}")
    kind = FAULTS[name]
    fields = {field.name for field in dataclasses.fields(kind) if field.init}
    options: dict[str, str | int | float] = {}
    for item in filter(None, rest.split(",")):
        key, equals, value = item.partition("=")
        if not equals or key not in fields:
            raise ValueError(f"fault {name}: {item!r} sets none of {', '.join(sorted(fields))}")
        options[key] = _value(value)
    return kind(**options)  # type: ignore[arg-type]


def _value(text: str) -> str | int | float:
    """A number where the text is one (hex with 0x), else the text."""
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _request_line(request: Request) -> str:
    words = [f"#{request.number}", show(request.source)]
    message = request.message
    if message is not None and message.username:
        words.append(f"user={message.username}")
    words += [
        word
        for word, holds in (
            ("keepalive", request.is_keepalive),
            ("change", request.is_change),
            ("probe", request.is_probe),
            ("signed", request.is_signed),
        )
        if holds
    ]
    return " ".join([*words, f"-> {request.outcome}"])


def _binding_line(binding: Binding) -> str:
    return f"binding {binding.username or '-'} reachable at {show(binding.mapped)}"


def stun(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="UDP port; 0 takes a free one.")] = 3478,
    alternate: Annotated[
        str | None, typer.Option(help="host:port of RFC 3489's second address.")
    ] = None,
    personality: Annotated[
        str, typer.Option(help=f"Which server to be: {', '.join(PERSONALITIES)}.")
    ] = "classic",
    user: Annotated[
        list[str] | None, typer.Option(help="name:password of a CPE; may be repeated.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="name[:next=n,skip=n,when=change,...]; may be repeated."),
    ] = None,
    list_faults: Annotated[bool, typer.Option(help="Print the faults and leave.")] = False,
) -> None:
    """Run a STUN server that knows TR-069's binding attributes, and fails on demand."""
    if list_faults:
        for name in sorted(FAULTS):
            typer.echo(name)
        return
    if personality not in PERSONALITIES:
        raise typer.BadParameter(f"no personality {personality!r}: {', '.join(PERSONALITIES)}")
    credentials = {}
    for item in user or []:
        name, colon, password = item.partition(":")
        if not colon:
            raise typer.BadParameter("--user takes name:password")
        credentials[name] = password
    try:
        faults = [parse_fault(item) for item in fault or []]
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(str(error)) from None
    server = StunServer(
        host,
        port,
        alternate=address(alternate) if alternate else None,
        personality=personality,
        credentials=credentials,
        on_request=lambda request: typer.echo(_request_line(request)),
        on_binding=lambda binding, changed: (
            typer.echo(_binding_line(binding)) if changed else None
        ),
    )
    server.faults.add(*faults)

    async def serve() -> None:
        async with server:
            typer.echo(f"stun listening on {show(server.address)} as {personality}")
            await until_stopped()

    try:
        asyncio.run(serve())
    except OSError as error:
        raise UserError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def register(app: typer.Typer) -> None:
    app.command("stun")(stun)
